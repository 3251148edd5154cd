//! A directory that objects are saved into.
//!
//! Names come from the store, which takes any; nothing is ever written outside of the directory.
//! A file is written without a name, synced, given its time, and only then renamed, so that no
//! crash or interruption leaves part of one under its name. Symbolic links below the directory
//! are not followed.

use super::time::Mtime;
use anyhow::Context;
use parking_lot::Mutex;
use rustix::{
    fd::{AsFd, OwnedFd},
    fs::{self, AtFlags, CWD, Dir, FlockOperation, Mode, OFlags, Timestamps},
    io::Errno,
};
use std::{
    collections::BTreeSet,
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

/// The directory, in the one that is saved into, where unfinished files are.
pub const PARTIAL: &str = ".cairn-partial";

const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Access of new directories and files, before the process's mask.
const NEW_DIRECTORY: u32 = 0o777;
const NEW_FILE: u32 = 0o666;

/// An object's name as a path that stays below a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Below {
    parents: Vec<String>,
    file: String,
}

impl Below {
    /// A name, unless a file of that name could be elsewhere or could not be.
    pub fn parse(name: &str) -> Result<Self, &'static str> {
        if name.starts_with('/') {
            return Err("the name begins with '/', as a path from the root does");
        }
        let mut parts: Vec<String> = name.split('/').map(str::to_owned).collect();
        for part in &parts {
            match part.as_str() {
                "" => return Err("the name has an empty part, as in 'a//b' or 'a/'"),
                "." | ".." => return Err("the name has the part '.' or '..'"),
                part if part.contains('\0') => return Err("the name has a NUL"),
                _ => {}
            }
        }
        if parts[0] == PARTIAL {
            return Err("the name is where unfinished files are kept");
        }
        // Splitting gives one part at least.
        let file = parts.pop().unwrap_or_default();
        Ok(Self { parents: parts, file })
    }
}

/// What is under a name.
pub enum There {
    /// Nothing.
    Nothing,
    /// A file, open for reading.
    File(File),
    /// Something else.
    Other,
}

/// A directory that is being saved into, by this process alone.
pub struct Target {
    path: PathBuf,
    root: OwnedFd,
    partial: OwnedFd,
    /// Directories with new entries, which the names need to be durable.
    changed: Mutex<BTreeSet<PathBuf>>,
}

