//! Applying commands: one file for each family of them.

mod account;
mod blob;
mod chunk;
mod cluster;
mod commit;
mod container;
mod deletion;
mod expiry;
mod extents;
mod object;
mod outbox;
mod precondition;
mod purge;
mod rebuild;
mod refresh;
mod remove;
mod repair;
pub(crate) mod request;
mod scan;
mod snapshot;
pub(crate) mod stage;
mod truncate;
mod user;
mod volume;

use crate::{
    Answer, Command, Entry, FEATURE_LEVEL, Failure, Fatal, Reply,
    kv::{
        self,
        partition::{self, Partition},
    },
    read,
    txn::Txn,
};
use store::{Change, Read};

/// What an entry did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// To write, in one batch, in the order of their keys.
    pub changes: Vec<Change>,
    /// To give.
    pub reply: Reply,
}

/// What commands work on.
struct Context<'a> {
    txn: Txn<'a>,
    partition: Partition,
    /// The entry's log index.
    index: u64,
}

impl Context<'_> {
    /// Log time.
    fn now(&self) -> u64 {
        self.partition.log_time
    }

    /// Whether a key exists.
    fn has(&self, key: &[u8]) -> Result<bool, Fatal> {
        Ok(self.txn.get(key)?.is_some())
    }
}

/// Applies an entry to a state: what to write and what to answer.
///
/// A refused command changes nothing but log time, what expires with it, and its recorded
/// answer. A repeated request is given its first answer and changes no more than that.
pub fn apply(view: &dyn Read, entry: &Entry) -> Result<Applied, Fatal> {
    let mut partition = Partition::read(view)?;
    partition.log_time = partition.log_time.max(entry.time);
    let mut cx = Context { txn: Txn::new(view), partition, index: entry.index };
    let reply = match request::recall(&cx, entry)? {
        Some(reply) => reply,
        None => {
            let reply = attempt(&mut cx, &entry.command)?;
            request::record(&mut cx, entry, &reply)?;
            reply
        }
    };
    request::expire(&mut cx)?;
    blob::expire(&mut cx)?;
    stage::expire(&mut cx)?;
    cx.partition.write(&mut cx.txn)?;
    Ok(Applied { changes: changes(cx.txn)?, reply })
}

/// Executes a command; takes back what a refused one did.
fn attempt(cx: &mut Context, command: &Command) -> Result<Reply, Fatal> {
    let before = cx.partition.clone();
    match execute(cx, command) {
        Ok(answer) => Ok(Ok(answer)),
        Err(Failure::Fatal(fatal)) => Err(fatal),
        Err(Failure::Refused(error)) => {
            cx.txn.clear();
            cx.partition = before;
            Ok(Err(error))
        }
    }
}

fn execute(cx: &mut Context, command: &Command) -> Result<Answer, Failure> {
    match command {
        Command::CreateAccount { account, properties } => account::create(cx, account, properties),
        Command::UpdateAccount { account, properties } => account::update(cx, account, properties),
        Command::DeleteAccount { account } => account::delete(cx, account),
        Command::ApplyContainerStates { source, states } => account::take_over(cx, *source, states),
        Command::CreateContainer(command) => container::create(cx, command),
        Command::UpdateContainer(command) => container::update(cx, command),
        Command::DeleteContainer { container } => container::delete(cx, container),
        Command::Commit(command) => commit::commit(cx, command),
        Command::DeleteObject(command) => object::delete(cx, command),
        Command::UpdateObject(command) => object::update(cx, command),
        Command::Abort { blob } => blob::abort(cx, blob),
        Command::RaiseFence { millis } => blob::raise_fence(cx, *millis),
        Command::OutboxDelivered { indexes } => outbox::delivered(cx, indexes),
        Command::DeletionsDone { done, postponed } => deletion::done(cx, done, postponed),
        Command::QueueRepair { damages } => chunk::queue_damage(cx, damages),
        Command::RepairsDone { whole } => repair::done(cx, whole),
        Command::Swap(command) => chunk::swap(cx, command),
        Command::RaiseFeatureLevel { level } => raise_feature_level(cx, *level),
        Command::InitCluster(command) => cluster::init(cx, command),
        Command::RegisterVolume(command) => volume::register(cx, command),
        Command::SetLiveness { volume, liveness } => {
            volume::change(cx, *volume, |record| record.liveness = *liveness)
        }
        Command::SetAdministrative { volume, administrative } => {
            volume::change(cx, *volume, |record| record.administrative = *administrative)
        }
        Command::SetPolicy { policy, make_default } => {
            cluster::set_policy(cx, policy, *make_default)
        }
        Command::UpdateNode { id, address } => cluster::update_node(cx, *id, address),
        Command::StagePage(command) => stage::page(cx, command),
        Command::Truncate(command) => truncate::truncate(cx, command),
        Command::Drain(command) => object::drain(cx, command),
        Command::Purge(command) => purge::purge(cx, command),
        Command::Flush(command) => purge::flush(cx, command),
        Command::SetFrozen(command) => container::set_frozen(cx, command),
        Command::RefreshContainer { account, container } => {
            container::refresh(cx, account, container)
        }
        Command::RefreshAccount { account } => refresh::refresh(cx, account),
        Command::FlushAccount { account } => refresh::flush(cx, account),
        Command::RecordScan(command) => scan::record(cx, command),
        Command::CreateSnapshot(command) => snapshot::create(cx, command),
        Command::ImportVersion(command) => snapshot::import(cx, command),
        Command::DropImported(command) => snapshot::drop_imported(cx, command),
        Command::PublishSnapshot(command) => snapshot::publish(cx, command),
        Command::DiscardSnapshot(command) => snapshot::discard(cx, command),
        Command::PutUser(command) => user::put(cx, command),
        Command::DeleteUser { name } => user::delete(cx, name),
        Command::BeginRebuilds { rebuilds } => rebuild::begin(cx, rebuilds),
        Command::EndRebuilds { chunks, delete_grace } => rebuild::end(cx, chunks, *delete_grace),
        Command::SetLost { volumes } => rebuild::set_lost(cx, volumes),
        Command::Expire(command) => expiry::expire(cx, command),
        Command::CorrectCounters(command) => container::correct(cx, command),
    }
}

fn raise_feature_level(cx: &mut Context, level: u32) -> Result<Answer, Failure> {
    // It was raised because every replica supported it; one that does not must not go on.
    if level > FEATURE_LEVEL {
        return Err(Fatal::FeatureLevel { level, known: FEATURE_LEVEL }.into());
    }
    cx.partition.feature_level = cx.partition.feature_level.max(level);
    Ok(Answer::Done)
}

/// The changes that change something, and that of the hash.
fn changes(txn: Txn) -> Result<Vec<Change>, Fatal> {
    let view = txn.view();
    let mut hash = match read::state_hash(view) {
        Ok(hash) => hash,
        Err(Failure::Fatal(fatal)) => return Err(fatal),
        Err(Failure::Refused(error)) => return Err(Fatal::Entry { reason: error.message }),
    };
    let mut changes = Vec::new();
    for (key, value) in txn.into_changes() {
        let before = view.get(&key)?;
        if before == value {
            continue;
        }
        if let Some(before) = before {
            hash.remove(&key, &before);
        }
        if let Some(value) = &value {
            hash.add(&key, value);
        }
        changes.push((key, value));
    }
    if !changes.is_empty() {
        let mut digest = Txn::new(view);
        kv::put(&mut digest, partition::digest_key(), &hash)?;
        changes.extend(digest.into_changes());
        changes.sort();
    }
    Ok(changes)
}
