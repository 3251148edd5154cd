//! Searches a partition's metadata for chunks on lost volumes, and queues them for repair. Each
//! search goes on where it was, whoever leads.

use super::losses::Outlook;
use crate::{
    node::Node,
    partition::{Partition, Refusal},
};
use model::{Error, VolumeId};
use state::{
    Command, MAX_LOST, RecordScan, ScanStep,
    read::{self, VolumeScan},
};

/// Chunks found in one step: as many as a command has room for, however long names are.
const STEP_CHUNKS: usize = 128;

/// Tells the partition which volumes are lost, and takes the next step of each search; true if
/// there are more.
pub async fn step(node: &Node, partition: &Partition, outlook: &Outlook) -> Result<bool, Refusal> {
    let (before, scans) = {
        let view = partition.local();
        let before = read::lost_volumes(&*view).map_err(failed)?;
        (before, read::volume_scans(&*view).map_err(failed)?)
    };
    let mut lost: Vec<VolumeId> = outlook.lost.iter().copied().collect();
    if lost.len() > MAX_LOST {
        // The youngest are those whose chunks were not made anew long ago.
        let (count, left) = (lost.len(), lost.len() - MAX_LOST);
        tracing::error!(count, left, "too many volumes are lost: the oldest are not searched for");
        lost.drain(..left);
    }
    if before != lost {
        tracing::info!(partition = %partition.id(), ?lost, "the lost volumes are others now");
        let command = Command::SetLost { volumes: lost.clone() };
        partition.propose(node.now(), None, command).await?;
    }
    let mut more = false;
    for volume in &lost {
        // What is committed from now on is queued with the commit: the search need not end.
        match scans.iter().find(|scan| scan.volume == *volume) {
            None => {
                record(node, partition, *volume, ScanStep::Start).await?;
                more = true;
            }
            Some(scan) if scan.finished.is_some() => {}
            Some(scan) => more |= advance(node, partition, scan).await?,
        }
    }
    // A volume that is back may be lost once more, with other chunks.
    for scan in scans.iter().filter(|scan| !lost.contains(&scan.volume)) {
        record(node, partition, scan.volume, ScanStep::Forget).await?;
    }
    Ok(more)
}

async fn advance(node: &Node, partition: &Partition, scan: &VolumeScan) -> Result<bool, Refusal> {
    let page = {
        let view = partition.read().await?;
        let from = scan.cursor.as_ref();
        read::scan_volume(&*view, scan.volume, from, STEP_CHUNKS).map_err(failed)?
    };
    let more = page.next.is_some();
    let step = ScanStep::Advance {
        from: scan.cursor.clone(),
        to: page.next,
        versions: page.versions,
        found: page.found,
    };
    record(node, partition, scan.volume, step).await?;
    if !more {
        let (partition, volume) = (partition.id(), scan.volume);
        tracing::info!(%partition, %volume, "the search for the volume's chunks is done");
    }
    Ok(more)
}

async fn record(
    node: &Node,
    partition: &Partition,
    volume: VolumeId,
    step: ScanStep,
) -> Result<(), Refusal> {
    let command = Command::RecordScan(RecordScan { volume, step });
    partition.propose(node.now(), None, command).await?;
    Ok(())
}

fn failed(failure: state::Failure) -> Error {
    Error::internal(failure.to_string())
}
