//! What watches a simulation from outside: everything that happens passes here, goes into a
//! hash that two runs of a seed must agree on, and is looked at by the checkers that need no
//! client's word.

use crate::{
    disk::Platter,
    invariant::{Invariant, Violation, collected::Collected, named::Named, replicas::Replicas},
};
use chunk::files::Paths;
use model::{ChunkName, VolumeId};
use parking_lot::Mutex;
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    fmt::{self, Write},
    path::{Path, PathBuf},
    sync::Arc,
};
use store::Read;

/// Lines of the story that a violation is told with.
const STORY_LINES: usize = 400;

/// Bytes that a chunk of a simulation has at most.
const MAX_CHUNK_BYTES: u64 = 1 << 20;

/// Watches. Cheap to clone; clones watch together.
#[derive(Clone, Default)]
pub struct Observer(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    now_micros: u64,
    events: u64,
    sealed: bool,
    hash: Hash,
    /// The last lines, or all of them as they come, if somebody wants to read.
    told: Option<VecDeque<String>>,
    aloud: bool,
    volumes: Vec<VolumeSite>,
    replicas: Replicas,
    partitions: BTreeMap<String, BTreeSet<(VolumeId, ChunkName)>>,
    violations: Vec<Violation>,
    /// Checkers that look away, so that another one can be seen to fire.
    off: BTreeSet<Invariant>,
}

#[derive(Default)]
struct Hash(blake3::Hasher);

impl Write for Hash {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.update(text.as_bytes());
        Ok(())
    }
}

/// Where a volume is.
struct VolumeSite {
    disk: String,
    platter: Platter,
    root: PathBuf,
    id: Option<VolumeId>,
    lost: bool,
}

impl Observer {
    /// Tells the story: the last lines with a violation, or all of it at once (`aloud`).
    pub fn tell(&self, aloud: bool) {
        let state = &mut *self.0.lock();
        state.told = Some(VecDeque::new());
        state.aloud = aloud;
    }

    /// What follows is not part of the history: idle connections are closed after half a minute,
    /// in the order of a hash table.
    pub fn seal(&self) {
        self.0.lock().sealed = true;
    }

    /// Lets a checker look away.
    pub fn ignore(&self, invariant: Invariant) {
        self.0.lock().off.insert(invariant);
    }

    /// The time, in microseconds of the simulation.
    pub fn set_now(&self, micros: u64) {
        self.0.lock().now_micros = micros;
    }

    /// The time, in microseconds of the simulation, as of the last step.
    pub fn now(&self) -> u64 {
        self.0.lock().now_micros
    }

    /// Something happened.
    pub fn note(&self, what: fmt::Arguments<'_>) {
        let state = &mut *self.0.lock();
        let now = state.now_micros;
        if !state.sealed {
            state.events += 1;
            // A hasher takes everything.
            let _ = writeln!(state.hash, "{now} {what}");
        }
        let Some(told) = &mut state.told else { return };
        let line = format!("{:>10.3} {what}", now as f64 / 1e6);
        if state.aloud {
            eprintln!("{line}");
        }
        told.push_back(line);
        if told.len() > STORY_LINES {
            told.pop_front();
        }
    }

    /// Something is not as it must be.
    pub fn violated(&self, invariant: Invariant, what: String) {
        self.note(format_args!("VIOLATED {invariant}: {what}"));
        self.0.lock().violate(invariant, what);
    }

    /// What was violated.
    pub fn violations(&self) -> Vec<Violation> {
        self.0.lock().violations.clone()
    }

    /// The hash over all that happened, and how much it was.
    pub fn summary(&self) -> (String, u64) {
        let state = self.0.lock();
        (state.hash.0.finalize().to_hex().to_string(), state.events)
    }

    /// The last lines of the story.
    pub fn story(&self) -> Vec<String> {
        self.0.lock().told.iter().flatten().cloned().collect()
    }

    /// Makes a volume's place known.
    pub fn add_volume(&self, disk: &str, platter: Platter, root: PathBuf) {
        let disk = disk.to_owned();
        self.0.lock().volumes.push(VolumeSite { disk, platter, root, id: None, lost: false });
    }

    /// A volume is about to be lost, by no fault of who wrote to it. Its number, if it has one.
    pub fn lose_volume(&self, disk: &str, root: &Path) -> Option<VolumeId> {
        let state = &mut *self.0.lock();
        let site = state.volumes.iter_mut().find(|v| v.disk == disk && v.root == root)?;
        site.lost = true;
        site.id()
    }