impl Target {
    /// Opens the directory, which is created if need be, and removes what a save before this
    /// one did not finish.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        let cannot = || format!("cannot save into {}", path.display());
        std::fs::create_dir_all(path).with_context(cannot)?;
        let flags = DIRECTORY.difference(OFlags::NOFOLLOW);
        let root = fs::openat(CWD, path, flags, Mode::empty()).with_context(cannot)?;
        let partial = lock(&root).with_context(cannot)?.with_context(|| {
            format!("another `save -r` into {} is at work; let it end", path.display())
        })?;
        clear(&partial).with_context(cannot)?;
        Ok(Self { path: path.into(), root, partial, changed: Mutex::default() })
    }

    /// Where the file of a name is.
    pub fn path_of(&self, below: &Below) -> PathBuf {
        let parents: PathBuf = below.parents.iter().collect();
        self.path.join(parents).join(&below.file)
    }

    /// What is under a name now.
    pub fn look(&self, below: &Below) -> anyhow::Result<There> {
        let Some(parent) = self.parent(below, false)? else { return Ok(There::Nothing) };
        // Opening a pipe must not wait for somebody to write into it.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        match fs::openat(&parent, &below.file, flags, Mode::empty()) {
            Ok(file) => {
                let file = File::from(file);
                let is_file = file.metadata()?.is_file();
                Ok(if is_file { There::File(file) } else { There::Other })
            }
            Err(Errno::NOENT) => Ok(There::Nothing),
            Err(Errno::LOOP | Errno::NXIO) => Ok(There::Other),
            Err(error) => Err(error.into()),
        }
    }

    /// A new file without a name of its own.
    pub fn create(self: &Arc<Self>) -> io::Result<(File, Partial)> {
        let name = format!("{:016x}", rand::random::<u64>());
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let file = fs::openat(&self.partial, &name, flags, Mode::from_raw_mode(NEW_FILE))?;
        Ok((file.into(), Partial { target: self.clone(), name: Some(name) }))
    }

    /// Gives a file that is whole its time and its name, in place of the file that has it.
    pub fn place(
        &self,
        file: &File,
        partial: Partial,
        below: &Below,
        mtime: Mtime,
    ) -> anyhow::Result<()> {
        set_mtime(file, mtime)?;
        // Without it a crash soon after could leave the name on a file without its bytes.
        file.sync_all()?;
        let parent = self.parent(below, true)?.context("its directory is gone")?;
        partial.rename(&parent, &below.file)?;
        self.changed.lock().insert(below.parents.iter().collect());
        Ok(())
    }

    /// Makes all names given so far durable, and removes what was only for the work.
    pub fn finish(&self) -> anyhow::Result<()> {
        let changed = std::mem::take(&mut *self.changed.lock());
        for directory in changed {
            let path = self.path.join(directory);
            let synced = File::open(&path).and_then(|directory| directory.sync_all());
            synced.with_context(|| format!("cannot sync {}", path.display()))?;
        }
        self.remove_partial();
        Ok(())
    }

    fn remove_partial(&self) {
        // Files that are still being written keep it; the next save clears it.
        let _ = fs::unlinkat(&self.root, PARTIAL, AtFlags::REMOVEDIR);
    }

    /// The directory of a name, through which no symbolic link led.
    fn parent(&self, below: &Below, create: bool) -> anyhow::Result<Option<OwnedFd>> {
        let mut at = self.root.try_clone()?;
        let mut path = PathBuf::new();
        for part in &below.parents {
            if create {
                match fs::mkdirat(&at, part, Mode::from_raw_mode(NEW_DIRECTORY)) {
                    Ok(()) => {
                        self.changed.lock().insert(path.clone());
                    }
                    Err(Errno::EXIST) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            path.push(part);
            at = match fs::openat(&at, part, DIRECTORY, Mode::empty()) {
                Ok(next) => next,
                Err(Errno::NOENT) if !create => return Ok(None),
                Err(Errno::NOTDIR | Errno::LOOP) => {
                    anyhow::bail!("{} is a file or a link here, no directory", path.display())
                }
                Err(error) => return Err(error.into()),
            };
        }
        Ok(Some(at))
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        self.remove_partial();
    }
}

/// A file that has no name yet. Dropped, it is removed.
pub struct Partial {
    target: Arc<Target>,
    name: Option<String>,
}

impl Partial {
    fn rename(mut self, parent: &OwnedFd, file: &str) -> io::Result<()> {
        if let Some(name) = &self.name {
            fs::renameat(&self.target.partial, name, parent, file)?;
        }
        self.name = None;
        Ok(())
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if let Some(name) = self.name.take() {
            // What is left is removed by the next save.
            let _ = fs::unlinkat(&self.target.partial, name, AtFlags::empty());
        }
    }
}

/// Gives a file its time.
pub fn set_mtime(file: impl AsFd, mtime: Mtime) -> io::Result<()> {
    let time = mtime.to_timespec();
    Ok(fs::futimens(file, &Timestamps { last_access: time, last_modification: time })?)
}

/// The directory of unfinished files, unless another process holds it.
fn lock(root: &OwnedFd) -> io::Result<Option<OwnedFd>> {
    loop {
        match fs::mkdirat(root, PARTIAL, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        let partial = match fs::openat(root, PARTIAL, DIRECTORY, Mode::empty()) {
            Ok(partial) => partial,
            // Whoever held it has just removed it.
            Err(Errno::NOENT) => continue,
            Err(error) => return Err(error.into()),
        };
        match fs::flock(&partial, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
        let held = fs::fstat(&partial)?;
        let named = fs::statat(root, PARTIAL, AtFlags::SYMLINK_NOFOLLOW);
        if named.is_ok_and(|named| (named.st_dev, named.st_ino) == (held.st_dev, held.st_ino)) {
            return Ok(Some(partial));
        }
    }
}

fn clear(partial: &OwnedFd) -> io::Result<()> {
    for entry in Dir::read_from(partial)? {
        let entry = entry?;
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            fs::unlinkat(partial, entry.file_name(), AtFlags::empty())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{io::Write, os::unix::fs::symlink};

    fn below(name: &str) -> Below {
        Below::parse(name).unwrap()
    }

    fn save(target: &Arc<Target>, name: &str, text: &str) -> anyhow::Result<()> {
        let (mut file, partial) = target.create().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        target.place(&file, partial, &below(name), Mtime::from_micros(1_500_000))
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        for bad in [
            "/etc/passwd",
            "..",
            "../x",
            "a/../../x",
            "a/..",
            ".",
            "a/./b",
            "a//b",
            "a/",
            "//",
            "a\0b",
            ".cairn-partial",
            ".cairn-partial/x",
        ] {
            assert!(Below::parse(bad).is_err(), "{bad:?}");
        }
        for good in ["a", "a/b", "...", "a/..b", "-", "a\nb", "a/.cairn-partial", "\\..\\x"] {
            assert!(Below::parse(good).is_ok(), "{good:?}");
        }
    }

    #[test]
    fn files_get_their_names_whole_and_with_their_time() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("new/root");
        let target = Arc::new(Target::open(&root).unwrap());
        save(&target, "a/b/c", "text").unwrap();
        save(&target, "a/b/c", "other").unwrap();
        assert_eq!(std::fs::read(root.join("a/b/c")).unwrap(), b"other");
        let metadata = std::fs::metadata(root.join("a/b/c")).unwrap();
        assert_eq!(Mtime::of(&metadata), Mtime::from_micros(1_500_000));
        assert!(matches!(target.look(&below("a/b/c")).unwrap(), There::File(_)));
        assert!(matches!(target.look(&below("a/b")).unwrap(), There::Other));
        assert!(matches!(target.look(&below("x/y")).unwrap(), There::Nothing));

        let (file, partial) = target.create().unwrap();
        assert_eq!(std::fs::read_dir(root.join(PARTIAL)).unwrap().count(), 1);
        drop((file, partial));
        assert_eq!(std::fs::read_dir(root.join(PARTIAL)).unwrap().count(), 0);
        target.finish().unwrap();
        assert!(!root.join(PARTIAL).exists());
    }

    #[test]
    fn what_is_in_the_way_stays_and_links_are_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let (root, outside) = (dir.path().join("root"), dir.path().join("outside"));
        std::fs::create_dir_all(root.join("directory/full")).unwrap();
        std::fs::create_dir(&outside).unwrap();
        std::fs::write(root.join("file"), "before").unwrap();
        std::fs::write(outside.join("x"), "precious").unwrap();
        symlink(&outside, root.join("link")).unwrap();
        symlink(outside.join("x"), root.join("link-x")).unwrap();
        let target = Arc::new(Target::open(&root).unwrap());
        for name in ["link/x", "link/new", "file/x", "directory"] {
            assert!(save(&target, name, "hostile").is_err(), "{name}");
        }
        assert!(matches!(target.look(&below("link-x")).unwrap(), There::Other));
        assert!(target.look(&below("link/x")).is_err());
        assert_eq!(std::fs::read(outside.join("x")).unwrap(), b"precious");
        assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 1);
        assert_eq!(std::fs::read(root.join("file")).unwrap(), b"before");
        assert_eq!(std::fs::read_dir(root.join(PARTIAL)).unwrap().count(), 0);
    }

    #[test]
    fn one_save_at_a_time_and_what_one_left_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join(PARTIAL)).unwrap();
        std::fs::write(dir.path().join(PARTIAL).join("left"), "half").unwrap();
        let first = Target::open(dir.path()).unwrap();
        assert_eq!(std::fs::read_dir(dir.path().join(PARTIAL)).unwrap().count(), 0);
        let error = Target::open(dir.path()).err().unwrap();
        assert!(error.to_string().contains("at work"), "{error}");
        drop(first);
        assert!(!dir.path().join(PARTIAL).exists());
        Target::open(dir.path()).unwrap();
    }
}
