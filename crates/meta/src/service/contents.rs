//! What is done to the content of a version that is there.

use super::{
    Services,
    commit::{committed, extent_from},
    container_of, read_failed,
};
use crate::partition::Refusal;
use model::{BlobId, ContentId, ObjectName, Version};
use proto::v1;
use state::{Command, Drain, Truncate};

impl Services {
    pub(super) async fn resolve_content(
        &self,
        message: v1::ResolveContentRequest,
    ) -> Result<v1::ResolveContentResponse, Refusal> {
        let (_, _, container) = container_of(&message.account, &message.container)?;
        let content = ContentId::try_from(&message.content[..])?;
        let view = self.0.of_container(&container)?.read().await?;
        let found = state::read::resolve_content(&*view, &container, &content);
        let (object, version) = found.map_err(read_failed)?;
        Ok(v1::ResolveContentResponse { object: object.to_string(), version: version.0 })
    }

    pub(super) async fn truncate_object(
        &self,
        message: v1::TruncateObjectRequest,
    ) -> Result<v1::CommitResponse, Refusal> {
        let (_, _, container) = container_of(&message.account, &message.container)?;
        let partition = self.0.of_container(&container)?;
        let blobs = message.expected_blobs.iter().map(|blob| BlobId::try_from(&blob[..]));
        let tail = message.tail.map(extent_from).transpose()?;
        tail.iter().try_for_each(|tail| self.check_rows(&tail.rows))?;
        let command = Command::Truncate(Box::new(Truncate {
            container,
            incarnation: message.incarnation,
            object: message.object.parse()?,
            version: message.version.map(Version),
            expected_size: message.expected_size,
            expected_blobs: blobs.collect::<Result<_, _>>()?,
            keep_extents: message.keep_extents,
            keep_rows: message.keep_rows,
            tail,
            size: message.size,
            delete_grace: self.grace(),
        }));
        committed(self.propose(partition, &message.request_id, command).await?)
    }

    pub(super) async fn drain_object(
        &self,
        message: v1::DrainObjectRequest,
    ) -> Result<v1::Empty, Refusal> {
        let (_, _, container) = container_of(&message.account, &message.container)?;
        let partition = self.0.of_container(&container)?;
        let object: ObjectName = message.object.parse()?;
        let command = Command::Drain(Drain {
            container,
            object,
            version: message.version.map(Version),
            precondition: message.precondition.unwrap_or_default().into(),
            delete_grace: self.grace(),
        });
        self.propose(partition, &message.request_id, command).await?;
        Ok(v1::Empty {})
    }
}
