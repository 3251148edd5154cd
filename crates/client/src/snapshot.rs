//! Snapshots of containers: a job that this client runs, and that can be taken up again.
//!
//! The source is frozen by a lease that the job renews. The target is hidden while versions are
//! brought into it, and shown when it is whole, frozen for good. A job that begins compares what
//! an earlier one left in the target with the source, and brings what is missing.

mod entries;
mod lease;

use crate::{
    Client, Error, Removed,
    changes::awaitable,
    client::Inner,
    conclude::conclude,
    container::Place,
    link::Source,
    locate::locate,
    metadata::{Metadata, ask},
    object::show,
    prepare::prepare_names,
    table::new_extents,
    traces::Traces,
};
use entries::Entries;
use futures::{StreamExt, TryStreamExt, stream};
use lease::Lease;
use model::{
    AccountName, Container, ContainerId, ContainerName, ErrorKind, Frozen, JobId, ObjectEntry,
    ObjectName, Subject, Version,
};
use proto::{
    convert::properties_to,
    v1::{self, metadata_client::MetadataClient},
};
use serde::Serialize;
use std::{cmp::Ordering, sync::Arc, time::Duration};
use tokio::time::Instant;

/// How long the source stays frozen when the job dies, unless the builder says otherwise.
const LEASE: Duration = Duration::from_secs(60);

/// Versions that are brought in between two looks at the listings.
const BATCH: usize = 100;

/// Versions brought in at the same time.
const IMPORTS_AT_ONCE: usize = 8;

/// How often the versions are gone through when the source was written to in spite of the lease.
const WALKS: usize = 3;

impl Client {
    /// Makes a container that holds what another holds now, with its versions, properties and
    /// settings, and is frozen for good. Its chunks are copies that take no space.
    ///
    /// The source takes no writes meanwhile. A snapshot that was broken off is neither seen nor
    /// in the way: asking for it again goes on with it, once the lease of the one before is over.
    pub fn snapshot_container(
        &self,
        account: &AccountName,
        container: &ContainerName,
        target_account: &AccountName,
        target_container: &ContainerName,
    ) -> SnapshotContainer {
        SnapshotContainer {
            client: self.inner.clone(),
            source: self.place(account, container),
            target: self.place(target_account, target_container),
            lease: LEASE,
        }
    }

    /// Removes what a snapshot that was broken off has left, if it is not to be finished.
    ///
    /// # Errors
    /// [`Error::NoSuchContainer`] if no snapshot into this container is under way.
    pub async fn discard_snapshot(
        &self,
        account: &AccountName,
        container: &ContainerName,
    ) -> Result<Removed, Error> {
        let place = self.place(account, container);
        let mut removed = Removed::default();
        loop {
            let request = v1::DiscardSnapshotRequest {
                request_id: place.metadata.request_id(),
                account: account.to_string(),
                container: container.to_string(),
                job: None,
            };
            let (metadata, route) = (&place.metadata, place.route());
            let answer =
                ask!(metadata, route, Write, MetadataClient::discard_snapshot, request).await?;
            removed.versions += u64::from(answer.versions);
            removed.markers += u64::from(answer.markers);
            if answer.complete {
                return Ok(removed);
            }
        }
    }
}

/// What a snapshot holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Snapshot {
    /// Versions in it, delete markers not counted.
    pub objects: u64,
    /// Bytes of all of them.
    pub bytes: u64,
    /// Versions and markers that this call brought in; the others were there from one that was
    /// broken off.
    pub imported: u64,
}

/// Takes a snapshot when awaited.
#[must_use = "nothing happens until it is awaited"]
pub struct SnapshotContainer {
    client: Arc<Inner>,
    source: Place,
    target: Place,
    lease: Duration,
}

awaitable!(SnapshotContainer => Snapshot);

