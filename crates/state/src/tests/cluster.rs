//! Rules of the directory.

use super::harness::Machine;
use crate::{Answer, Command, InitCluster, RegisterVolume, read};
use model::{
    Administrative, ClusterId, ClusterMap, ErrorKind, Liveness, Method, Node, NodeId, PartitionId,
    Policy, PolicyName, SmallObjects, Subject, VolumeId,
};

fn init(nodes: u64) -> InitCluster {
    InitCluster {
        cluster: ClusterId([1; 16]),
        nodes: (1..=nodes).map(|n| Node { id: NodeId(n), address: format!("h{n}:1") }).collect(),
        partitions: 4,
        policies: Policy::built_in(),
        default_policy: "EC63".parse().unwrap(),
    }
}

fn register(identity: &str, address: &str) -> RegisterVolume {
    RegisterVolume {
        identity: identity.into(),
        address: address.into(),
        location: "r1.h1.d1".parse().unwrap(),
        capacity: 100,
        free: 90,
        take_over: false,
    }
}

fn machine() -> Machine {
    let mut machine = Machine::new();
    machine.ok(Command::InitCluster(init(3)));
    machine
}

fn map(machine: &Machine) -> ClusterMap {
    read::cluster_map(&machine.memory).unwrap().unwrap()
}

#[test]
fn a_cluster_is_made_once() {
    let mut machine = Machine::new();
    assert_eq!(read::cluster_map(&machine.memory).unwrap(), None);
    let early = Command::RegisterVolume(register("i", "h:1"));
    assert_eq!(machine.refused_as(early), ErrorKind::Unavailable);
    let create = Command::InitCluster(init(3));
    assert_eq!(machine.ok(create.clone()), Answer::Created { created: true });
    let made = map(&machine);
    assert_eq!(machine.ok(create), Answer::Created { created: false });
    let other = InitCluster { cluster: ClusterId([2; 16]), ..init(3) };
    assert_eq!(machine.refused_as(Command::InitCluster(other)), ErrorKind::Conflict);
    assert_eq!(map(&machine), made);
    assert_eq!((made.epoch, made.cluster), (1, ClusterId([1; 16])));
    assert_eq!(made.nodes, init(3).nodes);
    assert_eq!(made.policies.len(), 7);
    assert!(made.policies.windows(2).all(|w| w[0].name < w[1].name));
    assert_eq!(made.slots, model::PartitionTable::even(4));
    let ids: Vec<_> = made.partitions.iter().map(|p| p.id).collect();
    assert_eq!(ids, [1, 2, 3, 4].map(PartitionId));
    assert!(made.partitions.iter().all(|p| p.members.len() == 3));
}

#[test]
fn clusters_are_refused() {
    type Edit = fn(&mut InitCluster);
    let table: &[(&str, Edit)] = &[
        ("no nodes", |c| c.nodes.clear()),
        ("a node twice", |c| c.nodes[0].id = NodeId(2)),
        ("no address", |c| c.nodes[0].address.clear()),
        ("no partitions", |c| c.partitions = 0),
        ("too many partitions", |c| c.partitions = 5000),
        ("an unknown default", |c| c.default_policy = "NONE".parse().unwrap()),
        ("a policy of endless chunks", |c| c.policies[0].chunk_blocks = 5000),
        ("small objects to nowhere", |c| {
            let policy: PolicyName = "NONE".parse().unwrap();
            c.policies[0].small = Some(SmallObjects { bytes: 1, policy });
        }),
    ];
    for (what, edit) in table {
        let mut command = init(3);
        edit(&mut command);
        let kind = Machine::new().refused_as(Command::InitCluster(command));
        assert_eq!(kind, ErrorKind::Invalid, "{what}");
    }
}

#[test]
fn in_a_large_cluster_partitions_have_three_replicas_in_turn() {
    let mut machine = Machine::new();
    machine.ok(Command::InitCluster(init(7)));
    let partitions = map(&machine).partitions;
    assert_eq!(partitions[0].members, [2, 3, 4].map(NodeId));
    assert_eq!(partitions[3].members, [5, 6, 7].map(NodeId));
}

