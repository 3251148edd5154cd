//! `cairn container`.

mod upkeep;

use super::{
    account::{creation, properties_text},
    each::{Each, told},
    given, listing, session,
};
use crate::{
    arguments::{ContainerAction, ContainerChange, ContainerCommand, ListArgs},
    failure::{Exit, usage},
    output::{Output, printable, size, time},
};
use client::Client;
use model::{AccountName, Container, ContainerName, Frozen, PolicyName, Properties, Versioning};
use serde::Serialize;

/// What became of a container.
#[derive(Serialize)]
struct Created<'a> {
    account: &'a str,
    container: &'a str,
    created: bool,
}

/// A container that is gone.
#[derive(Serialize)]
struct Deleted<'a> {
    account: &'a str,
    container: &'a str,
    deleted: bool,
}

/// A container as machines see it.
#[derive(Serialize)]
struct View<'a> {
    id: String,
    account: &'a str,
    container: &'a str,
    /// Null: the cluster's default.
    policy: Option<&'a PolicyName>,
    /// `disabled`, `suspended`, `unlimited` or a number of versions, as text.
    versioning: String,
    quota: Option<u64>,
    objects: u64,
    bytes: u64,
    live_objects: u64,
    live_bytes: u64,
    /// `no`, `snapshot` (until one that is being taken is done) or `yes`: it takes no writes.
    frozen: &'static str,
    /// The id of the container that it is the snapshot of.
    snapshot_of: Option<String>,
    created: u64,
    modified: u64,
    properties: &'a Properties,
}

pub async fn run(command: ContainerCommand, output: Output) -> anyhow::Result<Exit> {
    let ContainerCommand { place, mut action } = command;
    let (client, mut account) = session::open_in(&place, output).await?;
    if place.cid {
        match action {
            ContainerAction::Create { .. } => {
                return Err(usage!("a container is created by its name, not by an id"));
            }
            ContainerAction::List(_) => {
                return Err(usage!("--cid goes with commands about containers: list names none"));
            }
            _ => {}
        }
        account = session::names_of(&client, &account, action.containers_mut()).await?;
    }
    let naming = |error: client::Error, container| {
        session::naming(error.into(), &client, &account, container)
    };
    match action {
        ContainerAction::Create { containers, settings, properties } => {
            let properties = given::properties(&properties)?;
            let policy: Option<PolicyName> = settings.policy.map(|p| p.parse()).transpose()?;
            let versioning = settings.versioning.map(|v| given::versioning(&v)).transpose()?;
            let containers = given::all(&containers, given::container)?;
            let mut each = Each::of(output, containers.len());
            for container in containers {
                let mut create = client.create_container(&account, &container);
                create = create.properties(properties.clone());
                if let Some(policy) = &policy {
                    create = create.policy(policy.clone());
                }
                if let Some(versioning) = versioning {
                    create = create.versioning(versioning);
                }
                if let Some(quota) = settings.quota {
                    create = create.quota(quota.0);
                }
                let done = create.await.map(|created| {
                    let (account, container) = (account.as_str(), container.as_str());
                    let done = Created { account, container, created };
                    output.show(&done, |d| creation("container", d.container, d.created))
                });
                each.take(told(done))?;
            }
            return Ok(each.exit());
        }
        ContainerAction::Show { container } => {
            let name = given::container(&container)?;
            if let Err(error) = show(&client, &account, &name, output).await {
                return Err(session::naming(error, &client, &account, &container).await);
            }
        }
        ContainerAction::List(args) => list(&client, &account, &args, output).await?,
        ContainerAction::Delete { containers } => {
            let names = given::all(&containers, given::container)?;
            let mut each = Each::of(output, names.len());
            for (container, given) in names.iter().zip(&containers) {
                each.take(match client.delete_container(&account, container).await {
                    Err(error) => Err(naming(error, given.as_os_str()).await),
                    Ok(()) => {
                        let (account, container) = (account.as_str(), container.as_str());
                        let done = Deleted { account, container, deleted: true };
                        let text =
                            |d: &Deleted| format!("deleted container {}", printable(d.container));
                        output.show(&done, text).map_err(Into::into)
                    }
                })?;
            }
            return Ok(each.exit());
        }
        ContainerAction::Flush { .. }
        | ContainerAction::Purge { .. }
        | ContainerAction::Refresh { .. }
        | ContainerAction::Touch { .. }
        | ContainerAction::Snapshot(_) => {
            return upkeep::run(&client, &account, action, output).await;
        }
        ContainerAction::Set(change) => set(&client, &account, change, output).await?,
        ContainerAction::Unset { container, unset, policy, quota, versioning } => {
            let keys = given::keys(&unset.properties)?;
            if keys.is_empty() && !(unset.all_properties || policy || quota || versioning) {
                return Err(usage!("nothing is to be removed: say --property KEY or a setting"));
            }
            let name = given::container(&container)?;
            let mut update = client.update_container(&account, &name);
            if unset.all_properties {
                update = update.clear();
            }
            if policy {
                update = update.policy(None);
            }
            if quota {
                update = update.quota(None);
            }
            if versioning {
                update = update.versioning(Versioning::Suspended);
            }
            let done = keys.into_iter().fold(update, |update, key| update.remove(key)).await;
            if let Err(error) = done {
                return Err(naming(error, container.as_os_str()).await);
            }
            changed(&client, &account, &name, output).await?;
        }
    }
    Ok(Exit::Ok)
}