impl SnapshotContainer {
    /// How long the source stays frozen if this process dies; a minute otherwise, and an hour at
    /// most.
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease = lease;
        self
    }

    async fn run(self) -> Result<Snapshot, Error> {
        let id = |place: &Place| ContainerId::of(&place.account, &place.container);
        if id(&self.source) == id(&self.target) {
            return Err(invalid("a container cannot be the snapshot of itself"));
        }
        let source = self.source.show().await?;
        match self.target.show().await {
            Err(Error::NoSuchContainer(_)) => {}
            Err(error) => return Err(error),
            Ok(_) => {
                let name = &self.target.container;
                return Err(Error::AlreadyExists(model::Error::new(
                    ErrorKind::AlreadyExists,
                    Subject::Container,
                    format!("container {name} exists: a snapshot makes a new one"),
                )));
            }
        }
        let job = JobId(self.source.metadata.random_bytes());
        // What is frozen for good needs no lease.
        let lease = match source.frozen {
            Frozen::Forever => None,
            _ => Some(Lease::take(&self.source, job, self.lease).await?),
        };
        let work = Job { client: self.client, source: self.source, target: self.target, job };
        let outcome = work.run(lease.as_ref()).await;
        if let Some(lease) = lease {
            // It ends by itself if nobody can be told now.
            if let Err(error) = lease.give_back().await {
                tracing::debug!(%error, "the source of a snapshot stays frozen for a while");
            }
        }
        outcome
    }
}

fn invalid(message: &str) -> Error {
    let error = model::Error::new(ErrorKind::Invalid, Subject::Container, message);
    Error::Invalid(error)
}

/// A snapshot under way.
struct Job {
    client: Arc<Inner>,
    source: Place,
    target: Place,
    job: JobId,
}

impl Job {
    async fn run(&self, lease: Option<&Lease>) -> Result<Snapshot, Error> {
        let mut imported = 0;
        for _ in 0..WALKS {
            let begun = Instant::now();
            let before = self.source.show().await?;
            self.create(&before).await?;
            imported += self.walk().await?;
            let after = self.source.show().await?;
            // Whatever was written in between, the next walk finds it.
            if lease.is_none_or(|lease| lease.held_since(begun)) && unchanged(&before, &after) {
                self.publish(&after).await?;
                return Ok(Snapshot { objects: after.objects, bytes: after.bytes, imported });
            }
        }
        Err(Error::unavailable("the source was written to while the snapshot was taken"))
    }

    /// The source as it is told to the target, and the job with it.
    async fn create(&self, source: &Container) -> Result<(), Error> {
        let (metadata, route) = (&self.target.metadata, self.target.route());
        let request = v1::CreateSnapshotRequest {
            request_id: metadata.request_id(),
            account: self.target.account.to_string(),
            container: self.target.container.to_string(),
            source: Some(source.clone().into()),
            job: self.job.0.to_vec(),
        };
        ask!(metadata, route, Write, MetadataClient::create_snapshot, request).await?;
        Ok(())
    }

    async fn publish(&self, source: &Container) -> Result<(), Error> {
        let (metadata, route) = (&self.target.metadata, self.target.route());
        let request = v1::PublishSnapshotRequest {
            request_id: metadata.request_id(),
            account: self.target.account.to_string(),
            container: self.target.container.to_string(),
            job: self.job.0.to_vec(),
            objects: source.objects,
            bytes: source.bytes,
        };
        ask!(metadata, route, Write, MetadataClient::publish_snapshot, request).await?;
        Ok(())
    }

