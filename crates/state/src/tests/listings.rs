//! Listings against a naive model, and paged until their end.

use super::harness::{Machine, create_container, delete, id};
use crate::{Command, ContainerCounters, ContainerState, read};
use model::{
    ContainerId, ErrorKind, ListQuery, ListedName, Listing, ObjectEntry, PartitionId, Version,
    Versioning,
};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// What a model knows of an object: versions with whether they are markers, newest first.
type Objects = BTreeMap<String, Vec<(Version, bool)>>;

/// An item of a listing, reduced to what tells it apart.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Item {
    Entry { name: String, version: Version, latest: bool, marker: bool },
    Prefix(String),
}

fn item(listed: ListedName<ObjectEntry>) -> Item {
    match listed {
        ListedName::Entry(e) => Item::Entry {
            name: e.name.to_string(),
            version: e.version,
            latest: e.latest,
            marker: e.marker,
        },
        ListedName::Prefix(prefix) => Item::Prefix(prefix),
    }
}

/// All that a query asks for, whatever its limit: filter, fold, and nothing clever.
fn naive(objects: &Objects, query: &ListQuery) -> Vec<Item> {
    let mut items = Vec::new();
    let mut all: Vec<_> = objects.iter().collect();
    if query.reverse {
        all.reverse();
    }
    // Whether one comes before the other.
    let before = |a: &str, b: &str| if query.reverse { a > b } else { a < b };
    for (name, versions) in all {
        let listed = match (query.deleted, query.versions) {
            (true, _) => versions[0].1,
            (false, true) => true,
            (false, false) => !versions[0].1,
        };
        let inside = name.starts_with(&query.prefix)
            && (query.end_marker.is_empty() || before(name, &query.end_marker));
        if !listed || !inside {
            continue;
        }
        let shown = if query.versions { &versions[..] } else { &versions[..1] };
        let mut shown: Vec<_> = shown.iter().enumerate().collect();
        if query.reverse {
            shown.reverse();
        }
        for (at, (version, marker)) in shown {
            let after_version = query.versions
                && *name == query.marker
                && query.marker_version.is_some_and(|last| match query.reverse {
                    true => *version > last,
                    false => *version < last,
                });
            if !query.marker.is_empty() && !before(&query.marker, name) && !after_version {
                continue;
            }
            let rest = &name[query.prefix.len()..];
            let cut = rest.find(&query.delimiter).filter(|_| !query.delimiter.is_empty());
            let (version, marker) = (*version, *marker);
            let next = match cut {
                Some(cut) => {
                    let end = query.prefix.len() + cut + query.delimiter.len();
                    Item::Prefix(name[..end].to_owned())
                }
                None => Item::Entry { name: name.clone(), version, latest: at == 0, marker },
            };
            let marked = Item::Prefix(query.marker.clone());
            if next != marked && (items.last() != Some(&next) || cut.is_none()) {
                items.push(next);
            }
        }
    }
    items
}

/// Pages until the end; none but the last may be short, none empty.
fn paged(machine: &Machine, container: &ContainerId, query: &ListQuery) -> Vec<Item> {
    let mut query = query.clone();
    let mut items = Vec::new();
    loop {
        let page: Listing<_> = read::list_objects(&machine.memory, container, &query).unwrap();
        assert!(page.items.len() <= query.limit as usize);
        let count = page.items.len();
        items.extend(page.items.into_iter().map(item));
        let Some((marker, version)) = page.next else { return items };
        assert_eq!(count, query.limit as usize, "a page that is not the last is full");
        (query.marker, query.marker_version) = (marker, version);
    }
}

/// Names of few characters, with delimiters and NULs.
fn name() -> impl Strategy<Value = String> {
    "[ab/\0é]{1,5}"
}

fn part() -> impl Strategy<Value = String> {
    "[ab/\0é]{0,2}"
}

prop_compose! {
    fn queries()(
        prefix in part(),
        delimiter in prop_oneof![3 => Just(String::new()), 3 => Just("/".to_owned()),
            1 => Just("a/".to_owned()), 1 => Just("\0".to_owned()), 1 => Just("é".to_owned())],
        marker in prop_oneof![2 => Just(String::new()), 3 => name()],
        marker_version in prop::option::weighted(0.3, 0..400u64),
        end_marker in prop_oneof![3 => Just(String::new()), 1 => name()],
        limit in prop_oneof![1..4u32, Just(1000u32)],
        versions: bool,
        deleted in prop::bool::weighted(0.25),
        reverse: bool,
    ) -> ListQuery {
        let marker_version = marker_version.map(|n| Version(super::harness::START + n * 10));
        ListQuery {
            prefix, delimiter, marker, marker_version, end_marker, limit, versions, deleted,
            properties: false, reverse,
        }
    }
}

