//! Where the chunks of objects are, and whether they are there.

use crate::{
    ChunkState, Client, Error, VolumeRef, changes::awaitable, client::Inner, container::Place,
    leave::volumes_with_leave, metadata::ask,
};
use futures::{StreamExt, stream};
use model::{AccountName, ChunkName, ContainerName, Extent, Object, ObjectName, Version, VolumeId};
use proto::v1::{self, metadata_client::MetadataClient};
use serde::Serialize;
use std::{collections::BTreeMap, sync::Arc};
use tokio::time::Instant;

impl Client {
    /// Where the chunks of an object are.
    pub fn locate_object(
        &self,
        account: &AccountName,
        container: &ContainerName,
        object: &ObjectName,
    ) -> LocateObject {
        LocateObject {
            client: self.inner.clone(),
            place: self.place(account, container),
            object: object.clone(),
            version: None,
            ask_servers: false,
        }
    }
}

/// A version of an object and where its volumes are reached.
pub(crate) async fn locate(
    place: &Place,
    object: &ObjectName,
    version: Option<Version>,
) -> Result<(Object, Vec<VolumeRef>), Error> {
    let request = v1::LocateRequest {
        account: place.account.to_string(),
        container: place.container.to_string(),
        object: object.to_string(),
        version: version.map(|v| v.0),
    };
    let (route, asked) = (place.route(), Instant::now());
    let answer = ask!(place.metadata, route, Read, MetadataClient::locate, request).await?;
    let object = answer
        .object
        .ok_or_else(|| Error::internal("an object was located without being described"))?;
    let (given, seconds) = (answer.capabilities, answer.capability_seconds);
    let volumes = volumes_with_leave(answer.volumes, given, seconds, asked);
    Ok((object.try_into()?, volumes))
}

/// An object, and its chunks one by one.
#[derive(Debug, Clone, Serialize)]
pub struct Located {
    /// The object with its chunk tables.
    pub object: Object,
    /// Every position of every metachunk, in the order of the content.
    pub chunks: Vec<LocatedChunk>,
}

/// A position of a metachunk.
#[derive(Debug, Clone, Serialize)]
pub struct LocatedChunk {
    /// The chunk's name.
    pub name: ChunkName,
    /// Index of its extent.
    pub extent: usize,
    /// Bytes of content in its metachunk.
    pub metachunk_length: u64,
    /// Where it is; `None` if the position has no durable chunk.
    pub volume: Option<VolumeRef>,
    /// What its chunk server says, if it was asked.
    pub state: Option<ChunkState>,
}

/// Locates an object when awaited.
#[must_use = "nothing happens until it is awaited"]
pub struct LocateObject {
    client: Arc<Inner>,
    place: Place,
    object: ObjectName,
    version: Option<Version>,
    ask_servers: bool,
}

awaitable!(LocateObject => Located);

/// Chunk servers asked at the same time.
const ASKED_AT_ONCE: usize = 32;

impl LocateObject {
    /// The version to locate; the latest otherwise.
    pub fn version(mut self, version: Version) -> Self {
        self.version = Some(version);
        self
    }

    /// Whether chunk servers are asked what they say of each chunk, and what the chunk says of
    /// itself.
    pub fn ask_servers(mut self, ask: bool) -> Self {
        self.ask_servers = ask;
        self
    }

    async fn run(self) -> Result<Located, Error> {
        let (object, volumes) = locate(&self.place, &self.object, self.version).await?;
        let mut chunks = chunks_of(&object, volumes);
        if self.ask_servers {
            let servers = &self.client.servers;
            let asked = |mut chunk: LocatedChunk| async move {
                if let Some(volume) = &chunk.volume {
                    chunk.state = Some(servers.inspect(volume, &chunk.name).await);
                }
                chunk
            };
            chunks = stream::iter(chunks).map(asked).buffered(ASKED_AT_ONCE).collect().await;
        }
        Ok(Located { object, chunks })
    }
}

/// Every position of every metachunk of an object, in the order of the content.
fn chunks_of(object: &Object, volumes: Vec<VolumeRef>) -> Vec<LocatedChunk> {
    let volumes: BTreeMap<_, _> = volumes.into_iter().map(|v| (v.id, v)).collect();
    let extents = object.extents().iter().enumerate();
    extents.flat_map(|(index, extent)| chunks_of_extent(index, extent, &volumes)).collect()
}

fn chunks_of_extent(
    index: usize,
    extent: &Extent,
    volumes: &BTreeMap<VolumeId, VolumeRef>,
) -> Vec<LocatedChunk> {
    let mut chunks = Vec::new();
    for (number, metachunk) in (0u32..).zip(&extent.metachunks) {
        for (position, volume) in (0u8..).zip(&metachunk.volumes) {
            let Some(name) = extent.chunk_name(number, position) else { continue };
            chunks.push(LocatedChunk {
                name,
                extent: index,
                metachunk_length: metachunk.length,
                volume: volume
                    .map(|id| volumes.get(&id).cloned().unwrap_or(VolumeRef::unknown(id))),
                state: None,
            });
        }
    }
    chunks
}
