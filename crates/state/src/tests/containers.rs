//! Rules of containers.

use super::harness::{Machine, create_container, delete, id, properties};
use crate::{
    Answer, Command, ContainerCounters, ContainerState, CorrectCounters, CreateContainer,
    PropertyChanges, UpdateContainer, read,
};
use model::{ContainerId, ErrorKind, Subject, Versioning};

#[test]
fn a_container_is_made_once() {
    let mut machine = Machine::new();
    let create = |quota| {
        Command::CreateContainer(CreateContainer {
            account: "a".parse().unwrap(),
            container: "c".parse().unwrap(),
            policy: Some("EC63".parse().unwrap()),
            versioning: Versioning::Keep(3),
            quota,
            properties: properties(&[("k", "v")]),
        })
    };
    assert_eq!(machine.ok(create(Some(5))), Answer::Created { created: true });
    let created = machine.time;
    assert_eq!(machine.ok(create(None)), Answer::Created { created: false });
    let container = read::show_container(&machine.memory, &id("a", "c")).unwrap();
    assert_eq!((container.incarnation, container.created), (1, created));
    assert_eq!((container.quota, container.versioning), (Some(5), Versioning::Keep(3)));
    assert_eq!(container.properties, properties(&[("k", "v")]));
    let found = read::find_container(&machine.memory, &id("a", "c")).unwrap().unwrap();
    assert!(found.properties.is_empty());
    assert_eq!(machine.outbox().len(), 1);
    for keep in [0, 1] {
        let command = create_container("a", "d", Versioning::Keep(keep));
        assert_eq!(machine.refused_as(command), ErrorKind::Invalid);
    }
}

#[test]
fn an_update_changes_what_it_names() {
    let (mut machine, c) = Machine::with_container(Versioning::Suspended);
    let nothing = || UpdateContainer {
        container: c,
        properties: PropertyChanges::default(),
        policy: None,
        versioning: None,
        quota: None,
    };
    let missing = UpdateContainer { container: id("a", "x"), ..nothing() };
    let error = machine.refused(Command::UpdateContainer(missing));
    assert_eq!((error.kind, error.subject), (ErrorKind::NotFound, Subject::Container));
    let change = UpdateContainer {
        properties: PropertyChanges { set: properties(&[("k", "v")]), ..Default::default() },
        policy: Some(Some("EC42".parse().unwrap())),
        versioning: Some(Versioning::Unlimited),
        quota: Some(Some(7)),
        ..nothing()
    };
    machine.ok(Command::UpdateContainer(change));
    machine.drain_outbox();
    machine.ok(Command::UpdateContainer(nothing()));
    // Nothing but a touch: the account is told again.
    assert_eq!(machine.outbox().len(), 1);
    let container = read::show_container(&machine.memory, &c).unwrap();
    assert_eq!(container.policy, Some("EC42".parse().unwrap()));
    assert_eq!((container.versioning, container.quota), (Versioning::Unlimited, Some(7)));
    assert_eq!(container.modified, machine.time);
    let back = UpdateContainer {
        properties: PropertyChanges { clear: true, ..Default::default() },
        policy: Some(None),
        quota: Some(None),
        ..nothing()
    };
    machine.ok(Command::UpdateContainer(back));
    let container = read::show_container(&machine.memory, &c).unwrap();
    assert_eq!((container.policy, container.quota), (None, None));
    assert!(container.properties.is_empty());
}

#[test]
fn a_container_with_versions_is_not_deleted_and_markers_do_not_count() {
    let (mut machine, c) = Machine::with_container(Versioning::Unlimited);
    let remove = Command::DeleteContainer { container: c };
    let version = machine.put(&c, "o", 0);
    machine.ok(delete(&c, "o", None));
    let error = machine.refused(remove.clone());
    assert_eq!((error.kind, error.subject), (ErrorKind::Conflict, Subject::Container));
    machine.ok(delete(&c, "o", Some(version)));
    assert_eq!(machine.ok(remove.clone()), Answer::ContainerDeleted { complete: true });
    assert_eq!(machine.refused_as(remove), ErrorKind::NotFound);
    assert!(!machine.memory.0.keys().any(|k| (0x20..=0x25).contains(&k[0])));
    machine.ok(create_container("a", "c", Versioning::Unlimited));
    assert!(machine.versions(&c, "o").is_empty());
}

#[test]
fn many_markers_take_several_commands() {
    let (mut machine, c) = Machine::with_container(Versioning::Unlimited);
    let version = machine.put(&c, "o", 1);
    for _ in 0..1500 {
        machine.run(delete(&c, "o", None)).unwrap();
    }
    machine.ok(delete(&c, "o", Some(version)));
    let remove = Command::DeleteContainer { container: c };
    assert_eq!(machine.ok(remove.clone()), Answer::ContainerDeleted { complete: false });
    assert!(read::show_container(&machine.memory, &c).is_ok());
    assert_eq!(machine.ok(remove), Answer::ContainerDeleted { complete: true });
    assert!(!machine.memory.0.keys().any(|k| k[0] == 0x22));
}

