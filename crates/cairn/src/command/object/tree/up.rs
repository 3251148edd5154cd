//! `cairn object put -r`: a directory's files become objects.

use super::{
    DEFAULT_JOBS, Direction, Outcome, Planned, Report, Tree, hash,
    listed::Listed,
    run_tree,
    target::PARTIAL,
    time::{self, Mtime, kept},
    walk::{Found, Walk},
};
use crate::{
    arguments::PutArgs,
    command::{given, object::Place},
    failure::usage,
    output::{Transfer, Transfers},
};
use anyhow::Context;
use client::{Client, Error, Source};
use model::{AccountName, ContainerName, ObjectEntry, ObjectName, PolicyName, Properties};
use std::{
    fs::{File, Metadata},
    io,
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    pin::Pin,
    sync::Arc,
    task::{Context as Task, Poll},
};
use tokio::{
    io::{AsyncRead, ReadBuf},
    sync::mpsc,
};

/// Files found ahead of those that are compared.
const FOUND_AHEAD: usize = 1000;

/// Bytes read from a file at once.
const READ_BYTES: usize = 1 << 20;

/// What all files have in common.
struct Up {
    client: Client,
    account: AccountName,
    container: ContainerName,
    policy: Option<PolicyName>,
    mime_type: Option<String>,
    properties: Properties,
    md5: bool,
    autocreate: bool,
    checksum: bool,
    follow: bool,
}

pub async fn run(place: &Place, args: PutArgs) -> anyhow::Result<()> {
    let directory = PathBuf::from(&args.object);
    if directory.is_file() {
        return Err(usage!("{} is a file; leave out -r", directory.display()));
    }
    let properties = given::properties(&args.properties)?;
    if properties.contains_key(time::PROPERTY) {
        return Err(usage!("with -r the property {:?} holds each file's time", time::PROPERTY));
    }
    let prefix = super::prefix(args.tree.prefix.as_deref())?;
    let transfers = Transfers::new(place.output);
    let up = Arc::new(Up {
        client: place.client.clone(),
        account: place.account.clone(),
        container: given::container(&args.container)?,
        policy: args.policy.map(|p| p.parse()).transpose()?,
        mime_type: args.mime_type.map(|m| given::mime_type(&m)).transpose()?,
        properties,
        md5: args.md5,
        autocreate: !args.no_autocreate,
        checksum: args.tree.checksum,
        follow: args.follow_links,
    });
    let tree = Tree {
        direction: Direction::Up,
        account: &place.account,
        container: &up.container,
        directory: &directory,
        jobs: args.tree.jobs.unwrap_or(DEFAULT_JOBS),
        output: place.output,
        transfers: transfers.clone(),
    };
    let walk = Walk::new(&directory, args.follow_links, PARTIAL)?;
    let up = up.clone();
    run_tree(&tree, |planned| plan(up, walk, prefix, transfers, planned)).await
}

/// Compares what is in the directory with what is in the container.
async fn plan(
    up: Arc<Up>,
    walk: Walk,
    prefix: String,
    transfers: Transfers,
    planned: mpsc::Sender<Planned>,
) -> anyhow::Result<()> {
    let (sender, mut found) = mpsc::channel(FOUND_AHEAD);
    let walking = tokio::task::spawn_blocking(move || {
        for found in walk {
            // Nobody waits for more: the command ends.
            if sender.blocking_send(found).is_err() {
                return;
            }
        }
    });
    // A container that does not exist comes to be with the first object.
    let mut listed = Some(Listed::new(&up.client, &up.account, &up.container, &prefix));
    while let Some(found) = found.recv().await {
        let told =
            |path, outcome| Planned::Told(Report { object: None, file: Some(path), outcome });
        let next = match found {
            Found::Other(path, why) => told(path, Outcome::Passed(why)),
            Found::Failed(path, why) => told(path, Outcome::Failed(why)),
            Found::File { name, path, size } => match format!("{prefix}{name}").parse() {
                Err(error) => {
                    let error: model::Error = error;
                    told(path, Outcome::Failed(error.into()))
                }
                Ok(object) => {
                    let there = find(&up, &mut listed, &object).await?;
                    let transfer = transfers.begin(size);
                    Planned::Work(Box::pin(up.clone().store(object, path, there, transfer)))
                }
            },
        };
        if planned.send(next).await.is_err() {
            break;
        }
    }
    // The walk ends with its receiver.
    drop(found);
    walking.await.context("the directory could not be walked")
}

async fn find(
    up: &Up,
    listed: &mut Option<Listed>,
    object: &ObjectName,
) -> anyhow::Result<Option<ObjectEntry>> {
    let Some(open) = listed else { return Ok(None) };
    match open.find(object.as_str()).await {
        Err(Error::NoSuchContainer(_) | Error::NoSuchAccount(_)) if up.autocreate => {
            *listed = None;
            Ok(None)
        }
        found => Ok(found?),
    }
}

