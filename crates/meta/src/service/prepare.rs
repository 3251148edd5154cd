//! Where the next metachunks of an upload go.

use super::{Services, container_of, read_failed};
use crate::partition::Refusal;
use model::{
    Administrative, BlobId, ClusterMap, ContainerId, Error, ErrorKind, JobId, Liveness, Method,
    ObjectName, Policy, PolicyName, Subject, Versioning, VolumeId, WriteId,
};
use placement::Placement;
use proto::v1;
use std::collections::BTreeSet;

/// Most metachunks placed in one call.
const MAX_METACHUNKS: u32 = 16;

/// Most blob ids given by one call; a version has no more extents.
const MAX_BLOBS: u32 = 1024;

/// Spare volumes offered beside those of a metachunk.
const SPARES: usize = 3;

impl Services {
    pub(super) async fn prepare(
        &self,
        message: v1::PrepareRequest,
    ) -> Result<v1::PrepareResponse, Refusal> {
        self.check_room()?;
        let (_, _, id) = container_of(&message.account, &message.container)?;
        let asked: Option<PolicyName> = message.policy.map(|p| p.parse()).transpose()?;
        let map = self.0.0.registry.map()?;
        // Said before a container is created for it.
        asked.as_ref().map_or(Ok(()), |asked| map.policy(asked).map(drop))?;
        let view = self.0.of_container(&id)?.read().await?;
        // Minted from log time, which the fence is compared with.
        let log_time = state::read::status(&*view).map_err(read_failed)?.log_time;
        let log_time = self.0.mint_time(log_time)?;
        let container = match &message.job {
            // Only the job that makes a snapshot sees its target, which nothing else writes to.
            Some(job) => {
                state::read::show_snapshot_target(&*view, &id, &JobId::try_from(&job[..])?)
            }
            None => state::read::show_container(&*view, &id),
        };
        let container = container.map_err(read_failed)?;
        check_frozen(&container, log_time)?;
        if !message.shrinks {
            let freed = match &message.object {
                Some(name) if container.versioning == Versioning::Suspended => {
                    size_of(&*view, &id, &name.parse()?)?
                }
                _ => 0,
            };
            check_quota(&container, freed, message.size.unwrap_or(0))?;
        }
        let write = WriteId::new(log_time / 1000, u16::from_le_bytes(self.0.0.seams.bytes()));
        let new_blob = || BlobId::new(id.slot(), self.0.0.seams.bytes());
        let prepared = v1::PrepareResponse {
            container_id: id.0.to_vec(),
            incarnation: container.incarnation,
            write: write.0,
            ..Default::default()
        };
        if message.blobs > 0 {
            let blobs: Vec<_> = (0..message.blobs.min(MAX_BLOBS)).map(|_| new_blob()).collect();
            return Ok(v1::PrepareResponse {
                capabilities: self.leave_to_copy(&blobs),
                capability_seconds: self.leave_seconds(),
                blobs: blobs.iter().map(|blob| blob.0.to_vec()).collect(),
                ..prepared
            });
        }
        let policy = match message.append_to {
            Some(name) => policy_of(&*view, &id, &name.parse()?, &map)?,
            None => None,
        };
        let policy = match policy {
            Some(policy) => policy,
            None => map.choose_policy(asked.as_ref(), container.policy.as_ref(), message.size)?,
        };

        let avoid: Vec<_> = message.avoid.into_iter().map(VolumeId).collect();
        let count = message.metachunks.clamp(1, MAX_METACHUNKS);
        let placements = (0..count)
            .map(|_| self.place(&map, policy, &avoid))
            .collect::<Result<Vec<_>, Error>>()?;
        let blob = match &message.blob[..] {
            [] => new_blob(),
            given => {
                let blob = BlobId::try_from(given)?;
                self.check_upload(&*view, &blob, &container, &message.upload)?;
                blob
            }
        };
        let width = policy.method.width();
        let placed: BTreeSet<_> = placements.iter().flat_map(all_volumes).collect();
        Ok(v1::PrepareResponse {
            upload: self.vouch(&blob, &id, container.incarnation),
            capabilities: self.leave_to_write(&blob, placed.iter().copied()),
            capability_seconds: self.leave_seconds(),
            blob: blob.0.to_vec(),
            policy: Some(policy.clone().into()),
            volumes: references(&map, placed.into_iter())?,
            placements: placements.into_iter().map(|p| placement_to(p, width)).collect(),
            ..prepared
        })
    }

    fn place(
        &self,
        map: &ClusterMap,
        policy: &Policy,
        avoid: &[VolumeId],
    ) -> Result<Placement, Error> {
        let seed = u64::from_le_bytes(self.0.0.seams.bytes());
        let place = |method| placement::place(&map.volumes, method, avoid, SPARES, seed);
        let refused = match place(policy.method) {
            Ok(placement) => return Ok(placement),
            Err(refused) => refused,
        };
        if let placement::Error::TooFew { take, avoided, .. } = refused
            && let Some(narrower) = narrower(policy.method, take - avoided)
            && let Ok(placement) = place(narrower)
        {
            return Ok(placement);
        }
        let is_full = |v: &&model::Volume| {
            let serves = v.liveness == Liveness::Up && v.administrative == Administrative::In;
            serves && !v.takes_chunks()
        };
        let full = map.volumes.iter().filter(is_full).count();
        let (name, error) = (&policy.name, Error::from(refused.clone()));
        match refused {
            // Waiting does not help.
            placement::Error::TooFew { exist, take, avoided, .. }
                if full > 0 && take - avoided + full >= policy.method.quorum() =>
            {
                let quorum = policy.method.quorum();
                let message = format!(
                    "policy {name} needs {quorum} volumes at least; {full} of {exist} are full: \
                     add volumes, or delete what is not needed"
                );
                Err(Error::new(ErrorKind::Exhausted, Subject::Volume, message))
            }
            _ => Err(Error { message: format!("policy {name}: {}", error.message), ..error }),
        }
    }
}

