//! Purging and flushing containers: many versions go, a bounded number with each call.

use crate::{Client, Error, changes::awaitable, container::Place, metadata::ask};
use model::{AccountName, ContainerName, ListedName, ObjectName, Versioning};
use proto::v1::{self, metadata_client::MetadataClient};
use serde::Serialize;
use std::time::Duration;

impl Client {
    /// Removes the versions of objects beyond those that the container keeps.
    pub fn purge_container(
        &self,
        account: &AccountName,
        container: &ContainerName,
    ) -> PurgeContainer {
        PurgeContainer {
            place: self.place(account, container),
            client: self.clone(),
            object: None,
            keep: None,
            markers_age: None,
        }
    }

    /// Deletes what is in a container, and keeps the container.
    pub fn flush_container(
        &self,
        account: &AccountName,
        container: &ContainerName,
    ) -> FlushContainer {
        FlushContainer { place: self.place(account, container), client: self.clone(), fast: false }
    }
}

/// How much was removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Removed {
    /// Versions removed, or covered with a delete marker.
    pub versions: u64,
    /// Delete markers removed.
    pub markers: u64,
}

/// Purges a container when awaited.
#[must_use = "nothing happens until it is awaited"]
pub struct PurgeContainer {
    place: Place,
    client: Client,
    object: Option<ObjectName>,
    keep: Option<u32>,
    markers_age: Option<Duration>,
}

awaitable!(PurgeContainer => Removed);

impl PurgeContainer {
    /// How many versions of each object stay, the newest; 0 counts as 1. What the container's
    /// versioning says otherwise, where a container that keeps all is left as it is.
    pub fn keep(mut self, versions: u32) -> Self {
        self.keep = Some(versions);
        self
    }

    /// Only this object.
    pub fn object(mut self, object: &ObjectName) -> Self {
        self.object = Some(object.clone());
        self
    }

    /// Removes also objects that were deleted this long ago or longer: their delete marker, and
    /// all the versions that it covers.
    pub fn markers_older_than(mut self, age: Duration) -> Self {
        self.markers_age = Some(age);
        self
    }

    async fn run(self) -> Result<Removed, Error> {
        let place = &self.place;
        let keep = match self.keep {
            Some(keep) => keep,
            None => {
                let shown = self.client.show_container(&place.account, &place.container).await?;
                match shown.versioning {
                    Versioning::Disabled | Versioning::Suspended => 1,
                    Versioning::Keep(keep) => keep,
                    // Whether there is such an object is the server's to say.
                    Versioning::Unlimited
                        if self.markers_age.is_none() && self.object.is_none() =>
                    {
                        return Ok(Removed::default());
                    }
                    Versioning::Unlimited => u32::MAX,
                }
            }
        };
        let mut removed = Removed::default();
        let mut after = None;
        loop {
            let request = v1::PurgeContainerRequest {
                request_id: place.metadata.request_id(),
                account: place.account.to_string(),
                container: place.container.to_string(),
                object: self.object.as_ref().map(ToString::to_string),
                keep,
                markers_age: self.markers_age.map(|age| age.as_micros() as u64),
                after: after.take(),
            };
            let (metadata, route) = (&place.metadata, place.route());
            let answer =
                ask!(metadata, route, Write, MetadataClient::purge_container, request).await?;
            removed.versions += u64::from(answer.versions);
            removed.markers += u64::from(answer.markers);
            match answer.next {
                Some(next) => after = Some(next),
                None => return Ok(removed),
            }
        }
    }
}

/// Flushes a container when awaited.
#[must_use = "nothing happens until it is awaited"]
pub struct FlushContainer {
    place: Place,
    client: Client,
    fast: bool,
}

awaitable!(FlushContainer => Removed);

impl FlushContainer {
    /// Whether everything goes at once and for good: every version and every delete marker,
    /// whatever the container keeps. Otherwise each object is deleted as
    /// [`Client::delete_object`] does it, which leaves delete markers where versions are kept.
    pub fn fast(mut self, fast: bool) -> Self {
        self.fast = fast;
        self
    }

    async fn run(self) -> Result<Removed, Error> {
        if self.fast { self.flush().await } else { self.delete().await }
    }

    async fn flush(self) -> Result<Removed, Error> {
        let place = &self.place;
        let shown = self.client.show_container(&place.account, &place.container).await?;
        let mut removed = Removed::default();
        loop {
            let request = v1::FlushContainerRequest {
                request_id: place.metadata.request_id(),
                account: place.account.to_string(),
                container: place.container.to_string(),
                incarnation: shown.incarnation,
            };
            let (metadata, route) = (&place.metadata, place.route());
            let answer =
                ask!(metadata, route, Write, MetadataClient::flush_container, request).await?;
            removed.versions += u64::from(answer.versions);
            removed.markers += u64::from(answer.markers);
            if answer.complete {
                return Ok(removed);
            }
        }
    }

    async fn delete(self) -> Result<Removed, Error> {
        let Place { account, container, .. } = &self.place;
        let mut removed = Removed::default();
        loop {
            let page = self.client.list_objects(account, container).await?;
            let name = |item: ListedName<model::ObjectEntry>| match item {
                ListedName::Entry(entry) => Some(entry.name),
                ListedName::Prefix(_) => None,
            };
            let names: Vec<ObjectName> = page.items.into_iter().filter_map(name).collect();
            if names.is_empty() {
                return Ok(removed);
            }
            let mut progress = false;
            let mut refused = None;
            for (_, outcome) in self.client.delete_objects(account, container, names).await? {
                match outcome {
                    Ok(_) => {
                        removed.versions += 1;
                        progress = true;
                    }
                    // Somebody else deleted it.
                    Err(Error::NoSuchObject(_)) => progress = true,
                    Err(error) => refused = Some(error),
                }
            }
            if let (false, Some(error)) = (progress, refused) {
                return Err(error);
            }
        }
    }
}
