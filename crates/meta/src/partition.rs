//! A replica of one partition: how the rest of the crate proposes commands and reads state.

use crate::{
    logtime::LogTime,
    raft::{Batch, EncodedEntry, LogId, MAX_BATCH, Raft, Replies},
    standing::Standing,
};
use bytes::Bytes;
use model::{Error, ErrorKind, PartitionId, RequestId, Subject};
use openraft::{
    RaftMetrics, ServerState,
    error::{CheckIsLeaderError, ClientWriteError, ForwardToLeader, RaftError},
};
use std::{sync::Arc, time::Duration};
use store::{Read, Store};
use tokio::sync::{
    Mutex,
    mpsc::{self, error::SendTimeoutError},
    oneshot, watch,
};
use tokio::time::timeout;

/// Commands that wait for the batch before them; more wait at the sender.
const QUEUE: usize = 4 * MAX_BATCH;

/// Encoded commands of one batch: with their framing they stay under 4 MiB.
const BATCH_BYTES: usize = 3 * 1024 * 1024;

/// Batches a partition has under way: the next one travels while the one before it is synced.
const BATCHES_AHEAD: usize = 2;

/// How long a command may wait for its quorum, and a read for its round.
const DEADLINE: Duration = Duration::from_secs(10);

/// Why a replica did not do what it was asked to.
#[derive(Debug, Clone)]
pub enum Refusal {
    /// The partition refused, or it failed.
    Failed(Error),
    /// This replica does not lead; perhaps the one at this address does.
    NotLeader {
        /// Where the leader is thought to be.
        leader: Option<String>,
        /// Whether the command had entered the log of this replica: then it may still come to
        /// be, and a repetition must carry the same request id.
        proposed: bool,
    },
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<store::Error> for Refusal {
    fn from(error: store::Error) -> Self {
        Self::Failed(Error::internal(error.to_string()))
    }
}

struct Pending {
    entry: EncodedEntry,
    answer: oneshot::Sender<Result<state::Reply, Refusal>>,
}

/// What a replica runs on.
pub struct Replica {
    /// Its consensus.
    pub raft: Raft,
    /// Its state.
    pub store: Arc<dyn Store>,
    /// Up to which index it has applied its log.
    pub applied: watch::Receiver<u64>,
    /// The last index of the log when the replica was opened.
    pub opened_at: u64,
    /// The time of its log.
    pub time: Arc<LogTime>,
}

/// A replica of a partition. Cheap to clone.
#[derive(Clone)]
pub struct Partition(Arc<Inner>);

struct Inner {
    id: PartitionId,
    node: u64,
    replica: Replica,
    standing: Arc<Standing>,
    proposals: mpsc::Sender<Pending>,
    /// Readers that wait for the next read-index round.
    readers: mpsc::UnboundedSender<oneshot::Sender<Result<(), Refusal>>>,
    /// Held by whoever works on the outbox or deletions of this partition, one at a time.
    turn: Mutex<Turn>,
}

/// How far the workers of a partition are.
#[derive(Debug, Default)]
pub struct Turn {
    /// The index up to which nothing is left in the outbox.
    pub outbox: u64,
    /// The due time before which nothing is left in the queue of deletions.
    pub deletions: u64,
}

impl Partition {
    /// A handle on a replica that runs; its tasks end with the last handle.
    pub fn new(id: PartitionId, node: u64, replica: Replica, standing: Arc<Standing>) -> Self {
        let (proposals, queue) = mpsc::channel(QUEUE);
        let (readers, waiting) = mpsc::unbounded_channel();
        tokio::spawn(propose_batches(replica.raft.clone(), queue));
        tokio::spawn(confirm_reads(replica.raft.clone(), waiting));
        let turn = Mutex::default();
        Self(Arc::new(Inner { id, node, replica, standing, proposals, readers, turn }))
    }

    /// Its number.
    pub fn id(&self) -> PartitionId {
        self.0.id
    }

    /// Its consensus, for peers' messages.
    pub fn raft(&self) -> &Raft {
        &self.0.replica.raft
    }

    /// Its store, for what needs no consistency with other replicas.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.0.replica.store
    }

    /// The time that a command would carry now, with this clock.
    pub fn time(&self, clock: u64) -> u64 {
        self.0.replica.time.next(clock)
    }

    /// Changes whenever something was applied.
    pub fn applied(&self) -> watch::Receiver<u64> {
        self.0.replica.applied.clone()
    }

