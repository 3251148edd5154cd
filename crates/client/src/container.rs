//! Containers.

use crate::{
    Client, Error,
    changes::{Changes, DEFAULT_LIMIT, awaitable, changes_properties, lists, takes_properties},
    metadata::{Metadata, Route, ask},
};
use futures::{StreamExt, TryStreamExt, stream};
use model::{
    AccountName, Container, ContainerId, ContainerName, ListQuery, Listing, ObjectEntry,
    PolicyName, Properties, Versioning,
};
use proto::{
    convert::properties_to,
    v1::{self, metadata_client::MetadataClient},
};
use std::sync::Arc;

/// A container by its names, with the metadata to ask.
#[derive(Clone)]
pub(crate) struct Place {
    pub(crate) metadata: Arc<Metadata>,
    pub(crate) account: AccountName,
    pub(crate) container: ContainerName,
}

impl Place {
    pub(crate) fn route(&self) -> Route {
        Route::Slot(ContainerId::of(&self.account, &self.container).slot())
    }

    /// Makes the container, unless it exists.
    pub(crate) async fn create_container(&self) -> Result<(), Error> {
        let request = v1::CreateContainerRequest {
            request_id: self.metadata.request_id(),
            account: self.account.to_string(),
            container: self.container.to_string(),
            ..Default::default()
        };
        let (metadata, route) = (&self.metadata, self.route());
        ask!(metadata, route, Write, MetadataClient::create_container, request).await?;
        Ok(())
    }

    /// What there is of the container.
    pub(crate) async fn show(&self) -> Result<Container, Error> {
        let request = v1::ContainerRequest {
            account: self.account.to_string(),
            container: self.container.to_string(),
            id: Vec::new(),
        };
        let (metadata, route) = (&self.metadata, self.route());
        let answer = ask!(metadata, route, Read, MetadataClient::show_container, request).await?;
        Ok(answer.try_into()?)
    }
}

impl Client {
    pub(crate) fn place(&self, account: &AccountName, container: &ContainerName) -> Place {
        Place {
            metadata: self.inner.metadata.clone(),
            account: account.clone(),
            container: container.clone(),
        }
    }

    /// Creates a container, and its account if need be; answers whether it is new.
    pub fn create_container(
        &self,
        account: &AccountName,
        container: &ContainerName,
    ) -> CreateContainer {
        CreateContainer {
            place: self.place(account, container),
            policy: None,
            versioning: None,
            quota: None,
            properties: Properties::new(),
        }
    }

    /// Creates many containers of an account, with the same settings; answers in their order
    /// which of them are new. When it fails, some of them may have been created.
    pub fn create_containers(
        &self,
        account: &AccountName,
        containers: impl IntoIterator<Item = ContainerName>,
    ) -> CreateContainers {
        let create = |container: ContainerName| self.create_container(account, &container);
        CreateContainers { creations: containers.into_iter().map(create).collect() }
    }

    /// A container with its settings, sums and properties.
    pub async fn show_container(
        &self,
        account: &AccountName,
        container: &ContainerName,
    ) -> Result<Container, Error> {
        self.place(account, container).show().await
    }

    /// Changes the properties and settings of a container.
    pub fn update_container(
        &self,
        account: &AccountName,
        container: &ContainerName,
    ) -> UpdateContainer {
        UpdateContainer {
            place: self.place(account, container),
            changes: Changes::default(),
            policy: None,
            versioning: None,
            quota: None,
        }
    }

    /// Deletes a container without objects; [`Error::Conflict`] if it has any.
    pub async fn delete_container(
        &self,
        account: &AccountName,
        container: &ContainerName,
    ) -> Result<(), Error> {
        let metadata = &self.inner.metadata;
        let request = v1::DeleteContainerRequest {
            request_id: metadata.request_id(),
            account: account.to_string(),
            container: container.to_string(),
        };
        let route = self.place(account, container).route();
        ask!(metadata, route, Write, MetadataClient::delete_container, request).await?;
        Ok(())
    }

    /// A page of the objects of a container, 1000 unless a limit is set.
    pub fn list_objects(&self, account: &AccountName, container: &ContainerName) -> ListObjects {
        ListObjects {
            place: self.place(account, container),
            query: ListQuery { limit: DEFAULT_LIMIT, ..ListQuery::default() },
        }
    }
}

/// Creates a container when awaited: true if it is new.
#[must_use = "nothing happens until it is awaited"]
pub struct CreateContainer {
    place: Place,
    policy: Option<PolicyName>,
    versioning: Option<Versioning>,
    quota: Option<u64>,
    properties: Properties,
}

takes_properties!(CreateContainer: properties);
awaitable!(CreateContainer => bool);

impl CreateContainer {
    /// The policy of objects that name none; the cluster's default otherwise.
    pub fn policy(mut self, policy: PolicyName) -> Self {
        self.policy = Some(policy);
        self
    }

    /// How many versions it keeps; the cluster's default otherwise.
    pub fn versioning(mut self, versioning: Versioning) -> Self {
        self.versioning = Some(versioning);
        self
    }

    /// Most bytes it may hold.
    pub fn quota(mut self, bytes: u64) -> Self {
        self.quota = Some(bytes);
        self
    }

