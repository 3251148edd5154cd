//! Versions that go by themselves.

use super::harness::{Machine, START};
use crate::{Answer, Command, Expire, PropertyChanges, SetFrozen, UpdateObject, read};
use model::{ContainerId, ErrorKind, Frozen, JobId, Precondition, Version, Versioning};

const NOW: u64 = START / 1_000_000;

fn put(machine: &mut Machine, container: &ContainerId, object: &str, at: Option<u64>) -> Version {
    let mut commit = machine.commit(container, object, 10);
    commit.delete_at = at;
    machine.put_commit(commit)
}

fn expire(container: ContainerId, versions: &[(&str, Version)]) -> Command {
    let versions = versions.iter().map(|(name, version)| (name.parse().unwrap(), *version));
    let versions = versions.collect();
    Command::Expire(Expire { container, versions, delete_grace: 0 })
}

/// How many of these versions went.
fn gone(machine: &mut Machine, container: ContainerId, versions: &[(&str, Version)]) -> u32 {
    match machine.ok(expire(container, versions)) {
        Answer::Expired { versions, .. } => versions,
        other => panic!("{other:?}"),
    }
}

/// What is due, in its order.
fn due(machine: &Machine) -> Vec<Version> {
    let page = read::expired(&machine.memory, None, machine.time, 100).unwrap();
    page.versions.into_iter().map(|(_, _, version)| version).collect()
}

fn set(container: ContainerId, delete_at: Option<u64>) -> Command {
    Command::UpdateObject(UpdateObject {
        container,
        object: "o".parse().unwrap(),
        version: None,
        precondition: Precondition::None,
        properties: PropertyChanges::default(),
        mime_type: None,
        delete_at: Some(delete_at),
    })
}

#[test]
fn a_version_goes_when_its_time_has_come_and_not_before() {
    let (mut machine, c) = Machine::with_container(Versioning::Suspended);
    let version = put(&mut machine, &c, "o", Some(NOW + 100));
    put(&mut machine, &c, "stays", None);
    let o = ("o", version);
    assert_eq!((due(&machine), gone(&mut machine, c, &[o])), (vec![], 0));
    machine.time = (NOW + 100) * 1_000_000;
    assert_eq!(due(&machine), [version]);
    // Put off, it is not taken by a command of before.
    machine.ok(set(c, Some(NOW + 200)));
    assert_eq!((due(&machine), gone(&mut machine, c, &[o])), (vec![], 0));
    machine.ok(set(c, None));
    machine.time = (NOW + 300) * 1_000_000;
    assert_eq!((due(&machine), gone(&mut machine, c, &[o])), (vec![], 0));
    machine.ok(set(c, Some(NOW)));
    assert_eq!(due(&machine), [version]);
    assert_eq!(gone(&mut machine, c, &[o, o]), 1);
    assert_eq!((machine.versions(&c, "o").len(), machine.deletions().len()), (0, 1));
    let container = read::show_container(&machine.memory, &c).unwrap();
    assert_eq!((container.objects, container.bytes), (1, 10));
    assert_eq!(machine.outbox().last().unwrap().counters.unwrap().objects, 1);
    assert!(!machine.memory.0.keys().any(|key| key[0] == 0x28));
    assert_eq!(gone(&mut machine, c, &[o]), 0);
    let many = vec![o; crate::MAX_EXPIRED + 1];
    assert_eq!(machine.refused_as(expire(c, &many)), ErrorKind::Invalid);
}

#[test]
fn what_is_older_does_not_show_through() {
    let (mut machine, c) = Machine::with_container(Versioning::Unlimited);
    let first = put(&mut machine, &c, "o", None);
    let middle = put(&mut machine, &c, "o", Some(NOW));
    let last = put(&mut machine, &c, "o", Some(NOW));
    assert_eq!(due(&machine), [last, middle]);
    assert_eq!(gone(&mut machine, c, &[("o", last), ("o", middle)]), 2);
    let listed = machine.versions(&c, "o");
    assert!(listed[0].1 && listed[0].0 > last, "{listed:?}");
    assert_eq!(listed[1..], [(first, false)]);
    // The marker says since when it is over, and does not go by itself.
    let query = model::ListQuery { versions: true, limit: 1, ..Default::default() };
    let page = read::list_objects(&machine.memory, &c, &query).unwrap();
    let model::ListedName::Entry(marker) = &page.items[0] else { panic!("{page:?}") };
    assert_eq!((marker.marker, marker.delete_at), (true, Some(NOW)));
    assert_eq!((due(&machine), gone(&mut machine, c, &[("o", listed[0].0)])), (vec![], 0));
    // One that was covered leaves no marker, and neither does the last one.
    let covered = put(&mut machine, &c, "p", Some(NOW));
    let newest = put(&mut machine, &c, "p", None);
    assert_eq!(due(&machine), [covered]);
    assert_eq!(gone(&mut machine, c, &[("p", covered)]), 1);
    assert_eq!(machine.versions(&c, "p"), [(newest, false)]);
}

#[test]
fn a_frozen_container_waits() {
    let (mut machine, c) = Machine::with_container(Versioning::Suspended);
    let version = put(&mut machine, &c, "o", Some(NOW));
    let until = machine.time + 1_000_000;
    let lease = Frozen::Lease { job: JobId([1; 16]), until };
    for (frozen, refusal) in
        [(Frozen::Forever, ErrorKind::Conflict), (lease, ErrorKind::Unavailable)]
    {
        for frozen in [Frozen::No, frozen] {
            machine.ok(Command::SetFrozen(SetFrozen { container: c, frozen, job: None }));
        }
        assert_eq!(due(&machine), []);
        assert_eq!(machine.refused_as(expire(c, &[("o", version)])), refusal);
    }
    machine.time = until;
    assert_eq!(due(&machine), [version]);
    assert_eq!(gone(&mut machine, c, &[("o", version)]), 1);
}
