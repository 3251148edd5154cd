//! Reaching the metadata: which partition, which server, and again until the deadline.
//!
//! A call goes to the leader of its partition as last heard of, follows the hint of a server
//! that is not the leader, and is repeated elsewhere with growing pauses until the deadline. A
//! repeated mutation carries the same request id, so servers apply it once.

mod map;

use crate::{Error, random::Random, session::Session};
use map::CachedMap;
use model::{ClusterMap, ErrorKind, PartitionId, Slot, Subject};
use parking_lot::Mutex;
use std::{collections::BTreeMap, future::Future, sync::Arc, time::Duration};
use tokio::time::{Instant, timeout};
use tonic::{Response, Status, service::interceptor::InterceptedService};
use transport::{Authenticated, Connect};

/// A connection to one metadata node.
pub(crate) type Channel = InterceptedService<transport::Channel, Authenticated>;

/// Listing pages have up to 8 MiB of entries; chunk tables can be as large.
pub(crate) const MAX_MESSAGE_BYTES: usize = 16 << 20;

/// How long one server may take before another is asked.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);
/// Pause after the first failure; it doubles up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
pub(crate) const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// Hints followed in a row before pausing: an election can make servers point at each other.
const HINTS_IN_A_ROW: u32 = 3;
/// Whose leader a call is for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Route {
    /// The partition that owns the slot.
    Slot(Slot),
    /// This partition.
    Partition(PartitionId),
}

/// Whether repeating a call can matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// It only reads.
    Read,
    /// It changes something, once per request id.
    Write,
}

/// Calls the metadata or directory service: `ask!(metadata, route, effect, client method,
/// request)`.
macro_rules! ask {
    ($metadata:expr, $route:expr, $effect:ident, $client:ident :: $method:ident, $request:expr) => {{
        let request = $request;
        $metadata.call($route, $crate::metadata::Effect::$effect, move |channel| {
            let request = request.clone();
            async move {
                $client::new(channel)
                    .max_decoding_message_size($crate::metadata::MAX_MESSAGE_BYTES)
                    .max_encoding_message_size($crate::metadata::MAX_MESSAGE_BYTES)
                    .$method(request)
                    .await
            }
        })
    }};
}
pub(crate) use ask;

/// The metadata servers of a cluster, as a client sees them.
pub(crate) struct Metadata {
    connector: Arc<dyn Connect>,
    session: Arc<Session>,
    seeds: Vec<String>,
    deadline: Duration,
    /// When every call must have ended, whatever the deadline of one of them.
    end: Option<Instant>,
    random: Random,
    channels: Arc<Mutex<BTreeMap<String, Channel>>>,
    leaders: Arc<Mutex<BTreeMap<PartitionId, String>>>,
    map: Arc<Mutex<CachedMap>>,
}

/// What an answer that is not a success means.
pub(crate) struct Refusal {
    pub(crate) error: model::Error,
    /// Ask again, here or elsewhere.
    pub(crate) repeat: bool,
    /// The call may have been applied.
    unknown: bool,
    pub(crate) leader: Option<String>,
}

impl Refusal {
    fn of(status: &Status) -> Self {
        let mut error = proto::from_status(status);
        if never_left(status) {
            error.kind = ErrorKind::Unavailable;
        }
        let moved = error.subject == Subject::Partition;
        // A frozen container stays so for longer than a call lasts: its caller decides.
        let frozen = error.kind == ErrorKind::Unavailable && error.subject == Subject::Container;
        Self {
            repeat: moved
                || (!frozen
                    && matches!(error.kind, ErrorKind::Unavailable | ErrorKind::Indeterminate)),
            unknown: error.kind == ErrorKind::Indeterminate,
            leader: proto::leader_of(status).map(str::to_owned),
            error,
        }
    }
}

impl Refusal {
    /// Whether it is what the partition made of the command, for good. Other refusals come from
    /// servers that did not look for what earlier tries of it came to.
    fn is_by_the_partition(&self) -> bool {
        use ErrorKind::{Denied, Exhausted, Internal, Unauthenticated};
        match self.error.kind {
            Unauthenticated | Denied | Internal => false,
            Exhausted => self.error.subject != Subject::Node,
            // A server whose map is old does not know the newest policies.
            _ => self.error.subject != Subject::Policy,
        }
    }

    /// A call that was not sent.
    fn before(error: Error) -> Self {
        let kind = error.kind();
        let error = model::Error::new(kind, Subject::Request, error.to_string());
        let repeat = matches!(kind, ErrorKind::Unavailable | ErrorKind::Indeterminate);
        Self { error, repeat, unknown: false, leader: None }
    }
}

