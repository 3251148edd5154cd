//! Objects: everything but their bytes, which `put` and `get` are about.

use crate::{
    ByteRange, ChunkState, Client, Error, Source, VolumeRef,
    changes::{Changes, awaitable, changes_properties},
    client::Inner,
    container::Place,
    get::GetObject,
    metadata::ask,
    put::PutObject,
};
use futures::{StreamExt, stream};
use model::{AccountName, ChunkName, ContainerName, Object, ObjectName, Precondition, Version};
use proto::v1::{self, metadata_client::MetadataClient};
use serde::Serialize;
use std::{collections::BTreeMap, sync::Arc};

impl Client {
    /// Stores an object.
    ///
    /// The source is [`Bytes`](bytes::Bytes) or anything that turns into them, a
    /// [`Source::reader`] or a [`Source::stream`].
    pub fn put_object(
        &self,
        account: &AccountName,
        container: &ContainerName,
        object: &ObjectName,
        source: impl Into<Source>,
    ) -> PutObject {
        PutObject::new(self.inner.clone(), self.place(account, container), object, source.into())
    }

    /// Reads an object, whole or in parts.
    pub fn get_object(
        &self,
        account: &AccountName,
        container: &ContainerName,
        object: &ObjectName,
    ) -> GetObject {
        let place = self.place(account, container);
        GetObject {
            client: self.inner.clone(),
            place,
            object: object.clone(),
            version: None,
            ranges: Vec::<ByteRange>::new(),
        }
    }

    /// What is known of an object, without its bytes. A delete marker is shown too, when it is
    /// the version asked for or the latest.
    pub fn show_object(
        &self,
        account: &AccountName,
        container: &ContainerName,
        object: &ObjectName,
    ) -> ShowObject {
        ShowObject { place: self.place(account, container), object: object.clone(), version: None }
    }

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

    /// Deletes an object: its latest version, or leaves a delete marker where the container
    /// keeps versions; or for good the version asked for.
    pub fn delete_object(
        &self,
        account: &AccountName,
        container: &ContainerName,
        object: &ObjectName,
    ) -> DeleteObject {
        DeleteObject {
            place: self.place(account, container),
            object: object.clone(),
            version: None,
            precondition: Precondition::None,
        }
    }

    /// Changes the properties of an object.
    pub fn update_object(
        &self,
        account: &AccountName,
        container: &ContainerName,
        object: &ObjectName,
    ) -> UpdateObject {
        UpdateObject {
            place: self.place(account, container),
            object: object.clone(),
            version: None,
            changes: Changes::default(),
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
    let route = place.route();
    let answer = ask!(place.metadata, route, Read, MetadataClient::locate, request).await?;
    let object = answer
        .object
        .ok_or_else(|| Error::internal("an object was located without being described"))?;
    Ok((object.try_into()?, answer.volumes.into_iter().map(Into::into).collect()))
}

/// Shows an object when awaited.
#[must_use = "nothing happens until it is awaited"]
pub struct ShowObject {
    place: Place,
    object: ObjectName,
    version: Option<Version>,
}

awaitable!(ShowObject => Object);

impl ShowObject {
    /// The version to show; the latest otherwise.
    pub fn version(mut self, version: Version) -> Self {
        self.version = Some(version);
        self
    }

    async fn run(self) -> Result<Object, Error> {
        Ok(locate(&self.place, &self.object, self.version).await?.0)
    }
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
const HEADS_AT_ONCE: usize = 32;

impl LocateObject {
    /// The version to locate; the latest otherwise.
    pub fn version(mut self, version: Version) -> Self {
        self.version = Some(version);
        self
    }

    /// Whether chunk servers are asked what they say of each chunk.
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
                    chunk.state = Some(servers.head(volume, &chunk.name).await);
                }
                chunk
            };
            chunks = stream::iter(chunks).map(asked).buffered(HEADS_AT_ONCE).collect().await;
        }
        Ok(Located { object, chunks })
    }
}

fn chunks_of(object: &Object, volumes: Vec<VolumeRef>) -> Vec<LocatedChunk> {
    let volumes: BTreeMap<_, _> = volumes.into_iter().map(|v| (v.id, v)).collect();
    let mut chunks = Vec::new();
    for (index, extent) in object.extents().iter().enumerate() {
        for (number, metachunk) in (0u32..).zip(&extent.metachunks) {
            for (position, volume) in (0u8..).zip(&metachunk.volumes) {
                let Some(name) = extent.chunk_name(number, position) else { continue };
                let unknown = |id| VolumeRef { id, address: String::new(), up: false, score: 0 };
                chunks.push(LocatedChunk {
                    name,
                    extent: index,
                    metachunk_length: metachunk.length,
                    volume: volume.map(|id| volumes.get(&id).cloned().unwrap_or(unknown(id))),
                    state: None,
                });
            }
        }
    }
    chunks
}

/// What a delete did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Deleted {
    /// The version removed, or that of the delete marker written.
    pub version: Version,
    /// Whether a delete marker was written and every version kept.
    pub marker: bool,
}

/// Deletes an object when awaited.
#[must_use = "nothing happens until it is awaited"]
pub struct DeleteObject {
    place: Place,
    object: ObjectName,
    version: Option<Version>,
    precondition: Precondition,
}

awaitable!(DeleteObject => Deleted);

impl DeleteObject {
    /// The version to delete for good.
    pub fn version(mut self, version: Version) -> Self {
        self.version = Some(version);
        self
    }

    /// What must hold of the object.
    pub fn precondition(mut self, precondition: Precondition) -> Self {
        self.precondition = precondition;
        self
    }

    async fn run(self) -> Result<Deleted, Error> {
        let metadata = &self.place.metadata;
        let request = v1::DeleteObjectRequest {
            request_id: metadata.request_id(),
            account: self.place.account.to_string(),
            container: self.place.container.to_string(),
            object: self.object.to_string(),
            version: self.version.map(|v| v.0),
            precondition: Some(self.precondition.clone().into()),
        };
        let route = self.place.route();
        let answer = ask!(metadata, route, Write, MetadataClient::delete_object, request).await?;
        Ok(Deleted { version: Version(answer.version), marker: answer.marker })
    }
}

/// Changes the properties of an object when awaited.
#[must_use = "nothing happens until it is awaited"]
pub struct UpdateObject {
    place: Place,
    object: ObjectName,
    version: Option<Version>,
    changes: Changes,
}

changes_properties!(UpdateObject);
awaitable!(UpdateObject => ());

impl UpdateObject {
    /// The version to change; the latest otherwise.
    pub fn version(mut self, version: Version) -> Self {
        self.version = Some(version);
        self
    }

    async fn run(self) -> Result<(), Error> {
        let metadata = &self.place.metadata;
        let request = v1::UpdateObjectRequest {
            request_id: metadata.request_id(),
            account: self.place.account.to_string(),
            container: self.place.container.to_string(),
            object: self.object.to_string(),
            version: self.version.map(|v| v.0),
            properties: Some(self.changes.clone().into_message()),
        };
        let route = self.place.route();
        ask!(metadata, route, Write, MetadataClient::update_object, request).await?;
        Ok(())
    }
}