    async fn run(self) -> Result<bool, Error> {
        model::check_properties(&self.properties)?;
        let route = self.place.route();
        let metadata = self.place.metadata;
        let request = v1::CreateContainerRequest {
            request_id: metadata.request_id(),
            account: self.place.account.to_string(),
            container: self.place.container.to_string(),
            policy: self.policy.map(|p| p.to_string()),
            versioning: self.versioning.map(Versioning::number),
            quota: self.quota,
            properties: properties_to(self.properties),
        };
        let answer =
            ask!(metadata, route, Write, MetadataClient::create_container, request).await?;
        Ok(answer.created)
    }
}

/// Containers created at the same time.
const CREATED_AT_ONCE: usize = 16;

/// Creates many containers when awaited: each with whether it is new.
#[must_use = "nothing happens until it is awaited"]
pub struct CreateContainers {
    creations: Vec<CreateContainer>,
}

awaitable!(CreateContainers => Vec<(ContainerName, bool)>);

impl CreateContainers {
    fn each(mut self, change: impl Fn(CreateContainer) -> CreateContainer) -> Self {
        self.creations = self.creations.into_iter().map(change).collect();
        self
    }

    /// The policy of objects that name none; the cluster's default otherwise.
    pub fn policy(self, policy: PolicyName) -> Self {
        self.each(|c| c.policy(policy.clone()))
    }

    /// How many versions they keep; the cluster's default otherwise.
    pub fn versioning(self, versioning: Versioning) -> Self {
        self.each(|c| c.versioning(versioning))
    }

    /// Most bytes each may hold.
    pub fn quota(self, bytes: u64) -> Self {
        self.each(|c| c.quota(bytes))
    }

    /// Adds a property to each.
    pub fn property(self, key: impl Into<String>, value: impl Into<String>) -> Self {
        let (key, value) = (key.into(), value.into());
        self.each(|c| c.property(key.clone(), value.clone()))
    }

    /// Adds properties to each.
    pub fn properties(self, properties: Properties) -> Self {
        self.each(|c| c.properties(properties.clone()))
    }

    async fn run(self) -> Result<Vec<(ContainerName, bool)>, Error> {
        let create = |creation: CreateContainer| async move {
            let name = creation.place.container.clone();
            Ok((name, creation.run().await?))
        };
        stream::iter(self.creations).map(create).buffered(CREATED_AT_ONCE).try_collect().await
    }
}

/// Changes the properties and settings of a container when awaited.
#[must_use = "nothing happens until it is awaited"]
pub struct UpdateContainer {
    place: Place,
    changes: Changes,
    policy: Option<String>,
    versioning: Option<Versioning>,
    quota: Option<u64>,
}

changes_properties!(UpdateContainer);
awaitable!(UpdateContainer => ());

impl UpdateContainer {
    /// The policy of objects that name none from now on; `None` is the cluster's default.
    pub fn policy(mut self, policy: Option<PolicyName>) -> Self {
        self.policy = Some(policy.map_or_else(String::new, |p| p.to_string()));
        self
    }

    /// How many versions it keeps from now on.
    pub fn versioning(mut self, versioning: Versioning) -> Self {
        self.versioning = Some(versioning);
        self
    }

    /// Most bytes it may hold; `None` takes the limit away.
    pub fn quota(mut self, bytes: Option<u64>) -> Self {
        self.quota = Some(bytes.unwrap_or(0));
        self
    }

    async fn run(self) -> Result<(), Error> {
        let route = self.place.route();
        let metadata = self.place.metadata;
        let request = v1::UpdateContainerRequest {
            request_id: metadata.request_id(),
            account: self.place.account.to_string(),
            container: self.place.container.to_string(),
            properties: Some(self.changes.into_message()),
            policy: self.policy,
            versioning: self.versioning.map(Versioning::number),
            quota: self.quota,
        };
        ask!(metadata, route, Write, MetadataClient::update_container, request).await?;
        Ok(())
    }
}

/// Gives a page of the objects of a container when awaited.
#[must_use = "nothing happens until it is awaited"]
pub struct ListObjects {
    place: Place,
    query: ListQuery,
}

lists!(ListObjects);
awaitable!(ListObjects => Listing<ObjectEntry>);

impl ListObjects {
    /// Every version and delete marker, newest first (oldest first in reverse), not only the
    /// newest live ones.
    pub fn versions(mut self, versions: bool) -> Self {
        self.query.versions = versions;
        self
    }

    /// Gives entries with their user properties.
    pub fn properties(mut self, properties: bool) -> Self {
        self.query.properties = properties;
        self
    }

    /// Only names whose newest version is a delete marker.
    pub fn deleted(mut self, deleted: bool) -> Self {
        self.query.deleted = deleted;
        self
    }

    async fn run(mut self) -> Result<Listing<ObjectEntry>, Error> {
        loop {
            let page = self.page().await?;
            if !goes_on(&mut self.query, &page) {
                return Ok(page);
            }
        }
    }

    async fn page(&self) -> Result<Listing<ObjectEntry>, Error> {
        let request = v1::ListObjectsRequest {
            account: self.place.account.to_string(),
            container: self.place.container.to_string(),
            query: Some(self.query.clone().into()),
        };
        let route = self.place.route();
        let answer =
            ask!(self.place.metadata, route, Read, MetadataClient::list_objects, request).await?;
        Ok(answer.try_into()?)
    }
}

/// Whether a page has nothing and is not the last: a server ends it early where it reads through
/// much that was deleted. Then the query asks for the next one.
pub(crate) fn goes_on<T>(query: &mut ListQuery, page: &Listing<T>) -> bool {
    match &page.next {
        Some((marker, version)) if page.items.is_empty() => {
            (query.marker, query.marker_version) = (marker.clone(), *version);
            true
        }
        _ => false,
    }
}
