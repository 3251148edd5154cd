//! Where chunks are made anew, and from what.

use model::{ClusterMap, Liveness, Metachunk, Method, VolumeId};

/// Volumes for the chunks of `positions` that are lost, in their order; fewer than there are
/// positions if fewer volumes can take one. Volumes that have a chunk of another position are
/// passed over, also those whose chunk is lost; the volume of a lost chunk itself may take it
/// again if it works.
pub fn choose(
    map: &ClusterMap,
    method: Method,
    row: &Metachunk,
    positions: &[u8],
    seed: u64,
) -> Vec<(u8, VolumeId)> {
    let mut chosen: Vec<(u8, VolumeId)> = Vec::new();
    for position in positions {
        let others = (0u8..).zip(&row.volumes).filter(|(p, _)| p != position);
        let (mut keep, mut avoid) = (Vec::new(), Vec::new());
        for (other, volume) in others {
            let Some(volume) = *volume else { continue };
            match positions.contains(&other) {
                true => avoid.push(volume),
                false => keep.push(volume),
            }
        }
        keep.extend(chosen.iter().map(|(_, volume)| *volume));
        let seed = seed.wrapping_add(u64::from(*position));
        let found = placement::replacements(&map.volumes, method, &keep, &avoid, 1, seed);
        chosen.extend(found.first().map(|volume| (*position, *volume)));
    }
    chosen
}

/// Positions whose chunks can be read, best first: volumes that are up, by score. Those in
/// `damaged` have no sound chunk.
pub fn sources(map: &ClusterMap, row: &Metachunk, damaged: &[u8]) -> Vec<(u8, VolumeId)> {
    let mut sources: Vec<_> = (0u8..)
        .zip(&row.volumes)
        .filter(|(position, _)| !damaged.contains(position))
        .filter_map(|(position, volume)| {
            let volume = map.volume((*volume)?)?;
            (volume.liveness == Liveness::Up).then_some((position, volume.id, volume.score))
        })
        .collect();
    sources.sort_by_key(|(position, _, score)| (std::cmp::Reverse(*score), *position));
    sources.into_iter().map(|(position, volume, _)| (position, volume)).collect()
}

#[cfg(test)]
#[path = "targets_tests.rs"]
mod tests;
