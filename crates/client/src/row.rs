//! Writing one metachunk: carries out a [`WritePlan`] with HTTP PUTs.

use crate::{
    Error, VolumeFailure, VolumeRef,
    counters::Counters,
    lane::Lane,
    plan::write::{Command, Event, WritePlan},
    servers::{ChunkServers, NotStored},
    stripe::Pieces,
    traces::Traces,
};
use bytes::Bytes;
use futures::{
    StreamExt,
    future::{AbortHandle, Abortable, Aborted, BoxFuture},
    stream::FuturesUnordered,
};
use model::{BlobId, ChunkName, VolumeId, WriteId};
use parking_lot::Mutex;
use std::{
    collections::BTreeMap,
    ops::ControlFlow,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::{
    sync::mpsc,
    time::{Instant, MissedTickBehavior, interval},
};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

/// How often progress is looked at.
const TICK: Duration = Duration::from_millis(500);

/// A connected server that does not say that it wants the body gets it after this: not every
/// server does.
const UNASKED: Duration = Duration::from_secs(1);

/// Where a metachunk goes.
#[derive(Debug, Clone)]
pub(crate) struct Placed {
    /// The write id of its chunks.
    pub(crate) write: WriteId,
    /// The volume of each position; `None` where too few volumes take chunks.
    pub(crate) volumes: Vec<Option<VolumeRef>>,
    /// Volumes to turn to.
    pub(crate) spares: Vec<VolumeRef>,
}

impl Placed {
    /// Whether its chunk servers will have to be shown something newer.
    pub(crate) fn is_stale(&self) -> bool {
        self.volumes.iter().flatten().chain(&self.spares).any(|v| v.leave.is_stale())
    }
}

/// What all rows of an upload share.
pub(crate) struct RowContext {
    pub(crate) servers: Arc<ChunkServers>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) traces: Arc<Traces>,
    pub(crate) blob: BlobId,
    pub(crate) quorum: usize,
    /// Cancelled when any row failed.
    pub(crate) failed: CancellationToken,
    /// Why the first row that failed did.
    pub(crate) error: Mutex<Option<Error>>,
}

impl RowContext {
    fn fail(&self, error: Error) {
        self.error.lock().get_or_insert(error);
        self.failed.cancel();
    }

    /// Why a row failed; once.
    pub(crate) fn take_error(&self) -> Error {
        let error = self.error.lock().take();
        error.unwrap_or_else(|| Error::internal("writing a metachunk ended without a reason"))
    }
}

/// How a metachunk ended.
pub(crate) struct RowOutcome {
    /// The volume of each position, where its chunk is durable.
    pub(crate) volumes: Vec<Option<VolumeId>>,
    /// What went wrong beside.
    pub(crate) failures: Vec<VolumeFailure>,
}

/// A metachunk under way. Dropping it cancels its requests.
pub(crate) struct Row {
    context: Arc<RowContext>,
    lanes: Vec<Lane>,
    fed: Arc<AtomicU64>,
    task: AbortOnDropHandle<Option<RowOutcome>>,
}

impl Row {
    /// Opens every position.
    pub(crate) fn open(context: Arc<RowContext>, number: u32, placed: &Placed) -> Self {
        let lanes: Vec<Lane> = placed.volumes.iter().map(|_| Lane::default()).collect();
        let fed = Arc::new(AtomicU64::new(0));
        let driver = Driver::new(context.clone(), number, placed, lanes.clone(), fed.clone());
        let task = AbortOnDropHandle::new(tokio::spawn(driver.run(placed.clone())));
        Self { context, lanes, fed, task }
    }

    /// Hands a stripe to the positions.
    pub(crate) fn push(&self, pieces: Vec<Pieces>) {
        let bytes = pieces.first().map_or(0, |p| p.iter().map(Bytes::len).sum());
        for (lane, pieces) in self.lanes.iter().zip(pieces) {
            lane.push(pieces);
        }
        self.fed.fetch_add(bytes as u64, Relaxed);
    }

    /// Hands over the footers and nothing behind them.
    pub(crate) fn end(&self, footers: impl IntoIterator<Item = Bytes>) {
        let mut bytes = 0;
        for (lane, footer) in self.lanes.iter().zip(footers) {
            bytes = footer.len();
            lane.push([footer]);
            lane.end();
        }
        self.fed.fetch_add(bytes as u64, Relaxed);
    }

