//! What the simulated disk promises, and no more.

use ::disk::{Disk, File, Mode};
use simulation::{
    disk::{Platter, SimDisk},
    observer::Observer,
    random::Rng,
};
use std::{collections::BTreeSet, io::IoSlice, path::Path, sync::Arc};

fn platter(seed: u64) -> Platter {
    Platter::new("disk", Rng::new(seed), Observer::default())
}

fn write(disk: &SimDisk, path: &str, bytes: &[u8]) -> Arc<dyn File> {
    let file = disk.open(Path::new(path), Mode::CreateNew).expect("a new file");
    file.write_all_at(&[IoSlice::new(bytes)], 0).expect("room");
    file
}

fn read(disk: &SimDisk, path: &str) -> Option<Vec<u8>> {
    ::disk::read_file(disk, Path::new(path), 1 << 20).ok()
}

#[test]
fn what_is_synced_survives_and_of_the_rest_any_part() {
    let (mut contents, mut names) = (BTreeSet::new(), BTreeSet::new());
    for seed in 0..200 {
        let platter = platter(seed);
        let disk = platter.boot();
        disk.create_dir_all(Path::new("/d")).expect("a directory");
        let kept = write(&disk, "/d/kept", b"kept");
        kept.sync_data().expect("a sync");
        disk.sync_dir(Path::new("/d")).expect("a sync");
        kept.write_all_at(&[IoSlice::new(&[7; 1024])], 4).expect("room");
        write(&disk, "/d/unnamed", b"x").sync_data().expect("a sync");
        assert!(!platter.is_durable(Path::new("/d/kept")));
        platter.lose_power();
        assert!(kept.sync_data().is_err(), "the dead have no hands");
        let disk = platter.boot();
        let after = read(&disk, "/d/kept").expect("it was synced");
        assert_eq!(&after[..4], b"kept");
        contents.insert(after.len());
        names.insert(read(&disk, "/d/unnamed").is_some());
    }
    assert!(contents.len() > 3 && names.len() == 2, "{contents:?} {names:?}");
}

#[test]
fn a_rename_is_whole_and_a_killed_process_loses_nothing() {
    for seed in 0..100 {
        let platter = platter(seed);
        let disk = platter.boot();
        disk.create_dir_all(Path::new("/d")).expect("a directory");
        ::disk::replace_file(&disk, Path::new("/d/f"), b"old").expect("written");
        write(&disk, "/d/g", b"new").sync_data().expect("a sync");
        disk.rename(Path::new("/d/g"), Path::new("/d/f")).expect("renamed");
        platter.kill();
        assert_eq!(read(&platter.boot(), "/d/f").as_deref(), Some(&b"new"[..]));
        platter.lose_power();
        let found = read(&platter.boot(), "/d/f").expect("one of them");
        assert!(found == b"old" || found == b"new");
    }
}
