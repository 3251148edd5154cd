//! The machine's disk, with faults on demand.

use disk::{Disk, Entry, File, Mode, OsDisk, Space};
use std::{
    io,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// What can be made to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    Open,
    Read,
    Write,
    SyncData,
    SyncDir,
    Rename,
    Link,
}

const CALLS: usize = 7;
pub const EIO: i32 = 5;
pub const ENOMEM: i32 = 12;
pub const EMFILE: i32 = 24;
pub const ENOSPC: i32 = 28;
pub const EMLINK: i32 = 31;

/// A disk whose calls fail with an error of the operating system where one is set.
#[derive(Default)]
pub struct FaultyDisk {
    faults: Arc<[AtomicU64; CALLS]>,
    /// Bytes said to be free, if not 0.
    pub free: AtomicU64,
    /// Directory syncs so far.
    pub dir_syncs: AtomicU64,
}

impl FaultyDisk {
    /// Lets a call fail from now on; 0 repairs it.
    pub fn fail(&self, call: Call, errno: i32) {
        self.faults[call as usize].store(errno as u64, Ordering::SeqCst);
    }

    fn check(&self, call: Call) -> io::Result<()> {
        check(&self.faults, call)
    }
}

fn check(faults: &[AtomicU64; CALLS], call: Call) -> io::Result<()> {
    match faults[call as usize].load(Ordering::SeqCst) {
        0 => Ok(()),
        errno => Err(io::Error::from_raw_os_error(errno as i32)),
    }
}

struct FaultyFile {
    file: Arc<dyn File>,
    faults: Arc<[AtomicU64; CALLS]>,
}

impl File for FaultyFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        check(&self.faults, Call::Read)?;
        self.file.read_at(buf, offset)
    }
    fn write_all_at(&self, bufs: &[io::IoSlice<'_>], offset: u64) -> io::Result<()> {
        check(&self.faults, Call::Write)?;
        self.file.write_all_at(bufs, offset)
    }
    fn sync_data(&self) -> io::Result<()> {
        check(&self.faults, Call::SyncData)?;
        self.file.sync_data()
    }
    fn start_writeback(&self, offset: u64, len: u64) -> io::Result<()> {
        self.file.start_writeback(offset, len)
    }
    fn allocate(&self, len: u64) -> io::Result<()> {
        self.file.allocate(len)
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }
}

impl Disk for FaultyDisk {
    fn open(&self, path: &Path, mode: Mode) -> io::Result<Arc<dyn File>> {
        self.check(Call::Open)?;
        let file = OsDisk.open(path, mode)?;
        Ok(Arc::new(FaultyFile { file, faults: self.faults.clone() }))
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        OsDisk.rename(from, to)
    }
    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.check(Call::Rename)?;
        OsDisk.rename_new(from, to)
    }
    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.check(Call::Link)?;
        OsDisk.hard_link(from, to)
    }
    fn remove_file(&self, path: &Path) -> io::Result<()> {
        OsDisk.remove_file(path)
    }
    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        OsDisk.create_dir_all(path)
    }
    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.check(Call::SyncDir)?;
        self.dir_syncs.fetch_add(1, Ordering::SeqCst);
        OsDisk.sync_dir(path)
    }
    fn read_dir(&self, path: &Path) -> io::Result<Vec<Entry>> {
        OsDisk.read_dir(path)
    }
    fn exists(&self, path: &Path) -> io::Result<bool> {
        OsDisk.exists(path)
    }
    fn space(&self, path: &Path) -> io::Result<Space> {
        let space = OsDisk.space(path)?;
        match self.free.load(Ordering::SeqCst) {
            0 => Ok(space),
            free => Ok(Space { free, ..space }),
        }
    }
    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send + Sync>> {
        OsDisk.lock(path)
    }
    fn blocks(&self) -> bool {
        true
    }
}
