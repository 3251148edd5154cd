//! A process that writes, killed with SIGKILL.

use crate::history::{Progress, batch, progress};
use crate::{child, directory, open};
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::io::{BufRead, BufReader, Write, stdout};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;
use store::Store;
use tempfile::TempDir;

const PARTITIONS: [&str; 3] = ["one", "two", "three"];
const CYCLES: u64 = 10;

/// Tells the parent what is durable.
fn acknowledge(partition: usize, at: Progress) {
    let line = format!("durable {partition} {} {}\n", at.clears, at.batches);
    stdout().write_all(line.as_bytes()).expect("the parent reads");
}

fn acknowledged(line: &str) -> Option<(usize, Progress)> {
    let mut fields = line.strip_prefix("durable ")?.split(' ').map(|field| field.parse().ok());
    let mut field = || fields.next()?;
    Some((field()? as usize, Progress { clears: field()?, batches: field()? }))
}

/// The process that is killed: one thread per partition, each at its own pace, one of which
/// clears its store now and then.
#[test]
fn writer() {
    let Some(directory) = directory() else { return };
    let database = open(&directory);
    thread::scope(|scope| {
        for (partition, name) in PARTITIONS.into_iter().enumerate() {
            let store = database.partition(name).expect("opens");
            scope.spawn(move || write(&*store, partition));
        }
    });
}

fn write(store: &dyn Store, partition: usize) {
    let mut at = progress(store);
    acknowledge(partition, at);
    loop {
        at.batches += 1;
        store.write(batch(at)).expect("writes");
        if at.batches.is_multiple_of([7, 150, 40][partition]) {
            store.sync().expect("syncs");
            acknowledge(partition, at);
        }
        if partition == 2 && at.batches == 400 {
            store.clear().expect("clears");
            at = Progress { clears: at.clears + 1, batches: 0 };
            acknowledge(partition, at);
        }
    }
}

/// Runs the writer until it is killed after a while; what it said was durable.
fn run(directory: &Path, life: Duration) -> [Progress; 3] {
    let mut child = child("killed::writer", directory).spawn().expect("starts");
    let mut output = BufReader::new(child.stdout.take().expect("piped"));
    let reader = thread::spawn(move || {
        let mut durable = [Progress::default(); 3];
        let mut line = String::new();
        while output.read_line(&mut line).expect("reads") > 0 {
            // The kill may have cut the last line short.
            if let Some((partition, at)) = line.strip_suffix('\n').and_then(acknowledged) {
                durable[partition] = at;
            }
            line.clear();
        }
        durable
    });
    thread::sleep(life);
    child.kill().expect("kills");
    child.wait().expect("ends");
    reader.join().expect("reads")
}

#[test]
fn a_killed_process_leaves_a_prefix() {
    if directory().is_some() {
        return;
    }
    let directory = TempDir::new().expect("temporary directory");
    let mut total = 0;
    for cycle in 0..CYCLES {
        let millis = 80 + RandomState::new().hash_one(cycle) % 500;
        let durable = run(directory.path(), Duration::from_millis(millis));
        let database = open(directory.path());
        for (name, durable) in PARTITIONS.into_iter().zip(durable) {
            let store: Arc<dyn Store> = database.partition(name).expect("opens");
            let mut found = progress(&*store);
            // An empty store does not tell how often it was cleared.
            if found.batches == 0 && durable.batches == 0 {
                found = durable;
            }
            let lost = format!("{name} after {millis} ms of cycle {cycle}: {found:?} {durable:?}");
            assert!(found >= durable || just_cleared(found, durable), "{lost}");
            total += found.batches;
        }
    }
    assert!(total > CYCLES * 100, "the writer hardly wrote: {total} batches");
}

/// Killed after a clear and before the clear could be acknowledged.
fn just_cleared(found: Progress, durable: Progress) -> bool {
    found == Progress::default() && durable.batches == 400
}
