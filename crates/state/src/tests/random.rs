//! Random commands against the naive model, with repetitions, stale incarnations, blobs that
//! were used before, conditions, and clocks that jump.

use super::{
    harness::{DAY, Machine, blob, create_container, extent, id, properties},
    naive::Naive,
};
use crate::{Command, DeleteObject, PropertyChanges, UpdateContainer, UpdateObject, read};
use model::{
    ChunkName, ContainerId, ListedName, Precondition, RequestId, Version, Versioning, VolumeId,
    WriteId,
};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// What to do; the choices are made good with what there is when it is done.
#[derive(Debug, Clone)]
struct Step {
    kind: u8,
    container: usize,
    object: usize,
    /// Picks among versions, blobs, conditions, settings.
    picks: [usize; 4],
    size: u64,
    /// 0 none, 1 new, else one that was used before.
    request: usize,
    wait: u8,
}

prop_compose! {
    fn steps()(
        kind in 0..24u8,
        container in 0..3usize,
        object in 0..3usize,
        picks in prop::array::uniform4(0..60usize),
        size in prop_oneof![Just(0u64), 1..4000u64],
        request in prop_oneof![2 => Just(0usize), 2 => Just(1), 1 => 2..20usize],
        wait in prop_oneof![12 => 0..4u8, 1 => Just(4), 1 => Just(5), 1 => Just(6)],
    ) -> Step {
        Step { kind, container, object, picks, size, request, wait }
    }
}

const VERSIONINGS: [Versioning; 4] =
    [Versioning::Suspended, Versioning::Unlimited, Versioning::Disabled, Versioning::Keep(2)];

const CONTAINERS: [(&str, &str); 3] = [("a", "c"), ("a", "d"), ("b", "c")];

struct Run {
    machine: Machine,
    naive: Naive,
    requests: Vec<RequestId>,
    blobs: u32,
}

impl Run {
    fn step(&mut self, step: &Step) {
        match step.wait {
            4 => self.machine.time += 11 * 60 * 1_000_000,
            5 => self.machine.time += 4 * DAY,
            6 => self.machine.time -= DAY,
            short => self.machine.time += u64::from(short) * 7,
        }
        let request = self.request(step.request);
        let command = self.command(step);
        let (index, time) = (self.machine.index + 1, self.machine.time + 1);
        let expected = self.naive.run(index, time, request, &command);
        let reply = self.machine.try_run(request, command.clone()).unwrap();
        assert_eq!(reply.map_err(|e| e.kind), expected, "{command:?}");
    }

    fn request(&mut self, choice: usize) -> Option<RequestId> {
        match choice {
            0 => None,
            n if n == 1 || self.requests.is_empty() => {
                self.requests.push(RequestId([self.requests.len() as u8; 16]));
                self.requests.last().copied()
            }
            n => Some(self.requests[self.requests.len().saturating_sub(n) % self.requests.len()]),
        }
    }

    fn command(&mut self, step: &Step) -> Command {
        let (account, name) = CONTAINERS[step.container];
        let container = id(account, name);
        let object = ["o", "p", "o/p"][step.object];
        let versioning = VERSIONINGS[step.picks[0] % 4];
        match step.kind {
            0..2 => create_container(account, name, versioning),
            2 => Command::DeleteContainer { container },
            3 => Command::UpdateContainer(UpdateContainer {
                container,
                properties: PropertyChanges::default(),
                policy: None,
                versioning: Some(versioning),
                quota: [None, Some(None), Some(Some(5000))][step.picks[1] % 3],
            }),
            4 => Command::Abort { blob: blob(&container, self.blob(step.picks[1])) },
            5 => Command::RaiseFence {
                millis: (self.machine.time - step.picks[1] as u64 * DAY / 20) / 1000,
            },
            6..13 => self.commit(&container, object, step),
            13..19 => Command::DeleteObject(DeleteObject {
                container,
                object: object.parse().unwrap(),
                version: self.version(&container, object, step.picks[1]),
                precondition: self.condition(&container, object, step.picks[2]),
                delete_grace: 1000,
            }),
            _ => Command::UpdateObject(UpdateObject {
                container,
                object: object.parse().unwrap(),
                version: self.version(&container, object, step.picks[1]),
                precondition: self.condition(&container, object, step.picks[2]),
                properties: PropertyChanges {
                    clear: step.picks[3].is_multiple_of(5),
                    remove: vec!["k1".into()],
                    set: properties(&[(["k1", "k2"][step.picks[3] % 2], "v")]),
                },
            }),
        }
    }

    fn commit(&mut self, container: &ContainerId, object: &str, step: &Step) -> Command {
        let mut commit = self.machine.commit(container, object, step.size);
        commit.blob = blob(container, self.blob(step.picks[0]));
        commit.incarnation += u64::from(step.picks[1].is_multiple_of(10));
        commit.precondition = self.condition(container, object, step.picks[2]);
        commit.properties = properties(&[("k0", "v")]);
        let extent = (step.size > 0).then(|| {
            let rows = [1, 2, 30][step.picks[3] % 3].min(step.size);
            let mut extent = extent(commit.blob, step.size, rows, self.machine.time);
            let row = &mut extent.metachunks[0];
            if step.picks[3].is_multiple_of(7) {
                row.volumes[step.picks[2] % 4] = None;
            }
            if step.picks[3].is_multiple_of(21) {
                row.volumes[(step.picks[2] + 1) % 4] = None;
            }
            if step.picks[3].is_multiple_of(11) {
                row.write = WriteId::new((self.machine.time - 2 * DAY) / 1000, 0);
            }
            extent.into()
        });
        commit.extents = extent.into_iter().collect();
        Command::Commit(Box::new(commit))
    }

