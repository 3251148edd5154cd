//! Reading a part of one metachunk: carries out a [`ReadPlan`] with HTTP GETs.

mod trouble;

use crate::{
    Error, VolumeRef,
    blocks::{BlockStream, ChunkSource},
    counters::Counters,
    reader::{ReadContext, Sink, Whereabouts},
};
use bytes::Bytes;
use futures::{StreamExt, stream::FuturesUnordered};
use layout::{Geometry, Stripe, StripeRange};
use model::{BlobId, Extent, Metachunk, Method};
use recovery::{Command, Decoder, Event, Fragment, Gone, Loss, Mask, ReadPlan, has};
use std::{collections::VecDeque, ops::Range};
use tokio::time::{Instant, sleep};

/// Reads one metachunk, stripe by stripe.
pub(crate) struct MetachunkReader<'a> {
    context: &'a ReadContext,
    whereabouts: &'a mut Whereabouts,
    extent: usize,
    number: u32,
    method: Method,
    origin: BlobId,
    length: u64,
    geometry: Geometry,
    decoder: Option<Decoder>,
    plan: ReadPlan,
    streams: Vec<Option<BlockStream>>,
    fragments: Vec<Option<Fragment>>,
    losses: Vec<(usize, Loss)>,
    /// Positions whose volume is down, or failed a moment ago.
    poor: Mask,
    /// The last stripe of the part that is read: streams are opened up to it.
    last: Option<Stripe>,
    relocated: bool,
}

impl<'a> MetachunkReader<'a> {
    pub(crate) fn new(
        context: &'a ReadContext,
        whereabouts: &'a mut Whereabouts,
        extent: usize,
        number: u32,
    ) -> Result<Self, Error> {
        let (table, row) = row(whereabouts, extent, number)?;
        let (method, origin, length) = (table.method, table.origin, row.length);
        let width = method.width();
        if row.volumes.len() != width {
            return Err(Error::corrupt(format!(
                "metachunk {number} has {} positions; its method {method} has {width}",
                row.volumes.len()
            )));
        }
        let volumes = (0..width).zip(&row.volumes);
        let absent = volumes.filter(|(_, v)| v.is_none()).fold(0, |mask, (p, _)| mask | 1 << p);
        let copies = matches!(method, Method::Copies { .. });
        let mut reader = Self {
            context,
            whereabouts,
            extent,
            number,
            method,
            origin,
            length,
            geometry: Geometry::new(method),
            decoder: Decoder::new(method).map_err(undecodable)?,
            plan: ReadPlan::new(method.data(), copies, Vec::new(), absent),
            streams: (0..width).map(|_| None).collect(),
            fragments: vec![None; width],
            losses: Vec::new(),
            poor: 0,
            last: None,
            relocated: false,
        };
        reader.poor = reader.find_poor();
        reader.plan = ReadPlan::new(method.data(), copies, reader.order(), absent);
        Ok(reader)
    }

    /// Reads a part of the metachunk into the sink.
    pub(crate) async fn read(mut self, range: Range<u64>, sink: &mut Sink) -> Result<(), Error> {
        let parts: Vec<StripeRange> = self.geometry.range(self.length, range).collect();
        self.last = parts.last().map(|part| part.stripe);
        for part in &parts {
            let slices = self.read_stripe(part).await?;
            sink.push(slices).await?;
        }
        Ok(())
    }

    fn row(&self) -> Result<(&Extent, &Metachunk), Error> {
        row(self.whereabouts, self.extent, self.number)
    }

    /// The chunk of a position, if it should have one.
    fn source(&self, position: usize) -> Option<ChunkSource> {
        let (table, row) = self.row().ok()?;
        let id = (*row.volumes.get(position)?)?;
        let name = table.chunk_name(self.number, position as u8)?;
        let unknown = || VolumeRef::unknown(id);
        let volume = self.whereabouts.volumes.get(&id).cloned().unwrap_or_else(unknown);
        Some(ChunkSource { volume, name })
    }

