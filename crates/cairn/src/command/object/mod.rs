//! `cairn object`.

mod get;
mod head;
mod link;
mod locate;
mod perfdata;
mod put;
mod repair;
mod sink;
mod source;
mod tree;
mod truncate;
mod upkeep;
mod view;

use super::{
    each::{Each, told},
    given, listing, session,
};
use crate::{
    arguments::{Change, ListArgs, ObjectAction, ObjectArgs, ObjectCommand, Removal, SeveralArgs},
    failure::{Exit, usage},
    output::{Output, printable, size, time},
};
use client::Client;
use model::{AccountName, ContainerName, ObjectEntry, ObjectName, Version};
use serde::Serialize;
use std::{
    ffi::{OsStr, OsString},
    time::Duration,
};
use view::View;

/// What became of a deleted object.
#[derive(Serialize)]
struct Deleted<'a> {
    account: &'a str,
    container: &'a str,
    object: &'a str,
    /// The version that is gone, or that of the delete marker.
    version: Version,
    /// Whether a delete marker hides the object and the versions of it that are kept.
    marker: bool,
}

/// What a listing shows.
#[derive(Clone, Copy)]
struct Shown {
    versions: bool,
    /// Older versions of the marker than this one too.
    behind: Option<Version>,
    deleted: bool,
    properties: bool,
}

/// The store, and the account to work in.
struct Place {
    client: Client,
    account: AccountName,
    output: Output,
}

pub async fn run(command: ObjectCommand, output: Output) -> anyhow::Result<Exit> {
    let ObjectCommand { place, content, mut action } = command;
    if let Some(option) = action.misplaced() {
        return Err(usage!("{option} goes with -r, which stores or saves a whole directory"));
    }
    let by_id = place.cid;
    let (client, mut account) = session::open_in(&place, output).await?;
    if by_id {
        if let ObjectAction::Link(args) = &mut action {
            if args.to_account.is_some() {
                return Err(usage!("with --cid the id of TO_CONTAINER says its account"));
            }
            let to = std::slice::from_mut(&mut args.to_container);
            let to_account = session::names_of(&client, &account, to).await?;
            args.to_account = Some(to_account.as_str().into());
        }
        let ids = std::slice::from_mut(action.container_mut());
        account = session::names_of(&client, &account, ids).await?;
    }
    let place = Place { client, account, output };
    if content {
        place.name_by_content(&mut action).await?;
    }
    let container = action.container_mut().clone();
    let done = match action {
        ObjectAction::Put(args) if args.tree.recursive => tree::up(&place, args).await,
        ObjectAction::Get(args) if args.tree.recursive => tree::down(&place, args).await,
        ObjectAction::Put(args) => put::run(&place, args).await,
        ObjectAction::Get(args) => get::run(&place, args).await,
        ObjectAction::Show(args) => place.show(&args).await,
        ObjectAction::Head { object, trust_level } => {
            return head::run(&place, &object, trust_level).await;
        }
        ObjectAction::List { container, list, versions, version_marker, deleted, properties } => {
            let behind = version_marker.map(Version);
            let shown = Shown { versions, behind, deleted, properties };
            place.list(&container, &list, shown).await
        }
        ObjectAction::Truncate { object, size } => truncate::run(&place, &object, size.0).await,
        ObjectAction::Link(args) => link::run(&place, args).await,
        ObjectAction::Drain(args) => return upkeep::drain(&place, &args).await,
        ObjectAction::Touch(args) => return upkeep::touch(&place, &args).await,
        ObjectAction::Purge { container, object, keep } => {
            upkeep::purge(&place, &container, &object, keep).await
        }
        ObjectAction::Locate { object, check, chunk_info } => {
            locate::run(&place, &object, check || chunk_info, chunk_info).await
        }
        ObjectAction::Repair { object, wait, no_wait } => {
            let wait = if no_wait { Duration::ZERO } else { wait.0 };
            repair::run(&place, &object, wait).await
        }
        ObjectAction::Delete { container, objects, version } => {
            let done = place.delete(&container, &objects, version).await;
            return match done {
                Ok(exit) => Ok(exit),
                Err(error) => Err(place.naming(error, &container).await),
            };
        }
        ObjectAction::Set { object, change } => place.set(&object, &change).await,
        ObjectAction::Unset { object, unset } => place.unset(&object, &unset).await,
    };
    match done {
        Ok(()) => Ok(Exit::Ok),
        Err(error) => Err(place.naming(error, &container).await),
    }
}

/// The names of an object, checked.
fn names(args: &ObjectArgs) -> anyhow::Result<(ContainerName, ObjectName)> {
    Ok((given::container(&args.container)?, given::object(&args.object)?))
}

impl Place {
    async fn naming(&self, error: anyhow::Error, container: &OsStr) -> anyhow::Error {
        session::naming(error, &self.client, &self.account, container).await
    }

    async fn show(&self, args: &ObjectArgs) -> anyhow::Result<()> {
        let (container, object) = names(args)?;
        let mut show = self.client.show_object(&self.account, &container, &object);
        if let Some(version) = args.version {
            show = show.version(Version(version));
        }
        let object = show.await?;
        Ok(self.output.show(&View::of(&self.account, &container, &object), View::text)?)
    }

    /// Says that an object was changed; to machines, what it is now.
    async fn changed(&self, args: &ObjectArgs) -> anyhow::Result<()> {
        if self.output.json {
            return self.show(args).await;
        }
        let object = printable(&args.object.to_string_lossy());
        Ok(self.output.show(&(), |()| format!("changed {object}"))?)
    }

