//! A file system in memory that remembers what was synced: at a power cut it keeps a random
//! part of what was not, and it fails on demand.

use super::Rng;
use disk::{Disk, Entry, File, Mode, Space};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Error, ErrorKind, IoSlice, Result};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// A change of a file that is not synced.
#[derive(Clone)]
enum Change {
    Write(u64, Vec<u8>),
    Length(u64),
}

#[derive(Default, Clone)]
struct Inode {
    now: Vec<u8>,
    durable: Vec<u8>,
    unsynced: Vec<Change>,
}

#[derive(Default)]
pub struct World {
    inodes: Vec<Inode>,
    names: BTreeMap<PathBuf, usize>,
    durable_names: BTreeMap<PathBuf, usize>,
    /// Changes of names that are not synced, oldest first.
    unsynced_names: Vec<(PathBuf, Option<usize>)>,
    locks: BTreeSet<(u64, PathBuf)>,
    boots: u64,
    /// The power goes off with the change that uses this up.
    pub changes_left: Option<u64>,
    /// Every write, or every sync, fails from now on.
    pub fail_writes: bool,
    pub fail_syncs: bool,
    pub syncs: u64,
    pub free: u64,
}

/// The disk. Handles share one world.
#[derive(Clone, Default)]
pub struct FaultDisk {
    world: Arc<Mutex<World>>,
    /// How long a sync takes. A disk that takes time blocks.
    sync_time: Duration,
}

struct Handle {
    disk: FaultDisk,
    inode: usize,
    path: PathBuf,
}

struct Lock(FaultDisk, (u64, PathBuf));

impl Drop for Lock {
    fn drop(&mut self) {
        self.0.world().locks.remove(&self.1);
    }
}

fn apply(bytes: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Length(length) => bytes.resize(*length as usize, 0),
        Change::Write(offset, data) => {
            let end = *offset as usize + data.len();
            if bytes.len() < end {
                bytes.resize(end, 0);
            }
            bytes[*offset as usize..end].copy_from_slice(data);
        }
    }
}

impl World {
    /// Counts a change. An error still leaves the change among the unsynced ones.
    fn spend(&mut self) -> Result<()> {
        match &mut self.changes_left {
            Some(0) => Err(Error::other("the power is off")),
            Some(left) => {
                *left -= 1;
                if *left == 0 { Err(Error::other("the power went off")) } else { Ok(()) }
            }
            None => Ok(()),
        }
    }

    fn is_off(&self) -> bool {
        self.changes_left == Some(0)
    }

    fn name(&mut self, path: &Path, inode: Option<usize>) {
        match inode {
            Some(inode) => self.names.insert(path.into(), inode),
            None => self.names.remove(path),
        };
        self.unsynced_names.push((path.into(), inode));
    }

    /// Power off and on again.
    pub fn cut(&mut self, rng: &mut Rng) {
        for inode in &mut self.inodes {
            for change in std::mem::take(&mut inode.unsynced) {
                survive(&mut inode.durable, &change, rng);
            }
            inode.now = inode.durable.clone();
        }
        let mut broken = BTreeSet::new();
        for (path, inode) in std::mem::take(&mut self.unsynced_names) {
            // Of one name's changes a prefix survives; of different names' any.
            if broken.contains(&path) || rng.chance(2) {
                broken.insert(path);
                continue;
            }
            match inode {
                Some(inode) => self.durable_names.insert(path, inode),
                None => self.durable_names.remove(&path),
            };
        }
        self.names = self.durable_names.clone();
        self.locks.clear();
        self.boots += 1;
        self.changes_left = None;
    }
}

/// What a power cut leaves of a change: all, nothing, a prefix, or any of its sectors.
fn survive(durable: &mut Vec<u8>, change: &Change, rng: &mut Rng) {
    let Change::Write(offset, data) = change else {
        if rng.chance(2) {
            apply(durable, change);
        }
        return;
    };
    match rng.below(4) {
        0 => {}
        1 => apply(durable, change),
        2 => {
            let kept = rng.below(data.len() as u64 + 1) as usize;
            apply(durable, &Change::Write(*offset, data[..kept].to_vec()));
        }
        _ => {
            let mut at = 0;
            while at < data.len() {
                let sector = 512 - (*offset as usize + at) % 512;
                let end = (at + sector).min(data.len());
                if rng.chance(2) {
                    let part = Change::Write(offset + at as u64, data[at..end].to_vec());
                    apply(durable, &part);
                }
                at = end;
            }
        }
    }
}

impl FaultDisk {
    /// A disk whose syncs take time.
    pub fn slow(sync_time: Duration) -> FaultDisk {
        FaultDisk { sync_time, ..FaultDisk::default() }
    }

    pub fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    /// The segments in order, with their content.
    pub fn segments(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let world = self.world();
        let names = world.names.iter().filter(|(path, _)| path.extension().is_some());
        names.map(|(path, inode)| (path.clone(), world.inodes[*inode].now.clone())).collect()
    }

    /// Replaces a file's content, durably.
    pub fn poke(&self, path: &Path, bytes: Vec<u8>) {
        let mut world = self.world();
        let inode = world.names[path];
        world.inodes[inode] = Inode { now: bytes.clone(), durable: bytes, unsynced: Vec::new() };
    }

