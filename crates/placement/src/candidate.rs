//! The volumes that may take chunks, in the order of the line they are drawn from.

use crate::seed::{hash, mix};
use model::{Location, Volume, VolumeId};

/// Levels of failure domains above a volume. The last is the host, whatever the depth of the
/// location: the levels that a shallow one lacks are one domain each around its host.
pub(crate) const LEVELS: usize = Location::MAX_LEVELS - 1;

/// Weights are scaled to stay below this, so that quota x weight fits 64 bits.
const MAX_WEIGHT_BITS: u32 = 26;

pub(crate) struct Candidate {
    pub(crate) id: VolumeId,
    /// Capacity x score, scaled; at least 1.
    pub(crate) weight: u64,
    /// The number of its domain at each level, the widest first.
    pub(crate) domains: [usize; LEVELS],
}

impl Candidate {
    pub(crate) fn host(&self) -> usize {
        self.domains[LEVELS - 1]
    }
}

/// Volumes with every domain contiguous, domains and volumes in an order drawn from the seed.
pub(crate) struct Candidates {
    pub(crate) list: Vec<Candidate>,
    /// How many domains each level has.
    pub(crate) counts: [usize; LEVELS],
}

impl Candidates {
    pub(crate) fn new<'a>(volumes: impl Iterator<Item = &'a Volume>, seed: u64) -> Self {
        let mut keyed: Vec<_> = volumes.map(|v| (order(v, seed), v)).collect();
        keyed.sort_unstable_by_key(|(key, v)| (*key, v.id));
        let weight = |v: &Volume| u128::from(v.capacity.max(1)) * u128::from(v.score.max(1));
        let most = keyed.iter().map(|(_, v)| weight(v)).max().unwrap_or(1);
        let shift = (u128::BITS - most.leading_zeros()).saturating_sub(MAX_WEIGHT_BITS);

        let mut counts = [0; LEVELS];
        let mut before: Option<[u64; LEVELS + 1]> = None;
        let list = keyed.into_iter().map(|(key, volume)| {
            for level in 0..LEVELS {
                if before.is_none_or(|b| b[..=level] != key[..=level]) {
                    counts[level] += 1;
                }
            }
            before = Some(key);
            Candidate {
                id: volume.id,
                weight: ((weight(volume) >> shift) as u64).max(1),
                domains: counts.map(|count| count - 1),
            }
        });
        Self { list: list.collect(), counts }
    }

    /// How many volumes each host has.
    pub(crate) fn per_host(&self) -> Vec<usize> {
        let mut sizes = vec![0; self.counts[LEVELS - 1]];
        for candidate in &self.list {
            sizes[candidate.host()] += 1;
        }
        sizes
    }
}

/// The place of a volume on the line: a number for each of its domains, then its own.
fn order(volume: &Volume, seed: u64) -> [u64; LEVELS + 1] {
    let seed = mix(seed ^ 0xBB67_AE85_84CA_A73B);
    let host = volume.location.host().as_bytes();
    let mut key = [0; LEVELS + 1];
    let (mut path, mut done, mut level) = (0xCBF2_9CE4_8422_2325, 0, 0);
    for domain in volume.location.domains().map(str::as_bytes) {
        path = hash(path, &domain[done..]);
        (done, key[level], level) = (domain.len(), mix(path ^ seed), level + 1);
    }
    path = hash(path, &host[done..]);
    key[level..LEVELS].fill(mix(path ^ seed));
    key[LEVELS] = mix(mix(u64::from(volume.id.0)) ^ seed);
    key
}