    /// Waits until every position is settled.
    pub(crate) async fn finished(&mut self) -> Result<RowOutcome, Error> {
        match (&mut self.task).await {
            Ok(outcome) => outcome.ok_or_else(|| self.context.take_error()),
            Err(error) => Err(Error::internal(format!("writing a metachunk ended: {error}"))),
        }
    }
}

/// What a PUT came to.
type Answer = (usize, u32, Result<(), NotStored>);

struct Driver {
    context: Arc<RowContext>,
    number: u32,
    write: WriteId,
    volumes: BTreeMap<VolumeId, VolumeRef>,
    lanes: Vec<Lane>,
    fed: Arc<AtomicU64>,
    started: Instant,
    /// The try under way of each position: where, its number, and how to cancel it.
    tries: Vec<Option<(VolumeId, u32, AbortHandle)>>,
    puts: FuturesUnordered<Abortable<BoxFuture<'static, Answer>>>,
    /// Positions, with their try, whose server wants the body. At most one message for each
    /// try, and tries are bounded by positions and spares.
    wanted: mpsc::UnboundedReceiver<(usize, u32)>,
    want: mpsc::UnboundedSender<(usize, u32)>,
    failures: Vec<VolumeFailure>,
    /// Every chunk that was begun, and where.
    opened: Vec<(VolumeRef, ChunkName)>,
}

impl Driver {
    fn new(
        context: Arc<RowContext>,
        number: u32,
        placed: &Placed,
        lanes: Vec<Lane>,
        fed: Arc<AtomicU64>,
    ) -> Self {
        let (want, wanted) = mpsc::unbounded_channel();
        let all = placed.volumes.iter().flatten().chain(&placed.spares);
        Self {
            context,
            number,
            write: placed.write,
            volumes: all.map(|v| (v.id, v.clone())).collect(),
            tries: lanes.iter().map(|_| None).collect(),
            lanes,
            fed,
            started: Instant::now(),
            puts: FuturesUnordered::new(),
            wanted,
            want,
            failures: Vec::new(),
            opened: Vec::new(),
        }
    }

