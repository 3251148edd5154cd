//! Control over gRPC: volumes, deletes in batches, verification, rebuilds, listings.

use crate::{
    VolumeError,
    rebuild::{Rebuilder, Wanted},
    server::Volumes,
    verify::{Unverified, verify},
    volume::Volume,
};
use model::{ChunkName, Error, VolumeId};
use proto::{to_status, v1};
use std::sync::Arc;
use tonic::{Request, Response, Status};
use transport::HttpPool;

/// Most chunks in one call.
const MAX_CHUNKS: usize = 10_000;

/// The control service of a server's volumes.
pub struct Service {
    volumes: Arc<Volumes>,
    rebuilder: Rebuilder,
}

impl Service {
    /// Over volumes; chunks are rebuilt from what the pool reads.
    pub fn new(volumes: Arc<Volumes>, pool: HttpPool) -> Self {
        Self { rebuilder: Rebuilder::new(volumes.clone(), pool), volumes }
    }
}

fn status<E: Into<Error>>(error: E) -> Status {
    to_status(&error.into())
}

#[tonic::async_trait]
impl v1::volumes_server::Volumes for Service {
    async fn list_volumes(
        &self,
        _: Request<v1::ListVolumesRequest>,
    ) -> Result<Response<v1::ListVolumesResponse>, Status> {
        let volumes = self.volumes.all().iter().map(|volume| describe(volume));
        let mut volumes = futures::future::join_all(volumes).await;
        // Those whose disks are missing are listed too: somebody has to see it.
        volumes.extend(self.volumes.refused().iter().map(|(path, error)| {
            let (path, failed) = (path.display().to_string(), error.to_string());
            v1::list_volumes_response::Volume { path, failed, ..Default::default() }
        }));
        Ok(Response::new(v1::ListVolumesResponse { volumes }))
    }

    async fn delete_chunks(
        &self,
        request: Request<v1::DeleteChunksRequest>,
    ) -> Result<Response<v1::DeleteChunksResponse>, Status> {
        let v1::DeleteChunksRequest { volume, chunks } = request.into_inner();
        if chunks.len() > MAX_CHUNKS {
            let message = format!("{} chunks in one call; at most {MAX_CHUNKS}", chunks.len());
            return Err(status(Error::invalid(message)));
        }
        let volume = self.volumes.get(VolumeId(volume)).map_err(status)?;
        let names: Result<Vec<ChunkName>, Error> = chunks.iter().map(|c| c.parse()).collect();
        let names = names.map_err(status)?;
        // One that is being rebuilt would come to be behind the deletion's back.
        self.rebuilder.cancel(&names).await;
        let _under_way = volume.health().admit().map_err(status)?;
        let answers = volume.engine().map_err(status)?.delete(names).await;
        let mut deleted = 0;
        let mut failures = Vec::new();
        for (chunk, answer) in chunks.into_iter().zip(answers) {
            match answer {
                Ok(was_there) => deleted += u64::from(was_there),
                Err(error) => {
                    let reason = Error::from(error).message;
                    failures.push(v1::delete_chunks_response::Failure { chunk, reason });
                }
            }
        }
        metrics::counter!("cairn_chunk_deletes_total").increment(deleted);
        Ok(Response::new(v1::DeleteChunksResponse { failures }))
    }

    async fn verify_chunk(
        &self,
        request: Request<v1::VerifyChunkRequest>,
    ) -> Result<Response<v1::VerifyChunkResponse>, Status> {
        use v1::verify_chunk_response::Verdict;
        let v1::VerifyChunkRequest { volume, chunk } = request.into_inner();
        let name: ChunkName = chunk.parse().map_err(status)?;
        let volume = self.volumes.get(VolumeId(volume)).map_err(status)?;
        let _under_way = volume.health().admit().map_err(status)?;
        let (verdict, reason) = match verify(&volume, &name).await {
            Ok(_) => (Verdict::Whole, String::new()),
            Err(Unverified::Damaged(reason)) => (Verdict::Damaged, reason),
            Err(Unverified::Volume(error)) => match error {
                VolumeError::NotFound(_) => (Verdict::Missing, error.to_string()),
                VolumeError::Read { .. } => (Verdict::Damaged, Error::from(error).message),
                other => return Err(status(other)),
            },
        };
        let verdict = verdict.into();
        Ok(Response::new(v1::VerifyChunkResponse { verdict, reason }))
    }

    async fn rebuild_chunk(
        &self,
        request: Request<v1::RebuildChunkRequest>,
    ) -> Result<Response<v1::RebuildChunkResponse>, Status> {
        let wanted = Wanted::try_from(request.into_inner()).map_err(status)?;
        let rebuilt = self.rebuilder.rebuild(wanted).await.map_err(status)?;
        let lost = rebuilt.lost.into_iter().map(u32::from).collect();
        Ok(Response::new(v1::RebuildChunkResponse {
            bytes: rebuilt.bytes,
            read: rebuilt.read,
            lost,
        }))
    }

    async fn list_chunks(
        &self,
        request: Request<v1::ListChunksRequest>,
    ) -> Result<Response<v1::ListChunksResponse>, Status> {
        let v1::ListChunksRequest { volume, marker, limit } = request.into_inner();
        let volume = self.volumes.get(VolumeId(volume)).map_err(status)?;
        let limit = match limit as usize {
            0 => MAX_CHUNKS,
            limit => limit.min(MAX_CHUNKS),
        };
        // One more than wanted tells whether there are more.
        let listed = volume.engine().map_err(status)?.list(&marker, limit + 1).await;
        let mut names = listed.map_err(status)?;
        let truncated = names.len() > limit;
        names.truncate(limit);
        let chunks = names.iter().map(ToString::to_string).collect();
        Ok(Response::new(v1::ListChunksResponse { chunks, truncated }))
    }
}

async fn describe(volume: &Volume) -> v1::list_volumes_response::Volume {
    let space = match volume.engine() {
        Ok(engine) => engine.space().await.ok(),
        Err(_) => None,
    };
    v1::list_volumes_response::Volume {
        id: volume.id().map_or(0, |id| id.0),
        identity: volume.identity().identity,
        path: volume.path().display().to_string(),
        capacity: space.map_or(0, |s| s.total),
        free: space.map_or(0, |s| s.free),
        chunks: volume.chunks(),
        failed: volume.health().failed().unwrap_or_default().into(),
    }
}
