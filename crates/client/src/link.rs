//! Linking: an object whose chunks are copies, made where they are, of another's.

use crate::{
    Client, Error, VolumeFailure,
    changes::awaitable,
    client::Inner,
    conclude::{abort, conclude},
    container::Place,
    copy::{Copy, NewNames},
    locate::locate,
    metadata::{Metadata, ask},
    prepare::prepare_names,
    table::new_extents,
    traces::Traces,
};
use model::{
    AccountName, ContainerName, ContentId, ErrorKind, Extent, Object, ObjectName, Precondition,
    Properties, Subject, Version,
};
use proto::{
    convert::properties_to,
    v1::{self, CommitMode, metadata_client::MetadataClient},
};
use serde::Serialize;
use std::sync::Arc;
use tokio::time::Instant;

impl Client {
    /// Begins a link of an object: an object of its own, with the same bytes, that takes no
    /// space for them. [`Link::to`] says where.
    pub fn link_object(
        &self,
        account: &AccountName,
        container: &ContainerName,
        object: &ObjectName,
    ) -> Link {
        Link {
            client: self.clone(),
            place: self.place(account, container),
            object: object.clone(),
            version: None,
        }
    }
}

/// The source of a link.
#[must_use = "it links nothing before it is said where"]
pub struct Link {
    client: Client,
    place: Place,
    object: ObjectName,
    version: Option<Version>,
}

impl Link {
    /// The version to link; the latest otherwise.
    pub fn version(mut self, version: Version) -> Self {
        self.version = Some(version);
        self
    }

    /// Where the link is to be: in any account and container, also under the source's own name,
    /// where it is a version like any other.
    pub fn to(
        self,
        account: &AccountName,
        container: &ContainerName,
        object: &ObjectName,
    ) -> LinkObject {
        LinkObject {
            client: self.client.inner.clone(),
            place: self.client.place(account, container),
            object: object.clone(),
            content: None,
            properties: None,
            mime_type: None,
            delete_at: None,
            precondition: Precondition::None,
            autocreate: true,
            mode: CommitMode::Create,
            source: self.place,
            source_object: self.object,
            source_version: self.version,
        }
    }
}

/// What a link became.
#[derive(Debug, Clone, Serialize)]
pub struct Linked {
    /// The id of the content.
    pub content: ContentId,
    /// The version it became.
    pub version: Version,
    /// Bytes of content.
    pub size: u64,
    /// The version that was linked.
    pub source: Version,
    /// Losses that the metachunk with the fewest durable chunks survives.
    pub tolerance: u32,
    /// Chunks that are not durable and were queued for repair.
    pub dropped: u32,
    /// Volumes that failed on the way.
    pub failures: Vec<VolumeFailure>,
}

/// Links an object when awaited.
#[must_use = "nothing happens until it is awaited"]
pub struct LinkObject {
    client: Arc<Inner>,
    place: Place,
    object: ObjectName,
    content: Option<ContentId>,
    /// In place of the source's.
    properties: Option<Properties>,
    /// In place of the source's.
    mime_type: Option<String>,
    delete_at: Option<u64>,
    precondition: Precondition,
    autocreate: bool,
    mode: CommitMode,
    source: Place,
    source_object: ObjectName,
    source_version: Option<Version>,
}

awaitable!(LinkObject => Linked);

impl LinkObject {
    /// The id of the new content, which must be new in its container.
    pub fn content(mut self, content: ContentId) -> Self {
        self.content = Some(content);
        self
    }

    /// Gives the link these properties; it has those of its source otherwise.
    pub fn replace_properties(mut self, properties: Properties) -> Self {
        self.properties = Some(properties);
        self
    }

    /// Gives the link this media type; it has that of its source otherwise.
    pub fn mime_type(mut self, mime_type: impl Into<String>) -> Self {
        self.mime_type = Some(mime_type.into());
        self
    }

    /// When the link goes by itself, in seconds since 1970. It does not unless this says so,
    /// whatever its source does.
    pub fn delete_at(mut self, seconds: Option<u64>) -> Self {
        self.delete_at = seconds;
        self
    }

    /// What must hold of the object that the link becomes.
    pub fn precondition(mut self, precondition: Precondition) -> Self {
        self.precondition = precondition;
        self
    }

    /// As [`PutObject::keep_latest`](crate::PutObject::keep_latest).
    pub fn keep_latest(mut self) -> Self {
        self.mode = CommitMode::Keep;
        self
    }

    /// Whether a container that does not exist is created; it is unless this says otherwise.
    pub fn autocreate(mut self, autocreate: bool) -> Self {
        self.autocreate = autocreate;
        self
    }

    /// When the link is given up, if it is not committed by then: no object is left.
    pub fn deadline(mut self, deadline: impl Into<Instant>) -> Self {
        self.place.metadata = Arc::new(self.place.metadata.until(deadline.into()));
        self
    }

