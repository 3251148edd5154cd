//! Messages as [`model`] types and back. Whatever comes in is checked here, once.

mod cluster;
mod user;

pub use user::{role_from, role_to};

use crate::v1;
use model::{
    Account, BlobId, Body, Container, ContainerEntry, ContainerId, ContentId, Error, Extent,
    Frozen, Hash, JobId, ListQuery, ListedName, Listing, Metachunk, Object, ObjectEntry,
    Precondition, Properties, Version, Versioning, VolumeId, WriteId,
};

/// Most rows of a chunk table in one message.
const MAX_METACHUNKS: usize = 65_536;

fn narrow<T: TryFrom<u32>>(value: u32, what: &str) -> Result<T, Error> {
    T::try_from(value).map_err(|_| Error::invalid(format!("{what} {value} is out of range")))
}

fn missing(what: &str) -> Error {
    Error::invalid(format!("the message lacks its {what}"))
}

/// Properties from a message; a key given twice is refused.
pub fn properties_from(list: Vec<v1::Property>) -> Result<Properties, Error> {
    let count = list.len();
    let properties: Properties = list.into_iter().map(|p| (p.key, p.value)).collect();
    if properties.len() != count {
        return Err(Error::invalid("a property is given twice"));
    }
    model::check_properties(&properties)?;
    Ok(properties)
}

/// Properties for a message.
pub fn properties_to(properties: Properties) -> Vec<v1::Property> {
    properties.into_iter().map(|(key, value)| v1::Property { key, value }).collect()
}

impl TryFrom<v1::Account> for Account {
    type Error = Error;
    fn try_from(m: v1::Account) -> Result<Self, Error> {
        Ok(Self {
            name: m.name.parse()?,
            containers: m.containers,
            objects: m.objects,
            bytes: m.bytes,
            live_objects: m.live_objects,
            live_bytes: m.live_bytes,
            created: m.created,
            properties: properties_from(m.properties)?,
        })
    }
}

impl From<Account> for v1::Account {
    fn from(a: Account) -> Self {
        Self {
            name: a.name.to_string(),
            containers: a.containers,
            objects: a.objects,
            bytes: a.bytes,
            live_objects: a.live_objects,
            live_bytes: a.live_bytes,
            created: a.created,
            properties: properties_to(a.properties),
        }
    }
}

impl TryFrom<v1::ContainerEntry> for ContainerEntry {
    type Error = Error;
    fn try_from(m: v1::ContainerEntry) -> Result<Self, Error> {
        Ok(Self {
            name: m.name.parse()?,
            objects: m.objects,
            bytes: m.bytes,
            live_objects: m.live_objects,
            live_bytes: m.live_bytes,
            modified: m.modified,
        })
    }
}

impl From<ContainerEntry> for v1::ContainerEntry {
    fn from(c: ContainerEntry) -> Self {
        Self {
            name: c.name.to_string(),
            objects: c.objects,
            bytes: c.bytes,
            live_objects: c.live_objects,
            live_bytes: c.live_bytes,
            modified: c.modified,
        }
    }
}

impl TryFrom<v1::Container> for Container {
    type Error = Error;
    fn try_from(m: v1::Container) -> Result<Self, Error> {
        Ok(Self {
            id: ContainerId::try_from(&m.id[..])?,
            account: m.account.parse()?,
            name: m.name.parse()?,
            incarnation: m.incarnation,
            created: m.created,
            modified: m.modified,
            policy: m.policy.map(|p| p.parse()).transpose()?,
            versioning: Versioning::from_number(m.versioning)?,
            quota: m.quota,
            objects: m.objects,
            bytes: m.bytes,
            live_objects: m.live_objects,
            live_bytes: m.live_bytes,
            frozen: m.frozen.map_or(Ok(Frozen::No), TryInto::try_into)?,
            snapshot_of: m.snapshot_of.map(|id| ContainerId::try_from(&id[..])).transpose()?,
            properties: properties_from(m.properties)?,
        })
    }
}

