//! What makes writes part of versions: staged pages, commits, and aborts that keep them out.

use super::{Services, container_of, mismatched, unknown_volume};
use crate::partition::Refusal;
use model::{BlobId, ContentId, Error, Extent, Metachunk};
use proto::{
    convert::{hash_from, md5_from, properties_from},
    v1,
};
use state::{Answer, Command, Commit, CommitExtent, CommitMode, Rows, StagePage};

impl Services {
    pub(super) async fn stage_page(
        &self,
        message: v1::StagePageRequest,
    ) -> Result<v1::Empty, Refusal> {
        let (_, _, container) = container_of(&message.account, &message.container)?;
        let partition = self.0.of_container(&container)?;
        let rows = message.rows.into_iter().map(Metachunk::try_from);
        let rows = rows.collect::<Result<Vec<_>, _>>()?;
        self.check_volumes(&rows)?;
        let command = Command::StagePage(Box::new(StagePage {
            container,
            incarnation: message.incarnation,
            blob: BlobId::try_from(&message.blob[..])?,
            method: message.chunk_method.parse()?,
            chunk_blocks: message.chunk_blocks,
            page: message.page,
            rows,
        }));
        self.propose(partition, &message.request_id, command).await?;
        Ok(v1::Empty {})
    }

    pub(super) async fn commit(
        &self,
        message: v1::CommitRequest,
    ) -> Result<v1::CommitResponse, Refusal> {
        let (_, _, container) = container_of(&message.account, &message.container)?;
        let partition = self.0.of_container(&container)?;
        let content = message.content.map(|id| ContentId::try_from(&id[..])).transpose()?;
        let extents = extents_from(message.extents)?;
        extents.iter().try_for_each(|extent| self.check_rows(&extent.rows))?;
        let command = Command::Commit(Box::new(Commit {
            container,
            incarnation: message.incarnation,
            object: message.object.parse()?,
            mode: match v1::CommitMode::try_from(message.mode) {
                Ok(v1::CommitMode::Create) => CommitMode::Create,
                Ok(v1::CommitMode::Append) => CommitMode::Append,
                Ok(v1::CommitMode::Version) => CommitMode::Version,
                Ok(v1::CommitMode::Keep) => CommitMode::Keep,
                Err(_) => return Err(Error::invalid("the mode of the commit is not known").into()),
            },
            content,
            blob: BlobId::try_from(&message.blob[..])?,
            extents,
            size: message.size,
            hash: hash_from(message.hash)?,
            md5: md5_from(message.md5)?,
            mime_type: message.mime_type,
            policy: message.policy.parse()?,
            properties: properties_from(message.properties)?,
            delete_at: message.delete_at,
            precondition: message.precondition.unwrap_or_default().into(),
            delete_grace: self.grace(),
        }));
        committed(self.propose(partition, &message.request_id, command).await?)
    }

    pub(super) async fn abort(&self, message: v1::AbortRequest) -> Result<v1::Empty, Refusal> {
        let (_, _, container) = container_of(&message.account, &message.container)?;
        let partition = self.0.of_container(&container)?;
        let blob = BlobId::try_from(&message.blob[..])?;
        if blob.slot() != container.slot() {
            return Err(Error::invalid("the blob was not prepared for this container").into());
        }
        self.propose(partition, &message.request_id, Command::Abort { blob }).await?;
        Ok(v1::Empty {})
    }

    /// Refuses rows that name volumes which do not exist: nothing could be asked of those, and
    /// what has to be deleted there would wait for ever.
    pub(super) fn check_rows(&self, rows: &Rows) -> Result<(), Error> {
        match rows {
            Rows::Inline(rows) => self.check_volumes(rows),
            Rows::Staged(_) => Ok(()),
        }
    }

    fn check_volumes(&self, rows: &[Metachunk]) -> Result<(), Error> {
        let map = self.0.0.registry.logged()?;
        let mut named = rows.iter().flat_map(|row| &row.volumes).flatten();
        match named.find(|volume| map.volume(**volume).is_none()) {
            None => Ok(()),
            // Volumes stay in the map for good: one that is not in it may be newer than this copy.
            Some(volume) => Err(unknown_volume(*volume)),
        }
    }
}

/// What a commit or a truncation answered.
pub(super) fn committed(answer: Answer) -> Result<v1::CommitResponse, Refusal> {
    match answer {
        Answer::Committed { version, content, size, tolerance, dropped } => {
            let (version, content) = (version.0, content.0.to_vec());
            Ok(v1::CommitResponse { version, tolerance, dropped, content, size })
        }
        other => Err(mismatched(other)),
    }
}

/// The extents that a command brings.
pub(super) fn extents_from(extents: Vec<v1::NewExtent>) -> Result<Vec<CommitExtent>, Error> {
    extents.into_iter().map(extent_from).collect()
}

pub(super) fn extent_from(message: v1::NewExtent) -> Result<CommitExtent, Error> {
    let extent = message.extent.ok_or_else(|| Error::invalid("an extent is missing"))?;
    let extent = Extent::try_from(extent)?;
    match message.staged_rows {
        None => Ok(extent.into()),
        Some(_) if !extent.metachunks.is_empty() => {
            Err(Error::invalid("an extent's rows are either staged or with it, not both"))
        }
        Some(rows) => Ok(CommitExtent { rows: Rows::Staged(rows), ..extent.into() }),
    }
}