    /// Removes a file, durably.
    pub fn destroy(&self, path: &Path) {
        let mut world = self.world();
        world.names.remove(path);
        world.durable_names.remove(path);
    }
}

impl Handle {
    fn change(&self, change: Change) -> Result<()> {
        let mut world = self.disk.world();
        if world.is_off() {
            return world.spend();
        }
        let inode = &mut world.inodes[self.inode];
        apply(&mut inode.now, &change);
        inode.unsynced.push(change);
        if world.fail_writes {
            return Err(ErrorKind::StorageFull.into());
        }
        world.spend()
    }
}

impl File for Handle {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<usize> {
        let world = self.disk.world();
        let bytes = &world.inodes[self.inode].now;
        let start = (offset as usize).min(bytes.len());
        let count = buf.len().min(bytes.len() - start);
        buf[..count].copy_from_slice(&bytes[start..start + count]);
        Ok(count)
    }

    fn write_all_at(&self, bufs: &[IoSlice<'_>], offset: u64) -> Result<()> {
        self.change(Change::Write(offset, bufs.iter().flat_map(|b| b.to_vec()).collect()))
    }

    fn sync_data(&self) -> Result<()> {
        if !self.disk.sync_time.is_zero() {
            std::thread::sleep(self.disk.sync_time);
        }
        let mut world = self.disk.world();
        world.spend()?;
        if world.fail_syncs {
            return Err(Error::other("the disk is broken"));
        }
        world.syncs += 1;
        let inode = &mut world.inodes[self.inode];
        inode.durable = inode.now.clone();
        inode.unsynced.clear();
        Ok(())
    }

    fn start_writeback(&self, _: u64, _: u64) -> Result<()> {
        Ok(())
    }

    fn allocate(&self, len: u64) -> Result<()> {
        self.change(Change::Length(len))
    }

    fn set_len(&self, len: u64) -> Result<()> {
        self.change(Change::Length(len))
    }

    fn len(&self) -> Result<u64> {
        let _ = &self.path;
        Ok(self.disk.world().inodes[self.inode].now.len() as u64)
    }
}

impl Disk for FaultDisk {
    fn open(&self, path: &Path, mode: Mode) -> Result<Arc<dyn File>> {
        let mut world = self.world();
        let inode = match (world.names.get(path).copied(), mode) {
            (Some(_), Mode::CreateNew) => return Err(ErrorKind::AlreadyExists.into()),
            (None, Mode::Read | Mode::ReadWrite) => return Err(ErrorKind::NotFound.into()),
            (Some(inode), _) => inode,
            (None, Mode::CreateNew) => {
                if world.is_off() {
                    world.spend()?;
                }
                let inode = world.inodes.len();
                world.inodes.push(Inode::default());
                world.name(path, Some(inode));
                world.spend()?;
                inode
            }
        };
        Ok(Arc::new(Handle { disk: self.clone(), inode, path: path.into() }))
    }

    fn rename(&self, _: &Path, _: &Path) -> Result<()> {
        Err(ErrorKind::Unsupported.into())
    }

    fn rename_new(&self, _: &Path, _: &Path) -> Result<()> {
        Err(ErrorKind::Unsupported.into())
    }

    fn hard_link(&self, _: &Path, _: &Path) -> Result<()> {
        Err(ErrorKind::Unsupported.into())
    }

    fn remove_file(&self, path: &Path) -> Result<()> {
        let mut world = self.world();
        if world.is_off() {
            return world.spend();
        }
        if !world.names.contains_key(path) {
            return Err(ErrorKind::NotFound.into());
        }
        world.name(path, None);
        world.spend()
    }

    fn create_dir_all(&self, _: &Path) -> Result<()> {
        Ok(())
    }

    fn sync_dir(&self, _: &Path) -> Result<()> {
        let mut world = self.world();
        world.spend()?;
        if world.fail_syncs {
            return Err(Error::other("the disk is broken"));
        }
        world.durable_names = world.names.clone();
        world.unsynced_names.clear();
        Ok(())
    }

    fn read_dir(&self, dir: &Path) -> Result<Vec<Entry>> {
        let world = self.world();
        let names = world.names.keys().filter(|path| path.parent() == Some(dir));
        let entry = |path: &PathBuf| Entry {
            name: path.file_name().unwrap().to_str().unwrap().into(),
            is_dir: false,
        };
        Ok(names.map(entry).collect())
    }

    fn exists(&self, path: &Path) -> Result<bool> {
        Ok(self.world().names.contains_key(path))
    }

    fn space(&self, _: &Path) -> Result<Space> {
        Ok(Space { total: 1 << 40, free: self.world().free })
    }

    fn lock(&self, path: &Path) -> Result<Box<dyn Send + Sync>> {
        let mut world = self.world();
        let key = (world.boots, path.to_path_buf());
        if !world.locks.insert(key.clone()) {
            return Err(ErrorKind::WouldBlock.into());
        }
        drop(world);
        Ok(Box::new(Lock(self.clone(), key)))
    }

    fn blocks(&self) -> bool {
        !self.sync_time.is_zero()
    }
}