    /// What consensus says of itself.
    pub fn metrics(&self) -> RaftMetrics<u64, openraft::BasicNode> {
        self.0.replica.raft.metrics().borrow().clone()
    }

    /// Whether this replica leads, as far as it knows, and should.
    pub fn leads(&self) -> bool {
        self.0.replica.raft.metrics().borrow().state == ServerState::Leader
            && !self.0.standing.stands_aside()
    }

    /// The leader's address, as far as this replica knows.
    pub fn leader_address(&self) -> Option<String> {
        let metrics = self.0.replica.raft.metrics();
        let metrics = metrics.borrow();
        let leader = metrics.current_leader?;
        let node = metrics.membership_config.nodes().find(|(id, _)| **id == leader)?;
        Some(node.1.addr.clone())
    }

    /// Puts a command through consensus and gives its answer, once it is applied here. `clock` is
    /// this node's.
    pub async fn propose(
        &self,
        clock: u64,
        request: Option<RequestId>,
        command: state::Command,
    ) -> Result<state::Answer, Refusal> {
        self.check_leads()?;
        self.0.standing.check_clock()?;
        let time = self.0.replica.time.next(clock);
        let entry = state::Entry { index: 0, time, request, command };
        let entry = EncodedEntry(Bytes::from(entry.encode()?));
        let (answer, answered) = oneshot::channel();
        let pending = Pending { entry, answer };
        match self.0.proposals.send_timeout(pending, DEADLINE).await {
            Ok(()) => {}
            Err(SendTimeoutError::Closed(_)) => return Err(stopped()),
            Err(SendTimeoutError::Timeout(_)) => {
                let message = format!(
                    "partition {}: too many commands wait for a quorum of its replicas",
                    self.0.id
                );
                return Err(Error::unavailable(message).into());
            }
        }
        match timeout(DEADLINE, answered).await {
            Ok(Ok(reply)) => Ok(reply??),
            Ok(Err(_)) => Err(unknown("the partition stopped before it answered")),
            Err(_) => Err(unknown("no quorum of the partition's replicas answered in time")),
        }
    }

    /// A view that has in it everything acknowledged before the call.
    pub async fn read(&self) -> Result<Box<dyn Read>, Refusal> {
        if self.leads_alone() {
            return Ok(self.0.replica.store.snapshot());
        }
        self.check_leads()?;
        let (answer, answered) = oneshot::channel();
        self.0.readers.send(answer).map_err(|_| stopped())?;
        match timeout(DEADLINE, answered).await {
            Ok(Ok(result)) => result?,
            Ok(Err(_)) => return Err(stopped()),
            Err(_) => {
                return Err(Error::unavailable(format!(
                    "partition {}: no quorum of its replicas answered in time",
                    self.0.id
                ))
                .into());
            }
        }
        Ok(self.0.replica.store.snapshot())
    }

    /// A view of this replica alone, which may be behind.
    pub fn local(&self) -> Box<dyn Read> {
        self.0.replica.store.snapshot()
    }

    fn check_leads(&self) -> Result<(), Refusal> {
        if self.leads() {
            return Ok(());
        }
        Err(Refusal::NotLeader { leader: self.leader_address(), proposed: false })
    }

    /// Whether this replica is the only voter and has applied whatever was acknowledged before it
    /// began to lead and to run: then nobody else can have acknowledged anything, and it answers
    /// only for what it has applied. A second voter shows here before anything can be committed
    /// with it.
    fn leads_alone(&self) -> bool {
        let metrics = self.0.replica.raft.metrics();
        let metrics = metrics.borrow();
        let voters = metrics.membership_config.membership().get_joint_config();
        let alone = matches!(&voters[..], [only] if only.len() == 1 && only.contains(&self.0.node));
        // After a restart it leads on in the same term, with entries that are not applied yet.
        let caught_up = metrics.last_applied.is_some_and(|applied| {
            applied.leader_id.get_term() == metrics.current_term
                && applied.index >= self.0.replica.opened_at
        });
        alone && caught_up && metrics.state == ServerState::Leader && metrics.running_state.is_ok()
    }

    /// Whether this is the node with `id`.
    pub fn is_on(&self, id: u64) -> bool {
        self.0.node == id
    }

    /// Makes workers take turns.
    pub async fn turn(&self) -> tokio::sync::MutexGuard<'_, Turn> {
        self.0.turn.lock().await
    }
}

fn stopped() -> Refusal {
    Error::unavailable("this metadata server is stopping").into()
}

