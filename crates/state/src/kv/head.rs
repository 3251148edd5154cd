//! Heads of versions: what listings show, and where the bytes are.

use super::{Key, Kind, Record, decode, key::Parts, misshapen};
use crate::Fatal;
use model::{
    BlobId, ContainerId, ContentId, Hash, Metachunk, Method, ObjectEntry, ObjectName, PolicyName,
    Version,
};
use serde::{Deserialize, Serialize};
use std::ops::Bound;
use store::Read;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Head {
    /// The blob with which the version was made; zeros for a delete marker.
    pub(crate) blob: BlobId,
    /// Zeros for a delete marker.
    pub(crate) content: ContentId,
    pub(crate) size: u64,
    pub(crate) hash: Option<Hash>,
    pub(crate) md5: Option<[u8; 16]>,
    pub(crate) mime_type: String,
    pub(crate) policy: PolicyName,
    pub(crate) created: u64,
    pub(crate) modified: u64,
    /// When the version goes by itself, in seconds since 1970: its entry under `kv::expiry`. Of a
    /// delete marker, which has no such entry: when what it covers was over, unless that was
    /// deleted.
    pub(crate) delete_at: Option<u64>,
    pub(crate) body: Body,
    /// Log time before which the version cannot be removed. No command sets it yet.
    pub(crate) retained_until: Option<u64>,
    /// Whether it cannot be removed until this is taken back. No command sets it yet.
    pub(crate) held: bool,
}

/// What a version's bytes are. The numbers of the variants are permanent; those from `Inline`
/// on are reserved, and a head that names one is unreadable to this build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Body {
    Marker,
    Extents(Vec<Extent>),
    Inline,
    Manifest,
    Symlink,
    Drained,
    Remote,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Extent {
    pub(crate) blob: BlobId,
    pub(crate) origin: BlobId,
    pub(crate) policy: PolicyName,
    pub(crate) method: Method,
    pub(crate) chunk_blocks: u32,
    /// Bytes of content in it.
    pub(crate) bytes: u64,
    /// How many rows the chunk table has; never none.
    pub(crate) rows: u32,
    /// All of them, or none where they are in pages.
    pub(crate) inline: Vec<Metachunk>,
}

impl Record for Head {}

impl Head {
    pub(crate) fn is_marker(&self) -> bool {
        self.body == Body::Marker
    }

    pub(crate) fn is_drained(&self) -> bool {
        self.body == Body::Drained
    }

    /// A delete marker.
    pub(crate) fn marker(policy: PolicyName, created: u64, modified: u64) -> Self {
        Self {
            blob: BlobId::NONE,
            content: ContentId([0; ContentId::LEN]),
            size: 0,
            hash: None,
            md5: None,
            mime_type: String::new(),
            policy,
            created,
            modified,
            delete_at: None,
            body: Body::Marker,
            retained_until: None,
            held: false,
        }
    }

    /// The blobs that belong to the version: the one it was made with, and those of its extents.
    pub(crate) fn blobs(&self) -> impl Iterator<Item = BlobId> + '_ {
        let made_with = (self.blob != BlobId::NONE).then_some(self.blob);
        let others = self.extents().iter().map(|extent| extent.blob);
        made_with.into_iter().chain(others.filter(|blob| *blob != self.blob))
    }

    /// The extents; none for a marker or a drained version.
    pub(crate) fn extents(&self) -> &[Extent] {
        match &self.body {
            Body::Extents(extents) => extents,
            _ => &[],
        }
    }

    pub(crate) fn entry(&self, name: ObjectName, version: Version, latest: bool) -> ObjectEntry {
        ObjectEntry {
            name,
            version,
            latest,
            marker: self.is_marker(),
            drained: self.is_drained(),
            content: self.content,
            size: self.size,
            hash: self.hash,
            md5: self.md5,
            mime_type: self.mime_type.clone(),
            policy: self.policy.clone(),
            created: self.created,
            modified: self.modified,
            delete_at: self.delete_at,
            properties: None,
        }
    }
}

/// All versions of all objects of a container.
pub(crate) fn all(container: &ContainerId) -> Key {
    Key::new(Kind::Head).bytes(&container.0)
}

/// All versions of an object, the newest first.
pub(crate) fn versions(container: &ContainerId, name: &str) -> Key {
    all(container).name(name)
}

pub(crate) fn key(container: &ContainerId, name: &str, version: Version) -> Key {
    versions(container, name).u64(!version.0)
}

/// The object's name, as it is escaped in the key, with its end; and the version.
pub(crate) fn split(key: &[u8]) -> Result<(&[u8], Version), Fatal> {
    let (name, version) = key.split_last_chunk::<8>().ok_or_else(|| misshapen(key))?;
    Ok((name, Version(!u64::from_be_bytes(*version))))
}

/// The container.
pub(crate) fn container(key: &[u8]) -> Result<ContainerId, Fatal> {
    Parts::of(key).fixed().map(ContainerId).ok_or_else(|| misshapen(key))
}

/// The object's name.
pub(crate) fn name(key: &[u8]) -> Result<String, Fatal> {
    let mut parts = Parts::of(key);
    parts.fixed::<{ ContainerId::LEN }>().and_then(|_| parts.name()).ok_or_else(|| misshapen(key))
}

/// A version as it is stored.
pub(crate) type Versioned = (Version, Head);

/// Up to `limit` versions of an object, the newest first.
pub(crate) fn newest(
    view: &dyn Read,
    container: &ContainerId,
    name: &ObjectName,
    limit: usize,
) -> Result<Vec<Versioned>, Fatal> {
    super::scan(view, &versions(container, name.as_str())).take(limit).map(versioned).collect()
}

/// The newest version of an object.
pub(crate) fn latest(
    view: &dyn Read,
    container: &ContainerId,
    name: &ObjectName,
) -> Result<Option<Versioned>, Fatal> {
    Ok(newest(view, container, name, 1)?.pop())
}

/// One version of an object.
pub(crate) fn exact(
    view: &dyn Read,
    container: &ContainerId,
    name: &ObjectName,
    version: Version,
) -> Result<Option<Head>, Fatal> {
    super::get(view, key(container, name.as_str(), version).as_bytes())
}

/// Whether a version is the newest of its name.
pub(crate) fn is_latest(
    view: &dyn Read,
    container: &ContainerId,
    name: &ObjectName,
    version: Version,
) -> Result<bool, Fatal> {
    let from = versions(container, name.as_str());
    let to = key(container, name.as_str(), version);
    let newer = Bound::Excluded(to.as_bytes());
    Ok(view.range(Bound::Included(from.as_bytes()), newer, false).next().transpose()?.is_none())
}

fn versioned(pair: Result<store::Pair, store::Error>) -> Result<Versioned, Fatal> {
    let (key, value) = pair?;
    Ok((split(&key)?.1, decode(&key, &value)?))
}