/// Objects made of names, of which some have several versions and some end in a marker.
fn filled(shape: &[(String, u8, bool)]) -> (Machine, ContainerId, Objects) {
    let (mut machine, c) = Machine::with_container(Versioning::Unlimited);
    let mut objects = Objects::new();
    for (name, count, deleted) in shape {
        for _ in 0..*count {
            let commit = machine.commit(&c, name, 0);
            machine.run(Command::Commit(Box::new(commit))).unwrap();
        }
        if *deleted {
            machine.run(delete(&c, name, None)).unwrap();
        }
    }
    for (name, ..) in shape {
        let mut versions: Vec<_> = Vec::new();
        for pair in crate::kv::scan(&machine.memory, &crate::kv::head::versions(&c, name)) {
            let (key, value) = pair.unwrap();
            let head: crate::kv::head::Head = crate::kv::decode(&key, &value).unwrap();
            versions.push((crate::kv::head::split(&key).unwrap().1, head.is_marker()));
        }
        objects.insert(name.clone(), versions);
    }
    (machine, c, objects)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn listings_are_what_the_naive_model_says(
        shape in prop::collection::vec((name(), 1..4u8, any::<bool>()), 0..25),
        queries in prop::collection::vec(queries(), 30),
    ) {
        let (machine, c, objects) = filled(&shape);
        for query in queries {
            prop_assert_eq!(paged(&machine, &c, &query), naive(&objects, &query), "{:?}", query);
        }
    }

    #[test]
    fn containers_are_listed_alike(
        names in prop::collection::btree_set(name(), 0..20), query in queries(),
    ) {
        let mut machine = Machine::new();
        let account: model::AccountName = "x".parse().unwrap();
        machine.ok(Command::CreateAccount { account: account.clone(), properties: Default::default() });
        let states = names.iter().zip(1..).map(|(name, index)| ContainerState {
            index,
            account: account.clone(),
            container: name.parse().unwrap(),
            counters: Some(ContainerCounters {
                objects: 1,
                bytes: 2,
                live_objects: 1,
                live_bytes: 2,
                modified: 3,
            }),
        });
        let states = states.collect();
        machine.ok(Command::ApplyContainerStates { source: PartitionId(1), states });
        let mut query = ListQuery { versions: false, deleted: false, ..query };
        let objects = names.into_iter().map(|name| (name, vec![(Version(0), false)])).collect();
        let want: Vec<_> = naive(&objects, &query).into_iter().map(|item| match item {
            Item::Entry { name, .. } => (name, false),
            Item::Prefix(prefix) => (prefix, true),
        }).collect();
        let mut got = Vec::new();
        loop {
            let page = read::list_containers(&machine.memory, &account, &query).unwrap();
            got.extend(page.items.into_iter().map(|item| match item {
                ListedName::Entry(entry) => (entry.name.to_string(), false),
                ListedName::Prefix(prefix) => (prefix, true),
            }));
            let Some((marker, version)) = page.next else { break };
            prop_assert_eq!(version, None);
            query.marker = marker;
        }
        prop_assert_eq!(got, want);
    }
}

#[test]
fn runs_are_skipped_by_seek() {
    let (mut machine, c) = Machine::with_container(Versioning::Unlimited);
    for name in ["dir/a", "dir/b", "e"] {
        for _ in 0..300 {
            let commit = machine.commit(&c, name, 0);
            machine.run(Command::Commit(Box::new(commit))).unwrap();
        }
    }
    let query = ListQuery { delimiter: "/".into(), limit: 1, ..Default::default() };
    let first = read::list_objects(&machine.memory, &c, &query).unwrap();
    assert_eq!(
        first.items.into_iter().map(item).collect::<Vec<_>>(),
        [Item::Prefix("dir/".into())]
    );
    assert_eq!(first.next, Some(("dir/".into(), None)));
    let query = ListQuery { marker: "dir/".into(), ..query };
    let second = read::list_objects(&machine.memory, &c, &query).unwrap();
    assert!(matches!(&second.items[..], [ListedName::Entry(e)] if e.name.as_str() == "e"));
    assert_eq!(second.next, None);
    // The same backwards, and within a name from the oldest version to the newest.
    let query = ListQuery { marker: String::new(), reverse: true, ..query };
    let first = read::list_objects(&machine.memory, &c, &query).unwrap();
    assert!(matches!(&first.items[..], [ListedName::Entry(e)] if e.name.as_str() == "e"));
    let query = ListQuery { marker: first.next.unwrap().0, ..query };
    let second = read::list_objects(&machine.memory, &c, &query).unwrap();
    assert_eq!((second.items.len(), second.next), (1, None));
    let all = ListQuery { versions: true, limit: 7, ..Default::default() };
    let mut forward = paged(&machine, &c, &all);
    forward.reverse();
    assert_eq!(paged(&machine, &c, &ListQuery { reverse: true, ..all }), forward);
}

