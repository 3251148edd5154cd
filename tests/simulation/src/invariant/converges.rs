//! 8. Once faults stop, everything becomes whole and quiet.
//!
//! Within a bounded time after the last fault all replicas of a partition have applied the same
//! and hash to the same; the queues of chunks to delete, of repairs and of news for accounts are
//! empty, and every partition has been searched for the chunks of lost volumes. Then everything [counts what it holds](super::counters), and [what was lost is
//! rebuilt](super::census).

use crate::machine::Machine;
use model::VolumeId;
use state::{Failure, read};
use std::collections::BTreeMap;
use std::sync::Arc;
use store::{MemoryStore, Store};

/// Key under which a replica writes how far it has applied its log.
const APPLIED_KEY: &[u8] = &[0, 1];

/// A time that does not come.
const FOREVER: u64 = u64::MAX / 2;

/// Where the directory is, which has no chunks.
const DIRECTORY: &str = "p0";

/// What is not as it should become, if anything, after these volumes were given up.
pub fn check(machines: &[Machine], lost: &[VolumeId]) -> Option<String> {
    partitions(machines).iter().find_map(|(partition, replicas)| {
        let lost = if partition == DIRECTORY { &[] } else { lost };
        let what = agree(replicas).or_else(|| quiet(&replicas[0].1, lost))?;
        Some(format!("{partition}: {what}"))
    })
}

/// The replicas of each partition, by their nodes.
pub fn partitions(machines: &[Machine]) -> BTreeMap<String, Vec<(&str, Arc<MemoryStore>)>> {
    let mut partitions: BTreeMap<String, Vec<(&str, Arc<MemoryStore>)>> = BTreeMap::new();
    for machine in machines {
        for (partition, store) in machine.stores().map(|s| s.all()).unwrap_or_default() {
            partitions.entry(partition).or_default().push((machine.name(), store));
        }
    }
    partitions
}

/// What the replicas differ in.
fn agree(replicas: &[(&str, Arc<MemoryStore>)]) -> Option<String> {
    let mut said = replicas.iter().map(|(node, store)| {
        let view = store.snapshot();
        let applied = view.get(APPLIED_KEY).ok().flatten().unwrap_or_default();
        (node, applied, format!("{:?}", read::state_hash(&*view)))
    });
    let (first, applied, hash) = said.next()?;
    let (other, theirs, _) = said.find(|(_, a, h)| (a, h) != (&applied, &hash))?;
    Some(format!(
        "{first} has applied {applied:02x?}, {other} {theirs:02x?}, or their state differs"
    ))
}

/// What is still to do.
fn quiet(store: &MemoryStore, lost: &[VolumeId]) -> Option<String> {
    let view = store.snapshot();
    let left = || -> Result<Option<String>, Failure> {
        let (status, rebuilds) = (read::status(&*view)?, read::rebuilds(&*view, 1)?.len() as u64);
        if status.deletions + status.outbox + status.repairs + rebuilds > 0 {
            return Ok(Some(format!("still to do: {status:?}")));
        }
        // Whatever clients let go by itself is to go within moments.
        if let Some((_, object, version)) = read::expired(&*view, None, FOREVER, 1)?.versions.pop()
        {
            return Ok(Some(format!("still to go by itself: {object}, version {version}")));
        }
        let scans = read::volume_scans(&*view)?;
        let searched =
            |v: &VolumeId| scans.iter().any(|scan| scan.volume == *v && scan.finished.is_some());
        let ahead = lost.iter().find(|volume| !searched(volume));
        Ok(ahead.map(|volume| format!("not searched yet for the chunks of volume {volume}")))
    };
    left().unwrap_or_else(|error| Some(error.to_string()))
}

/// Whether the hash that each replica keeps is that of its records.
pub fn hashes(machines: &[Machine]) -> Option<String> {
    for machine in machines {
        for (partition, store) in machine.stores().map(|s| s.all()).unwrap_or_default() {
            let view = store.snapshot();
            let (kept, is) = (read::state_hash(&*view), read::compute_state_hash(&*view));
            if format!("{kept:?}") != format!("{is:?}") {
                let name = machine.name();
                return Some(format!("{name} {partition} keeps hash {kept:?}, its records {is:?}"));
            }
        }
    }
    None
}
