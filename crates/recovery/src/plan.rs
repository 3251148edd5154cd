//! Reading one metachunk, stripe by stripe: which fragments to fetch, when to decode and from
//! which.
//!
//! The fragments that are wanted come first, so that the healthy path decodes nothing. A lost
//! one brings in others until k agree on the stripe they belong to; if what they decode to is
//! not that stripe, other combinations of them are tried, with one more fragment at a time.
//! What is lost stays lost for the stripes that follow.

use std::collections::BTreeSet;

/// Combinations of survivors tried for one stripe. One rotten fragment is found with k+1 of
/// them, two with a few hundred; more than that is beyond hope.
const MOST_COMBINATIONS: usize = 2000;

/// A set of positions.
pub type Mask = u32;

/// Whether a position is in a set.
pub fn has(mask: Mask, position: usize) -> bool {
    mask >> position & 1 == 1
}

/// Why a position is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gone {
    /// There is no chunk, or it is of no use.
    Lost,
    /// It was slow: of use if nothing else is left.
    Late,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The fragment of a position came, and says its stripe has this sum.
    Got {
        /// Which.
        position: usize,
        /// The sum.
        stripe_crc: u32,
    },
    /// The fragment of a position will not come.
    Lost {
        /// Which.
        position: usize,
        /// For how long.
        gone: Gone,
    },
    /// What was fetched is late, and another fetch is allowed.
    Hedge,
    /// What was decoded last is not the stripe.
    Mismatch,
    /// Positions that were lost may be there after all.
    Found(Mask),
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Fetch the fragment of a position.
    Fetch(usize),
    /// The wanted fragments are there: of copies, this one.
    Direct(usize),
    /// Decode from these.
    Decode(Mask),
    /// Nothing is left to try.
    Exhausted,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Idle,
    Asked,
    Ready(u32),
    Gone(Gone),
}

/// The plan of one metachunk.
#[derive(Debug)]
pub struct ReadPlan {
    needed: usize,
    copies: bool,
    /// Positions in the order in which they are turned to.
    order: Vec<usize>,
    states: Vec<State>,
    /// Positions that were read last: their streams are open.
    warm: Mask,
    wanted: Mask,
    tried: BTreeSet<Mask>,
}

impl ReadPlan {
    /// A plan for fragments of which `needed` give the others back; for copies, any is all.
    /// `order` has every position, best first; those in `absent` have no chunk.
    pub fn new(needed: usize, copies: bool, order: Vec<usize>, absent: Mask) -> Self {
        let width = order.len();
        let state = |p| if has(absent, p) { State::Gone(Gone::Lost) } else { State::Idle };
        let states = (0..width).map(state).collect();
        Self { needed, copies, order, states, warm: 0, wanted: 0, tried: BTreeSet::new() }
    }

    fn mask(&self, of: impl Fn(State) -> bool) -> Mask {
        let set = self.states.iter().enumerate().filter(|(_, s)| of(**s));
        set.fold(0, |mask, (position, _)| mask | 1 << position)
    }

    /// Begins a stripe of which the fragments `wanted` are to be read; `avoid` are turned to
    /// only if need be.
    pub fn begin(&mut self, wanted: Mask, avoid: Mask) -> Vec<Command> {
        self.tried.clear();
        self.wanted = wanted;
        // A fetch that nobody waited for any more was cut off: its position can be asked anew.
        for state in &mut self.states {
            if matches!(state, State::Asked | State::Ready(_)) {
                *state = State::Idle;
            }
        }
        let idle = self.mask(|s| s == State::Idle);
        let healthy = !self.copies && wanted & idle & !avoid == wanted;
        if healthy {
            let fetched = (0..self.states.len()).filter(|p| has(wanted, *p));
            return fetched.map(|position| self.fetch(position)).collect();
        }
        let first = if self.copies { 0 } else { wanted & idle & !avoid };
        self.fill(first, avoid)
    }

    /// Fetches `first`, then what is missing to as many as needed: warm ones before others,
    /// those to avoid last.
    fn fill(&mut self, first: Mask, avoid: Mask) -> Vec<Command> {
        let mut commands = Vec::new();
        for group in [first, self.warm & !avoid, !avoid, Mask::MAX] {
            for position in self.order.clone() {
                let active = self.mask(|s| matches!(s, State::Asked | State::Ready(_)));
                let enough = active.count_ones() as usize >= self.needed;
                if has(group, position) && self.states[position] == State::Idle && !enough {
                    commands.push(self.fetch(position));
                }
            }
        }
        if commands.is_empty() {
            commands.extend(self.next());
        }
        commands
    }

    fn fetch(&mut self, position: usize) -> Command {
        self.states[position] = State::Asked;
        Command::Fetch(position)
    }

