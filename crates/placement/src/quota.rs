//! How many chunks of a metachunk each volume may expect.

use crate::candidate::{Candidate, Candidates};

/// One chunk, in the fixed-point unit of quotas.
pub(crate) const ONE: u64 = 1 << 32;

/// The lowest bound on the chunks of one host, from `wanted` up, with which all hosts together
/// take `width` chunks. There must be `width` volumes.
pub(crate) fn host_bound(per_host: &[usize], width: usize, wanted: usize) -> usize {
    let room = |bound: usize| per_host.iter().map(|volumes| bound.min(*volumes)).sum::<usize>();
    (wanted..width).find(|bound| room(*bound) >= width).unwrap_or(width.max(wanted))
}

/// Divides `width` chunks among the volumes in proportion to their weights, with at most one
/// for a volume and `bound` for a host; what these cannot take goes to the others, in proportion
/// again. The sum is exact.
pub(crate) fn quotas(candidates: &Candidates, width: usize, bound: usize) -> Vec<u64> {
    let list = &candidates.list;
    let most = bound as u64 * ONE;
    let mut quota = vec![0; list.len()];
    let mut full = vec![false; candidates.per_host().len()];
    let mut rest = width as u64 * ONE;
    // A host that is full stays full, as the others' quotas only grow: each round but the last
    // fills one more.
    loop {
        let free: Vec<_> = (0..list.len()).filter(|at| !full[list[*at].host()]).collect();
        divide(list, &free, rest, &mut quota);
        let mut changed = false;
        for volumes in free.chunk_by(|a, b| list[*a].host() == list[*b].host()) {
            if volumes.iter().map(|at| quota[*at]).sum::<u64>() > most {
                divide(list, volumes, most, &mut quota);
                full[list[volumes[0]].host()] = true;
                rest -= most;
                changed = true;
            }
        }
        if !changed {
            return quota;
        }
    }
}

/// Divides `total` among some volumes in proportion to their weights, with at most one each.
fn divide(list: &[Candidate], among: &[usize], total: u64, quota: &mut [u64]) {
    let mut open = among.to_vec();
    let mut rest = total;
    loop {
        let weights = open.iter().map(|at| list[*at].weight).sum::<u64>().max(1);
        let (before, share) = (open.len(), rest);
        open.retain(|at| {
            quota[*at] = (share * list[*at].weight / weights).min(ONE);
            let keep = quota[*at] < ONE;
            if !keep {
                rest -= ONE;
            }
            keep
        });
        if open.len() == before {
            break;
        }
    }
    // Rounding down left less than one unit for each.
    let given: u64 = open.iter().map(|at| quota[*at]).sum();
    open.iter().take((rest - given) as usize).for_each(|at| quota[*at] += 1);
}
