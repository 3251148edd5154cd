//! Reading the stripes of a metachunk for one of its positions: carries out a [`ReadPlan`].

use super::{
    Source, Wanted, corrupt,
    source::{BlockStream, footer},
};
use bytes::Bytes;
use futures::{StreamExt, stream::FuturesUnordered};
use layout::{Footer, Stripe, fragment_crc};
use model::{Error, Hash, Method};
use recovery::{Command, Decoder, Event, Fragment, Gone, Loss, Mask, ReadPlan, has};
use std::{collections::VecDeque, time::Duration};
use tokio::time::{Instant, sleep};
use transport::HttpPool;

/// A stripe that has not come after so long is asked of one more source.
const LATE: Duration = Duration::from_secs(1);

/// The stripes of a metachunk, in order.
pub(super) struct Stripes<'a> {
    pool: &'a HttpPool,
    wanted: &'a Wanted,
    decoder: Option<Decoder>,
    plan: ReadPlan,
    streams: Vec<Option<BlockStream>>,
    fragments: Vec<Option<Fragment>>,
    losses: Vec<(usize, Loss)>,
    read: u64,
}

impl<'a> Stripes<'a> {
    /// Reads from the sources; from the chunk itself, under an older name, only if `twin`.
    pub(super) fn new(pool: &'a HttpPool, wanted: &'a Wanted, twin: bool) -> Result<Self, Error> {
        let (method, width) = (wanted.method, wanted.method.width());
        let target = usize::from(wanted.name.position);
        let mut absent = Mask::MAX;
        for source in &wanted.sources {
            absent &= !(1 << source.name.position);
        }
        let copies = matches!(method, Method::Copies { .. });
        if !twin && !copies {
            absent |= 1 << target;
        }
        // Data before parity: with all of it there is nothing to decode but what is wanted.
        let data = if copies { 0 } else { method.data() };
        let rank = |position: usize| {
            let given =
                wanted.sources.iter().position(|s| usize::from(s.name.position) == position);
            (position >= data, given.is_none(), given, position)
        };
        let mut order: Vec<usize> = (0..width).collect();
        order.sort_by_key(|position| rank(*position));
        Ok(Self {
            pool,
            wanted,
            decoder: Decoder::new(method).map_err(defect)?,
            plan: ReadPlan::new(method.data(), copies, order, absent),
            streams: (0..width).map(|_| None).collect(),
            fragments: vec![None; width],
            losses: Vec::new(),
            read: 0,
        })
    }

    /// What the chunk's footer is, by the first source that has one.
    pub(super) async fn footer(&mut self) -> Result<Footer, Error> {
        for source in self.usable() {
            match footer(self.pool, &source, self.wanted).await {
                Ok(footer) => return Ok(self.own(footer)),
                Err(loss) => self.lose(usize::from(source.name.position), loss),
            }
        }
        Err(self.unreadable("no source has a footer"))
    }

    /// The footer that has this hash over the stripes' sums, as the stripes that were read do:
    /// `first`, or that of another source.
    pub(super) async fn footer_of(
        &mut self,
        first: Footer,
        stripes: Hash,
    ) -> Result<Footer, Error> {
        if first.stripes == stripes {
            return Ok(first);
        }
        for source in self.usable() {
            if let Ok(footer) = footer(self.pool, &source, self.wanted).await
                && footer.stripes == stripes
            {
                return Ok(self.own(footer));
            }
        }
        Err(corrupt(self.wanted, "no source's footer has the hash of the stripes that were read"))
    }

    fn own(&self, footer: Footer) -> Footer {
        Footer { position: self.wanted.name.position, ..footer }
    }

    /// Bytes read, and the positions that are missing or damaged.
    pub(super) fn outcome(&self) -> (u64, Vec<u8>) {
        let damaged = |(_, loss): &&(usize, Loss)| matches!(loss, Loss::Missing | Loss::Corrupt(_));
        let mut lost: Vec<u8> =
            self.losses.iter().filter(damaged).map(|(position, _)| *position as u8).collect();
        lost.sort_unstable();
        lost.dedup();
        (self.read, lost)
    }

    /// Sources that were not lost yet.
    fn usable(&self) -> Vec<Source> {
        let lost = |s: &&Source| {
            !self.losses.iter().any(|(position, _)| *position == usize::from(s.name.position))
        };
        self.wanted.sources.iter().filter(lost).cloned().collect()
    }

    /// The wanted position's fragment of a stripe, and the stripe's sum.
    pub(super) async fn fragment(&mut self, stripe: &Stripe) -> Result<(Bytes, u32), Error> {
        let target = usize::from(self.wanted.name.position);
        self.fragments.fill(None);
        let mut commands: VecDeque<Command> = self.plan.begin(1 << target, 0).into();
        let mut pulls = FuturesUnordered::new();
        let late = sleep(LATE);
        tokio::pin!(late);
        let (mut hedged, mut mismatched, mut forgiven) = (false, false, false);
        loop {
            while let Some(command) = commands.pop_front() {
                match command {
                    Command::Fetch(position) => match self.stream(position, stripe) {
                        Some(stream) => pulls.push(pull(position, stream, *stripe)),
                        None => {
                            let event = Event::Lost { position, gone: Gone::Lost };
                            commands.extend(self.plan.handle(event));
                        }
                    },
                    Command::Direct(copy) => {
                        self.plan.end();
                        let copies = matches!(self.wanted.method, Method::Copies { .. });
                        return self.direct(if copies { copy } else { target });
                    }
                    Command::Decode(from) => match self.decode(stripe, from, mismatched)? {
                        Some(fragment) => {
                            self.plan.end();
                            return Ok(fragment);
                        }
                        None => {
                            mismatched = true;
                            commands.extend(self.plan.handle(Event::Mismatch));
                        }
                    },
                    Command::Exhausted => {
                        let late = self.plan.late();
                        if forgiven || late == 0 {
                            return Err(self.unreadable(&format!("stripe {}", stripe.number())));
                        }
                        // Nothing else is left: the slow ones are asked once more.
                        forgiven = true;
                        commands.extend(self.plan.handle(Event::Found(late)));
                    }
                }
            }
            tokio::select! {
                biased;
                Some((position, stream, result)) = pulls.next() => {
                    self.streams[position] = Some(stream);
                    commands.extend(self.arrived(position, result));
                }
                () = &mut late, if !hedged => {
                    // More than one may be late, until nothing is left to ask.
                    late.as_mut().reset(Instant::now() + LATE);
                    let more = self.plan.handle(Event::Hedge);
                    hedged = more.is_empty();
                    commands.extend(more);
                }
                else => return Err(Error::internal("a rebuild waits for nothing")),
            }
        }
    }

