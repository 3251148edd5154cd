//! Databases from which something is missing: they are refused, never opened with a hole.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use store::{Config, Error, FjallDatabase};
use tempfile::TempDir;

const CONFIG: Config = Config { cache_bytes: 1 << 20, memtables_bytes: 192 << 20 };

fn open(directory: &Path) -> Result<FjallDatabase, Error> {
    FjallDatabase::open(directory, CONFIG)
}

fn refused(directory: &Path) {
    match open(directory) {
        Err(Error::Open { .. }) => {}
        Err(error) => panic!("not told as damage: {error:?}"),
        Ok(_) => panic!("opened"),
    }
}

fn written() -> TempDir {
    let directory = TempDir::new().expect("temporary directory");
    let database = open(directory.path()).expect("opens");
    let store = database.partition("partition").expect("opens");
    for key in 0..20 {
        store.write(vec![(vec![key], Some(vec![key; 300]))]).expect("writes");
    }
    store.sync().expect("syncs");
    drop((store, database));
    directory
}

fn keys(directory: &Path) -> usize {
    use std::ops::Bound::Unbounded;
    let store = open(directory).expect("opens").partition("partition").expect("opens");
    store.snapshot().range(Unbounded, Unbounded, false).count()
}

/// As if the engine had gone on to another journal: the first one is then complete.
fn next_journal(directory: &Path) {
    File::create_new(directory.join("1.jnl")).expect("creates").set_len(64 << 20).expect("grows");
}

#[test]
fn a_journal_before_the_last_must_be_whole() {
    let directory = written();
    next_journal(directory.path());
    assert_eq!(keys(directory.path()), 20);

    // Any byte of a record's frame; the engine would cut off what follows.
    for position in [0, 13, 14, 15] {
        let directory = written();
        next_journal(directory.path());
        let journal =
            File::options().write(true).open(directory.path().join("0.jnl")).expect("opens");
        journal.write_all_at(&[0xee], position).expect("writes");
        refused(directory.path());
        refused(directory.path());
    }

    let directory = written();
    next_journal(directory.path());
    let journal = File::options().write(true).open(directory.path().join("0.jnl")).expect("opens");
    journal.set_len(1000).expect("cuts");
    refused(directory.path());
}

#[test]
fn a_journal_must_not_be_missing() {
    let directory = written();
    fs::remove_file(directory.path().join("0.jnl")).expect("removes");
    refused(directory.path());

    let directory = written();
    next_journal(directory.path());
    let renamed = directory.path().join("2.jnl");
    fs::rename(directory.path().join("1.jnl"), renamed).expect("renames");
    refused(directory.path());
}

#[test]
fn the_version_marker_must_not_be_missing() {
    let directory = written();
    fs::remove_file(directory.path().join("version")).expect("removes");
    refused(directory.path());
    // The engine would begin anew where its first journal has been removed long ago.
    fs::rename(directory.path().join("0.jnl"), directory.path().join("5.jnl")).expect("renames");
    refused(directory.path());
}

#[test]
fn the_list_of_keyspaces_must_not_be_missing() {
    let directory = written();
    fs::remove_file(directory.path().join("keyspaces/0/current")).expect("removes");
    refused(directory.path());
}

#[test]
fn files_of_the_trees_must_not_be_missing_or_short() {
    for tree in ["keyspaces/0", "keyspaces/1"] {
        let directory = written();
        let tree = directory.path().join(tree);
        // It names the manifest in use by its number.
        let current = fs::read(tree.join("current")).expect("reads");
        let number = current[..8].try_into().map(u64::from_le_bytes).expect("a number");
        let manifest = tree.join(format!("v{number}"));
        let bytes = fs::read(&manifest).expect("reads");
        fs::write(&manifest, &bytes[..bytes.len() / 2]).expect("writes");
        refused(directory.path());
        fs::remove_file(&manifest).expect("removes");
        refused(directory.path());
    }
}

/// A creation that was cut short has nothing to lose, so it is no damage.
#[test]
fn an_unfinished_creation_is_begun_again() {
    let directory = TempDir::new().expect("temporary directory");
    fs::create_dir(directory.path().join("keyspaces")).expect("creates");
    fs::write(directory.path().join("lock"), "").expect("writes");
    fs::write(directory.path().join("0.jnl"), "").expect("writes");
    assert_eq!(keys(directory.path()), 0);

    let directory = TempDir::new().expect("temporary directory");
    fs::write(directory.path().join("version"), "").expect("writes");
    assert_eq!(keys(directory.path()), 0);
}
