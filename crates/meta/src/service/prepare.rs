//! Where the next metachunks of an upload go.

use super::{Services, container_of, read_failed};
use crate::partition::Refusal;
use model::{BlobId, ClusterMap, Error, ErrorKind, Policy, Subject, VolumeId, WriteId};
use placement::Placement;
use proto::v1;
use std::collections::BTreeSet;

/// Most metachunks placed in one call.
const MAX_METACHUNKS: u32 = 16;

/// Spare volumes offered beside those of a metachunk.
const SPARES: usize = 3;

impl Services {
    pub(super) async fn prepare(
        &self,
        message: v1::PrepareRequest,
    ) -> Result<v1::PrepareResponse, Refusal> {
        self.check_room()?;
        let (_, _, id) = container_of(&message.account, &message.container)?;
        let asked = message.policy.map(|p| p.parse()).transpose()?;
        let view = self.0.of_container(&id)?.read().await?;
        let container = state::read::show_container(&*view, &id).map_err(read_failed)?;
        check_quota(&container, message.size.unwrap_or(0))?;
        let map = self.0.0.registry.map()?;
        let policy = map.choose_policy(asked.as_ref(), container.policy.as_ref(), message.size)?;

        let avoid: Vec<_> = message.avoid.into_iter().map(VolumeId).collect();
        let count = message.metachunks.clamp(1, MAX_METACHUNKS);
        let placements = (0..count)
            .map(|_| self.place(&map, policy, &avoid))
            .collect::<Result<Vec<_>, Error>>()?;
        let blob = match &message.blob[..] {
            [] => BlobId::new(id.slot(), self.0.0.seams.bytes()),
            given => BlobId::try_from(given)?,
        };
        // Minted from log time, which the fence is compared with.
        let log_time = state::read::status(&*view).map_err(read_failed)?.log_time.max(self.0.now());
        let write = WriteId::new(log_time / 1000, u16::from_le_bytes(self.0.0.seams.bytes()));
        Ok(v1::PrepareResponse {
            container_id: id.0.to_vec(),
            incarnation: container.incarnation,
            blob: blob.0.to_vec(),
            write: write.0,
            policy: Some(policy.clone().into()),
            volumes: references(&map, placements.iter().flat_map(all_volumes)),
            placements: placements.into_iter().map(placement_to).collect(),
        })
    }

    fn place(
        &self,
        map: &ClusterMap,
        policy: &Policy,
        avoid: &[VolumeId],
    ) -> Result<Placement, Error> {
        let seed = u64::from_le_bytes(self.0.0.seams.bytes());
        let placed = placement::place(&map.volumes, policy.method, avoid, SPARES, seed);
        placed.map_err(|error| {
            let error = Error::from(error);
            Error { message: format!("policy {}: {}", policy.name, error.message), ..error }
        })
    }
}

fn check_quota(container: &model::Container, size: u64) -> Result<(), Error> {
    match container.quota {
        Some(quota) if container.bytes.saturating_add(size) > quota => Err(Error::new(
            ErrorKind::Exhausted,
            Subject::Container,
            format!(
                "container {}/{} holds {} of its quota of {quota} bytes",
                container.account, container.name, container.bytes
            ),
        )),
        _ => Ok(()),
    }
}

fn all_volumes(placement: &Placement) -> impl Iterator<Item = VolumeId> + '_ {
    placement.volumes.iter().chain(&placement.spares).copied()
}

fn placement_to(placement: Placement) -> v1::Placement {
    v1::Placement {
        volumes: placement.volumes.into_iter().map(|v| v.0).collect(),
        spares: placement.spares.into_iter().map(|v| v.0).collect(),
    }
}

/// How to reach volumes, each once.
pub(super) fn references(
    map: &ClusterMap,
    volumes: impl Iterator<Item = VolumeId>,
) -> Vec<v1::VolumeRef> {
    let wanted: BTreeSet<_> = volumes.collect();
    wanted
        .into_iter()
        .filter_map(|id| map.volume(id))
        .map(|volume| v1::VolumeRef {
            id: volume.id.0,
            address: volume.address.clone(),
            up: volume.liveness == model::Liveness::Up,
            score: volume.score.into(),
        })
        .collect()
}
