//! What clients asked for, when, and what they were told: the ground truth of the checkers.

use crate::{invariant::Invariant, observer::Observer};
use bytes::Bytes;
use model::Version;
use parking_lot::{Mutex, MutexGuard};
use std::{collections::BTreeMap, ops::Range, sync::Arc};

/// A content, by the first bytes of its BLAKE3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Content(pub u64);

impl Content {
    /// Of some bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self::of_hash(blake3::hash(bytes).as_bytes())
    }

    /// Of bytes with this hash.
    pub fn of_hash(hash: &[u8; 32]) -> Self {
        let mut first = [0; 8];
        first.copy_from_slice(&hash[..8]);
        Self(u64::from_le_bytes(first))
    }
}

/// What is done to one object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// It gets a content.
    Put(Content),
    /// It is deleted.
    Delete,
    /// It is looked at: read, shown, or listed.
    Look,
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was done.
    Done,
    /// It certainly was not done; nothing is known of the object.
    Refused,
    /// It may or may not have been done, or may yet be.
    Unknown,
    /// The object has this content. Of a put: it was refused because the object exists.
    Found(Content),
    /// The object exists, and a put was refused for it.
    Exists,
    /// There is no such object.
    Missing,
}

/// Something a client did to an object. The times are places in the order of all events.
#[derive(Debug, Clone)]
pub struct Operation {
    /// Who did it.
    pub client: String,
    /// The object, `container/name`.
    pub object: String,
    /// What.
    pub action: Action,
    /// When it was asked for.
    pub invoked: u64,
    /// When it was answered, if it was; [`u64::MAX`] otherwise.
    pub returned: u64,
    /// What came of it.
    pub outcome: Outcome,
    /// Microseconds of the simulation when it was asked for and answered.
    pub at: (u64, u64),
    /// Whether it belongs to the last look at everything, when faults had stopped.
    pub last: bool,
}

impl std::fmt::Display for Operation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { client, object, action, outcome, at, invoked, returned, .. } = self;
        let (from, to) = (at.0 as f64 / 1e6, at.1 as f64 / 1e6);
        write!(f, "{from:.3}-{to:.3} [{invoked}-")?;
        match *returned {
            u64::MAX => write!(f, "...]")?,
            returned => write!(f, "{returned}]")?,
        }
        write!(f, " {client} {action:?} {object}: {outcome:?}")
    }
}

/// An operation under way.
#[derive(Debug, Clone, Copy)]
pub struct Ticket(usize);

/// The history. Cheap to clone; clones are the same history.
#[derive(Clone)]
pub struct History {
    observer: Observer,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    clock: u64,
    operations: Vec<Operation>,
    contents: BTreeMap<Content, Bytes>,
    versions: Vec<(String, Version, Content)>,
    last: bool,
}

impl History {
    /// An empty history that is also told to an observer.
    pub fn new(observer: Observer) -> Self {
        Self { observer, state: Arc::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// What follows is the last look at everything.
    pub fn last_look(&self) {
        self.state().last = true;
    }

    /// A client begins to do something.
    pub fn invoke(&self, client: &str, object: &str, action: Action) -> Ticket {
        self.observer.note(format_args!("{client} {action:?} {object} ..."));
        let state = &mut *self.state();
        state.clock += 1;
        state.operations.push(Operation {
            client: client.to_owned(),
            object: object.to_owned(),
            action,
            invoked: state.clock,
            returned: u64::MAX,
            outcome: Outcome::Unknown,
            at: (self.observer.now(), 0),
            last: state.last,
        });
        Ticket(state.operations.len() - 1)
    }

    /// It was answered.
    pub fn complete(&self, ticket: Ticket, outcome: Outcome, why: &dyn std::fmt::Display) {
        let state = &mut *self.state();
        state.clock += 1;
        let now = self.observer.now();
        let Some(operation) = state.operations.get_mut(ticket.0) else { return };
        operation.outcome = outcome;
        operation.at.1 = now;
        if outcome != Outcome::Unknown {
            operation.returned = state.clock;
        }
        self.observer.note(format_args!("{operation} {why}"));
    }

    /// A content that is about to be put.
    pub fn know(&self, bytes: Bytes) -> Content {
        let content = Content::of(&bytes);
        self.state().contents.insert(content, bytes);
        content
    }

    /// A version of an object was acknowledged.
    pub fn stored(&self, object: &str, version: Version, content: Content) {
        self.state().versions.push((object.to_owned(), version, content));
    }

    /// The acknowledged versions of the objects of a container.
    pub fn versions(&self, container: &str) -> Vec<(String, Version, Content)> {
        let here = |object: &str| object.split('/').next() == Some(container);
        let versions = self.state().versions.clone();
        versions.into_iter().filter(|(object, ..)| here(object)).collect()
    }

    /// A version that was acknowledged and never removed cannot be read.
    pub fn lost(&self, object: &str, version: Version, why: &dyn std::fmt::Display) {
        let what = format!("{object}: version {version} was acknowledged: {why}");
        self.observer.violated(Invariant::Readable, what);
    }

    /// A client was given bytes of an object: those of a range of a content.
    pub fn given(&self, object: &str, content: Content, range: Range<u64>, bytes: &[u8]) {
        let known = self.state().contents.get(&content).cloned();
        if let Some(what) = crate::invariant::whole::check(object, known.as_ref(), &range, bytes) {
            self.observer.violated(Invariant::Whole, what);
        }
    }

    /// Every operation, by object, in the order in which they began.
    pub fn by_object(&self) -> BTreeMap<String, Vec<Operation>> {
        let mut objects: BTreeMap<String, Vec<Operation>> = BTreeMap::new();
        for operation in &self.state().operations {
            objects.entry(operation.object.clone()).or_default().push(operation.clone());
        }
        objects
    }

    /// How many operations ended how.
    pub fn counts(&self) -> BTreeMap<&'static str, u32> {
        let mut counts = BTreeMap::new();
        for operation in &self.state().operations {
            let key = match operation.outcome {
                Outcome::Done | Outcome::Found(_) | Outcome::Missing | Outcome::Exists => {
                    "definite"
                }
                Outcome::Refused => "refused",
                Outcome::Unknown => "unknown",
            };
            *counts.entry(key).or_default() += 1;
        }
        counts
    }
}
