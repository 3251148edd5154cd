//! Everything that can be read is what the naive model has.

use super::{CONTAINERS, Run};
use crate::{
    Command, Damage, Failure, read,
    tests::{
        harness::{chunks_of, id},
        naive::{Container, Kind, Stored},
    },
};
use model::{
    BlobId, ChunkName, ContainerId, ErrorKind, Extent, ListQuery, ListedName, Metachunk,
    ObjectName, PartitionId, VolumeId,
};
use std::collections::{BTreeMap, BTreeSet};

impl Run {
    pub(super) fn compare(&self) {
        let view = &self.machine.memory;
        self.machine.check_hash();
        let status = read::status(view).unwrap();
        assert_eq!(status.log_time, self.naive.time);
        assert_eq!(status.staged, self.naive.staged.len() as u64);
        for (account, name) in CONTAINERS {
            let id = id(account, name);
            match self.naive.containers.get(&id) {
                Some(want) => self.compare_container(&id, want),
                None => assert!(read::show_container(view, &id).is_err()),
            }
        }
        self.compare_queues();
        self.compare_expiries();
        self.compare_pages();
        let owned = self.naive.owned();
        for (blob, (container, version)) in &owned {
            let owner = read::blob_owner(view, blob).unwrap().unwrap();
            assert_eq!((owner.container, owner.version), (*container, *version));
        }
        let owners = view.0.keys().filter(|key| key[0] == 0x25).count();
        assert_eq!(owners, owned.len());
        for volume in [1, 4] {
            self.compare_scan(VolumeId(volume));
        }
    }

    fn compare_container(&self, id: &ContainerId, want: &Container) {
        let view = &self.machine.memory;
        let query =
            ListQuery { versions: true, properties: true, limit: 1000, ..Default::default() };
        let (got, page) = if want.hidden {
            let job = want.job().unwrap();
            assert!(read::show_container(view, id).is_err());
            assert!(read::find_container(view, id).unwrap().is_none());
            assert!(read::list_objects(view, id, &query).is_err());
            let page = read::list_snapshot_target(view, id, &job, &query).unwrap();
            (read::show_snapshot_target(view, id, &job).unwrap(), page)
        } else {
            let job = want.job().unwrap_or(model::JobId([9; 16]));
            assert!(read::show_snapshot_target(view, id, &job).is_err());
            let page = read::list_objects(view, id, &query).unwrap();
            (read::show_container(view, id).unwrap(), page)
        };
        assert_eq!((got.name.as_str(), got.incarnation), (want.name.as_str(), want.incarnation));
        assert_eq!((got.objects, got.bytes), (want.count(), want.bytes()));
        assert_eq!((got.live_objects, got.live_bytes), want.live());
        assert_eq!(got.frozen, want.frozen);
        let mut versions = Vec::new();
        for (name, stored) in &want.objects {
            for stored in stored {
                let properties = Some(stored.properties.clone());
                let kind = &stored.kind;
                versions.push((
                    (name.clone(), stored.version, stored.content, stored.size),
                    (*kind == Kind::Marker, *kind == Kind::Drained, stored.hash, properties),
                    (stored.mime_type.clone(), stored.delete_at),
                ));
                self.compare_version(id, want.hidden, name, stored);
            }
            let latest = stored.first().filter(|s| s.kind == Kind::Content && !want.hidden);
            let got = read::locate(view, id, name, None).ok().map(|o| o.entry.version);
            assert_eq!(got, latest.map(|s| s.version));
        }
        let listed = page.items.into_iter().map(|item| match item {
            ListedName::Entry(e) => (
                (e.name, e.version, e.content, e.size),
                (e.marker, e.drained, e.hash, e.properties),
                (e.mime_type, e.delete_at),
            ),
            other => panic!("{other:?}"),
        });
        assert_eq!(listed.collect::<Vec<_>>(), versions);
        let contents = view.0.keys().filter(|key| key[0] == 0x2a && key[1..33] == id.0).count();
        assert_eq!(contents as u64, want.count());
    }