async fn show(
    client: &Client,
    account: &AccountName,
    container: &ContainerName,
    output: Output,
) -> anyhow::Result<()> {
    let found = client.show_container(account, container).await?;
    Ok(output.show(&View::of(&found), View::text)?)
}

/// Says that a container was changed; to machines, what it is now.
async fn changed(
    client: &Client,
    account: &AccountName,
    container: &ContainerName,
    output: Output,
) -> anyhow::Result<()> {
    if output.json {
        return show(client, account, container, output).await;
    }
    Ok(output.show(&(), |()| format!("changed container {}", printable(container.as_str())))?)
}

async fn set(
    client: &Client,
    account: &AccountName,
    args: ContainerChange,
    output: Output,
) -> anyhow::Result<()> {
    let ContainerChange { container, settings, change, frozen, thaw } = args;
    let properties = given::properties(&change.properties)?;
    let nothing = settings.policy.is_none()
        && settings.versioning.is_none()
        && settings.quota.is_none()
        && properties.is_empty();
    if nothing && !(change.replace || frozen || thaw) {
        return Err(usage!("nothing is to be set: say --property KEY=VALUE or a setting"));
    }
    let name = given::container(&container)?;
    let named = async |done: Result<(), client::Error>| match done {
        Ok(()) => Ok(()),
        Err(error) => Err(session::naming(error.into(), client, account, &container).await),
    };
    // A container that is frozen takes no other change.
    if thaw {
        named(client.thaw_container(account, &name).await).await?;
    }
    let mut update = client.update_container(account, &name);
    if change.replace {
        update = update.clear();
    }
    if let Some(policy) = settings.policy {
        update = update.policy(Some(policy.parse()?));
    }
    if let Some(versioning) = settings.versioning {
        update = update.versioning(given::versioning(&versioning)?);
    }
    if let Some(quota) = settings.quota {
        // On the wire 0 stands for no quota; taking it away has its own command.
        if quota.0 == 0 {
            return Err(usage!(
                "a quota must be at least 1 byte; `cairn container unset --quota` takes it away"
            ));
        }
        update = update.quota(Some(quota.0));
    }
    if !nothing || change.replace {
        named(update.set_all(properties).await).await?;
    }
    if frozen {
        named(client.freeze_container(account, &name).await).await?;
    }
    changed(client, account, &name, output).await
}

async fn list(
    client: &Client,
    account: &AccountName,
    args: &ListArgs,
    output: Output,
) -> anyhow::Result<()> {
    let mut wanted = listing::Wanted::new(args)?;
    let mut first = true;
    while let Some((limit, next)) = wanted.next_page() {
        let mut page = client
            .list_containers(account)
            .prefix(&wanted.prefix)
            .delimiter(&wanted.delimiter)
            .marker(&wanted.marker)
            .end_marker(&wanted.end_marker)
            .reverse(wanted.reverse)
            .limit(limit);
        if let Some(next) = next {
            page = page.resume(next);
        }
        let page = wanted.take(page.await?);
        listing::show(
            output,
            &page,
            &[">OBJECTS", ">BYTES", "MODIFIED", "NAME"],
            first,
            |entry| {
                vec![
                    entry.objects.to_string(),
                    size::human(entry.bytes),
                    time::rfc3339(entry.modified),
                    entry.name.to_string(),
                ]
            },
            |entry| serde_json::json!(entry),
        )?;
        first = false;
    }
    Ok(())
}

impl<'a> View<'a> {
    fn of(container: &'a Container) -> Self {
        Self {
            id: container.id.to_string(),
            account: container.account.as_str(),
            container: container.name.as_str(),
            policy: container.policy.as_ref(),
            versioning: given::versioning_text(container.versioning),
            quota: container.quota,
            objects: container.objects,
            bytes: container.bytes,
            live_objects: container.live_objects,
            live_bytes: container.live_bytes,
            frozen: match container.frozen {
                Frozen::No => "no",
                Frozen::Lease { .. } => "snapshot",
                Frozen::Forever => "yes",
            },
            snapshot_of: container.snapshot_of.map(|id| id.to_string()),
            created: container.created,
            modified: container.modified,
            properties: &container.properties,
        }
    }

    fn text(&self) -> String {
        let policy = self.policy.map_or("(the cluster's default)", PolicyName::as_str);
        let quota = self.quota.map_or("none".to_owned(), size::human);
        format!(
            "container   {}\naccount     {}\nid          {}\npolicy      {policy}\n\
             versioning  {}\nquota       {quota}\nfrozen      {}\nobjects     {}\n\
             bytes       {} ({})\nlive        {} ({})\n\
             created     {}\nmodified    {}\n{}",
            printable(self.container),
            printable(self.account),
            self.id,
            self.versioning,
            self.frozen,
            self.objects,
            self.bytes,
            size::human(self.bytes),
            size::count(self.live_objects, "object"),
            size::human(self.live_bytes),
            time::rfc3339(self.created),
            time::rfc3339(self.modified),
            properties_text(self.properties),
        )
    }
}
