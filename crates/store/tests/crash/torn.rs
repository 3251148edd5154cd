//! A journal that ends anywhere: what a loss of power may leave of batches not yet synced.

use crate::history::{Progress, batch, progress};
use crate::{directory, open};
use std::fs::{self, File};
use std::ops::Bound::Unbounded;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use store::{Error, FjallDatabase};
use tempfile::TempDir;

const BATCHES: u64 = 60;

/// A database with everything in its journal, and the journal's bytes up to their end.
fn written() -> (TempDir, Vec<u8>) {
    let directory = TempDir::new().expect("temporary directory");
    let database = open(directory.path());
    let store = database.partition("partition").expect("opens");
    for batches in 1..=BATCHES {
        store.write(batch(Progress { clears: 0, batches })).expect("writes");
    }
    store.sync().expect("syncs");
    drop((store, database));
    let mut bytes = fs::read(directory.path().join("0.jnl")).expect("a journal");
    let end = bytes.iter().rposition(|byte| *byte != 0).expect("not empty") + 1;
    bytes.truncate(end);
    (directory, bytes)
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("creates");
    for entry in fs::read_dir(from).expect("lists") {
        let from: PathBuf = entry.expect("lists").path();
        let to = to.join(from.file_name().expect("a name"));
        match from.extension() {
            Some(journal) if journal == "jnl" => {}
            _ if from.is_dir() => copy(&from, &to),
            _ => drop(fs::copy(&from, &to).expect("copies")),
        }
    }
}

/// What opens with a given journal, in place of the one that was written.
fn with_journal(original: &Path, journal: &[u8], length: u64) -> Result<Progress, Error> {
    let directory = TempDir::new().expect("temporary directory");
    copy(original, directory.path());
    let file = File::create_new(directory.path().join("0.jnl")).expect("creates");
    file.write_all_at(journal, 0).expect("writes");
    file.set_len(length).expect("sets the length");
    let database = FjallDatabase::open(directory.path(), crate::CONFIG)?;
    let store = database.partition("partition")?;
    let found = progress(&*store);
    // What was cut away must not come back, nor spoil what is written next.
    let next = Progress { clears: 0, batches: found.batches + 1 };
    store.write(batch(next))?;
    store.sync()?;
    drop((store, database));
    let database = FjallDatabase::open(directory.path(), crate::CONFIG)?;
    assert_eq!(progress(&*database.partition("partition")?), next);
    Ok(found)
}

#[test]
fn a_journal_cut_short_is_a_prefix() {
    if directory().is_some() {
        return;
    }
    let (directory, bytes) = written();
    let mut last = 0;
    for part in 0..=40 {
        let cut = bytes.len() * part / 40;
        let found = with_journal(directory.path(), &bytes[..cut], cut as u64).expect("opens");
        assert!(found.batches >= last, "a longer journal held less");
        last = found.batches;
        // The file keeps its length and ends in zeros where nothing reached the disk.
        let found = with_journal(directory.path(), &bytes[..cut], 64 << 20).expect("opens");
        assert_eq!(found.batches, last);
    }
    assert_eq!(last, BATCHES);
}

/// A clear may not rest on what it leaves in the journal. That shows once older journals are
/// gone: what is left of them is in the tables that a clear takes away.
#[test]
fn a_clear_without_its_journal_is_all_or_nothing() {
    if directory().is_some() {
        return;
    }
    let directory = TempDir::new().expect("temporary directory");
    let database = open(directory.path());
    let store = database.partition("partition").expect("opens");
    let mut number = 0_u32;
    let mut put = |bytes| {
        number += 1;
        let value = Some(vec![number as u8; bytes]);
        store.write(vec![(number.to_be_bytes().to_vec(), value)]).expect("writes");
    };
    let gone = Instant::now() + Duration::from_secs(60);
    while directory.path().join("0.jnl").exists() {
        put(1 << 20);
        assert!(Instant::now() < gone, "the engine keeps its first journal");
    }
    put(100);
    store.sync().expect("syncs");
    let before = journals(directory.path());
    store.clear().expect("clears");
    drop((store, database));

    for (path, _) in journals(directory.path()) {
        fs::remove_file(path).expect("removes");
    }
    for (path, bytes) in before {
        fs::write(path, bytes).expect("writes");
    }
    let store = open(directory.path()).partition("partition").expect("opens");
    let found = store.snapshot().range(Unbounded, Unbounded, false).count();
    assert!(found == 0 || found == number as usize, "{found} of {number} keys");
}

fn journals(directory: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = fs::read_dir(directory).expect("lists").map(|entry| entry.expect("lists").path());
    entries
        .filter(|path| path.extension().is_some_and(|extension| extension == "jnl"))
        .map(|path| (path.clone(), fs::read(path).expect("reads")))
        .collect()
}

/// Pages need not reach the disk in order. The engine may then refuse the whole journal.
#[test]
fn a_journal_with_a_hole_is_a_prefix_or_refused() {
    if directory().is_some() {
        return;
    }
    const PAGE: usize = 4096;
    let (directory, bytes) = written();
    let mut refused = 0;
    for page in 0..bytes.len() / PAGE {
        let mut torn = bytes.clone();
        torn[page * PAGE..][..PAGE].fill(0);
        match with_journal(directory.path(), &torn, 64 << 20) {
            Ok(found) => assert!(found.batches < BATCHES),
            Err(Error::Open { .. }) => refused += 1,
            Err(error) => panic!("{error:?}"),
        }
    }
    assert!(refused < bytes.len() / PAGE, "every hole was refused");
}