    fn compare_version(&self, id: &ContainerId, hidden: bool, name: &ObjectName, stored: &Stored) {
        let view = &self.machine.memory;
        let (version, located) =
            (stored.version, read::locate(view, id, name, Some(stored.version)));
        match (hidden, &stored.kind) {
            (true, _) => assert_eq!(kind(located), Some(ErrorKind::NotFound)),
            (false, Kind::Drained) => {
                assert_eq!(kind(located), Some(ErrorKind::Drained));
                let (entry, properties) = read::show_object(view, id, name, Some(version)).unwrap();
                assert_eq!((entry.size, properties), (stored.size, stored.properties.clone()));
            }
            (false, _) => {
                let got = located.unwrap();
                assert_eq!(got.properties, stored.properties);
                assert_eq!(got.extents(), stored.extents);
                let outline = read::outline(view, id, name, Some(version)).unwrap();
                let extents = outline.extents.iter().map(|e| (e.blob, e.rows as usize, e.bytes));
                let want = stored.extents.iter();
                let want = want.map(|e| (e.blob, e.metachunks.len(), e.length()));
                assert_eq!(extents.collect::<Vec<_>>(), want.collect::<Vec<_>>());
                for extent in &stored.extents {
                    let (blob, count) = (&extent.blob, extent.metachunks.len());
                    let first = count / 3;
                    let rows = |first: usize, limit| {
                        read::rows(view, id, name, version, blob, first as u32, limit).unwrap()
                    };
                    assert_eq!(
                        rows(first, 500),
                        extent.metachunks[first..(first + 500).min(count)]
                    );
                    assert_eq!(rows(0, 1), extent.metachunks[..1]);
                    assert_eq!(rows(count, 9), []);
                }
            }
        }
        if !hidden && !stored.is_marker() {
            let got = read::resolve_content(view, id, &stored.content).unwrap();
            assert_eq!(got, (name.clone(), version));
        }
    }

    /// Every extent there is, with its version.
    fn all_extents(&self) -> Vec<(ContainerId, ObjectName, Stored, Extent)> {
        let mut all = Vec::new();
        for (id, container) in &self.naive.containers {
            for (name, versions) in &container.objects {
                for stored in versions {
                    let each = stored.extents.iter().cloned();
                    all.extend(each.map(|e| (*id, name.clone(), stored.clone(), e)));
                }
            }
        }
        all
    }

    fn compare_queues(&self) {
        let repairs: BTreeSet<_> = self.all_extents().iter().flat_map(|(.., e)| lost(e)).collect();
        let queued = self.machine.repairs().into_iter();
        let queued: BTreeSet<_> =
            queued.map(|q| (q.repair.blob, q.repair.metachunk, q.repair.positions)).collect();
        assert_eq!(queued, repairs);
        let doomed: BTreeSet<(VolumeId, ChunkName)> = self.naive.doomed.iter().copied().collect();
        let due: Vec<_> = self.machine.deletions().into_iter().flat_map(|d| d.chunks).collect();
        assert_eq!(due.len(), self.naive.doomed.len());
        assert_eq!(due.into_iter().collect::<BTreeSet<_>>(), doomed);
        // What is to be deleted is named by nothing.
        for (_, _, _, extent) in self.all_extents() {
            assert!(chunks_of(&[extent]).iter().all(|chunk| !doomed.contains(chunk)));
        }
    }

    /// What goes by itself is in the index, once, and what is due is found in small parts.
    fn compare_expiries(&self) {
        let view = &self.machine.memory;
        let stored = self.naive.containers.values().flat_map(|c| c.objects.values().flatten());
        let timed = stored.filter(|stored| stored.delete_at.is_some() && !stored.is_marker());
        assert_eq!(view.0.keys().filter(|key| key[0] == 0x28).count(), timed.count());
        let (mut due, mut after) = (Vec::new(), None);
        loop {
            let page = read::expired(view, after.as_ref(), self.naive.time, 2).unwrap();
            assert!(page.versions.len() <= 2);
            due.extend(page.versions);
            after = page.upto.or(after);
            if !page.more {
                break;
            }
        }
        assert_eq!(due, self.naive.due());
    }

