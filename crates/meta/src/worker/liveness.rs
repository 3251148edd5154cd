//! Writes into the directory which volumes answer, when that changes.

use crate::node::Node;
use model::Liveness;
use state::Command;
use std::time::Duration;
use tokio::time::Instant;

/// How often the volumes' last words are looked at.
const EVERY: Duration = Duration::from_millis(500);

pub async fn run(node: Node) {
    let mut leading_since = None;
    loop {
        tokio::time::sleep(EVERY).await;
        if !node.directory().leads() {
            leading_since = None;
            continue;
        }
        let since = *leading_since.get_or_insert_with(Instant::now);
        let Ok(changes) = node.0.registry.disagreements(since) else { continue };
        for (volume, liveness) in changes {
            match liveness {
                Liveness::Down => tracing::warn!(%volume, "a volume does not answer: it is down"),
                Liveness::Up => tracing::info!(%volume, "a volume answers again: it is up"),
            }
            let command = Command::SetLiveness { volume, liveness };
            if let Err(refusal) = node.directory().propose(node.now(), None, command).await {
                tracing::warn!(?refusal, "the volume's state could not be written");
                break;
            }
        }
    }
}
