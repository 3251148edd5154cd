//! The `Directory` service.

use super::{Services, mismatched, refuse};
use crate::partition::Refusal;
use model::{
    Administrative, ClusterId, ClusterMap, Error, ErrorKind, PartitionId, PartitionTable, Policy,
    Subject, VolumeId, VolumeReport,
};
use proto::v1::{self, directory_server::Directory};
use state::read::VolumeScan;
use state::{Answer, Command, RegisterVolume};
use std::sync::Arc;
use tonic::{Request, Response, Status};

impl Services {
    async fn map(&self, leader: bool) -> Result<Arc<ClusterMap>, Refusal> {
        if leader {
            drop(self.0.directory().read().await?);
        }
        Ok(self.0.0.registry.map()?)
    }

    async fn register(
        &self,
        message: v1::RegisterVolumeRequest,
    ) -> Result<v1::RegisterVolumeResponse, Refusal> {
        let map = self.map(true).await?;
        if !message.cluster.is_empty() {
            let cluster = ClusterId::try_from(&message.cluster[..])?;
            if cluster != map.cluster {
                return Err(Error::new(
                    ErrorKind::Conflict,
                    Subject::Volume,
                    format!(
                        "the volume belongs to cluster {cluster}, this is cluster {}",
                        map.cluster
                    ),
                )
                .into());
            }
        }
        if message.identity.len() != 32 || !message.identity.bytes().all(|b| b.is_ascii_hexdigit())
        {
            return Err(Error::invalid("a volume's identity is 32 hexadecimal digits").into());
        }
        // A volume that is heard of elsewhere cannot turn up here as well: a copied disk.
        let known = map.volumes.iter().find(|v| v.identity == message.identity);
        // What is logged does not count: after a restart under another address all volumes were
        // up at the one before.
        let heard_elsewhere =
            known.is_some_and(|v| v.address != message.address && self.0.0.registry.hears(v.id));
        if heard_elsewhere {
            let there = known.map_or("", |v| &v.address);
            // Not for good: a server that crashed and came back elsewhere is heard of at its old
            // address for a little longer. A copied disk is never let in.
            return Err(Error::new(
                ErrorKind::Unavailable,
                Subject::Volume,
                format!(
                    "the volume was heard of at {there} a moment ago; it is taken over once it is \
                     silent there, and two copies of a volume must not run"
                ),
            )
            .into());
        }
        let command = Command::RegisterVolume(RegisterVolume {
            identity: message.identity,
            address: message.address,
            location: message.location.parse()?,
            capacity: message.capacity,
            free: message.free,
            // Nothing is heard of it elsewhere, as was just seen.
            take_over: true,
        });
        let answer = self.propose(self.0.directory(), &message.request_id, command).await?;
        let Answer::Volume { id } = answer else { return Err(mismatched(answer)) };
        let report = VolumeReport {
            id,
            capacity: message.capacity,
            free: message.free,
            score: 100,
            failed: None,
        };
        self.0.0.registry.hear(report);
        Ok(v1::RegisterVolumeResponse { id: id.0, cluster: map.cluster.0.to_vec() })
    }

    fn hear(&self, message: v1::HeartbeatRequest) -> Result<v1::HeartbeatResponse, Error> {
        let map = self.0.0.registry.logged()?;
        let mut unknown = Vec::new();
        for report in message.volumes {
            let known = map
                .volume(VolumeId(report.id))
                .is_some_and(|v| v.identity == report.identity && v.address == message.address);
            if !known {
                unknown.push(report.id);
                continue;
            }
            self.0.0.registry.hear(VolumeReport {
                id: VolumeId(report.id),
                capacity: report.capacity,
                free: report.free,
                score: report.score.min(100) as u8,
                failed: (!report.failed.is_empty()).then_some(report.failed),
            });
        }
        Ok(v1::HeartbeatResponse { epoch: map.epoch, unknown })
    }

    async fn set_volume_state(&self, message: v1::SetVolumeRequest) -> Result<v1::Empty, Refusal> {
        let administrative = Administrative::try_from(message.administrative())?;
        if administrative == Administrative::Draining {
            return Err(Error::invalid("a volume can be locked, unlocked and set out").into());
        }
        if administrative == Administrative::Out && !message.force {
            self.check_lost(VolumeId(message.id)).await?;
        }
        let command = Command::SetAdministrative { volume: VolumeId(message.id), administrative };
        self.propose(self.0.directory(), &message.request_id, command).await?;
        Ok(v1::Empty {})
    }

    /// A volume that answers is not lost: what it has is better moved than made anew.
    async fn check_lost(&self, id: VolumeId) -> Result<(), Refusal> {
        let map = self.map(true).await?;
        let up = map.volume(id).is_some_and(|v| v.liveness == model::Liveness::Up);
        if !up {
            return Ok(());
        }
        let message = format!(
            "volume {id} is up: its chunks are not lost. Stop its server first, or force it, and \
             its chunks are copied from it as long as it answers"
        );
        Err(Error::new(ErrorKind::Conflict, Subject::Volume, message).into())
    }

