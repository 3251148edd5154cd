//! A disk that forgets at a loss of power what was not synced, and fails on demand.
//!
//! A [`Platter`] is the disk of a machine and outlives its processes. Each start of a process
//! gets a [`SimDisk`], a handle that is good until the process dies: what is dropped with a
//! process, such as the guard of a temporary file, must not tidy up after its death.

mod inode;
mod names;

use crate::{observer::Observer, random::Rng};
use disk::{Disk, Entry, File, Mode, Space};
use inode::{Change, Inode};
use names::{Names, Node};
use parking_lot::{Mutex, MutexGuard};
use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, ErrorKind, IoSlice},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

/// What a disk does wrong at the moment.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    /// The next so many writes or syncs fail.
    pub failing_changes: u32,
    /// The next so many reads fail.
    pub failing_reads: u32,
    /// There is no room.
    pub full: bool,
    /// How long each piece of work takes at most.
    pub slowness: Duration,
    /// Syncs answer before they have done anything. No disk should: it is how the checkers of
    /// durability are shown to work.
    pub lying: bool,
}

/// Bytes that a simulated disk holds.
const CAPACITY: u64 = 1 << 40;

struct World {
    /// Where it stands, for the observer.
    name: String,
    boot: u64,
    rng: Rng,
    inodes: BTreeMap<u64, Inode>,
    next_inode: u64,
    names: Names,
    locks: BTreeSet<PathBuf>,
    faults: Faults,
    observer: Observer,
}

/// What was on a disk at one moment.
pub struct DiskCopy {
    inodes: BTreeMap<u64, Inode>,
    names: Names,
}

/// A disk. Cheap to clone; clones are the same disk.
#[derive(Clone)]
pub struct Platter(Arc<Mutex<World>>);

impl Platter {
    /// An empty disk.
    pub fn new(name: &str, rng: Rng, observer: Observer) -> Self {
        Self(Arc::new(Mutex::new(World {
            name: name.to_owned(),
            boot: 0,
            rng,
            inodes: BTreeMap::new(),
            next_inode: 0,
            names: Names::default(),
            locks: BTreeSet::new(),
            faults: Faults::default(),
            observer,
        })))
    }

    /// The disk as a new process sees it.
    pub fn boot(&self) -> SimDisk {
        SimDisk { platter: self.clone(), boot: self.0.lock().boot, inspects: false }
    }

    /// The disk as an observer sees it, who suffers no faults and uses none up.
    pub fn inspect(&self) -> SimDisk {
        SimDisk { inspects: true, ..self.boot() }
    }

    /// The process dies: its handles are of no use any more. What it has written stays in the
    /// machine's memory.
    pub fn kill(&self) {
        let mut world = self.0.lock();
        world.boot += 1;
        world.locks.clear();
    }

    /// The power goes: of what was not synced, any part is lost.
    pub fn lose_power(&self) {
        self.kill();
        let world = &mut *self.0.lock();
        for inode in world.inodes.values_mut() {
            inode.lose_power(&mut world.rng);
        }
        world.names.lose_power(&mut world.rng);
        let named = world.names.inodes();
        world.inodes.retain(|id, _| named.contains(id));
    }

    /// Sets what goes wrong from now on.
    pub fn set_faults(&self, faults: Faults) {
        self.0.lock().faults = faults;
    }

    /// What goes wrong now.
    pub fn faults(&self) -> Faults {
        self.0.lock().faults.clone()
    }

    /// Whether a file is there, whole, and would be after a loss of power.
    pub fn is_durable(&self, path: &Path) -> bool {
        let world = self.0.lock();
        match world.names.synced(path) {
            Some(Node::File(id)) => world.inodes.get(&id).is_some_and(Inode::is_synced),
            _ => false,
        }
    }

    /// Flips a bit of a file, where it rests.
    pub fn flip(&self, path: &Path) -> bool {
        let world = &mut *self.0.lock();
        let Some(Node::File(id)) = world.names.find(path) else { return false };
        let bit = world.rng.next();
        world.inodes.get_mut(&id).is_some_and(|inode| inode.flip(bit))
    }

    /// Whether it is the same disk.
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// The number of the file that a name leads to: links of a file have the same.
    pub fn inode(&self, path: &Path) -> Option<u64> {
        match self.0.lock().names.find(path) {
            Some(Node::File(id)) => Some(id),
            _ => None,
        }
    }

    /// A part of the disk is gone for good, with all that was in it.
    pub fn lose(&self, dir: &Path) {
        self.0.lock().names.lose(dir);
    }

    /// Copies what is on the disk.
    pub fn copy(&self) -> DiskCopy {
        let world = self.0.lock();
        let inodes = world.inodes.iter().map(|(id, inode)| (*id, inode.copy()));
        DiskCopy { inodes: inodes.collect(), names: world.names.copy() }
    }

    /// Puts the disk back to a copy. No process runs.
    pub fn restore(&self, copy: &DiskCopy) {
        let mut world = self.0.lock();
        world.inodes = copy.inodes.iter().map(|(id, inode)| (*id, inode.copy())).collect();
        world.names = copy.names.copy();
    }

    /// Files below a directory.
    pub fn files(&self, dir: &Path) -> Vec<PathBuf> {
        self.0.lock().names.files(dir)
    }
}

/// A disk as one process sees it.
#[derive(Clone)]
pub struct SimDisk {
    platter: Platter,
    boot: u64,
    inspects: bool,
}

