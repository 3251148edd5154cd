//! Deleting objects.

use crate::{Client, Error, changes::awaitable, container::Place, metadata::ask};
use model::{AccountName, ContainerName, ObjectName, Precondition, Version};
use proto::v1::{self, delete_objects_response::outcome::Outcome, metadata_client::MetadataClient};
use serde::Serialize;

/// Objects deleted by one call.
const OBJECTS_PER_CALL: usize = 1000;

impl Client {
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
            silent: false,
            mark_missing: false,
            precondition: Precondition::None,
        }
    }

    /// Deletes many objects of a container, each as [`Client::delete_object`] does, and says in
    /// their order what became of each. A thousand of them are one call; they need not all
    /// succeed together, and when a call fails the ones before it are deleted.
    ///
    /// # Errors
    /// What concerns all of them: [`Error::NoSuchContainer`], servers that do not answer. What
    /// concerns one object, above all [`Error::NoSuchObject`], is in its own result.
    pub async fn delete_objects(
        &self,
        account: &AccountName,
        container: &ContainerName,
        objects: impl IntoIterator<Item = ObjectName>,
    ) -> Result<Vec<(ObjectName, Result<Deleted, Error>)>, Error> {
        let place = self.place(account, container);
        let objects: Vec<ObjectName> = objects.into_iter().collect();
        let mut all = Vec::with_capacity(objects.len());
        for objects in objects.chunks(OBJECTS_PER_CALL) {
            let outcomes = delete_some(&place, objects).await?;
            all.extend(objects.iter().cloned().zip(outcomes));
        }
        Ok(all)
    }
}

async fn delete_some(
    place: &Place,
    objects: &[ObjectName],
) -> Result<Vec<Result<Deleted, Error>>, Error> {
    let request = v1::DeleteObjectsRequest {
        request_id: place.metadata.request_id(),
        account: place.account.to_string(),
        container: place.container.to_string(),
        objects: objects.iter().map(ToString::to_string).collect(),
    };
    let (metadata, route) = (&place.metadata, place.route());
    let answer = ask!(metadata, route, Write, MetadataClient::delete_objects, request).await?;
    if answer.outcomes.len() != objects.len() {
        return Err(Error::indeterminate(format!(
            "{} objects were to be deleted, and {} answers came",
            objects.len(),
            answer.outcomes.len()
        )));
    }
    let outcome = |o: v1::delete_objects_response::Outcome| match o.outcome {
        Some(Outcome::Deleted(deleted)) => Ok(deleted.into()),
        Some(Outcome::Failed(failure)) => Err(model::Error::from(failure).into()),
        None => Err(Error::internal("what became of an object was not answered")),
    };
    Ok(answer.outcomes.into_iter().map(outcome).collect())
}

/// What a delete did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Deleted {
    /// The version removed, or that of the delete marker written.
    pub version: Version,
    /// Whether a delete marker was written. Where versions are kept all are; where they were kept
    /// only before, the latest is gone for good and the marker hides the older ones.
    pub marker: bool,
}

impl From<v1::DeleteObjectResponse> for Deleted {
    fn from(m: v1::DeleteObjectResponse) -> Self {
        Self { version: Version(m.version), marker: m.marker }
    }
}

/// Deletes an object when awaited.
#[must_use = "nothing happens until it is awaited"]
pub struct DeleteObject {
    place: Place,
    object: ObjectName,
    version: Option<Version>,
    silent: bool,
    mark_missing: bool,
    precondition: Precondition,
}

awaitable!(DeleteObject => Deleted);

impl DeleteObject {
    /// The version to delete for good.
    pub fn version(mut self, version: Version) -> Self {
        self.version = Some(version);
        self
    }

    /// A delete marker that is written says since when the object is over (`delete_at`), as that of
    /// one that expired does, and not that it was deleted.
    pub fn silent(mut self) -> Self {
        self.silent = true;
        self
    }

    /// Where versions are kept, a delete marker is written even if there is nothing to delete.
    pub fn mark_missing(mut self) -> Self {
        self.mark_missing = true;
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
            silent: self.silent,
            mark_missing: self.mark_missing,
        };
        let route = self.place.route();
        let answer = ask!(metadata, route, Write, MetadataClient::delete_object, request).await?;
        Ok(answer.into())
    }
}
