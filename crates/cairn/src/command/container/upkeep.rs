//! What is done to whole containers: emptied, purged, refreshed, copied as they are.

use crate::{
    arguments::{ContainerAction, SnapshotArgs},
    command::{each::Each, given, session},
    failure::Exit,
    output::{Output, printable, size},
};
use client::{Client, Removed, Snapshot};
use model::{AccountName, ContainerName};
use serde::Serialize;
use std::ffi::{OsStr, OsString};

/// What went, as machines see it.
#[derive(Serialize)]
struct Gone<'a> {
    account: &'a str,
    container: &'a str,
    #[serde(flatten)]
    removed: Removed,
}

/// A container that its account was told of.
#[derive(Serialize)]
struct Told<'a> {
    account: &'a str,
    container: &'a str,
    /// Whether there is such a container.
    exists: bool,
    #[serde(skip)]
    touched: bool,
}

/// What a snapshot holds, as machines see it.
#[derive(Serialize)]
struct Taken<'a> {
    account: &'a str,
    container: &'a str,
    to_account: &'a str,
    to_container: &'a str,
    #[serde(flatten)]
    snapshot: Snapshot,
}

/// Who works on what.
struct Upkeep<'a> {
    client: &'a Client,
    account: &'a AccountName,
    output: Output,
}

pub async fn run(
    client: &Client,
    account: &AccountName,
    action: ContainerAction,
    output: Output,
) -> anyhow::Result<Exit> {
    let upkeep = Upkeep { client, account, output };
    match action {
        ContainerAction::Flush { container, fast } => {
            let name = given::container(&container)?;
            let flush = client.flush_container(account, &name).fast(fast);
            upkeep.gone(flush.await, &name, &container).await?;
        }
        ContainerAction::Purge { container, keep, markers_older_than } => {
            let name = given::container(&container)?;
            let mut purge = client.purge_container(account, &name);
            if let Some(keep) = keep {
                purge = purge.keep(keep);
            }
            if let Some(age) = markers_older_than {
                purge = purge.markers_older_than(age.0);
            }
            upkeep.gone(purge.await, &name, &container).await?;
        }
        ContainerAction::Refresh { containers } => return upkeep.tell(&containers, false).await,
        ContainerAction::Touch { containers } => return upkeep.tell(&containers, true).await,
        ContainerAction::Snapshot(args) => upkeep.snapshot(args).await?,
        // The others are not upkeep.
        _ => {}
    }
    Ok(Exit::Ok)
}

impl Upkeep<'_> {
    async fn named(&self, error: client::Error, given: &OsStr) -> anyhow::Error {
        session::naming(error.into(), self.client, self.account, given).await
    }

    async fn gone(
        &self,
        done: Result<Removed, client::Error>,
        container: &ContainerName,
        given: &OsStr,
    ) -> anyhow::Result<()> {
        let removed = match done {
            Ok(removed) => removed,
            Err(error) => return Err(self.named(error, given).await),
        };
        let (account, container) = (self.account.as_str(), container.as_str());
        let gone = Gone { account, container, removed };
        Ok(self.output.show(&gone, |gone| {
            let versions = size::count(gone.removed.versions, "version");
            let markers = match gone.removed.markers {
                0 => String::new(),
                markers => format!(" and {}", size::count(markers, "delete marker")),
            };
            format!("removed {versions}{markers} from {}", printable(gone.container))
        })?)
    }

    /// Refreshes containers, or touches those that must exist.
    async fn tell(&self, containers: &[OsString], touch: bool) -> anyhow::Result<Exit> {
        let names = given::all(containers, given::container)?;
        let mut each = Each::of(self.output, names.len());
        for (container, given) in names.iter().zip(containers) {
            let done = match touch {
                true => self.client.touch_container(self.account, container).await.map(|()| true),
                false => self.client.refresh_container(self.account, container).await,
            };
            each.take(match done {
                Err(error) => Err(self.named(error, given).await),
                Ok(exists) => {
                    let (account, container) = (self.account.as_str(), container.as_str());
                    let told = Told { account, container, exists, touched: touch };
                    self.output.show(&told, Told::text).map_err(Into::into)
                }
            })?;
        }
        Ok(each.exit())
    }

    async fn snapshot(&self, args: SnapshotArgs) -> anyhow::Result<()> {
        let container = given::container(&args.container)?;
        let to_container = given::container(&args.to_container)?;
        let to_account = match &args.to_account {
            Some(account) => given::account(account)?,
            None => self.account.clone(),
        };
        if args.discard {
            let removed = self.client.discard_snapshot(&to_account, &to_container).await?;
            let (account, container) = (to_account.as_str(), to_container.as_str());
            let gone = Gone { account, container, removed };
            return Ok(self.output.show(&gone, |gone| {
                let versions = size::count(gone.removed.versions, "version");
                format!("discarded {}: {versions}", printable(gone.container))
            })?);
        }
        let snapshot =
            self.client.snapshot_container(self.account, &container, &to_account, &to_container);
        let snapshot = match args.lease {
            Some(lease) => snapshot.lease(lease.0),
            None => snapshot,
        };
        let snapshot = match snapshot.await {
            Ok(snapshot) => snapshot,
            Err(error) => return Err(self.named(error, &args.container).await),
        };
        let taken = Taken {
            account: self.account.as_str(),
            container: container.as_str(),
            to_account: to_account.as_str(),
            to_container: to_container.as_str(),
            snapshot,
        };
        Ok(self.output.show(&taken, |taken| {
            let objects = size::count(taken.snapshot.objects, "object");
            let bytes = size::human(taken.snapshot.bytes);
            let to = printable(taken.to_container);
            format!("{to} holds what {} held: {objects}, {bytes}", printable(taken.container))
        })?)
    }
}

impl Told<'_> {
    fn text(&self) -> String {
        let container = printable(self.container);
        match (self.exists, self.touched) {
            (true, true) => format!("touched container {container}"),
            (true, false) => format!("refreshed container {container}"),
            (false, _) => format!("container {container} does not exist, and is listed no more"),
        }
    }
}
