//! One of everything.

use super::harness::{
    DAY, EC22, Machine, START, blob, create_container, extent, id, pages, properties,
};
use crate::{
    Command, CommitExtent, CommitMode, ContainerCounters, ContainerState, CorrectCounters,
    CreateContainer, CreateSnapshot, Damage, DeleteObject, DeletionKey, DiscardSnapshot, Drain,
    DropImported, Expire, Flush, ImportBody, ImportVersion, InitCluster, Postponed,
    PropertyChanges, PublishSnapshot, Purge, PurgeCursor, PutUser, Rebuilding, RecordScan,
    RegisterVolume, RepairKey, Rows, ScanCursor, ScanStep, SetFrozen, Swap, Truncate,
    UpdateContainer, UpdateObject, Whole,
};
use model::{
    Administrative, ChunkName, ClusterId, ContentId, Extent, Frozen, JobId, Liveness, Node, NodeId,
    PartitionId, Policy, Precondition, Role, SmallObjects, Version, Versioning, VolumeId, WriteId,
};

/// Every command, with every part of it filled.
pub(super) fn commands() -> Vec<Command> {
    let mut all = accounts();
    all.extend(containers());
    all.extend(objects());
    all.extend(more());
    all.extend(queues());
    all.extend(directory());
    all.extend(repair());
    all.push(Command::CorrectCounters(CorrectCounters {
        container: id("a", "c"),
        incarnation: 7,
        corrections: 0,
        objects: -1,
        bytes: 0,
        live_objects: 2,
        live_bytes: 3,
    }));
    all
}

fn changes() -> PropertyChanges {
    PropertyChanges { clear: true, remove: vec!["r".into()], set: properties(&[("s", "t")]) }
}

fn accounts() -> Vec<Command> {
    let account: model::AccountName = "a".parse().unwrap();
    let counters =
        ContainerCounters { objects: 1, bytes: 2, live_objects: 3, live_bytes: 4, modified: 5 };
    let state = |index, container: &str, counters| ContainerState {
        index,
        account: account.clone(),
        container: container.parse().unwrap(),
        counters,
    };
    vec![
        Command::CreateAccount { account: account.clone(), properties: properties(&[("k", "v")]) },
        Command::UpdateAccount { account: account.clone(), properties: changes() },
        Command::ApplyContainerStates {
            source: PartitionId(2),
            states: vec![state(1, "c", Some(counters)), state(2, "d", None)],
        },
        Command::DeleteAccount { account: account.clone() },
    ]
}

fn containers() -> Vec<Command> {
    vec![
        Command::CreateContainer(CreateContainer {
            account: "a".parse().unwrap(),
            container: "c".parse().unwrap(),
            policy: Some("EC22".parse().unwrap()),
            versioning: Versioning::Keep(3),
            quota: Some(1 << 40),
            properties: properties(&[("k", "v")]),
        }),
        Command::UpdateContainer(UpdateContainer {
            container: id("a", "c"),
            properties: changes(),
            policy: Some(None),
            versioning: Some(Versioning::Unlimited),
            quota: Some(None),
        }),
    ]
}

fn objects() -> Vec<Command> {
    let container = id("a", "c");
    let object: model::ObjectName = "o\0é".parse().unwrap();
    let commit = |number, rows| {
        let mut commit = Machine::new().commit(&container, "o\0é", 5000);
        commit.blob = blob(&container, number);
        let mut extent = extent(commit.blob, 5000, rows, START);
        extent.metachunks[0].volumes[1] = None;
        commit.extents = vec![extent.into()];
        commit.incarnation = 5;
        commit.md5 = Some([3; 16]);
        commit.properties = properties(&[("k", "v")]);
        commit.delete_at = Some(START / 1_000_000 + 9);
        commit.precondition = Precondition::Absent;
        Command::Commit(Box::new(commit))
    };
    let mut again = commit(2, 30);
    if let Command::Commit(commit) = &mut again {
        commit.precondition = Precondition::Etag("03".repeat(16));
    }
    vec![
        commit(1, 3),
        again,
        Command::UpdateObject(UpdateObject {
            container,
            object: object.clone(),
            version: None,
            precondition: Precondition::None,
            properties: changes(),
            mime_type: Some("text/html".into()),
            delete_at: Some(None),
        }),
        Command::Abort { blob: blob(&container, 3) },
        Command::RaiseFence { millis: START / 1000 - 1 },
        Command::DeleteObject(DeleteObject {
            container,
            object,
            version: Some(Version(START + 20)),
            silent: true,
            missing: Some("EC42".parse().unwrap()),
            precondition: Precondition::Version(Version(START + 20)),
            delete_grace: DAY,
        }),
        Command::DeleteContainer { container },
    ]
}