/// The method with as much less redundancy as there are volumes missing: while enough volumes
/// exist but some are down, a write goes on as long as its quorum can be met, and repair brings
/// the rest.
fn narrower(method: Method, volumes: usize) -> Option<Method> {
    if volumes < method.quorum() {
        return None;
    }
    let spared = u8::try_from(method.width().checked_sub(volumes)?).ok()?;
    let narrower = match method {
        Method::Copies { copies } => Method::Copies { copies: copies.checked_sub(spared)? },
        Method::Erasure { data, parity } => {
            Method::Erasure { data, parity: parity.checked_sub(spared)? }
        }
    };
    narrower.checked().ok()
}

/// The policy of an object that is to be appended to, if it is there and the cluster still has
/// its policy.
fn policy_of<'a>(
    view: &dyn store::Read,
    container: &ContainerId,
    object: &ObjectName,
    map: &'a ClusterMap,
) -> Result<Option<&'a Policy>, Refusal> {
    match state::read::show_object(view, container, object, None) {
        // Said before the bytes are written in vain.
        Ok((entry, _)) if entry.drained => Err(Error::new(
            ErrorKind::Drained,
            Subject::Object,
            format!("the content of object {object} was drained"),
        )
        .into()),
        Ok((entry, _)) => Ok(map.policy(&entry.policy).ok()),
        Err(state::Failure::Refused(error)) if error.kind == ErrorKind::NotFound => Ok(None),
        Err(failure) => Err(read_failed(failure)),
    }
}

/// The bytes of an object's latest version.
fn size_of(
    view: &dyn store::Read,
    container: &ContainerId,
    object: &ObjectName,
) -> Result<u64, Refusal> {
    match state::read::show_object(view, container, object, None) {
        Ok((entry, _)) => Ok(entry.size),
        Err(state::Failure::Refused(error)) if error.kind == ErrorKind::NotFound => Ok(0),
        Err(failure) => Err(read_failed(failure)),
    }
}

/// A commit would be refused: better before the bytes are written than afterwards.
fn check_frozen(container: &model::Container, now: u64) -> Result<(), Error> {
    container.frozen.refusal(&container.name, now).map_or(Ok(()), Err)
}

fn check_quota(container: &model::Container, freed: u64, size: u64) -> Result<(), Error> {
    let others = container.bytes.saturating_sub(freed);
    match container.quota {
        Some(quota) if others.saturating_add(size) > quota => Err(Error::new(
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

/// A placement of `width` positions; those beyond the volumes it has, the last parity, get none.
fn placement_to(placement: Placement, width: usize) -> v1::Placement {
    let volumes = placement.volumes.into_iter().map(|v| v.0).chain(std::iter::repeat(0));
    v1::Placement {
        volumes: volumes.take(width).collect(),
        spares: placement.spares.into_iter().map(|v| v.0).collect(),
    }
}

/// How to reach volumes, each once.
///
/// # Errors
/// *Unavailable* for a volume that the map does not have. Volumes stay in the map, so it is the
/// map that is old: this node was restarted, and its replica of the directory lags. A caller
/// told nothing of the volume would take its chunks for lost.
pub(super) fn references(
    map: &ClusterMap,
    volumes: impl Iterator<Item = VolumeId>,
) -> Result<Vec<v1::VolumeRef>, Error> {
    let wanted: BTreeSet<_> = volumes.collect();
    let reference = |id| {
        let volume = map.volume(id).ok_or_else(|| unknown_volume(id))?;
        Ok(v1::VolumeRef {
            id: volume.id.0,
            address: volume.address.clone(),
            up: volume.liveness == model::Liveness::Up,
            score: volume.score.into(),
        })
    };
    wanted.into_iter().map(reference).collect()
}

/// This node's map lags behind: it does not have a volume that there is.
pub(crate) fn unknown_volume(id: VolumeId) -> Error {
    Error::unavailable(format!("this node does not know volume {id} yet: its map is old"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_volume_that_an_old_map_lacks_is_no_reason_to_say_nothing_of_it() {
        let map = ClusterMap {
            epoch: 1,
            cluster: model::ClusterId([1; 16]),
            default_policy: "SINGLE".parse().unwrap(),
            policies: Vec::new(),
            nodes: Vec::new(),
            volumes: Vec::new(),
            partitions: Vec::new(),
            slots: model::PartitionTable::even(1),
        };
        let error = references(&map, std::iter::once(VolumeId(3))).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Unavailable);
        assert!(references(&map, std::iter::empty()).unwrap().is_empty());
    }

    #[test]
    fn redundancy_shrinks_to_the_quorum_and_no_further() {
        let ec = |data, parity| Method::Erasure { data, parity };
        let copies = |copies| Method::Copies { copies };
        let table = [
            (ec(6, 3), 8, Some(ec(6, 2))),
            (ec(6, 3), 7, Some(ec(6, 1))),
            (ec(6, 3), 6, None),
            (copies(3), 2, Some(copies(2))),
            (copies(3), 1, None),
            (copies(2), 1, None),
        ];
        for (method, volumes, expected) in table {
            assert_eq!(narrower(method, volumes), expected, "{method} on {volumes}");
        }
    }
}
