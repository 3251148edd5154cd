//! Names by ids. What an id stands for never changes, so it is asked once.

use crate::{
    Client, Error,
    metadata::{Route, ask},
};
use model::{AccountName, Container, ContainerId, ContainerName};
use parking_lot::Mutex;
use proto::v1::{self, metadata_client::MetadataClient};
use std::collections::BTreeMap;

/// Ids whose names are kept; then all are forgotten and asked anew.
const KEPT: usize = 10_000;

/// The names of containers, as far as they were asked for.
#[derive(Default)]
pub(crate) struct Names(Mutex<BTreeMap<ContainerId, (AccountName, ContainerName)>>);

impl Client {
    /// The names of the container with an id. Every other call takes names.
    ///
    /// # Errors
    /// [`Error::NoSuchContainer`] if there is none; one that was asked for before may have been
    /// deleted since, which the call that uses its names then finds.
    pub async fn resolve_container(
        &self,
        id: &ContainerId,
    ) -> Result<(AccountName, ContainerName), Error> {
        let names = &self.inner.names.0;
        if let Some(known) = names.lock().get(id) {
            return Ok(known.clone());
        }
        let request = v1::ContainerRequest { id: id.0.to_vec(), ..Default::default() };
        let route = Route::Slot(id.slot());
        let answer =
            ask!(self.inner.metadata, route, Read, MetadataClient::show_container, request).await?;
        let container = Container::try_from(answer)?;
        let found = (container.account, container.name);
        let mut names = names.lock();
        if names.len() >= KEPT {
            names.clear();
        }
        names.insert(*id, found.clone());
        Ok(found)
    }
}
