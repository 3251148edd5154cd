//! Where fetched bytes go. A file gets its name only once it is whole.

use crate::failure::usage;
use anyhow::Context;
use std::{
    ffi::OsString,
    io,
    path::{Path, PathBuf},
};
use tokio::{
    fs::{File, OpenOptions},
    io::{AsyncWrite, AsyncWriteExt, BufWriter, Stdout},
};

/// Bytes gathered before they are written: contents come in blocks of 64 KiB.
const BUFFER_BYTES: usize = 1024 * 1024;

/// A destination that is being written.
pub enum Sink {
    /// Standard output.
    Stdout(Stdout),
    /// Something that exists and is no file (a device, a pipe): written as it is.
    Special(File),
    /// A file under a temporary name, to take the place of another or of none.
    File(Pending),
}

/// A file that has no final name yet. Dropped, it is removed.
pub struct Pending {
    file: BufWriter<File>,
    temporary: Temporary,
    path: PathBuf,
}

struct Temporary(Option<PathBuf>);

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Some(path) = self.0.take() {
            // What cannot be removed was not created, or is left for its owner to see.
            let _ = std::fs::remove_file(path);
        }
    }
}

impl Sink {
    /// Standard output for `-`, else the file of this name.
    pub async fn open(path: &Path) -> anyhow::Result<Self> {
        if path.as_os_str() == "-" {
            return Ok(Self::Stdout(tokio::io::stdout()));
        }
        let cannot = || format!("cannot write {}", path.display());
        match tokio::fs::metadata(path).await {
            Ok(there) if there.is_dir() => {
                return Err(usage!("{} is a directory; name a file", path.display()));
            }
            Ok(there) if !there.is_file() => {
                let file = OpenOptions::new().write(true).open(path).await.with_context(cannot)?;
                return Ok(Self::Special(file));
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error).with_context(cannot),
        }
        // A link is followed: the file it points to is replaced, not the link.
        let path = tokio::fs::canonicalize(path).await.unwrap_or_else(|_| path.to_path_buf());
        let temporary = beside(&path).ok_or_else(|| usage!("{} names no file", path.display()))?;
        let created = OpenOptions::new().write(true).create_new(true).open(&temporary).await;
        let file = BufWriter::with_capacity(BUFFER_BYTES, created.with_context(cannot)?);
        Ok(Self::File(Pending { file, temporary: Temporary(Some(temporary)), path }))
    }

    /// Whether standard output carries the bytes, so that nothing else may be said there.
    pub fn is_stdout(&self) -> bool {
        matches!(self, Self::Stdout(_))
    }

    /// What takes the bytes.
    pub fn writer(&mut self) -> &mut (dyn AsyncWrite + Send + Unpin) {
        match self {
            Self::Stdout(stdout) => stdout,
            Self::Special(file) => file,
            Self::File(pending) => &mut pending.file,
        }
    }

    /// All bytes are there and verified: the file gets its name.
    pub async fn finish(mut self) -> anyhow::Result<()> {
        self.writer().flush().await.context("the last bytes could not be written")?;
        let Self::File(Pending { file, mut temporary, path }) = self else { return Ok(()) };
        let cannot = || format!("cannot write {}", path.display());
        // Without it a crash soon after could leave the name on a file without its bytes.
        file.get_ref().sync_data().await.with_context(cannot)?;
        if let Some(from) = &temporary.0 {
            tokio::fs::rename(from, &path).await.with_context(cannot)?;
        }
        temporary.0 = None;
        Ok(())
    }
}

/// A name in the same directory that nobody else uses.
fn beside(path: &Path) -> Option<PathBuf> {
    const MOST_OF_THE_NAME: usize = 200;
    let name = path.file_name()?.to_string_lossy();
    let mut temporary = OsString::from(".");
    temporary.push(name.chars().take(MOST_OF_THE_NAME / 4).collect::<String>());
    temporary.push(format!(".{:016x}.part", rand::random::<u64>()));
    Some(path.with_file_name(temporary))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(dir).unwrap();
        let mut names: Vec<_> =
            entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[tokio::test]
    async fn a_file_appears_whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out");
        std::fs::write(&path, "before").unwrap();

        let mut sink = Sink::open(&path).await.unwrap();
        sink.writer().write_all(b"half").await.unwrap();
        assert_eq!(names(dir.path()).len(), 2);
        drop(sink);
        assert_eq!(names(dir.path()), ["out"], "an unfinished file is gone");
        assert_eq!(std::fs::read(&path).unwrap(), b"before");

        let mut sink = Sink::open(&path).await.unwrap();
        sink.writer().write_all(b"whole").await.unwrap();
        sink.finish().await.unwrap();
        assert_eq!(names(dir.path()), ["out"]);
        assert_eq!(std::fs::read(&path).unwrap(), b"whole");
    }

    #[tokio::test]
    async fn links_stay_and_devices_are_written_in_place() {
        let dir = tempfile::tempdir().unwrap();
        let (target, link) = (dir.path().join("target"), dir.path().join("link"));
        std::fs::write(&target, "before").unwrap();
        std::os::unix::fs::symlink("target", &link).unwrap();
        let mut sink = Sink::open(&link).await.unwrap();
        sink.writer().write_all(b"after").await.unwrap();
        sink.finish().await.unwrap();
        assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(std::fs::read(&target).unwrap(), b"after");

        assert!(matches!(Sink::open(Path::new("/dev/null")).await.unwrap(), Sink::Special(_)));
        assert!(Sink::open(dir.path()).await.is_err());
        assert!(Sink::open(&dir.path().join("no/such/dir")).await.is_err());
    }

    #[test]
    fn temporary_names_fit_whatever_the_name() {
        let long = beside(Path::new(&"é".repeat(127))).unwrap();
        assert!(long.as_os_str().len() <= 255);
        assert!(beside(Path::new("/")).is_none());
    }
}
