//! One of everything.

use super::harness::{DAY, EC22, Machine, START, blob, extent, id, properties};
use crate::{
    Command, ContainerCounters, ContainerState, CreateContainer, Damage, DeleteObject, DeletionKey,
    InitCluster, Postponed, PropertyChanges, RegisterVolume, RepairKey, Swap, UpdateContainer,
    UpdateObject,
};
use model::{
    Administrative, ClusterId, Liveness, Node, NodeId, PartitionId, Policy, Precondition,
    SmallObjects, Version, Versioning, VolumeId, WriteId,
};

/// Every command, with every part of it filled.
pub(super) fn commands() -> Vec<Command> {
    let mut all = accounts();
    all.extend(containers());
    all.extend(objects());
    all.extend(queues());
    all.extend(directory());
    all
}

fn changes() -> PropertyChanges {
    PropertyChanges { clear: true, remove: vec!["r".into()], set: properties(&[("s", "t")]) }
}

fn accounts() -> Vec<Command> {
    let account: model::AccountName = "a".parse().unwrap();
    let counters = ContainerCounters { objects: 1, bytes: 2, modified: 3 };
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
        commit.extent = Some(extent);
        commit.incarnation = 5;
        commit.md5 = Some([3; 16]);
        commit.properties = properties(&[("k", "v")]);
        commit.precondition = Precondition::Absent;
        Command::Commit(Box::new(commit))
    };
    let mut again = commit(2, 40);
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
        }),
        Command::Abort { blob: blob(&container, 3) },
        Command::RaiseFence { millis: START / 1000 - 1 },
        Command::DeleteObject(DeleteObject {
            container,
            object,
            version: Some(Version(START + 20)),
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
        Command::RepairsDone { keys: vec![RepairKey { survivable: 1, sequence: 2 }] },
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
    ]
}