    /// The stream of a position's blocks from this stripe on: the open one if it is there.
    fn stream(&mut self, position: usize, stripe: &Stripe) -> Option<BlockStream> {
        let open = self.streams[position].take();
        if let Some(open) = open.filter(|stream| stream.is_at(stripe.number())) {
            return Some(open);
        }
        let is_it = |s: &&Source| usize::from(s.name.position) == position;
        let source = self.wanted.sources.iter().find(is_it)?.clone();
        Some(BlockStream::new(self.pool, source, self.wanted.origin, stripe.number()))
    }

    fn arrived(&mut self, position: usize, result: Result<Fragment, Loss>) -> Vec<Command> {
        let checked = result.and_then(|fragment| self.check_copy(fragment));
        match checked {
            Ok(fragment) => {
                let stripe_crc = fragment.stripe_crc;
                self.read += fragment.slices.iter().map(|s| s.len() as u64).sum::<u64>();
                self.fragments[position] = Some(fragment);
                self.plan.handle(Event::Got { position, stripe_crc })
            }
            Err(loss) => {
                let gone = match loss {
                    Loss::Slow | Loss::Unreachable(_) => Gone::Late,
                    Loss::Missing | Loss::Corrupt(_) => Gone::Lost,
                };
                self.lose(position, loss);
                self.plan.handle(Event::Lost { position, gone })
            }
        }
    }

    /// The data of a copy is all of its stripe, whose sum it must have. A block's own sum does
    /// not cover what it says of the stripe.
    fn check_copy(&self, fragment: Fragment) -> Result<Fragment, Loss> {
        if let Method::Copies { .. } = self.wanted.method {
            let (stored, computed) = (fragment.stripe_crc, fragment_crc(&fragment.contiguous()));
            if stored != computed {
                return Err(Loss::Corrupt(format!(
                    "a block says its stripe's sum is {stored:08x}, but it is {computed:08x}"
                )));
            }
        }
        Ok(fragment)
    }

    fn lose(&mut self, position: usize, loss: Loss) {
        self.streams[position] = None;
        tracing::debug!(chunk = %self.wanted.name, position, %loss, "a source is lost");
        self.losses.push((position, loss));
    }

    fn direct(&self, position: usize) -> Result<(Bytes, u32), Error> {
        let fragment = self.fragments.get(position).and_then(Option::as_ref);
        let fragment =
            fragment.ok_or_else(|| Error::internal("a fragment that came is not there"))?;
        Ok((fragment.contiguous(), fragment.stripe_crc))
    }

    /// The wanted fragment, from these; `None` if they do not give their stripe.
    fn decode(
        &mut self,
        stripe: &Stripe,
        from: Mask,
        mismatched: bool,
    ) -> Result<Option<(Bytes, u32)>, Error> {
        let decoder = self.decoder.as_ref();
        let decoder = decoder.ok_or_else(|| Error::internal("copies were to be decoded"))?;
        let Some(data) = decoder.decode(stripe, &self.fragments, from).map_err(defect)? else {
            return Ok(None);
        };
        let target = usize::from(self.wanted.name.position);
        let fragment = decoder.fragment(&data, target).map_err(defect)?;
        let first = from.trailing_zeros() as usize;
        let (_, stripe_crc) = self.direct(first)?;
        if mismatched {
            let suspects = self.plan.ready() & !from;
            let rotten = decoder.rotten(stripe, &self.fragments, from, suspects).map_err(defect)?;
            self.plan.lose(rotten);
            for position in (0..self.fragments.len()).filter(|p| has(rotten, *p)) {
                let why = format!("block {} is not of its stripe", stripe.number());
                self.lose(position, Loss::Corrupt(why));
            }
        }
        Ok(Some((fragment, stripe_crc)))
    }

    fn unreadable(&self, what: &str) -> Error {
        let reasons: Vec<_> = self
            .losses
            .iter()
            .map(|(position, loss)| format!("position {position}: {loss}"))
            .collect();
        let why = format!(
            "{what}: fewer than {} sound fragments are left; {}",
            self.wanted.method.data(),
            reasons.join("; ")
        );
        let may_come_back =
            |(_, loss): &(usize, Loss)| matches!(loss, Loss::Slow | Loss::Unreachable(_));
        if self.losses.iter().any(may_come_back) {
            Error::unavailable(format!("chunk {} cannot be rebuilt now: {why}", self.wanted.name))
        } else {
            corrupt(self.wanted, why)
        }
    }
}

/// A defect: what was handed to the code does not fit it.
fn defect(error: erasure::Error) -> Error {
    Error::internal(error.to_string())
}

async fn pull(
    position: usize,
    mut stream: BlockStream,
    stripe: Stripe,
) -> (usize, BlockStream, Result<Fragment, Loss>) {
    let result = stream.next(&stripe).await;
    (position, stream, result)
}
