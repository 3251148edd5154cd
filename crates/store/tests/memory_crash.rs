//! What a crash of the store in memory takes: any number of the last batches, never more than
//! those not synced, and each batch as a whole.

use std::ops::Bound::Unbounded;
use store::{Change, MemoryStore, Pair, Store};

/// Two new keys, and the removal of one from the batch before.
fn batch(number: u8) -> Vec<Change> {
    let put = |kind| (vec![kind, number], Some(vec![number]));
    vec![put(b'a'), put(b'b'), (vec![b'b', number.wrapping_sub(1)], None)]
}

fn pairs(store: &MemoryStore) -> Vec<Pair> {
    let read = store.snapshot();
    read.range(Unbounded, Unbounded, false).map(|pair| pair.expect("reads")).collect()
}

/// A store after the first batches, and nothing else.
fn after(batches: u8) -> Vec<Pair> {
    let store = MemoryStore::new();
    (1..=batches).for_each(|number| store.write(batch(number)).expect("writes"));
    pairs(&store)
}

#[test]
fn a_crash_leaves_a_prefix_that_holds_what_was_synced() {
    let store = MemoryStore::new();
    for number in 1..=10 {
        store.write(batch(number)).expect("writes");
        if number == 4 {
            store.sync().expect("syncs");
            assert_eq!(store.unsynced(), 0);
        }
    }
    assert_eq!(store.unsynced(), 6);
    for keep in 0..=6 {
        assert_eq!(pairs(&store.crash(keep)), after(4 + keep as u8));
    }
    assert_eq!(pairs(&store.crash(usize::MAX)), after(10));
    assert_eq!(pairs(&store), after(10), "the store that crashed is left as it was");
}

#[test]
fn what_a_crash_left_is_durable_and_apart_from_the_old_store() {
    let old = MemoryStore::new();
    (1..=3).for_each(|number| old.write(batch(number)).expect("writes"));
    let new = old.crash(2);
    assert_eq!(new.unsynced(), 0);
    old.write(batch(9)).expect("writes");
    old.clear().expect("clears");
    assert_eq!(pairs(&new), after(2));
    new.write(batch(3)).expect("writes");
    assert_eq!(pairs(&new), after(3));
    assert_eq!(pairs(&new.crash(0)), after(2));
}

#[test]
fn a_clear_survives_a_crash() {
    let store = MemoryStore::new();
    store.write(batch(1)).expect("writes");
    store.sync().expect("syncs");
    store.write(batch(2)).expect("writes");
    store.clear().expect("clears");
    assert_eq!(pairs(&store.crash(usize::MAX)), []);
    store.write(batch(1)).expect("writes");
    assert_eq!(pairs(&store.crash(0)), []);
    assert_eq!(pairs(&store.crash(1)), after(1));
}