fn queues() -> Vec<Command> {
    let container = id("a", "c");
    let blob = blob(&container, 1);
    let object: model::ObjectName = "o\0é".parse().unwrap();
    let deletion = DeletionKey { due: 1, sequence: 2 };
    vec![
        Command::OutboxDelivered { indexes: vec![1, 2] },
        Command::DeletionsDone {
            done: vec![deletion],
            postponed: vec![Postponed { key: deletion, due: 3, volumes: vec![VolumeId(4)] }],
        },
        Command::QueueRepair {
            damages: vec![Damage {
                container,
                object: object.clone(),
                version: Version(10),
                blob,
                metachunk: 1,
                position: 2,
                volume: VolumeId(3),
                write: WriteId(4),
            }],
        },
        Command::RepairsDone {
            whole: vec![Whole { key: RepairKey { survivable: 1, sequence: 2 }, positions: 5 }],
        },
        Command::Swap(Swap {
            container,
            object,
            version: Version(10),
            blob,
            metachunk: 1,
            position: 2,
            old: Some((VolumeId(3), WriteId(4))),
            volume: VolumeId(5),
            write: WriteId(6),
            delete_grace: 7,
        }),
        Command::RaiseFeatureLevel { level: 1 },
    ]
}

fn repair() -> Vec<Command> {
    let blob = blob(&id("a", "c"), 1);
    let chunk = ChunkName { blob, metachunk: 1, position: 2, write: WriteId(START << 6) };
    vec![
        Command::BeginRebuilds { rebuilds: vec![Rebuilding { chunk, volume: VolumeId(7) }] },
        Command::EndRebuilds {
            chunks: vec![ChunkName { position: 3, ..chunk }],
            delete_grace: DAY,
        },
        Command::SetLost { volumes: vec![VolumeId(8), VolumeId(3)] },
        Command::Expire(Expire {
            container: id("a", "s"),
            versions: vec![("o\0é".parse().unwrap(), Version(10))],
            delete_grace: DAY,
        }),
    ]
}

fn directory() -> Vec<Command> {
    let small = Some(SmallObjects { bytes: 9, policy: "SINGLE".parse().unwrap() });
    let policy = Policy { small, ..Policy::new("EC22", EC22).unwrap() };
    vec![
        Command::InitCluster(InitCluster {
            cluster: ClusterId([1; 16]),
            nodes: vec![Node { id: NodeId(1), address: "h:1".into() }],
            partitions: 2,
            policies: Policy::built_in(),
            default_policy: "EC63".parse().unwrap(),
        }),
        Command::RegisterVolume(RegisterVolume {
            identity: "i".into(),
            address: "h:2".into(),
            location: "r.h.d".parse().unwrap(),
            capacity: 1 << 44,
            free: 1 << 43,
            take_over: true,
        }),
        Command::SetLiveness { volume: VolumeId(1), liveness: Liveness::Down },
        Command::SetAdministrative {
            volume: VolumeId(1),
            administrative: Administrative::Draining,
        },
        Command::SetPolicy { policy, make_default: true },
        Command::UpdateNode { id: NodeId(1), address: "h:3".into() },
        Command::PutUser(PutUser {
            name: "acme:alice".parse().unwrap(),
            role: Some(Role::Writer),
            key: Some(vec![1, 2, 3].try_into().unwrap()),
            create: true,
        }),
        Command::DeleteUser { name: "acme:alice".parse().unwrap() },
    ]
}