impl SimDisk {
    fn world(&self) -> io::Result<MutexGuard<'_, World>> {
        let world = self.platter.0.lock();
        if world.boot == self.boot {
            return Ok(world);
        }
        Err(io::Error::other("the process is dead"))
    }

    /// For what changes something.
    fn changing(&self, what: &str, path: &Path) -> io::Result<MutexGuard<'_, World>> {
        let mut world = self.world()?;
        world.observer.note(format_args!("{} {what} {}", world.name, path.display()));
        if world.faults.failing_changes > 0 {
            world.faults.failing_changes -= 1;
            return Err(io::Error::from_raw_os_error(EIO));
        }
        Ok(world)
    }

    fn reading(&self) -> io::Result<MutexGuard<'_, World>> {
        let mut world = self.world()?;
        if world.faults.failing_reads > 0 && !self.inspects {
            world.faults.failing_reads -= 1;
            return Err(io::Error::from_raw_os_error(EIO));
        }
        Ok(world)
    }
}

const EIO: i32 = 5;
const ENOSPC: i32 = 28;

struct Handle {
    disk: SimDisk,
    inode: u64,
    path: PathBuf,
}

impl Handle {
    fn change(&self, what: &str, change: Change) -> io::Result<()> {
        let mut world = self.disk.changing(what, &self.path)?;
        let full = world.faults.full;
        // A file that was removed lives on for those who have it open.
        let inode = world.inodes.entry(self.inode).or_default();
        if full && inode.grows_by(&change) {
            return Err(io::Error::from_raw_os_error(ENOSPC));
        }
        inode.change(change);
        Ok(())
    }
}

impl File for Handle {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let world = self.disk.reading()?;
        Ok(world.inodes.get(&self.inode).map_or(0, |inode| inode.read(buf, offset)))
    }

    fn write_all_at(&self, bufs: &[IoSlice<'_>], offset: u64) -> io::Result<()> {
        self.change(
            "write",
            Change::Write(offset, bufs.iter().flat_map(|b| b.iter().copied()).collect()),
        )
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut world = self.disk.changing("sync", &self.path)?;
        if !world.faults.lying {
            world.inodes.entry(self.inode).or_default().sync();
        }
        Ok(())
    }

    fn start_writeback(&self, _: u64, _: u64) -> io::Result<()> {
        Ok(())
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        self.change("allocate", Change::Length(len))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.change("cut", Change::Length(len))
    }

    fn len(&self) -> io::Result<u64> {
        let world = self.disk.world()?;
        Ok(world.inodes.get(&self.inode).map_or(0, Inode::len))
    }
}

impl Disk for SimDisk {
    fn open(&self, path: &Path, mode: Mode) -> io::Result<Arc<dyn File>> {
        let inode = match mode {
            Mode::Read | Mode::ReadWrite => match self.reading()?.names.find(path) {
                Some(Node::File(inode)) => inode,
                Some(Node::Directory) => return Err(ErrorKind::IsADirectory.into()),
                None => return Err(ErrorKind::NotFound.into()),
            },
            Mode::CreateNew => {
                let mut world = self.changing("create", path)?;
                if world.faults.full {
                    return Err(io::Error::from_raw_os_error(ENOSPC));
                }
                let inode = world.next_inode;
                world.names.create(path, Node::File(inode))?;
                world.next_inode += 1;
                world.inodes.insert(inode, Inode::default());
                inode
            }
        };
        Ok(Arc::new(Handle { disk: self.clone(), inode, path: path.to_owned() }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.changing("rename", to)?.names.rename(from, to)
    }

    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut world = self.changing("rename", to)?;
        if world.names.find(to).is_some() {
            return Err(ErrorKind::AlreadyExists.into());
        }
        world.names.rename(from, to)
    }

    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut world = self.changing("link", to)?;
        let node = world.names.find(from).ok_or(ErrorKind::NotFound)?;
        world.names.create(to, node)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let mut world = self.changing("remove", path)?;
        world.names.remove(path)?;
        let (observer, name) = (world.observer.clone(), world.name.clone());
        drop(world);
        observer.file_removed(&name, path);
        Ok(())
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.changing("mkdir", path)?.names.create_dir_all(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut world = self.changing("syncdir", path)?;
        if !world.faults.lying {
            world.names.sync(path);
        }
        Ok(())
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<Entry>> {
        let world = self.reading()?;
        let entries = world.names.entries(path).ok_or(ErrorKind::NotFound)?;
        Ok(entries
            .map(|(name, node)| Entry { name: name.clone(), is_dir: *node == Node::Directory })
            .collect())
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        Ok(self.world()?.names.find(path).is_some())
    }

    fn space(&self, _: &Path) -> io::Result<Space> {
        let free = if self.world()?.faults.full { 0 } else { CAPACITY / 2 };
        Ok(Space { total: CAPACITY, free })
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send + Sync>> {
        let mut world = self.world()?;
        if !world.locks.insert(path.to_owned()) {
            return Err(ErrorKind::WouldBlock.into());
        }
        drop(world);
        Ok(Box::new(Lock { disk: self.clone(), path: path.to_owned() }))
    }

    fn blocks(&self) -> bool {
        false
    }

    fn delay(&self) -> Duration {
        let Ok(mut world) = self.world() else { return Duration::ZERO };
        let most = world.faults.slowness.as_micros() as u64;
        Duration::from_micros(world.rng.below(most))
    }
}

struct Lock {
    disk: SimDisk,
    path: PathBuf,
}

impl Drop for Lock {
    fn drop(&mut self) {
        if let Ok(mut world) = self.disk.world() {
            world.locks.remove(&self.path);
        }
    }
}