    /// Mostly a new blob's number, sometimes one of before.
    fn blob(&mut self, pick: usize) -> u32 {
        if pick < 12 && self.blobs > 0 {
            return self.blobs - (pick as u32 % self.blobs);
        }
        self.blobs += 1;
        self.blobs
    }

    fn version(&self, container: &ContainerId, object: &str, pick: usize) -> Option<Version> {
        let versions =
            self.naive.containers.get(container)?.objects.get(&object.parse().unwrap())?;
        match pick {
            0..30 => None,
            30 => Some(Version(10)),
            pick => Some(versions[pick % versions.len()].version),
        }
    }

    fn condition(&self, container: &ContainerId, object: &str, pick: usize) -> Precondition {
        match pick {
            0..5 => Precondition::Absent,
            5 => Precondition::Etag("08".repeat(32)),
            6..9 => Precondition::Etag("07".repeat(32)),
            9..14 => self
                .version(container, object, 40 + pick)
                .map_or(Precondition::None, Precondition::Version),
            _ => Precondition::None,
        }
    }

    /// Everything that can be read is what the model has.
    fn compare(&self) {
        let view = &self.machine.memory;
        self.machine.check_hash();
        assert_eq!(read::status(view).unwrap().log_time, self.naive.time);
        let mut repairs = BTreeSet::new();
        for (account, name) in CONTAINERS {
            let id = id(account, name);
            let Some(want) = self.naive.containers.get(&id) else {
                assert!(read::show_container(view, &id).is_err());
                continue;
            };
            let got = read::show_container(view, &id).unwrap();
            assert_eq!(
                (got.name.as_str(), got.incarnation),
                (want.name.as_str(), want.incarnation)
            );
            assert_eq!((got.objects, got.bytes), (want.count(), want.bytes()));
            let mut versions = Vec::new();
            for (name, stored) in &want.objects {
                for stored in stored {
                    versions.push((name.clone(), stored.version, stored.marker));
                    let got = read::locate(view, &id, name, Some(stored.version)).unwrap();
                    assert_eq!(got.properties, stored.properties);
                    assert_eq!(got.extents(), stored.extent.as_slice());
                    repairs.extend(stored.extent.iter().flat_map(lost));
                }
                let latest = stored.first().filter(|s| !s.marker).map(|s| s.version);
                let got = read::locate(view, &id, name, None).ok().map(|o| o.entry.version);
                assert_eq!(got, latest);
            }
            let query = model::ListQuery { versions: true, limit: 1000, ..Default::default() };
            let page = read::list_objects(view, &id, &query).unwrap();
            let listed = page.items.into_iter().map(|item| match item {
                ListedName::Entry(e) => (e.name, e.version, e.marker),
                other => panic!("{other:?}"),
            });
            assert_eq!(listed.collect::<Vec<_>>(), versions);
        }
        let queued = self.machine.repairs().into_iter();
        let queued: BTreeSet<_> =
            queued.map(|q| (q.repair.blob, q.repair.metachunk, q.repair.positions)).collect();
        assert_eq!(queued, repairs);
        let doomed: BTreeSet<(VolumeId, ChunkName)> =
            self.naive.doomed.iter().flat_map(|e| e.chunks()).collect();
        let due: Vec<_> = self.machine.deletions().into_iter().flat_map(|d| d.chunks).collect();
        assert_eq!(due.len(), doomed.len());
        assert_eq!(due.into_iter().collect::<BTreeSet<_>>(), doomed);
        for (blob, version) in &self.naive.live {
            assert_eq!(read::blob_owner(view, blob).unwrap().unwrap().version, *version);
        }
    }

    /// What accounts say once the outbox is delivered, and delivered again.
    fn compare_accounts(&mut self) {
        let states = self.machine.outbox();
        let source = model::PartitionId(1);
        let report = Command::ApplyContainerStates { source, states: states.clone() };
        let indexes = states.iter().map(|s| s.index).collect();
        for command in [report.clone(), report, Command::OutboxDelivered { indexes }] {
            self.machine.ok(command);
            self.naive.pass(self.machine.time);
        }
        assert!(self.machine.outbox().is_empty());
        let mut want = BTreeMap::<&str, (u64, u64, u64)>::new();
        for (account, name) in CONTAINERS {
            if let Some(container) = self.naive.containers.get(&id(account, name)) {
                let totals = want.entry(account).or_default();
                totals.0 += 1;
                totals.1 += container.count();
                totals.2 += container.bytes();
            }
        }
        for account in ["a", "b"] {
            let got = read::show_account(&self.machine.memory, &account.parse().unwrap());
            let got = got.map_or((0, 0, 0), |a| (a.containers, a.objects, a.bytes));
            assert_eq!(got, want.get(account).copied().unwrap_or_default());
        }
    }
}

/// The places of an extent without a chunk, as the repair queue names them.
fn lost(extent: &model::Extent) -> Vec<(model::BlobId, u32, u32)> {
    let bits = |row: &model::Metachunk| {
        row.volumes.iter().zip(0..).filter(|(v, _)| v.is_none()).map(|(_, p)| 1u32 << p).sum()
    };
    let rows = (0..).zip(&extent.metachunks).map(|(n, row)| (extent.blob, n, bits(row)));
    rows.filter(|(_, _, lost)| *lost != 0).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn random_commands_do_what_the_naive_model_does(
        steps in prop::collection::vec(steps(), 1..150)
    ) {
        let machine = Machine::new();
        let mut run = Run { machine, naive: Naive::default(), requests: Vec::new(), blobs: 0 };
        for (number, step) in steps.iter().enumerate() {
            run.step(step);
            if number % 8 == 0 {
                run.compare();
            }
            if number % 40 == 39 {
                run.compare_accounts();
            }
        }
        run.compare();
        run.compare_accounts();
    }
}
