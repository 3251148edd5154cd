//! Volumes for single chunks: spares of a write, targets of a rebuild.

use crate::{
    candidate::{Candidates, LEVELS},
    quota,
    seed::Sequence,
};
use model::{Method, Volume, VolumeId};

/// Up to `count` volumes for lost chunks of a metachunk whose other chunks are on `keep`, best
/// choice first: drawn by weight from those that keep every domain within its fair share; where
/// there are none, from those that keep every host within m chunks; where there are none, from
/// all that take chunks. Volumes in `keep` or `avoid` are passed over.
pub fn replacements(
    volumes: &[Volume],
    method: Method,
    keep: &[VolumeId],
    avoid: &[VolumeId],
    count: usize,
    seed: u64,
) -> Vec<VolumeId> {
    // Kept volumes load their domains, also those that take no chunks any more.
    let usable = |v: &&Volume| keep.contains(&v.id) || (v.takes_chunks() && !avoid.contains(&v.id));
    let candidates = Candidates::new(volumes.iter().filter(usable), seed);
    let width = method.width();
    let bound = quota::host_bound(&candidates.per_host(), width, method.parity().max(1));
    let mut loads = Loads::new(&candidates, width, bound);
    for (at, candidate) in candidates.list.iter().enumerate() {
        if keep.contains(&candidate.id) {
            loads.add(at);
        }
    }
    loads.draw(count, &mut Sequence::new(seed))
}

/// How many chunks of a metachunk each domain has.
pub(crate) struct Loads<'a> {
    candidates: &'a Candidates,
    taken: Vec<bool>,
    /// By level and domain: the chunks it has, and its fair share of them.
    domains: [Vec<(usize, usize)>; LEVELS],
    bound: usize,
}

impl<'a> Loads<'a> {
    pub(crate) fn new(candidates: &'a Candidates, width: usize, bound: usize) -> Self {
        let total = candidates.list.iter().map(|c| c.weight).sum::<u64>().max(1);
        let domains = std::array::from_fn(|level| {
            let mut weights = vec![0; candidates.counts[level]];
            candidates.list.iter().for_each(|c| weights[c.domains[level]] += c.weight);
            let fair = |weight: u64| (width as u64 * weight).div_ceil(total) as usize;
            weights.into_iter().map(|weight| (0, fair(weight))).collect()
        });
        Self { candidates, taken: vec![false; candidates.list.len()], domains, bound }
    }

    /// Counts a chunk on a volume.
    pub(crate) fn add(&mut self, at: usize) {
        self.taken[at] = true;
        for (level, domain) in self.candidates.list[at].domains.iter().enumerate() {
            self.domains[level][*domain].0 += 1;
        }
    }

    /// Draws volumes one by one, each as if those before it had got a chunk.
    pub(crate) fn draw(mut self, count: usize, random: &mut Sequence) -> Vec<VolumeId> {
        let mut drawn = Vec::new();
        while drawn.len() < count {
            let Some(at) = self.draw_one(random) else { break };
            self.add(at);
            drawn.push(self.candidates.list[at].id);
        }
        drawn
    }

    fn draw_one(&self, random: &mut Sequence) -> Option<usize> {
        let list = &self.candidates.list;
        let open = || (0..list.len()).filter(|at| !self.taken[*at]);
        let strain = open().map(|at| self.strain(at)).min()?;
        let best = || open().filter(|at| self.strain(*at) == strain);
        let mut left = random.below(best().map(|at| list[at].weight).sum());
        best().find(|at| {
            let hit = left < list[*at].weight;
            left = left.saturating_sub(list[*at].weight);
            hit
        })
    }

    /// What one more chunk on a volume would break: 0 nothing, 1 a fair share, 2 the bound of
    /// its host.
    fn strain(&self, at: usize) -> u8 {
        let domains = &self.candidates.list[at].domains;
        let of = |level: usize| self.domains[level][domains[level]];
        match (0..LEVELS).any(|level| of(level).0 >= of(level).1) {
            _ if of(LEVELS - 1).0 >= self.bound => 2,
            true => 1,
            false => 0,
        }
    }
}
