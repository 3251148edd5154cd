//! Rules of the deletion and repair queues.

use super::harness::{Machine, delete, extent};
use crate::{
    Answer, Command, Commit, Damage, DeletionKey, Postponed, Rebuilding, RecordScan, RepairKey,
    ScanStep, Swap, Whole, read,
};
use model::{
    BlobId, ChunkName, ContainerId, ErrorKind, Metachunk, ObjectName, Version, Versioning,
    VolumeId, WriteId,
};

const C: &str = "o";

/// A container with an object of three metachunks, in which some places have no chunk.
fn machine(dropped: &[(usize, usize)], rows: u64) -> (Machine, Made, Version) {
    let (mut machine, c) = Machine::with_container(Versioning::Suspended);
    let mut commit = machine.commit(&c, C, 3000);
    let mut extent = extent(commit.blob, 3000, rows, machine.time);
    for (row, position) in dropped {
        extent.metachunks[*row].volumes[*position] = None;
    }
    machine.with_extent(&mut commit, &extent);
    let version = machine.put_commit(commit.clone());
    let Commit { container, object, blob, .. } = commit;
    (machine, Made { container, object, blob, rows: extent.metachunks }, version)
}

/// What was committed.
struct Made {
    container: ContainerId,
    object: ObjectName,
    blob: BlobId,
    rows: Vec<Metachunk>,
}

fn damage(commit: &Made, version: Version, metachunk: u32, position: u8) -> Damage {
    let row = &commit.rows[metachunk as usize];
    Damage {
        container: commit.container,
        object: commit.object.clone(),
        version,
        blob: commit.blob,
        metachunk,
        position,
        volume: row.volumes[usize::from(position)].unwrap_or(VolumeId(1)),
        write: row.write,
    }
}

fn swap(commit: &Made, version: Version, metachunk: u32, position: u8) -> Swap {
    let row = &commit.rows[metachunk as usize];
    Swap {
        container: commit.container,
        object: commit.object.clone(),
        version,
        blob: commit.blob,
        metachunk,
        position,
        old: row.volumes[usize::from(position)].map(|volume| (volume, row.write)),
        volume: VolumeId(9),
        write: WriteId(row.write.0 + 1),
        delete_grace: 500,
    }
}

fn new_chunk(swap: &Swap) -> ChunkName {
    let Swap { blob, metachunk, position, write, .. } = swap;
    ChunkName { blob: *blob, metachunk: *metachunk, position: *position, write: *write }
}

/// Announces the chunk that a swap names.
fn begin(machine: &mut Machine, swap: &Swap) {
    let rebuilds = vec![Rebuilding { chunk: new_chunk(swap), volume: swap.volume }];
    machine.ok(Command::BeginRebuilds { rebuilds });
}

fn row(machine: &Machine, commit: &Made, number: usize) -> Metachunk {
    let object = read::locate(&machine.memory, &commit.container, &commit.object, None).unwrap();
    object.extents()[0].metachunks[number].clone()
}

/// Survivable losses, metachunk and positions of each entry.
fn queued(machine: &Machine) -> Vec<(u8, u32, u32)> {
    let queue = machine.repairs();
    queue.iter().map(|q| (q.key.survivable, q.repair.metachunk, q.repair.positions)).collect()
}

#[test]
fn dropped_places_are_queued_with_the_commit() {
    let (machine, commit, version) = machine(&[(0, 1), (2, 3)], 3);
    assert_eq!(queued(&machine), [(1, 0, 0b10), (1, 2, 0b1000)]);
    let repair = &machine.repairs()[0].repair;
    assert_eq!((repair.blob, repair.version), (commit.blob, version));
    assert_eq!((repair.container, &repair.object), (commit.container, &commit.object));
    let after = read::repairs(&machine.memory, Some(machine.repairs()[0].key), 10).unwrap();
    assert_eq!(after.len(), 1);
}

