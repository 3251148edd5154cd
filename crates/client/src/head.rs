//! Whether an object is there, as far as one wants to be sure.

use crate::{
    ChunkState, Client, Error, VolumeRef, changes::awaitable, client::Inner, container::Place,
    locate::locate, object::show,
};
use futures::{StreamExt, stream};
use model::{AccountName, ChunkName, ContainerName, Extent, ObjectName, Version, VolumeId};
use std::{collections::BTreeMap, sync::Arc};

/// Metachunks asked for at the same time, each at all its chunk servers.
const METACHUNKS_AT_ONCE: usize = 8;

/// What must be there for an object to count as present.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum TrustLevel {
    /// Its metadata; its chunks are not looked at.
    #[default]
    Metadata,
    /// Of each metachunk as many chunks as are needed to read it, by their ends: only who reads all
    /// of them knows that no bit is flipped.
    Readable,
    /// Every chunk of every metachunk, looked at in the same way.
    Complete,
}

impl Client {
    /// Whether an object is there: true or false for what is certain, an error where it cannot
    /// be found out. An account or a container that does not exist has no objects, and neither
    /// has a delete marker or a drained object content to read.
    pub fn head_object(
        &self,
        account: &AccountName,
        container: &ContainerName,
        object: &ObjectName,
    ) -> HeadObject {
        HeadObject {
            client: self.inner.clone(),
            place: self.place(account, container),
            object: object.clone(),
            version: None,
            trust: TrustLevel::Metadata,
        }
    }
}

/// Says whether an object is there when awaited.
#[must_use = "nothing happens until it is awaited"]
pub struct HeadObject {
    client: Arc<Inner>,
    place: Place,
    object: ObjectName,
    version: Option<Version>,
    trust: TrustLevel,
}

awaitable!(HeadObject => bool);

impl HeadObject {
    /// The version to look for; the latest otherwise.
    pub fn version(mut self, version: Version) -> Self {
        self.version = Some(version);
        self
    }

    /// What must be there; the metadata alone otherwise.
    pub fn trust(mut self, trust: TrustLevel) -> Self {
        self.trust = trust;
        self
    }

    async fn run(self) -> Result<bool, Error> {
        match self.is_complete().await {
            // There is nothing of it to read.
            Err(Error::Drained(_)) => Ok(false),
            Err(Error::NoSuchAccount(_) | Error::NoSuchContainer(_) | Error::NoSuchObject(_)) => {
                Ok(false)
            }
            outcome => outcome,
        }
    }

    async fn is_complete(&self) -> Result<bool, Error> {
        if self.trust == TrustLevel::Metadata {
            return Ok(!show(&self.place, &self.object, self.version).await?.entry.marker);
        }
        let (object, volumes) = locate(&self.place, &self.object, self.version).await?;
        if object.entry.marker {
            return Ok(false);
        }
        let volumes = volumes.into_iter().map(|v| (v.id, v)).collect();
        let mut asked = Vec::new();
        for extent in object.extents() {
            for number in 0..extent.metachunks.len() {
                asked.push(self.is_there(extent, number as u32, &volumes));
            }
        }
        let mut answers = stream::iter(asked).buffer_unordered(METACHUNKS_AT_ONCE);
        while let Some(there) = answers.next().await {
            // One metachunk that is not there is enough to know.
            if !there? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether enough chunks of a metachunk are where they should be.
    async fn is_there(
        &self,
        extent: &Extent,
        number: u32,
        volumes: &BTreeMap<VolumeId, VolumeRef>,
    ) -> Result<bool, Error> {
        let Some(row) = extent.metachunks.get(number as usize) else { return Ok(false) };
        let needed = match self.trust {
            TrustLevel::Metadata => 0,
            TrustLevel::Readable => extent.method.data(),
            TrustLevel::Complete => row.volumes.len(),
        };
        let chunks: Vec<(&VolumeRef, ChunkName)> = (0u8..)
            .zip(&row.volumes)
            .filter_map(|(position, volume)| {
                Some((volumes.get(&(*volume)?)?, extent.chunk_name(number, position)?))
            })
            .collect();
        if chunks.len() < needed {
            return Ok(false);
        }
        let asked = chunks.iter().map(|(volume, name)| self.client.servers.inspect(volume, name));
        let states = futures::future::join_all(asked).await;
        let count = |is: fn(&ChunkState) -> bool| states.iter().filter(|s| is(s)).count();
        if count(|s| matches!(s, ChunkState::Present { .. })) >= needed {
            return Ok(true);
        }
        // Those that did not say might make the difference.
        let silent = states.iter().find_map(|state| match state {
            ChunkState::Unknown { reason } => Some(reason),
            _ => None,
        });
        match silent {
            Some(reason)
                if count(|s| !matches!(s, ChunkState::Missing | ChunkState::Damaged { .. }))
                    >= needed =>
            {
                Err(Error::unavailable(format!(
                    "metachunk {number} of {}: it cannot be said whether enough of its chunks \
                     are there: {reason}",
                    self.object
                )))
            }
            _ => Ok(false),
        }
    }
}
