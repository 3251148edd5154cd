//! Rules of accounts and of what containers report to them.

use super::harness::{Machine, properties};
use crate::{Answer, Command, ContainerCounters, ContainerState, PropertyChanges, read};
use model::{AccountName, ErrorKind, ListQuery, PartitionId, Subject};

fn name(name: &str) -> AccountName {
    name.parse().unwrap()
}

fn create(account: &str) -> Command {
    Command::CreateAccount { account: name(account), properties: properties(&[("k", "v")]) }
}

fn state(index: u64, container: &str, counters: Option<(u64, u64)>) -> ContainerState {
    let counters = counters.map(|(objects, bytes)| ContainerCounters {
        objects,
        bytes,
        live_objects: live(objects),
        live_bytes: live(bytes),
        modified: index,
    });
    ContainerState { index, account: name("a"), container: container.parse().unwrap(), counters }
}

/// What is told of the live ones beside all that there are.
fn live(all: u64) -> u64 {
    10 * all
}

fn report(source: u32, states: Vec<ContainerState>) -> Command {
    Command::ApplyContainerStates { source: PartitionId(source), states }
}

fn totals(machine: &Machine) -> (u64, u64, u64) {
    let account = read::show_account(&machine.memory, &name("a")).unwrap();
    let (objects, bytes) = (account.objects, account.bytes);
    assert_eq!((account.live_objects, account.live_bytes), (live(objects), live(bytes)));
    (account.containers, objects, bytes)
}

#[test]
fn an_account_is_made_changed_and_removed() {
    let mut machine = Machine::new();
    let show = |machine: &Machine| read::show_account(&machine.memory, &name("a"));
    assert!(show(&machine).is_err());
    assert_eq!(machine.ok(create("a")), Answer::Created { created: true });
    assert_eq!(machine.ok(create("a")), Answer::Created { created: false });
    let account = show(&machine).unwrap();
    assert_eq!(
        (account.created, account.properties),
        (machine.time - 1, properties(&[("k", "v")]))
    );
    let update = |account: &str| Command::UpdateAccount {
        account: name(account),
        properties: PropertyChanges {
            remove: vec!["k".into()],
            set: properties(&[("l", "w")]),
            ..Default::default()
        },
    };
    let error = machine.refused(update("b"));
    assert_eq!((error.kind, error.subject), (ErrorKind::NotFound, Subject::Account));
    machine.ok(update("a"));
    assert_eq!(show(&machine).unwrap().properties, properties(&[("l", "w")]));
    let delete = Command::DeleteAccount { account: name("a") };
    machine.ok(report(1, vec![state(1, "c", Some((0, 0)))]));
    assert_eq!(machine.refused_as(delete.clone()), ErrorKind::Conflict);
    machine.ok(report(1, vec![state(2, "c", None)]));
    machine.ok(delete.clone());
    assert!(show(&machine).is_err());
    assert_eq!(machine.refused_as(delete), ErrorKind::NotFound);
}

#[test]
fn reports_are_absolute_and_in_order() {
    let mut machine = Machine::new();
    // The account is made by the first report.
    machine.ok(report(1, vec![state(5, "c", Some((2, 20))), state(7, "d", Some((1, 5)))]));
    assert_eq!(totals(&machine), (2, 3, 25));
    assert_eq!(read::inbound_mark(&machine.memory, PartitionId(1)).unwrap(), 7);
    // A repetition, and one that was overtaken.
    machine.ok(report(1, vec![state(5, "c", Some((9, 90))), state(6, "e", Some((1, 1)))]));
    machine.ok(report(1, vec![state(7, "d", Some((9, 90)))]));
    assert_eq!(totals(&machine), (2, 3, 25));
    // Another partition counts its own log.
    machine.ok(report(2, vec![state(3, "f", Some((1, 100)))]));
    assert_eq!(totals(&machine), (3, 4, 125));
    machine.ok(report(1, vec![state(9, "c", Some((1, 10))), state(10, "d", None)]));
    assert_eq!(totals(&machine), (2, 2, 110));
    // Gone already, or never seen.
    machine.ok(report(1, vec![state(11, "d", None), state(12, "never", None)]));
    assert_eq!(totals(&machine), (2, 2, 110));
    let query = ListQuery { limit: 10, ..Default::default() };
    let page = read::list_containers(&machine.memory, &name("a"), &query).unwrap();
    let listed = page.items.into_iter().map(|item| match item {
        model::ListedName::Entry(e) => {
            assert_eq!((e.live_objects, e.live_bytes), (live(e.objects), live(e.bytes)));
            (e.name.to_string(), e.objects, e.bytes, e.modified)
        }
        other => panic!("{other:?}"),
    });
    let listed: Vec<_> = listed.collect();
    assert_eq!(listed, [("c".to_owned(), 1, 10, 9), ("f".to_owned(), 1, 100, 3)]);
}

#[test]
fn accounts_are_listed_in_order_by_pages() {
    let mut machine = Machine::new();
    for account in ["b", "a", "a\0", "ab", "c"] {
        machine.ok(create(account));
    }
    let list = |marker: &str, limit| {
        let (names, more) = read::list_accounts(&machine.memory, marker, limit).unwrap();
        (names.iter().map(ToString::to_string).collect::<Vec<_>>(), more)
    };
    assert_eq!(list("", 2), (vec!["a".into(), "a\0".into()], true));
    assert_eq!(list("a\0", 2), (vec!["ab".into(), "b".into()], true));
    assert_eq!(list("b", 2), (vec!["c".into()], false));
    assert_eq!(list("aa", 9).0.len(), 3);
    assert_eq!(list("z", 9), (vec![], false));
}
