//! Placing the chunks of a metachunk.

use crate::{
    Error,
    candidate::Candidates,
    quota::{self, ONE},
    seed::Sequence,
    spare::Loads,
};
use model::{Administrative, Method, Volume, VolumeId};

/// Where the chunks of a metachunk go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placement {
    /// The volume of each position, data before parity.
    pub volumes: Vec<VolumeId>,
    /// Volumes to turn to, in this order, when one refuses before data flows. Fewer than asked
    /// for where there are no more.
    pub spares: Vec<VolumeId>,
    /// Whether some host got more than m chunks, because there are too few hosts.
    pub misplaced: bool,
}

/// Draws the volumes of a metachunk and up to `spares` spare ones. The same arguments give the
/// same answer. Volumes that do not take chunks, or are in `avoid`, are passed over.
pub fn place(
    volumes: &[Volume],
    method: Method,
    avoid: &[VolumeId],
    spares: usize,
    seed: u64,
) -> Result<Placement, Error> {
    let width = method.width();
    let usable = |v: &&Volume| v.takes_chunks() && !avoid.contains(&v.id);
    let candidates = Candidates::new(volumes.iter().filter(usable), seed);
    if candidates.list.len() < width {
        return Err(too_few(volumes, method, avoid));
    }
    let tolerated = method.parity().max(1);
    let bound = quota::host_bound(&candidates.per_host(), width, tolerated);
    let quotas = quota::quotas(&candidates, width, bound);

    let mut random = Sequence::new(seed);
    let mut drawn = comb(&quotas, random.below(ONE));
    // On the line a domain's volumes are neighbours; its chunks should not all be data.
    random.shuffle(&mut drawn);
    let mut loads = Loads::new(&candidates, width, bound);
    drawn.iter().for_each(|at| loads.add(*at));
    Ok(Placement {
        volumes: drawn.iter().map(|at| candidates.list[*at].id).collect(),
        spares: loads.draw(spares, &mut random),
        misplaced: bound > tolerated,
    })
}

/// The intervals that the teeth of a comb hit: one at `offset`, and the others 1 apart.
fn comb(quotas: &[u64], offset: u64) -> Vec<usize> {
    let (mut tooth, mut end) = (offset, 0);
    let mut hit = Vec::with_capacity(model::MAX_WIDTH);
    for (at, quota) in quotas.iter().enumerate() {
        end += quota;
        if tooth < end {
            hit.push(at);
            tooth += ONE;
        }
    }
    hit
}

fn too_few(volumes: &[Volume], method: Method, avoid: &[VolumeId]) -> Error {
    let exist = volumes.iter().filter(|v| v.administrative != Administrative::Out).count();
    let take = volumes.iter().filter(|v| v.takes_chunks()).count();
    let avoided = volumes.iter().filter(|v| v.takes_chunks() && avoid.contains(&v.id)).count();
    if exist < method.width() {
        Error::TooWide { method, exist }
    } else {
        Error::TooFew { method, exist, take, avoided }
    }
}
