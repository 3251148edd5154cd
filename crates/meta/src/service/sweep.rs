//! What goes over all that a container or an account has, a bounded step with each call.

use super::{Services, container_of, mismatched, read_failed};
use crate::partition::{Partition, Refusal};
use model::{ContainerId, Frozen, JobId, RequestId, Version};
use proto::v1::{self, set_frozen_request as frozen};
use state::{Answer, Command, Flush, MAX_REMOVED, Purge, PurgeCursor, SetFrozen, read::Recount};

impl Services {
    pub(super) async fn purge_container(
        &self,
        message: v1::PurgeContainerRequest,
    ) -> Result<v1::PurgeContainerResponse, Refusal> {
        let (_, _, container) = container_of(&message.account, &message.container)?;
        let partition = self.0.of_container(&container)?;
        let after = |cursor: v1::PurgeCursor| {
            let object = cursor.object.parse()?;
            let version = cursor.version.map(Version);
            Ok::<_, model::Error>(PurgeCursor { object, version, kept: cursor.kept })
        };
        let command = Command::Purge(Purge {
            container,
            object: message.object.map(|object| object.parse()).transpose()?,
            keep: message.keep,
            markers_before: message.markers_age.map(|age| self.0.now().saturating_sub(age)),
            after: message.after.map(after).transpose()?,
            limit: MAX_REMOVED,
            delete_grace: self.grace(),
        });
        match self.propose(partition, &message.request_id, command).await? {
            Answer::Purged { versions, markers, next } => {
                let next = next.map(|cursor| v1::PurgeCursor {
                    object: cursor.object.to_string(),
                    version: cursor.version.map(|version| version.0),
                    kept: cursor.kept,
                });
                Ok(v1::PurgeContainerResponse { versions, markers, next })
            }
            other => Err(mismatched(other)),
        }
    }

    pub(super) async fn flush_container(
        &self,
        message: v1::FlushContainerRequest,
    ) -> Result<v1::FlushResponse, Refusal> {
        let (_, _, container) = container_of(&message.account, &message.container)?;
        let partition = self.0.of_container(&container)?;
        let command = Command::Flush(Flush {
            container,
            incarnation: message.incarnation,
            limit: MAX_REMOVED,
            delete_grace: self.grace(),
        });
        flushed(self.propose(partition, &message.request_id, command).await?)
    }

    pub(super) async fn refresh_container(
        &self,
        message: v1::RefreshContainerRequest,
    ) -> Result<v1::RefreshContainerResponse, Refusal> {
        let (account, container, id) = container_of(&message.account, &message.container)?;
        let partition = self.0.of_container(&id)?;
        if message.recount {
            self.recount(partition, &message.request_id, &id).await?;
        }
        let command = Command::RefreshContainer { account, container };
        match self.propose(partition, &message.request_id, command).await? {
            Answer::ContainerRefreshed { exists } => {
                // The account is right when the answer goes out.
                self.0.deliver_outbox(partition.id()).await;
                Ok(v1::RefreshContainerResponse { exists })
            }
            other => Err(mismatched(other)),
        }
    }

    /// Counts what a container holds, and puts its counters right if they are not.
    async fn recount(
        &self,
        partition: &Partition,
        request_id: &[u8],
        id: &ContainerId,
    ) -> Result<(), Refusal> {
        let view = partition.read().await?;
        let mut recount = Recount::default();
        while !recount.step(&*view, id).map_err(read_failed)? {
            tokio::task::yield_now().await;
        }
        let Some(correction) = recount.correction(&*view, id).map_err(read_failed)? else {
            return Ok(());
        };
        tracing::warn!(container = %id, ?correction, "the counters of a container are put right");
        let request_id = blake3::hash(request_id);
        let request_id = &request_id.as_bytes()[..RequestId::LEN];
        self.propose(partition, request_id, Command::CorrectCounters(correction)).await?;
        Ok(())
    }

    pub(super) async fn set_frozen(
        &self,
        message: v1::SetFrozenRequest,
    ) -> Result<v1::Empty, Refusal> {
        let (_, _, container) = container_of(&message.account, &message.container)?;
        let partition = self.0.of_container(&container)?;
        let frozen = match message.frozen {
            None | Some(frozen::Frozen::Forever(false)) => Frozen::No,
            Some(frozen::Frozen::Forever(true)) => Frozen::Forever,
            Some(frozen::Frozen::Lease(lease)) => Frozen::Lease {
                job: JobId::try_from(&lease.job[..])?,
                until: self.0.now().saturating_add(lease.lasts),
            },
        };
        let job = message.job.map(|job| JobId::try_from(&job[..])).transpose()?;
        let command = Command::SetFrozen(SetFrozen { container, frozen, job });
        self.propose(partition, &message.request_id, command).await?;
        Ok(v1::Empty {})
    }

    pub(super) async fn refresh_account(
        &self,
        message: v1::AccountStepRequest,
    ) -> Result<v1::StepResponse, Refusal> {
        let account = message.account.parse()?;
        let partition = self.0.of_account(&account)?;
        let command = Command::RefreshAccount { account };
        match self.propose(partition, &message.request_id, command).await? {
            Answer::AccountRefreshed { complete } => Ok(v1::StepResponse { complete }),
            other => Err(mismatched(other)),
        }
    }

    pub(super) async fn flush_account(
        &self,
        message: v1::AccountStepRequest,
    ) -> Result<v1::StepResponse, Refusal> {
        let account = message.account.parse()?;
        let partition = self.0.of_account(&account)?;
        let command = Command::FlushAccount { account };
        match self.propose(partition, &message.request_id, command).await? {
            Answer::AccountFlushed { complete } => Ok(v1::StepResponse { complete }),
            other => Err(mismatched(other)),
        }
    }
}

/// What one step of emptying a container answered.
pub(super) fn flushed(answer: Answer) -> Result<v1::FlushResponse, Refusal> {
    match answer {
        Answer::Flushed { versions, markers, complete } => {
            Ok(v1::FlushResponse { versions, markers, complete })
        }
        other => Err(mismatched(other)),
    }
}
