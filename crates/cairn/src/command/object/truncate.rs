//! `cairn object truncate`.

use super::{Place, names};
use crate::{
    arguments::ObjectArgs,
    output::{printable, size},
};
use client::Truncated;
use model::Version;
use serde::Serialize;

/// What a truncation came to, as machines see it.
#[derive(Serialize)]
struct Done<'a> {
    account: &'a str,
    container: &'a str,
    object: &'a str,
    #[serde(flatten)]
    truncated: Truncated,
}

pub async fn run(place: &Place, args: &ObjectArgs, size: u64) -> anyhow::Result<()> {
    let (container, object) = names(args)?;
    let mut truncate = place.client.truncate_object(&place.account, &container, &object, size);
    if let Some(version) = args.version {
        truncate = truncate.version(Version(version));
    }
    let truncated = truncate.await?;
    let done = Done {
        account: place.account.as_str(),
        container: container.as_str(),
        object: object.as_str(),
        truncated,
    };
    Ok(place.output.show(&done, |done| {
        let Truncated { before, size, .. } = done.truncated;
        let (before, size) = (size::human(before), size::human(size));
        format!("cut {} from {before} to {size}", printable(done.object))
    })?)
}
