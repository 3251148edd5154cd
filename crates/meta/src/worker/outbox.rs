//! Tells accounts what their containers hold.

use crate::{
    node::Node,
    partition::{Partition, Refusal},
};
use model::{Error, PartitionId};
use proto::v1::{self, update_account_states_request as message};
use state::{Command, ContainerState, read};
use std::{collections::BTreeSet, time::Duration};

/// States delivered in one round.
const BATCH: usize = 500;

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

    /// Delivers one batch; false if there was nothing to deliver.
    async fn deliver(&self, partition: &Partition) -> Result<bool, Refusal> {
        let _turn = partition.turn().await;
        let table = self.0.registry.logged()?.slots.clone();
        let destinations: BTreeSet<_> = table.ranges().iter().map(|(_, id)| *id).collect();
        let mut any = false;
        for destination in destinations {
            let states = {
                let view = partition.local();
                if read::status(&*view).map_err(failed)?.outbox == 0 {
                    return Ok(any);
                }
                read::outbox(&*view, &table, destination, 0, BATCH).map_err(failed)?.states
            };
            if states.is_empty() {
                continue;
            }
            any = true;
            let indexes = states.iter().map(|s| s.index).collect();
            self.tell(partition.id(), destination, states).await?;
            let delivered = Command::OutboxDelivered { indexes };
            partition.propose(self.now(), None, delivered).await?;
        }
        Ok(any)
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
        let request = v1::UpdateAccountStatesRequest {
            source: source.0,
            partition: destination.0,
            states: states.into_iter().map(state_to).collect(),
        };
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
            modified: c.modified,
        }),
    }
}

fn failed(failure: state::Failure) -> Refusal {
    Error::internal(failure.to_string()).into()
}
