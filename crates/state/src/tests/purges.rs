//! Purges, flushes and accounts that are refreshed: what takes many commands.

use super::harness::{Machine, create_container, delete, id};
use crate::{
    Answer, Command, CommitMode, ContainerCounters, ContainerState, Flush, Purge, SetFrozen,
    kv::account::{Account, Sums},
    read,
};
use model::{
    ContainerId, ContentId, ErrorKind, Frozen, JobId, ObjectName, PartitionId, Version, Versioning,
};
use proptest::prelude::*;

/// Purges page by page, `limit` versions at a time. Versions and markers removed.
fn purge_all(machine: &mut Machine, purge: &Purge) -> (u32, u32) {
    let mut purge = purge.clone();
    let mut removed = (0, 0);
    loop {
        match machine.ok(Command::Purge(purge.clone())) {
            Answer::Purged { versions, markers, next } => {
                assert!(versions + markers <= purge.limit);
                removed = (removed.0 + versions, removed.1 + markers);
                if next.is_none() {
                    return removed;
                }
                purge.after = next;
            }
            other => panic!("{other:?}"),
        }
    }
}

fn versions(machine: &Machine, c: &ContainerId) -> Vec<(String, Vec<(Version, bool)>)> {
    let names = ["a", "b", "c"].into_iter();
    names.map(|name| (name.to_owned(), machine.versions(c, name))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn a_purge_in_pages_keeps_the_newest_of_each(
        shape in prop::collection::vec((0..3usize, any::<bool>()), 0..40),
        keep in 0..4u32, limit in 1..6u32, expired: bool,
    ) {
        let (mut machine, c) = Machine::with_container(Versioning::Unlimited);
        for (name, marker) in shape {
            let name = ["a", "b", "c"][name];
            if marker && !machine.versions(&c, name).is_empty() {
                machine.ok(delete(&c, name, None));
            } else {
                machine.put(&c, name, 1);
            }
        }
        let before = versions(&machine, &c);
        let markers_before = expired.then_some(machine.time + 1);
        let purge = Purge {
            container: c, object: None, keep, markers_before, after: None, limit, delete_grace: 1,
        };
        let removed = purge_all(&mut machine, &purge);
        let mut gone = (0, 0);
        for ((name, before), (_, after)) in before.iter().zip(versions(&machine, &c)) {
            let mut kept = 0;
            let whole = expired && before.first().is_some_and(|(_, marker)| *marker);
            let want: Vec<_> = before.iter().copied().filter(|(_, marker)| {
                kept += u32::from(!marker);
                let stays = !whole && (*marker || kept <= keep.max(1));
                *if *marker { &mut gone.1 } else { &mut gone.0 } += u32::from(!stays);
                stays
            }).collect();
            prop_assert_eq!(after, want, "{}", name);
        }
        prop_assert_eq!(removed, gone);
        prop_assert_eq!(purge_all(&mut machine, &purge), (0, 0));
    }
}

#[test]
fn a_flush_never_shows_what_was_covered() {
    let (mut machine, c) = Machine::with_container(Versioning::Unlimited);
    let names: Vec<ObjectName> = ["a", "b"].map(|name| name.parse().unwrap()).to_vec();
    for name in &names {
        for _ in 0..5 {
            machine.put(&c, name.as_str(), 3);
        }
    }
    machine.ok(delete(&c, "b", None));
    let newest = machine.versions(&c, "a")[0].0;
    let incarnation = machine.incarnation(&c);
    let flush = |limit| Command::Flush(Flush { container: c, incarnation, limit, delete_grace: 1 });
    let stale = Flush { container: c, incarnation: incarnation + 1, limit: 1, delete_grace: 1 };
    assert_eq!(machine.refused_as(Command::Flush(stale)), ErrorKind::Conflict);
    for left in (0..11).rev() {
        let latest = |name| read::locate(&machine.memory, &c, name, None).ok();
        assert!(latest(&names[1]).is_none());
        assert_eq!(latest(&names[0]).map(|o| o.entry.version), Some(newest));
        match machine.ok(flush(1)) {
            Answer::Flushed { versions, markers, complete } => {
                assert_eq!((versions + markers, complete), (1, left == 0));
            }
            other => panic!("{other:?}"),
        }
    }
    let container = read::show_container(&machine.memory, &c).unwrap();
    assert_eq!((container.objects, container.bytes), (0, 0));
    let nothing = Answer::Flushed { versions: 0, markers: 0, complete: true };
    assert_eq!(machine.ok(flush(1000)), nothing);
    let missing = Flush { container: id("a", "x"), incarnation, limit: 1, delete_grace: 1 };
    assert_eq!(machine.refused_as(Command::Flush(missing)), ErrorKind::NotFound);
}

#[test]
fn a_frozen_container_takes_no_writes() {
    let (mut machine, c) = Machine::with_container(Versioning::Unlimited);
    machine.put(&c, "o", 5);
    let job = JobId([1; 16]);
    let freeze = |frozen, job| Command::SetFrozen(SetFrozen { container: c, frozen, job });
    let lease = |machine: &Machine, micros| {
        freeze(Frozen::Lease { job, until: machine.time + micros }, None)
    };
    let hour = 3600 * 1_000_000;
    let long = lease(&machine, hour + 10);
    assert_eq!(machine.refused_as(long), ErrorKind::Invalid);
    machine.ok(lease(&machine.clone(), hour));
    let put = machine.commit(&c, "p", 5);
    let mut append = machine.commit(&c, "o", 5);
    append.mode = CommitMode::Append;
    append.blob = super::harness::blob(&c, 5000);
    append.extents[0].blob = append.blob;
    let writes = [
        Command::Commit(Box::new(put)),
        Command::Commit(Box::new(append)),
        delete(&c, "o", None),
        Command::DeleteContainer { container: c },
        Command::Flush(Flush { container: c, incarnation: 1, limit: 1, delete_grace: 1 }),
    ];
    for write in &writes {
        let error = machine.refused(write.clone());
        assert_eq!(
            (error.kind, error.subject),
            (ErrorKind::Unavailable, model::Subject::Container)
        );
    }
    // Another job must wait; this one renews its lease, and gives it back.
    let other = JobId([2; 16]);
    let taken = freeze(Frozen::Lease { job: other, until: machine.time + 9 }, None);
    assert_eq!(machine.refused_as(taken), ErrorKind::Unavailable);
    assert_eq!(machine.refused_as(freeze(Frozen::No, Some(other))), ErrorKind::Unavailable);
    machine.ok(lease(&machine.clone(), hour));
    machine.ok(freeze(Frozen::No, Some(job)));
    machine.ok(writes[1].clone());
    // A lease that nobody renews is over.
    machine.ok(lease(&machine.clone(), 20));
    machine.time += 20;
    machine.ok(writes[0].clone());
    // For good, until an operator thaws it.
    machine.ok(freeze(Frozen::Forever, None));
    assert_eq!(machine.refused_as(writes[2].clone()), ErrorKind::Conflict);
    assert_eq!(machine.refused_as(freeze(Frozen::No, Some(job))), ErrorKind::Conflict);
    let lease = lease(&machine, 20);
    assert_eq!(machine.refused_as(lease), ErrorKind::Conflict);
    machine.ok(freeze(Frozen::No, None));
    machine.ok(writes[2].clone());
}

#[test]
fn a_content_id_is_given_once() {
    let (mut machine, c) = Machine::with_container(Versioning::Suspended);
    let chosen = ContentId([6; 16]);
    let put = |machine: &Machine, name| {
        let mut commit = machine.commit(&c, name, 5);
        commit.content = Some(chosen);
        Command::Commit(Box::new(commit))
    };
    let first = put(&machine, "o");
    machine.ok(first);
    let name: ObjectName = "o".parse().unwrap();
    let found = read::resolve_content(&machine.memory, &c, &chosen).unwrap();
    assert_eq!(found.0, name);
    for name in ["o", "p"] {
        let again = put(&machine, name);
        assert_eq!(machine.refused_as(again), ErrorKind::Conflict, "{name}");
    }
    // An overwrite has a new one, and the old one is free.
    let second = machine.put(&c, "o", 5);
    assert!(read::resolve_content(&machine.memory, &c, &chosen).is_err());
    let object = read::locate(&machine.memory, &c, &name, None).unwrap();
    let found = read::resolve_content(&machine.memory, &c, &object.entry.content).unwrap();
    assert_eq!(found, (name, second));
    let free = put(&machine, "p");
    machine.ok(free);
    // Elsewhere it is another content.
    machine.ok(create_container("a", "d", Versioning::Suspended));
    let mut commit = machine.commit(&id("a", "d"), "o", 5);
    commit.content = Some(chosen);
    machine.ok(Command::Commit(Box::new(commit)));
}

fn report(index: u64, name: &str, objects: Option<u64>) -> ContainerState {
    let counters = objects.map(|objects| ContainerCounters {
        objects,
        bytes: 2 * objects,
        live_objects: objects,
        live_bytes: 2 * objects,
        modified: index,
    });
    let (account, container) = ("a".parse().unwrap(), name.parse().unwrap());
    ContainerState { index, account, container, counters }
}

fn totals(machine: &Machine) -> (u64, u64, u64) {
    let account = read::show_account(&machine.memory, &"a".parse().unwrap()).unwrap();
    assert_eq!((account.live_objects, account.live_bytes), (account.objects, account.bytes));
    (account.containers, account.objects, account.bytes)
}

#[test]
fn an_account_is_summed_up_while_its_containers_change() {
    let mut machine = Machine::new();
    let account = || "a".parse().unwrap();
    let tell = |states| Command::ApplyContainerStates { source: PartitionId(1), states };
    let states = (0..2500).map(|n| report(n + 1, &format!("c{n:04}"), Some(1))).collect();
    machine.run(tell(states)).unwrap();
    assert_eq!(totals(&machine), (2500, 2500, 5000));
    // Counters that went wrong.
    let key = crate::kv::account::key(&account()).into_bytes();
    let mut record: Account = crate::kv::get(&machine.memory, &key).unwrap().unwrap();
    record.sums = Sums { containers: 9, objects: 7, live_objects: 8, ..Default::default() };
    let value = postcard::to_extend(&record, vec![1]).unwrap();
    machine.memory.0.insert(key, value);
    let refresh = || Command::RefreshAccount { account: account() };
    let answered = |complete| Answer::AccountRefreshed { complete };
    assert_eq!(machine.run(refresh()).unwrap(), answered(false));
    // Before, at and behind the place, more, less and gone.
    let changes = [("c0000", Some(5)), ("c0999", None), ("c1500", Some(9)), ("c2499", None)];
    let changes =
        (3001..).zip(changes).map(|(index, (name, objects))| report(index, name, objects));
    machine.run(tell(changes.collect())).unwrap();
    assert_eq!(machine.run(refresh()).unwrap(), answered(false));
    machine.run(tell(vec![report(4000, "b", Some(3)), report(4001, "c1999", Some(2))])).unwrap();
    assert_eq!(machine.run(refresh()).unwrap(), answered(true));
    let objects = 2500 + 4 - 1 + 8 - 1 + 3 + 1;
    assert_eq!(totals(&machine), (2499, objects, 2 * objects));
}

#[test]
fn a_flushed_account_fills_again_when_containers_are_refreshed() {
    let (mut machine, c) = Machine::with_container(Versioning::Suspended);
    machine.put(&c, "o", 7);
    let account = || "a".parse().unwrap();
    let tell = |machine: &mut Machine| {
        let states = machine.drain_outbox();
        machine.ok(Command::ApplyContainerStates { source: PartitionId(1), states });
    };
    tell(&mut machine);
    let phantoms = (0..1500).map(|n| report(n + 1, &format!("p{n}"), Some(1))).collect();
    machine.ok(Command::ApplyContainerStates { source: PartitionId(2), states: phantoms });
    assert_eq!(totals(&machine), (1501, 1501, 3007));
    let flush = || Command::FlushAccount { account: account() };
    assert_eq!(machine.ok(flush()), Answer::AccountFlushed { complete: false });
    assert_eq!(totals(&machine).0, 501);
    assert_eq!(machine.ok(flush()), Answer::AccountFlushed { complete: true });
    assert_eq!(totals(&machine), (0, 0, 0));
    let refresh = |name: &str| Command::RefreshContainer {
        account: account(),
        container: name.parse().unwrap(),
    };
    assert_eq!(machine.ok(refresh("c")), Answer::ContainerRefreshed { exists: true });
    tell(&mut machine);
    assert_eq!(totals(&machine), (1, 1, 7));
    // The row of a container that is gone goes too.
    let phantom = vec![report(9000, "gone", Some(4))];
    machine.ok(Command::ApplyContainerStates { source: PartitionId(2), states: phantom });
    assert_eq!(totals(&machine), (2, 5, 15));
    assert_eq!(machine.ok(refresh("gone")), Answer::ContainerRefreshed { exists: false });
    tell(&mut machine);
    assert_eq!(totals(&machine), (1, 1, 7));
}
