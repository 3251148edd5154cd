//! A partition in memory, and commands with everything filled in.

use crate::{
    Answer, Command, Commit, CommitExtent, CommitMode, ContainerState, CreateContainer,
    DeleteObject, Entry, Fatal, Reply, Rows, StagePage, apply, kv::Kind, read,
};
use model::{
    BlobId, ChunkName, ContainerId, Error, ErrorKind, Extent, Metachunk, Method, Precondition,
    Properties, RequestId, Version, Versioning, VolumeId, WriteId,
};
use std::{collections::BTreeMap, ops::Bound};
use store::{Change, Pairs, Read};

/// A day of log time.
pub(super) const DAY: u64 = 24 * 3600 * 1_000_000;

/// When the tests begin.
pub(super) const START: u64 = 1_700_000_000_000_000;

#[derive(Default, Clone, PartialEq, Eq)]
pub(super) struct Memory(pub(super) BTreeMap<Vec<u8>, Vec<u8>>);

impl Memory {
    pub(super) fn write(&mut self, changes: Vec<Change>) {
        for (key, value) in changes {
            match value {
                Some(value) => self.0.insert(key, value),
                None => self.0.remove(&key),
            };
        }
    }
}

impl Read for Memory {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, store::Error> {
        Ok(self.0.get(key).cloned())
    }

    fn range<'a>(&'a self, from: Bound<&[u8]>, to: Bound<&[u8]>, descending: bool) -> Pairs<'a> {
        let empty = match (from, to) {
            (Bound::Included(a), Bound::Included(b)) => a > b,
            (Bound::Included(a) | Bound::Excluded(a), Bound::Included(b) | Bound::Excluded(b)) => {
                a >= b
            }
            _ => false,
        };
        if empty {
            return Box::new(std::iter::empty());
        }
        let pairs = self.0.range::<[u8], _>((from, to)).map(|(k, v)| Ok((k.clone(), v.clone())));
        if descending { Box::new(pairs.rev()) } else { Box::new(pairs) }
    }
}

/// A partition that applies commands, one entry each.
#[derive(Default, Clone)]
pub(super) struct Machine {
    pub(super) memory: Memory,
    pub(super) index: u64,
    pub(super) time: u64,
}

impl Machine {
    pub(super) fn new() -> Self {
        Self { memory: Memory::default(), index: 0, time: START }
    }

    /// With one container, `a/c`.
    pub(super) fn with_container(versioning: Versioning) -> (Self, ContainerId) {
        let mut machine = Self::new();
        machine.ok(create_container("a", "c", versioning));
        (machine, id("a", "c"))
    }

    pub(super) fn try_run(
        &mut self,
        request: Option<RequestId>,
        command: Command,
    ) -> Result<Reply, Fatal> {
        self.index += 1;
        self.time += 1;
        let entry = Entry { index: self.index, time: self.time, request, command };
        // What the log gives back is what was proposed.
        assert_eq!(Entry::decode(entry.index, &entry.encode().unwrap()).unwrap(), entry);
        let applied = apply(&self.memory, &entry)?;
        self.memory.write(applied.changes);
        Ok(applied.reply)
    }

    pub(super) fn run(&mut self, command: Command) -> Reply {
        self.try_run(None, command).unwrap()
    }

    pub(super) fn ok(&mut self, command: Command) -> Answer {
        let reply = self.run(command);
        self.check_hash();
        reply.unwrap()
    }

    /// What a refused command left behind is nothing but log time.
    pub(super) fn refused(&mut self, command: Command) -> Error {
        let rest = |memory: &Memory| {
            let others = memory.0.iter().filter(|(key, _)| key[0] > Kind::Digest as u8);
            others.map(|(k, v)| (k.clone(), v.clone())).collect::<BTreeMap<_, _>>()
        };
        let before = rest(&self.memory);
        let error = self.run(command).unwrap_err();
        assert_eq!(before, rest(&self.memory));
        self.check_hash();
        error
    }

    pub(super) fn refused_as(&mut self, command: Command) -> ErrorKind {
        self.refused(command).kind
    }

    pub(super) fn check_hash(&self) {
        let kept = read::state_hash(&self.memory).unwrap();
        assert_eq!(kept, read::compute_state_hash(&self.memory).unwrap());
    }

    pub(super) fn incarnation(&self, container: &ContainerId) -> u64 {
        read::find_container(&self.memory, container).unwrap().map_or(0, |c| c.incarnation)
    }

    /// A commit of `size` bytes that lacks nothing.
    pub(super) fn commit(&self, container: &ContainerId, object: &str, size: u64) -> Commit {
        let blob = blob(container, self.index as u32 + 1);
        Commit {
            container: *container,
            incarnation: self.incarnation(container),
            object: object.parse().unwrap(),
            mode: CommitMode::Create,
            content: None,
            blob,
            extents: (size > 0)
                .then(|| extent(blob, size, 1, self.time).into())
                .into_iter()
                .collect(),
            size,
            hash: Some(model::Hash([7; 32])),
            md5: None,
            mime_type: "text/plain".into(),
            policy: "EC22".parse().unwrap(),
            properties: Properties::new(),
            delete_at: None,
            precondition: Precondition::None,
            delete_grace: 1000,
        }
    }

    /// Makes an extent that of a commit, its rows staged if they are many.
    pub(super) fn with_extent(&mut self, commit: &mut Commit, extent: &Extent) {
        commit.size = extent.length();
        commit.extents = vec![self.staged(&commit.container, commit.incarnation, extent)];
    }

