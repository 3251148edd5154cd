use crate::{
    Error,
    candidate::{Candidates, LEVELS},
    place,
    quota::{ONE, quotas},
    replacements,
};
use model::{Administrative, ErrorKind, Liveness, Method, Volume, VolumeId};
use proptest::prelude::*;
use std::collections::BTreeMap;

fn volume(id: u32, location: &str, capacity: u64, score: u8) -> Volume {
    Volume {
        id: VolumeId(id),
        identity: format!("{id:032x}"),
        address: "127.0.0.1:1".into(),
        location: location.parse().unwrap(),
        capacity,
        free: capacity,
        score,
        liveness: Liveness::Up,
        administrative: Administrative::In,
    }
}

/// `hosts` hosts of `disks` equal volumes each, in racks of three hosts.
fn grid(hosts: u32, disks: u32) -> Vec<Volume> {
    (0..hosts * disks)
        .map(|n| {
            let host = n / disks;
            volume(n + 1, &format!("r{}.h{host}.d{n}", host / 3), 1 << 40, 100)
        })
        .collect()
}

const EC63: Method = Method::Erasure { data: 6, parity: 3 };
const THREE: Method = Method::Copies { copies: 3 };

/// Chunks by domain, at every level.
fn counts(volumes: &[Volume], chosen: &[VolumeId]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for volume in volumes.iter().filter(|v| chosen.contains(&v.id)) {
        let location = &volume.location;
        let mut domains: Vec<&str> = location.domains().collect();
        if domains.is_empty() {
            domains.push(location.host());
        }
        domains.iter().for_each(|d| *counts.entry((*d).to_owned()).or_default() += 1);
    }
    counts
}

fn shares(volumes: &[Volume], method: Method, draws: u64) -> BTreeMap<VolumeId, f64> {
    let mut shares = BTreeMap::new();
    for seed in 0..draws {
        for id in place(volumes, method, &[], 0, seed).unwrap().volumes {
            *shares.entry(id).or_default() += 1.0 / (draws as f64 * method.width() as f64);
        }
    }
    shares
}

#[test]
fn too_few_volumes_are_refused_with_the_numbers() {
    let mut volumes = grid(3, 2);
    let error = place(&volumes, EC63, &[], 0, 1).unwrap_err();
    assert_eq!(error, Error::TooWide { method: EC63, exist: 6 });
    assert_eq!(error.to_string(), "ec/algo=rs_vand,k=6,m=3 needs 9 volumes; 6 exist");
    assert_eq!(model::Error::from(error).kind, ErrorKind::Invalid);

    volumes = grid(5, 2);
    volumes[0].liveness = Liveness::Down;
    volumes[1].administrative = Administrative::Locked;
    let error = place(&volumes, EC63, &[VolumeId(3)], 0, 1).unwrap_err();
    assert_eq!(error, Error::TooFew { method: EC63, exist: 10, take: 8, avoided: 1 });
    assert_eq!(model::Error::from(error).kind, ErrorKind::Unavailable);
}

#[test]
fn an_even_cluster_gives_every_host_the_same() {
    for seed in 0..200 {
        let volumes = grid(9, 4);
        let placement = place(&volumes, EC63, &[], 3, seed).unwrap();
        assert!(!placement.misplaced);
        let counts = counts(&volumes, &placement.volumes);
        for (domain, count) in counts {
            assert_eq!(count, if domain.contains('.') { 1 } else { 3 }, "{domain}");
        }
    }
}

#[test]
fn too_few_hosts_misplace_as_evenly_as_they_can() {
    for (hosts, most) in [(1, 9), (2, 5)] {
        let volumes = grid(hosts, 12);
        let placement = place(&volumes, EC63, &[], 0, 7).unwrap();
        assert!(placement.misplaced);
        let hosts = counts(&volumes, &placement.volumes);
        assert_eq!(
            hosts.iter().filter(|(d, _)| d.contains('.')).map(|(_, n)| *n).max(),
            Some(most)
        );
    }
    assert!(!place(&grid(3, 12), EC63, &[], 0, 7).unwrap().misplaced);
    assert!(!place(&grid(1, 1), Method::Copies { copies: 1 }, &[], 0, 7).unwrap().misplaced);
    assert!(place(&grid(1, 3), Method::Copies { copies: 2 }, &[], 0, 7).unwrap().misplaced);
}

#[test]
fn space_is_used_in_proportion_to_capacity_and_score() {
    // 40 volumes from 1 to 16 TB, some with half the score.
    let volumes: Vec<Volume> = (0..40u32)
        .map(|n| {
            let score = if n % 3 == 0 { 50 } else { 100 };
            volume(n + 1, &format!("r{}.h{}.d{n}", n / 20, n / 4), 1 << (40 + n % 5), score)
        })
        .collect();
    let weight = |v: &Volume| v.capacity as f64 * f64::from(v.score);
    let total: f64 = volumes.iter().map(weight).sum();
    // Narrow enough that neither a volume's nor a host's bound bends the proportion.
    for method in [THREE, Method::Erasure { data: 4, parity: 2 }] {
        let shares = shares(&volumes, method, 60_000);
        for v in &volumes {
            let (got, want) = (shares[&v.id], weight(v) / total);
            // Three sigma of the draws, and two per cent.
            let noise = 3.0 * (want / (60_000.0 * method.width() as f64)).sqrt();
            assert!((got - want).abs() < want * 0.02 + noise, "{}: {got} {want}", v.id);
        }
    }
}

