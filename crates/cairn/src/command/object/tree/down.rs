//! `cairn object save -r`: objects become the files of a directory.

use super::{
    DEFAULT_JOBS, Direction, Outcome, Planned, Report, Tree, hash,
    listed::Listed,
    run_tree,
    target::{Below, Target, There, set_mtime},
    time::{Mtime, kept},
};
use crate::{
    arguments::GetArgs,
    command::{given, object::Place},
    failure::usage,
    output::{Transfer, Transfers},
};
use anyhow::Context;
use client::{Client, Error};
use futures::StreamExt;
use model::{AccountName, ContainerName, ObjectEntry, Properties};
use std::{fs::File, path::PathBuf, sync::Arc};
use tokio::{
    io::{AsyncWriteExt, BufWriter},
    sync::mpsc,
};

/// Bytes gathered before they are written.
const BUFFER_BYTES: usize = 1 << 20;

/// What all objects have in common.
struct Down {
    client: Client,
    account: AccountName,
    container: ContainerName,
    checksum: bool,
    target: Arc<Target>,
}

pub async fn run(place: &Place, args: GetArgs) -> anyhow::Result<()> {
    let directory = PathBuf::from(&args.object);
    if directory.is_file() {
        return Err(usage!("{} is a file; name a directory", directory.display()));
    }
    let container = given::container(&args.container)?;
    let prefix = super::prefix(args.tree.prefix.as_deref())?;
    // Nothing is created for a container that is not there.
    let mut listed = Listed::new(&place.client, &place.account, &container, &prefix);
    let first = listed.next().await?;
    let opened = directory.clone();
    let target = Arc::new(super::blocking(move || Target::open(&opened)).await?);
    let transfers = Transfers::new(place.output);
    let tree = Tree {
        direction: Direction::Down,
        account: &place.account,
        container: &container,
        directory: &directory,
        jobs: args.tree.jobs.unwrap_or(DEFAULT_JOBS),
        output: place.output,
        transfers: transfers.clone(),
    };
    let down = Arc::new(Down {
        client: place.client.clone(),
        account: place.account.clone(),
        container: container.clone(),
        checksum: args.tree.checksum,
        target: target.clone(),
    });
    let done =
        run_tree(&tree, |planned| plan(down, first, listed, prefix, transfers, planned)).await;
    super::blocking(move || target.finish()).await?;
    done
}

async fn plan(
    down: Arc<Down>,
    first: Option<ObjectEntry>,
    mut listed: Listed,
    prefix: String,
    transfers: Transfers,
    planned: mpsc::Sender<Planned>,
) -> anyhow::Result<()> {
    let mut clashes = Clashes::default();
    let mut next = first;
    while let Some(entry) = next {
        let name = entry.name.as_str().strip_prefix(&prefix).unwrap_or_default();
        let clash = clashes.with(name);
        let told = |outcome| {
            let object = Some(entry.name.as_str().to_owned());
            Planned::Told(Report { object, file: None, outcome })
        };
        let refused = |why: &str| told(Outcome::Failed(anyhow::anyhow!("{why}")));
        let plan = if entry.size == 0 && (name.is_empty() || name.ends_with('/')) {
            told(Outcome::Passed("it marks a directory"))
        } else if entry.drained {
            told(Outcome::Passed("it was drained: its bytes are gone"))
        } else if let Some(file) = clash {
            refused(&format!("{file} is an object too, so it cannot be a directory"))
        } else {
            match Below::parse(name) {
                Err(why) => refused(why),
                Ok(below) => {
                    let transfer = transfers.begin(entry.size);
                    Planned::Work(Box::pin(down.clone().fetch(entry, below, transfer)))
                }
            }
        };
        if planned.send(plan).await.is_err() {
            break;
        }
        next = listed.next().await?;
    }
    Ok(())
}

/// Names so far that the next ones may begin with.
#[derive(Default)]
struct Clashes(Vec<String>);

impl Clashes {
    /// Takes in the next name of a listing; the name, if there was one, that would have to be a
    /// directory for it.
    fn with(&mut self, name: &str) -> Option<String> {
        // All names that begin with a name follow it closely.
        while self.0.last().is_some_and(|last| !name.starts_with(last.as_str())) {
            self.0.pop();
        }
        let within = |file: &&String| name[file.len()..].starts_with('/');
        let clash = self.0.iter().find(within).cloned();
        self.0.push(name.to_owned());
        clash
    }
}

