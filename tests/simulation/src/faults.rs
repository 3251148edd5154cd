//! What goes wrong, and when: decided by the seed, carried out between the steps of the
//! simulation, and all of it undone before the last look.

use crate::{cluster::Cluster, disk::Faults, machine::MachineCopy, random::Rng};
use model::{BlobId, ChunkName, VolumeId};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// Which faults there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Menu {
    /// Crashes of processes and machines.
    pub crashes: bool,
    /// Partitions, held links and connections that break.
    pub network: bool,
    /// Errors, full and slow disks.
    pub disks: bool,
    /// Flipped bits, or a volume that is gone.
    pub losses: bool,
    /// Jumps of clocks.
    pub clocks: bool,
}

impl Menu {
    /// Everything.
    pub const ALL: Self =
        Self { crashes: true, network: true, disks: true, losses: true, clocks: true };
    /// Nothing.
    pub const NONE: Self =
        Self { crashes: false, network: false, disks: false, losses: false, clocks: false };
}

/// How to undo a fault.
#[derive(Debug, Clone)]
enum Undo {
    Start(String),
    Release(String, String),
    Repair(String, String),
    Disk(String),
    Clock(String),
    Connections,
}

/// The faults of a simulation.
pub struct Schedule {
    menu: Menu,
    rng: Rng,
    next: Duration,
    /// How far apart they are, on average.
    every: Duration,
    undo: Vec<(Duration, Undo)>,
    losses: Losses,
}

/// What was lost: no more than can be borne, also by a content whose write is under way. So a
/// simulation flips bits, of one chunk of a metachunk and its links, ever; or loses a volume; or
/// the data of a metadata node, whose peers have no trouble meanwhile.
struct Losses {
    of: Loss,
    volume: bool,
    /// Contents with a chunk that was damaged.
    damaged: BTreeSet<BlobId>,
    /// What happens next to the metadata node.
    replica: Replica,
}

/// What a simulation loses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Loss {
    /// Bits of chunks.
    Bits,
    /// A volume.
    Volume,
    /// The data of a metadata node.
    Replica,
}

/// What happens to a metadata node's data, and when.
enum Replica {
    /// They are copied.
    Copied(Duration),
    /// They are put back to the copy, are lost, or get a bit flipped.
    Damaged(Duration, String, MachineCopy),
    /// No more.
    Over,
}

impl Schedule {
    /// Of what is on the menu, as the seed wants it.
    pub fn new(menu: Menu, rng: Rng, from: Duration) -> Self {
        let mut rng = rng;
        let every = Duration::from_millis(rng.within(400..4000));
        let of = match rng.below(5) {
            0 | 1 => Loss::Bits,
            2 | 3 => Loss::Volume,
            _ => Loss::Replica,
        };
        let replica = match of {
            Loss::Replica if menu.losses => {
                Replica::Copied(from + Duration::from_millis(rng.below(2500)))
            }
            _ => Replica::Over,
        };
        let losses = Losses { of, volume: false, damaged: BTreeSet::new(), replica };
        Self { menu, rng, next: from, every, undo: Vec::new(), losses }
    }

    /// Does what is due.
    pub fn step(&mut self, cluster: &mut Cluster<'_>) {
        let now = cluster.elapsed();
        self.undo_until(cluster, now);
        self.lose_replica(cluster, now);
        if now < self.next {
            return;
        }
        let wait = self.rng.below(2 * self.every.as_millis() as u64);
        self.next = now + Duration::from_millis(wait);
        self.inject(cluster, now);
    }

    /// Undoes everything.
    pub fn heal(&mut self, cluster: &mut Cluster<'_>) {
        self.undo_until(cluster, Duration::MAX);
    }

    fn undo_until(&mut self, cluster: &mut Cluster<'_>, until: Duration) {
        let due: Vec<_> = self.undo.extract_if(.., |(at, _)| *at <= until).collect();
        for (_, undo) in due {
            cluster.site.observer.note(format_args!("undo {undo:?}"));
            match undo {
                Undo::Start(machine) => cluster.start(&machine),
                Undo::Release(a, b) => cluster.sim.release(a.as_str(), b.as_str()),
                Undo::Repair(a, b) => cluster.sim.repair(a.as_str(), b.as_str()),
                Undo::Disk(machine) => {
                    let machine = cluster.machine(&machine);
                    let lying = machine.platter().faults().lying;
                    machine.platter().set_faults(Faults { lying, ..Faults::default() });
                }
                Undo::Connections => cluster.site.flakiness.set(0),
                Undo::Clock(machine) => cluster.machine(&machine).clock().set_ahead(0),
            }
        }
    }

    fn later(&mut self, now: Duration, millis: std::ops::Range<u64>, undo: Undo) {
        let at = now + Duration::from_millis(self.rng.within(millis));
        self.undo.push((at, undo));
    }

