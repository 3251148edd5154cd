//! Databases that do not open.

use crate::{child, directory, open};
use std::fs;
use std::path::Path;
use store::{Error, FjallDatabase};
use tempfile::TempDir;

fn refused(directory: &Path) -> Error {
    FjallDatabase::open(directory, crate::CONFIG).err().expect("does not open")
}

fn written() -> TempDir {
    let directory = TempDir::new().expect("temporary directory");
    let store = open(directory.path()).partition("partition").expect("opens");
    store.write(vec![(b"key".to_vec(), Some(b"value".to_vec()))]).expect("writes");
    store.sync().expect("syncs");
    directory
}

/// Opens the database of a parent that expects this to end the process.
#[test]
fn opener() {
    let Some(directory) = directory() else { return };
    if let Err(error) = FjallDatabase::open(&directory, crate::CONFIG) {
        panic!("{error:?}");
    }
}

/// The engine panics over a stray directory in a way that cannot be caught.
#[test]
fn an_engine_that_ends_the_process_is_given_up_on() {
    if directory().is_some() {
        return;
    }
    let directory = written();
    fs::create_dir(directory.path().join("keyspaces/stray")).expect("creates");
    let mut deaths = 0;
    while !directory.path().join("opening").exists() || deaths < 5 {
        let status = child("unopenable::opener", directory.path()).status().expect("runs");
        assert!(!status.success(), "it opened");
        deaths += 1;
        assert!(deaths <= 5, "no mark was left: the process did not die");
    }
    assert!(matches!(refused(directory.path()), Error::Open { .. }));
}

#[test]
fn a_damaged_database_is_told_from_a_locked_one() {
    if directory().is_some() {
        return;
    }
    let directory = written();
    let database = open(directory.path());
    assert!(matches!(refused(directory.path()), Error::Locked { .. }));
    drop(database);
    drop(open(directory.path()));

    fs::write(directory.path().join("version"), "nonsense").expect("writes");
    assert!(matches!(refused(directory.path()), Error::Open { .. }));
    assert!(!directory.path().join("opening").exists());
}

#[test]
fn a_directory_that_cannot_be_made_is_no_damage() {
    if directory().is_some() {
        return;
    }
    let directory = TempDir::new().expect("temporary directory");
    fs::write(directory.path().join("file"), "").expect("writes");
    let error = refused(&directory.path().join("file/database"));
    assert!(matches!(error, Error::Engine { action: "open", .. }), "{error:?}");
}