    /// Takes an event; says what to do.
    pub fn handle(&mut self, event: Event) -> Vec<Command> {
        match event {
            Event::Got { position, stripe_crc } => {
                self.states[position] = State::Ready(stripe_crc);
            }
            Event::Lost { position, gone } => {
                self.states[position] = State::Gone(gone);
                self.warm &= !(1 << position);
            }
            Event::Hedge => return self.one_more().into_iter().collect(),
            Event::Mismatch => {}
            Event::Found(found) => {
                for (position, state) in self.states.iter_mut().enumerate() {
                    if has(found, position) && matches!(state, State::Gone(_)) {
                        *state = State::Idle;
                    }
                }
            }
        }
        self.next()
    }

    /// Positions that were slow.
    pub fn late(&self) -> Mask {
        self.mask(|s| s == State::Gone(Gone::Late))
    }

    /// The stripe is read. What was wanted and did not come in time is late from now on; these
    /// positions are given.
    pub fn end(&mut self) -> Mask {
        let late = self.asked() & if self.copies { Mask::MAX } else { self.wanted };
        for (position, state) in self.states.iter_mut().enumerate() {
            if has(late, position) {
                *state = State::Gone(Gone::Late);
            }
        }
        late
    }

    /// Positions are of no use from now on.
    pub fn lose(&mut self, positions: Mask) {
        for (position, state) in self.states.iter_mut().enumerate() {
            if has(positions, position) {
                *state = State::Gone(Gone::Lost);
            }
        }
        self.warm &= !positions;
    }

    /// Positions whose fragment was asked for and has not come.
    pub fn asked(&self) -> Mask {
        self.mask(|s| s == State::Asked)
    }

    /// Positions whose fragment is there.
    pub fn ready(&self) -> Mask {
        self.mask(|s| matches!(s, State::Ready(_)))
    }

    fn next(&mut self) -> Vec<Command> {
        let ready = self.ready();
        if self.copies {
            if ready != 0 {
                return self.done(ready, Command::Direct(ready.trailing_zeros() as usize));
            }
        } else if ready & self.wanted == self.wanted {
            return self.done(ready, Command::Direct(0));
        } else if let Some(mask) = self.combination() {
            self.tried.insert(mask);
            return self.done(ready, Command::Decode(mask));
        }
        let gone = self.mask(|s| matches!(s, State::Gone(_)));
        let pending = self.asked();
        // While all that is wanted may still come there is no need of others.
        let may_come = pending != 0 && self.wanted & gone == 0 && !self.copies;
        let coming = (ready | pending).count_ones() as usize;
        // Enough that were tried in vain are not enough.
        let hopeless = pending == 0 && coming >= self.needed;
        if may_come || (coming >= self.needed && !hopeless) {
            return Vec::new();
        }
        let missing = if hopeless { 1 } else { self.needed - coming };
        let more: Vec<_> = (0..missing).map_while(|_| self.one_more()).collect();
        if more.is_empty() && pending == 0 {
            return vec![Command::Exhausted];
        }
        more
    }

    fn done(&mut self, ready: Mask, command: Command) -> Vec<Command> {
        self.warm = ready;
        vec![command]
    }

    fn one_more(&mut self) -> Option<Command> {
        let idle = |p: &&usize| self.states[**p] == State::Idle;
        let position = *self.order.iter().find(idle)?;
        Some(self.fetch(position))
    }

    /// A set of as many fragments as needed that agree on their stripe and were not tried.
    fn combination(&self) -> Option<Mask> {
        if self.tried.len() >= MOST_COMBINATIONS {
            return None;
        }
        let sums: BTreeSet<u32> = self
            .states
            .iter()
            .filter_map(|s| if let State::Ready(crc) = s { Some(*crc) } else { None })
            .collect();
        sums.into_iter().find_map(|crc| {
            let group = self.mask(|s| s == State::Ready(crc));
            subsets(group, self.needed).find(|mask| !self.tried.contains(mask))
        })
    }
}

/// The subsets of `count` elements of a set, the one of its first elements first.
fn subsets(of: Mask, count: usize) -> impl Iterator<Item = Mask> {
    let elements: Vec<u32> = (0..Mask::BITS).filter(|p| of >> p & 1 == 1).collect();
    let mut chosen: Option<Vec<usize>> =
        (count <= elements.len() && count > 0).then(|| (0..count).collect());
    std::iter::from_fn(move || {
        let current = chosen.clone()?;
        chosen = successor(current.clone(), elements.len());
        Some(current.iter().fold(0, |mask, at| mask | 1 << elements[*at]))
    })
}

/// The next choice of places in lexicographic order.
fn successor(mut choice: Vec<usize>, places: usize) -> Option<Vec<usize>> {
    let count = choice.len();
    let at = (0..count).rev().find(|at| choice[*at] < places - count + at)?;
    choice[at] += 1;
    for next in at + 1..count {
        choice[next] = choice[next - 1] + 1;
    }
    Some(choice)
}

#[cfg(test)]
mod tests;
