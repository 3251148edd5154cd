//! What is done to objects as they are: drained, touched, purged.

use super::Place;
use crate::{
    arguments::SeveralArgs,
    command::{each::Each, given},
    failure::{Exit, usage},
    output::{printable, size},
};
use model::{ContainerName, ObjectName, Version};
use serde::Serialize;
use std::ffi::OsStr;

/// What was done to an object, as machines see it.
#[derive(Serialize)]
struct Done<'a> {
    account: &'a str,
    container: &'a str,
    object: &'a str,
    /// `drained` or `touched`.
    done: &'static str,
}

/// What went, as machines see it.
#[derive(Serialize)]
struct Gone<'a> {
    account: &'a str,
    container: &'a str,
    object: &'a str,
    #[serde(flatten)]
    removed: client::Removed,
}

pub async fn drain(place: &Place, args: &SeveralArgs) -> anyhow::Result<Exit> {
    several(place, args, "drained", async |container, object| {
        let mut drain = place.client.drain_object(&place.account, container, object);
        if let Some(version) = args.version {
            drain = drain.version(Version(version));
        }
        drain.await
    })
    .await
}

pub async fn touch(place: &Place, args: &SeveralArgs) -> anyhow::Result<Exit> {
    several(place, args, "touched", async |container, object| {
        let mut touch = place.client.update_object(&place.account, container, object);
        if let Some(version) = args.version {
            touch = touch.version(Version(version));
        }
        touch.await
    })
    .await
}

async fn several(
    place: &Place,
    args: &SeveralArgs,
    done: &'static str,
    work: impl AsyncFn(&ContainerName, &ObjectName) -> Result<(), client::Error>,
) -> anyhow::Result<Exit> {
    let container = given::container(&args.container)?;
    let names = given::all(&args.objects, given::object)?;
    if args.version.is_some() && names.len() > 1 {
        return Err(usage!("--version goes with one object, not with {}", names.len()));
    }
    let mut each = Each::of(place.output, names.len());
    for object in names {
        let (account, object_name) = (place.account.as_str(), object.as_str());
        each.take(match work(&container, &object).await {
            Err(error) => Err(place.naming(error.into(), &args.container).await),
            Ok(()) => {
                let container = container.as_str();
                let told = Done { account, container, object: object_name, done };
                let text = |told: &Done| format!("{} {}", told.done, printable(told.object));
                place.output.show(&told, text).map_err(Into::into)
            }
        })?;
    }
    Ok(each.exit())
}

pub async fn purge(
    place: &Place,
    container: &OsStr,
    object: &OsStr,
    keep: Option<u32>,
) -> anyhow::Result<()> {
    let (container, object) = (given::container(container)?, given::object(object)?);
    let mut purge = place.client.purge_container(&place.account, &container).object(&object);
    if let Some(keep) = keep {
        purge = purge.keep(keep);
    }
    let gone = Gone {
        account: place.account.as_str(),
        container: container.as_str(),
        object: object.as_str(),
        removed: purge.await?,
    };
    Ok(place.output.show(&gone, |gone| {
        let versions = size::count(gone.removed.versions, "version");
        format!("removed {versions} of {}", printable(gone.object))
    })?)
}
