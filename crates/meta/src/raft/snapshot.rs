//! Snapshots of a partition as files: written, read back and checked before anything rests on
//! them.
//!
//! A file is the magic `CAIRNSP1`, a length-prefixed header (the library's description of the
//! snapshot), then blocks of key-value pairs, then an empty block and the BLAKE3 of all before
//! it. A block is its length (u32 LE), the CRC-32 of its bytes (u32 LE), and pairs, each as two
//! length-prefixed (u32 LE) byte strings.

use bytes::Bytes;
use disk::{Disk, File, Mode};
use openraft::SnapshotMeta;
use parking_lot::Mutex;
use std::{
    io::{self, IoSlice},
    ops::Bound,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};
use store::{Change, Read, Store};

const MAGIC: &[u8; 8] = b"CAIRNSP1";

/// A block is written once it has this many bytes.
const BLOCK_BYTES: usize = 256 * 1024;

/// No block and no header is larger: what is, is not ours.
const MAX_BLOCK_BYTES: usize = 64 * 1024 * 1024;

/// Snapshots kept of each partition. Two, because a group of one has nothing else behind its
/// log: the log is only cut behind the older one.
const KEPT: usize = 2;

/// Snapshots of a partition that are received at a time: that of a leader, and that of the one
/// before which has not noticed yet.
const RECEIVED: usize = 2;

/// Takes the pairs of a snapshot, one after the other.
type EachPair<'a> = dyn FnMut(&[u8], &[u8]) -> io::Result<()> + 'a;

/// What the library says of a snapshot.
pub type Meta = SnapshotMeta<u64, openraft::BasicNode>;

/// A snapshot file, being received or complete.
#[derive(Clone)]
pub struct SnapshotFile {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    file: Arc<dyn File>,
    /// Of one that is not kept: removes it.
    _temporary: Option<Arc<Temporary>>,
}

/// A file that goes with its last handle, unless it was renamed meanwhile.
struct Temporary {
    disk: Arc<dyn Disk>,
    path: PathBuf,
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // Whatever stays is removed at the next start.
        let _ = self.disk.remove_file(&self.path);
    }
}

impl std::fmt::Debug for SnapshotFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SnapshotFile({})", self.path.display())
    }
}

impl SnapshotFile {
    /// Where it is.
    #[cfg(test)]
    pub fn path(&self) -> &std::path::Path {
        &self.path
    }

    /// Up to `len` bytes from `offset`; empty at the end.
    pub async fn read(&self, offset: u64, len: usize) -> io::Result<Bytes> {
        let file = self.file.clone();
        disk::offload(&*self.disk, move || {
            let mut buf = vec![0; len];
            let read = file.read_at(&mut buf, offset)?;
            buf.truncate(read);
            Ok(buf.into())
        })
        .await
    }

    /// Checks a file that was received, and makes it one of the snapshots kept.
    pub async fn keep(self, dir: &SnapshotDir, meta: &Meta) -> io::Result<Self> {
        let (dir, meta) = (dir.clone(), meta.clone());
        let disk = self.disk.clone();
        disk::offload(&*disk, move || dir.keep(self, &meta)).await
    }

    /// Writes bytes that came from another node.
    pub async fn write(&self, offset: u64, data: Bytes) -> io::Result<()> {
        let file = self.file.clone();
        disk::offload(&*self.disk, move || file.write_all_at(&[IoSlice::new(&data)], offset)).await
    }
}

/// One partition's snapshots.
#[derive(Clone)]
pub struct SnapshotDir {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    /// Counts temporary files: two senders at once must not get the same one.
    temporaries: Arc<AtomicU64>,
    /// Held while a snapshot gets its name and older ones go.
    keeping: Arc<Mutex<()>>,
}

impl SnapshotDir {
    /// The directory of a partition's snapshots, created if it is missing; leftovers of
    /// snapshots that were not finished are removed.
    pub fn open(disk: Arc<dyn Disk>, dir: PathBuf) -> io::Result<Self> {
        disk.create_dir_all(&dir)?;
        for entry in disk.read_dir(&dir)? {
            if entry.name.ends_with(".tmp") {
                disk.remove_file(&dir.join(entry.name))?;
            }
        }
        Ok(Self { disk, dir, temporaries: Arc::default(), keeping: Arc::default() })
    }

    /// Names of the complete snapshots, oldest first: they carry the log index in fixed width.
    fn names(&self) -> io::Result<Vec<String>> {
        let entries = self.disk.read_dir(&self.dir)?;
        Ok(entries.into_iter().map(|e| e.name).filter(|n| n.ends_with(".snapshot")).collect())
    }