    /// Finds out which object, in which version, has the content whose id was given.
    async fn name_by_content(&self, action: &mut ObjectAction) -> anyhow::Result<()> {
        let container = given::container(action.container_mut())?;
        let Some((object, version)) = action.object_mut() else {
            return Err(match action {
                ObjectAction::Delete { objects, .. }
                | ObjectAction::Drain(SeveralArgs { objects, .. })
                | ObjectAction::Touch(SeveralArgs { objects, .. }) => {
                    usage!("--content goes with one object, not with {}", objects.len())
                }
                ObjectAction::Purge { .. } => usage!(
                    "a content is of one version, and a purge is about all versions of an object: \
                     say its name"
                ),
                _ => usage!("--content goes with commands about one object that is there"),
            });
        };
        if version.is_some() {
            return Err(usage!("a content is of one version: leave --version out"));
        }
        let id = given::content_id(given::text(object, "the id of a content")?)?;
        let (name, found) = self.client.resolve_content(&self.account, &container, &id).await?;
        *object = name.as_str().into();
        // What was asked for is about this content, not about a newer one of the name.
        *version = Some(found.0);
        Ok(())
    }

    async fn list(&self, container: &OsStr, args: &ListArgs, shown: Shown) -> anyhow::Result<()> {
        let Shown { versions, behind, deleted, properties } = shown;
        let container = given::container(container)?;
        let mut wanted = listing::Wanted::new(args)?.behind(behind);
        let mut first = true;
        while let Some((limit, next)) = wanted.next_page() {
            let mut page = self
                .client
                .list_objects(&self.account, &container)
                .prefix(&wanted.prefix)
                .delimiter(&wanted.delimiter)
                .marker(&wanted.marker)
                .end_marker(&wanted.end_marker)
                .reverse(wanted.reverse)
                .versions(versions)
                .deleted(deleted)
                .properties(properties)
                .limit(limit);
            if let Some(next) = next {
                page = page.resume(next);
            }
            let page = wanted.take(page.await?);
            let versions = versions || deleted;
            let mut columns = vec![">SIZE", "MODIFIED"];
            if versions {
                columns.extend([">VERSION", "STATE"]);
            }
            columns.push("NAME");
            if properties {
                columns.push("PROPERTIES");
            }
            let columns = &columns[..];
            let row = |entry: &ObjectEntry| row(entry, versions);
            listing::show(self.output, &page, columns, first, row, view::entry)?;
            first = false;
        }
        Ok(())
    }

    async fn delete(
        &self,
        container: &OsStr,
        objects: &[OsString],
        version: Option<u64>,
    ) -> anyhow::Result<Exit> {
        let container = given::container(container)?;
        let names = given::all(objects, given::object)?;
        if version.is_some() && names.len() > 1 {
            return Err(usage!("--version goes with one object, not with {}", names.len()));
        }
        let mut each = Each::of(self.output, names.len());
        let outcomes = match version {
            Some(version) => {
                let [object] = &names[..] else { return Ok(each.exit()) };
                let delete = self.client.delete_object(&self.account, &container, object);
                vec![(object.clone(), delete.version(Version(version)).await)]
            }
            None => self.client.delete_objects(&self.account, &container, names).await?,
        };
        for (object, outcome) in outcomes {
            let done = outcome.map(|client::Deleted { version, marker }| {
                let deleted = Deleted {
                    account: self.account.as_str(),
                    container: container.as_str(),
                    object: object.as_str(),
                    version,
                    marker,
                };
                self.output.show(&deleted, Deleted::text)
            });
            each.take(told(done))?;
        }
        Ok(each.exit())
    }

    async fn set(&self, args: &ObjectArgs, change: &Change) -> anyhow::Result<()> {
        let properties = given::properties(&change.properties)?;
        if properties.is_empty() && !change.replace {
            return Err(usage!("nothing is to be set: say --property KEY=VALUE"));
        }
        let mut update = self.update(args)?;
        if change.replace {
            update = update.clear();
        }
        update.set_all(properties).await?;
        self.changed(args).await
    }

    async fn unset(&self, args: &ObjectArgs, removal: &Removal) -> anyhow::Result<()> {
        let keys = given::keys(&removal.properties)?;
        if keys.is_empty() && !removal.all_properties {
            return Err(usage!("nothing is to be removed: say --property KEY"));
        }
        let mut update = self.update(args)?;
        if removal.all_properties {
            update = update.clear();
        }
        keys.into_iter().fold(update, |update, key| update.remove(key)).await?;
        self.changed(args).await
    }

    fn update(&self, args: &ObjectArgs) -> anyhow::Result<client::UpdateObject> {
        let (container, object) = names(args)?;
        let update = self.client.update_object(&self.account, &container, &object);
        Ok(match args.version {
            Some(version) => update.version(Version(version)),
            None => update,
        })
    }
}

impl Deleted<'_> {
    fn text(&self) -> String {
        let object = printable(self.object);
        match self.marker {
            true => format!(
                "deleted {object}: its delete marker {} hides the versions that are kept",
                self.version
            ),
            false => format!("deleted version {} of {object}", self.version),
        }
    }
}

fn row(entry: &ObjectEntry, versions: bool) -> Vec<String> {
    let size = if entry.marker { "-".to_owned() } else { size::human(entry.size) };
    let mut row = vec![size, time::rfc3339(entry.modified)];
    if versions {
        let state = match (entry.marker, entry.latest) {
            (true, true) => "deleted",
            (true, false) => "marker",
            (false, true) => "latest",
            (false, false) => "old",
        };
        row.extend([entry.version.to_string(), state.to_owned()]);
    }
    row.push(entry.name.to_string());
    if let Some(properties) = &entry.properties {
        let pairs = properties.iter().map(|(key, value)| format!("{key}={value}"));
        row.push(pairs.collect::<Vec<_>>().join(" "));
    }
    row
}
