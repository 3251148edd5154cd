//! The operating system's file systems.

use crate::{Disk, Entry, File, Mode, Space};
use std::{
    fs, io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::Arc,
};

/// The real thing: files and directories of this machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct OsDisk;

struct OsFile(fs::File);

/// One writev takes at most this many slices (IOV_MAX on Linux).
const MAX_SLICES: usize = 1024;

impl File for OsFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut done = 0;
        while done < buf.len() {
            match self.0.read_at(&mut buf[done..], offset + done as u64) {
                Ok(0) => break,
                Ok(n) => done += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(done)
    }

    fn write_all_at(&self, bufs: &[io::IoSlice<'_>], mut offset: u64) -> io::Result<()> {
        for group in bufs.chunks(MAX_SLICES) {
            let total: usize = group.iter().map(|b| b.len()).sum();
            let written = loop {
                match rustix::io::pwritev(&self.0, group, offset) {
                    Err(rustix::io::Errno::INTR) => {}
                    other => break other?,
                }
            };
            // A short write is rare (a full disk, a signal): finish it slice by slice.
            let mut skip = written;
            if written < total {
                let mut at = offset;
                for slice in group {
                    let done = skip.min(slice.len());
                    skip -= done;
                    if done < slice.len() {
                        self.0.write_all_at(&slice[done..], at + done as u64)?;
                    }
                    at += slice.len() as u64;
                }
            }
            offset += total as u64;
        }
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn start_writeback(&self, offset: u64, len: u64) -> io::Result<()> {
        // posix_fadvise(DONTNEED) starts an asynchronous writeback of dirty pages on Linux and
        // drops only pages that are already clean.
        let len = std::num::NonZeroU64::new(len);
        rustix::fs::fadvise(&self.0, offset, len, rustix::fs::Advice::DontNeed)?;
        Ok(())
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        match rustix::fs::fallocate(&self.0, rustix::fs::FallocateFlags::empty(), 0, len) {
            Ok(()) => Ok(()),
            // A file system without fallocate still gets the length; space is then not reserved.
            Err(rustix::io::Errno::OPNOTSUPP) => self.0.set_len(len),
            Err(e) => Err(e.into()),
        }
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }
}

impl Disk for OsDisk {
    fn open(&self, path: &Path, mode: Mode) -> io::Result<Arc<dyn File>> {
        let mut options = fs::OpenOptions::new();
        options.read(true);
        match mode {
            Mode::Read => {}
            Mode::ReadWrite => {
                options.write(true);
            }
            Mode::CreateNew => {
                options.write(true).create_new(true);
            }
        }
        Ok(Arc::new(OsFile(options.open(path)?)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        use rustix::fs::{CWD, RenameFlags};
        match rustix::fs::renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
            // File systems without RENAME_NOREPLACE: a link is exclusive everywhere.
            Err(rustix::io::Errno::INVAL) => {
                fs::hard_link(from, to)?;
                fs::remove_file(from)
            }
            other => Ok(other?),
        }
    }

    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::hard_link(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        let mut missing: Vec<PathBuf> = Vec::new();
        let mut at = path.to_path_buf();
        while !at.as_os_str().is_empty() && !at.exists() {
            missing.push(at.clone());
            if !at.pop() {
                break;
            }
        }
        for dir in missing.iter().rev() {
            match fs::create_dir(dir) {
                Ok(()) => {}
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists && dir.is_dir() => {}
                Err(e) => return Err(e),
            }
            match dir.parent() {
                Some(p) if !p.as_os_str().is_empty() => self.sync_dir(p)?,
                _ => self.sync_dir(Path::new("."))?,
            }
        }
        if path.is_dir() {
            Ok(())
        } else {
            Err(io::Error::new(io::ErrorKind::NotADirectory, "exists and is not a directory"))
        }
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        fs::File::open(path)?.sync_all()
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            // Names that are not UTF-8 are not ours.
            if let Ok(name) = entry.file_name().into_string() {
                entries.push(Entry { name, is_dir: entry.file_type()?.is_dir() });
            }
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        path.try_exists()
    }

    fn space(&self, path: &Path) -> io::Result<Space> {
        let stat = rustix::fs::statvfs(path)?;
        Ok(Space { total: stat.f_blocks * stat.f_frsize, free: stat.f_bavail * stat.f_frsize })
    }

    fn file_system(&self, path: &Path) -> io::Result<Option<u64>> {
        Ok(Some(std::os::unix::fs::MetadataExt::dev(&std::fs::metadata(path)?)))
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send + Sync>> {
        let file = fs::OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)?;
        match rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Box::new(file)),
            Err(rustix::io::Errno::WOULDBLOCK) => Err(io::ErrorKind::WouldBlock.into()),
            Err(e) => Err(e.into()),
        }
    }

    fn blocks(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{read_file, replace_file};

    #[test]
    fn written_slices_read_back_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        let file = OsDisk.open(&path, Mode::CreateNew).unwrap();
        let parts: Vec<Vec<u8>> = (0..3000u32).map(|i| vec![i as u8; (i % 7) as usize]).collect();
        let slices: Vec<_> = parts.iter().map(|p| io::IoSlice::new(p)).collect();
        file.write_all_at(&slices, 5).unwrap();
        let expected: Vec<u8> = parts.concat();
        let mut got = vec![0; expected.len() + 9];
        assert_eq!(file.read_at(&mut got, 5).unwrap(), expected.len());
        assert_eq!(&got[..expected.len()], &expected[..]);
        assert_eq!(file.len().unwrap(), expected.len() as u64 + 5);
    }

    #[test]
    fn names_are_exclusive() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (dir.path().join("a"), dir.path().join("b"));
        OsDisk.open(&a, Mode::CreateNew).unwrap();
        OsDisk.open(&b, Mode::CreateNew).unwrap();
        let kind = |r: io::Result<()>| r.unwrap_err().kind();
        assert_eq!(
            OsDisk.open(&a, Mode::CreateNew).err().map(|e| e.kind()),
            Some(io::ErrorKind::AlreadyExists)
        );
        assert_eq!(kind(OsDisk.rename_new(&a, &b)), io::ErrorKind::AlreadyExists);
        assert_eq!(kind(OsDisk.hard_link(&a, &b)), io::ErrorKind::AlreadyExists);
        OsDisk.remove_file(&b).unwrap();
        OsDisk.rename_new(&a, &b).unwrap();
        assert!(!OsDisk.exists(&a).unwrap());
    }

    #[test]
    fn a_second_lock_is_refused_until_the_first_is_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let held = OsDisk.lock(&path).unwrap();
        assert_eq!(OsDisk.lock(&path).err().map(|e| e.kind()), Some(io::ErrorKind::WouldBlock));
        drop(held);
        assert!(OsDisk.lock(&path).is_ok());
    }

    #[test]
    fn a_replaced_file_is_the_new_one_and_reads_are_bounded() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deep/er/file");
        OsDisk.create_dir_all(path.parent().unwrap()).unwrap();
        replace_file(&OsDisk, &path, b"one").unwrap();
        replace_file(&OsDisk, &path, b"second").unwrap();
        assert_eq!(read_file(&OsDisk, &path, 6).unwrap(), b"second");
        assert_eq!(read_file(&OsDisk, &path, 5).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