impl Down {
    async fn fetch(
        self: Arc<Self>,
        entry: ObjectEntry,
        below: Below,
        transfer: Transfer,
    ) -> Report {
        let object = entry.name.as_str().to_owned();
        let file = self.target.path_of(&below);
        let outcome = match self.outcome(entry, below, transfer).await {
            Ok(outcome) => outcome,
            Err(error) => match error.downcast_ref() {
                Some(Error::NoSuchObject(_)) => Outcome::Passed("it was deleted meanwhile"),
                _ => Outcome::Failed(error),
            },
        };
        Report { object: Some(object), file: Some(file), outcome }
    }

    async fn outcome(
        &self,
        entry: ObjectEntry,
        below: Below,
        mut transfer: Transfer,
    ) -> anyhow::Result<Outcome> {
        let (target, looked) = (self.target.clone(), below.clone());
        match super::blocking(move || target.look(&looked)).await? {
            There::Nothing => {}
            There::Other => anyhow::bail!("what has its name here is no file, and stays"),
            There::File(file) => {
                if self.is_same(&entry, file).await? {
                    return Ok(Outcome::Unchanged(entry.size));
                }
            }
        }
        let get = self.client.get_object(&self.account, &self.container, &entry.name);
        let mut download = get.await?;
        let object = download.object();
        let mtime = mtime_of(&object.entry, Some(&object.properties));
        let target = self.target.clone();
        let (file, partial) = super::blocking(move || Ok(target.create()?)).await?;
        let mut writer = BufWriter::with_capacity(BUFFER_BYTES, tokio::fs::File::from_std(file));
        let mut bytes = 0;
        while let Some(part) = download.next().await {
            let part = part?;
            writer.write_all(&part).await.context("it cannot be written")?;
            bytes += part.len() as u64;
            transfer.advance(part.len() as u64);
        }
        writer.flush().await.context("it cannot be written")?;
        let file = writer.into_inner().into_std().await;
        let target = self.target.clone();
        let placed = super::blocking(move || target.place(&file, partial, &below, mtime));
        placed.await.context("it cannot be written")?;
        Ok(Outcome::Moved(bytes))
    }

    /// Whether a file has the content of an object: by its time, else by its hash.
    async fn is_same(&self, entry: &ObjectEntry, file: File) -> anyhow::Result<bool> {
        let seen = file.metadata()?;
        if seen.len() != entry.size {
            return Ok(false);
        }
        let mtime = mtime_of(entry, entry.properties.as_ref());
        if !self.checksum && Mtime::of(&seen) == mtime {
            return Ok(true);
        }
        let Some(hash) = entry.hash else { return Ok(false) };
        super::blocking(move || {
            let same = hash::of(&file)?.0.as_bytes() == &hash.0;
            if same && Mtime::of(&file.metadata()?) == Mtime::of(&seen) {
                // The next run need not read it. A file of somebody else keeps its time.
                let _ = set_mtime(&file, mtime);
            }
            Ok(same)
        })
        .await
    }
}

/// When the content of an object was last changed: as its writer kept it, else as the store
/// knows it.
fn mtime_of(entry: &ObjectEntry, properties: Option<&Properties>) -> Mtime {
    kept(properties).unwrap_or(Mtime::from_micros(entry.modified))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_must_be_file_and_directory_is_found() {
        let mut names = ["a", "a-", "a/b", "a/b/c", "a/d", "b", "b/", "c!", "c/x", "c/x/y", "c/xy"];
        names.sort();
        let mut clashes = Clashes::default();
        let told: Vec<_> = names.iter().filter_map(|n| Some((*n, clashes.with(n)?))).collect();
        let told: Vec<_> = told.iter().map(|(name, file)| (*name, file.as_str())).collect();
        assert_eq!(
            told,
            [("a/b", "a"), ("a/b/c", "a"), ("a/d", "a"), ("b/", "b"), ("c/x/y", "c/x")]
        );
    }
}
