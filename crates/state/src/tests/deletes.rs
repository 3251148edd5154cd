//! Rules of deletes and property changes.

use super::harness::{Machine, delete, properties};
use crate::{Answer, Command, DeleteObject, PropertyChanges, UpdateObject, read};
use model::{Body, ContainerId, ErrorKind, Precondition, Subject, Version, Versioning};

fn deleted(answer: Answer) -> (Version, bool) {
    match answer {
        Answer::ObjectDeleted { version, marker } => (version, marker),
        other => panic!("{other:?}"),
    }
}

#[test]
fn where_versions_are_kept_a_delete_is_a_marker() {
    for versioning in [Versioning::Unlimited, Versioning::Keep(3)] {
        let (mut machine, c) = Machine::with_container(versioning);
        let name = "o".parse().unwrap();
        let error = machine.refused(delete(&c, "o", None));
        assert_eq!((error.kind, error.subject), (ErrorKind::NotFound, Subject::Object));
        let first = machine.put(&c, "o", 10);
        let (marker, written) = deleted(machine.ok(delete(&c, "o", None)));
        assert!(written && marker > first);
        assert!(read::locate(&machine.memory, &c, &name, None).is_err());
        let located = read::locate(&machine.memory, &c, &name, Some(marker)).unwrap();
        assert!(located.body == Body::Marker && located.entry.marker && located.entry.latest);
        let located = read::locate(&machine.memory, &c, &name, Some(first)).unwrap();
        assert!(!located.entry.latest);
        // Markers do not count, and their content stays.
        let container = read::show_container(&machine.memory, &c).unwrap();
        assert_eq!((container.objects, container.bytes), (1, 10));
        assert!(machine.deletions().is_empty());
        // Another one, never an undelete.
        let (second, written) = deleted(machine.ok(delete(&c, "o", None)));
        assert!(written && second > marker);
        assert_eq!(machine.versions(&c, "o"), [(second, true), (marker, true), (first, false)]);
    }
}

fn delete_or_mark(container: &ContainerId, version: Option<Version>) -> Command {
    let Command::DeleteObject(command) = delete(container, "o", version) else { unreachable!() };
    Command::DeleteObject(DeleteObject { missing: Some("EC63".parse().unwrap()), ..command })
}

#[test]
fn where_versions_are_kept_a_deletion_of_nothing_can_be_a_marker() {
    for versioning in [Versioning::Unlimited, Versioning::Keep(3)] {
        let (mut machine, c) = Machine::with_container(versioning);
        let name = "o".parse().unwrap();
        let before = machine.put(&c, "other", 10);
        let (marker, written) = deleted(machine.ok(delete_or_mark(&c, None)));
        assert!(written && marker > before);
        let error = machine.refused(delete_or_mark(&c, Some(before)));
        assert_eq!((error.kind, error.subject), (ErrorKind::NotFound, Subject::Object));
        assert_eq!(machine.versions(&c, "o"), [(marker, true)]);
        let located = read::locate(&machine.memory, &c, &name, Some(marker)).unwrap();
        assert!(located.body == Body::Marker && located.entry.latest);
        assert_eq!(located.entry.policy.as_str(), "EC63");
        let container = read::show_container(&machine.memory, &c).unwrap();
        assert_eq!((container.objects, container.live_objects), (1, 1));
        // What is there is covered as always.
        let (second, _) = deleted(machine.ok(delete_or_mark(&c, None)));
        let put = machine.put(&c, "o", 10);
        let (third, _) = deleted(machine.ok(delete_or_mark(&c, None)));
        let all = [(third, true), (put, false), (second, true), (marker, true)];
        assert_eq!(machine.versions(&c, "o")[..3], all[..3]);
    }
    for versioning in [Versioning::Disabled, Versioning::Suspended] {
        let (mut machine, c) = Machine::with_container(versioning);
        assert_eq!(machine.refused_as(delete_or_mark(&c, None)), ErrorKind::NotFound);
    }
}

