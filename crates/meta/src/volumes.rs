//! What is asked of chunk servers.

use crate::{node::Node, service::unknown_volume};
use model::{ChunkName, ClusterMap, Error, Volume, VolumeId};
use proto::v1::{self, verify_chunk_response::Verdict};
use std::time::Duration;
use tokio::time::timeout;

/// How long the verification of a chunk may take.
const VERIFY: Duration = Duration::from_secs(60);

/// How long the deletion of a batch of chunks may take.
const DELETE: Duration = Duration::from_secs(60);

/// How much longer than its own deadline the answer to a rebuild may take.
const ANSWER: Duration = Duration::from_secs(10);

/// What is known of a chunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// Its server read and checked all of it.
    Whole,
    /// Its server says that it is missing or damaged.
    Lost(String),
    /// Its server did not say.
    Unknown(String),
}

impl Node {
    /// What a chunk's own server finds. A server that cannot be asked says nothing of the chunk.
    pub(crate) async fn verify_chunk(&self, volume: &Volume, chunk: ChunkName) -> Found {
        let request = v1::VerifyChunkRequest { volume: volume.id.0, chunk: chunk.to_string() };
        let asked = async {
            let mut server = self.0.peers.volumes(&volume.address)?;
            let answer = server.verify_chunk(request).await;
            answer.map_err(|status| proto::from_status(&status))
        };
        match timeout(VERIFY, asked).await {
            Ok(Ok(answer)) => {
                let answer = answer.into_inner();
                match answer.verdict() {
                    Verdict::Whole => Found::Whole,
                    Verdict::Missing => Found::Lost("missing".to_owned()),
                    Verdict::Damaged => Found::Lost(answer.reason),
                    Verdict::Unspecified => Found::Unknown("the answer is not understood".into()),
                }
            }
            Ok(Err(error)) => Found::Unknown(error.to_string()),
            Err(_) => Found::Unknown(format!("no answer within {VERIFY:?}")),
        }
    }

    /// Has a chunk made anew.
    pub(crate) async fn rebuild_chunk(
        &self,
        target: &Volume,
        request: v1::RebuildChunkRequest,
    ) -> Result<v1::RebuildChunkResponse, Error> {
        let patience = Duration::from_millis(request.deadline) + ANSWER;
        let mut server = self.0.peers.volumes(&target.address)?;
        let answer = timeout(patience, server.rebuild_chunk(request)).await;
        let late = |_| Error::indeterminate("the chunk server took too long to rebuild a chunk");
        let answer = answer.map_err(late)?.map_err(|status| proto::from_status(&status))?;
        Ok(answer.into_inner())
    }

    /// Has chunks of one volume deleted; those that are left, with the reason.
    pub(crate) async fn delete_chunks(
        &self,
        volume: &Volume,
        chunks: &[ChunkName],
    ) -> Result<Vec<(ChunkName, String)>, Error> {
        let request = v1::DeleteChunksRequest {
            volume: volume.id.0,
            chunks: chunks.iter().map(ToString::to_string).collect(),
        };
        let mut server = self.0.peers.volumes(&volume.address)?;
        let answer = timeout(DELETE, server.delete_chunks(request)).await;
        let late = |_| Error::indeterminate("the chunk server took too long to delete chunks");
        let answer = answer.map_err(late)?.map_err(|status| proto::from_status(&status))?;
        answer
            .into_inner()
            .failures
            .into_iter()
            .map(|failure| Ok((failure.chunk.parse()?, failure.reason)))
            .collect()
    }
}

/// A volume of the map.
pub(crate) fn known(map: &ClusterMap, id: VolumeId) -> Result<&Volume, Error> {
    map.volume(id).ok_or_else(|| unknown_volume(id))
}
