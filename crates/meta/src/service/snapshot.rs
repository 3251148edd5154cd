//! Snapshots of containers: what the job that makes one asks for.

use super::{
    Services, commit::extents_from, container_of, mismatched, read_failed, sweep::flushed,
};
use crate::partition::Refusal;
use model::{BlobId, Container, Error, JobId, ListQuery, ObjectEntry, Version};
use proto::{convert::properties_from, v1};
use state::{
    Answer, Command, CreateSnapshot, DiscardSnapshot, DropImported, ImportBody, ImportVersion,
    PublishSnapshot,
};

impl Services {
    pub(super) async fn create_snapshot(
        &self,
        message: v1::CreateSnapshotRequest,
    ) -> Result<v1::CreateSnapshotResponse, Refusal> {
        let (account, container, id) = container_of(&message.account, &message.container)?;
        let partition = self.0.of_container(&id)?;
        let source = message.source.ok_or_else(|| Error::invalid("the source is missing"))?;
        let source = Container::try_from(source)?;
        let command = Command::CreateSnapshot(CreateSnapshot {
            account,
            container,
            source: source.id,
            source_incarnation: source.incarnation,
            job: JobId::try_from(&message.job[..])?,
            policy: source.policy,
            versioning: source.versioning,
            quota: source.quota,
            properties: source.properties,
        });
        match self.propose(partition, &message.request_id, command).await? {
            Answer::SnapshotTarget { incarnation, published } => {
                Ok(v1::CreateSnapshotResponse { incarnation, published })
            }
            other => Err(mismatched(other)),
        }
    }

    pub(super) async fn list_snapshot(
        &self,
        message: v1::ListSnapshotRequest,
    ) -> Result<v1::ListObjectsResponse, Refusal> {
        let (_, _, id) = container_of(&message.account, &message.container)?;
        let job = JobId::try_from(&message.job[..])?;
        let query = ListQuery::from(message.query.unwrap_or_default());
        let view = self.0.of_container(&id)?.read().await?;
        let listing = state::read::list_snapshot_target(&*view, &id, &job, &query);
        Ok(listing.map_err(read_failed)?.into())
    }

    pub(super) async fn import_version(
        &self,
        message: v1::ImportVersionRequest,
    ) -> Result<v1::Empty, Refusal> {
        let (_, _, container) = container_of(&message.account, &message.container)?;
        let partition = self.0.of_container(&container)?;
        let entry = message.entry.ok_or_else(|| Error::invalid("the version is missing"))?;
        let entry = ObjectEntry::try_from(entry)?;
        let body = if entry.marker {
            ImportBody::Marker
        } else {
            let extents = extents_from(message.extents)?;
            extents.iter().try_for_each(|extent| self.check_rows(&extent.rows))?;
            ImportBody::Content {
                content: entry.content,
                blob: BlobId::try_from(&message.blob[..])?,
                size: entry.size,
                hash: entry.hash,
                md5: entry.md5,
                extents: (!entry.drained).then_some(extents),
            }
        };
        let command = Command::ImportVersion(Box::new(ImportVersion {
            container,
            job: JobId::try_from(&message.job[..])?,
            object: entry.name,
            version: entry.version,
            body,
            created: entry.created,
            modified: entry.modified,
            policy: entry.policy,
            mime_type: entry.mime_type,
            delete_at: entry.delete_at,
            properties: properties_from(message.properties)?,
        }));
        self.propose(partition, &message.request_id, command).await?;
        Ok(v1::Empty {})
    }

    pub(super) async fn drop_imported(
        &self,
        message: v1::DropImportedRequest,
    ) -> Result<v1::Empty, Refusal> {
        let (_, _, container) = container_of(&message.account, &message.container)?;
        let partition = self.0.of_container(&container)?;
        let versions = message.versions.into_iter();
        let versions = versions.map(|item| Ok((item.object.parse()?, Version(item.version))));
        let command = Command::DropImported(DropImported {
            container,
            job: JobId::try_from(&message.job[..])?,
            versions: versions.collect::<Result<_, Error>>()?,
            delete_grace: self.grace(),
        });
        self.propose(partition, &message.request_id, command).await?;
        Ok(v1::Empty {})
    }

    pub(super) async fn publish_snapshot(
        &self,
        message: v1::PublishSnapshotRequest,
    ) -> Result<v1::Empty, Refusal> {
        let (_, _, container) = container_of(&message.account, &message.container)?;
        let partition = self.0.of_container(&container)?;
        let command = Command::PublishSnapshot(PublishSnapshot {
            container,
            job: JobId::try_from(&message.job[..])?,
            objects: message.objects,
            bytes: message.bytes,
        });
        self.propose(partition, &message.request_id, command).await?;
        self.0.deliver_outbox(partition.id()).await;
        Ok(v1::Empty {})
    }

    pub(super) async fn discard_snapshot(
        &self,
        message: v1::DiscardSnapshotRequest,
    ) -> Result<v1::FlushResponse, Refusal> {
        let (_, _, container) = container_of(&message.account, &message.container)?;
        let partition = self.0.of_container(&container)?;
        let command = Command::DiscardSnapshot(DiscardSnapshot {
            container,
            job: message.job.map(|job| JobId::try_from(&job[..])).transpose()?,
            delete_grace: self.grace(),
        });
        flushed(self.propose(partition, &message.request_id, command).await?)
    }
}