    fn name(meta: &Meta) -> String {
        format!("{:020}.snapshot", meta.last_log_id.map_or(0, |id| id.index))
    }

    /// The log index up to which the log may be cut: that of the oldest snapshot kept, if there
    /// are as many as there should be.
    pub fn cut(&self) -> io::Result<Option<u64>> {
        let names = self.names()?;
        let oldest = names.first().filter(|_| names.len() >= KEPT);
        Ok(oldest.and_then(|name| name.strip_suffix(".snapshot")?.parse().ok()))
    }

    /// A file to receive a snapshot into.
    ///
    /// # Errors
    /// [`RECEIVED`] are being received already, or the disk's.
    pub fn receive(&self) -> io::Result<SnapshotFile> {
        let entries = self.disk.read_dir(&self.dir)?;
        if entries.iter().filter(|entry| entry.name.starts_with("received")).count() >= RECEIVED {
            return Err(io::Error::other("other snapshots are being received"));
        }
        self.temporary("received")
    }

    fn temporary(&self, kind: &str) -> io::Result<SnapshotFile> {
        let number = self.temporaries.fetch_add(1, Ordering::Relaxed);
        let path = self.dir.join(format!("{kind}-{number}.tmp"));
        let file = self.disk.open(&path, Mode::CreateNew)?;
        let temporary = Temporary { disk: self.disk.clone(), path: path.clone() };
        let _temporary = Some(Arc::new(temporary));
        Ok(SnapshotFile { disk: self.disk.clone(), path, file, _temporary })
    }

    /// The log index of the newest snapshot, whole or not.
    pub fn newest_index(&self) -> io::Result<Option<u64>> {
        let names = self.names()?;
        Ok(names.last().and_then(|name| name.strip_suffix(".snapshot")?.parse().ok()))
    }

    /// Writes what `view` shows, checks it by reading it back, and keeps it.
    pub fn write(&self, meta: &Meta, view: &dyn Read) -> io::Result<SnapshotFile> {
        let target = self.temporary("written")?;
        let mut writer = Writer::new(target.file.clone());
        let header = postcard::to_stdvec(meta).map_err(io::Error::other)?;
        writer.put(MAGIC)?;
        writer.put(&(header.len() as u32).to_le_bytes())?;
        writer.put(&header)?;
        let mut block = Vec::with_capacity(BLOCK_BYTES + 4096);
        for pair in view.range(Bound::Unbounded, Bound::Unbounded, false) {
            let (key, value) = pair.map_err(io::Error::other)?;
            for part in [&key, &value] {
                block.extend_from_slice(&(part.len() as u32).to_le_bytes());
                block.extend_from_slice(part);
            }
            if block.len() >= BLOCK_BYTES {
                writer.block(&block)?;
                block.clear();
            }
        }
        if !block.is_empty() {
            writer.block(&block)?;
        }
        writer.block(&[])?;
        writer.finish()?;
        self.keep(target, meta)
    }

    /// Checks a file that was received or written, and makes it one of the snapshots kept.
    pub fn keep(&self, file: SnapshotFile, meta: &Meta) -> io::Result<SnapshotFile> {
        file.file.sync_data()?;
        let found = scan(&*file.file, &mut |_, _| Ok(()))?;
        if found != *meta {
            return Err(damaged("it does not describe the snapshot it should"));
        }
        let path = self.dir.join(Self::name(meta));
        let _one_at_a_time = self.keeping.lock();
        self.disk.rename(&file.path, &path)?;
        self.disk.sync_dir(&self.dir)?;
        let names = self.names()?;
        for old in names.iter().rev().skip(KEPT) {
            self.disk.remove_file(&self.dir.join(old))?;
        }
        self.disk.sync_dir(&self.dir)?;
        // The name of a temporary file is not used again: nothing is there to remove.
        Ok(SnapshotFile { path, _temporary: None, ..file })
    }

    /// The newest snapshot that is whole. A damaged one is reported and set aside: nothing may
    /// rest on it, above all no cut of the log.
    pub fn newest(&self) -> io::Result<Option<(Meta, SnapshotFile)>> {
        let _none_comes_meanwhile = self.keeping.lock();
        for name in self.names()?.iter().rev() {
            let path = self.dir.join(name);
            let file = match self.disk.open(&path, Mode::Read) {
                Ok(file) => file,
                // Two newer ones were kept since the names were read.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            match scan(&*file, &mut |_, _| Ok(())) {
                Ok(meta) => {
                    let disk = self.disk.clone();
                    let file = SnapshotFile { disk, path, file, _temporary: None };
                    return Ok(Some((meta, file)));
                }
                Err(error) => {
                    tracing::error!(path = %path.display(), %error, "a snapshot is damaged");
                    self.disk.rename(&path, &self.dir.join(format!("{name}.damaged")))?;
                }
            }
        }
        Ok(None)
    }
}

