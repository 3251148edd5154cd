//! Removes versions whose time has come.
//!
//! What is due is found in an index by time, in passes: each goes on where the round before it
//! stopped, so that what must wait (frozen containers have it so) keeps nothing behind it waiting.
//! The command looks at each version again.

use crate::{
    node::Node,
    partition::{Partition, Refusal},
};
use model::{ContainerId, Error, ObjectName, Subject, Version};
use state::{Answer, Command, Expire, MAX_EXPIRED, read::ExpiryCursor};
use std::{collections::BTreeMap, time::Duration};
use tokio::time::Instant;

/// How often the index is looked at.
const EVERY: Duration = Duration::from_secs(1);

/// Rounds of one look.
const ROUNDS: usize = 32;

/// How often all that is due is looked at again, what had to wait among it.
const PASS: Duration = Duration::from_secs(10);

/// How far the worker is in what is due.
struct Pass {
    began: Instant,
    /// Where it goes on; at the start if there is none.
    at: Option<ExpiryCursor>,
}

impl Pass {
    fn new() -> Self {
        Self { began: Instant::now(), at: None }
    }
}

pub async fn run(node: Node, partition: Partition) {
    let mut pass = Pass::new();
    loop {
        tokio::time::sleep(EVERY).await;
        for _ in 0..ROUNDS {
            if !partition.leads() {
                pass = Pass::new();
                break;
            }
            match round(&node, &partition, &mut pass).await {
                Ok(true) => {}
                Ok(false) => {
                    if pass.began.elapsed() >= PASS {
                        pass = Pass::new();
                    }
                    break;
                }
                Err(refusal) => {
                    tracing::debug!(partition = %partition.id(), ?refusal, "expiry waits");
                    pass = Pass::new();
                    break;
                }
            }
        }
    }
}

/// One look at the index, and a command for each container of what it found; false at the end of
/// what is due.
async fn round(node: &Node, partition: &Partition, pass: &mut Pass) -> Result<bool, Refusal> {
    let page = {
        let view = partition.local();
        let now = partition.time(node.now());
        state::read::expired(&*view, pass.at.as_ref(), now, MAX_EXPIRED)
            .map_err(|e| Error::internal(e.to_string()))?
    };
    let mut due: BTreeMap<ContainerId, Vec<(ObjectName, Version)>> = BTreeMap::new();
    for (container, object, version) in page.versions {
        due.entry(container).or_default().push((object, version));
    }
    let commands = due.into_iter().map(|(id, versions)| expire(node, partition, id, versions));
    let complete = futures::future::try_join_all(commands).await?;
    if !complete.into_iter().all(|complete| complete) {
        // What a command had no room for is still there.
        return Ok(true);
    }
    pass.at = page.upto.or(pass.at.take());
    Ok(page.more)
}

/// Removes versions of one container; false if there was no room for all in the command.
async fn expire(
    node: &Node,
    partition: &Partition,
    container: ContainerId,
    versions: Vec<(ObjectName, Version)>,
) -> Result<bool, Refusal> {
    let count = versions.len();
    let delete_grace = node.0.config.delete_grace.as_micros() as u64;
    let command = Command::Expire(Expire { container, versions, delete_grace });
    match partition.propose(node.now(), None, command).await {
        Ok(Answer::Expired { versions, looked_at }) => {
            metrics::counter!("cairn_expired_versions_total").increment(versions.into());
            Ok(looked_at as usize == count)
        }
        Ok(other) => Err(Error::internal(format!("versions expired as {other:?}")).into()),
        // Frozen or gone meanwhile.
        Err(Refusal::Failed(error)) if error.subject == Subject::Container => Ok(true),
        Err(refusal) => Err(refusal),
    }
}
