//! Entries and records keep their bytes, and nothing else is read as one.

use super::{
    harness::{Machine, Memory, START},
    samples,
};
use crate::{
    Answer, Batch, Command, Entry, Fatal, MAX_ENTRY_BYTES, PurgeCursor, StateHash, apply,
    kv::{
        self, Kind, Present, account, barred, chunks, cluster, container, content, deletion, head,
        inbound, outbox, owner, partition, rebuild, repair, request, scan, staged, user, volume,
    },
    read,
};
use model::{ContentId, ErrorKind, Method, Policy, RequestId, Version, VolumeId};
use proptest::prelude::*;

fn entries() -> Vec<Entry> {
    let entry = |(index, command)| Entry {
        index,
        time: START + index,
        request: (index % 2 == 0).then_some(RequestId([index as u8; 16])),
        command,
    };
    (1..).zip(samples::commands()).map(entry).collect()
}

/// Every record there is, after every command there is.
fn state() -> Memory {
    let mut memory = Memory::default();
    for entry in entries() {
        let applied = apply(&memory, &entry).unwrap();
        memory.write(applied.changes);
    }
    memory
}

fn digest(bytes: impl IntoIterator<Item = Vec<u8>>) -> String {
    let mut hasher = blake3::Hasher::new();
    for part in bytes {
        hasher.update(&(part.len() as u64).to_le_bytes()).update(&part);
    }
    hasher.finalize().to_hex()[..16].to_owned()
}

#[test]
fn every_command_reads_back() {
    let mut numbers = Vec::new();
    for entry in entries() {
        let bytes = entry.encode().unwrap();
        assert_eq!(Entry::decode(entry.index, &bytes).unwrap(), entry);
        // Format, time, request: the command's number is behind them.
        let at = 1 + 8 + if entry.request.is_some() { 17 } else { 1 };
        numbers.push(bytes[at]);
    }
    numbers.sort_unstable();
    numbers.dedup();
    // A new command needs a sample: it is at the end, and this number grows.
    assert_eq!(numbers, (0..46).collect::<Vec<u8>>());
}

#[test]
fn formats_stay_as_they_are() {
    // What was written by an earlier build must be read and applied alike. A change here is a
    // change of the format: it needs a new version, or a new feature level.
    let entries = digest(entries().iter().map(|e| e.encode().unwrap()));
    let state = digest(state().0.into_iter().flat_map(|(k, v)| [k, v]));
    assert_eq!([entries.as_str(), &state], ["d85fa2ec694b4782", "668edbd55a0b4c48"]);
}

#[test]
fn what_is_no_entry_is_fatal() {
    let bytes = entries()[0].encode().unwrap();
    let mut unknown_format = bytes.clone();
    unknown_format[0] = 2;
    let mut unknown_command = bytes.clone();
    unknown_command[10] = 45;
    let longer = [&bytes[..], &[0]].concat();
    for bad in [&unknown_format, &unknown_command, &longer, &bytes[..bytes.len() - 1].to_vec()] {
        assert!(matches!(Entry::decode(1, bad), Err(Fatal::Entry { .. })), "{bad:?}");
    }
    assert!(Entry::decode(1, &[]).is_err());
}

#[test]
fn an_entry_has_a_largest_size() {
    let (machine, c) = Machine::with_container(model::Versioning::Suspended);
    let entry = |pages: u64| {
        let blob = super::harness::blob(&c, 1);
        let rows = pages * 256;
        let extent = super::harness::extent(blob, rows, rows, START);
        let mut page = super::harness::pages(&c, machine.incarnation(&c), &extent).remove(0);
        page.rows = extent.metachunks;
        let command = Command::StagePage(Box::new(page));
        Entry { index: 1, time: START, request: None, command }
    };
    assert!(entry(1).encode().unwrap().len() <= MAX_ENTRY_BYTES / 8);
    assert_eq!(entry(80).encode().unwrap_err().kind, ErrorKind::Exhausted);
}

#[test]
fn what_could_not_be_read_back_is_not_proposed() {
    let mut policy = Policy::built_in().remove(0);
    policy.method = Method::Erasure { data: 30, parity: 3 };
    let command = Command::SetPolicy { policy, make_default: false };
    let entry = Entry { index: 1, time: START, request: None, command };
    assert_eq!(entry.encode().unwrap_err().kind, ErrorKind::Invalid);
}

#[test]
fn a_feature_level_that_is_unknown_halts() {
    let command = Command::RaiseFeatureLevel { level: crate::FEATURE_LEVEL + 1 };
    let entry = Entry { index: 1, time: START, request: None, command };
    assert_eq!(entry.encode().unwrap_err().kind, ErrorKind::Invalid);
    let halted = apply(&Memory::default(), &entry);
    assert!(matches!(halted, Err(Fatal::FeatureLevel { .. })));
}

#[test]
fn damaged_records_halt() {
    let (machine, c) = Machine::with_container(model::Versioning::Suspended);
    let key = container::key(&c).into_bytes();
    let damages: [fn(&mut Vec<u8>); 4] =
        [|v| v[0] = 9, |v| v.clear(), |v| v.push(0), |v| v.truncate(v.len() - 1)];
    for damage in damages {
        let mut machine = machine.clone();
        damage(machine.memory.0.get_mut(&key).unwrap());
        let halted = machine.try_run(None, Command::DeleteContainer { container: c });
        assert!(matches!(halted, Err(Fatal::Record { kind: "Container", .. })));
        assert!(matches!(
            read::show_container(&machine.memory, &c),
            Err(crate::Failure::Fatal(Fatal::Record { .. }))
        ));
    }
}