#[test]
fn all_sets_of_volumes_occur() {
    // A rebuild is fast when a volume shares metachunks with many others.
    let volumes = grid(12, 1);
    let mut together = BTreeMap::<VolumeId, u32>::new();
    for seed in 0..2000 {
        let chosen = place(&volumes, THREE, &[], 0, seed).unwrap().volumes;
        if chosen.contains(&VolumeId(1)) {
            chosen.into_iter().for_each(|id| *together.entry(id).or_default() += 1);
        }
    }
    // Of the twelve, two share its rack, of which a fair share is one chunk.
    assert_eq!(together.len(), 10);
    assert!(together.values().all(|n| *n > 60), "{together:?}");
}

#[test]
fn positions_are_drawn_too() {
    let volumes = grid(9, 1);
    let first: std::collections::BTreeSet<_> =
        (0..200).map(|seed| place(&volumes, EC63, &[], 0, seed).unwrap().volumes[0]).collect();
    assert_eq!(first.len(), 9);
}

#[test]
fn replacements_keep_hosts_within_their_bound() {
    let volumes = grid(4, 6);
    let placement = place(&volumes, EC63, &[], 0, 3).unwrap();
    for seed in 0..100 {
        let keep = &placement.volumes[1..];
        let lost = placement.volumes[0];
        let mut now = keep.to_vec();
        now.extend(replacements(&volumes, EC63, keep, &[lost], 1, seed));
        assert_eq!(now.len(), 9);
        assert!(!now.contains(&lost));
        assert!(counts(&volumes, &now).iter().all(|(d, n)| !d.contains('.') || *n <= 3));
    }
}

prop_compose! {
    fn clusters()(
        shape in prop::collection::vec((0..3u8, 0..4u8, 0..8u8, 1..200u64, 0..=100u8, 0..12u8), 1..70)
    ) -> Vec<Volume> {
        shape.into_iter().enumerate().map(|(n, (site, rack, host, size, score, state))| {
            let path = match state % 4 {
                0 => format!("s{site}.r{rack}.h{host}.d{n}"),
                1 => format!("r{rack}.h{host}.d{n}"),
                2 => format!("h{host}.d{n}"),
                _ => format!("h{host}"),
            };
            let mut v = volume(n as u32 + 1, &path, size << 35, score);
            if state == 11 { v.liveness = Liveness::Down }
            if state == 10 { v.administrative = Administrative::Draining }
            v
        }).collect()
    }
}

fn methods() -> impl Strategy<Value = Method> {
    prop_oneof![
        (1..6u8).prop_map(|copies| Method::Copies { copies }),
        (1..13u8, 1..5u8).prop_map(|(data, parity)| Method::Erasure { data, parity }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_placement_keeps_the_rules(
        volumes in clusters(), method in methods(), spares in 0..5usize, seed: u64,
        avoid in prop::collection::vec((1..70u32).prop_map(VolumeId), 0..4),
    ) {
        let usable: Vec<Volume> = volumes.iter()
            .filter(|v| v.takes_chunks() && !avoid.contains(&v.id)).cloned().collect();
        let width = method.width();
        let Ok(placement) = place(&volumes, method, &avoid, spares, seed) else {
            prop_assert!(usable.len() < width);
            return Ok(());
        };
        prop_assert_eq!(&place(&volumes, method, &avoid, spares, seed).unwrap(), &placement);
        prop_assert_eq!(placement.volumes.len(), width);
        prop_assert_eq!(placement.spares.len(), spares.min(usable.len() - width));
        let mut all: Vec<_> = placement.volumes.iter().chain(&placement.spares).collect();
        all.sort();
        all.dedup();
        prop_assert_eq!(all.len(), width + placement.spares.len());
        prop_assert!(all.iter().all(|id| usable.iter().any(|v| v.id == **id)));

        let mut hosts = BTreeMap::<&str, (usize, usize)>::new();
        for v in &usable {
            let host = hosts.entry(v.location.host()).or_default();
            host.0 += 1;
            host.1 += usize::from(placement.volumes.contains(&v.id));
        }
        let most = method.parity().max(1);
        let wide = hosts.values().map(|(disks, _)| most.min(*disks)).sum::<usize>() >= width;
        prop_assert_eq!(placement.misplaced, !wide);
        prop_assert!(!wide || hosts.values().all(|(_, chunks)| *chunks <= most));
    }

    #[test]
    fn quotas_are_exact_and_bounded(volumes in clusters(), width in 1..16usize, bound in 1..5usize) {
        let candidates = Candidates::new(volumes.iter(), 1);
        let room: usize = candidates.per_host().iter().map(|n| bound.min(*n)).sum();
        prop_assume!(room >= width);
        let quotas = quotas(&candidates, width, bound);
        prop_assert_eq!(quotas.iter().sum::<u64>(), width as u64 * ONE);
        prop_assert!(quotas.iter().all(|q| *q <= ONE));
        let mut hosts = vec![0; candidates.counts[LEVELS - 1]];
        quotas.iter().zip(&candidates.list).for_each(|(q, c)| hosts[c.host()] += q);
        prop_assert!(hosts.iter().all(|q| *q <= bound as u64 * ONE));
    }

    #[test]
    fn no_domain_exceeds_its_fair_share(hosts in 9..20u32, disks in 1..5u32, seed: u64) {
        // Equal volumes, and more hosts than chunks: no bound bends the shares.
        let volumes = grid(hosts, disks);
        let chosen = place(&volumes, EC63, &[], 0, seed).unwrap().volumes;
        let all: Vec<_> = volumes.iter().map(|v| v.id).collect();
        let sizes = counts(&volumes, &all);
        for (domain, count) in counts(&volumes, &chosen) {
            prop_assert!(count <= (9 * sizes[&domain]).div_ceil(volumes.len()), "{}", domain);
        }
    }
}