#[test]
fn a_version_is_removed_by_its_number() {
    let (mut machine, c) = Machine::with_container(Versioning::Unlimited);
    let name = "o".parse().unwrap();
    let first = machine.put(&c, "o", 10);
    let second = machine.put(&c, "o", 20);
    let (marker, _) = deleted(machine.ok(delete(&c, "o", None)));
    assert_eq!(machine.refused_as(delete(&c, "o", Some(Version(1)))), ErrorKind::NotFound);
    // Removing the marker makes the version before it the latest.
    assert_eq!(deleted(machine.ok(delete(&c, "o", Some(marker)))), (marker, false));
    assert_eq!(read::locate(&machine.memory, &c, &name, None).unwrap().entry.version, second);
    assert_eq!(deleted(machine.ok(delete(&c, "o", Some(second)))), (second, false));
    assert_eq!(read::locate(&machine.memory, &c, &name, None).unwrap().entry.version, first);
    assert_eq!(machine.deletions().len(), 1);
    let container = read::show_container(&machine.memory, &c).unwrap();
    assert_eq!((container.objects, container.bytes), (1, 10));
}

#[test]
fn elsewhere_a_delete_removes() {
    for versioning in [Versioning::Disabled, Versioning::Suspended] {
        let (mut machine, c) = Machine::with_container(versioning);
        let mut commit = machine.commit(&c, "o", 10);
        commit.properties = properties(&[("k", "v")]);
        let version = machine.put_commit(commit);
        assert_eq!(deleted(machine.ok(delete(&c, "o", None))), (version, false));
        assert_eq!(machine.refused_as(delete(&c, "o", None)), ErrorKind::NotFound);
        let container = read::show_container(&machine.memory, &c).unwrap();
        assert_eq!((container.objects, container.bytes), (0, 0));
        assert_eq!(machine.deletions().len(), 1);
        // Head, properties, owner: nothing of the version is left.
        assert!(!machine.memory.0.keys().any(|k| [0x22, 0x23, 0x25].contains(&k[0])));
    }
}

#[test]
fn versions_of_before_are_kept_and_never_show_through() {
    for delete_it in [true, false] {
        let (mut machine, c) = Machine::with_container(Versioning::Unlimited);
        for _ in 0..3 {
            machine.put(&c, "o", 10);
        }
        machine.ok(Command::UpdateContainer(crate::UpdateContainer {
            container: c,
            properties: PropertyChanges::default(),
            policy: None,
            versioning: Some(Versioning::Suspended),
            quota: None,
        }));
        let before = machine.versions(&c, "o");
        for _ in 0..3 {
            if delete_it {
                assert!(deleted(machine.ok(delete(&c, "o", None))).1);
                assert!(read::locate(&machine.memory, &c, &"o".parse().unwrap(), None).is_err());
            } else {
                machine.put(&c, "o", 10);
            }
            let after = machine.versions(&c, "o");
            assert_eq!((after.len(), &after[1..]), (3, &before[1..]));
        }
        assert_eq!(machine.deletions().len(), if delete_it { 1 } else { 3 });
        if delete_it {
            machine.put(&c, "o", 10);
            assert_eq!(machine.versions(&c, "o")[1..], before[1..], "the marker is overwritten");
        }
    }
}

#[test]
fn deletes_have_preconditions() {
    let (mut machine, c) = Machine::with_container(Versioning::Suspended);
    let version = machine.put(&c, "o", 10);
    let with = |precondition| {
        Command::DeleteObject(DeleteObject {
            container: c,
            object: "o".parse().unwrap(),
            version: None,
            silent: false,
            missing: None,
            precondition,
            delete_grace: 0,
        })
    };
    let other = Precondition::Version(Version(version.0 - 10));
    assert_eq!(machine.refused_as(with(other)), ErrorKind::Precondition);
    machine.ok(with(Precondition::Version(version)));
}

