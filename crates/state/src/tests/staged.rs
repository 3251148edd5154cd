//! Chunk tables that are staged before their commit, and long ones in all that is done to them.

use super::harness::{DAY, Machine, START, blob, chunks_of, extent, pages};
use crate::{
    Answer, Command, CommitMode, Drain, MAX_ENTRY_BYTES, Rows, StagePage, Truncate,
    kv::{self, deletion},
    read,
};
use model::{
    BlobId, ContainerId, ErrorKind, Extent, ObjectName, Precondition, Versioning, VolumeId, WriteId,
};

fn stage(page: &StagePage) -> Command {
    Command::StagePage(Box::new(page.clone()))
}

/// A container and the pages of an extent for it.
fn machine(rows: u64) -> (Machine, ContainerId, Extent, Vec<StagePage>) {
    let (machine, c) = Machine::with_container(Versioning::Unlimited);
    let extent = extent(blob(&c, 1000), rows * 10, rows, START);
    let pages = pages(&c, machine.incarnation(&c), &extent);
    (machine, c, extent, pages)
}

/// Records of staged tables and their pages.
fn records(machine: &Machine) -> (usize, usize) {
    let count = |kinds: &[u8]| machine.memory.0.keys().filter(|k| kinds.contains(&k[0])).count();
    assert_eq!(count(&[0x2b]), count(&[0x2c]));
    assert_eq!(count(&[0x2b]) as u64, read::status(&machine.memory).unwrap().staged);
    (count(&[0x2b]), count(&[0x24]))
}

/// Chunks in the deletion queue.
fn doomed(machine: &Machine) -> usize {
    let chunks = kv::scan(&machine.memory, &deletion::all()).map(|pair| {
        let (key, value) = pair.unwrap();
        kv::decode::<deletion::Deletion>(&key, &value).unwrap().chunks().count()
    });
    chunks.sum()
}

fn commit(machine: &Machine, c: &ContainerId, extent: &Extent, rows: u32) -> Command {
    let mut commit = machine.commit(c, "o", extent.length());
    commit.blob = extent.blob;
    (commit.extents[0].blob, commit.extents[0].origin) = (extent.blob, extent.origin);
    commit.extents[0].rows = Rows::Staged(rows);
    Command::Commit(Box::new(commit))
}

#[test]
fn long_chunk_tables_are_paged_and_read_back() {
    for rows in [1, 32, 33, 256, 257, 600] {
        let (mut machine, c) = Machine::with_container(Versioning::Suspended);
        let mut commit = machine.commit(&c, "o", 100_000);
        let extent = extent(commit.blob, 100_000, rows, START);
        machine.with_extent(&mut commit, &extent);
        machine.put_commit(commit.clone());
        assert_eq!(records(&machine).1 as u64, if rows <= 32 { 0 } else { rows.div_ceil(256) });
        let object = read::locate(&machine.memory, &c, &commit.object, None).unwrap();
        assert_eq!(object.extents(), std::slice::from_ref(&extent));
        machine.ok(super::harness::delete(&c, "o", None));
        assert_eq!(records(&machine), (0, 0));
        let chunks: Vec<_> = machine.deletions().into_iter().flat_map(|d| d.chunks).collect();
        assert_eq!(chunks, chunks_of(&[extent]));
    }
}

/// Left there, the staged rows would expire and take the pages of the blob with them.
#[test]
fn what_was_staged_goes_when_other_rows_are_committed() {
    let (mut machine, c, extent, pages) = machine(40);
    machine.ok(stage(&pages[0]));
    assert_eq!(records(&machine), (1, 1));
    let mut commit = machine.commit(&c, "o", 10);
    let short = super::harness::extent(extent.blob, 10, 1, START);
    commit.blob = extent.blob;
    machine.with_extent(&mut commit, &short);
    machine.put_commit(commit.clone());
    assert_eq!(records(&machine), (0, 0));
    let object = read::locate(&machine.memory, &c, &commit.object, None).unwrap();
    assert_eq!(object.extents(), [short]);
}