/// What came later, on a container of its own.
fn more() -> Vec<Command> {
    let container = id("a", "m");
    let object: model::ObjectName = "o".parse().unwrap();
    // The samples are applied in order, from 1 on: these come behind 13 others.
    let incarnation = 14;
    let long = extent(blob(&container, 10), 5000, 40, START);
    let staged = |number| {
        let long = extent(blob(&container, number), 5000, 40, START);
        let page = pages(&container, incarnation, &long).remove(0);
        Command::StagePage(Box::new(page))
    };
    let mut commit = Machine::new().commit(&container, "o", 5000);
    commit.incarnation = incarnation;
    commit.mode = CommitMode::Append;
    commit.content = Some(ContentId([9; 16]));
    commit.blob = long.blob;
    commit.extents = vec![CommitExtent {
        rows: Rows::Staged(40),
        ..CommitExtent::from(Extent { metachunks: Vec::new(), ..long })
    }];
    let tail = extent(blob(&container, 11), 100, 1, START);
    let truncate = Truncate {
        container,
        incarnation,
        object: object.clone(),
        version: None,
        expected_size: 5000,
        expected_blobs: vec![commit.blob],
        keep_extents: 1,
        keep_rows: 36,
        tail: Some(tail.into()),
        size: 36 * 125 + 100,
        delete_grace: DAY,
    };
    let scan = |step| Command::RecordScan(RecordScan { volume: VolumeId(3), step });
    let cursor =
        ScanCursor { container, object: object.clone(), version: Version(10), extent: 1, row: 2 };
    let mut all = vec![
        create_container("a", "m", Versioning::Unlimited),
        staged(10),
        staged(12),
        Command::Commit(Box::new(commit)),
        Command::Truncate(Box::new(truncate)),
        Command::Drain(Drain {
            container,
            object: object.clone(),
            version: None,
            precondition: Precondition::None,
            delete_grace: DAY,
        }),
        Command::SetFrozen(SetFrozen {
            container,
            frozen: Frozen::Lease { job: JobId([5; 16]), until: START + DAY / 48 },
            job: None,
        }),
        Command::SetFrozen(SetFrozen { container, frozen: Frozen::No, job: None }),
        Command::Purge(Purge {
            container,
            object: Some(object.clone()),
            keep: 2,
            markers_before: Some(START),
            after: Some(PurgeCursor { object, version: Some(Version(10)), kept: 3 }),
            limit: 4,
            delete_grace: DAY,
        }),
        Command::RefreshContainer {
            account: "a".parse().unwrap(),
            container: "none".parse().unwrap(),
        },
        Command::RefreshAccount { account: "a".parse().unwrap() },
        Command::FlushAccount { account: "a".parse().unwrap() },
        scan(ScanStep::Start),
        scan(ScanStep::Advance { from: None, to: Some(cursor), versions: 7, found: Vec::new() }),
    ];
    all.extend(snapshot(container, incarnation));
    all.push(Command::Flush(Flush { container, incarnation, limit: 5, delete_grace: DAY }));
    all
}

fn snapshot(source: model::ContainerId, source_incarnation: u64) -> Vec<Command> {
    let job = JobId([5; 16]);
    let container = id("a", "s");
    let create = |name: &str| {
        Command::CreateSnapshot(CreateSnapshot {
            account: "a".parse().unwrap(),
            container: name.parse().unwrap(),
            source,
            source_incarnation,
            job,
            policy: None,
            versioning: Versioning::Unlimited,
            quota: Some(7),
            properties: properties(&[("k", "v")]),
        })
    };
    let import = |number, body| {
        Command::ImportVersion(Box::new(ImportVersion {
            container,
            job,
            object: "o".parse().unwrap(),
            version: Version(number),
            body,
            created: 1,
            modified: 2,
            policy: "EC22".parse().unwrap(),
            mime_type: "text/plain".into(),
            delete_at: Some(9),
            properties: properties(&[("k", "v")]),
        }))
    };
    let blob = blob(&container, 20);
    vec![
        create("s"),
        import(10, ImportBody::Marker),
        import(
            20,
            ImportBody::Content {
                content: ContentId([8; 16]),
                blob,
                size: 50,
                hash: None,
                md5: Some([3; 16]),
                extents: Some(vec![extent(blob, 50, 1, START).into()]),
            },
        ),
        Command::DropImported(DropImported {
            container,
            job,
            versions: vec![("o".parse().unwrap(), Version(10))],
            delete_grace: DAY,
        }),
        Command::PublishSnapshot(PublishSnapshot { container, job, objects: 1, bytes: 50 }),
        create("t"),
        Command::DiscardSnapshot(DiscardSnapshot {
            container: id("a", "t"),
            job: Some(job),
            delete_grace: DAY,
        }),
    ]
}
