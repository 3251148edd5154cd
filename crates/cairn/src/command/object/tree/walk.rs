//! The files below a directory, in the byte order of the names they get as objects.
//!
//! The order is that of listings, so that a tree and a container are compared in one pass and
//! with little memory: only the directories on the way down are held.

use anyhow::Context;
use std::{
    ffi::OsStr,
    fs::{self, Metadata},
    io,
    os::unix::{ffi::OsStrExt, fs::MetadataExt},
    path::{Path, PathBuf},
};

/// Something below the directory.
#[derive(Debug)]
pub enum Found {
    /// A regular file.
    File {
        /// Its path from the directory down, with `/` between the names.
        name: String,
        /// Where it is.
        path: PathBuf,
        /// Its bytes when it was looked at.
        size: u64,
    },
    /// What is no file, and why that is.
    Other(PathBuf, &'static str),
    /// What could not be looked at, or has no name an object can have.
    Failed(PathBuf, anyhow::Error),
}

/// Walks a directory.
pub struct Walk {
    /// The directories on the way down.
    levels: Vec<Level>,
    /// Symbolic links are followed.
    follow: bool,
    /// A name in the directory itself that is passed over.
    except: &'static str,
}

struct Level {
    /// What its files' names begin with.
    prefix: String,
    /// The entries that are left, the next one last.
    entries: Vec<Entry>,
    /// Which directory it is, by device and inode: a link may lead back to it.
    id: (u64, u64),
}

struct Entry {
    path: PathBuf,
    looked: io::Result<Metadata>,
}

impl Walk {
    /// Of a directory; `except` names what is no part of the tree.
    pub fn new(root: &Path, follow: bool, except: &'static str) -> anyhow::Result<Self> {
        let read = || format!("cannot read {}", root.display());
        let metadata = fs::metadata(root).with_context(read)?;
        let mut walk = Self { levels: Vec::new(), follow, except };
        walk.levels.push(walk.level(root, String::new(), &metadata).with_context(read)?);
        Ok(walk)
    }

    fn level(&self, path: &Path, prefix: String, metadata: &Metadata) -> io::Result<Level> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(path)? {
            let path = entry?.path();
            let looked = match self.follow {
                true => fs::metadata(&path),
                false => fs::symlink_metadata(&path),
            };
            entries.push(Entry { path, looked });
        }
        entries.sort_by_cached_key(|entry| std::cmp::Reverse(entry.key()));
        Ok(Level { prefix, entries, id: (metadata.dev(), metadata.ino()) })
    }

    fn enter(&mut self, path: PathBuf, name: String, metadata: &Metadata) -> Option<Found> {
        let id = (metadata.dev(), metadata.ino());
        if self.levels.iter().any(|level| level.id == id) {
            return Some(Found::Other(path, "a link to a directory it is in"));
        }
        match self.level(&path, name + "/", metadata) {
            Ok(level) if level.entries.is_empty() => Some(Found::Other(path, EMPTY)),
            Ok(level) => {
                self.levels.push(level);
                None
            }
            Err(error) => Some(Found::Failed(path, error.into())),
        }
    }
}

/// Why a directory without entries is not stored.
const EMPTY: &str = "an empty directory, which objects cannot tell";

impl Entry {
    /// What the names of everything in it begin with.
    fn key(&self) -> Vec<u8> {
        let mut key = self.path.file_name().unwrap_or(OsStr::new("")).as_bytes().to_vec();
        if self.looked.as_ref().is_ok_and(Metadata::is_dir) {
            key.push(b'/');
        }
        key
    }
}

impl Iterator for Walk {
    type Item = Found;

    fn next(&mut self) -> Option<Found> {
        loop {
            let top = self.levels.len() == 1;
            let level = self.levels.last_mut()?;
            let Some(Entry { path, looked }) = level.entries.pop() else {
                self.levels.pop();
                continue;
            };
            let file_name = path.file_name().unwrap_or(OsStr::new(""));
            if top && file_name == self.except {
                return Some(Found::Other(path, "what a `save -r` has not finished"));
            }
            let Some(file_name) = file_name.to_str() else {
                let why = anyhow::anyhow!("its name is not UTF-8");
                return Some(Found::Failed(path, why));
            };
            let name = format!("{}{file_name}", level.prefix);
            let metadata = match looked {
                Ok(metadata) => metadata,
                Err(error) => return Some(Found::Failed(path, error.into())),
            };
            if metadata.is_file() {
                return Some(Found::File { name, path, size: metadata.len() });
            } else if metadata.is_dir() {
                if let Some(found) = self.enter(path, name, &metadata) {
                    return Some(found);
                }
            } else if metadata.is_symlink() {
                return Some(Found::Other(path, "a symbolic link; --follow-links follows it"));
            } else {
                return Some(Found::Other(path, "neither a file nor a directory"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::{ffi::OsStringExt, fs::symlink};

    /// What a walk finds, in short.
    fn found(root: &Path, follow: bool) -> Vec<String> {
        let short = |path: &Path| path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
        Walk::new(root, follow, ".partial")
            .unwrap()
            .map(|found| match found {
                Found::File { name, path, size } => {
                    assert_eq!(root.join(&name), path);
                    format!("{name} {size}")
                }
                Found::Other(path, why) => format!("{}: {why}", short(&path)),
                Found::Failed(path, why) => format!("{}! {why}", short(&path)),
            })
            .collect()
    }

    #[test]
    fn files_come_in_the_order_of_their_names_as_objects() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        fs::create_dir_all(root.join("a/b")).unwrap();
        fs::create_dir_all(root.join("empty")).unwrap();
        // '-' is before '/', '0' behind it.
        for name in ["a-1", "a/b/c", "a/b-", "a0", "é", "B"] {
            fs::write(root.join(name), name).unwrap();
        }
        let walked = found(root, false);
        assert_eq!(
            walked,
            ["B 1", "a-1 3", "a/b- 4", "a/b/c 5", "a0 2", &format!("empty: {EMPTY}"), "é 2"]
        );
    }

    #[test]
    fn what_is_no_file_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        fs::create_dir(root.join("d")).unwrap();
        fs::create_dir(root.join(".partial")).unwrap();
        fs::write(root.join("d/f"), "x").unwrap();
        symlink("d/f", root.join("l-file")).unwrap();
        symlink("..", root.join("d/l-loop")).unwrap();
        symlink("nowhere", root.join("l-none")).unwrap();
        let strange = std::ffi::OsString::from_vec(vec![b'x', 0xff]);
        fs::write(root.join(strange), "x").unwrap();
        let told = found(root, false);
        let link = "a symbolic link; --follow-links follows it";
        assert_eq!(told[0], ".partial: what a `save -r` has not finished");
        assert_eq!(told[1], "d/f 1");
        assert_eq!(told[2], format!("d/l-loop: {link}"));
        assert_eq!(told[3..5], [format!("l-file: {link}"), format!("l-none: {link}")]);
        assert_eq!(told[5], "x\u{fffd}! its name is not UTF-8");

        let told = found(root, true);
        assert_eq!(told[2], "d/l-loop: a link to a directory it is in");
        assert_eq!(told[3], "l-file 1");
        assert!(told[4].starts_with("l-none! No such file"), "{}", told[4]);
    }
}
