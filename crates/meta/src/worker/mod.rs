//! What goes on in the background. Each worker is bounded in what it does at once, goes on
//! where it left off after a restart, and only acts for partitions that this node leads.

mod deletion;
mod expiry;
mod keeper;
mod liveness;
mod losses;
mod outbox;
pub(crate) mod repair;
mod search;

use crate::node::Node;
use model::PartitionId;
use std::future::Future;

impl Node {
    /// Runs the workers until `shutdown` is ready.
    pub async fn run(&self, shutdown: impl Future<Output = ()>) {
        let mut workers = tokio::task::JoinSet::new();
        workers.spawn(keeper::run(self.clone()));
        workers.spawn(liveness::run(self.clone()));
        for partition in self.0.partitions.values() {
            workers.spawn(outbox::run(self.clone(), partition.clone()));
            workers.spawn(deletion::run(self.clone(), partition.clone()));
            if partition.id() != PartitionId::DIRECTORY {
                workers.spawn(expiry::run(self.clone(), partition.clone()));
                workers.spawn(repair::run(self.clone(), partition.clone()));
            }
        }
        shutdown.await;
        workers.shutdown().await;
    }
}
