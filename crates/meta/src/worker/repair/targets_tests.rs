use super::*;
use model::{
    Administrative, ClusterId, NodeId, Partition, PartitionId, PartitionTable, Volume, WriteId,
};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

fn map(shape: &[(u8, u8)]) -> ClusterMap {
    let volumes = (1u32..).zip(shape).map(|(id, (host, state))| Volume {
        id: VolumeId(id),
        identity: format!("{id:032x}"),
        address: "h:1".into(),
        location: format!("h{host}.d{id}").parse().unwrap(),
        capacity: 1 << 40,
        free: 1 << 39,
        score: if *state == 3 { 0 } else { 100 },
        liveness: if *state == 1 { Liveness::Down } else { Liveness::Up },
        administrative: if *state == 2 { Administrative::Out } else { Administrative::In },
    });
    ClusterMap {
        epoch: 1,
        cluster: ClusterId([1; 16]),
        nodes: Vec::new(),
        volumes: volumes.collect(),
        policies: Vec::new(),
        default_policy: "P".parse().unwrap(),
        partitions: vec![Partition { id: PartitionId(1), members: vec![NodeId(1)] }],
        slots: PartitionTable::even(1),
    }
}

fn row(volumes: Vec<Option<VolumeId>>) -> Metachunk {
    Metachunk { length: 1, write: WriteId(1), volumes, rewritten: Vec::new() }
}

#[test]
fn the_volume_of_a_damaged_chunk_takes_it_again_where_there_is_no_other() {
    let map = map(&[(1, 0), (2, 0), (3, 0)]);
    let method = Method::Copies { copies: 3 };
    let row = row(vec![Some(VolumeId(1)), Some(VolumeId(2)), Some(VolumeId(3))]);
    assert_eq!(choose(&map, method, &row, &[1], 7), [(1, VolumeId(2))]);
    let both = choose(&map, method, &row, &[1, 2], 7);
    assert_eq!(both, [(1, VolumeId(2)), (2, VolumeId(3))], "none takes the other's place");
}

#[test]
fn sources_are_up_and_sound_and_the_best_come_first() {
    let mut map = map(&[(1, 0), (1, 1), (2, 2), (2, 0), (3, 0)]);
    map.volumes[0].score = 10;
    let volumes = [1, 2, 3, 4, 5].map(|v| Some(VolumeId(v))).to_vec();
    let sources = sources(&map, &row(volumes), &[4]);
    assert_eq!(sources, [(2, VolumeId(3)), (3, VolumeId(4)), (0, VolumeId(1))]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn replacements_keep_the_rules_of_a_row(
        shape in prop::collection::vec((0..6u8, 0..8u8), 4..40),
        method in prop_oneof![
            (2..5u8).prop_map(|copies| Method::Copies { copies }),
            (2..7u8, 1..4u8).prop_map(|(data, parity)| Method::Erasure { data, parity }),
        ],
        places in prop::collection::vec(any::<prop::sample::Index>(), 12),
        lost: u16, dropped: u16, seed: u64,
    ) {
        let map = map(&shape);
        // A row of distinct volumes, as many as there are.
        let mut left: Vec<_> = map.volumes.iter().map(|v| v.id).collect();
        let volumes: Vec<_> = (0..method.width()).map(|position| {
            let has = !left.is_empty() && dropped >> position & 1 == 0;
            has.then(|| left.swap_remove(places[position].index(left.len())))
        }).collect();
        let row = row(volumes);
        let positions: Vec<u8> = (0..method.width() as u8)
            .filter(|p| lost >> p & 1 == 1 || row.volumes[usize::from(*p)].is_none())
            .collect();
        let chosen = choose(&map, method, &row, &positions, seed);
        prop_assert_eq!(&choose(&map, method, &row, &positions, seed), &chosen);

        // Every one takes chunks, none twice, none that has a chunk of another position.
        let mut taken = BTreeSet::new();
        for (position, volume) in &chosen {
            prop_assert!(positions.contains(position));
            prop_assert!(map.volume(*volume).unwrap().takes_chunks());
            prop_assert!(taken.insert(*volume));
            for (other, named) in (0u8..).zip(&row.volumes) {
                prop_assert!(other == *position || *named != Some(*volume));
            }
        }
        // None is left out while a volume is free that no position has.
        let named: BTreeSet<_> = row.volumes.iter().flatten().copied().collect();
        let free = map.volumes.iter()
            .filter(|v| v.takes_chunks() && !named.contains(&v.id) && !taken.contains(&v.id));
        if free.count() > 0 {
            prop_assert_eq!(chosen.len(), positions.len());
        }
        // No host gets beyond its bound while another could have taken the chunk.
        let bound = method.parity().max(1);
        let host = |id: VolumeId| map.volume(id).map(|v| v.location.host().to_owned());
        let mut hosts = BTreeMap::<_, usize>::new();
        let kept = (0u8..).zip(&row.volumes).filter(|(p, _)| !positions.contains(p));
        for volume in kept.filter_map(|(_, v)| *v) {
            *hosts.entry(host(volume)).or_default() += 1;
        }
        if let [(position, volume)] = chosen[..] && positions == [position] {
            let over = hosts.get(&host(volume)).copied().unwrap_or(0) >= bound;
            let mut all: Vec<_> = map.volumes.iter().filter(|v| v.takes_chunks()).collect();
            all.retain(|v| !kept_has(&row, position, v.id));
            let other = all.iter().any(|v| {
                hosts.get(&host(v.id)).copied().unwrap_or(0) < bound
            });
            let wide = width_fits(&map, &row, position, method, bound);
            prop_assert!(!over || !other || !wide);
        }
    }
}

fn kept_has(row: &Metachunk, position: u8, volume: VolumeId) -> bool {
    (0u8..).zip(&row.volumes).any(|(p, v)| p != position && *v == Some(volume))
}

/// Whether the hosts that count have room for the whole width within the bound: else there is
/// another one.
fn width_fits(
    map: &ClusterMap,
    row: &Metachunk,
    position: u8,
    method: Method,
    bound: usize,
) -> bool {
    let mut hosts = BTreeMap::<String, usize>::new();
    for volume in &map.volumes {
        if volume.takes_chunks() || kept_has(row, position, volume.id) {
            *hosts.entry(volume.location.host().to_owned()).or_default() += 1;
        }
    }
    hosts.values().map(|disks| bound.min(*disks)).sum::<usize>() >= method.width()
}