    async fn run(self) -> Result<Linked, Error> {
        if let Some(properties) = &self.properties {
            model::check_properties(properties)?;
        }
        let (object, volumes) =
            locate(&self.source, &self.source_object, self.source_version).await?;
        if object.entry.marker {
            return Err(no_content(&object));
        }
        let count = object.extents().len().max(1);
        let prepare =
            || prepare_names(&self.place, count, object.entry.size, Some(&self.object), None);
        let names = match prepare().await {
            Err(Error::NoSuchContainer(_) | Error::NoSuchAccount(_)) if self.autocreate => {
                self.place.create_container().await?;
                prepare().await?
            }
            other => other?,
        };
        let traces = Traces::new(self.client.servers.clone());
        let source = Source { place: &self.source, object: &object, volumes: &volumes };
        let outcome = self.link(source, &names, &traces).await;
        if outcome.is_err() {
            traces.tidy().await;
        }
        match outcome {
            // The latest version was asked for, and is not the one that is gone.
            Err(Error::NoSuchObject(_)) if self.source_version.is_none() => {
                locate(&self.source, &self.source_object, None).await?;
                Err(changed(&self.source_object))
            }
            outcome => outcome,
        }
    }

    async fn link(
        &self,
        source: Source<'_>,
        names: &NewNames,
        traces: &Traces,
    ) -> Result<Linked, Error> {
        let object = source.object;
        let copied = source.copy(&self.client, names, traces);
        let (extents, failures) = match self.place.metadata.end() {
            None => copied.await?,
            Some(end) => tokio::time::timeout_at(end, copied)
                .await
                .map_err(|_| Error::DeadlineReached { stage: "copying the chunks" })??,
        };
        let request = match self.request(object, names, extents).await {
            Ok(request) => request,
            Err(error) => {
                // Nothing that names the chunks was sent; what was staged expires otherwise.
                abort(&self.place, &names.blobs).await.ok();
                return Err(error);
            }
        };
        let place = &self.place;
        let send = |metadata: Arc<Metadata>| {
            let request = request.clone();
            async move { ask!(metadata, place.route(), Write, MetadataClient::commit, request).await }
        };
        let answer = conclude(place, &names.blobs, traces, send).await?;
        Ok(Linked {
            content: ContentId::try_from(&answer.content[..])?,
            version: Version(answer.version),
            size: answer.size,
            source: object.entry.version,
            tolerance: answer.tolerance,
            dropped: answer.dropped,
            failures,
        })
    }

    async fn request(
        &self,
        object: &Object,
        names: &NewNames,
        extents: Vec<Extent>,
    ) -> Result<v1::CommitRequest, Error> {
        let place = &self.place;
        let entry = &object.entry;
        let properties = self.properties.as_ref().unwrap_or(&object.properties);
        let blob = names.blobs.first().map(|blob| blob.0.to_vec()).unwrap_or_default();
        Ok(v1::CommitRequest {
            request_id: place.metadata.request_id(),
            account: place.account.to_string(),
            container: place.container.to_string(),
            incarnation: names.incarnation,
            object: self.object.to_string(),
            blob,
            extents: new_extents(place, names.incarnation, extents).await?,
            size: entry.size,
            hash: entry.hash.map(|hash| hash.0.to_vec()),
            md5: entry.md5.map(|md5| md5.to_vec()),
            mime_type: self.mime_type.as_ref().unwrap_or(&entry.mime_type).clone(),
            policy: entry.policy.to_string(),
            properties: properties_to(properties.clone()),
            precondition: Some(self.precondition.clone().into()),
            content: self.content.map(|content| content.0.to_vec()),
            mode: self.mode.into(),
            delete_at: self.delete_at,
        })
    }
}

fn no_content(object: &Object) -> Error {
    let (name, version) = (&object.entry.name, object.entry.version);
    let message = format!("version {version} of {name} is a delete marker");
    model::Error::not_found(Subject::Object, message).into()
}

fn changed(object: &ObjectName) -> Error {
    let message = format!("{object} was changed while it was linked: try again");
    Error::Conflict(model::Error::new(ErrorKind::Conflict, Subject::Object, message))
}

/// A version whose chunks are copied.
pub(crate) struct Source<'a> {
    pub(crate) place: &'a Place,
    pub(crate) object: &'a Object,
    pub(crate) volumes: &'a [crate::VolumeRef],
}

impl Source<'_> {
    /// Copies every chunk, durably. Where one was moved meanwhile, the version is located once
    /// more; where the version is gone, so is the copy.
    pub(crate) async fn copy(
        &self,
        client: &Arc<Inner>,
        names: &NewNames,
        traces: &Traces,
    ) -> Result<(Vec<Extent>, Vec<VolumeFailure>), Error> {
        let mut copy = Copy::new(client, names, traces, self.object);
        copy.run(self.object, self.volumes).await;
        if copy.misses_chunks() {
            let entry = &self.object.entry;
            let (now, volumes) = locate(self.place, &entry.name, Some(entry.version)).await?;
            let blobs = |object: &Object| -> Vec<_> {
                object.extents().iter().map(|e| (e.blob, e.metachunks.len())).collect()
            };
            if blobs(&now) != blobs(self.object) {
                return Err(changed(&entry.name));
            }
            copy.run(&now, &volumes).await;
        }
        copy.finish()
    }
}
