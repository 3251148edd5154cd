//! Random histories, against an ordered map.

use crate::Engine;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use std::collections::BTreeMap;
use std::ops::Bound::{self, Excluded, Included, Unbounded};
use store::{Change, Pair, Read};

#[derive(Clone, Debug)]
enum Step {
    Write(Vec<Change>),
    Get(Vec<u8>),
    Range(Bound<Vec<u8>>, Bound<Vec<u8>>, bool),
    Hold,
    Release(usize),
    Sync,
    Reopen,
    Clear,
}

/// Few bytes and short, so that keys and bounds meet.
fn key() -> impl Strategy<Value = Vec<u8>> {
    vec(prop_oneof![Just(0), Just(1), Just(b'a'), Just(254), Just(255)], 1..4)
}

fn bound() -> impl Strategy<Value = Bound<Vec<u8>>> {
    prop_oneof![key().prop_map(Included), key().prop_map(Excluded), Just(Unbounded)]
}

fn step() -> impl Strategy<Value = Step> {
    let value = proptest::option::weighted(0.7, vec(any::<u8>(), 0..40));
    prop_oneof![
        12 => vec((key(), value), 0..12).prop_map(Step::Write),
        6 => key().prop_map(Step::Get),
        8 => (bound(), bound(), any::<bool>()).prop_map(|(a, b, down)| Step::Range(a, b, down)),
        3 => Just(Step::Hold),
        2 => any::<usize>().prop_map(Step::Release),
        1 => Just(Step::Sync),
        1 => Just(Step::Reopen),
        1 => Just(Step::Clear),
    ]
}

type Map = BTreeMap<Vec<u8>, Vec<u8>>;

fn expected(map: &Map, from: &Bound<Vec<u8>>, to: &Bound<Vec<u8>>, descending: bool) -> Vec<Pair> {
    let inside = |key: &Vec<u8>| {
        (match from {
            Included(from) => key >= from,
            Excluded(from) => key > from,
            Unbounded => true,
        }) && match to {
            Included(to) => key <= to,
            Excluded(to) => key < to,
            Unbounded => true,
        }
    };
    let pairs = map.iter().filter(|(key, _)| inside(key)).map(|(k, v)| (k.clone(), v.clone()));
    let mut pairs: Vec<_> = pairs.collect();
    if descending {
        pairs.reverse();
    }
    pairs
}

fn found(
    read: &dyn Read,
    from: &Bound<Vec<u8>>,
    to: &Bound<Vec<u8>>,
    descending: bool,
) -> Vec<Pair> {
    let range =
        read.range(from.as_ref().map(Vec::as_slice), to.as_ref().map(Vec::as_slice), descending);
    range.map(|pair| pair.expect("reads")).collect()
}

fn check_all(read: &dyn Read, map: &Map) {
    assert_eq!(
        found(read, &Unbounded, &Unbounded, false),
        expected(map, &Unbounded, &Unbounded, false)
    );
}

fn run<E: Engine>(steps: Vec<Step>) {
    let mut engine = E::create();
    let mut map = Map::new();
    let mut held: Vec<(Box<dyn Read>, Map)> = Vec::new();
    for step in steps {
        let store = engine.store();
        match step {
            Step::Write(batch) => {
                store.write(batch.clone()).expect("writes");
                for (key, value) in batch {
                    match value {
                        Some(value) => map.insert(key, value),
                        None => map.remove(&key),
                    };
                }
            }
            Step::Get(key) => {
                assert_eq!(store.snapshot().get(&key).expect("reads").as_ref(), map.get(&key));
            }
            Step::Range(from, to, down) => {
                let read = store.snapshot();
                assert_eq!(found(&*read, &from, &to, down), expected(&map, &from, &to, down));
                for (read, map) in &held {
                    assert_eq!(found(&**read, &from, &to, down), expected(map, &from, &to, down));
                }
            }
            Step::Hold => held.push((store.snapshot(), map.clone())),
            Step::Release(which) => {
                if !held.is_empty() {
                    let (read, map) = held.swap_remove(which % held.len());
                    check_all(&*read, &map);
                }
            }
            Step::Sync => store.sync().expect("syncs"),
            Step::Reopen => {
                held.clear();
                store.sync().expect("syncs");
                drop(store);
                engine = engine.reopen();
            }
            Step::Clear => {
                store.clear().expect("clears");
                map.clear();
            }
        }
    }
    for (read, map) in &held {
        check_all(&**read, map);
    }
    check_all(&*engine.store().snapshot(), &map);
}

/// A store does what a map does, and its snapshots what copies of the map do.
pub fn behaves_like_a_map<E: Engine>(cases: u32) {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(&vec(step(), 1..80), |steps| {
            run::<E>(steps);
            Ok(())
        })
        .expect("every history agrees");
}