#[test]
fn properties_change_in_place() {
    let (mut machine, c) = Machine::with_container(Versioning::Unlimited);
    let name: model::ObjectName = "o".parse().unwrap();
    let update = |version, properties| {
        Command::UpdateObject(UpdateObject {
            container: c,
            object: "o".parse().unwrap(),
            version,
            precondition: Precondition::None,
            properties,
            mime_type: None,
            delete_at: None,
        })
    };
    let set =
        |pairs: &[(&str, &str)]| PropertyChanges { set: properties(pairs), ..Default::default() };
    assert_eq!(machine.refused_as(update(None, set(&[]))), ErrorKind::NotFound);
    let first = machine.put(&c, "o", 10);
    machine.ok(update(None, set(&[("a", "1"), ("b", "2"), ("c", "3")])));
    let changes = PropertyChanges {
        clear: false,
        remove: vec!["a".into(), "absent".into()],
        set: properties(&[("b", "9")]),
    };
    machine.ok(update(Some(first), changes));
    let object = read::locate(&machine.memory, &c, &name, None).unwrap();
    assert_eq!(object.properties, properties(&[("b", "9"), ("c", "3")]));
    assert_eq!(object.entry.modified, machine.time);
    assert_eq!(object.entry.created, machine.time - 2);
    let clear = PropertyChanges { clear: true, ..set(&[("d", "4")]) };
    machine.ok(update(None, clear));
    let (_, shown) = read::show_object(&machine.memory, &c, &name, None).unwrap();
    assert_eq!(shown, properties(&[("d", "4")]));
    // What changes nothing is no change; an empty list is: it touches.
    let modified =
        |machine: &Machine| read::show_object(&machine.memory, &c, &name, None).unwrap().0.modified;
    let before = modified(&machine);
    let nothing = PropertyChanges { remove: vec!["absent".into()], ..set(&[("d", "4")]) };
    machine.ok(update(None, nothing));
    assert_eq!(modified(&machine), before);
    machine.ok(update(None, PropertyChanges::default()));
    assert_eq!(modified(&machine), machine.time);
    let huge = "x".repeat(65_536);
    assert_eq!(machine.refused_as(update(None, set(&[("k", &huge)]))), ErrorKind::Invalid);
    // A marker has none.
    let (marker, _) = deleted(machine.ok(delete(&c, "o", None)));
    assert_eq!(machine.refused_as(update(None, set(&[]))), ErrorKind::NotFound);
    assert_eq!(machine.refused_as(update(Some(marker), set(&[]))), ErrorKind::NotFound);
    machine.ok(update(Some(first), set(&[("e", "5")])));
}

#[test]
fn what_is_held_is_not_removed() {
    use crate::kv::head::{self, Head};
    let (mut machine, c) = Machine::with_container(Versioning::Suspended);
    let version = machine.put(&c, "o", 10);
    let key = head::key(&c, "o", version);
    let stored = machine.memory.0[key.as_bytes()].clone();
    let write = |machine: &mut Machine, edit: &dyn Fn(&mut Head)| {
        let mut head: Head = crate::kv::decode(key.as_bytes(), &stored).unwrap();
        edit(&mut head);
        let value = postcard::to_extend(&head, vec![1]).unwrap();
        machine.memory.0.insert(key.as_bytes().to_vec(), value);
    };
    let far = machine.time + 1_000_000;
    let refuse = |machine: &mut Machine, command: Command| {
        assert_eq!(machine.run(command).unwrap_err().kind, ErrorKind::Denied);
    };
    write(&mut machine, &|head| head.held = true);
    refuse(&mut machine, delete(&c, "o", None));
    refuse(&mut machine, delete(&c, "o", Some(version)));
    let commit = machine.commit(&c, "o", 10);
    refuse(&mut machine, Command::Commit(Box::new(commit)));
    write(&mut machine, &|head| head.retained_until = Some(far));
    refuse(&mut machine, delete(&c, "o", None));
    machine.time = far;
    machine.run(delete(&c, "o", None)).unwrap();
}
