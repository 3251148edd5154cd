//! Objects whose chunks are verified on their disks, and put back.

use crate::{Client, Error, changes::awaitable, container::Place, metadata::ask};
use model::{AccountName, ContainerName, ObjectName, Version};
use proto::v1::{self, metadata_client::MetadataClient};
use serde::Serialize;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How often it is asked whether repairs are done.
const ASK_EVERY: Duration = Duration::from_millis(250);

/// What was found of an object's chunks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct ChunkCheck {
    /// Chunks whose server read and verified all of them.
    pub whole: u64,
    /// Chunks that are missing or damaged, and positions without a chunk.
    pub lost: u64,
    /// Chunks whose server did not say.
    pub unknown: u64,
}

/// What came of repairing an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Repaired {
    /// The version.
    pub version: Version,
    /// What was found at first.
    pub before: ChunkCheck,
    /// What was found at the end; none if it was not waited for.
    pub after: Option<ChunkCheck>,
    /// Metachunks that still wait for repair.
    pub waiting: u64,
    /// Those of them that nothing can be done about until a volume comes.
    pub stuck: u64,
}

impl Repaired {
    /// Whether every chunk was found whole at the end.
    pub fn is_whole(&self) -> bool {
        let last = self.after.unwrap_or(self.before);
        last.lost == 0 && last.unknown == 0 && self.waiting == 0
    }
}

impl Client {
    /// Has every chunk of an object verified on its disk, and those that are missing or damaged
    /// made anew.
    pub fn repair_object(
        &self,
        account: &AccountName,
        container: &ContainerName,
        object: &ObjectName,
    ) -> RepairObject {
        let place = self.place(account, container);
        RepairObject { place, object: object.clone(), version: None, wait: Duration::ZERO }
    }
}

/// Repairs an object when awaited.
#[must_use = "nothing happens until it is awaited"]
pub struct RepairObject {
    place: Place,
    object: ObjectName,
    version: Option<Version>,
    wait: Duration,
}

awaitable!(RepairObject => Repaired);

impl RepairObject {
    /// The version to repair; the latest otherwise.
    pub fn version(mut self, version: Version) -> Self {
        self.version = Some(version);
        self
    }

    /// How long to wait until what was found is repaired; not at all otherwise.
    pub fn wait(mut self, wait: Duration) -> Self {
        self.wait = wait;
        self
    }

    async fn run(self) -> Result<Repaired, Error> {
        let started = Instant::now();
        let (version, before) = self.check(self.version).await?;
        let mut repaired = Repaired { version, before, after: None, waiting: 0, stuck: 0 };
        loop {
            let answer = self.ask(Some(version), None).await?;
            (repaired.waiting, repaired.stuck) = (answer.waiting, answer.stuck);
            let over = started.elapsed() >= self.wait;
            if repaired.waiting <= repaired.stuck || over {
                break;
            }
            sleep(ASK_EVERY).await;
        }
        if before.lost > 0 && !self.wait.is_zero() {
            repaired.after = Some(self.check(Some(version)).await?.1);
        }
        Ok(repaired)
    }

    /// Has all chunks verified.
    async fn check(&self, version: Option<Version>) -> Result<(Version, ChunkCheck), Error> {
        let (mut version, mut from) = (version, Some(0));
        let mut all = ChunkCheck::default();
        let mut answered = Version(0);
        while let Some(first) = from {
            let answer = self.ask(version, Some(first)).await?;
            answered = Version(answer.version);
            // The later pages are about the version that the first one was.
            version = Some(answered);
            all.whole += answer.whole;
            all.lost += answer.lost;
            all.unknown += answer.unknown;
            from = answer.next;
        }
        Ok((answered, all))
    }

    async fn ask(
        &self,
        version: Option<Version>,
        from: Option<u64>,
    ) -> Result<v1::CheckChunksResponse, Error> {
        let request = v1::CheckChunksRequest {
            account: self.place.account.to_string(),
            container: self.place.container.to_string(),
            object: self.object.to_string(),
            version: version.map(|v| v.0),
            from,
        };
        let (metadata, route) = (&self.place.metadata, self.place.route());
        ask!(metadata, route, Read, MetadataClient::check_chunks, request).await
    }
}
