//! Memory and time that a metadata node's stores take, written as fast as they can be:
//! `cargo test -p store --test footprint -- --nocapture`.

use std::fs;
use std::ops::Bound::Unbounded;
use std::time::{Duration, Instant};
use store::{Change, Config, FjallDatabase};

const PARTITIONS: u32 = 17;
const OBJECTS: u32 = 100_000;

/// What the process holds in memory of its own, in MiB.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("reads");
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("a line");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") >> 10
}

/// Processor time of all threads of the process, in ticks of 10 ms.
fn processor() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").expect("reads");
    let (_, fields) = stat.rsplit_once(')').expect("a name");
    let ticks = fields.split_whitespace().skip(11).take(2).map(|field| field.parse::<u64>());
    Duration::from_millis(10 * ticks.map(|ticks| ticks.expect("a number")).sum::<u64>())
}

/// An object as the state machine writes it, more or less: a version's head, its extents and
/// an index, and the applied index.
fn object(object: u32) -> Vec<Change> {
    let hash = object.wrapping_mul(2_654_435_761);
    let key = |kind: &str| format!("{kind}/container-{:04}/{hash:08x}/object", hash % 1000);
    let value = |length: usize| (0..length).map(|i| (hash >> (i % 29)) as u8).collect();
    let change = |kind, length| (key(kind).into_bytes(), Some(value(length)));
    let applied = (b"applied".to_vec(), Some(object.to_be_bytes().to_vec()));
    vec![change("head", 300), change("extent", 350), change("index", 20), applied]
}

#[test]
fn a_hundred_thousand_objects_fit() {
    let directory = tempfile::TempDir::new().expect("temporary directory");
    let (start, busy) = (Instant::now(), processor());
    let report = |what: &str, database: &FjallDatabase| {
        println!(
            "{what}: {} MiB resident, {} MiB on disk, {:?}, {:?} of processor",
            resident(),
            database.size() >> 20,
            start.elapsed(),
            processor() - busy,
        );
        assert!(resident() < 110, "leaves too little for the rest of the process");
    };
    let open = || {
        let database = FjallDatabase::open(directory.path(), Config::default()).expect("opens");
        let name = |i| format!("partition-{i}");
        let stores = (0..PARTITIONS).map(|i| database.partition(&name(i)).expect("opens"));
        let stores: Vec<_> = stores.collect();
        (database, stores)
    };

    let (database, stores) = open();
    report("empty", &database);
    for i in 0..OBJECTS {
        stores[(i % PARTITIONS) as usize].write(object(i)).expect("writes");
        if i % 10_000 == 0 {
            stores[0].sync().expect("syncs");
        }
    }
    report("written", &database);
    for store in &stores {
        let read = store.snapshot();
        assert!(read.range(Unbounded, Unbounded, false).all(|pair| pair.is_ok()));
    }
    report("scanned", &database);
    drop((stores, database));
    let (database, stores) = open();
    report("reopened", &database);
    for i in (0..OBJECTS).rev() {
        let change = &object(i)[0];
        let read = stores[(i % PARTITIONS) as usize].snapshot();
        assert_eq!(read.get(&change.0).expect("reads"), change.1);
    }
    report("looked up", &database);
}