    /// No page is there but those of tables that are committed or staged.
    fn compare_pages(&self) {
        let known: BTreeSet<BlobId> = self.all_extents().iter().map(|(.., e)| e.blob).collect();
        for key in self.machine.memory.0.keys().filter(|key| key[0] == 0x24) {
            let blob = BlobId::try_from(&key[1..17]).unwrap();
            assert!(known.contains(&blob) || self.naive.staged.contains_key(&blob), "{blob}");
        }
        let staged = self.machine.memory.0.keys().filter(|key| key[0] == 0x2b).count();
        let expiries = self.machine.memory.0.keys().filter(|key| key[0] == 0x2c).count();
        assert_eq!((staged, expiries), (self.naive.staged.len(), self.naive.staged.len()));
    }

    /// A scan in small parts finds each chunk of a volume once.
    fn compare_scan(&self, volume: VolumeId) {
        let mut want = BTreeSet::new();
        for (container, object, stored, extent) in self.all_extents() {
            let on_volume = |row: &Metachunk| {
                row.volumes.iter().position(|v| *v == Some(volume)).map(|p| p as u8)
            };
            let rows = (0..).zip(&extent.metachunks);
            want.extend(rows.filter_map(|(number, row)| {
                let at = (container, object.clone(), stored.version, extent.blob, number);
                Some((at, on_volume(row)?))
            }));
        }
        let (mut found, mut from, mut versions) = (Vec::new(), None, 0);
        loop {
            let view = &self.machine.memory;
            let page = read::scan_volume(view, volume, from.as_ref(), 100).unwrap();
            assert!(page.found.len() <= 100);
            found.extend(page.found);
            versions += page.versions;
            match page.next {
                Some(next) => from = Some(next),
                None => break,
            }
        }
        let count = self.naive.containers.values().flat_map(|c| c.objects.values().flatten());
        assert_eq!(versions, count.count() as u64);
        assert_eq!(found.len(), want.len());
        let found = found
            .into_iter()
            .map(|d: Damage| ((d.container, d.object, d.version, d.blob, d.metachunk), d.position));
        assert_eq!(found.collect::<BTreeSet<_>>(), want);
    }

    /// What accounts say once the outbox is delivered, and delivered again.
    pub(super) fn compare_accounts(&mut self) {
        let states = self.machine.outbox();
        let source = PartitionId(1);
        let report = Command::ApplyContainerStates { source, states: states.clone() };
        let indexes = states.iter().map(|s| s.index).collect();
        for command in [report.clone(), report, Command::OutboxDelivered { indexes }] {
            let (index, time) = (self.machine.index + 1, self.machine.time + 1);
            self.machine.ok(command.clone());
            self.naive.pass(self.machine.time);
            self.log.push(crate::Entry { index, time, request: None, command });
        }
        assert!(self.machine.outbox().is_empty());
        let mut want = BTreeMap::<&str, [u64; 5]>::new();
        for (account, name) in CONTAINERS {
            let container = self.naive.containers.get(&id(account, name));
            if let Some(container) = container.filter(|c| !c.hidden) {
                let totals = want.entry(account).or_default();
                let (live_objects, live_bytes) = container.live();
                let one = [1, container.count(), container.bytes(), live_objects, live_bytes];
                totals.iter_mut().zip(one).for_each(|(total, one)| *total += one);
            }
        }
        for account in ["a", "b"] {
            let got = read::show_account(&self.machine.memory, &account.parse().unwrap());
            let got = got.map_or_else(
                |_| Default::default(),
                |a| [a.containers, a.objects, a.bytes, a.live_objects, a.live_bytes],
            );
            assert_eq!(got, want.get(account).copied().unwrap_or_default());
        }
    }
}

fn kind<T>(result: Result<T, Failure>) -> Option<ErrorKind> {
    match result {
        Err(Failure::Refused(error)) => Some(error.kind),
        Err(Failure::Fatal(fatal)) => panic!("{fatal}"),
        Ok(_) => None,
    }
}

/// The places of an extent without a chunk, as the repair queue names them.
fn lost(extent: &Extent) -> Vec<(BlobId, u32, u32)> {
    let bits = |row: &Metachunk| {
        row.volumes.iter().zip(0..).filter(|(v, _)| v.is_none()).map(|(_, p)| 1u32 << p).sum()
    };
    let rows = (0..).zip(&extent.metachunks).map(|(n, row)| (extent.blob, n, bits(row)));
    rows.filter(|(_, _, lost)| *lost != 0).collect()
}