impl TryFrom<v1::container::Frozen> for Frozen {
    type Error = Error;
    fn try_from(m: v1::container::Frozen) -> Result<Self, Error> {
        use v1::container::Frozen as Message;
        Ok(match m {
            Message::FrozenUntil(lease) => {
                Self::Lease { job: JobId::try_from(&lease.job[..])?, until: lease.until }
            }
            Message::FrozenForever(true) => Self::Forever,
            Message::FrozenForever(false) => Self::No,
        })
    }
}

/// Whether a container is frozen, for a message; nothing if it is not.
pub fn frozen_to(frozen: Frozen) -> Option<v1::container::Frozen> {
    use v1::container::Frozen as Message;
    match frozen {
        Frozen::No => None,
        Frozen::Lease { job, until } => {
            Some(Message::FrozenUntil(v1::FreezeLease { job: job.0.to_vec(), until }))
        }
        Frozen::Forever => Some(Message::FrozenForever(true)),
    }
}

impl From<Container> for v1::Container {
    fn from(c: Container) -> Self {
        Self {
            id: c.id.0.to_vec(),
            account: c.account.to_string(),
            name: c.name.to_string(),
            incarnation: c.incarnation,
            created: c.created,
            modified: c.modified,
            policy: c.policy.map(|p| p.to_string()),
            versioning: c.versioning.number(),
            quota: c.quota,
            objects: c.objects,
            bytes: c.bytes,
            live_objects: c.live_objects,
            live_bytes: c.live_bytes,
            properties: properties_to(c.properties),
            frozen: frozen_to(c.frozen),
            snapshot_of: c.snapshot_of.map(|id| id.0.to_vec()),
        }
    }
}

impl TryFrom<v1::Metachunk> for Metachunk {
    type Error = Error;
    fn try_from(m: v1::Metachunk) -> Result<Self, Error> {
        if m.volumes.len() > model::MAX_WIDTH || m.rewritten.len() > model::MAX_WIDTH {
            return Err(Error::invalid(format!(
                "a metachunk has {} positions; at most {} are possible",
                m.volumes.len(),
                model::MAX_WIDTH
            )));
        }
        Ok(Self {
            length: m.length,
            write: WriteId(m.write),
            volumes: m.volumes.into_iter().map(|v| (v != 0).then_some(VolumeId(v))).collect(),
            rewritten: m
                .rewritten
                .into_iter()
                .map(|r| Ok((narrow(r.position, "position")?, WriteId(r.write))))
                .collect::<Result<_, Error>>()?,
        })
    }
}

impl From<Metachunk> for v1::Metachunk {
    fn from(m: Metachunk) -> Self {
        let rewritten = |(position, write): (u8, WriteId)| v1::metachunk::Rewritten {
            position: position.into(),
            write: write.0,
        };
        Self {
            length: m.length,
            write: m.write.0,
            volumes: m.volumes.into_iter().map(|v| v.map_or(0, |v| v.0)).collect(),
            rewritten: m.rewritten.into_iter().map(rewritten).collect(),
        }
    }
}

impl TryFrom<v1::Extent> for Extent {
    type Error = Error;
    fn try_from(m: v1::Extent) -> Result<Self, Error> {
        if m.metachunks.len() > MAX_METACHUNKS {
            return Err(Error::invalid(format!(
                "an extent has {} metachunks; at most {MAX_METACHUNKS} fit in a message",
                m.metachunks.len()
            )));
        }
        Ok(Self {
            blob: BlobId::try_from(&m.blob[..])?,
            origin: BlobId::try_from(&m.origin[..])?,
            policy: m.policy.parse()?,
            method: m.chunk_method.parse()?,
            chunk_blocks: m.chunk_blocks,
            metachunks: m
                .metachunks
                .into_iter()
                .map(TryInto::try_into)
                .collect::<Result<_, _>>()?,
        })
    }
}