/// Whether no connection came about, so that the server cannot have seen the call.
fn never_left(status: &Status) -> bool {
    let mut cause = std::error::Error::source(status);
    while let Some(error) = cause {
        if error.is::<tonic::ConnectError>() {
            return true;
        }
        cause = error.source();
    }
    false
}

impl Metadata {
    pub(crate) fn new(
        connector: Arc<dyn Connect>,
        session: Arc<Session>,
        seeds: Vec<String>,
        deadline: Duration,
        random: Random,
    ) -> Self {
        Self {
            connector,
            session,
            seeds,
            deadline,
            end: None,
            random,
            channels: Arc::default(),
            leaders: Arc::default(),
            map: Arc::default(),
        }
    }

    /// Every metadata node known, in turn by chance.
    pub(crate) fn known_servers(&self) -> Vec<String> {
        let known = self.known_map();
        let nodes = known.iter().flat_map(|map| map.nodes.iter().map(|n| n.address.clone()));
        let mut addresses: Vec<String> = nodes.chain(self.seeds.iter().cloned()).collect();
        let turn = self.random.below(addresses.len().max(1) as u64) as usize;
        addresses.rotate_left(turn);
        addresses
    }

    /// Spreads a pause.
    pub(crate) fn jitter(&self, pause: Duration) -> Duration {
        self.random.jitter(pause)
    }

    /// The same servers, for calls that end by `end`.
    pub(crate) fn until(&self, end: Instant) -> Self {
        self.ending(Some(self.end.map_or(end, |earlier| earlier.min(end))))
    }

    /// The same servers, for calls that have only their own deadline: what must be found out
    /// when another has passed.
    pub(crate) fn without_end(&self) -> Arc<Self> {
        Arc::new(self.ending(None))
    }

    fn ending(&self, end: Option<Instant>) -> Self {
        Self {
            connector: self.connector.clone(),
            session: self.session.clone(),
            seeds: self.seeds.clone(),
            deadline: self.deadline,
            end,
            random: self.random.clone(),
            channels: self.channels.clone(),
            leaders: self.leaders.clone(),
            map: self.map.clone(),
        }
    }

    /// When its calls must have ended, if that was said.
    pub(crate) fn end(&self) -> Option<Instant> {
        self.end
    }

    /// When a call that begins now is given up.
    pub(crate) fn end_of_call(&self) -> Instant {
        let end = Instant::now() + self.deadline;
        self.end.map_or(end, |earlier| earlier.min(end))
    }

    /// A new request id.
    pub(crate) fn request_id(&self) -> Vec<u8> {
        self.random.bytes::<16>().to_vec()
    }

    /// Random bytes, for an id.
    pub(crate) fn random_bytes<const N: usize>(&self) -> [u8; N] {
        self.random.bytes()
    }

    /// Calls until there is a definite answer or the deadline passes.
    pub(crate) async fn call<T, F, Fut>(
        self: &Arc<Self>,
        route: Route,
        effect: Effect,
        send: F,
    ) -> Result<T, Error>
    where
        F: Fn(Channel) -> Fut,
        Fut: Future<Output = Result<Response<T>, Status>>,
    {
        let end = self.end_of_call();
        if end <= Instant::now() {
            // A fast server must not make what is too late succeed.
            return Err(Error::unavailable("the deadline had passed before the call"));
        }
        let mut unknown = false;
        let mut pause = FIRST_PAUSE;
        let mut hints = 0;
        let start = self.random.below(1 << 16) as usize;
        // A write that was sent and not answered may come to be, whatever is said later by those
        // who do not know.
        let conclude = |error: Error, unknown: bool| match unknown && effect == Effect::Write {
            true => Error::indeterminate(format!("an earlier try was not answered; {error}")),
            false => error,
        };
        for attempt in 0usize.. {
            let map = match self.map_before(end).await {
                Ok(map) => map,
                Err(error) => return Err(conclude(error, unknown)),
            };
            let partition = match route {
                Route::Slot(slot) => map.slots.partition_of(slot),
                Route::Partition(partition) => partition,
            };
            let address = match self.server(&map, partition, start + attempt) {
                Ok(address) => address,
                Err(error) => return Err(conclude(error, unknown)),
            };
            let refusal = match self.attempt(&address, end, &send).await {
                Ok(answer) => {
                    self.leaders.lock().insert(partition, address);
                    return Ok(answer);
                }
                Err(refusal) => refusal,
            };
            unknown |= refusal.unknown;
            if !refusal.repeat {
                let knows = refusal.is_by_the_partition();
                return Err(conclude(refusal.error.into(), unknown && !knows));
            }
            let elsewhere = refusal.leader.filter(|leader| *leader != address);
            let hinted = elsewhere.is_some() && hints < HINTS_IN_A_ROW;
            self.note_leader(partition, elsewhere);
            if hinted {
                hints += 1;
                continue;
            }
            hints = 0;
            if Instant::now() + pause >= end {
                return Err(self.given_up(refusal.error, unknown && effect == Effect::Write));
            }
            tokio::time::sleep(self.random.jitter(pause)).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
            self.refresh_soon();
        }
        Err(Error::internal("attempts ran out"))
    }