    /// Positions in the order in which they are turned to: data before parity, and among equals
    /// those that answer, by latency and score.
    fn order(&self) -> Vec<usize> {
        let data = match self.method {
            Method::Copies { .. } => 0,
            Method::Erasure { data, .. } => data.into(),
        };
        let health = &self.context.servers.health;
        let mut order: Vec<usize> = (0..self.method.width()).collect();
        order.sort_by_cached_key(|position| {
            let volume = self.source(*position).map(|s| s.volume);
            let rank = volume.map(|v| {
                let poor = !v.up || health.is_shunned(v.id);
                (poor, health.latency(v.id).as_millis(), std::cmp::Reverse(v.score))
            });
            (*position >= data, rank.is_none(), rank, *position)
        });
        order
    }

    fn find_poor(&self) -> Mask {
        let health = &self.context.servers.health;
        let poor = |p: &usize| {
            let volume = self.source(*p).map(|s| s.volume);
            volume.is_some_and(|v| !v.up || health.is_shunned(v.id))
        };
        (0..self.method.width()).filter(poor).fold(0, |mask, p| mask | 1 << p)
    }

    /// The bytes of a part of a stripe.
    async fn read_stripe(&mut self, part: &StripeRange) -> Result<Vec<Bytes>, Error> {
        let stripe = part.stripe;
        let wanted = match self.method {
            Method::Copies { .. } => 1,
            Method::Erasure { .. } => part.fragments().fold(0, |mask, (j, _)| mask | 1 << j),
        };
        self.fragments.fill(None);
        let mut commands: VecDeque<Command> = self.plan.begin(wanted, self.poor).into();
        let mut pulls = FuturesUnordered::new();
        let volumes = self.row()?.1.volumes.clone();
        let patience = self.context.servers.health.late_after(volumes.into_iter().flatten());
        let late = sleep(patience);
        tokio::pin!(late);
        let (mut hedged, mut mismatched, mut forgiven) = (false, false, false);
        loop {
            while let Some(command) = commands.pop_front() {
                match command {
                    Command::Fetch(position) => match self.stream(position, &stripe) {
                        Some(stream) => pulls.push(pull(position, stream, stripe)),
                        None => {
                            let event = Event::Lost { position, gone: Gone::Lost };
                            commands.extend(self.plan.handle(event));
                        }
                    },
                    Command::Direct(position) => {
                        self.end_stripe();
                        return self.direct(part, position);
                    }
                    Command::Decode(from) => match self.decode(part, from, mismatched)? {
                        Some(slices) => {
                            self.end_stripe();
                            return Ok(slices);
                        }
                        None => {
                            mismatched = true;
                            commands.extend(self.plan.handle(Event::Mismatch));
                        }
                    },
                    Command::Exhausted => {
                        commands.extend(self.last_resort(&stripe, &mut forgiven).await?);
                    }
                }
            }
            tokio::select! {
                biased;
                Some((position, stream, result)) = pulls.next() => {
                    self.streams[position] = stream;
                    commands.extend(self.arrived(position, result));
                }
                () = &mut late, if !hedged => {
                    // More than one may be late, until nothing is left to ask.
                    late.as_mut().reset(Instant::now() + patience);
                    if self.context.servers.health.take_hedge() {
                        let more = self.plan.handle(Event::Hedge);
                        hedged = more.is_empty();
                        Counters::add(&self.context.counters.fetches_hedged, more.len() as u64);
                        commands.extend(more);
                    }
                }
                else => return Err(Error::internal("a read waits for nothing")),
            }
        }
    }

    /// The stream of a position's blocks from this stripe on: the open one if it is there.
    fn stream(&mut self, position: usize, stripe: &Stripe) -> Option<BlockStream> {
        let open = self.streams[position].take();
        if let Some(open) = open.filter(|stream| stream.is_at(stripe.number())) {
            return Some(open);
        }
        let source = self.source(position)?;
        self.context.servers.health.earn_hedge();
        let last = self.last.unwrap_or(*stripe);
        let servers = self.context.servers.clone();
        Some(BlockStream::new(servers, source, self.origin, stripe, &last))
    }

