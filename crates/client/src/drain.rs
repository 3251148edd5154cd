//! Draining objects, and addressing them by their contents.

use crate::{Client, Error, changes::awaitable, container::Place, metadata::ask};
use model::{AccountName, ContainerName, ContentId, ObjectName, Precondition, Version};
use proto::v1::{self, metadata_client::MetadataClient};

impl Client {
    /// Drops the content of an object and keeps everything else: it is still listed and shown,
    /// with its size, and its properties can be changed. Whatever needs its bytes then fails
    /// with [`Error::Drained`]. To drain it again changes nothing.
    pub fn drain_object(
        &self,
        account: &AccountName,
        container: &ContainerName,
        object: &ObjectName,
    ) -> DrainObject {
        DrainObject {
            place: self.place(account, container),
            object: object.clone(),
            version: None,
            precondition: Precondition::None,
        }
    }

    /// The object and the version of a container that have a content id. Every other call takes
    /// names.
    pub async fn resolve_content(
        &self,
        account: &AccountName,
        container: &ContainerName,
        content: &ContentId,
    ) -> Result<(ObjectName, Version), Error> {
        let place = self.place(account, container);
        let request = v1::ResolveContentRequest {
            account: account.to_string(),
            container: container.to_string(),
            content: content.0.to_vec(),
        };
        let (metadata, route) = (&place.metadata, place.route());
        let answer = ask!(metadata, route, Read, MetadataClient::resolve_content, request).await?;
        Ok((answer.object.parse()?, Version(answer.version)))
    }
}

/// Drains an object when awaited.
#[must_use = "nothing happens until it is awaited"]
pub struct DrainObject {
    place: Place,
    object: ObjectName,
    version: Option<Version>,
    precondition: Precondition,
}

awaitable!(DrainObject => ());

impl DrainObject {
    /// The version to drain; the latest otherwise.
    pub fn version(mut self, version: Version) -> Self {
        self.version = Some(version);
        self
    }

    /// What must hold of the object.
    pub fn precondition(mut self, precondition: Precondition) -> Self {
        self.precondition = precondition;
        self
    }

    async fn run(self) -> Result<(), Error> {
        let (metadata, route) = (&self.place.metadata, self.place.route());
        let request = v1::DrainObjectRequest {
            request_id: metadata.request_id(),
            account: self.place.account.to_string(),
            container: self.place.container.to_string(),
            object: self.object.to_string(),
            version: self.version.map(|v| v.0),
            precondition: Some(self.precondition.clone().into()),
        };
        ask!(metadata, route, Write, MetadataClient::drain_object, request).await?;
        Ok(())
    }
}