#[test]
fn a_prefix_of_nothing_but_deleted_names_is_not_listed() {
    let (mut machine, c) = Machine::with_container(Versioning::Unlimited);
    for name in ["x/1", "x/2", "y/1"] {
        machine.put(&c, name, 0);
    }
    machine.ok(delete(&c, "x/1", None));
    machine.ok(delete(&c, "x/2", None));
    let query = ListQuery { delimiter: "/".into(), limit: 9, ..Default::default() };
    let items = |query: &ListQuery| {
        let page = read::list_objects(&machine.memory, &c, query).unwrap();
        page.items.into_iter().map(item).collect::<Vec<_>>()
    };
    assert_eq!(items(&query), [Item::Prefix("y/".into())]);
    let deleted = ListQuery { deleted: true, ..query };
    assert_eq!(items(&deleted), [Item::Prefix("x/".into())]);
}

#[test]
fn pages_are_bounded_in_bytes() {
    let (mut machine, c) = Machine::with_container(Versioning::Suspended);
    for number in 0..7000 {
        let name = format!("{}{number:04}", "n".repeat(1020));
        let commit = machine.commit(&c, &name, 0);
        machine.run(Command::Commit(Box::new(commit))).unwrap();
    }
    let mut query = ListQuery { limit: 10_000, ..Default::default() };
    let first = read::list_objects(&machine.memory, &c, &query).unwrap();
    let bytes: usize = first.items.len() * 1024;
    assert!(bytes < read::MAX_PAGE_BYTES && bytes > read::MAX_PAGE_BYTES / 2);
    query.marker = first.next.unwrap().0;
    let second = read::list_objects(&machine.memory, &c, &query).unwrap();
    assert_eq!((first.items.len() + second.items.len(), second.next), (7000, None));
}

#[test]
fn listings_are_refused() {
    let (machine, c) = Machine::with_container(Versioning::Suspended);
    let kind = |result: Result<Listing<ObjectEntry>, crate::Failure>| match result {
        Err(crate::Failure::Refused(error)) => error.kind,
        other => panic!("{other:?}"),
    };
    let none = ListQuery::default();
    assert_eq!(kind(read::list_objects(&machine.memory, &c, &none)), ErrorKind::Invalid);
    let query = ListQuery { limit: 1, ..none };
    let missing = id("a", "missing");
    assert_eq!(kind(read::list_objects(&machine.memory, &missing, &query)), ErrorKind::NotFound);
    let account = "missing".parse().unwrap();
    assert!(read::list_containers(&machine.memory, &account, &query).is_err());
    let _ = create_container("a", "b", Versioning::Suspended);
}

#[test]
fn a_page_ends_early_in_a_long_run_of_deleted_names() {
    let (mut machine, c) = Machine::with_container(Versioning::Unlimited);
    for n in 0..50_100 {
        let name = format!("gone/{n:06}");
        // Without a look at the hash over all, which gets longer with each.
        let commit = machine.commit(&c, &name, 0);
        machine.run(Command::Commit(Box::new(commit))).unwrap();
        machine.run(delete(&c, &name, None)).unwrap();
    }
    machine.put(&c, "here", 0);
    machine.put(&c, "a first one", 0);
    for (delimiter, reverse) in [("", false), ("/", false), ("", true), ("/", true)] {
        let (ahead, behind) = ("here", "a first one");
        let (ahead, behind) = if reverse { (behind, ahead) } else { (ahead, behind) };
        let mut query = ListQuery {
            delimiter: delimiter.into(),
            limit: 1000,
            reverse,
            marker: behind.into(),
            ..ListQuery::default()
        };
        let first = read::list_objects(&machine.memory, &c, &query).unwrap();
        assert_eq!(first.items, []);
        (query.marker, query.marker_version) = first.next.expect("it is not the end");
        let second = read::list_objects(&machine.memory, &c, &query).unwrap();
        let names: Vec<_> = second.items.into_iter().map(item).collect();
        assert!(matches!(&names[..], [Item::Entry { name, .. }] if name == ahead), "{names:?}");
        assert_eq!(second.next, None);
    }
}