#[test]
fn the_answer_says_what_was_dropped() {
    let (mut machine, c) = Machine::with_container(Versioning::Suspended);
    let mut commit = machine.commit(&c, C, 3000);
    let mut extent = extent(commit.blob, 3000, 3, machine.time);
    extent.metachunks[1].volumes[0] = None;
    machine.with_extent(&mut commit, &extent);
    match machine.ok(Command::Commit(Box::new(commit))) {
        Answer::Committed { tolerance, dropped, .. } => assert_eq!((tolerance, dropped), (1, 1)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn damage_raises_the_risk_and_stale_reports_do_nothing() {
    let (mut machine, commit, version) = machine(&[(0, 1)], 3);
    let found = |metachunk, position| damage(&commit, version, metachunk, position);
    machine.ok(Command::QueueRepair { damages: vec![found(1, 0), found(0, 3)] });
    assert_eq!(queued(&machine), [(0, 0, 0b1010), (1, 1, 0b1)]);
    let first = machine.repairs();
    let stale = [
        Damage { write: WriteId(1), ..found(2, 0) },
        Damage { volume: VolumeId(7), ..found(2, 0) },
        Damage { version: Version(version.0 + 10), ..found(2, 0) },
        Damage { metachunk: 3, ..found(2, 0) },
        Damage { position: 4, ..found(2, 0) },
        Damage { position: 200, ..found(2, 0) },
        found(0, 1),
        // Reported again: it keeps its place.
        found(1, 0),
    ];
    machine.ok(Command::QueueRepair { damages: stale.to_vec() });
    assert_eq!(machine.repairs(), first);
    machine.ok(Command::QueueRepair { damages: vec![found(0, 0)] });
    // One chunk of two is left: nothing to rebuild from, so others go first.
    assert_eq!(queued(&machine), [(1, 1, 0b1), (255, 0, 0b1011)]);
    // One of them turns out to be there; where the table names none, there is none.
    let whole = vec![Whole { key: machine.repairs()[1].key, positions: 0b11 }];
    machine.ok(Command::RepairsDone { whole });
    assert_eq!(queued(&machine), [(0, 0, 0b1010), (1, 1, 0b1)]);
    let all = |key| Whole { key, positions: u32::MAX };
    let whole = machine.repairs().iter().map(|q| all(q.key)).collect();
    machine.ok(Command::RepairsDone { whole });
    let gone = vec![all(RepairKey { survivable: 0, sequence: 0 })];
    machine.ok(Command::RepairsDone { whole: gone });
    assert_eq!(queued(&machine), [(1, 0, 0b10)], "the place without a chunk");
    machine.ok(delete(&commit.container, C, None));
    assert!(machine.repairs().is_empty());
    assert!(!machine.memory.0.keys().any(|k| [0x41, 0x42].contains(&k[0])));
}

#[test]
fn what_is_lost_meanwhile_is_not_called_whole() {
    let (mut machine, commit, version) = machine(&[], 3);
    let found = damage(&commit, version, 1, 0);
    machine.ok(Command::QueueRepair { damages: vec![found.clone()] });
    // Its chunk is looked at and found whole; then its volume is given up for lost.
    let whole = vec![Whole { key: machine.repairs()[0].key, positions: 1 }];
    machine.ok(Command::SetLost { volumes: vec![found.volume] });
    machine.ok(Command::RepairsDone { whole: whole.clone() });
    assert_eq!(queued(&machine).len(), 1);
    machine.ok(Command::SetLost { volumes: Vec::new() });
    machine.ok(Command::RepairsDone { whole });
    assert!(machine.repairs().is_empty());
}

#[test]
fn a_volume_that_is_back_is_searched_anew_when_it_is_lost_again() {
    let (mut machine, ..) = machine(&[], 1);
    let scan = |step| Command::RecordScan(RecordScan { volume: VolumeId(1), step });
    machine.ok(Command::SetLost { volumes: vec![VolumeId(2), VolumeId(1)] });
    machine.ok(scan(ScanStep::Start));
    machine.ok(Command::SetLost { volumes: vec![VolumeId(1)] });
    assert_eq!(read::volume_scans(&machine.memory).unwrap().len(), 1);
    machine.ok(Command::SetLost { volumes: vec![VolumeId(2)] });
    assert!(read::volume_scans(&machine.memory).unwrap().is_empty());
}

#[test]
fn repairs_go_with_their_version() {
    let (mut machine, commit, _) = machine(&[(0, 1), (1, 1)], 3);
    machine.ok(delete(&commit.container, C, None));
    assert!(machine.repairs().is_empty());
    assert!(!machine.memory.0.keys().any(|k| [0x41, 0x42].contains(&k[0])));
}

#[test]
fn a_swap_names_the_new_chunk_and_deletes_the_old() {
    for (rows, number) in [(3u64, 0u32), (300, 0), (300, 299)] {
        let (mut machine, commit, version) = machine(&[(number as usize, 1)], rows);
        machine.ok(Command::QueueRepair { damages: vec![damage(&commit, version, number, 2)] });
        assert_eq!(queued(&machine), [(0, number, 0b110)]);
        // The place that had none.
        let first = swap(&commit, version, number, 1);
        begin(&mut machine, &first);
        machine.ok(Command::Swap(first.clone()));
        assert_eq!(queued(&machine), [(1, number, 0b100)]);
        assert!(machine.deletions().is_empty());
        // The place with the damage.
        let before = row(&machine, &commit, number as usize);
        let mut second = swap(&commit, version, number, 2);
        second.volume = VolumeId(10);
        second.write.0 += 1;
        begin(&mut machine, &second);
        machine.ok(Command::Swap(second.clone()));
        assert!(machine.repairs().is_empty());
        let row = row(&machine, &commit, number as usize);
        assert_eq!(row.volumes, [1, 9, 10, 4].map(|v| Some(VolumeId(v))));
        assert_eq!(row.rewritten, [(1, first.write), (2, second.write)]);
        let find = |machine: &Machine, position, write| {
            let name = ChunkName { blob: commit.blob, metachunk: number, position, write };
            read::find_chunk(&machine.memory, &name).unwrap()
        };
        assert_eq!(find(&machine, 2, second.write), Some(VolumeId(10)));
        assert_eq!(find(&machine, 2, before.write), None);
        assert_eq!(find(&machine, 3, before.write), Some(VolumeId(4)));
        assert_eq!(find(&machine, 4, before.write), None);
        let deletions = machine.deletions();
        assert_eq!(deletions[0].key.due, machine.time + 500);
        let name = &deletions[0].chunks[0].1;
        assert_eq!((deletions.len(), deletions[0].chunks.len()), (1, 1));
        assert_eq!(deletions[0].chunks[0].0, VolumeId(3));
        assert_eq!((name.metachunk, name.position), (number, 2));
        assert_eq!(name.write, before.write_of(2));
        // Again, with the chunk that was named a moment ago: the table has moved on.
        assert_eq!(machine.refused_as(Command::Swap(second.clone())), ErrorKind::Conflict);
        // What is deleted is what the table names now.
        machine.ok(delete(&commit.container, C, None));
        assert_eq!(find(&machine, 2, second.write), None);
        let chunks: Vec<_> = machine.deletions().into_iter().flat_map(|d| d.chunks).collect();
        assert!(chunks.iter().any(|(v, n)| (*v, n.write) == (VolumeId(9), first.write)));
        assert_eq!(chunks.len() as u64, rows * 4 + 1);
    }
}

#[test]
fn swaps_are_refused() {
    type Edit = fn(&mut Swap);
    let table: &[(&str, ErrorKind, Edit)] = &[
        ("another chunk there", ErrorKind::Conflict, |s| s.old = Some((VolumeId(8), s.write))),
        ("a chunk where none should be", ErrorKind::Conflict, |s| s.old = None),
        ("a volume with another chunk", ErrorKind::Conflict, |s| s.volume = VolumeId(1)),
        ("volume 0", ErrorKind::Invalid, |s| s.volume = VolumeId(0)),
        ("no such position", ErrorKind::Invalid, |s| s.position = 4),
        ("no such metachunk", ErrorKind::Conflict, |s| s.metachunk = 3),
        ("no such extent", ErrorKind::Conflict, |s| s.blob.0[9] ^= 1),
        ("no such version", ErrorKind::NotFound, |s| s.version = Version(7)),
        ("the same write id", ErrorKind::Invalid, |s| s.write = s.old.unwrap().1),
        ("older than the fence", ErrorKind::Conflict, |s| s.write = WriteId(1)),
    ];
    let (mut machine, commit, version) = machine(&[], 3);
    machine.ok(Command::RaiseFence { millis: 1000 });
    for (what, kind, edit) in table {
        let mut swap = swap(&commit, version, 1, 2);
        edit(&mut swap);
        let error = machine.refused(Command::Swap(swap));
        assert_eq!(error.kind, *kind, "{what}: {error}");
    }
    // On the volume that has it already, under a new name.
    let same = Swap { volume: VolumeId(3), ..swap(&commit, version, 1, 2) };
    assert_eq!(machine.refused_as(Command::Swap(same.clone())), ErrorKind::Conflict);
    begin(&mut machine, &same);
    // Nothing is moved to a volume that is lost.
    machine.ok(Command::SetLost { volumes: vec![VolumeId(7), VolumeId(3), VolumeId(7)] });
    assert_eq!(read::lost_volumes(&machine.memory).unwrap(), [VolumeId(3), VolumeId(7)]);
    assert_eq!(machine.refused_as(Command::Swap(same.clone())), ErrorKind::Conflict);
    machine.ok(Command::SetLost { volumes: vec![] });
    machine.ok(Command::Swap(same));
    assert!(read::rebuilds(&machine.memory, 10).unwrap().is_empty());
    let too_many = Command::SetLost { volumes: (1..2000).map(VolumeId).collect() };
    assert_eq!(machine.refused_as(too_many), ErrorKind::Invalid);
}

#[test]
fn what_is_committed_to_a_lost_volume_is_queued_with_the_commit() {
    let (mut machine, c) = Machine::with_container(Versioning::Suspended);
    machine.ok(Command::SetLost { volumes: vec![VolumeId(2), VolumeId(4)] });
    let commit = machine.commit(&c, C, 3000);
    machine.put_commit(commit);
    assert_eq!(queued(&machine), [(0, 0, 0b1010)]);
}

#[test]
fn a_chunk_that_was_given_up_is_deleted_and_never_named() {
    let (mut machine, commit, version) = machine(&[(1, 1)], 3);
    let swap = swap(&commit, version, 1, 1);
    begin(&mut machine, &swap);
    let begun = Command::BeginRebuilds {
        rebuilds: vec![Rebuilding { chunk: new_chunk(&swap), volume: VolumeId(3) }],
    };
    assert_eq!(machine.refused_as(begun), ErrorKind::AlreadyExists);
    let chunk = new_chunk(&swap);
    assert_eq!(read::rebuilds(&machine.memory, 10).unwrap(), [(chunk, swap.volume)]);
    let other = ChunkName { position: 0, ..chunk };
    machine.ok(Command::EndRebuilds { chunks: vec![chunk, other, chunk], delete_grace: 9 });
    let deletions = machine.deletions();
    assert_eq!((deletions.len(), deletions[0].key.due), (1, machine.time + 9));
    assert_eq!(deletions[0].chunks, [(swap.volume, chunk)]);
    assert_eq!(machine.refused_as(Command::Swap(swap.clone())), ErrorKind::Conflict);
    assert_eq!(queued(&machine), [(1, 1, 0b10)], "it still waits");
    // One that was named is not given up any more.
    let swap = Swap { write: WriteId(swap.write.0 + 1), ..swap };
    begin(&mut machine, &swap);
    machine.ok(Command::Swap(swap.clone()));
    machine.ok(Command::EndRebuilds { chunks: vec![new_chunk(&swap)], delete_grace: 9 });
    assert_eq!(machine.deletions().len(), 1);
}

#[test]
fn deletions_come_when_due_and_go_when_done() {
    let (mut machine, commit, _) = machine(&[], 300);
    machine.ok(delete(&commit.container, C, None));
    let due = machine.time + 1000;
    assert!(read::due_deletions(&machine.memory, 0, due - 1, 10).unwrap().is_empty());
    assert_eq!(read::due_deletions(&machine.memory, 0, due, 1).unwrap().len(), 1);
    assert!(read::due_deletions(&machine.memory, due + 1, u64::MAX, 10).unwrap().is_empty());
    let entries = read::due_deletions(&machine.memory, due, due, 10).unwrap();
    let sizes: Vec<_> = entries.iter().map(|e| e.chunks.len()).collect();
    assert_eq!(sizes, [256 * 4, 44 * 4]);

    let postponed = vec![
        Postponed { key: entries[1].key, due: due + 7, volumes: vec![VolumeId(2)] },
        Postponed {
            key: DeletionKey { due: 1, sequence: 1 },
            due: due + 7,
            volumes: vec![VolumeId(2)],
        },
    ];
    machine.ok(Command::DeletionsDone { done: vec![entries[0].key, entries[0].key], postponed });
    let left = machine.deletions();
    assert_eq!((left.len(), left[0].key.due), (1, due + 7));
    assert_eq!(left[0].chunks.len(), 44);
    assert!(left[0].chunks.iter().all(|(v, n)| *v == VolumeId(2) && n.metachunk >= 256));
    // Nothing left to wait for.
    let postponed = vec![Postponed { key: left[0].key, due: due + 9, volumes: vec![] }];
    machine.ok(Command::DeletionsDone { done: vec![], postponed });
    assert!(machine.deletions().is_empty());
}
