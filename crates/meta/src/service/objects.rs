//! Objects.

use super::{Services, changes_from, container_of, mismatched, prepare::references, read_failed};
use crate::partition::{Partition, Refusal};
use model::{
    BlobId, ChunkName, ContainerId, Error, ErrorKind, Extent, ObjectName, Precondition, Version,
    VolumeId,
};
use proto::{
    convert::{hash_from, md5_from, properties_from},
    v1,
};
use state::{
    Answer, Command, Commit, CommitExtent, CommitMode, Damage, MAX_INLINE_ROWS, PAGE_ROWS, Rows,
    StagePage, UpdateObject,
};

/// Most chunks in one report of damage.
const MAX_DAMAGES: usize = 1024;

/// Damages in one command, which has room for them however long the object's name is.
const COMMAND_DAMAGES: usize = 128;

impl Services {
    pub(super) fn grace(&self) -> u64 {
        self.0.0.config.delete_grace.as_micros() as u64
    }

    pub(super) async fn commit(
        &self,
        message: v1::CommitRequest,
    ) -> Result<v1::CommitResponse, Refusal> {
        let (_, _, container) = container_of(&message.account, &message.container)?;
        let partition = self.0.of_container(&container)?;
        let extent: Option<Extent> = message.extent.map(TryInto::try_into).transpose()?;
        let extent = match extent {
            Some(extent) if extent.metachunks.len() > MAX_INLINE_ROWS => {
                Some(self.stage(partition, &container, message.incarnation, extent).await?)
            }
            short => short.map(CommitExtent::from),
        };
        let command = Command::Commit(Box::new(Commit {
            container,
            incarnation: message.incarnation,
            object: message.object.parse()?,
            mode: CommitMode::Create,
            content: None,
            blob: BlobId::try_from(&message.blob[..])?,
            extents: extent.into_iter().collect(),
            size: message.size,
            hash: hash_from(message.hash)?,
            md5: md5_from(message.md5)?,
            mime_type: message.mime_type,
            policy: message.policy.parse()?,
            properties: properties_from(message.properties)?,
            precondition: message.precondition.unwrap_or_default().into(),
            delete_grace: self.grace(),
        }));
        match self.propose(partition, &message.request_id, command).await? {
            Answer::Committed { version, tolerance, dropped, .. } => {
                Ok(v1::CommitResponse { version: version.0, tolerance, dropped })
            }
            other => Err(mismatched(other)),
        }
    }

    /// Stages the rows of an extent that are too many for its commit.
    async fn stage(
        &self,
        partition: &Partition,
        container: &ContainerId,
        incarnation: u64,
        extent: Extent,
    ) -> Result<CommitExtent, Refusal> {
        for (page, rows) in (0..).zip(extent.metachunks.chunks(PAGE_ROWS)) {
            let command = Command::StagePage(Box::new(StagePage {
                container: *container,
                incarnation,
                blob: extent.blob,
                method: extent.method,
                chunk_blocks: extent.chunk_blocks,
                page,
                rows: rows.to_vec(),
            }));
            match partition.propose(self.0.now(), None, command).await {
                Ok(_) => {}
                // Committed before, perhaps by this very request: the commit knows.
                Err(Refusal::Failed(error)) if error.kind == ErrorKind::Conflict => break,
                Err(refusal) => return Err(refusal),
            }
        }
        let rows = Rows::Staged(extent.metachunks.len() as u32);
        Ok(CommitExtent { rows, ..CommitExtent::from(Extent { metachunks: Vec::new(), ..extent }) })
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

    pub(super) async fn locate(
        &self,
        message: v1::LocateRequest,
    ) -> Result<v1::LocateResponse, Refusal> {
        let (_, _, container) = container_of(&message.account, &message.container)?;
        let name: ObjectName = message.object.parse()?;
        let view = self.0.of_container(&container)?.read().await?;
        let version = message.version.map(Version);
        let object =
            state::read::locate(&*view, &container, &name, version).map_err(read_failed)?;
        let map = self.0.0.registry.map()?;
        let volumes = object.extents().iter().flat_map(|e| e.chunks()).map(|(volume, _)| volume);
        let volumes = references(&map, volumes);
        Ok(v1::LocateResponse { object: Some(object.into()), volumes })
    }

    pub(super) async fn update_object(
        &self,
        message: v1::UpdateObjectRequest,
    ) -> Result<v1::Empty, Refusal> {
        let (_, _, container) = container_of(&message.account, &message.container)?;
        let partition = self.0.of_container(&container)?;
        let command = Command::UpdateObject(UpdateObject {
            container,
            object: message.object.parse()?,
            version: message.version.map(Version),
            precondition: Precondition::None,
            properties: changes_from(message.properties)?,
        });
        self.propose(partition, &message.request_id, command).await?;
        Ok(v1::Empty {})
    }

    /// Readers may err or lie: what they report is verified by the chunk's own server, and only
    /// what that confirms is queued for repair.
    pub(super) async fn report_damage(
        &self,
        message: v1::ReportDamageRequest,
    ) -> Result<v1::Empty, Refusal> {
        let (_, _, container) = container_of(&message.account, &message.container)?;
        let object: ObjectName = message.object.parse()?;
        let partition = self.0.of_container(&container)?;
        // Asked first: a report to the wrong node costs the chunk servers nothing.
        drop(partition.read().await?);
        if message.damages.len() > MAX_DAMAGES {
            return Err(Error::invalid(format!(
                "a report names at most {MAX_DAMAGES} chunks, not {}",
                message.damages.len()
            ))
            .into());
        }
        let mut damages = Vec::new();
        for reported in message.damages {
            let name: ChunkName = reported.chunk.parse()?;
            let volume = VolumeId(reported.volume);
            if let Some(reason) = self.verify(volume, name).await? {
                tracing::warn!(chunk = %name, %volume, reason, "damage is confirmed");
                damages.push(Damage {
                    container,
                    object: object.clone(),
                    version: Version(message.version),
                    blob: name.blob,
                    metachunk: name.metachunk,
                    position: name.position,
                    volume,
                    write: name.write,
                });
            }
        }
        if !damages.is_empty() {
            metrics::counter!("cairn_damaged_chunks_total").increment(damages.len() as u64);
            for damages in damages.chunks(COMMAND_DAMAGES) {
                let command = Command::QueueRepair { damages: damages.to_vec() };
                partition.propose(self.0.now(), None, command).await?;
            }
        }
        Ok(v1::Empty {})
    }

    /// What a chunk's server finds wrong with it. A server that cannot be asked says nothing of
    /// the chunk: that a volume is down is noticed otherwise.
    async fn verify(&self, volume: VolumeId, chunk: ChunkName) -> Result<Option<String>, Error> {
        let map = self.0.0.registry.logged()?;
        let Some(address) = map.volume(volume).map(|v| v.address.clone()) else {
            return Ok(None);
        };
        let request = v1::VerifyChunkRequest { volume: volume.0, chunk: chunk.to_string() };
        let mut server = self.0.0.peers.volumes(&address)?;
        let Ok(answer) = server.verify_chunk(request).await else { return Ok(None) };
        let answer = answer.into_inner();
        Ok(match answer.verdict() {
            v1::verify_chunk_response::Verdict::Missing => Some("missing".to_owned()),
            v1::verify_chunk_response::Verdict::Damaged => Some(answer.reason),
            _ => None,
        })
    }
}
