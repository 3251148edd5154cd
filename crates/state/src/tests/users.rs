//! Rules of users.

use super::harness::Machine;
use crate::{Answer, Command, InitCluster, PutUser, read};
use model::{ClusterId, ErrorKind, KeyHash, Node, NodeId, Policy, Role, UserName};

fn machine() -> Machine {
    let mut machine = Machine::new();
    machine.ok(Command::InitCluster(InitCluster {
        cluster: ClusterId([1; 16]),
        nodes: vec![Node { id: NodeId(1), address: "h:1".into() }],
        partitions: 1,
        policies: Policy::built_in(),
        default_policy: "EC63".parse().unwrap(),
    }));
    machine
}

fn name(text: &str) -> UserName {
    text.parse().unwrap()
}

fn hash(byte: u8) -> KeyHash {
    KeyHash::try_from(vec![byte]).unwrap()
}

fn create(user: &str, role: Role) -> Command {
    let (role, key) = (Some(role), Some(hash(1)));
    Command::PutUser(PutUser { name: name(user), role, key, create: true })
}

fn change(user: &str, role: Option<Role>, key: Option<KeyHash>) -> Command {
    Command::PutUser(PutUser { name: name(user), role, key, create: false })
}

fn delete(user: &str) -> Command {
    Command::DeleteUser { name: name(user) }
}

fn users(machine: &Machine) -> Vec<String> {
    let (users, more) = read::list_users(&machine.memory, None, None, 100).unwrap();
    assert!(!more);
    users.into_iter().map(|u| format!("{} {}", u.name, u.role)).collect()
}

#[test]
fn users_come_change_and_go() {
    let mut machine = machine();
    assert_eq!(machine.ok(create("acme:alice", Role::Writer)), Answer::Done);
    assert_eq!(machine.refused_as(create("acme:alice", Role::Admin)), ErrorKind::AlreadyExists);
    let (made, key) = read::find_user(&machine.memory, &name("acme:alice")).unwrap().unwrap();
    assert_eq!((made.role, key, made.created), (Role::Writer, hash(1), made.changed));

    machine.ok(change("acme:alice", Some(Role::Writer), Some(hash(1))));
    let same = read::find_user(&machine.memory, &name("acme:alice")).unwrap().unwrap().0;
    assert_eq!(same, made, "nothing new");
    machine.ok(change("acme:alice", None, Some(hash(2))));
    let (keyed, key) = read::find_user(&machine.memory, &name("acme:alice")).unwrap().unwrap();
    assert_eq!((keyed.role, key, keyed.created), (Role::Writer, hash(2), made.created));
    assert!(keyed.revision > made.revision && keyed.changed >= made.changed);
    machine.ok(change("acme:alice", Some(Role::Admin), None));
    assert_eq!(users(&machine), ["acme:alice admin"]);

    for refused in [create("root", Role::Writer), create("acme:root", Role::Operator)] {
        assert_eq!(machine.refused_as(refused), ErrorKind::Invalid);
    }
    let to_operator = change("acme:alice", Some(Role::Operator), None);
    assert_eq!(machine.refused_as(to_operator), ErrorKind::Invalid);
    for missing in [change("acme:bob", None, None), delete("acme:bob"), delete("alice")] {
        assert_eq!(machine.refused_as(missing), ErrorKind::NotFound);
    }
    machine.ok(delete("acme:alice"));
    assert!(users(&machine).is_empty());
    assert_eq!(Machine::new().refused_as(create("r", Role::Operator)), ErrorKind::Unavailable);
}

#[test]
fn the_last_operator_stays() {
    let mut machine = machine();
    machine.ok(create("one", Role::Operator));
    machine.ok(create("shop", Role::Reseller));
    machine.ok(create("acme:alice", Role::Admin));
    let demote = |user| change(user, Some(Role::Reseller), None);
    assert_eq!(machine.refused_as(delete("one")), ErrorKind::Conflict);
    assert_eq!(machine.refused_as(demote("one")), ErrorKind::Conflict);
    machine.ok(change("one", None, Some(hash(9))));
    machine.ok(create("two", Role::Operator));
    machine.ok(delete("one"));
    assert_eq!(machine.refused_as(demote("two")), ErrorKind::Conflict);
    machine.ok(delete("shop"));
    assert_eq!(users(&machine), ["two operator", "acme:alice admin"]);
}

#[test]
fn users_are_listed_by_account_and_in_pages() {
    let mut machine = machine();
    let all = ["root", "a:x", "a:y", "ab:x", "b:x"];
    machine.ok(create("root", Role::Operator));
    for user in ["b:x", "ab:x", "a:y", "a:x"] {
        machine.ok(create(user, Role::Reader));
    }
    let list = |account: Option<&str>, after: Option<&str>, limit| {
        let account = account.map(|a| a.parse().unwrap());
        let after = after.map(name);
        let (users, more) =
            read::list_users(&machine.memory, account.as_ref(), after.as_ref(), limit).unwrap();
        (users.into_iter().map(|u| u.name.to_string()).collect::<Vec<_>>(), more)
    };
    assert_eq!(list(None, None, 100), (all.map(Into::into).to_vec(), false));
    assert_eq!(list(Some("a"), None, 100).0, ["a:x", "a:y"]);
    assert_eq!(list(Some("c"), None, 100).0, [""; 0]);
    assert_eq!(list(Some("a"), Some("b:x"), 100).0, [""; 0], "behind its end");
    assert_eq!(list(Some("b"), Some("a:x"), 100).0, ["b:x"], "before its beginning");
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let (page, more) = list(None, after.as_deref(), 2);
        after = page.last().cloned();
        seen.extend(page);
        if !more {
            break;
        }
    }
    assert_eq!(seen, all);
}