fn unknown(why: &str) -> Refusal {
    Error::indeterminate(format!("{why}; the change may or may not come to be")).into()
}

/// Gathers what waits into batches and puts them into the log. Everything that arrives while a
/// batch is synced shares the next sync.
async fn propose_batches(raft: Raft, mut queue: mpsc::Receiver<Pending>) {
    let ahead = Arc::new(tokio::sync::Semaphore::new(BATCHES_AHEAD));
    let mut next = None;
    loop {
        let Some(first) = (match next.take() {
            Some(first) => Some(first),
            None => queue.recv().await,
        }) else {
            return;
        };
        let Ok(permit) = ahead.clone().acquire_owned().await else { return };
        // Nobody waits for it any more, and it is not in the log: it need not come to be.
        if first.answer.is_closed() {
            continue;
        }
        let mut bytes = first.entry.0.len();
        let mut batch = vec![first];
        while batch.len() < MAX_BATCH {
            let Ok(pending) = queue.try_recv() else { break };
            bytes += pending.entry.0.len();
            if bytes > BATCH_BYTES {
                next = Some(pending);
                break;
            }
            batch.push(pending);
        }
        let (entries, answers): (Vec<_>, Vec<_>) =
            batch.into_iter().map(|p| (p.entry, p.answer)).unzip();
        // The library keeps the order in which batches are handed over.
        match raft.client_write_ff(Batch(entries)).await {
            Ok(answered) => {
                tokio::spawn(async move {
                    // The library never answers for an entry that a snapshot from another
                    // leader has covered; others must not wait for that.
                    let result = timeout(DEADLINE, answered).await;
                    drop(permit);
                    let Ok(result) = result else { return };
                    give_answers(result.map(|r| r.map(|w| w.data)).ok(), answers);
                });
            }
            Err(fatal) => {
                let error = Error::unavailable(format!("the partition has stopped: {fatal}"));
                for answer in answers {
                    let _ = answer.send(Err(error.clone().into()));
                }
            }
        }
    }
}

type Written = Result<Replies, ClientWriteError<u64, openraft::BasicNode>>;

fn give_answers(
    result: Option<Written>,
    answers: Vec<oneshot::Sender<Result<state::Reply, Refusal>>>,
) {
    match result {
        Some(Ok(replies)) => {
            for (answer, reply) in answers.into_iter().zip(replies.0) {
                let _ = answer.send(Ok(reply));
            }
        }
        Some(Err(error)) => {
            let leader = match error {
                ClientWriteError::ForwardToLeader(ForwardToLeader { leader_node, .. }) => {
                    leader_node.map(|n| n.addr)
                }
                ClientWriteError::ChangeMembershipError(_) => None,
            };
            for answer in answers {
                let leader = leader.clone();
                let _ = answer.send(Err(Refusal::NotLeader { leader, proposed: true }));
            }
        }
        None => {
            for answer in answers {
                let _ = answer.send(Err(unknown("the partition stopped before it answered")));
            }
        }
    }
}

/// Lets all readers that wait share one read-index round.
async fn confirm_reads(
    raft: Raft,
    mut waiting: mpsc::UnboundedReceiver<oneshot::Sender<Result<(), Refusal>>>,
) {
    while let Some(first) = waiting.recv().await {
        let mut readers = vec![first];
        while let Ok(reader) = waiting.try_recv() {
            readers.push(reader);
        }
        // A leader deposed before its first entry was committed may wait for it in vain.
        let result = match timeout(DEADLINE, raft.ensure_linearizable()).await {
            Ok(confirmed) => confirmed.map(|_: Option<LogId>| ()).map_err(refuse_read),
            Err(_) => Err(Error::unavailable("no quorum of the replicas answered in time").into()),
        };
        for reader in readers {
            let _ = reader.send(result.clone());
        }
    }
}

fn refuse_read(error: RaftError<u64, CheckIsLeaderError<u64, openraft::BasicNode>>) -> Refusal {
    match error {
        RaftError::APIError(CheckIsLeaderError::ForwardToLeader(forward)) => {
            Refusal::NotLeader { leader: forward.leader_node.map(|n| n.addr), proposed: false }
        }
        RaftError::APIError(CheckIsLeaderError::QuorumNotEnough(error)) => {
            Error::unavailable(error.to_string()).into()
        }
        RaftError::Fatal(fatal) => Error::new(
            ErrorKind::Unavailable,
            Subject::Partition,
            format!("the partition has stopped: {fatal}"),
        )
        .into(),
    }
}