    /// Makes the versions of the target those of the source; says how many it brought in.
    async fn walk(&self) -> Result<u64, Error> {
        let mut source = Entries::of_source(&self.source);
        let mut target = Entries::of_target(&self.target, self.job);
        let (mut imports, mut drops): (Vec<ObjectEntry>, Vec<(ObjectName, Version)>) =
            Default::default();
        let mut imported = 0;
        loop {
            let order = match (source.peek().await?, target.peek().await?) {
                (None, None) => break,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(source), Some(target)) => entries::compare(source, target),
            };
            let (new, old) = match order {
                Ordering::Less => (source.take(), None),
                Ordering::Greater => (None, target.take()),
                Ordering::Equal => match (source.take(), target.take()) {
                    // Whatever changes a version notes when.
                    (Some(new), Some(old)) if new.modified == old.modified => continue,
                    both => both,
                },
            };
            drops.extend(old.map(|old| (old.name, old.version)));
            imports.extend(new);
            if imports.len() >= BATCH || drops.len() >= BATCH {
                imported += imports.len() as u64;
                self.step(std::mem::take(&mut imports), std::mem::take(&mut drops)).await?;
            }
        }
        imported += imports.len() as u64;
        self.step(imports, drops).await?;
        Ok(imported)
    }

    async fn step(
        &self,
        imports: Vec<ObjectEntry>,
        drops: Vec<(ObjectName, Version)>,
    ) -> Result<(), Error> {
        if !drops.is_empty() {
            let item = |(object, version): (ObjectName, Version)| v1::drop_imported_request::Item {
                object: object.to_string(),
                version: version.0,
            };
            let (metadata, route) = (&self.target.metadata, self.target.route());
            let request = v1::DropImportedRequest {
                request_id: metadata.request_id(),
                account: self.target.account.to_string(),
                container: self.target.container.to_string(),
                job: self.job.0.to_vec(),
                versions: drops.into_iter().map(item).collect(),
            };
            ask!(metadata, route, Write, MetadataClient::drop_imported, request).await?;
        }
        let importing: Vec<_> = imports.into_iter().map(|entry| self.import(entry)).collect();
        stream::iter(importing).buffer_unordered(IMPORTS_AT_ONCE).try_collect().await
    }

    /// Brings a version in, with copies of its chunks.
    async fn import(&self, entry: ObjectEntry) -> Result<(), Error> {
        if entry.marker {
            let request = self.import_request(entry);
            let (metadata, route) = (&self.target.metadata, self.target.route());
            ask!(metadata, route, Write, MetadataClient::import_version, request).await?;
            return Ok(());
        }
        let (name, version) = (&entry.name, Some(entry.version));
        let (object, volumes) = if entry.drained {
            (show(&self.source, name, version).await?, Vec::new())
        } else {
            locate(&self.source, name, version).await?
        };
        let count = object.extents().len().max(1);
        let names = prepare_names(&self.target, count, entry.size, None, Some(self.job)).await?;
        let traces = Traces::new(self.client.servers.clone());
        let source = Source { place: &self.source, object: &object, volumes: &volumes };
        let outcome = async {
            let (extents, _) = source.copy(&self.client, &names, &traces).await?;
            let extents = new_extents(&self.target, names.incarnation, extents).await?;
            let request = v1::ImportVersionRequest {
                properties: properties_to(object.properties.clone()),
                blob: names.blobs.first().map(|blob| blob.0.to_vec()).unwrap_or_default(),
                extents,
                ..self.import_request(object.entry.clone())
            };
            let target = &self.target;
            let send = |metadata: Arc<Metadata>| {
                let request = request.clone();
                async move {
                    ask!(metadata, target.route(), Write, MetadataClient::import_version, request)
                        .await
                }
            };
            conclude(target, &names.blobs, &traces, send).await
        }
        .await;
        if outcome.is_err() {
            traces.tidy().await;
        }
        outcome.map(drop)
    }

    fn import_request(&self, entry: ObjectEntry) -> v1::ImportVersionRequest {
        v1::ImportVersionRequest {
            request_id: self.target.metadata.request_id(),
            account: self.target.account.to_string(),
            container: self.target.container.to_string(),
            job: self.job.0.to_vec(),
            entry: Some(entry.into()),
            ..Default::default()
        }
    }
}

/// Whether nothing was written to a container between two looks at it.
fn unchanged(before: &Container, after: &Container) -> bool {
    let state = |c: &Container| (c.incarnation, c.modified, c.objects, c.bytes);
    state(before) == state(after)
}
