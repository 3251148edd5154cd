//! Writing one metachunk: which positions to open where, when to give one up, and whether
//! enough chunks became durable.
//!
//! All positions open at once. One that fails before its server wants the body is opened again
//! on a spare; later it is dropped. A position without progress for five seconds, while others
//! moved, counts as failed. Every position is waited for; the metachunk succeeds if a quorum
//! acknowledged, and fails as soon as that is out of reach.

use model::VolumeId;
use std::{collections::VecDeque, time::Duration};

/// How long a position may stand still while others move.
pub(crate) const STALL: Duration = Duration::from_secs(5);

/// How long all positions may stand still together, with bytes to take.
pub(crate) const STANDSTILL: Duration = Duration::from_secs(30);

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Event {
    /// The server of a position wants the body.
    Connected(usize),
    /// The chunk of a position is durable.
    Acknowledged(usize),
    /// A position cannot be written where it was opened.
    Failed(usize),
    /// How far everything is: bytes handed to each position, whether that was all, and the
    /// bytes that each position took.
    Progress { fed: u64, ended: bool, taken: Vec<u64> },
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    /// Start writing a position on a volume; an earlier try of it is over.
    Open { position: usize, volume: VolumeId },
    /// Give a position up.
    Drop { position: usize, stalled: bool },
    /// Every position is settled and enough are durable: on these volumes.
    Succeed(Vec<Option<VolumeId>>),
    /// A quorum is out of reach.
    Fail,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Opening,
    Streaming,
    Acknowledged,
    Dropped,
}

#[derive(Debug)]
struct Position {
    volume: VolumeId,
    state: State,
    taken: u64,
    /// When it last moved, or was last without anything to do.
    moved: Duration,
}

/// The plan of one metachunk.
#[derive(Debug)]
pub(crate) struct WritePlan {
    quorum: usize,
    positions: Vec<Position>,
    spares: VecDeque<VolumeId>,
    over: bool,
}

impl WritePlan {
    /// The plan, and what it starts with. A position without a volume is dropped from the start:
    /// too few volumes took chunks when it was placed.
    pub(crate) fn new(
        quorum: usize,
        volumes: &[Option<VolumeId>],
        spares: impl IntoIterator<Item = VolumeId>,
        now: Duration,
    ) -> (Self, Vec<Command>) {
        let position = |volume: &Option<VolumeId>| Position {
            volume: volume.unwrap_or_default(),
            state: if volume.is_some() { State::Opening } else { State::Dropped },
            taken: 0,
            moved: now,
        };
        let positions: Vec<_> = volumes.iter().map(position).collect();
        let opens = volumes.iter().enumerate();
        let first = |(position, &volume): (usize, &Option<VolumeId>)| match volume {
            Some(volume) => Command::Open { position, volume },
            None => Command::Drop { position, stalled: false },
        };
        let opens = opens.map(first).collect();
        (Self { quorum, positions, spares: spares.into_iter().collect(), over: false }, opens)
    }

    /// Chunks known to be durable.
    pub(crate) fn durable(&self) -> usize {
        self.positions.iter().filter(|p| p.state == State::Acknowledged).count()
    }

    /// Takes an event; says what to do.
    pub(crate) fn handle(&mut self, now: Duration, event: Event) -> Vec<Command> {
        let mut commands = Vec::new();
        if self.over {
            return commands;
        }
        match event {
            Event::Connected(at) => self.advance(now, at, State::Streaming),
            Event::Acknowledged(at) => self.advance(now, at, State::Acknowledged),
            Event::Failed(at) => self.fail(now, at, false, &mut commands),
            Event::Progress { fed, ended, taken } => {
                self.note_progress(now, fed, ended, &taken);
                for at in 0..self.positions.len() {
                    if self.is_stalled(now, at) {
                        self.fail(now, at, true, &mut commands);
                    }
                }
            }
        }
        self.settle(&mut commands);
        commands
    }

    /// Moves a position on, never back, and never once it was dropped.
    fn advance(&mut self, now: Duration, at: usize, to: State) {
        let Some(position) = self.positions.get_mut(at) else { return };
        match (position.state, to) {
            (State::Opening, _) | (State::Streaming, State::Acknowledged) => {
                position.state = to;
                position.moved = now;
            }
            _ => {}
        }
    }

    /// A failure before the body was wanted goes to a spare; a later one drops the position.
    fn fail(&mut self, now: Duration, at: usize, stalled: bool, commands: &mut Vec<Command>) {
        let Some(position) = self.positions.get_mut(at) else { return };
        match position.state {
            State::Opening => match self.spares.pop_front() {
                Some(volume) => {
                    position.volume = volume;
                    position.moved = now;
                    commands.push(Command::Open { position: at, volume });
                }
                None => {
                    position.state = State::Dropped;
                    commands.push(Command::Drop { position: at, stalled });
                }
            },
            State::Streaming => {
                position.state = State::Dropped;
                commands.push(Command::Drop { position: at, stalled });
            }
            State::Acknowledged | State::Dropped => {}
        }
    }

    fn note_progress(&mut self, now: Duration, fed: u64, ended: bool, taken: &[u64]) {
        for (position, &taken) in self.positions.iter_mut().zip(taken) {
            let idle = position.state == State::Streaming && taken >= fed && !ended;
            if taken > position.taken || idle {
                position.taken = taken;
                position.moved = now;
            }
        }
    }

    fn is_stalled(&self, now: Duration, at: usize) -> bool {
        let Some(position) = self.positions.get(at) else { return false };
        if !matches!(position.state, State::Opening | State::Streaming) {
            return false;
        }
        let ahead = |other: &Position| match (position.state, other.state) {
            (_, State::Acknowledged) => true,
            (State::Opening, State::Streaming) => true,
            (State::Streaming, State::Streaming) => other.taken > position.taken,
            _ => false,
        };
        let patience = if self.positions.iter().any(ahead) { STALL } else { STANDSTILL };
        now.saturating_sub(position.moved) >= patience
    }

    fn settle(&mut self, commands: &mut Vec<Command>) {
        let alive = |p: &&Position| p.state != State::Dropped;
        if self.positions.iter().filter(alive).count() < self.quorum {
            self.over = true;
            commands.push(Command::Fail);
            return;
        }
        let settled = |p: &Position| matches!(p.state, State::Acknowledged | State::Dropped);
        if self.positions.iter().all(settled) {
            self.over = true;
            let durable = |p: &Position| (p.state == State::Acknowledged).then_some(p.volume);
            commands.push(Command::Succeed(self.positions.iter().map(durable).collect()));
        }
    }
}

#[cfg(test)]
#[path = "write_tests.rs"]
mod tests;
