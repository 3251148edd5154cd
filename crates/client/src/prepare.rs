//! Asking where an upload's chunks go.

use crate::{
    Error, VolumeRef,
    container::Place,
    copy::NewNames,
    leave::{Leave, volumes_with_leave},
    metadata::ask,
    row::Placed,
    writer::Placer,
};
use futures::future::BoxFuture;
use model::{BlobId, Extent, JobId, Metachunk, ObjectName, Policy, PolicyName, VolumeId, WriteId};
use proto::v1::{self, metadata_client::MetadataClient};
use std::collections::BTreeMap;
use tokio::time::Instant;

/// What a prepare answered.
pub(crate) struct Prepared {
    pub(crate) incarnation: u64,
    pub(crate) blob: BlobId,
    /// Shows that the blob is this upload's.
    pub(crate) upload: Vec<u8>,
    pub(crate) policy: Policy,
    pub(crate) placed: Vec<Placed>,
}

/// Asks the container's leader where metachunks go.
#[derive(Clone)]
pub(crate) struct MetadataPlacer {
    pub(crate) place: Place,
    pub(crate) policy: Option<PolicyName>,
    pub(crate) size: Option<u64>,
    /// The blob of an upload under way; empty for its first call.
    pub(crate) blob: Vec<u8>,
    /// The object that is written anew.
    pub(crate) object: Option<ObjectName>,
    /// The object that the bytes are to be added to.
    pub(crate) append_to: Option<ObjectName>,
    /// What is written takes the place of more than it is.
    pub(crate) shrinks: bool,
    /// What came with the blob.
    pub(crate) upload: Vec<u8>,
}

impl MetadataPlacer {
    /// For the first metachunks of what is to be written in a container.
    pub(crate) fn first(place: &Place) -> Self {
        Self {
            place: place.clone(),
            policy: None,
            size: None,
            blob: Vec::new(),
            upload: Vec::new(),
            object: None,
            append_to: None,
            shrinks: false,
        }
    }

    pub(crate) async fn prepare(
        &self,
        count: u32,
        avoid: Vec<VolumeId>,
    ) -> Result<Prepared, Error> {
        let request = v1::PrepareRequest {
            account: self.place.account.to_string(),
            container: self.place.container.to_string(),
            policy: self.policy.as_ref().map(ToString::to_string),
            size: self.size,
            blob: self.blob.clone(),
            metachunks: count,
            avoid: avoid.into_iter().map(|v| v.0).collect(),
            object: self.object.as_ref().map(ToString::to_string),
            append_to: self.append_to.as_ref().map(ToString::to_string),
            shrinks: self.shrinks,
            upload: self.upload.clone(),
            ..Default::default()
        };
        let (route, asked) = (self.place.route(), Instant::now());
        let answer =
            ask!(self.place.metadata, route, Read, MetadataClient::prepare, request).await?;
        Prepared::new(answer, asked)
    }
}

/// Names for the copies of so many extents. `size` is that of the whole content, which is to be
/// that of `object`; `job` makes the snapshot that the container is to become.
pub(crate) async fn prepare_names(
    place: &Place,
    extents: usize,
    size: u64,
    object: Option<&ObjectName>,
    job: Option<JobId>,
) -> Result<NewNames, Error> {
    let request = v1::PrepareRequest {
        account: place.account.to_string(),
        container: place.container.to_string(),
        size: Some(size),
        // What the source holds may be more than its quota allows by now.
        shrinks: job.is_some(),
        blobs: extents as u32,
        object: object.map(ToString::to_string),
        job: job.map(|job| job.0.to_vec()),
        ..Default::default()
    };
    let (metadata, route, asked) = (&place.metadata, place.route(), Instant::now());
    let answer = ask!(metadata, route, Read, MetadataClient::prepare, request).await?;
    let blobs = answer.blobs.iter().map(|blob| BlobId::try_from(&blob[..]));
    let blobs: Vec<_> = blobs.collect::<Result<_, _>>()?;
    if blobs.len() != extents {
        return Err(Error::internal(format!(
            "{extents} blob ids were asked for, and {} came",
            blobs.len()
        )));
    }
    let leave = Leave::new(answer.capabilities, answer.capability_seconds, asked);
    Ok(NewNames { incarnation: answer.incarnation, blobs, write: WriteId(answer.write), leave })
}

impl Prepared {
    /// The extent that was written under it.
    pub(crate) fn extent(&self, metachunks: Vec<Metachunk>) -> Extent {
        Extent {
            blob: self.blob,
            origin: self.blob,
            policy: self.policy.name.clone(),
            method: self.policy.method,
            chunk_blocks: self.policy.chunk_blocks,
            metachunks,
        }
    }
}

impl Placer for MetadataPlacer {
    fn place(
        &self,
        count: u32,
        avoid: Vec<VolumeId>,
    ) -> BoxFuture<'static, Result<Vec<Placed>, Error>> {
        let placer = self.clone();
        Box::pin(async move { Ok(placer.prepare(count, avoid).await?.placed) })
    }
}

impl Prepared {
    fn new(m: v1::PrepareResponse, asked: Instant) -> Result<Self, Error> {
        let policy: Policy = m
            .policy
            .ok_or_else(|| Error::internal("a prepare was answered without a policy"))?
            .try_into()?;
        let volumes = volumes_with_leave(m.volumes, m.capabilities, m.capability_seconds, asked);
        let volumes: BTreeMap<u32, VolumeRef> = volumes.into_iter().map(|v| (v.id.0, v)).collect();
        let known = |id: &u32| {
            let volume = volumes.get(id).cloned();
            volume.ok_or_else(|| Error::internal(format!("no address of volume {id} was given")))
        };
        let width = policy.method.width();
        let placed = m.placements.iter().map(|placement| {
            if placement.volumes.len() != width {
                return Err(Error::internal(format!(
                    "policy {} has {width} positions; {} volumes were given",
                    policy.name,
                    placement.volumes.len()
                )));
            }
            let position = |id: &u32| if *id == 0 { Ok(None) } else { known(id).map(Some) };
            let volumes = placement.volumes.iter().map(position).collect::<Result<_, _>>()?;
            let spares = placement.spares.iter().map(known).collect::<Result<_, _>>()?;
            Ok(Placed { write: WriteId(m.write), volumes, spares })
        });
        Ok(Self {
            incarnation: m.incarnation,
            blob: BlobId::try_from(&m.blob[..])?,
            upload: m.upload,
            placed: placed.collect::<Result<_, Error>>()?,
            policy,
        })
    }
}
