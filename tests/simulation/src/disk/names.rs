//! The names of a disk's files: as they are, and as a loss of power would leave them.

use crate::random::Rng;
use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

/// What a name leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Node {
    /// A file, by its number.
    File(u64),
    /// A directory.
    Directory,
}

type Directory = BTreeMap<String, Node>;

/// What happens at once to some names: a file system's journal keeps all of it or nothing.
struct Change(Vec<(PathBuf, Option<Node>)>);

/// The names of a disk.
#[derive(Default)]
pub struct Names {
    now: BTreeMap<PathBuf, Directory>,
    synced: BTreeMap<PathBuf, Directory>,
    /// Oldest first.
    unsynced: Vec<Change>,
}

fn split(path: &Path) -> Option<(&Path, &str)> {
    Some((path.parent()?, path.file_name()?.to_str()?))
}

fn look_up(names: &BTreeMap<PathBuf, Directory>, path: &Path) -> Option<Node> {
    if names.contains_key(path) {
        return Some(Node::Directory);
    }
    let (dir, name) = split(path)?;
    names.get(dir)?.get(name).copied()
}

fn set(names: &mut BTreeMap<PathBuf, Directory>, path: &Path, node: Option<Node>) {
    let Some((dir, name)) = split(path) else { return };
    let Some(dir) = names.get_mut(dir) else { return };
    match node {
        Some(node) => dir.insert(name.to_owned(), node),
        None => dir.remove(name),
    };
}

/// Moves everything below a directory.
fn move_below(names: &mut BTreeMap<PathBuf, Directory>, from: &Path, to: &Path) {
    let moved: Vec<_> = names.keys().filter(|dir| dir.starts_with(from)).cloned().collect();
    for dir in moved {
        if let (Some(entries), Ok(rest)) = (names.remove(&dir), dir.strip_prefix(from)) {
            let to = if rest.as_os_str().is_empty() { to.to_owned() } else { to.join(rest) };
            names.insert(to, entries);
        }
    }
}

impl Names {
    /// What a name leads to now.
    pub fn find(&self, path: &Path) -> Option<Node> {
        look_up(&self.now, path)
    }

    /// What a name would lead to after a loss of power, at least.
    pub fn synced(&self, path: &Path) -> Option<Node> {
        look_up(&self.synced, path)
    }

    /// The names in a directory.
    pub fn entries(&self, dir: &Path) -> Option<impl Iterator<Item = (&String, &Node)>> {
        self.now.get(dir).map(Directory::iter)
    }

    /// Every file that has a name.
    pub fn inodes(&self) -> BTreeSet<u64> {
        let nodes = self.now.values().flat_map(Directory::values);
        nodes.filter_map(|n| if let Node::File(inode) = n { Some(*inode) } else { None }).collect()
    }

    /// The files below a directory.
    pub fn files(&self, below: &Path) -> Vec<PathBuf> {
        let dirs = self.now.iter().filter(|(dir, _)| dir.starts_with(below));
        let files = dirs.flat_map(|(dir, entries)| {
            let files = entries.iter().filter(|(_, node)| matches!(node, Node::File(_)));
            files.map(|(name, _)| dir.join(name))
        });
        files.collect()
    }

    fn change(&mut self, change: Change) {
        for (path, node) in &change.0 {
            set(&mut self.now, path, *node);
        }
        self.unsynced.push(change);
    }

    /// Gives something a name that is free.
    pub fn create(&mut self, path: &Path, node: Node) -> io::Result<()> {
        if self.find(path).is_some() {
            return Err(ErrorKind::AlreadyExists.into());
        }
        let (dir, _) = split(path).ok_or(ErrorKind::InvalidInput)?;
        if !self.now.contains_key(dir) {
            return Err(ErrorKind::NotFound.into());
        }
        self.change(Change(vec![(path.to_owned(), Some(node))]));
        Ok(())
    }

    /// Renames, replacing what is there.
    pub fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let node = self.find(from).ok_or(ErrorKind::NotFound)?;
        if node == Node::Directory {
            // Rare, and never on a path that an acknowledgement waits for: durable at once.
            for names in [&mut self.now, &mut self.synced] {
                set(names, from, None);
                set(names, to, Some(node));
                move_below(names, from, to);
            }
            return Ok(());
        }
        self.change(Change(vec![(from.to_owned(), None), (to.to_owned(), Some(node))]));
        Ok(())
    }

    /// Removes a name.
    pub fn remove(&mut self, path: &Path) -> io::Result<()> {
        match self.find(path) {
            Some(Node::File(_)) => {
                self.change(Change(vec![(path.to_owned(), None)]));
                Ok(())
            }
            Some(Node::Directory) => Err(ErrorKind::IsADirectory.into()),
            None => Err(ErrorKind::NotFound.into()),
        }
    }

    /// Creates directories, durably.
    pub fn create_dir_all(&mut self, path: &Path) -> io::Result<()> {
        for dir in path.ancestors() {
            if self.now.contains_key(dir) {
                break;
            }
            for names in [&mut self.now, &mut self.synced] {
                names.insert(dir.to_owned(), Directory::new());
            }
        }
        for dir in path.ancestors().filter(|dir| dir.parent().is_some()) {
            if self.find(dir).is_some_and(|node| node != Node::Directory) {
                return Err(ErrorKind::NotADirectory.into());
            }
            for names in [&mut self.now, &mut self.synced] {
                set(names, dir, Some(Node::Directory));
            }
        }
        Ok(())
    }

    /// Makes the names in a directory survive, and whatever happened with them at once.
    pub fn sync(&mut self, dir: &Path) {
        let touches = |change: &Change| change.0.iter().any(|(path, _)| path.parent() == Some(dir));
        let mut settled = BTreeSet::new();
        for change in self.unsynced.extract_if(.., |change| touches(change)) {
            for (path, node) in change.0 {
                set(&mut self.synced, &path, node);
                settled.insert(path);
            }
        }
        // What happened to the same names in other directories before is history.
        self.unsynced.retain(|change| !change.0.iter().all(|(path, _)| settled.contains(path)));
    }

    /// As a copy of them is, all of which would survive.
    pub fn copy(&self) -> Self {
        Self { now: self.now.clone(), synced: self.now.clone(), unsynced: Vec::new() }
    }

    /// Forgets a directory and all below it.
    pub fn lose(&mut self, dir: &Path) {
        self.unsynced.retain(|change| !change.0.iter().any(|(path, _)| path.starts_with(dir)));
        for names in [&mut self.now, &mut self.synced] {
            set(names, dir, None);
            names.retain(|path, _| !path.starts_with(dir));
        }
    }

    /// Keeps what was synced and some of the rest: of one name's changes the first ones.
    pub fn lose_power(&mut self, rng: &mut Rng) {
        let mut lost = BTreeSet::new();
        for change in std::mem::take(&mut self.unsynced) {
            if rng.one_in(2) || change.0.iter().any(|(path, _)| lost.contains(path)) {
                lost.extend(change.0.into_iter().map(|(path, _)| path));
                continue;
            }
            for (path, node) in change.0 {
                set(&mut self.synced, &path, node);
            }
        }
        self.now = self.synced.clone();
    }
}
