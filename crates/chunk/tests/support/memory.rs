//! A disk in memory that loses power: what was not synced may be gone, or may not.

use disk::{Disk, Entry, File, Mode, Space};
use parking_lot::Mutex;
use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

/// What survives of that which was not synced.
#[derive(Debug, Clone, Copy)]
pub struct Survives {
    /// Changes of names.
    pub names: bool,
    /// Content of files.
    pub content: bool,
}

#[derive(Default)]
struct Content {
    now: Vec<u8>,
    synced: Vec<u8>,
}

#[derive(Clone)]
enum Node {
    File(Arc<Mutex<Content>>),
    Directory(Arc<Mutex<Directory>>),
}

#[derive(Default)]
struct Directory {
    now: BTreeMap<String, Node>,
    synced: BTreeMap<String, Node>,
}

/// A file system in memory. Cheap to clone: clones are the same disk.
#[derive(Clone, Default)]
pub struct MemoryDisk {
    root: Arc<Mutex<Directory>>,
    power: Arc<Mutex<Power>>,
}

#[derive(Default)]
struct Power {
    /// Changes so far.
    changes: u64,
    /// The power fails before this change.
    fails_at: Option<u64>,
}

impl Power {
    fn spend(&mut self) -> io::Result<()> {
        self.changes += 1;
        match self.fails_at {
            Some(at) if self.changes > at => Err(io::Error::other("the power is gone")),
            _ => Ok(()),
        }
    }
}

impl MemoryDisk {
    /// Lets the power fail after so many more changes; every call that changes something
    /// fails then.
    pub fn fail_after(&self, changes: u64) {
        let mut power = self.power.lock();
        power.fails_at = Some(power.changes + changes);
    }

    /// Whether the power has failed.
    pub fn failed(&self) -> bool {
        let power = self.power.lock();
        power.fails_at.is_some_and(|at| power.changes > at)
    }

    /// Power is back; the disk is as it survived.
    pub fn restart(&self, survives: Survives) {
        restart(&self.root, survives);
        self.power.lock().fails_at = None;
    }

    fn change(&self) -> io::Result<()> {
        self.power.lock().spend()
    }

    fn directory(&self, path: &Path) -> io::Result<Arc<Mutex<Directory>>> {
        let mut at = self.root.clone();
        for part in parts(path) {
            let next = match at.lock().now.get(&part) {
                Some(Node::Directory(next)) => next.clone(),
                Some(Node::File(_)) => return Err(io::ErrorKind::NotADirectory.into()),
                None => return Err(io::ErrorKind::NotFound.into()),
            };
            at = next;
        }
        Ok(at)
    }

    fn parent(&self, path: &Path) -> io::Result<(Arc<Mutex<Directory>>, String)> {
        let name = parts(path).pop().ok_or(io::ErrorKind::InvalidInput)?;
        Ok((self.directory(path.parent().unwrap())?, name))
    }

