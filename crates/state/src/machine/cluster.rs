//! The cluster, its nodes and its policies.

use super::Context;
use crate::{
    Answer, Failure, InitCluster,
    kv::{self, cluster},
};
use model::{
    ClusterId, Error, ErrorKind, Node, NodeId, PartitionId, PartitionTable, Policy, PolicyName,
    Subject,
};

/// Most data partitions of a cluster.
const MAX_PARTITIONS: u32 = 4096;

/// Most nodes that all keep a replica of every partition; with more, each partition has
/// [`REPLICAS`].
const MAX_MEMBERS: usize = 5;

/// Replicas of a partition in a cluster of many nodes.
const REPLICAS: usize = 3;

/// The longest address, in bytes.
const MAX_ADDRESS_BYTES: usize = 256;

/// Makes the cluster, unless it is there.
pub(super) fn init(cx: &mut Context, command: &InitCluster) -> Result<Answer, Failure> {
    if let Some(there) = find(cx)? {
        return match there.id == command.cluster {
            true => Ok(Answer::Created { created: false }),
            false => Err(other_cluster(there.id).into()),
        };
    }
    check(command)?;
    for node in &command.nodes {
        kv::put(&mut cx.txn, cluster::node_key(node.id), &cluster::NodeRecord::from(node))?;
    }
    for policy in &command.policies {
        let key = cluster::policy_key(&policy.name);
        kv::put(&mut cx.txn, key, &cluster::PolicyRecord::from(policy))?;
    }
    for number in 1..=command.partitions {
        let id = PartitionId(number);
        let record = cluster::Members { id, nodes: members(&command.nodes, number) };
        kv::put(&mut cx.txn, cluster::members_key(id), &record)?;
    }
    let slots = cluster::Slots(PartitionTable::even(command.partitions).ranges().to_vec());
    kv::put(&mut cx.txn, cluster::slots_key(), &slots)?;
    let record = cluster::Cluster {
        id: command.cluster,
        epoch: 1,
        default_policy: command.default_policy.clone(),
        next_volume: 1,
    };
    kv::put(&mut cx.txn, cluster::key(), &record)?;
    Ok(Answer::Created { created: true })
}

/// Makes or changes a policy. Contents keep the method they were written with.
pub(super) fn set_policy(
    cx: &mut Context,
    policy: &Policy,
    make_default: bool,
) -> Result<Answer, Failure> {
    let mut cluster = existing(cx)?;
    policy.clone().checked()?;
    if let Some(small) = &policy.small {
        let known =
            small.policy != policy.name && cx.has(cluster::policy_key(&small.policy).as_bytes())?;
        if !known {
            return Err(unknown_small(policy, &small.policy).into());
        }
    }
    let key = cluster::policy_key(&policy.name);
    let record = cluster::PolicyRecord::from(policy);
    let before: Option<cluster::PolicyRecord> = kv::get(&cx.txn, key.as_bytes())?;
    let default = make_default && cluster.default_policy != policy.name;
    if before.as_ref() != Some(&record) || default {
        if default {
            cluster.default_policy = policy.name.clone();
        }
        kv::put(&mut cx.txn, key, &record)?;
        save_changed(cx, cluster)?;
    }
    Ok(Answer::Done)
}

/// Tells where a metadata node listens.
pub(super) fn update_node(cx: &mut Context, id: NodeId, address: &str) -> Result<Answer, Failure> {
    let cluster = existing(cx)?;
    check_address(address)?;
    let key = cluster::node_key(id);
    let missing = || Error::not_found(Subject::Node, format!("there is no metadata node {id}"));
    let mut node: cluster::NodeRecord = kv::get(&cx.txn, key.as_bytes())?.ok_or_else(missing)?;
    if node.address != address {
        address.clone_into(&mut node.address);
        kv::put(&mut cx.txn, key, &node)?;
        save_changed(cx, cluster)?;
    }
    Ok(Answer::Done)
}

/// The cluster, or a refusal while there is none.
pub(super) fn existing(cx: &Context) -> Result<cluster::Cluster, Failure> {
    let missing = || Error::unavailable("the cluster is not initialized yet");
    Ok(find(cx)?.ok_or_else(missing)?)
}

/// Writes the cluster after a change of the map.
pub(super) fn save_changed(cx: &mut Context, mut record: cluster::Cluster) -> Result<(), Failure> {
    record.epoch += 1;
    Ok(kv::put(&mut cx.txn, cluster::key(), &record)?)
}

pub(super) fn check_address(address: &str) -> Result<(), Error> {
    match (1..=MAX_ADDRESS_BYTES).contains(&address.len()) {
        true => Ok(()),
        false => Err(Error::invalid(format!(
            "an address has 1 to {MAX_ADDRESS_BYTES} bytes, not {}",
            address.len()
        ))),
    }
}

fn find(cx: &Context) -> Result<Option<cluster::Cluster>, Failure> {
    Ok(kv::get(&cx.txn, cluster::key().as_bytes())?)
}

fn check(command: &InitCluster) -> Result<(), Error> {
    let mut ids: Vec<_> = command.nodes.iter().map(|node| node.id).collect();
    ids.sort_unstable();
    ids.dedup();
    if ids.is_empty() || ids.len() != command.nodes.len() {
        return Err(Error::invalid("a cluster needs metadata nodes, each with an id of its own"));
    }
    command.nodes.iter().try_for_each(|node| check_address(&node.address))?;
    if !(1..=MAX_PARTITIONS).contains(&command.partitions) {
        let count = command.partitions;
        let message = format!("a cluster has 1 to {MAX_PARTITIONS} partitions, not {count}");
        return Err(Error::invalid(message));
    }
    let known = |name: &PolicyName| command.policies.iter().any(|policy| policy.name == *name);
    for policy in &command.policies {
        policy.clone().checked()?;
        match &policy.small {
            Some(small) if small.policy == policy.name || !known(&small.policy) => {
                return Err(unknown_small(policy, &small.policy));
            }
            _ => {}
        }
    }
    if !known(&command.default_policy) {
        let name = &command.default_policy;
        let message = format!("the default policy {name} is none of the policies");
        return Err(Error::new(ErrorKind::Invalid, Subject::Policy, message));
    }
    Ok(())
}

/// The replicas of a partition: every node of a small cluster, else some in turn.
fn members(nodes: &[Node], partition: u32) -> Vec<NodeId> {
    let count = if nodes.len() <= MAX_MEMBERS { nodes.len() } else { REPLICAS };
    let first = partition as usize % nodes.len();
    nodes.iter().cycle().skip(first).take(count).map(|node| node.id).collect()
}

fn unknown_small(policy: &Policy, small: &PolicyName) -> Error {
    let name = &policy.name;
    let message = format!("policy {name} hands small objects to {small}, which is no other policy");
    Error::new(ErrorKind::Invalid, Subject::Policy, message)
}

fn other_cluster(id: ClusterId) -> Error {
    Error::new(ErrorKind::Conflict, Subject::Request, format!("this is cluster {id} already"))
}
