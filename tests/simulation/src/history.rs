//! What clients asked for, when, and what they were told: the ground truth of the checkers.

use crate::{
    contents::{Content, Contents, Sight},
    invariant::Invariant,
    observer::Observer,
};
use bytes::Bytes;
use model::Version;
use parking_lot::{Mutex, MutexGuard};
use std::{collections::BTreeMap, ops::Range, sync::Arc};

/// What is done to one object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// It gets a content: from a client, or as a link.
    Put(Content),
    /// It gets a content that goes by itself, at a second of the log's time.
    PutUntil(Content, u64),
    /// What was put until then goes. Nobody asks for that: it is begun with the put, and has no
    /// answer.
    Expire(Content, u64),
    /// A content is added to it; it gets that, if it does not exist.
    Append(Content),
    /// It is cut to so many bytes.
    Truncate(u64),
    /// Its content is dropped, and the rest kept.
    Drain,
    /// It is deleted; this says whether that is noted where there is nothing, too.
    Delete(bool),
    /// One of its versions is removed.
    Remove(Version),
    /// All but so many of its newest versions are removed.
    Purge(u32),
    /// It is looked at: read, shown, or listed.
    Look,
    /// One of its versions is looked at.
    LookAt(Version),
}

impl Action {
    /// Whether it only looks.
    pub fn looks(self) -> bool {
        matches!(self, Self::Look | Self::LookAt(_))
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Put(_) => "put",
            Self::PutUntil(..) => "put until",
            Self::Expire(..) => "expire",
            Self::Append(_) => "append",
            Self::Truncate(_) => "truncate",
            Self::Drain => "drain",
            Self::Delete(_) => "delete",
            Self::Remove(_) => "remove",
            Self::Purge(_) => "purge",
            Self::Look => "look",
            Self::LookAt(_) => "look at version",
        }
    }
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
    /// The object has this content.
    Found(Content),
    /// The object has a content that looks like this.
    Seen(Sight),
    /// The object exists, and was not to be overwritten.
    Exists,
    /// The object has fewer bytes than it was to be cut to.
    Short,
    /// The object's content was dropped.
    Drained,
    /// There is no such object, or no such version.
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
    /// The version that it made or changed, if the client was told.
    pub version: Option<Version>,
    /// Microseconds of the simulation when it was asked for and answered.
    pub at: (u64, u64),
    /// Whether it belongs to the last look at everything, when faults had stopped.
    pub last: bool,
}

impl Operation {
    fn container(&self) -> Option<&str> {
        self.object.split('/').next()
    }
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
        write!(f, " {client} {action:?} {object}: {outcome:?}")?;
        match self.version {
            Some(version) => write!(f, " version {version}"),
            None => Ok(()),
        }
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
    contents: Contents,
    versions: Vec<(String, Version, Content)>,
    /// What objects held when their last writer was answered.
    sizes: BTreeMap<String, u64>,
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
            version: None,
            at: (self.observer.now(), 0),
            last: state.last,
        });
        Ticket(state.operations.len() - 1)
    }

    /// It was answered.
    pub fn complete(&self, ticket: Ticket, outcome: Outcome, why: &dyn std::fmt::Display) {
        self.complete_at(ticket, outcome, None, why);
    }

    /// It was answered, with a version.
    pub fn complete_at(
        &self,
        ticket: Ticket,
        outcome: Outcome,
        version: Option<Version>,
        why: &dyn std::fmt::Display,
    ) {
        let state = &mut *self.state();
        state.clock += 1;
        let now = self.observer.now();
        let Some(operation) = state.operations.get_mut(ticket.0) else { return };
        (operation.outcome, operation.version) = (outcome, version);
        operation.at.1 = now;
        if outcome != Outcome::Unknown {
            operation.returned = state.clock;
        }
        self.observer.note(format_args!("{operation} {why}"));
    }

    /// A content that is about to be put.
    pub fn know(&self, bytes: Bytes) -> Content {
        self.state().contents.know(bytes)
    }

    /// Every content that was put.
    pub fn contents(&self) -> Contents {
        self.state().contents.clone()
    }

    /// A version of an object was acknowledged.
    pub fn stored(&self, object: &str, version: Version, content: Content) {
        self.state().versions.push((object.to_owned(), version, content));
    }

    /// The acknowledged versions of the objects of a container, and what they were then.
    pub fn versions(&self, container: &str) -> Vec<(String, Version, Content)> {
        let here = |object: &str| object.split('/').next() == Some(container);
        let versions = self.state().versions.clone();
        versions.into_iter().filter(|(object, ..)| here(object)).collect()
    }

    /// An object is said to have so many bytes.
    pub fn sized(&self, object: &str, bytes: u64) {
        self.state().sizes.insert(object.to_owned(), bytes);
    }

    /// How many bytes an object was last said to have.
    pub fn size(&self, object: &str) -> u64 {
        self.state().sizes.get(object).copied().unwrap_or(0)
    }

    /// A client was given bytes of an object: those of a range of a content.
    pub fn given(&self, object: &str, content: Content, range: Range<u64>, bytes: &[u8]) {
        let known = self.state().contents.get(content).cloned();
        if let Some(what) = crate::invariant::whole::check(object, known.as_ref(), &range, bytes) {
            self.observer.violated(Invariant::Whole, what);
        }
    }

    /// Every operation, by object, in the order in which they began.
    pub fn by_object(&self) -> BTreeMap<String, Vec<Operation>> {
        let mut objects: BTreeMap<String, Vec<Operation>> = BTreeMap::new();
        let all = &self.state().operations;
        for operation in all {
            let mut operation = operation.clone();
            if let Action::Expire(_, second) = operation.action {
                // Versions are times of the log: nothing was due when one before that was asked for.
                let before = |o: &&Operation| {
                    o.container() == operation.container()
                        && o.version.is_some_and(|version| version.0 < second * 1_000_000)
                };
                let asked = all.iter().filter(before).map(|o| o.invoked);
                operation.invoked = asked.fold(operation.invoked, u64::max);
            }
            objects.entry(operation.object.clone()).or_default().push(operation);
        }
        objects
    }

    /// How many operations ended how, and how many of each kind had an answer.
    pub fn counts(&self) -> (BTreeMap<&'static str, u64>, BTreeMap<&'static str, u64>) {
        let (mut outcomes, mut answered) = (BTreeMap::new(), BTreeMap::new());
        for operation in &self.state().operations {
            let outcome = match operation.outcome {
                Outcome::Refused => "refused",
                Outcome::Unknown => "unknown",
                _ => {
                    *answered.entry(operation.action.name()).or_default() += 1;
                    "definite"
                }
            };
            *outcomes.entry(outcome).or_default() += 1;
        }
        (outcomes, answered)
    }
}