    fn find(&self, path: &Path) -> io::Result<Node> {
        let (parent, name) = self.parent(path)?;
        let found = parent.lock().now.get(&name).cloned();
        found.ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn insert_new(&self, path: &Path, node: Node) -> io::Result<()> {
        let (parent, name) = self.parent(path)?;
        let mut parent = parent.lock();
        if parent.now.contains_key(&name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        parent.now.insert(name, node);
        Ok(())
    }

    fn take(&self, path: &Path) -> io::Result<Node> {
        let (parent, name) = self.parent(path)?;
        let taken = parent.lock().now.remove(&name);
        taken.ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

fn parts(path: &Path) -> Vec<String> {
    let parts = path.components().filter_map(|c| match c {
        std::path::Component::Normal(name) => Some(name.to_str().unwrap().to_owned()),
        _ => None,
    });
    parts.collect()
}

fn restart(directory: &Arc<Mutex<Directory>>, survives: Survives) {
    let mut directory = directory.lock();
    if survives.names {
        directory.synced = directory.now.clone();
    }
    directory.now = directory.synced.clone();
    for node in directory.now.values() {
        match node {
            Node::Directory(inner) => restart(inner, survives),
            Node::File(content) => {
                let mut content = content.lock();
                if survives.content {
                    content.synced = content.now.clone();
                } else {
                    content.now = content.synced.clone();
                }
            }
        }
    }
}

struct MemoryFile {
    content: Arc<Mutex<Content>>,
    power: Arc<Mutex<Power>>,
}

impl File for MemoryFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let content = self.content.lock();
        let from = content.now.get(offset as usize..).unwrap_or_default();
        let bytes = from.len().min(buf.len());
        buf[..bytes].copy_from_slice(&from[..bytes]);
        Ok(bytes)
    }
    fn write_all_at(&self, bufs: &[io::IoSlice<'_>], offset: u64) -> io::Result<()> {
        self.power.lock().spend()?;
        let bytes: Vec<u8> = bufs.iter().flat_map(|b| b.iter().copied()).collect();
        let mut content = self.content.lock();
        let end = offset as usize + bytes.len();
        if content.now.len() < end {
            content.now.resize(end, 0);
        }
        content.now[offset as usize..end].copy_from_slice(&bytes);
        Ok(())
    }
    fn sync_data(&self) -> io::Result<()> {
        self.power.lock().spend()?;
        let mut content = self.content.lock();
        content.synced = content.now.clone();
        Ok(())
    }
    fn start_writeback(&self, _: u64, _: u64) -> io::Result<()> {
        Ok(())
    }
    fn allocate(&self, len: u64) -> io::Result<()> {
        self.set_len(len)
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.power.lock().spend()?;
        self.content.lock().now.resize(len as usize, 0);
        Ok(())
    }
    fn len(&self) -> io::Result<u64> {
        Ok(self.content.lock().now.len() as u64)
    }
}

impl Disk for MemoryDisk {
    fn open(&self, path: &Path, mode: Mode) -> io::Result<Arc<dyn File>> {
        if mode == Mode::CreateNew {
            self.change()?;
            self.insert_new(path, Node::File(Default::default()))?;
        }
        match self.find(path)? {
            Node::File(content) => Ok(Arc::new(MemoryFile { content, power: self.power.clone() })),
            Node::Directory(_) => Err(io::ErrorKind::IsADirectory.into()),
        }
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.change()?;
        let node = self.take(from)?;
        let (parent, name) = self.parent(to)?;
        parent.lock().now.insert(name, node);
        Ok(())
    }
    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.change()?;
        self.insert_new(to, self.find(from)?)?;
        self.take(from).map(drop)
    }
    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.change()?;
        self.insert_new(to, self.find(from)?)
    }
    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.change()?;
        self.take(path).map(drop)
    }
    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.change()?;
        let mut at = PathBuf::from("/");
        for part in parts(path) {
            let parent = self.directory(&at)?;
            let mut parent = parent.lock();
            let node = parent.now.entry(part.clone());
            let node = node.or_insert_with(|| Node::Directory(Default::default())).clone();
            parent.synced.insert(part.clone(), node);
            at.push(part);
        }
        Ok(())
    }
    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.change()?;
        let directory = self.directory(path)?;
        let mut directory = directory.lock();
        directory.synced = directory.now.clone();
        Ok(())
    }
    fn read_dir(&self, path: &Path) -> io::Result<Vec<Entry>> {
        let directory = self.directory(path)?;
        let directory = directory.lock();
        let entry = |(name, node): (&String, &Node)| Entry {
            name: name.clone(),
            is_dir: matches!(node, Node::Directory(_)),
        };
        Ok(directory.now.iter().map(entry).collect())
    }
    fn exists(&self, path: &Path) -> io::Result<bool> {
        match self.find(path) {
            Ok(_) => Ok(true),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(e) => Err(e),
        }
    }
    fn space(&self, _: &Path) -> io::Result<Space> {
        Ok(Space { total: 1 << 40, free: 1 << 39 })
    }
    fn lock(&self, _: &Path) -> io::Result<Box<dyn Send + Sync>> {
        Ok(Box::new(()))
    }
    fn blocks(&self) -> bool {
        false
    }
}
