//! Objects: everything but their bytes, which `put` and `get` are about.

use crate::{
    ByteRange, Client, Error, Source,
    changes::{Changes, awaitable, changes_properties},
    container::Place,
    get::GetObject,
    locate::locate,
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