    /// Asks one server, as the user of this client; once more where it does not take the token.
    pub(crate) async fn attempt<T, F, Fut>(
        &self,
        address: &str,
        end: Instant,
        send: &F,
    ) -> Result<T, Refusal>
    where
        F: Fn(Channel) -> Fut,
        Fut: Future<Output = Result<Response<T>, Status>>,
    {
        let mut again = true;
        loop {
            let number = self.session.ready(self, end).await.map_err(Refusal::before)?;
            let answer = self.ask_server(address, end, send).await;
            match &answer {
                Err(refusal)
                    if again
                        && refusal.error.kind == ErrorKind::Unauthenticated
                        && self.session.refused(number) =>
                {
                    again = false;
                }
                _ => return answer,
            }
        }
    }

    /// Asks one server with what there is to show.
    pub(crate) async fn ask_server<T, F, Fut>(
        &self,
        address: &str,
        end: Instant,
        send: &F,
    ) -> Result<T, Refusal>
    where
        F: Fn(Channel) -> Fut,
        Fut: Future<Output = Result<Response<T>, Status>>,
    {
        let channel = self.channel(address).map_err(|error| Refusal {
            error,
            repeat: true,
            unknown: false,
            leader: None,
        })?;
        let patience = ATTEMPT_TIMEOUT.min(end.saturating_duration_since(Instant::now()));
        match timeout(patience, send(channel)).await {
            Ok(Ok(response)) => Ok(response.into_inner()),
            Ok(Err(status)) => {
                let mut refusal = Refusal::of(&status);
                if refusal.repeat {
                    refusal.error.message = format!("{address}: {}", refusal.error.message);
                }
                Err(refusal)
            }
            Err(_) => Err(Refusal {
                error: model::Error::indeterminate(match patience < ATTEMPT_TIMEOUT {
                    true => format!("{address} did not answer before the deadline"),
                    false => format!("{address} did not answer within {patience:?}"),
                }),
                repeat: true,
                unknown: true,
                leader: None,
            }),
        }
    }

    fn given_up(&self, last: model::Error, indeterminate: bool) -> Error {
        let message = match self.end {
            Some(end) if end <= Instant::now() + LONGEST_PAUSE => {
                format!("given up before the deadline; the last try: {last}")
            }
            _ => format!("given up after {:?}; the last try: {last}", self.deadline),
        };
        if indeterminate { Error::indeterminate(message) } else { Error::unavailable(message) }
    }

    fn note_leader(&self, partition: PartitionId, leader: Option<String>) {
        let mut leaders = self.leaders.lock();
        match leader {
            Some(leader) => leaders.insert(partition, leader),
            None => leaders.remove(&partition),
        };
    }

    /// The server to ask: the leader as last heard of, or the members in turn.
    fn server(
        &self,
        map: &ClusterMap,
        partition: PartitionId,
        turn: usize,
    ) -> Result<String, Error> {
        if let Some(leader) = self.leaders.lock().get(&partition) {
            return Ok(leader.clone());
        }
        let members = map.partitions.iter().find(|p| p.id == partition).map(|p| &p.members);
        let mut addresses: Vec<&str> = match members {
            Some(members) => {
                members.iter().filter_map(|id| map.node(*id)).map(|n| n.address.as_str()).collect()
            }
            None => map.nodes.iter().map(|n| n.address.as_str()).collect(),
        };
        if addresses.is_empty() {
            addresses = self.seeds.iter().map(String::as_str).collect();
        }
        let address = addresses.get(turn % addresses.len().max(1));
        address.map(|a| (*a).to_owned()).ok_or_else(|| {
            Error::unavailable(format!("partition {partition} has no member in the cluster map"))
        })
    }

    pub(crate) fn channel(&self, address: &str) -> Result<Channel, model::Error> {
        let mut channels = self.channels.lock();
        if let Some(channel) = channels.get(address) {
            return Ok(channel.clone());
        }
        let channel = transport::channel(
            self.connector.clone(),
            address,
            self.session.bearer(),
            self.deadline,
        )?;
        channels.insert(address.to_owned(), channel.clone());
        Ok(channel)
    }
}
