//! `cairn object link`.

use super::Place;
use crate::{
    arguments::LinkArgs,
    command::{given, session},
    output::{printable, size},
};
use client::Linked;
use model::{Precondition, Version};
use serde::Serialize;
use tokio::time::Instant;

/// What a link became, as machines see it.
#[derive(Serialize)]
struct Done<'a> {
    account: &'a str,
    container: &'a str,
    object: &'a str,
    to_account: &'a str,
    to_container: &'a str,
    to_object: &'a str,
    #[serde(flatten)]
    linked: &'a Linked,
}

pub async fn run(place: &Place, args: LinkArgs) -> anyhow::Result<()> {
    let container = given::container(&args.container)?;
    let object = given::object(&args.object)?;
    let to_container = given::container(&args.to_container)?;
    let to_object = given::object(&args.to_object)?;
    let to_account = match &args.to_account {
        Some(account) => given::account(account)?,
        None => place.account.clone(),
    };
    let properties = given::properties(&args.properties)?;
    let mut source = place.client.link_object(&place.account, &container, &object);
    if let Some(version) = args.version {
        source = source.version(Version(version));
    }
    let mut link =
        source.to(&to_account, &to_container, &to_object).autocreate(!args.no_autocreate);
    if args.replace {
        link = link.replace_properties(properties);
    }
    if let Some(id) = &args.content_id {
        link = link.content(given::content_id(id)?);
    }
    if args.if_absent {
        link = link.precondition(Precondition::Absent);
    }
    if let Some(deadline) = args.deadline {
        link = link.deadline(Instant::now() + deadline.0);
    }
    let linked = match link.await {
        Ok(linked) => linked,
        Err(error @ client::Error::NoSuchContainer(_)) => {
            let source = place.client.show_container(&place.account, &container).await;
            let (account, name) = match source {
                Ok(_) => (&to_account, &args.to_container),
                Err(_) => (&place.account, &args.container),
            };
            return Err(session::naming(error.into(), &place.client, account, name).await);
        }
        Err(error) => return Err(error.into()),
    };
    for failure in &linked.failures {
        place.output.note(&format!("note: {failure}"));
    }
    let done = Done {
        account: place.account.as_str(),
        container: container.as_str(),
        object: object.as_str(),
        to_account: to_account.as_str(),
        to_container: to_container.as_str(),
        to_object: to_object.as_str(),
        linked: &linked,
    };
    Ok(place.output.show(&done, |done| {
        format!(
            "linked {} to {} in {}: {}, version {}",
            printable(done.object),
            printable(done.to_object),
            printable(done.to_container),
            size::human(done.linked.size),
            done.linked.version,
        )
    })?)
}
