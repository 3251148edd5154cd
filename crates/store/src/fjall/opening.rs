//! Opening a database that may be damaged.

use super::{Config, damage, sync_directory};
use crate::Error;
use ::fjall::{CompressionType, Database, LsmError};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

/// Starts that may die while opening before the database counts as damaged. More than one,
/// because an operator or the system may kill a slow start that nothing is wrong with.
const MAX_ATTEMPTS: u64 = 5;

/// What the journal may take before partitions that hold it back are written out; the engine's
/// lowest bound.
const JOURNAL_BYTES: u64 = 64 << 20;

/// One worker on purpose: with more, the first spins while another compacts, and a memtable
/// could be written out whose journal is not yet on disk (`DECISIONS.md`).
const WORKERS: usize = 1;

pub fn open(directory: &Path, config: Config) -> Result<Database, Error> {
    create(directory).map_err(|error| Error::engine("open", error))?;
    examine(directory)?;
    let attempt = Attempt::begin(directory)?;
    let opened = catch_unwind(AssertUnwindSafe(|| {
        Database::builder(directory)
            .cache_size(config.cache_bytes)
            .max_journaling_size(JOURNAL_BYTES)
            .manual_journal_persist(true)
            // To check a record's checksum, recovery compresses the value anew: a compressor
            // that packs better than the last one did would make a good journal look damaged.
            .journal_compression(CompressionType::None)
            .worker_threads(WORKERS)
            .open()
    }));
    attempt.end();
    match opened {
        Ok(Ok(database)) => Ok(database),
        Ok(Err(error)) => Err(classify(directory, error)),
        Err(panic) => Err(damaged(directory, message(panic.as_ref()))),
    }
}

/// Looks for damage that the engine would overlook.
fn examine(directory: &Path) -> Result<(), Error> {
    let failed = |error| classify(directory, ::fjall::Error::Io(error));
    // The files of a process that has the database open may change while they are looked at.
    let lock = match File::open(directory.join("lock")) {
        Ok(lock) => Some(lock),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(failed(error)),
    };
    if let Some(lock) = &lock {
        // One that is being closed lets go in a moment.
        let mut attempts = 3;
        while let Err(error) = lock.try_lock() {
            attempts -= 1;
            match error {
                TryLockError::Error(error) => return Err(failed(error)),
                TryLockError::WouldBlock if attempts == 0 => {
                    return Err(Error::Locked { path: directory.to_owned() });
                }
                TryLockError::WouldBlock => thread::sleep(Duration::from_millis(100)),
            }
        }
    }
    match damage::find(directory).map_err(failed)? {
        Some(damage) => Err(damaged(directory, damage)),
        None => Ok(()),
    }
}

fn create(directory: &Path) -> io::Result<()> {
    if directory.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(directory)?;
    match directory.parent() {
        Some(parent) if parent != Path::new("") => sync_directory(parent),
        _ => sync_directory(Path::new(".")),
    }
}

/// A mark in the directory for as long as the database is being opened, one byte per attempt.
/// The engine panics on some kinds of damage while it holds locks that it takes again when it
/// unwinds, which ends the process: nothing but the next start can tell.
struct Attempt {
    mark: PathBuf,
}

impl Attempt {
    fn begin(directory: &Path) -> Result<Self, Error> {
        let mark = directory.join("opening");
        let attempts = fs::metadata(&mark).map_or(0, |metadata| metadata.len());
        if attempts >= MAX_ATTEMPTS {
            let reason = format!("the last {attempts} processes to open it died");
            return Err(damaged(directory, reason));
        }
        let marked = OpenOptions::new().create(true).append(true).open(&mark);
        if let Err(error) = marked.and_then(|mut file| file.write_all(b".")) {
            // A full disk must not keep the database shut.
            tracing::warn!(%error, path = %mark.display(), "cannot mark the attempt to open");
        }
        Ok(Self { mark })
    }

    fn end(self) {
        if let Err(error) = fs::remove_file(&self.mark)
            && error.kind() != ErrorKind::NotFound
        {
            tracing::warn!(%error, path = %self.mark.display(), "cannot remove the mark");
        }
    }
}

fn classify(directory: &Path, error: ::fjall::Error) -> Error {
    match &error {
        ::fjall::Error::Locked => Error::Locked { path: directory.to_owned() },
        ::fjall::Error::Io(io) | ::fjall::Error::Storage(LsmError::Io(io)) if refused(io) => {
            Error::engine("open", error)
        }
        _ => damaged(directory, error),
    }
}

/// Whether the system refused, which says nothing about the files.
fn refused(error: &io::Error) -> bool {
    /// Too many open files, in the process or in the system.
    const FILE_HANDLES: [i32; 2] = [23, 24];
    matches!(
        error.kind(),
        ErrorKind::PermissionDenied
            | ErrorKind::ReadOnlyFilesystem
            | ErrorKind::StorageFull
            | ErrorKind::QuotaExceeded
            | ErrorKind::OutOfMemory
            | ErrorKind::Interrupted
    ) || error.raw_os_error().is_some_and(|code| FILE_HANDLES.contains(&code))
}

fn damaged(directory: &Path, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::Open { path: directory.to_owned(), source: source.into() }
}

fn message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("the engine panicked: {}", text.unwrap_or("no message"))
}
