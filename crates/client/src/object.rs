//! Objects: everything but their bytes, which `put` and `get` are about.

use crate::{
    ByteRange, Client, Error, Source,
    changes::{Changes, awaitable, changes_properties},
    container::Place,
    get::GetObject,
    metadata::ask,
    put::PutObject,
};
use model::{AccountName, ContainerName, Object, ObjectName, Version};
use proto::v1::{self, metadata_client::MetadataClient};

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

    /// Adds to the end of an object, or stores one where there is none. The version and the
    /// content id stay, and properties are added to those there are; the hash of the content is
    /// not known afterwards, unless it was empty. The object's own policy is used, not one that
    /// is asked for. It is one commit: readers see the object before or after it.
    pub fn append_object(
        &self,
        account: &AccountName,
        container: &ContainerName,
        object: &ObjectName,
        source: impl Into<Source>,
    ) -> PutObject {
        self.put_object(account, container, object, source).append()
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
            timings: None,
        }
    }

    /// What is known of an object, without its bytes and its chunk tables. A delete marker is
    /// shown too when it is the version asked for, and so is what was drained.
    pub fn show_object(
        &self,
        account: &AccountName,
        container: &ContainerName,
        object: &ObjectName,
    ) -> ShowObject {
        ShowObject { place: self.place(account, container), object: object.clone(), version: None }
    }

    /// Changes what is said of an object: its properties, its media type, when it goes by itself.
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
            mime_type: None,
            delete_at: None,
        }
    }
}

/// A version of an object without its chunk tables.
pub(crate) async fn show(
    place: &Place,
    object: &ObjectName,
    version: Option<Version>,
) -> Result<Object, Error> {
    let request = v1::LocateRequest {
        account: place.account.to_string(),
        container: place.container.to_string(),
        object: object.to_string(),
        version: version.map(|v| v.0),
    };
    let (metadata, route) = (&place.metadata, place.route());
    Ok(ask!(metadata, route, Read, MetadataClient::show_object, request).await?.try_into()?)
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
        show(&self.place, &self.object, self.version).await
    }
}

/// Changes what is said of an object when awaited, all at once; without any change to make, it is
/// touched.
#[must_use = "nothing happens until it is awaited"]
pub struct UpdateObject {
    place: Place,
    object: ObjectName,
    version: Option<Version>,
    changes: Changes,
    mime_type: Option<String>,
    delete_at: Option<Option<u64>>,
}

changes_properties!(UpdateObject);
awaitable!(UpdateObject => ());

impl UpdateObject {
    /// The version to change; the latest otherwise.
    pub fn version(mut self, version: Version) -> Self {
        self.version = Some(version);
        self
    }

    /// Gives it another media type.
    pub fn mime_type(mut self, mime_type: impl Into<String>) -> Self {
        self.mime_type = Some(mime_type.into());
        self
    }

    /// Says when the version goes by itself, in seconds since 1970, or that it does not.
    pub fn delete_at(mut self, seconds: Option<u64>) -> Self {
        self.delete_at = Some(seconds);
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
            mime_type: self.mime_type,
            // 0 says that it does not.
            delete_at: self.delete_at.map(|at| at.map_or(0, |seconds| seconds.max(1))),
        };
        let route = self.place.route();
        ask!(metadata, route, Write, MetadataClient::update_object, request).await?;
        Ok(())
    }
}
