//! Objects.

use super::{Services, changes_from, container_of, prepare::references, read_failed};
use crate::{partition::Refusal, volumes::Found};
use model::{ChunkName, Error, ObjectName, Precondition, Version, VolumeId};
use proto::{convert::properties_to, v1};
use state::{Command, Damage, UpdateObject};

/// Most chunks in one report of damage.
const MAX_DAMAGES: usize = 1024;

/// Damages in one command, which has room for them however long the object's name is.
pub(super) const COMMAND_DAMAGES: usize = 128;

impl Services {
    pub(super) fn grace(&self) -> u64 {
        self.0.0.config.delete_grace.as_micros() as u64
    }

    /// A version without its chunk table, also where its content was drained.
    pub(super) async fn show_object(
        &self,
        message: v1::LocateRequest,
    ) -> Result<v1::Object, Refusal> {
        let (_, _, container) = container_of(&message.account, &message.container)?;
        let name: ObjectName = message.object.parse()?;
        let view = self.0.of_container(&container)?.read().await?;
        let version = message.version.map(Version);
        let (entry, properties) =
            state::read::show_object(&*view, &container, &name, version).map_err(read_failed)?;
        let properties = properties_to(properties);
        Ok(v1::Object { entry: Some(entry.into()), properties, extents: Vec::new() })
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
        let volumes = references(&map, volumes)?;
        let capabilities = self.leave_to_read(&object);
        Ok(v1::LocateResponse {
            object: Some(object.into()),
            volumes,
            capabilities,
            capability_seconds: self.leave_seconds(),
        })
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
            mime_type: message.mime_type,
            delete_at: message.delete_at.map(|at| (at != 0).then_some(at)),
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
            let map = self.0.0.registry.logged()?;
            let Some(known) = map.volume(volume) else { continue };
            // A server that cannot be asked says nothing: that it is down is noticed otherwise.
            if let Found::Lost(reason) = self.0.verify_chunk(known, name).await {
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
}
