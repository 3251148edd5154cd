//! Deletes the chunks of what was deleted, once their time has come. An entry leaves the queue
//! only when every chunk of it is gone, so none is forgotten across restarts and dead volumes.

use crate::{
    node::Node,
    partition::{Partition, Refusal},
    volumes::known,
};
use model::{Administrative, ChunkName, Error, Liveness, VolumeId};
use state::{Command, DeletionKey, Postponed};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};
use tokio::task::JoinSet;

/// How often the queue is looked at.
const EVERY: Duration = Duration::from_secs(1);

/// Entries taken from the queue at once.
const BATCH: usize = 256;

/// Chunks in one request to a chunk server.
const REQUEST_CHUNKS: usize = 1000;

/// When chunks that were not deleted are tried again.
const RETRY: Duration = Duration::from_secs(30);

/// Chunks that are left, with the reason.
type Left = BTreeMap<(VolumeId, ChunkName), String>;

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
    let (due, now) = {
        let view = partition.local();
        let failed = |e: state::Failure| Error::internal(e.to_string());
        let log_time = state::read::status(&*view).map_err(failed)?.log_time;
        let mut turn = partition.turn().await;
        // When it is due was reckoned in log time, which this node's clock may be behind.
        let now = partition.time(node.now()).max(log_time);
        let due = state::read::due_deletions(&*view, turn.deletions, now, BATCH);
        let due = due.map_err(failed)?;
        // What is queued from now on is due at log time or later; what is there and not due, after
        // this node's clock, which may be behind log time.
        let next = due.first().map_or(now, |first| first.key.due);
        turn.deletions = next.min(log_time);
        (due, now)
    };
    if due.is_empty() {
        return Ok(false);
    }
    let mut by_volume: BTreeMap<VolumeId, Vec<ChunkName>> = BTreeMap::new();
    for (volume, chunk) in due.iter().flat_map(|deletion| &deletion.chunks) {
        by_volume.entry(*volume).or_default().push(*chunk);
    }
    // All volumes at once: a slow one keeps no other waiting.
    let mut volumes: JoinSet<Left> = by_volume
        .into_iter()
        .map(|(volume, chunks)| {
            let node = node.clone();
            async move { delete(&node, volume, &chunks).await }
        })
        .collect();
    let mut left = Left::new();
    while let Some(ended) = volumes.join_next().await {
        left.append(&mut ended.map_err(|e| Error::internal(e.to_string()))?);
    }
    for ((volume, chunk), reason) in &left {
        tracing::debug!(%volume, %chunk, reason, "a chunk is left to delete");
    }
    let (mut done, mut postponed) = (Vec::new(), Vec::new());
    for deletion in due {
        let is_left = |place: &&(VolumeId, ChunkName)| left.contains_key(*place);
        let volumes: BTreeSet<VolumeId> =
            deletion.chunks.iter().filter(is_left).map(|(volume, _)| *volume).collect();
        match volumes.is_empty() {
            true => done.push(deletion.key),
            false => postponed.push(later(now, deletion.key, volumes)),
        }
    }
    metrics::counter!("cairn_deletions_total").increment(done.len() as u64);
    partition.propose(node.now(), None, Command::DeletionsDone { done, postponed }).await?;
    Ok(true)
}

fn later(now: u64, key: DeletionKey, volumes: BTreeSet<VolumeId>) -> Postponed {
    let due = now + RETRY.as_micros() as u64;
    Postponed { key, due, volumes: volumes.into_iter().collect() }
}

/// Deletes chunks of one volume; gives those that are left.
async fn delete(node: &Node, volume: VolumeId, chunks: &[ChunkName]) -> Left {
    let mut left = Left::new();
    for chunks in chunks.chunks(REQUEST_CHUNKS) {
        match delete_some(node, volume, chunks).await {
            Ok(failures) => {
                left.extend(failures.into_iter().map(|(chunk, why)| ((volume, chunk), why)));
            }
            Err(error) => {
                left.extend(chunks.iter().map(|chunk| ((volume, *chunk), error.to_string())));
            }
        }
    }
    left
}

/// One request. A volume that is out and answers no more has no chunks; one that this node does
/// not know (its map may be older than the entry) may have them.
async fn delete_some(
    node: &Node,
    volume: VolumeId,
    chunks: &[ChunkName],
) -> Result<Vec<(ChunkName, String)>, Error> {
    let map = node.0.registry.logged()?;
    let known = known(&map, volume)?;
    match (known.administrative, known.liveness) {
        (Administrative::Out, Liveness::Down) => Ok(Vec::new()),
        (_, Liveness::Down) => Err(Error::unavailable(format!("volume {volume} is down"))),
        (_, Liveness::Up) => node.delete_chunks(known, chunks).await,
    }
}