impl Up {
    async fn store(
        self: Arc<Self>,
        object: ObjectName,
        path: PathBuf,
        there: Option<ObjectEntry>,
        transfer: Transfer,
    ) -> Report {
        let outcome = self.outcome(&object, &path, there, transfer).await;
        let outcome = outcome.unwrap_or_else(Outcome::Failed);
        Report { object: Some(object.as_str().to_owned()), file: Some(path), outcome }
    }

    async fn outcome(
        &self,
        object: &ObjectName,
        path: &Path,
        there: Option<ObjectEntry>,
        transfer: Transfer,
    ) -> anyhow::Result<Outcome> {
        let (file, seen) = self.open(path).await?;
        let mtime = Mtime::of(&seen);
        let mtime = mtime.is_settled().then_some(mtime);
        if let Some(there) = there
            && there.size == seen.len()
            && !there.drained
            && self.is_same(object, &there, &file, &seen, mtime).await?
        {
            return Ok(Outcome::Unchanged(there.size));
        }
        let mut properties = self.properties.clone();
        if let Some(mtime) = mtime {
            properties.insert(time::PROPERTY.to_owned(), mtime.to_property());
        }
        let bytes = seen.len();
        let source = Source::reader(Unchanging::new(file, seen, transfer)?).sized(bytes);
        let mut put = self
            .client
            .put_object(&self.account, &self.container, object, source)
            .properties(properties)
            .autocreate(self.autocreate)
            .md5(self.md5);
        if let Some(policy) = &self.policy {
            put = put.policy(policy.clone());
        }
        if let Some(mime_type) = &self.mime_type {
            put = put.mime_type(mime_type.clone());
        }
        let stored = put.await?;
        Ok(Outcome::Moved(stored.size))
    }

    async fn open(&self, path: &Path) -> anyhow::Result<(Arc<File>, Metadata)> {
        use rustix::fs::OFlags;
        // What was a file when it was found may be a pipe or a link by now.
        let mut flags = OFlags::NONBLOCK;
        if !self.follow {
            flags |= OFlags::NOFOLLOW;
        }
        let (path, flags) = (path.to_path_buf(), flags.bits() as i32);
        let opened = super::blocking(move || {
            let file = File::options().read(true).custom_flags(flags).open(path)?;
            let seen = file.metadata()?;
            Ok((Arc::new(file), seen))
        });
        let (file, seen) = opened.await?;
        anyhow::ensure!(seen.is_file(), "it is no file any more");
        Ok((file, seen))
    }

    /// Whether an object of the same size has the content of a file: by the file's time that
    /// was kept with the object, else by the hash.
    async fn is_same(
        &self,
        object: &ObjectName,
        there: &ObjectEntry,
        file: &Arc<File>,
        seen: &Metadata,
        mtime: Option<Mtime>,
    ) -> anyhow::Result<bool> {
        let kept = kept(there.properties.as_ref());
        if !self.checksum && mtime.is_some() && kept == mtime {
            return Ok(true);
        }
        let Some(hash) = there.hash else { return Ok(false) };
        let file = file.clone();
        let (hashed, after) =
            super::blocking(move || Ok((hash::of(&file)?.0, file.metadata()?))).await?;
        if hashed.as_bytes() != &hash.0 || changed(seen, &after) {
            return Ok(false);
        }
        if let Some(mtime) = mtime.filter(|_| kept != mtime) {
            // The next run need not read it.
            let update = self.client.update_object(&self.account, &self.container, object);
            let update = update.version(there.version);
            match update.set(time::PROPERTY, mtime.to_property()).await {
                // Somebody has put another in its place.
                Err(Error::NoSuchObject(_)) => return Ok(false),
                done => done?,
            }
        }
        Ok(true)
    }
}

/// Whether a file was written to between two looks at it.
fn changed(before: &Metadata, after: &Metadata) -> bool {
    let of = |m: &Metadata| (m.len(), m.mtime(), m.mtime_nsec(), m.ctime(), m.ctime_nsec());
    of(before) != of(after)
}

/// A file that fails to be read to its end if it changes meanwhile.
struct Unchanging {
    reader: tokio::fs::File,
    file: Arc<File>,
    before: Metadata,
    left: u64,
    transfer: Transfer,
}

impl Unchanging {
    fn new(file: Arc<File>, before: Metadata, transfer: Transfer) -> io::Result<Self> {
        use std::io::Seek;
        // A comparison may have read it.
        (&*file).rewind()?;
        let mut reader = tokio::fs::File::from_std(file.try_clone()?);
        reader.set_max_buf_size(READ_BYTES);
        let left = before.len();
        Ok(Self { reader, file, before, left, transfer })
    }
}

impl AsyncRead for Unchanging {
    fn poll_read(
        mut self: Pin<&mut Self>,
        task: &mut Task<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.reader).poll_read(task, buffer);
        if let Poll::Ready(Ok(())) = &polled {
            let read = (buffer.filled().len() - before) as u64;
            self.transfer.advance(read);
            self.left = self.left.saturating_sub(read);
            if (self.left == 0 || read == 0) && changed(&self.before, &self.file.metadata()?) {
                return Poll::Ready(Err(io::Error::other("it changed while it was read")));
            }
        }
        polled
    }
}