    fn machine(&mut self, cluster: &Cluster<'_>) -> String {
        let names = self.troubled(cluster);
        self.rng.pick(&names).cloned().unwrap_or_default()
    }

    /// The machines that faults befall.
    fn troubled(&self, cluster: &Cluster<'_>) -> Vec<String> {
        let spares_metas = self.losses.of == Loss::Replica;
        let machines = cluster.machines.iter().filter(|m| !spares_metas || m.stores().is_none());
        machines.map(|m| m.name().to_owned()).collect()
    }

    fn inject(&mut self, cluster: &mut Cluster<'_>, now: Duration) {
        let machine = self.machine(cluster);
        match self.rng.below(24) {
            0..5 if self.menu.crashes => {
                let power = self.rng.one_in(2);
                self.crash(cluster, now, &machine, power);
            }
            5 if self.menu.crashes => {
                // The lights go out everywhere.
                let power = !self.rng.one_in(4);
                for machine in self.troubled(cluster) {
                    self.crash(cluster, now, &machine, power);
                }
            }
            6..9 if self.menu.network => {
                let others = cluster.others(&machine);
                cluster.site.observer.note(format_args!("isolate {machine}"));
                let until = now + Duration::from_millis(self.rng.within(300..8000));
                for other in others {
                    cluster.sim.partition(machine.as_str(), other.as_str());
                    self.undo.push((until, Undo::Repair(machine.clone(), other)));
                }
            }
            9..11 if self.menu.network => {
                if let Some(other) = self.rng.pick(&cluster.others(&machine)).cloned() {
                    cluster.site.observer.note(format_args!("partition {machine} {other}"));
                    cluster.sim.partition(machine.as_str(), other.as_str());
                    self.later(now, 300..8000, Undo::Repair(machine, other));
                }
            }
            11..13 if self.menu.network => {
                if let Some(other) = self.rng.pick(&cluster.others(&machine)).cloned() {
                    cluster.site.observer.note(format_args!("hold {machine} {other}"));
                    cluster.sim.hold(machine.as_str(), other.as_str());
                    self.later(now, 100..6000, Undo::Release(machine, other));
                }
            }
            13..17 if self.menu.disks => self.trouble_disk(cluster, now, machine),
            17 | 22..24 if self.menu.losses => match self.losses.of {
                Loss::Bits => self.flip(cluster),
                Loss::Volume => self.lose_volume(cluster, now),
                Loss::Replica => {}
            },
            20..22 if self.menu.network => {
                let pieces = 1 << self.rng.within(1..7);
                cluster.site.observer.note(format_args!("connections break in {pieces} pieces"));
                cluster.site.flakiness.set(pieces);
                self.later(now, 500..5000, Undo::Connections);
            }
            18..20 if self.menu.clocks => {
                let most = if self.rng.one_in(2) { 1_000 } else { 15_000 };
                let millis = self.rng.below(most) as i64;
                let ahead = if self.rng.one_in(2) { millis } else { -millis };
                cluster.site.observer.note(format_args!("clock of {machine} {ahead} ms"));
                cluster.machine(&machine).clock().set_ahead(ahead * 1000);
                self.later(now, 500..10_000, Undo::Clock(machine));
            }
            _ => {}
        }
    }

    fn crash(&mut self, cluster: &mut Cluster<'_>, now: Duration, machine: &str, power: bool) {
        if cluster.crash(machine, power) {
            self.later(now, 100..6000, Undo::Start(machine.to_owned()));
        }
    }

    /// A process that ended by itself is started again after a while, as an operator's
    /// supervisor would.
    pub fn ended(&mut self, cluster: &mut Cluster<'_>, machine: &str) {
        let now = cluster.elapsed();
        self.crash(cluster, now, machine, false);
    }

    fn trouble_disk(&mut self, cluster: &mut Cluster<'_>, now: Duration, machine: String) {
        let before = cluster.machine(&machine).platter().faults();
        let mut faults = Faults { lying: before.lying, ..Faults::default() };
        match self.rng.below(4) {
            0 => faults.failing_changes = 1 + self.rng.below(3) as u32,
            1 => faults.failing_reads = 1 + self.rng.below(20) as u32,
            2 => faults.full = true,
            _ => faults.slowness = Duration::from_millis(1 << self.rng.within(2..12)),
        }
        cluster.site.observer.note(format_args!("disk of {machine} {faults:?}"));
        let slow_only = !faults.slowness.is_zero();
        cluster.machine(&machine).platter().set_faults(faults);
        self.later(now, 500..6000, Undo::Disk(machine.clone()));
        if !slow_only {
            // A volume that failed once, or could not be opened when its server started, is out of
            // service until that is started again.
            let at = now + Duration::from_millis(self.rng.within(2000..9000));
            self.undo.push((at, Undo::Start(machine)));
        }
    }

