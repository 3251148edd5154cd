//! Deletes the chunks of what was deleted, once their time has come. An entry leaves the queue
//! only when every chunk of it is gone, so none is forgotten across restarts and dead volumes.

use crate::{
    node::Node,
    partition::{Partition, Refusal},
    service::unknown_volume,
};
use model::{Administrative, ChunkName, Error, Liveness, VolumeId};
use proto::v1;
use state::{Command, DeletionKey, Postponed};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// How often the queue is looked at.
const EVERY: Duration = Duration::from_secs(1);

/// Entries taken from the queue at once.
const BATCH: usize = 256;

/// Chunks in one request to a chunk server.
const REQUEST_CHUNKS: usize = 1000;

/// When chunks on a volume that did not delete them are tried again.
const RETRY: Duration = Duration::from_secs(30);

pub async fn run(node: Node, partition: Partition) {
    loop {
        tokio::time::sleep(EVERY).await;
        while partition.leads() {
            match round(&node, &partition).await {
                Ok(true) => {}
                Ok(false) => break,
                Err(refusal) => {
                    tracing::debug!(partition = %partition.id(), ?refusal, "deletions wait");
                    break;
                }
            }
        }
    }
}

/// Works on one batch of the queue; false if nothing is due.
async fn round(node: &Node, partition: &Partition) -> Result<bool, Refusal> {
    let due = {
        let view = partition.local();
        let failed = |e: state::Failure| Error::internal(e.to_string());
        let log_time = state::read::status(&*view).map_err(failed)?.log_time;
        let mut turn = partition.turn().await;
        let now = node.now();
        let due = state::read::due_deletions(&*view, turn.deletions, now, BATCH);
        let due = due.map_err(failed)?;
        // What is queued from now on is due at log time or later; what is there and not due, after
        // this node's clock, which may be behind log time.
        let next = due.first().map_or(now, |first| first.key.due);
        turn.deletions = next.min(log_time);
        due
    };
    if due.is_empty() {
        return Ok(false);
    }
    let mut by_volume: BTreeMap<VolumeId, Vec<ChunkName>> = BTreeMap::new();
    for deletion in &due {
        for (volume, chunk) in &deletion.chunks {
            by_volume.entry(*volume).or_default().push(*chunk);
        }
    }
    let mut left = BTreeSet::new();
    for (volume, chunks) in by_volume {
        if let Err(error) = delete(node, volume, &chunks).await {
            tracing::debug!(%volume, %error, "chunks are left to delete");
            left.insert(volume);
        }
    }
    let (mut done, mut postponed) = (Vec::new(), Vec::new());
    for deletion in due {
        let volumes: BTreeSet<VolumeId> =
            deletion.chunks.iter().map(|(v, _)| *v).filter(|v| left.contains(v)).collect();
        match volumes.is_empty() {
            true => done.push(deletion.key),
            false => postponed.push(later(node, deletion.key, volumes)),
        }
    }
    metrics::counter!("cairn_deletions_total").increment(done.len() as u64);
    partition.propose(node.now(), None, Command::DeletionsDone { done, postponed }).await?;
    Ok(true)
}

fn later(node: &Node, key: DeletionKey, volumes: BTreeSet<VolumeId>) -> Postponed {
    let due = node.now() + RETRY.as_micros() as u64;
    Postponed { key, due, volumes: volumes.into_iter().collect() }
}

/// Deletes chunks of one volume. One that is *out* has none; one that is not in the map is in a
/// newer one, as volumes never leave it.
async fn delete(node: &Node, volume: VolumeId, chunks: &[ChunkName]) -> Result<(), Error> {
    let map = node.0.registry.logged()?;
    let known = map.volume(volume).ok_or_else(|| unknown_volume(volume))?;
    if known.administrative == Administrative::Out {
        return Ok(());
    }
    if known.liveness == Liveness::Down {
        return Err(Error::unavailable(format!("volume {volume} is down")));
    }
    for chunks in chunks.chunks(REQUEST_CHUNKS) {
        let request = v1::DeleteChunksRequest {
            volume: volume.0,
            chunks: chunks.iter().map(ToString::to_string).collect(),
        };
        let answer = node.0.peers.volumes(&known.address)?.delete_chunks(request).await;
        let answer = answer.map_err(|status| proto::from_status(&status))?.into_inner();
        if let Some(failure) = answer.failures.first() {
            return Err(Error::unavailable(format!("{}: {}", failure.chunk, failure.reason)));
        }
    }
    Ok(())
}
