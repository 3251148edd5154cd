//! Tells accounts what their containers hold.

use crate::{
    node::Node,
    partition::{Partition, Refusal},
};
use model::{Error, PartitionId};
use proto::v1::{self, update_account_states_request as message};
use state::{Command, ContainerState, read};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// States delivered in one command: as many as fit in it if all names are as long as they may be.
const BATCH: usize = 400;

/// How long the other node may take to answer.
const ANSWER: Duration = Duration::from_secs(5);

/// How long changes of counters gather before they are delivered: many changes of one container
/// are then one message.
const GATHER: Duration = Duration::from_millis(300);

/// How long the creation or deletion of a container waits for its account to know.
const WAIT: Duration = Duration::from_secs(1);

/// How long until an account whose partition could not be reached is tried again.
const PAUSE: Duration = Duration::from_secs(1);

pub async fn run(node: Node, partition: Partition) {
    let mut applied = partition.applied();
    loop {
        if applied.changed().await.is_err() {
            return;
        }
        tokio::time::sleep(GATHER).await;
        applied.mark_unchanged();
        while partition.leads() {
            match node.deliver(&partition).await {
                Ok(false) => break,
                Ok(true) => {}
                Err(refusal) => {
                    tracing::debug!(partition = %partition.id(), ?refusal, "an outbox waits");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }
}

impl Node {
    /// Delivers what a partition's outbox holds, and returns when it is done or a second has
    /// passed: whatever is left is delivered in the background.
    pub(crate) async fn deliver_outbox(&self, partition: PartitionId) {
        let Ok(partition) = self.partition(partition) else { return };
        let all = async { while let Ok(true) = self.deliver(partition).await {} };
        let _ = tokio::time::timeout(WAIT, all).await;
    }

    /// Delivers what is there; false if that was nothing. A destination that cannot be reached
    /// does not keep the others from being told.
    async fn deliver(&self, partition: &Partition) -> Result<bool, Refusal> {
        let mut turn = partition.turn().await;
        let table = self.0.registry.logged()?.slots.clone();
        let (mut after, mut any, mut refused) = (turn.outbox, false, None);
        // An account takes states in their order only: one that missed some is told no later ones.
        let mut missed = BTreeSet::new();
        loop {
            let batch = {
                let view = partition.local();
                if read::status(&*view).map_err(failed)?.outbox == 0 {
                    break;
                }
                read::outbox(&*view, after, BATCH).map_err(failed)?
            };
            let mut destinations: BTreeMap<PartitionId, Vec<ContainerState>> = BTreeMap::new();
            for state in batch.states {
                let destination = table.partition_of(state.account.slot());
                destinations.entry(destination).or_default().push(state);
            }
            let mut indexes = Vec::new();
            for (destination, states) in destinations {
                if missed.contains(&destination) {
                    continue;
                }
                let told = states.iter().map(|s| s.index).collect::<Vec<_>>();
                match self.tell(partition.id(), destination, states).await {
                    Ok(()) => indexes.extend(told),
                    Err(refusal) => {
                        missed.insert(destination);
                        refused = Some(refusal);
                    }
                }
            }
            if !indexes.is_empty() {
                any = true;
                let delivered = Command::OutboxDelivered { indexes };
                partition.propose(self.now(), None, delivered).await?;
            }
            after = batch.upto;
            if refused.is_none() {
                turn.outbox = after;
            }
            if !batch.more {
                break;
            }
        }
        refused.map_or(Ok(any), Err)
    }

    async fn tell(
        &self,
        source: PartitionId,
        destination: PartitionId,
        states: Vec<ContainerState>,
    ) -> Result<(), Refusal> {
        let there = self.partition(destination)?;
        if there.leads() {
            let command = Command::ApplyContainerStates { source, states };
            there.propose(self.now(), None, command).await?;
            return Ok(());
        }
        let leader = there.leader_address().ok_or_else(|| {
            Error::unavailable(format!("partition {destination} has no leader at the moment"))
        })?;
        let mut request = tonic::Request::new(v1::UpdateAccountStatesRequest {
            source: source.0,
            partition: destination.0,
            states: states.into_iter().map(state_to).collect(),
        });
        request.set_timeout(ANSWER);
        let sent = self.0.peers.get(&leader)?.update_account(request).await;
        sent.map(|_| ()).map_err(|status| proto::from_status(&status).into())
    }
}

fn state_to(state: ContainerState) -> message::State {
    message::State {
        index: state.index,
        account: state.account.to_string(),
        container: state.container.to_string(),
        counters: state.counters.map(|c| message::Counters {
            objects: c.objects,
            bytes: c.bytes,
            live_objects: c.live_objects,
            live_bytes: c.live_bytes,
            modified: c.modified,
        }),
    }
}

fn failed(failure: state::Failure) -> Refusal {
    Error::internal(failure.to_string()).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use state::ContainerCounters;

    #[test]
    fn a_full_batch_of_the_longest_names_fits_in_a_command() {
        let longest = "x".repeat(256);
        let state = ContainerState {
            index: u64::MAX,
            account: longest.parse().unwrap(),
            container: longest.parse().unwrap(),
            counters: Some(ContainerCounters {
                objects: u64::MAX,
                bytes: u64::MAX,
                live_objects: u64::MAX,
                live_bytes: u64::MAX,
                modified: u64::MAX,
            }),
        };
        let command = Command::ApplyContainerStates {
            source: PartitionId(u32::MAX),
            states: vec![state; BATCH],
        };
        let entry = state::Entry { index: 0, time: u64::MAX, request: None, command };
        entry.encode().unwrap();
    }
}
