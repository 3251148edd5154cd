//! What every engine must do, one function per promise.

use crate::Engine;
use std::ops::Bound::{self, Excluded, Included, Unbounded};
use std::sync::atomic::{AtomicBool, Ordering};
use store::{Change, Error, MAX_KEY_BYTES, MAX_VALUE_BYTES, Pair, Read, Store};

fn put(key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Change {
    (key.as_ref().to_vec(), Some(value.as_ref().to_vec()))
}

fn remove(key: impl AsRef<[u8]>) -> Change {
    (key.as_ref().to_vec(), None)
}

fn get(read: &dyn Read, key: impl AsRef<[u8]>) -> Option<Vec<u8>> {
    read.get(key.as_ref()).expect("reads")
}

fn pairs(read: &dyn Read, from: Bound<&[u8]>, to: Bound<&[u8]>, descending: bool) -> Vec<Pair> {
    read.range(from, to, descending).map(|pair| pair.expect("reads")).collect()
}

fn keys(read: &dyn Read, from: Bound<&[u8]>, to: Bound<&[u8]>) -> Vec<Vec<u8>> {
    let ascending: Vec<_> = pairs(read, from, to, false).into_iter().map(|pair| pair.0).collect();
    let mut descending: Vec<_> = pairs(read, from, to, true).into_iter().map(|p| p.0).collect();
    descending.reverse();
    assert_eq!(ascending, descending);
    ascending
}

fn all(store: &dyn Store) -> Vec<Pair> {
    pairs(&*store.snapshot(), Unbounded, Unbounded, false)
}

/// Also across keys far apart, and together with removals.
pub fn a_batch_is_seen_at_once<E: Engine>() {
    let engine = E::create();
    let store = engine.store();
    store.write(vec![put("a", "1"), put("m", "1"), put("z", "1")]).expect("writes");
    store.write(vec![]).expect("writes nothing");
    let before = store.snapshot();
    store.write(vec![put("z", "2"), remove("m"), put("b", "2")]).expect("writes");
    let after = store.snapshot();

    let seen = |read: &dyn Read| ["a", "b", "m", "z"].map(|key| get(read, key));
    let [one, two] = ["1", "2"].map(|value| Some(value.as_bytes().to_vec()));
    assert_eq!(seen(&*before), [one.clone(), None, one.clone(), one.clone()]);
    assert_eq!(seen(&*after), [one, two.clone(), None, two]);
}

/// Within a batch and between batches.
pub fn the_last_change_of_a_key_wins<E: Engine>() {
    let engine = E::create();
    let store = engine.store();
    let changes = vec![put("a", "1"), put("a", "2"), remove("b"), put("b", "3"), put("c", "4")];
    store.write(changes).expect("writes");
    store.write(vec![put("c", "5"), remove("c"), put("d", "6"), remove("d")]).expect("writes");
    let expected = vec![(b"a".to_vec(), b"2".to_vec()), (b"b".to_vec(), b"3".to_vec())];
    assert_eq!(all(&*store), expected);
}

/// A removal of nothing is fine, and a key can come back.
pub fn a_removed_key_is_gone<E: Engine>() {
    let engine = E::create();
    let store = engine.store();
    store.write(vec![remove("never"), put("key", "1")]).expect("writes");
    store.write(vec![remove("key")]).expect("writes");
    assert_eq!(get(&*store.snapshot(), "key"), None);
    assert_eq!(all(&*store), vec![]);
    store.write(vec![put("key", "")]).expect("writes");
    assert_eq!(get(&*store.snapshot(), "key"), Some(vec![]));
}

/// What no engine can hold is refused by all of them, before anything is written.
pub fn a_refused_batch_changes_nothing<E: Engine>() {
    let engine = E::create();
    let store = engine.store();
    let long = vec![0; MAX_KEY_BYTES + 1];
    let large = vec![0; MAX_VALUE_BYTES + 1];
    let refused = |change| store.write(vec![put("key", "value"), change]).expect_err("refuses");
    assert!(matches!(refused(put("", "value")), Error::Key { bytes: 0 }));
    assert!(matches!(refused(remove("")), Error::Key { bytes: 0 }));
    assert!(matches!(refused(remove(&long)), Error::Key { .. }));
    assert!(matches!(refused(put("large", &large)), Error::Value { .. }));
    assert_eq!(all(&*store), vec![]);
    let read = store.snapshot();
    assert_eq!(get(&*read, ""), None);
    assert_eq!(get(&*read, &long), None);
}

/// However much is written, and written over, after it.
pub fn a_snapshot_never_changes<E: Engine>() {
    let engine = E::create();
    let store = engine.store();
    let empty = store.snapshot();
    let mut held = Vec::new();
    for round in 0..20_u32 {
        let value = vec![round as u8; 1000];
        let key = |i: u32| format!("{:03}", (i * 7 + round) % 100);
        store.write((0..50).map(|i| put(key(i), &value)).collect()).expect("writes");
        store.write((0..10).map(|i| remove(key(i))).collect()).expect("writes");
        held.push((store.snapshot(), all(&*store)));
    }
    for (read, expected) in &held {
        assert_eq!(pairs(&**read, Unbounded, Unbounded, false), *expected);
        for (key, value) in expected {
            assert_eq!(get(&**read, key).as_ref(), Some(value));
        }
    }
    assert_eq!(pairs(&*empty, Unbounded, Unbounded, true), vec![]);
}

/// Also where the range is half read when the writes come.
pub fn an_open_range_never_changes<E: Engine>() {
    let engine = E::create();
    let store = engine.store();
    let key = |i: u32| format!("{i:04}");
    store.write((0..400).map(|i| put(key(i), "old")).collect()).expect("writes");
    let expected = all(&*store);
    let read = store.snapshot();
    let mut up = read.range(Unbounded, Unbounded, false);
    let mut down = read.range(Unbounded, Unbounded, true);
    let mut seen = (Vec::new(), Vec::new());
    for round in 0..40_u32 {
        let old = (0..400).filter(|i| i % 40 == round);
        let changes = old.map(|i| if i % 3 == 0 { remove(key(i)) } else { put(key(i), "new") });
        let new = (0..20).map(|i| put(format!("{:04}+{round}", i * 20), vec![0; 500]));
        store.write(changes.chain(new).collect()).expect("writes");
        seen.0.extend(up.by_ref().take(10).map(|pair| pair.expect("reads")));
        seen.1.extend(down.by_ref().take(10).map(|pair| pair.expect("reads")));
    }
    assert!(up.next().is_none() && down.next().is_none());
    seen.1.reverse();
    assert_eq!(seen.0, expected);
    assert_eq!(seen.1, expected);
}

/// Every kind of bound at, before, between and after the keys.
pub fn ranges_respect_their_bounds<E: Engine>() {
    let engine = E::create();
    let store = engine.store();
    let written = ["b", "d", "d\0", "dd", "f"];
    store.write(written.iter().map(|key| put(key, "value")).collect()).expect("writes");
    let read = store.snapshot();
    let edges = ["a", "b", "c", "d", "d\0", "d\0\0", "dd", "e", "f", "g"];
    let bounds = |edge: &'static str| [Included(edge.as_bytes()), Excluded(edge.as_bytes())];
    let bounds: Vec<_> = edges.into_iter().flat_map(bounds).chain([Unbounded]).collect();
    for &from in &bounds {
        for &to in &bounds {
            let inside = |key: &&&str| {
                let key = key.as_bytes();
                let above = match from {
                    Included(from) => key >= from,
                    Excluded(from) => key > from,
                    Unbounded => true,
                };
                let below = match to {
                    Included(to) => key <= to,
                    Excluded(to) => key < to,
                    Unbounded => true,
                };
                above && below
            };
            let expected: Vec<_> =
                written.iter().filter(inside).map(|key| key.as_bytes()).collect();
            assert_eq!(keys(&*read, from, to), expected, "{from:?} {to:?}");
        }
    }
}

/// Empty bounds and bounds longer than any key.
pub fn bounds_may_be_no_keys<E: Engine>() {
    let engine = E::create();
    let store = engine.store();
    let longest = vec![7; MAX_KEY_BYTES];
    let over = vec![7; MAX_KEY_BYTES + 10];
    store.write(vec![put("\0", ""), put(&longest, ""), put("\u{8}", "")]).expect("writes");
    let read = store.snapshot();
    let [first, last] = [&b"\0"[..], &b"\x08"[..]];
    for from in [Included(&b""[..]), Excluded(&b""[..])] {
        assert_eq!(keys(&*read, from, Unbounded), [first, &longest, last]);
        assert_eq!(keys(&*read, Unbounded, from), Vec::<Vec<u8>>::new());
    }
    for over in [Included(&over[..]), Excluded(&over[..])] {
        assert_eq!(keys(&*read, over, Unbounded), [last]);
        assert_eq!(keys(&*read, Unbounded, over), [first, &longest]);
        assert_eq!(keys(&*read, over, over), Vec::<Vec<u8>>::new());
    }
}

/// Order is by unsigned bytes, and no byte is special.
pub fn keys_are_bytes<E: Engine>() {
    let engine = E::create();
    let store = engine.store();
    let mut written: Vec<Vec<u8>> = (0..=255).map(|byte| vec![byte]).collect();
    written.extend((0..=255).map(|byte| vec![0, byte]));
    written.extend((0..=255).map(|byte| vec![255, byte]));
    written.extend([vec![0; 300], vec![255; 300], vec![127, 0, 255, 0]]);
    store.write(written.iter().rev().map(|key| put(key, key)).collect()).expect("writes");
    written.sort();
    let read = store.snapshot();
    assert_eq!(keys(&*read, Unbounded, Unbounded), written);
    for key in &written {
        assert_eq!(get(&*read, key).as_ref(), Some(key));
    }
    let from_255 = written.iter().filter(|key| **key > vec![255]).count();
    assert_eq!(keys(&*read, Excluded(&[255]), Unbounded).len(), from_255);
}

/// The longest key, and a value that fills several blocks.
pub fn long_keys_and_values<E: Engine>() {
    let engine = E::create();
    let store = engine.store();
    let key = vec![9; MAX_KEY_BYTES];
    let value: Vec<u8> = (0..1_000_000_u32).map(|i| (i.wrapping_mul(i) >> 7) as u8).collect();
    store.write(vec![put(&key, &value)]).expect("writes");
    store.sync().expect("syncs");
    drop(store);
    let engine = engine.reopen();
    assert_eq!(all(&*engine.store()), vec![(key, value)]);
}

/// And stays writable.
pub fn a_synced_batch_survives<E: Engine>() {
    let mut engine = E::create();
    let mut expected = Vec::new();
    for round in 0..5_u8 {
        let store = engine.store();
        assert_eq!(all(&*store), expected);
        let changes = (0..100).map(|i| put([i, round], vec![round; 1000])).chain([remove([7, 0])]);
        store.write(changes.collect()).expect("writes");
        store.sync().expect("syncs");
        store.sync().expect("syncs again");
        expected = all(&*store);
        drop(store);
        engine = engine.reopen();
    }
}

/// Twice in a row, and in use again afterwards.
pub fn cleared_is_empty_and_stays_so<E: Engine>() {
    let mut engine = E::create();
    for round in 0..3_u8 {
        let store = engine.store();
        for i in 0..100 {
            store.write(vec![put([i], vec![round; 2000])]).expect("writes");
        }
        if round > 0 {
            store.sync().expect("syncs");
        }
        store.clear().expect("clears");
        assert_eq!(all(&*store), vec![]);
        store.clear().expect("clears what is empty");
        drop(store);
        engine = engine.reopen();
        let store = engine.store();
        assert_eq!(all(&*store), vec![]);
        store.write(vec![put("kept", [round])]).expect("writes");
        store.sync().expect("syncs");
        drop(store);
        engine = engine.reopen();
        assert_eq!(all(&*engine.store()), vec![(b"kept".to_vec(), vec![round])]);
    }
}

/// Also an open range of it.
pub fn a_snapshot_outlives_a_clear<E: Engine>() {
    let engine = E::create();
    let store = engine.store();
    store.write((0..200).map(|i| put([i], vec![i; 1000])).collect()).expect("writes");
    let expected = all(&*store);
    let read = store.snapshot();
    let mut open = read.range(Unbounded, Unbounded, false);
    let first = open.next().expect("a pair").expect("reads");
    store.clear().expect("clears");
    store.write(vec![put([5], "new")]).expect("writes");
    assert_eq!(first, expected[0]);
    assert_eq!(open.map(|pair| pair.expect("reads")).collect::<Vec<_>>(), expected[1..]);
    assert_eq!(get(&*read, [5]), Some(vec![5; 1000]));
    assert_eq!(all(&*store), vec![(vec![5], b"new".to_vec())]);
}

/// Batches that set many keys to one value, against readers that expect them all alike.
pub fn readers_never_see_half_a_batch<E: Engine>() {
    let engine = E::create();
    let store = engine.store();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for round in 1..=150_u32 {
                let mut value = vec![0; 600];
                value[..4].copy_from_slice(&round.to_be_bytes());
                let changes = (0..40_u8).map(|key| put([key], &value)).collect();
                store.write(changes).expect("writes");
            }
            done.store(true, Ordering::Release);
        });
        let mut last = Vec::new();
        while !done.load(Ordering::Acquire) {
            let read = store.snapshot();
            let Some(value) = get(&*read, [39]) else { continue };
            assert!(value >= last, "went back");
            let seen = pairs(&*read, Unbounded, Unbounded, true);
            assert_eq!(seen.len(), 40);
            assert!(seen.iter().all(|pair| pair.1 == value), "half a batch");
            assert_eq!(get(&*read, [0]).as_ref(), Some(&value));
            last = value;
        }
    });
}

/// Enough for the engine to reorganise what it wrote.
pub fn much_is_written_and_read_back<E: Engine>() {
    let engine = E::create();
    let store = engine.store();
    let key = |i: u32| (i.wrapping_mul(2_654_435_761)).to_be_bytes();
    for batch in 0..200_u32 {
        let added = (0..50).map(|i| put(key(batch * 50 + i), vec![batch as u8; 200]));
        let removed = (0..10).filter(|_| batch > 0).map(|i| remove(key(batch * 50 - 50 + i * 5)));
        store.write(added.chain(removed).collect()).expect("writes");
    }
    store.sync().expect("syncs");
    let expected = all(&*store);
    assert_eq!(expected.len(), 200 * 50 - 199 * 10);
    assert!(expected.is_sorted());
    assert!(store.size() > 0);
    drop(store);
    let engine = engine.reopen();
    let store = engine.store();
    let mut backwards = pairs(&*store.snapshot(), Unbounded, Unbounded, true);
    backwards.reverse();
    assert!(backwards == expected);
}