#[test]
fn the_outbox_holds_the_last_state_of_each_container() {
    let mut machine = Machine::new();
    machine.ok(create_container("a", "c", Versioning::Suspended));
    machine.ok(create_container("a", "d", Versioning::Suspended));
    let (c, d) = (id("a", "c"), id("a", "d"));
    machine.put(&c, "o", 10);
    let state = |index, container: &str, counters: Option<(u64, u64)>, modified| ContainerState {
        index,
        account: "a".parse().unwrap(),
        container: container.parse().unwrap(),
        counters: counters.map(|(objects, bytes)| ContainerCounters {
            objects,
            bytes,
            live_objects: objects,
            live_bytes: bytes,
            modified,
        }),
    };
    let start = super::harness::START;
    let states = machine.outbox();
    assert_eq!(
        states,
        [state(2, "d", Some((0, 0)), start + 2), state(3, "c", Some((1, 10)), start + 3)]
    );
    assert_eq!(read::undelivered(&machine.memory, &c).unwrap(), Some(3));
    // What changed after it was read stays.
    machine.put(&d, "o", 20);
    machine.ok(Command::OutboxDelivered { indexes: vec![2, 3, 77] });
    assert_eq!(machine.outbox(), [state(4, "d", Some((1, 20)), start + 4)]);
    assert_eq!(read::undelivered(&machine.memory, &c).unwrap(), None);
    machine.drain_outbox();
    machine.ok(delete(&c, "o", None));
    machine.ok(Command::DeleteContainer { container: c });
    assert_eq!(machine.outbox(), [state(8, "c", None, 0)]);
    machine.drain_outbox();
    assert!(!machine.memory.0.keys().any(|k| [0x30, 0x31].contains(&k[0])));
}

#[test]
fn an_outbox_batch_goes_on_where_the_last_one_ended() {
    let mut machine = Machine::new();
    for n in 0..40 {
        machine.ok(create_container(&format!("a{n}"), "c", Versioning::Suspended));
    }
    let (mut all, mut after) = (Vec::new(), 0);
    loop {
        let batch = read::outbox(&machine.memory, after, 3).unwrap();
        assert!(batch.states.len() <= 3);
        assert!(batch.states.iter().all(|s| s.index > after && s.index <= batch.upto));
        all.extend(batch.states);
        after = batch.upto;
        if !batch.more {
            break;
        }
    }
    assert_eq!(all, machine.outbox());
}

/// Counts all of a container, and says what puts its counters right.
fn recounted(machine: &Machine, id: &ContainerId) -> Option<CorrectCounters> {
    let mut recount = read::Recount::default();
    while !recount.step(&machine.memory, id).unwrap() {}
    recount.correction(&machine.memory, id).unwrap()
}

#[test]
fn counters_that_are_wrong_are_put_right_whatever_happens_meanwhile() {
    let (mut machine, c) = Machine::with_container(Versioning::Unlimited);
    let counters = |machine: &Machine| {
        let shown = read::show_container(&machine.memory, &c).unwrap();
        [shown.objects, shown.bytes, shown.live_objects, shown.live_bytes]
    };
    for (object, size) in [("a", 10), ("a", 20), ("b", 5), ("o", 7), ("o/p", 1)] {
        let commit = machine.commit(&c, object, size);
        machine.put_commit(commit);
    }
    machine.ok(delete(&c, "b", None));
    let right = [5, 43, 3, 28];
    assert_eq!((counters(&machine), recounted(&machine, &c)), (right, None));
    let wrong = CorrectCounters {
        container: c,
        incarnation: read::show_container(&machine.memory, &c).unwrap().incarnation,
        corrections: 0,
        objects: 2,
        bytes: -3,
        live_objects: -100,
        live_bytes: 1 << 40,
    };
    machine.ok(Command::CorrectCounters(wrong.clone()));
    assert_eq!(counters(&machine), [7, 40, 0, 28 + (1 << 40)]);
    let correction = recounted(&machine, &c).unwrap();
    let (off, live) = ((correction.objects, correction.bytes), correction.live_objects);
    assert_eq!((off, live, correction.live_bytes), ((-2, 3), 3, -(1 << 40)));
    // Something is written before the correction comes, and the correction comes twice.
    let commit = machine.commit(&c, "z", 100);
    machine.put_commit(commit);
    for _ in 0..2 {
        machine.ok(Command::CorrectCounters(correction.clone()));
        assert_eq!(counters(&machine), [6, 143, 4, 128]);
    }
    assert_eq!(recounted(&machine, &c), None);
    assert_eq!(machine.outbox().last().unwrap().counters.unwrap().objects, 6);
    // One for a container that was made anew changes nothing.
    let other = CorrectCounters { incarnation: 999, corrections: 2, ..wrong };
    machine.ok(Command::CorrectCounters(other));
    assert_eq!(counters(&machine), [6, 143, 4, 128]);
    assert_eq!(recounted(&machine, &id("a", "none")), None);
}
