//! `cairn object repair`.

use super::{Place, names};
use crate::arguments::ObjectArgs;
use client::{ChunkCheck, Repaired};
use model::Version;
use serde::Serialize;
use std::time::Duration;

#[derive(Serialize)]
struct View<'a> {
    account: &'a str,
    container: &'a str,
    object: &'a str,
    #[serde(flatten)]
    repaired: Repaired,
    /// Whether every chunk is on its disk and verified.
    whole: bool,
}

pub async fn run(place: &Place, args: &ObjectArgs, wait: Duration) -> anyhow::Result<()> {
    let (container, object) = names(args)?;
    let mut repair = place.client.repair_object(&place.account, &container, &object).wait(wait);
    if let Some(version) = args.version {
        repair = repair.version(Version(version));
    }
    let repaired = repair.await?;
    let view = View {
        account: place.account.as_str(),
        container: container.as_str(),
        object: object.as_str(),
        whole: repaired.is_whole(),
        repaired,
    };
    place.output.show(&view, |view| text(&view.repaired))?;
    if !wait.is_zero() && !view.whole {
        anyhow::ensure!(
            repaired.stuck == 0,
            "{} metachunks of {object} cannot be repaired: too few of their chunks are left, or no \
             volume can take one; `cairn cluster status` says which",
            repaired.stuck
        );
        anyhow::bail!("not every chunk of {object} is whole; `cairn cluster status` says why");
    }
    Ok(())
}

fn text(repaired: &Repaired) -> String {
    let counts = |check: &ChunkCheck| {
        let ChunkCheck { whole, lost, unknown } = check;
        let mut text = format!("{whole} whole, {lost} missing or damaged");
        if *unknown > 0 {
            text.push_str(&format!(", {unknown} could not be looked at"));
        }
        text
    };
    let mut text = format!("chunks  {}\n", counts(&repaired.before));
    if let Some(after) = &repaired.after {
        text.push_str(&format!("now     {}\n", counts(after)));
    }
    if repaired.waiting > 0 {
        text.push_str(&format!("{} metachunks wait for repair\n", repaired.waiting));
    }
    text
}