#[test]
fn pages_come_in_order_and_may_be_repeated() {
    let (mut machine, c, extent, pages) = machine(600);
    assert_eq!(machine.refused_as(stage(&pages[1])), ErrorKind::Conflict);
    machine.ok(stage(&pages[0]));
    assert_eq!(machine.refused_as(stage(&pages[2])), ErrorKind::Conflict);
    // A page is missing.
    for rows in [600, 512, 255, 257, 0] {
        let refused = commit(&machine, &c, &extent, rows);
        assert_eq!(machine.refused_as(refused), ErrorKind::Conflict, "{rows}");
    }
    machine.ok(stage(&pages[1]));
    machine.ok(stage(&pages[0]));
    let mut other = pages[1].clone();
    other.rows[7].length += 1;
    assert_eq!(machine.refused_as(stage(&other)), ErrorKind::Conflict);
    machine.ok(stage(&pages[2]));
    // The last page was not full: it was the last.
    let behind = StagePage { page: 3, ..pages[0].clone() };
    assert_eq!(machine.refused_as(stage(&behind)), ErrorKind::Conflict);
    assert_eq!(records(&machine), (1, 3));
    let commit = commit(&machine, &c, &extent, 600);
    machine.ok(commit.clone());
    assert_eq!(records(&machine), (0, 3));
    // Nothing more under this blob, now and once it is gone.
    assert_eq!(machine.refused_as(stage(&pages[0])), ErrorKind::Conflict);
    assert_eq!(machine.refused_as(commit), ErrorKind::Conflict);
    machine.ok(super::harness::delete(&c, "o", None));
    machine.ok(super::harness::delete(&c, "o", Some(machine.versions(&c, "o")[1].0)));
    assert_eq!(machine.refused_as(stage(&pages[0])), ErrorKind::Conflict);
}

#[test]
fn pages_are_refused() {
    type Edit = fn(&mut StagePage);
    let table: &[(&str, ErrorKind, Edit)] = &[
        ("no such container", ErrorKind::NotFound, |p| p.container.0[9] ^= 1),
        ("another incarnation", ErrorKind::Conflict, |p| p.incarnation += 1),
        ("a blob of another slot", ErrorKind::Invalid, |p| p.blob.0[0] ^= 1),
        ("no rows", ErrorKind::Invalid, |p| p.rows.clear()),
        ("too many rows", ErrorKind::Invalid, |p| p.rows.extend(p.rows.clone())),
        ("chunks of no blocks", ErrorKind::Invalid, |p| p.chunk_blocks = 0),
        ("an empty metachunk", ErrorKind::Invalid, |p| p.rows[9].length = 0),
        ("a volume twice", ErrorKind::Invalid, |p| p.rows[9].volumes[1] = Some(VolumeId(1))),
        ("before the fence", ErrorKind::Conflict, |p| p.rows[9].write = WriteId(1)),
        ("under the quorum", ErrorKind::Unavailable, |p| {
            p.rows[9].volumes[0] = None;
            p.rows[9].volumes[1] = None;
        }),
    ];
    let (mut machine, _, _, pages) = machine(256);
    machine.ok(Command::RaiseFence { millis: START / 1000 - 1 });
    for (what, kind, edit) in table {
        let mut page = pages[0].clone();
        edit(&mut page);
        assert_eq!(machine.refused_as(stage(&page)), *kind, "{what}");
    }
    machine.ok(stage(&pages[0]));
    let other = StagePage { chunk_blocks: 17, page: 1, ..pages[0].clone() };
    assert_eq!(machine.refused_as(stage(&other)), ErrorKind::Invalid);
}

#[test]
fn what_is_not_committed_is_dropped() {
    let (mut machine, c, extent, pages) = machine(300);
    pages.iter().for_each(|page| drop(machine.ok(stage(page))));
    machine.ok(Command::Abort { blob: extent.blob });
    assert_eq!(records(&machine), (0, 0));
    assert_eq!(machine.refused_as(stage(&pages[0])), ErrorKind::Conflict);

    // Another one, that nobody aborts.
    let other = super::harness::extent(blob(&c, 2000), 3000, 300, START);
    let pages = super::harness::pages(&c, machine.incarnation(&c), &other);
    machine.ok(stage(&pages[0]));
    let first = machine.time;
    machine.time += DAY;
    machine.ok(stage(&pages[1]));
    machine.time = first + 3 * DAY - 2;
    machine.ok(Command::RaiseFence { millis: 0 });
    assert_eq!(records(&machine), (1, 2));
    machine.ok(Command::RaiseFence { millis: 0 });
    assert_eq!(records(&machine), (0, 0));
    let late = commit(&machine, &c, &other, 300);
    assert_eq!(machine.refused_as(late), ErrorKind::Conflict);
}

