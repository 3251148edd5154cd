//! An object whose chunk table is longer than any message or command.

use crate::harness::volumes_of;
use crate::harness::{
    Scene, Store, chunk_files, content, eventually, names, server_arguments_with,
};
use client::Source;
use disk::{Disk, OsDisk};
use std::{path::Path, time::Duration};
use tempfile::TempDir;

const METACHUNKS: usize = 10_000;
/// Bytes of a metachunk of the policy SHORT.
const METACHUNK: usize = 64 * 1024;
/// The last metachunk is not full.
const SIZE: usize = METACHUNKS * METACHUNK - 1000;
const PATIENCE: Duration = Duration::from_secs(60);

const CONFIG: &str = r#"
[metadata]
partitions = 1
delete_grace = "1s"

[[policy]]
name = "SHORT"
method = "plain/nb_copy=1"
chunk_blocks = 1
"#;

/// Where the store is. Each of the object's chunks waits for three syncs, which are not what this
/// is about: in memory, if there is a file system with room for the object.
fn place() -> TempDir {
    let memory = Path::new("/dev/shm");
    let roomy = OsDisk.space(memory).is_ok_and(|space| space.free > 4 * SIZE as u64);
    if roomy { tempfile::tempdir_in(memory).unwrap() } else { tempfile::tempdir().unwrap() }
}

#[test]
fn an_object_of_ten_thousand_metachunks_is_like_any_other() {
    let scene = Scene::new();
    let place = place();
    let data = place.path().join("data");
    let mut server = scene.daemon("server", &server_arguments_with(&scene, &data, CONFIG));
    let ready = server.ready();
    let store = Store { credentials: ready["credentials"].as_str().unwrap().into() };
    let volumes = volumes_of(&ready);
    let chunks = || volumes.iter().map(|v| chunk_files(v).len()).sum::<usize>();
    let client = store.client(PATIENCE);
    let (account, container, object) = names("long", "tables");

    // What is at a place tells the place: every metachunk begins with its number.
    let noise = content(1, METACHUNK);
    let expected = |first: usize, bytes: usize| -> Vec<u8> {
        let all = (first..first + bytes).map(|at| match at % METACHUNK {
            within @ 0..8 => ((at / METACHUNK) as u64).to_le_bytes()[within],
            within => noise[within],
        });
        all.collect()
    };
    let pieces = (0..METACHUNKS).map({
        let noise = noise.clone();
        move |number| {
            let mut piece = noise.clone();
            piece[..8].copy_from_slice(&(number as u64).to_le_bytes());
            piece.truncate((SIZE - number * METACHUNK).min(METACHUNK));
            Ok::<_, std::io::Error>(piece.into())
        }
    });
    let source = Source::stream(futures::stream::iter(pieces)).sized(SIZE as u64);
    let put = client.put_object(&account, &container, &object, source);
    let stored = scene.run(put.policy("SHORT".parse().unwrap())).unwrap();
    assert_eq!(stored.total, SIZE as u64);
    assert_eq!(chunks(), METACHUNKS);

    let shown = scene.run(client.show_object(&account, &container, &object)).unwrap();
    assert_eq!(shown.entry.size, SIZE as u64);
    let located = scene.run(client.locate_object(&account, &container, &object)).unwrap();
    assert_eq!(located.chunks.len(), METACHUNKS);
    let read = |first: usize, bytes: usize| {
        let get = client.get_object(&account, &container, &object);
        let range = first as u64..=(first + bytes - 1) as u64;
        scene.run(async { get.range(range).await.unwrap().bytes().await.unwrap() })
    };
    for first in [0, SIZE / 2, SIZE - 70_000] {
        assert!(read(first, 70_000) == expected(first, 70_000), "from {first}");
    }

    // Within a metachunk of a late page.
    let cut = (METACHUNKS - 300) * METACHUNK + 17;
    scene.run(client.truncate_object(&account, &container, &object, cut as u64)).unwrap();
    assert!(read(cut - 70_000, 70_000) == expected(cut - 70_000, 70_000), "before the cut");
    let left = cut.div_ceil(METACHUNK);
    eventually("the chunks behind the cut go", PATIENCE, || (chunks() == left).then_some(()));

    scene.run(client.delete_object(&account, &container, &object)).unwrap();
    eventually("the object's chunks go", PATIENCE, || (chunks() == 0).then_some(()));
    assert_eq!(server.stop().code(), Some(0));
}
