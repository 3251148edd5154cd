//! What was lost is rebuilt: part of invariant 8.
//!
//! When faults have stopped, lost volumes were given up, every chunk was looked at by its own
//! server and the queues are empty, each metachunk of each version has a chunk at every one of
//! its positions, all on different volumes, and all of them verify.

use crate::{
    invariant::{converges::partitions, counters::entries},
    machine::Machine,
    observer::Observer,
    workload::{ACCOUNT, containers},
};
use bytes::Bytes;
use layout::Verifier;
use model::{AccountName, ContainerId, Extent, ListQuery};
use state::{Failure, read};
use std::collections::BTreeSet;
use store::{Read, Store};

/// What is not whole, if anything.
pub fn check(machines: &[Machine], observer: &Observer) -> Option<String> {
    let count = || {
        for replicas in partitions(machines).values() {
            let view = replicas[0].1.snapshot();
            for container in containers() {
                if let Some(what) = of_container(&*view, container, observer)? {
                    return Ok(Some(format!("container {container}: {what}")));
                }
            }
        }
        Ok(None)
    };
    count().unwrap_or_else(|error: Failure| Some(format!("cannot be counted: {error}")))
}

fn of_container(
    view: &dyn Read,
    container: &str,
    observer: &Observer,
) -> Result<Option<String>, Failure> {
    let account: AccountName = ACCOUNT.parse()?;
    let id = ContainerId::of(&account, &container.parse()?);
    if read::find_container(view, &id)?.is_none() {
        return Ok(None);
    }
    let versions =
        entries(|query| read::list_objects(view, &id, &ListQuery { versions: true, ..query }))?;
    for entry in versions.iter().filter(|entry| !entry.marker && !entry.drained) {
        let object = read::locate(view, &id, &entry.name, Some(entry.version))?;
        for extent in object.extents() {
            if let Some(what) = of_extent(extent, observer) {
                let (name, version) = (&entry.name, entry.version);
                return Ok(Some(format!("version {version} of {name}: {what}")));
            }
        }
    }
    Ok(None)
}

fn of_extent(extent: &Extent, observer: &Observer) -> Option<String> {
    for (number, row) in (0u32..).zip(&extent.metachunks) {
        let mut volumes = BTreeSet::new();
        for (position, volume) in (0u8..).zip(&row.volumes) {
            let chunk = extent.chunk_name(number, position)?;
            let Some(volume) = *volume else {
                return Some(format!("{chunk} is on no volume"));
            };
            if !volumes.insert(volume) {
                return Some(format!("{chunk} is on volume {volume}, as another of its metachunk"));
            }
            let verified = observer.read_chunk(volume, &chunk).and_then(|bytes| {
                let mut verifier = Verifier::new(&chunk, extent.origin);
                verifier.push(Bytes::from(bytes)).map_err(|error| error.to_string())?;
                verifier.finish().map_err(|error| error.to_string())
            });
            if let Err(error) = verified {
                return Some(format!("{chunk} on volume {volume}: {error}"));
            }
        }
    }
    None
}