#[test]
fn ten_thousand_metachunks_are_put_read_cut_drained_and_deleted() {
    const ROWS: u64 = 10_000;
    let (mut machine, c, mut extent, _) = machine(ROWS);
    // Some of them lack a chunk.
    for number in [0, 255, 256, 9_999] {
        extent.metachunks[number].volumes[2] = None;
    }
    let incarnation = machine.incarnation(&c);
    for page in pages(&c, incarnation, &extent) {
        let entry = crate::Entry { index: 1, time: 1, request: None, command: stage(&page) };
        assert!(entry.encode().unwrap().len() < MAX_ENTRY_BYTES / 4);
        machine.ok(stage(&page));
    }
    let commit = commit(&machine, &c, &extent, ROWS as u32);
    let answer = machine.ok(commit);
    assert!(matches!(answer, Answer::Committed { tolerance: 1, dropped: 4, size: 100_000, .. }));
    assert_eq!(machine.repairs().len(), 4);
    let name: ObjectName = "o".parse().unwrap();
    let object = read::locate(&machine.memory, &c, &name, None).unwrap();
    assert_eq!(object.extents(), [extent.clone()]);
    let version = object.entry.version;
    let rows = |machine: &Machine, first, limit| {
        read::rows(&machine.memory, &c, &name, version, &extent.blob, first, limit)
    };
    assert_eq!(rows(&machine, 0, u32::MAX).unwrap(), extent.metachunks[..4096]);
    assert_eq!(rows(&machine, 9_990, 100).unwrap(), extent.metachunks[9_990..]);

    // Cut within the last row but one of a page, with what is left of it written anew.
    let tail = super::harness::extent(blob(&c, 3000), 4, 1, START);
    let truncate = Truncate {
        container: c,
        incarnation,
        object: name.clone(),
        version: None,
        expected_size: 100_000,
        expected_blobs: vec![extent.blob],
        keep_extents: 1,
        keep_rows: 5_000,
        tail: Some(tail.clone().into()),
        size: 50_004,
        delete_grace: 7,
    };
    machine.ok(Command::Truncate(Box::new(truncate)));
    let object = read::locate(&machine.memory, &c, &name, None).unwrap();
    let kept = Extent { metachunks: extent.metachunks[..5_000].to_vec(), ..extent.clone() };
    assert_eq!(object.extents(), [kept, tail.clone()]);
    assert_eq!((object.entry.size, object.entry.hash), (50_004, None));
    assert_eq!(machine.repairs().len(), 3);
    let gone = doomed(&machine);
    assert_eq!(gone, 5_000 * 4 - 1);
    assert_eq!(rows(&machine, 4_999, 9).unwrap().len(), 1);

    machine.ok(Command::Drain(Drain {
        container: c,
        object: name.clone(),
        version: None,
        precondition: Precondition::None,
        delete_grace: 7,
    }));
    assert_eq!(records(&machine), (0, 0));
    assert!(machine.repairs().is_empty());
    let gone = doomed(&machine);
    assert_eq!(gone, ROWS as usize * 4 - 4 + 4);
    machine.ok(super::harness::delete(&c, "o", Some(version)));
    assert!(!machine.memory.0.keys().any(|k| [0x22, 0x24, 0x25, 0x2a].contains(&k[0])));
    for blob in [extent.blob, tail.blob] {
        assert_eq!(machine.refused_as(Command::Abort { blob }), ErrorKind::Conflict);
    }
}

#[test]
fn appends_fill_the_head_and_then_pages_until_there_are_too_many() {
    let (mut machine, c) = Machine::with_container(Versioning::Unlimited);
    let name: ObjectName = "o".parse().unwrap();
    let mut blobs = Vec::<BlobId>::new();
    loop {
        let mut append = machine.commit(&c, "o", 10);
        append.mode = CommitMode::Append;
        blobs.push(append.blob);
        if blobs.len() > crate::MAX_EXTENTS {
            let refused = Command::Commit(Box::new(append));
            assert_eq!(machine.refused_as(refused), ErrorKind::Exhausted);
            break;
        }
        machine.run(Command::Commit(Box::new(append))).unwrap();
    }
    let object = read::locate(&machine.memory, &c, &name, None).unwrap();
    let there: Vec<_> = object.extents().iter().map(|extent| extent.blob).collect();
    assert_eq!(there, blobs[..crate::MAX_EXTENTS]);
    assert_eq!(object.entry.size, 10 * crate::MAX_EXTENTS as u64);
    // 32 rows are in the head.
    assert_eq!(records(&machine).1, crate::MAX_EXTENTS - 32);
    machine.check_hash();
    machine.ok(super::harness::delete(&c, "o", Some(object.entry.version)));
    assert_eq!(records(&machine).1, 0);
}