#[test]
fn a_volume_keeps_its_number() {
    let mut machine = machine();
    let run = |machine: &mut Machine, command| match machine.ok(Command::RegisterVolume(command)) {
        Answer::Volume { id } => id.0,
        other => panic!("{other:?}"),
    };
    assert_eq!(run(&mut machine, register("i1", "h1:1")), 1);
    assert_eq!(run(&mut machine, register("i2", "h2:1")), 2);
    let epoch = map(&machine).epoch;
    assert_eq!(epoch, 3);
    // Nothing new.
    assert_eq!(run(&mut machine, register("i1", "h1:1")), 1);
    assert_eq!(map(&machine).epoch, epoch);
    // Elsewhere while it is up: perhaps a copy of the disk.
    let moved = register("i1", "h3:1");
    let error = machine.refused(Command::RegisterVolume(moved.clone()));
    assert_eq!((error.kind, error.subject), (ErrorKind::Conflict, Subject::Volume));
    assert_eq!(run(&mut machine, RegisterVolume { take_over: true, ..moved.clone() }), 1);
    assert_eq!(map(&machine).volumes[0].address, "h3:1");
    let down = Command::SetLiveness { volume: VolumeId(2), liveness: Liveness::Down };
    machine.ok(down.clone());
    machine.ok(down);
    assert_eq!(map(&machine).epoch, epoch + 2);
    let moved = RegisterVolume {
        location: "r9.h9.d9".parse().unwrap(),
        capacity: 5,
        free: 4,
        ..register("i2", "h9:1")
    };
    assert_eq!(run(&mut machine, moved), 2);
    let map = map(&machine);
    let volume = &map.volumes[1];
    assert_eq!((volume.liveness, volume.address.as_str()), (Liveness::Up, "h9:1"));
    assert_eq!((volume.capacity, volume.free, volume.score), (5, 4, 100));
    assert_eq!(volume.location.as_str(), "r9.h9.d9");
    assert_eq!(read::volume_by_identity(&machine.memory, "i2").unwrap(), Some(VolumeId(2)));
    for bad in [register("", "h:1"), register("i3", "")] {
        assert_eq!(machine.refused_as(Command::RegisterVolume(bad)), ErrorKind::Invalid);
    }
    assert_eq!(run(&mut machine, register("i3", "h1:1")), 3);
}

#[test]
fn every_change_of_the_map_is_an_epoch() {
    let mut machine = machine();
    machine.ok(Command::RegisterVolume(register("i1", "h1:1")));
    let mut epoch = map(&machine).epoch;
    let wide = Policy::new("WIDE", Method::Erasure { data: 20, parity: 4 }).unwrap();
    let changes = [
        Command::SetAdministrative {
            volume: VolumeId(1),
            administrative: Administrative::Draining,
        },
        Command::SetPolicy { policy: wide.clone(), make_default: false },
        Command::SetPolicy { policy: wide.clone(), make_default: true },
        Command::UpdateNode { id: NodeId(2), address: "elsewhere:1".into() },
    ];
    for change in changes {
        machine.ok(change.clone());
        epoch += 1;
        assert_eq!(map(&machine).epoch, epoch, "{change:?}");
        machine.ok(change);
        assert_eq!(map(&machine).epoch, epoch);
    }
    let map = map(&machine);
    assert_eq!(map.volumes[0].administrative, Administrative::Draining);
    assert_eq!(map.default_policy, wide.name);
    assert_eq!(map.policy(&wide.name).unwrap(), &wide);
    assert_eq!(map.node(NodeId(2)).unwrap().address, "elsewhere:1");

    let small = |name: &str| SmallObjects { bytes: 9, policy: name.parse().unwrap() };
    let to_itself = Policy { small: Some(small("WIDE")), ..wide.clone() };
    let to_none = Policy { small: Some(small("NONE")), ..wide.clone() };
    let endless = Policy { chunk_blocks: 0, ..wide.clone() };
    for policy in [to_itself, to_none, endless] {
        let set = Command::SetPolicy { policy, make_default: false };
        assert_eq!(machine.refused_as(set), ErrorKind::Invalid);
    }
    let set = Policy { small: Some(small("SINGLE")), ..wide };
    machine.ok(Command::SetPolicy { policy: set, make_default: false });
    let down = Command::SetLiveness { volume: VolumeId(5), liveness: Liveness::Down };
    assert_eq!(machine.refused_as(down), ErrorKind::NotFound);
    let node = Command::UpdateNode { id: NodeId(9), address: "h:1".into() };
    assert_eq!(machine.refused_as(node), ErrorKind::NotFound);
}