    /// Damages a chunk where it rests, if its metachunk and those that share it can bear it.
    fn flip(&mut self, cluster: &mut Cluster<'_>) {
        let observer = &cluster.site.observer;
        let named = observer.named();
        let Some((volume, chunk)) = self.rng.pick(&named).copied() else { return };
        // The file, and with it the chunk of whoever is linked to it.
        let file = |(volume, chunk): &(VolumeId, ChunkName)| {
            let (platter, file) = observer.whereabouts(*volume, chunk)?;
            Some((*volume, platter.inode(&file)?))
        };
        let siblings =
            |c: &&(VolumeId, ChunkName)| c.1.blob == chunk.blob && c.1.metachunk == chunk.metachunk;
        let files: BTreeSet<_> = named.iter().filter(siblings).filter_map(file).collect();
        let shares = |c: &&(VolumeId, ChunkName)| file(c).is_some_and(|f| files.contains(&f));
        let family: BTreeSet<BlobId> = named.iter().filter(shares).map(|c| c.1.blob).collect();
        // EC22 needs two of its positions, COPIES3 one: two serve for both.
        let bears = |blob: &BlobId| {
            let whole = |c: &&(VolumeId, ChunkName)| {
                c.1.blob == *blob && c.1.metachunk == chunk.metachunk && file(c).is_some()
            };
            !self.losses.damaged.contains(blob) && named.iter().filter(whole).count() >= 3
        };
        if !family.iter().all(bears) {
            return;
        }
        let Some((platter, path)) = observer.whereabouts(volume, &chunk) else { return };
        if platter.flip(&path) {
            observer.note(format_args!("flip a bit of {chunk} on volume {volume}"));
            self.losses.damaged.extend(family);
        }
    }

    /// Copies what a metadata node has, and later puts it back to that, empties it, or flips a
    /// bit of its log.
    fn lose_replica(&mut self, cluster: &mut Cluster<'_>, now: Duration) {
        match std::mem::replace(&mut self.losses.replica, Replica::Over) {
            Replica::Copied(at) if at <= now => {
                let metas: Vec<_> =
                    cluster.machines.iter().filter(|m| m.stores().is_some()).cloned().collect();
                let Some(victim) = self.rng.pick(&metas) else { return };
                let at = now + Duration::from_millis(self.rng.within(2500..6000));
                let name = victim.name().to_owned();
                self.losses.replica = Replica::Damaged(at, name, victim.copy());
            }
            Replica::Damaged(at, name, copy) if at <= now => {
                cluster.crash(&name, true);
                let victim = cluster.machine(&name).clone();
                let what = match self.rng.below(3) {
                    0 => {
                        victim.wipe();
                        "emptied"
                    }
                    1 => {
                        victim.restore(&copy);
                        "put back to an older copy"
                    }
                    _ => {
                        let segments = victim.log_segments();
                        let flipped =
                            self.rng.pick(&segments).is_some_and(|s| victim.platter().flip(s));
                        if flipped { "with another bit in its log" } else { "as it was" }
                    }
                };
                cluster.site.observer.note(format_args!("{name} is {what}"));
                cluster.damaged.insert(name.clone());
                self.later(now, 100..3000, Undo::Start(name));
            }
            later => self.losses.replica = later,
        }
    }

    /// Loses a volume, if every metachunk can bear it, and puts an empty one beside its place.
    fn lose_volume(&mut self, cluster: &mut Cluster<'_>, now: Duration) {
        let servers: Vec<_> =
            cluster.machines.iter().filter(|m| !m.volumes().is_empty()).cloned().collect();
        let Some(machine) = self.rng.pick(&servers).cloned() else { return };
        let Some(root) = self.rng.pick(&machine.volumes()).cloned() else { return };
        let observer = cluster.site.observer.clone();
        let named = observer.named();
        let mut left: BTreeMap<(BlobId, u32), u32> = BTreeMap::new();
        for (volume, chunk) in &named {
            let place = observer.whereabouts(*volume, chunk);
            let stays = place.is_some_and(|(platter, file)| {
                platter.inode(&file).is_some()
                    && !(platter.is(machine.platter()) && file.starts_with(&root))
            });
            *left.entry((chunk.blob, chunk.metachunk)).or_default() += u32::from(stays);
        }
        if self.losses.volume || left.values().any(|left| *left < 2) {
            return;
        }
        self.losses.volume = true;
        let name = machine.name().to_owned();
        if !cluster.crash(&name, true) {
            machine.crash(true);
        }
        let lost = observer.lose_volume(&name, &root);
        observer.note(format_args!("{name} loses {}, volume {lost:?}", root.display()));
        machine.replace_volume(&root, &observer);
        self.later(now, 100..6000, Undo::Start(name));
    }
}