impl From<Extent> for v1::Extent {
    fn from(e: Extent) -> Self {
        Self {
            blob: e.blob.0.to_vec(),
            origin: e.origin.0.to_vec(),
            policy: e.policy.to_string(),
            chunk_method: e.method.to_string(),
            chunk_blocks: e.chunk_blocks,
            metachunks: e.metachunks.into_iter().map(Into::into).collect(),
        }
    }
}

/// An MD5 from a message.
pub fn md5_from(bytes: Option<Vec<u8>>) -> Result<Option<[u8; 16]>, Error> {
    bytes
        .map(|b| <[u8; 16]>::try_from(b).map_err(|_| Error::invalid("an MD5 has 16 bytes")))
        .transpose()
}

/// A BLAKE3 hash from a message.
pub fn hash_from(bytes: Option<Vec<u8>>) -> Result<Option<Hash>, Error> {
    bytes.map(|b| Hash::try_from(&b[..])).transpose()
}

impl TryFrom<v1::ObjectEntry> for ObjectEntry {
    type Error = Error;
    fn try_from(m: v1::ObjectEntry) -> Result<Self, Error> {
        Ok(Self {
            name: m.name.parse()?,
            version: Version(m.version),
            latest: m.latest,
            marker: m.marker,
            drained: m.drained,
            content: ContentId::try_from(&m.content[..])?,
            size: m.size,
            hash: hash_from(m.hash)?,
            md5: md5_from(m.md5)?,
            mime_type: m.mime_type,
            policy: m.policy.parse()?,
            created: m.created,
            modified: m.modified,
            delete_at: m.delete_at,
            properties: m.properties.map(|p| properties_from(p.list)).transpose()?,
        })
    }
}

impl From<ObjectEntry> for v1::ObjectEntry {
    fn from(e: ObjectEntry) -> Self {
        Self {
            name: e.name.to_string(),
            version: e.version.0,
            latest: e.latest,
            marker: e.marker,
            content: e.content.0.to_vec(),
            size: e.size,
            hash: e.hash.map(|h| h.0.to_vec()),
            md5: e.md5.map(|m| m.to_vec()),
            mime_type: e.mime_type,
            policy: e.policy.to_string(),
            created: e.created,
            modified: e.modified,
            drained: e.drained,
            delete_at: e.delete_at,
            properties: e.properties.map(|p| v1::Properties { list: properties_to(p) }),
        }
    }
}

impl TryFrom<v1::Object> for Object {
    type Error = Error;
    fn try_from(m: v1::Object) -> Result<Self, Error> {
        let entry: ObjectEntry = m.entry.ok_or_else(|| missing("entry"))?.try_into()?;
        let body = if entry.marker {
            Body::Marker
        } else {
            let extents = m.extents.into_iter().map(TryInto::try_into);
            Body::Extents(extents.collect::<Result<_, _>>()?)
        };
        Ok(Self { entry, properties: properties_from(m.properties)?, body })
    }
}

impl From<Object> for v1::Object {
    fn from(o: Object) -> Self {
        let extents = match o.body {
            Body::Extents(extents) => extents.into_iter().map(Into::into).collect(),
            Body::Marker => Vec::new(),
        };
        Self { entry: Some(o.entry.into()), properties: properties_to(o.properties), extents }
    }
}

impl From<v1::Precondition> for Precondition {
    fn from(m: v1::Precondition) -> Self {
        use v1::precondition::Condition;
        match m.condition {
            None | Some(Condition::Absent(false)) => Self::None,
            Some(Condition::Absent(true)) => Self::Absent,
            Some(Condition::Version(version)) => Self::Version(Version(version)),
            Some(Condition::Etag(etag)) => Self::Etag(etag),
        }
    }
}