    /// Until the end; nothing if the metachunk failed.
    async fn run(mut self, placed: Placed) -> Option<RowOutcome> {
        let volumes: Vec<_> = placed.volumes.iter().map(|v| v.as_ref().map(|v| v.id)).collect();
        let spares = placed.spares.iter().map(|v| v.id);
        let (mut plan, mut commands) =
            WritePlan::new(self.context.quorum, &volumes, spares, Duration::ZERO);
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            for command in commands {
                match self.carry_out(command, &plan) {
                    ControlFlow::Continue(()) => {}
                    ControlFlow::Break(outcome) => return outcome,
                }
            }
            let event = self.next_event(&mut ticks).await;
            commands = match event {
                Some(event) => plan.handle(self.started.elapsed(), event),
                None => Vec::new(),
            };
        }
    }

    async fn next_event(&mut self, ticks: &mut tokio::time::Interval) -> Option<Event> {
        tokio::select! {
            // In this order: that a body was wanted must be known before how it went.
            biased;
            Some((position, attempt)) = self.wanted.recv() => {
                self.is_current(position, attempt).then_some(Event::Connected(position))
            }
            Some(answer) = self.puts.next() => match answer {
                Ok((position, attempt, result)) => self.answered(position, attempt, result),
                Err(Aborted) => None,
            },
            _ = ticks.tick() => {
                let ended = self.lanes.iter().all(Lane::is_ended);
                let taken = self.lanes.iter().map(Lane::taken).collect();
                Some(Event::Progress { fed: self.fed.load(Relaxed), ended, taken })
            }
        }
    }

    fn is_current(&self, position: usize, attempt: u32) -> bool {
        matches!(self.tries.get(position), Some(Some((_, current, _))) if *current == attempt)
    }

    fn answered(
        &mut self,
        position: usize,
        attempt: u32,
        result: Result<(), NotStored>,
    ) -> Option<Event> {
        if !self.is_current(position, attempt) {
            return None;
        }
        let drained = self.lanes.get(position).is_some_and(Lane::is_drained);
        match result {
            Ok(()) if drained => Some(Event::Acknowledged(position)),
            Ok(()) => {
                self.note_failure(
                    position,
                    NotStored::new("it answered before the chunk was complete"),
                );
                Some(Event::Failed(position))
            }
            Err(reason) => {
                self.note_failure(position, reason);
                Some(Event::Failed(position))
            }
        }
    }

    fn note_failure(&mut self, position: usize, why: NotStored) {
        let NotStored { reason, full } = why;
        let Some(Some((volume, ..))) = self.tries.get(position) else { return };
        let address = self.volumes.get(volume).map_or("", |v| &v.address).to_owned();
        tracing::debug!(%volume, address, reason, metachunk = self.number, "a position failed");
        self.context.servers.health.failed(*volume);
        self.failures.push(VolumeFailure { volume: *volume, address, reason, full });
    }

    fn carry_out(&mut self, command: Command, plan: &WritePlan) -> ControlFlow<Option<RowOutcome>> {
        match command {
            Command::Open { position, volume } => {
                self.cancel(position, "it did not take the chunk in time");
                self.open(position, volume);
            }
            Command::Drop { position, stalled } => {
                if stalled {
                    self.cancel(position, "it made no progress");
                }
                self.tries[position] = None;
                self.lanes[position].close();
                Counters::add(&self.context.counters.positions_dropped, 1);
            }
            Command::Succeed(volumes) => {
                let opened = std::mem::take(&mut self.opened).into_iter();
                let is_unnamed = |(volume, chunk): &(VolumeRef, ChunkName)| {
                    volumes.get(usize::from(chunk.position)).copied().flatten() != Some(volume.id)
                };
                self.context.traces.leave_unnamed(opened.filter(is_unnamed));
                let failures = std::mem::take(&mut self.failures);
                return ControlFlow::Break(Some(RowOutcome { volumes, failures }));
            }
            Command::Fail => {
                self.lanes.iter().for_each(Lane::close);
                self.context.fail(Error::BelowQuorum {
                    metachunk: self.number,
                    durable: plan.durable(),
                    needed: self.context.quorum,
                    failures: std::mem::take(&mut self.failures),
                });
                return ControlFlow::Break(None);
            }
        }
        ControlFlow::Continue(())
    }

    /// Ends the try under way of a position, if it has not ended by itself.
    fn cancel(&mut self, position: usize, why: &str) {
        let Some(Some((_, _, abort))) = self.tries.get(position) else { return };
        abort.abort();
        if !self.failures.iter().any(|f| Some(f.volume) == self.volume_of(position)) {
            self.note_failure(position, NotStored::new(why));
        }
    }

    fn volume_of(&self, position: usize) -> Option<VolumeId> {
        self.tries.get(position)?.as_ref().map(|(volume, ..)| *volume)
    }

    fn open(&mut self, position: usize, volume: VolumeId) {
        let Some(volume) = self.volumes.get(&volume).cloned() else { return };
        let chunk = ChunkName {
            blob: self.context.blob,
            metachunk: self.number,
            position: position as u8,
            write: self.write,
        };
        self.context.traces.add(volume.clone(), chunk);
        self.opened.push((volume.clone(), chunk));
        let lane = self.lanes[position].clone();
        let (attempt, body) = lane.body();
        let (abort, registration) = AbortHandle::new_pair();
        self.tries[position] = Some((volume.id, attempt, abort));
        let events = self.want.clone();
        let wanted = move || {
            lane.open(attempt);
            // The row may be over: then nobody needs to know.
            events.send((position, attempt)).ok();
        };
        let (servers, blob) = (self.context.servers.clone(), self.context.blob);
        let put = async move {
            let result = put(&servers, &volume, &chunk, blob, body, wanted).await;
            (position, attempt, result)
        };
        self.puts.push(Abortable::new(Box::pin(put), registration));
    }
}

async fn put(
    servers: &ChunkServers,
    volume: &VolumeRef,
    chunk: &ChunkName,
    origin: BlobId,
    body: crate::lane::LaneBody,
    wanted: impl Fn() + Clone + Send + Sync + 'static,
) -> Result<(), NotStored> {
    let (captured, answer) = servers.put(volume, chunk, origin, body, wanted.clone());
    tokio::pin!(answer);
    let unasked = async {
        let Some(mut captured) = captured else { return };
        if captured.wait_for_connection_metadata().await.is_some() {
            tokio::time::sleep(UNASKED).await;
            wanted();
        }
    };
    tokio::select! {
        biased;
        result = &mut answer => return result,
        () = unasked => {}
    }
    answer.await
}
