//! Objects whose chunks are looked at on their disks.

use super::{Services, container_of, read_failed};
use crate::{partition::Refusal, volumes::Found};
use model::{Error, Extent, Metachunk, Object, ObjectName, Version};
use proto::v1;
use state::{Command, Damage};
use tokio::task::JoinSet;

/// Bytes of chunks verified in one call, or one metachunk's: its answer must come in time.
const MAX_BYTES: u64 = 64 << 20;

/// Metachunks looked at in one call.
const MAX_METACHUNKS: usize = 64;

impl Services {
    pub(super) async fn check_chunks(
        &self,
        message: v1::CheckChunksRequest,
    ) -> Result<v1::CheckChunksResponse, Refusal> {
        let (_, _, container) = container_of(&message.account, &message.container)?;
        let name: ObjectName = message.object.parse()?;
        let partition = self.0.of_container(&container)?;
        let view = partition.read().await?;
        let version = message.version.map(Version);
        let object =
            state::read::locate(&*view, &container, &name, version).map_err(read_failed)?;
        let progress = self.0.0.repairs.progress(partition.id());
        let (mut waiting, mut stuck) = (0, 0);
        for extent in object.extents() {
            stuck += progress.stuck_of(&extent.blob);
            waiting += state::read::queued_repairs(&*view, &extent.blob).map_err(read_failed)?;
        }
        drop(view);
        let mut answer = v1::CheckChunksResponse {
            version: object.entry.version.0,
            waiting,
            stuck,
            ..v1::CheckChunksResponse::default()
        };
        let Some(from) = message.from else { return Ok(answer) };
        let rows = rows(&object, from);
        let end = from + rows.len() as u64;
        let all: usize = object.extents().iter().map(|extent| extent.metachunks.len()).sum();
        answer.next = (end < all as u64).then_some(end);
        let damages = self.verify_rows(&object, container, &rows, &mut answer).await?;
        if !damages.is_empty() {
            metrics::counter!("cairn_damaged_chunks_total").increment(damages.len() as u64);
            for damages in damages.chunks(super::objects::COMMAND_DAMAGES) {
                let command = Command::QueueRepair { damages: damages.to_vec() };
                partition.propose(self.0.now(), None, command).await?;
            }
        }
        Ok(answer)
    }

    /// Has every chunk of some rows verified, all at once; the damages, and the counts.
    async fn verify_rows(
        &self,
        object: &Object,
        container: model::ContainerId,
        rows: &[(&Extent, u32, &Metachunk)],
        answer: &mut v1::CheckChunksResponse,
    ) -> Result<Vec<Damage>, Error> {
        let map = self.0.0.registry.logged()?;
        let mut checks = JoinSet::new();
        for (extent, number, row) in rows {
            for (position, volume) in (0u8..).zip(&row.volumes) {
                let Some((id, name)) = volume.zip(extent.chunk_name(*number, position)) else {
                    answer.lost += 1;
                    continue;
                };
                let (node, volume) = (self.0.clone(), map.volume(id).cloned());
                let damage = Damage {
                    container,
                    object: object.entry.name.clone(),
                    version: object.entry.version,
                    blob: name.blob,
                    metachunk: name.metachunk,
                    position,
                    volume: id,
                    write: name.write,
                };
                checks.spawn(async move {
                    let found = match volume {
                        Some(volume) => node.verify_chunk(&volume, name).await,
                        None => Found::Unknown("the volume is not known".to_owned()),
                    };
                    (damage, found)
                });
            }
        }
        let mut damages = Vec::new();
        while let Some(checked) = checks.join_next().await {
            match checked.map_err(|e| Error::internal(e.to_string()))? {
                (_, Found::Whole) => answer.whole += 1,
                (_, Found::Unknown(_)) => answer.unknown += 1,
                (damage, Found::Lost(_)) => {
                    answer.lost += 1;
                    damages.push(damage);
                }
            }
        }
        Ok(damages)
    }
}

/// Rows from a number on, counted over all extents, as many as one call looks at.
fn rows(object: &Object, from: u64) -> Vec<(&Extent, u32, &Metachunk)> {
    let all = object.extents().iter().flat_map(|extent| {
        (0u32..).zip(&extent.metachunks).map(move |(number, row)| (extent, number, row))
    });
    let skip = usize::try_from(from).unwrap_or(usize::MAX);
    let (mut rows, mut bytes) = (Vec::new(), 0);
    for (extent, number, row) in all.skip(skip).take(MAX_METACHUNKS) {
        let width = extent.method.width() as u64;
        let more = row.length.div_ceil(extent.method.data() as u64).saturating_mul(width);
        if !rows.is_empty() && bytes + more > MAX_BYTES {
            break;
        }
        bytes += more;
        rows.push((extent, number, row));
    }
    rows
}
