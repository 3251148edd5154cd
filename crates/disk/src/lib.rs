//! The seam between Cairn and the file system.
//!
//! Whatever touches a disk takes a [`Disk`]: production uses [`OsDisk`], a simulator puts its own
//! underneath and can then tear writes, lose what was not synced, fill up or slow down.
//! The calls are blocking and small; [`offload`] runs them where blocking is allowed.
//!
//! The crate decides nothing: no formats, no retries, no caching. A failed sync is reported
//! once and never retried here, because a retried fsync can claim success for lost pages.
#![forbid(unsafe_code)]

mod os;

pub use os::OsDisk;

use std::{io, path::Path, path::PathBuf, sync::Arc, time::Duration};

/// How a file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// An existing file, for reading.
    Read,
    /// An existing file, for reading and writing.
    ReadWrite,
    /// A file that must not exist yet, for reading and writing.
    CreateNew,
}

/// Bytes of a file system: all, and free to an unprivileged writer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// Size of the file system in bytes.
    pub total: u64,
    /// Bytes that can still be written.
    pub free: u64,
}

/// What a name in a directory is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The name, without its directory.
    pub name: String,
    /// Whether it is a directory.
    pub is_dir: bool,
}

/// An open file. Positions are explicit, so a file can be shared by readers.
pub trait File: Send + Sync {
    /// Reads until `buf` is full or the file ends; returns the bytes read.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Writes all of the slices, one after the other, from `offset` on.
    fn write_all_at(&self, bufs: &[io::IoSlice<'_>], offset: u64) -> io::Result<()>;
    /// Makes the content, and the size if it changed, survive a loss of power (fdatasync).
    fn sync_data(&self) -> io::Result<()>;
    /// Asks for the range to be written out soon, without waiting and without any promise.
    fn start_writeback(&self, offset: u64, len: u64) -> io::Result<()>;
    /// Reserves `len` bytes from the start and makes the file that long (zeros where unwritten).
    fn allocate(&self, len: u64) -> io::Result<()>;
    /// Cuts or extends the file.
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// The file's length in bytes.
    fn len(&self) -> io::Result<u64>;
    /// Whether the file has no bytes.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
}

/// A file system. Changes of names are durable only after [`Disk::sync_dir`] of the directory.
pub trait Disk: Send + Sync + 'static {
    /// Opens or creates a file.
    fn open(&self, path: &Path, mode: Mode) -> io::Result<Arc<dyn File>>;
    /// Renames, replacing an existing target.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Renames; fails with `AlreadyExists` if the target exists.
    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Gives a file a second name; fails with `AlreadyExists` if it is taken.
    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove_file(&self, path: &Path) -> io::Result<()>;
    /// Creates a directory and its missing parents, each made durable in its parent.
    fn create_dir_all(&self, path: &Path) -> io::Result<()>;
    /// Makes the names in a directory survive a loss of power.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    /// The names in a directory, in byte order.
    fn read_dir(&self, path: &Path) -> io::Result<Vec<Entry>>;
    /// Whether something has this name.
    fn exists(&self, path: &Path) -> io::Result<bool>;
    /// Space of the file system that holds `path`.
    fn space(&self, path: &Path) -> io::Result<Space>;
    /// Which file system holds `path`: paths with the same answer share their space. `None`: it
    /// shares with no other.
    fn file_system(&self, _path: &Path) -> io::Result<Option<u64>> {
        Ok(None)
    }
    /// Takes the exclusive lock of an existing or new file; held until the guard is dropped.
    /// `WouldBlock` if another process has it.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send + Sync>>;
    /// Whether calls block a thread (a real disk) or answer at once (a simulated one).
    fn blocks(&self) -> bool;
    /// How long the next piece of work takes on a simulated disk, which answers at once; a real
    /// one takes its time while it blocks.
    fn delay(&self) -> Duration {
        Duration::ZERO
    }
}

/// Runs blocking disk work: on the blocking pool for a real disk, in place for a simulated one.
///
/// # Panics
/// Resumes a panic of `work`.
pub async fn offload<T: Send + 'static>(
    disk: &dyn Disk,
    work: impl FnOnce() -> T + Send + 'static,
) -> T {
    if !disk.blocks() {
        let delay = disk.delay();
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        return work();
    }
    match tokio::task::spawn_blocking(work).await {
        Ok(value) => value,
        Err(join) => std::panic::resume_unwind(join.into_panic()),
    }
}

/// Writes a small file so that after a crash it is either whole or as it was before:
/// temporary, sync, rename, sync of the directory.
pub fn replace_file(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let dir = path.parent().unwrap_or(Path::new("."));
    let mut temporary = PathBuf::from(path).into_os_string();
    temporary.push(".tmp");
    let temporary = PathBuf::from(temporary);
    if disk.exists(&temporary)? {
        disk.remove_file(&temporary)?;
    }
    let file = disk.open(&temporary, Mode::CreateNew)?;
    file.write_all_at(&[io::IoSlice::new(bytes)], 0)?;
    file.sync_data()?;
    disk.rename(&temporary, path)?;
    disk.sync_dir(dir)
}

/// Reads a whole file of at most `limit` bytes.
pub fn read_file(disk: &dyn Disk, path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let file = disk.open(path, Mode::Read)?;
    let len = file.len()?;
    if len > limit {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("{} has {len} bytes, more than the {limit} expected", path.display()),
        ));
    }
    let mut buf = vec![0; len as usize];
    let read = file.read_at(&mut buf, 0)?;
    buf.truncate(read);
    Ok(buf)
}