    async fn set_cluster_policy(
        &self,
        message: v1::SetPolicyRequest,
    ) -> Result<v1::Empty, Refusal> {
        let policy = message.policy.ok_or_else(|| Error::invalid("the policy is missing"))?;
        let policy = Policy::try_from(policy)?;
        let command = Command::SetPolicy { policy, make_default: message.make_default };
        self.propose(self.0.directory(), &message.request_id, command).await?;
        Ok(v1::Empty {})
    }

    fn repairs(&self, partition: PartitionId) -> v1::node_status::Repairs {
        let progress = self.0.0.repairs.progress(partition);
        let (counts, bytes_per_second) = progress.now();
        let (without_target, unreadable) = progress.stuck();
        v1::node_status::Repairs {
            repaired: counts.repaired,
            failed: counts.failed,
            bytes: counts.bytes,
            bytes_per_second,
            active: counts.active,
            postponed: counts.postponed,
            paused: counts.paused.unwrap_or_default(),
            trouble: counts.trouble.unwrap_or_default(),
            without_target,
            unreadable,
        }
    }

    fn searches(
        &self,
        partition: &crate::partition::Partition,
    ) -> Result<Vec<v1::node_status::Search>, Error> {
        let scans = state::read::volume_scans(&*partition.local());
        let scans = scans.map_err(|e| Error::internal(e.to_string()))?;
        if scans.is_empty() {
            return Ok(Vec::new());
        }
        let slots = self.0.0.registry.logged()?.slots.clone();
        let search = |scan: VolumeScan| v1::node_status::Search {
            volume: scan.volume.0,
            done: scan.finished.is_some(),
            permille: permille(&scan, &slots, partition.id()),
            versions: scan.versions,
            chunks: scan.found,
        };
        Ok(scans.into_iter().map(search).collect())
    }

    fn status(&self) -> Result<v1::NodeStatus, Error> {
        let replica = |partition: &crate::partition::Partition| {
            let metrics = partition.metrics();
            let view = partition.local();
            let queues = state::read::status(&*view).map_err(|e| Error::internal(e.to_string()))?;
            Ok(v1::node_status::Replica {
                partition: partition.id().0,
                state: format!("{:?}", metrics.state).to_lowercase(),
                leader: metrics.current_leader,
                term: metrics.current_term,
                last_log: metrics.last_log_index.unwrap_or(0),
                applied: metrics.last_applied.map_or(0, |id| id.index),
                snapshot: metrics.snapshot.map_or(0, |id| id.index),
                deletions_queued: queues.deletions,
                repairs_queued: queues.repairs,
                repairs: partition.leads().then(|| self.repairs(partition.id())),
                searches: self.searches(partition)?,
            })
        };
        let replicas = self.0.0.partitions.values().map(replica);
        Ok(v1::NodeStatus {
            id: self.0.id().0,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            replicas: replicas.collect::<Result<_, Error>>()?,
        })
    }
}

/// How far a search is, in thousandths: containers are spread over the slots evenly, and the
/// search goes through them in their order.
fn permille(scan: &VolumeScan, slots: &PartitionTable, partition: PartitionId) -> u32 {
    if scan.finished.is_some() {
        return 1000;
    }
    let Some(at) = scan.cursor.as_ref().map(|cursor| cursor.container.slot()) else { return 0 };
    let ranges = slots.ranges();
    let ends = ranges.iter().skip(1).map(|(first, _)| u32::from(first.0)).chain([65_536]);
    let (mut behind, mut all) = (0, 0);
    for ((first, _), end) in ranges.iter().zip(ends).filter(|((_, id), _)| *id == partition) {
        let first = u32::from(first.0);
        all += end - first;
        behind += u32::from(at.0).clamp(first, end) - first;
    }
    (u64::from(behind) * 1000).checked_div(all.into()).unwrap_or(0) as u32
}

#[tonic::async_trait]
impl Directory for Services {
    async fn get_map(
        &self,
        request: Request<v1::GetMapRequest>,
    ) -> Result<Response<v1::ClusterMap>, Status> {
        let map = self.map(request.into_inner().leader).await.map_err(refuse)?;
        Ok(Response::new(ClusterMap::clone(&map).into()))
    }

    async fn register_volume(
        &self,
        request: Request<v1::RegisterVolumeRequest>,
    ) -> Result<Response<v1::RegisterVolumeResponse>, Status> {
        self.register(request.into_inner()).await.map(Response::new).map_err(refuse)
    }

    async fn heartbeat(
        &self,
        request: Request<v1::HeartbeatRequest>,
    ) -> Result<Response<v1::HeartbeatResponse>, Status> {
        self.hear(request.into_inner()).map(Response::new).map_err(refuse)
    }

    async fn set_volume(
        &self,
        request: Request<v1::SetVolumeRequest>,
    ) -> Result<Response<v1::Empty>, Status> {
        self.set_volume_state(request.into_inner()).await.map(Response::new).map_err(refuse)
    }

    async fn set_policy(
        &self,
        request: Request<v1::SetPolicyRequest>,
    ) -> Result<Response<v1::Empty>, Status> {
        self.set_cluster_policy(request.into_inner()).await.map(Response::new).map_err(refuse)
    }

    async fn get_status(
        &self,
        _: Request<v1::GetStatusRequest>,
    ) -> Result<Response<v1::NodeStatus>, Status> {
        self.status().map(Response::new).map_err(refuse)
    }
}
