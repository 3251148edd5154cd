//! Keeps the house: looks at the room on the disk, syncs the state stores, takes snapshots and
//! cuts the log behind them.

use crate::{node::Node, partition::Partition};
use std::{sync::atomic::Ordering, time::Duration};

/// How often the room on the disk is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// State stores are synced, and snapshots thought about, every so many looks: what a loss of
/// power makes the log replay.
const LOOKS_PER_ROUND: u32 = 10;

pub async fn run(node: Node) {
    for look in 0u32.. {
        tokio::time::sleep(LOOK_EVERY).await;
        look_at_room(&node).await;
        node.look_at_clock();
        if let Err(error) = node.0.standing.write_down().await {
            tracing::warn!(%error, "what peers said is not written down");
        }
        // The first is soon after the start: the log of a process that dies again and again is
        // cut too, and each of its starts replays less.
        if look.is_multiple_of(LOOKS_PER_ROUND) {
            sync_stores(&node).await;
            for partition in node.0.partitions.values() {
                keep_log_short(&node, partition).await;
            }
        }
    }
}

async fn look_at_room(node: &Node) {
    match node.0.wal.space().await {
        Ok(room) => {
            let was = node.0.low.swap(room.low, Ordering::Relaxed);
            if room.low && !was {
                tracing::error!(
                    free = room.free,
                    "the disk is nearly full: only deletes are taken"
                );
            }
        }
        Err(error) => tracing::warn!(%error, "the room on the disk is not known"),
    }
}

async fn sync_stores(node: &Node) {
    for partition in node.0.partitions.values() {
        let store = partition.store().clone();
        // A store that cannot be synced is found out at the next start; the log has it all.
        let synced = disk::offload(&*node.0.seams.disk, move || store.sync()).await;
        if let Err(error) = synced {
            tracing::error!(partition = %partition.id(), %error, "a state store is not synced");
        }
    }
}

/// Takes a snapshot once as much log as the state is large (or the configured minimum) has been
/// written since the last one, so that snapshots cost a bounded share of all writing.
async fn keep_log_short(node: &Node, partition: &Partition) {
    let id = partition.id();
    let last = partition.metrics().snapshot.map_or(0, |log_id| log_id.index);
    let written = node.0.wal.bytes_after(id.0, last);
    let trigger = partition.raft().trigger();
    if written > node.0.config.snapshot_log_bytes.max(partition.store().size()) {
        // One that does not fit would be the end of the replica, and again after a restart.
        let room = disk_room(node).await;
        let needed = node.0.config.reserve_bytes.saturating_add(2 * partition.store().size());
        if room.is_some_and(|free| free < needed) {
            tracing::warn!(
                partition = %id, room, needed,
                "no snapshot is taken, and the log is not cut: the disk has no room for it"
            );
            return;
        }
        tracing::info!(partition = %id, written, "taking a snapshot");
        if let Err(error) = trigger.snapshot().await {
            tracing::warn!(partition = %id, %error, "no snapshot was taken");
        }
        return;
    }
    let cut = match node.0.snapshots.get(&id).map(|dir| dir.cut()) {
        Some(Ok(Some(cut))) => cut,
        Some(Err(error)) => {
            tracing::warn!(partition = %id, %error, "the snapshots cannot be listed");
            return;
        }
        _ => return,
    };
    let purged = node.0.wal.purged(id.0).map_or(0, |(index, _)| index);
    if cut > purged
        && let Err(error) = trigger.purge_log(cut).await
    {
        tracing::warn!(partition = %id, %error, "the log was not cut");
    }
}

/// Free bytes where snapshots are kept, if they are known.
async fn disk_room(node: &Node) -> Option<u64> {
    node.0.wal.space().await.ok().map(|room| room.free)
}