    /// An extent as a command names it, its rows staged if they are many.
    pub(super) fn staged(
        &mut self,
        container: &ContainerId,
        incarnation: u64,
        extent: &Extent,
    ) -> CommitExtent {
        let mut named = CommitExtent::from(extent.clone());
        if extent.metachunks.len() > crate::MAX_INLINE_ROWS {
            for page in pages(container, incarnation, extent) {
                self.ok(Command::StagePage(Box::new(page)));
            }
            named.rows = Rows::Staged(extent.metachunks.len() as u32);
        }
        named
    }

    pub(super) fn put(&mut self, container: &ContainerId, object: &str, size: u64) -> Version {
        let commit = self.commit(container, object, size);
        self.put_commit(commit)
    }

    pub(super) fn put_commit(&mut self, commit: Commit) -> Version {
        match self.ok(Command::Commit(Box::new(commit))) {
            Answer::Committed { version, .. } => version,
            other => panic!("{other:?}"),
        }
    }

    /// Versions of an object, newest first, with whether they are markers.
    pub(super) fn versions(&self, container: &ContainerId, object: &str) -> Vec<(Version, bool)> {
        let query = model::ListQuery {
            prefix: object.into(),
            limit: 10_000,
            versions: true,
            ..Default::default()
        };
        let page = read::list_objects(&self.memory, container, &query).unwrap();
        assert_eq!(page.next, None);
        let entries = page.items.into_iter().filter_map(|item| match item {
            model::ListedName::Entry(e) if e.name.as_str() == object => Some((e.version, e.marker)),
            _ => None,
        });
        entries.collect()
    }

    /// Takes the whole outbox, and says it was delivered.
    pub(super) fn drain_outbox(&mut self) -> Vec<ContainerState> {
        let states = self.outbox();
        let indexes = states.iter().map(|s| s.index).collect();
        self.ok(Command::OutboxDelivered { indexes });
        states
    }

    pub(super) fn outbox(&self) -> Vec<ContainerState> {
        let batch = read::outbox(&self.memory, 0, 1000).unwrap();
        assert!(!batch.more);
        assert_eq!(read::status(&self.memory).unwrap().outbox, batch.states.len() as u64);
        batch.states
    }

    pub(super) fn deletions(&self) -> Vec<read::DueDeletion> {
        let due = read::due_deletions(&self.memory, 0, u64::MAX, 1_000_000).unwrap();
        assert_eq!(read::status(&self.memory).unwrap().deletions, due.len() as u64);
        due
    }

    pub(super) fn repairs(&self) -> Vec<read::QueuedRepair> {
        let repairs = read::repairs(&self.memory, None, 1_000_000).unwrap();
        assert_eq!(read::status(&self.memory).unwrap().repairs, repairs.len() as u64);
        repairs
    }
}

pub(super) fn id(account: &str, container: &str) -> ContainerId {
    ContainerId::of(&account.parse().unwrap(), &container.parse().unwrap())
}

pub(super) fn blob(container: &ContainerId, number: u32) -> BlobId {
    let mut random = [0; 14];
    random[..4].copy_from_slice(&number.to_be_bytes());
    BlobId::new(container.slot(), random)
}

pub(super) const EC22: Method = Method::Erasure { data: 2, parity: 2 };

/// `rows` metachunks of EC 2+2 on the volumes 1 to 4, `size` bytes in all.
pub(super) fn extent(blob: BlobId, size: u64, rows: u64, time: u64) -> Extent {
    let row = |number: u64| Metachunk {
        length: size / rows + u64::from(number < size % rows),
        write: WriteId::new(time / 1000, 5),
        volumes: (1..=4).map(|v| Some(VolumeId(v))).collect(),
        rewritten: Vec::new(),
    };
    Extent {
        blob,
        origin: blob,
        policy: "EC22".parse().unwrap(),
        method: EC22,
        chunk_blocks: 16,
        metachunks: (0..rows).map(row).collect(),
    }
}

pub(super) fn create_container(account: &str, name: &str, versioning: Versioning) -> Command {
    Command::CreateContainer(CreateContainer {
        account: account.parse().unwrap(),
        container: name.parse().unwrap(),
        policy: None,
        versioning,
        quota: None,
        properties: Properties::new(),
    })
}

pub(super) fn delete(container: &ContainerId, object: &str, version: Option<Version>) -> Command {
    Command::DeleteObject(DeleteObject {
        container: *container,
        object: object.parse().unwrap(),
        version,
        silent: false,
        missing: None,
        precondition: Precondition::None,
        delete_grace: 1000,
    })
}

pub(super) fn properties(pairs: &[(&str, &str)]) -> Properties {
    pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
}

/// The extents of a commit, with the rows that it brings itself.
pub(super) fn extents_of(commit: &Commit) -> Vec<Extent> {
    commit.extents.iter().map(extent_of).collect()
}

pub(super) fn extent_of(extent: &CommitExtent) -> Extent {
    let Rows::Inline(rows) = &extent.rows else { panic!("the rows are staged") };
    Extent {
        blob: extent.blob,
        origin: extent.origin,
        policy: extent.policy.clone(),
        method: extent.method,
        chunk_blocks: extent.chunk_blocks,
        metachunks: rows.clone(),
    }
}

/// All chunks of some extents.
pub(super) fn chunks_of(extents: &[Extent]) -> Vec<(VolumeId, ChunkName)> {
    extents.iter().flat_map(Extent::chunks).collect()
}

/// The pages of an extent, as they are staged.
pub(super) fn pages(container: &ContainerId, incarnation: u64, extent: &Extent) -> Vec<StagePage> {
    let page = |(page, rows): (u32, &[Metachunk])| StagePage {
        container: *container,
        incarnation,
        blob: extent.blob,
        method: extent.method,
        chunk_blocks: extent.chunk_blocks,
        page,
        rows: rows.to_vec(),
    };
    (0..).zip(extent.metachunks.chunks(crate::PAGE_ROWS)).map(page).collect()
}
