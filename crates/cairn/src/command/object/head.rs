//! `cairn object head`.

use super::{Place, names};
use crate::{
    arguments::{ObjectArgs, TrustLevel},
    failure::Exit,
    output::printable,
};
use model::{ErrorKind, Subject, Version};
use serde::Serialize;

/// Whether it is there, as machines see it.
#[derive(Serialize)]
struct Seen<'a> {
    account: &'a str,
    container: &'a str,
    object: &'a str,
    present: bool,
}

pub async fn run(place: &Place, args: &ObjectArgs, trust: TrustLevel) -> anyhow::Result<Exit> {
    let (container, object) = names(args)?;
    let head = place.client.head_object(&place.account, &container, &object);
    let mut head = head.trust(match trust {
        TrustLevel::Metadata => client::TrustLevel::Metadata,
        TrustLevel::Readable => client::TrustLevel::Readable,
        TrustLevel::Complete => client::TrustLevel::Complete,
    });
    if let Some(version) = args.version {
        head = head.version(Version(version));
    }
    let present = head.await?;
    if !present && trust != TrustLevel::Metadata {
        drained(place, args).await?;
    }
    let seen = Seen {
        account: place.account.as_str(),
        container: container.as_str(),
        object: object.as_str(),
        present,
    };
    place.output.show(&seen, |seen| {
        let word = if seen.present { "present" } else { "absent" };
        format!("{} is {word}", printable(seen.object))
    })?;
    Ok(if present { Exit::Ok } else { Exit::NotFound })
}

/// That its chunks are gone on purpose is told as everywhere else.
async fn drained(place: &Place, args: &ObjectArgs) -> anyhow::Result<()> {
    let (container, object) = names(args)?;
    let mut show = place.client.show_object(&place.account, &container, &object);
    if let Some(version) = args.version {
        show = show.version(Version(version));
    }
    match show.await {
        Ok(shown) if shown.entry.drained => {
            let why = format!("object {object} was drained: its content is gone");
            Err(model::Error::new(ErrorKind::Drained, Subject::Object, why).into())
        }
        _ => Ok(()),
    }
}