/// Replaces everything in `store` by the content of a snapshot, in batches of bounded size.
/// The driver's own records (first byte zero) are left out; `last` brings them in the last
/// batch, so that a store that was not filled to the end has no applied index.
pub fn restore(file: &SnapshotFile, store: &dyn Store, last: Vec<Change>) -> io::Result<()> {
    store.clear().map_err(io::Error::other)?;
    let mut batch = Vec::new();
    let mut bytes = 0;
    scan(&*file.file, &mut |key, value| {
        if key.first() == Some(&0) {
            return Ok(());
        }
        bytes += key.len() + value.len();
        batch.push((key.to_vec(), Some(value.to_vec())));
        if bytes >= 1 << 20 {
            bytes = 0;
            store.write(std::mem::take(&mut batch)).map_err(io::Error::other)?;
        }
        Ok(())
    })?;
    batch.extend(last);
    store.write(batch).and_then(|()| store.sync()).map_err(io::Error::other)
}

struct Writer {
    file: Arc<dyn File>,
    offset: u64,
    hash: blake3::Hasher,
}

impl Writer {
    fn new(file: Arc<dyn File>) -> Self {
        Self { file, offset: 0, hash: blake3::Hasher::new() }
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hash.update(bytes);
        self.file.write_all_at(&[IoSlice::new(bytes)], self.offset)?;
        self.offset += bytes.len() as u64;
        Ok(())
    }

    fn block(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.put(&(bytes.len() as u32).to_le_bytes())?;
        self.put(&crc32fast::hash(bytes).to_le_bytes())?;
        self.put(bytes)
    }

    fn finish(mut self) -> io::Result<()> {
        let hash = self.hash.finalize();
        self.put(hash.as_bytes())
    }
}

fn damaged(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the snapshot is damaged: {why}"))
}

struct Reader<'a> {
    file: &'a dyn File,
    offset: u64,
    hash: blake3::Hasher,
}

impl Reader<'_> {
    fn take(&mut self, len: usize) -> io::Result<Vec<u8>> {
        if len > MAX_BLOCK_BYTES {
            return Err(damaged("a length is beyond all bounds"));
        }
        let mut buf = vec![0; len];
        if self.file.read_at(&mut buf, self.offset)? != len {
            return Err(damaged("it ends early"));
        }
        self.offset += len as u64;
        self.hash.update(&buf);
        Ok(buf)
    }

    fn number(&mut self) -> io::Result<u32> {
        let bytes = self.take(4)?;
        Ok(bytes.try_into().map_or(0, u32::from_le_bytes))
    }
}

/// Reads a snapshot from start to end, checking all of it, and gives each pair to `each`.
fn scan(file: &dyn File, each: &mut EachPair<'_>) -> io::Result<Meta> {
    let mut reader = Reader { file, offset: 0, hash: blake3::Hasher::new() };
    if reader.take(MAGIC.len())? != MAGIC {
        return Err(damaged("it does not begin like one"));
    }
    let header = reader.number()? as usize;
    let header = reader.take(header)?;
    let meta = postcard::from_bytes(&header).map_err(|_| damaged("its header is unreadable"))?;
    loop {
        let len = reader.number()? as usize;
        let crc = reader.number()?;
        let block = reader.take(len)?;
        if crc32fast::hash(&block) != crc {
            return Err(damaged("the check sum of a block does not match"));
        }
        if block.is_empty() {
            break;
        }
        pairs(&block, each)?;
    }
    let expected = reader.hash.finalize();
    let hash = reader.take(blake3::OUT_LEN)?;
    if hash != expected.as_bytes() {
        return Err(damaged("its hash does not match"));
    }
    Ok(meta)
}

fn pairs(mut block: &[u8], each: &mut EachPair<'_>) -> io::Result<()> {
    let mut part = || -> io::Result<Option<&[u8]>> {
        if block.is_empty() {
            return Ok(None);
        }
        let (len, rest) = block.split_first_chunk().ok_or_else(|| damaged("a pair is cut"))?;
        let len = u32::from_le_bytes(*len) as usize;
        let (bytes, rest) = rest.split_at_checked(len).ok_or_else(|| damaged("a pair is cut"))?;
        block = rest;
        Ok(Some(bytes))
    };
    while let Some(key) = part()? {
        let value = part()?.ok_or_else(|| damaged("a key has no value"))?;
        each(key, value)?;
    }
    Ok(())
}
