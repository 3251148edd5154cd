//! Copying the chunks of a version where they are: each under a new name, on its own volume.

use crate::{
    Error, VolumeFailure, VolumeRef,
    client::Inner,
    leave::Leave,
    servers::{ChunkServers, NotCopied},
    traces::Traces,
};
use futures::{StreamExt, stream};
use model::{BlobId, ChunkName, Extent, Metachunk, Object, VolumeId, WriteId};
use std::{collections::BTreeMap, sync::Arc};

/// Chunks copied at the same time.
const COPIES_AT_ONCE: usize = 64;

/// The names that copies get.
pub(crate) struct NewNames {
    pub(crate) incarnation: u64,
    /// One for each extent, and one where there is none.
    pub(crate) blobs: Vec<BlobId>,
    pub(crate) write: WriteId,
    /// Leave to make the copies.
    pub(crate) leave: Leave,
}

/// A chunk to copy.
#[derive(Debug, Clone)]
struct Task {
    extent: usize,
    number: usize,
    position: usize,
    volume: VolumeRef,
    from: ChunkName,
    to: ChunkName,
}

/// A copy of a version's chunks, as far as it has come.
pub(crate) struct Copy<'a> {
    client: &'a Arc<Inner>,
    names: &'a NewNames,
    traces: &'a Traces,
    extents: Vec<Extent>,
    failures: Vec<VolumeFailure>,
    missing: bool,
    /// Copies that failed, and may come to be all the same.
    failed: Vec<Task>,
}

impl<'a> Copy<'a> {
    /// Of a version: nothing is copied yet.
    pub(crate) fn new(
        client: &'a Arc<Inner>,
        names: &'a NewNames,
        traces: &'a Traces,
        object: &Object,
    ) -> Self {
        let row = |row: &Metachunk| Metachunk {
            length: row.length,
            write: names.write,
            volumes: vec![None; row.volumes.len()],
            rewritten: Vec::new(),
        };
        let extents = object.extents().iter().zip(&names.blobs).map(|(extent, blob)| Extent {
            blob: *blob,
            metachunks: extent.metachunks.iter().map(row).collect(),
            ..extent.clone()
        });
        let extents = extents.collect();
        Self {
            client,
            names,
            traces,
            extents,
            failures: Vec::new(),
            missing: false,
            failed: Vec::new(),
        }
    }

    /// Whether a chunk was not where the table says, so that it is worth a second look.
    pub(crate) fn misses_chunks(&self) -> bool {
        self.missing
    }

    /// Copies what is not copied yet. Called again with the version as it was located again, it
    /// looks where chunks went meanwhile.
    pub(crate) async fn run(&mut self, object: &Object, volumes: &[VolumeRef]) {
        let volumes = volumes.iter().map(|v| (v.id, v)).collect();
        let tasks = self.tasks(object, &volumes);
        self.missing = false;
        let servers: Arc<ChunkServers> = self.client.servers.clone();
        let leave = self.names.leave.clone();
        let mut copies = stream::iter(tasks)
            .map(move |task| {
                let (servers, leave) = (servers.clone(), leave.clone());
                async move {
                    let result = servers.copy(&task.volume, &task.from, &task.to, &leave).await;
                    (task, result)
                }
            })
            .buffer_unordered(COPIES_AT_ONCE);
        while let Some((task, result)) = copies.next().await {
            let Task { extent, number, position, ref volume, .. } = task;
            let (reason, full) = match result {
                Ok(()) => {
                    let row = &mut self.extents[extent].metachunks[number];
                    row.volumes[position] = Some(volume.id);
                    continue;
                }
                Err(NotCopied::Missing) => {
                    self.missing = true;
                    ("it does not have the chunk".to_owned(), false)
                }
                Err(NotCopied::Failed { reason, full }) => (reason, full),
            };
            let address = volume.address.clone();
            self.failures.push(VolumeFailure { volume: volume.id, address, reason, full });
            self.failed.push(task);
        }
    }

    fn tasks(&self, object: &Object, volumes: &BTreeMap<VolumeId, &VolumeRef>) -> Vec<Task> {
        let mut tasks = Vec::new();
        for (index, (source, copy)) in object.extents().iter().zip(&self.extents).enumerate() {
            for (number, (row, copied)) in
                source.metachunks.iter().zip(&copy.metachunks).enumerate()
            {
                for (position, volume) in row.volumes.iter().enumerate() {
                    let todo = copied.volumes.get(position).is_some_and(Option::is_none);
                    // One that a copy of another position went to before both were moved.
                    let taken = |id: &VolumeId| copied.volumes.contains(&Some(*id));
                    let volume = volume.filter(|id| !taken(id)).and_then(|id| volumes.get(&id));
                    let volume = volume.filter(|_| todo);
                    let from = source.chunk_name(number as u32, position as u8);
                    let (Some(volume), Some(from)) = (volume, from) else { continue };
                    let (blob, write) = (copy.blob, self.names.write);
                    let to = ChunkName { blob, write, ..from };
                    let volume = VolumeRef::clone(volume);
                    let leave = self.names.leave.clone();
                    self.traces.add(VolumeRef { leave, ..volume.clone() }, to);
                    tasks.push(Task { extent: index, number, position, volume, from, to });
                }
            }
        }
        tasks
    }

    /// The extents of the copy, if every metachunk has its quorum; and what went wrong beside.
    pub(crate) fn finish(self) -> Result<(Vec<Extent>, Vec<VolumeFailure>), Error> {
        for extent in &self.extents {
            let needed = extent.method.quorum();
            for (metachunk, row) in (0u32..).zip(&extent.metachunks) {
                if row.durable() < needed {
                    return Err(Error::BelowQuorum {
                        metachunk,
                        durable: row.durable(),
                        needed,
                        failures: self.failures,
                    });
                }
            }
        }
        let is_unnamed = |task: &Task| {
            let row = &self.extents[task.extent].metachunks[task.number];
            row.volumes[task.position] != Some(task.volume.id)
        };
        let leave =
            |task: Task| (VolumeRef { leave: self.names.leave.clone(), ..task.volume }, task.to);
        self.traces.leave_unnamed(self.failed.into_iter().filter(is_unnamed).map(leave));
        Ok((self.extents, self.failures))
    }
}