impl From<Precondition> for v1::Precondition {
    fn from(p: Precondition) -> Self {
        use v1::precondition::Condition;
        Self {
            condition: match p {
                Precondition::None => None,
                Precondition::Absent => Some(Condition::Absent(true)),
                Precondition::Version(version) => Some(Condition::Version(version.0)),
                Precondition::Etag(etag) => Some(Condition::Etag(etag)),
            },
        }
    }
}

impl From<v1::ListQuery> for ListQuery {
    fn from(m: v1::ListQuery) -> Self {
        Self {
            prefix: m.prefix,
            delimiter: m.delimiter,
            marker: m.marker,
            marker_version: m.marker_version.map(Version),
            end_marker: m.end_marker,
            limit: m.limit,
            versions: m.versions,
            deleted: m.deleted,
            properties: m.properties,
            reverse: m.reverse,
        }
    }
}

impl From<ListQuery> for v1::ListQuery {
    fn from(q: ListQuery) -> Self {
        Self {
            prefix: q.prefix,
            delimiter: q.delimiter,
            marker: q.marker,
            marker_version: q.marker_version.map(|v| v.0),
            end_marker: q.end_marker,
            limit: q.limit,
            versions: q.versions,
            deleted: q.deleted,
            properties: q.properties,
            reverse: q.reverse,
        }
    }
}

impl TryFrom<v1::ListObjectsResponse> for Listing<ObjectEntry> {
    type Error = Error;
    fn try_from(m: v1::ListObjectsResponse) -> Result<Self, Error> {
        use v1::listed_object::Item;
        let item = |listed: v1::ListedObject| match listed.item {
            Some(Item::Entry(entry)) => Ok(ListedName::Entry(entry.try_into()?)),
            Some(Item::Prefix(prefix)) => Ok(ListedName::Prefix(prefix)),
            None => Err(missing("item")),
        };
        Ok(Self {
            items: m.items.into_iter().map(item).collect::<Result<_, Error>>()?,
            next: m.next_marker.map(|marker| (marker, m.next_version.map(Version))),
        })
    }
}

impl From<Listing<ObjectEntry>> for v1::ListObjectsResponse {
    fn from(listing: Listing<ObjectEntry>) -> Self {
        use v1::listed_object::Item;
        let item = |listed| match listed {
            ListedName::Entry(entry) => Item::Entry(ObjectEntry::into(entry)),
            ListedName::Prefix(prefix) => Item::Prefix(prefix),
        };
        let (next_marker, next_version) = listing.next.unzip();
        Self {
            items: listing
                .items
                .into_iter()
                .map(|listed| v1::ListedObject { item: Some(item(listed)) })
                .collect(),
            next_marker,
            next_version: next_version.flatten().map(|v| v.0),
        }
    }
}

impl TryFrom<v1::ListContainersResponse> for Listing<ContainerEntry> {
    type Error = Error;
    fn try_from(m: v1::ListContainersResponse) -> Result<Self, Error> {
        use v1::listed_container::Item;
        let item = |listed: v1::ListedContainer| match listed.item {
            Some(Item::Entry(entry)) => Ok(ListedName::Entry(entry.try_into()?)),
            Some(Item::Prefix(prefix)) => Ok(ListedName::Prefix(prefix)),
            None => Err(missing("item")),
        };
        Ok(Self {
            items: m.items.into_iter().map(item).collect::<Result<_, Error>>()?,
            next: m.next_marker.map(|marker| (marker, None)),
        })
    }
}

impl From<Listing<ContainerEntry>> for v1::ListContainersResponse {
    fn from(listing: Listing<ContainerEntry>) -> Self {
        use v1::listed_container::Item;
        let item = |listed| match listed {
            ListedName::Entry(entry) => Item::Entry(ContainerEntry::into(entry)),
            ListedName::Prefix(prefix) => Item::Prefix(prefix),
        };
        Self {
            items: listing
                .items
                .into_iter()
                .map(|listed| v1::ListedContainer { item: Some(item(listed)) })
                .collect(),
            next_marker: listing.next.map(|(marker, _)| marker),
        }
    }
}