    /// The numbers of the volumes that were lost.
    pub fn lost_volumes(&self) -> Vec<VolumeId> {
        let mut state = self.0.lock();
        state.volumes.iter_mut().filter(|v| v.lost).filter_map(VolumeSite::id).collect()
    }

    /// A file is removed: no chunk that metadata names may be.
    pub fn file_removed(&self, disk: &str, path: &Path) {
        let Some((root, chunk)) = chunk_at(path) else { return };
        let state = &mut *self.0.lock();
        let site = state.volumes.iter_mut().find(|v| v.disk == disk && v.root == root);
        let Some(volume) = site.and_then(VolumeSite::id) else { return };
        let named = state.partitions.values().any(|named| named.contains(&(volume, chunk)));
        if let Some(what) = Collected::check(volume, &chunk, named) {
            state.violate(Invariant::Collected, what);
        }
    }

    /// A replica has written a batch; `applied` says up to where it has applied its log, if the
    /// batch says so, and `heads` whether versions changed.
    pub fn applied(
        &self,
        node: &str,
        partition: &str,
        applied: &[u8],
        heads: bool,
        view: &dyn Read,
    ) {
        let hash = match state::read::state_hash(view) {
            Ok(hash) => format!("{hash:?}"),
            Err(error) => format!("no hash: {error}"),
        };
        self.note(format_args!("{node} {partition} applied {applied:02x?} {hash}"));
        let state = &mut *self.0.lock();
        let first = match state.replicas.applied(node, partition, applied, hash) {
            Ok(first) => first,
            Err(what) => return state.violate(Invariant::Replicas, what),
        };
        if !first || !heads {
            return;
        }
        let named = match state::read::named_chunks(view) {
            Ok(named) => named.into_iter().collect(),
            Err(error) => {
                let what = format!("{node} {partition}: its records cannot be read: {error}");
                return state.violate(Invariant::Replicas, what);
            }
        };
        let before = state.partitions.entry(partition.to_owned()).or_default();
        let before = std::mem::replace(before, named);
        let new: Vec<_> = state.partitions[partition].difference(&before).copied().collect();
        for (volume, chunk) in new {
            let site = state.volumes.iter_mut().find_map(|v| (v.id() == Some(volume)).then_some(v));
            let durable = site.is_some_and(|site| {
                // It may have been there when it was acknowledged.
                if site.lost {
                    return true;
                }
                let path = Paths::new(&site.root, Paths::DIGITS).chunk(&chunk);
                site.platter.is_durable(&path)
            });
            if let Some(what) = Named::check(partition, volume, &chunk, durable) {
                state.violate(Invariant::Named, what);
            }
        }
    }

    /// The bytes of a chunk, as they are on its volume.
    pub fn read_chunk(&self, volume: VolumeId, chunk: &ChunkName) -> Result<Vec<u8>, String> {
        let place = self.whereabouts(volume, chunk).ok_or("its volume is not known")?;
        ::disk::read_file(&place.0.inspect(), &place.1, MAX_CHUNK_BYTES).map_err(|e| e.to_string())
    }

    /// The chunks that committed versions name, with their volumes.
    pub fn named(&self) -> Vec<(VolumeId, ChunkName)> {
        self.0.lock().partitions.values().flatten().copied().collect()
    }

    /// The disk and the file of a chunk.
    pub fn whereabouts(&self, volume: VolumeId, chunk: &ChunkName) -> Option<(Platter, PathBuf)> {
        let state = &mut *self.0.lock();
        let site = state.volumes.iter_mut().find_map(|v| (v.id() == Some(volume)).then_some(v))?;
        Some((site.platter.clone(), Paths::new(&site.root, Paths::DIGITS).chunk(chunk)))
    }
}

impl State {
    fn violate(&mut self, invariant: Invariant, what: String) {
        if !self.off.contains(&invariant) {
            self.violations.push(Violation { invariant, at_micros: self.now_micros, what });
        }
    }
}

impl VolumeSite {
    /// The volume's number, once it has one.
    fn id(&mut self) -> Option<VolumeId> {
        if self.id.is_none() {
            let file = Paths::new(&self.root, Paths::DIGITS).identity();
            let identity = chunk::identity::Identity::read(&self.platter.inspect(), &file);
            self.id = identity.ok().flatten().and_then(|identity| identity.id);
        }
        self.id
    }
}

/// The volume's directory and the chunk of a file that is one.
fn chunk_at(path: &Path) -> Option<(PathBuf, ChunkName)> {
    let chunk = path.file_name()?.to_str()?.parse().ok()?;
    let chunks = path.parent()?.parent()?;
    let root = (chunks.file_name()? == "chunks").then(|| chunks.parent())??;
    Some((root.to_owned(), chunk))
}