#[test]
fn the_same_entries_make_the_same_bytes() {
    let (one, two) = (state(), state());
    assert!(one == two);
    assert_eq!(read::state_hash(&one).unwrap(), read::compute_state_hash(&two).unwrap());
    assert_ne!(read::state_hash(&one).unwrap(), StateHash::default());
}

#[test]
fn a_batch_is_its_entries_one_by_one() {
    let one_by_one = state();
    for size in [1, 3, 7, 100] {
        let mut memory = Memory::default();
        for entries in entries().chunks(size) {
            let mut batch = Batch::new(&memory);
            for entry in entries {
                let _ = batch.apply(entry).unwrap();
            }
            let changes = batch.into_changes();
            memory.write(changes);
        }
        assert!(memory == one_by_one, "batches of {size}");
    }
}

#[test]
fn the_driver_has_keys_of_its_own() {
    let mut memory = state();
    let hash = read::compute_state_hash(&memory).unwrap();
    memory.0.insert(vec![crate::DRIVER_PREFIX, 1], vec![1]);
    assert_eq!(read::compute_state_hash(&memory).unwrap(), hash);
}

/// Reads a value as every kind of record there is.
fn read_as_all(key: &[u8], value: &[u8]) {
    let _ = kv::decode::<partition::Partition>(key, value);
    let _ = kv::decode::<StateHash>(key, value);
    let _ = kv::decode::<account::Account>(key, value);
    let _ = kv::decode::<crate::ContainerCounters>(key, value);
    let _ = kv::decode::<inbound::Mark>(key, value);
    let _ = kv::decode::<container::Container>(key, value);
    let _ = kv::decode::<head::Head>(key, value);
    let _ = kv::decode::<chunks::Page>(key, value);
    let _ = kv::decode::<owner::Owner>(key, value);
    let _ = kv::decode::<content::Content>(key, value);
    let _ = kv::decode::<staged::Staged>(key, value);
    let _ = kv::decode::<scan::VolumeScan>(key, value);
    let _ = kv::decode::<rebuild::Rebuild>(key, value);
    let _ = kv::decode::<barred::Barred>(key, value);
    let _ = kv::decode::<outbox::State>(key, value);
    let _ = kv::decode::<outbox::Pointer>(key, value);
    let _ = kv::decode::<deletion::Deletion>(key, value);
    let _ = kv::decode::<repair::Repair>(key, value);
    let _ = kv::decode::<repair::Pointer>(key, value);
    let _ = kv::decode::<request::Answered>(key, value);
    let _ = kv::decode::<cluster::Cluster>(key, value);
    let _ = kv::decode::<cluster::NodeRecord>(key, value);
    let _ = kv::decode::<cluster::PolicyRecord>(key, value);
    let _ = kv::decode::<cluster::Members>(key, value);
    let _ = kv::decode::<cluster::Slots>(key, value);
    let _ = kv::decode::<volume::VolumeRecord>(key, value);
    let _ = kv::decode::<volume::Number>(key, value);
    let _ = kv::decode::<user::UserRecord>(key, value);
    let _ = user::name(value);
    let _ = kv::decode::<Present>(key, value);
}

#[test]
fn the_samples_make_every_kind_of_record() {
    let mut kinds = std::collections::BTreeSet::new();
    let mut memory = Memory::default();
    for entry in entries() {
        let applied = apply(&memory, &entry).unwrap();
        kinds.extend(applied.changes.iter().map(|(key, _)| key[0]));
        memory.write(applied.changes);
    }
    let reserved = [Kind::Inline as u8];
    let all = Kind::ALL.iter().map(|k| *k as u8).filter(|k| !reserved.contains(k));
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), {
        let mut all: Vec<_> = all.collect();
        all.sort_unstable();
        all
    });
}

#[test]
fn answers_read_back() {
    let answers = [
        Answer::Done,
        Answer::Created { created: true },
        Answer::ContainerDeleted { complete: false },
        Answer::Committed {
            version: Version(10),
            content: ContentId([4; 16]),
            size: 5,
            tolerance: 2,
            dropped: 1,
        },
        Answer::ObjectDeleted { version: Version(10), marker: true },
        Answer::Fence { millis: 7 },
        Answer::Volume { id: VolumeId(3) },
        Answer::Purged {
            versions: 1,
            markers: 2,
            next: Some(PurgeCursor {
                object: "o".parse().unwrap(),
                version: Some(Version(10)),
                kept: 3,
            }),
        },
        Answer::Flushed { versions: 1, markers: 2, complete: false },
        Answer::ContainerRefreshed { exists: true },
        Answer::AccountRefreshed { complete: true },
        Answer::AccountFlushed { complete: false },
        Answer::SnapshotTarget { incarnation: 7, published: true },
        Answer::Expired { versions: 1, looked_at: 2 },
    ];
    for (number, answer) in (0..).zip(answers) {
        let bytes = postcard::to_stdvec(&answer).unwrap();
        assert_eq!(bytes[0], number);
        assert_eq!(postcard::from_bytes::<Answer>(&bytes).unwrap(), answer);
    }
}

proptest! {
    #[test]
    fn random_bytes_never_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Entry::decode(1, &bytes);
        read_as_all(b"k", &bytes);
        if let Some(first) = bytes.first_mut() {
            *first = 1;
        }
        let _ = Entry::decode(1, &bytes);
        read_as_all(b"k", &bytes);
    }

    #[test]
    fn damaged_entries_never_panic(
        which in 0..100usize, at in any::<prop::sample::Index>(), byte: u8,
    ) {
        let entries = entries();
        let mut bytes = entries[which % entries.len()].encode().unwrap();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(entry) = Entry::decode(1, &bytes) {
            // Whatever it became, it is applied or refused.
            let damaged = matches!(apply(&state(), &entry), Err(Fatal::Record { .. }));
            prop_assert!(!damaged);
        }
    }
}