    fn arrived(&mut self, position: usize, result: Result<Fragment, Loss>) -> Vec<Command> {
        match result {
            Ok(fragment) => {
                let stripe_crc = fragment.stripe_crc;
                self.fragments[position] = Some(fragment);
                self.plan.handle(Event::Got { position, stripe_crc })
            }
            Err(loss) => {
                let gone = match loss {
                    Loss::Slow | Loss::Unreachable(_) => Gone::Late,
                    Loss::Missing | Loss::Corrupt(_) => Gone::Lost,
                };
                self.note_loss(position, loss);
                self.plan.handle(Event::Lost { position, gone })
            }
        }
    }

    fn note_loss(&mut self, position: usize, loss: Loss) {
        self.streams[position] = None;
        if let Some(source) = self.source(position) {
            tracing::debug!(chunk = %source.name, volume = %source.volume.id, %loss, "a loss");
            self.context.damages.note(source.name, source.volume.id, &loss);
        }
        self.losses.push((position, loss));
        self.poor = self.find_poor();
    }

    /// What was late is cut off, and its volume turned to last for a while.
    fn end_stripe(&mut self) {
        let late = self.plan.end();
        for position in (0..self.method.width()).filter(|p| has(late, *p)) {
            if let Some(source) = self.source(position) {
                self.context.servers.health.failed(source.volume.id);
            }
        }
    }

    /// What is wanted, from the fragments themselves.
    fn direct(&mut self, part: &StripeRange, copy: usize) -> Result<Vec<Bytes>, Error> {
        let missing = || Error::internal("a fragment that came is not there");
        let mut slices = Vec::new();
        if let Method::Copies { .. } = self.method {
            let fragment = self.fragments[copy].as_ref().ok_or_else(missing)?;
            fragment.part(part.range.clone(), &mut slices);
            return Ok(slices);
        }
        for (j, range) in part.fragments() {
            self.fragments[j].as_ref().ok_or_else(missing)?.part(range, &mut slices);
        }
        self.check_stripe_sums(&part.stripe);
        Ok(slices)
    }

    /// What is wanted, decoded; `None` if the fragments do not give the stripe.
    fn decode(
        &mut self,
        part: &StripeRange,
        from: Mask,
        mismatched: bool,
    ) -> Result<Option<Vec<Bytes>>, Error> {
        let decoder =
            self.decoder.as_ref().ok_or_else(|| Error::internal("copies were to be decoded"))?;
        let Some(data) =
            decoder.decode(&part.stripe, &self.fragments, from).map_err(undecodable)?
        else {
            return Ok(None);
        };
        Counters::add(&self.context.counters.stripes_decoded, 1);
        if mismatched {
            let suspects = self.plan.ready() & !from;
            let rotten = decoder.rotten(&part.stripe, &self.fragments, from, suspects);
            let rotten = rotten.map_err(undecodable)?;
            self.plan.lose(rotten);
            for position in (0..self.method.width()).filter(|p| has(rotten, *p)) {
                let why = format!("block {} is not of its stripe", part.stripe.number());
                self.note_loss(position, Loss::Corrupt(why));
            }
        }
        Ok(Some(part.fragments().map(|(j, range)| data[j].slice(range)).collect()))
    }
}

/// A defect: what was handed to the code does not fit it.
fn undecodable(error: erasure::Error) -> Error {
    Error::internal(error.to_string())
}

fn row(
    whereabouts: &Whereabouts,
    extent: usize,
    number: u32,
) -> Result<(&Extent, &Metachunk), Error> {
    let table = whereabouts.object.extents().get(extent);
    let row = table.and_then(|table| Some((table, table.metachunks.get(number as usize)?)));
    row.ok_or_else(|| Error::unavailable("the object was replaced while it was read"))
}

/// Reads the next block. A stream that broke after it had given blocks is worth another
/// connection: servers close those whose reader pauses for long.
async fn pull(
    position: usize,
    mut stream: BlockStream,
    stripe: Stripe,
) -> (usize, Option<BlockStream>, Result<Fragment, Loss>) {
    let mut result = stream.next(&stripe).await;
    if let Err(Loss::Unreachable(_)) = &result
        && stream.reopen(&stripe)
    {
        result = stream.next(&stripe).await;
    }
    (position, Some(stream), result)
}
