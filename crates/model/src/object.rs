//! Accounts, containers, objects, and listings of them.

use crate::{
    AccountName, ContainerId, ContainerName, ContentId, Error, ErrorKind, Extent, Hash, JobId,
    ObjectName, PolicyName, Subject, Version,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// User-defined keys and values.
pub type Properties = BTreeMap<String, String>;

/// An account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Its name.
    pub name: AccountName,
    /// Containers listed in it.
    pub containers: u64,
    /// Versions in all its containers, delete markers not counted, as last reported by them: as
    /// the sums below.
    pub objects: u64,
    /// Bytes of all versions.
    pub bytes: u64,
    /// Names whose newest version is no delete marker.
    pub live_objects: u64,
    /// Bytes of those versions.
    pub live_bytes: u64,
    /// Log time of its creation, in microseconds since 1970.
    pub created: u64,
    /// User properties.
    pub properties: Properties,
}

/// A container in its account's listing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerEntry {
    /// Its name.
    pub name: ContainerName,
    /// Versions in it, delete markers not counted.
    pub objects: u64,
    /// Bytes of all versions.
    pub bytes: u64,
    /// Names whose newest version is no delete marker.
    pub live_objects: u64,
    /// Bytes of those versions.
    pub live_bytes: u64,
    /// Log time of its last change, in microseconds since 1970.
    pub modified: u64,
}

/// Whether a container takes no writes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Frozen {
    /// It takes them.
    #[default]
    No,
    /// It takes none until a job is done with it, or its lease is over.
    Lease {
        /// The job that holds the lease.
        job: JobId,
        /// Log time at which the lease ends unless it is renewed, in microseconds since 1970.
        until: u64,
    },
    /// It takes none until somebody thaws it.
    Forever,
}

impl Frozen {
    /// Whether writes are refused at a log time.
    pub fn at(self, now: u64) -> bool {
        match self {
            Self::No => false,
            Self::Lease { until, .. } => until > now,
            Self::Forever => true,
        }
    }

    /// How a write to a container is refused at a log time, if it is.
    pub fn refusal(self, container: &ContainerName, now: u64) -> Option<Error> {
        let refuse = |kind, message| Some(Error::new(kind, Subject::Container, message));
        match self {
            Self::Lease { .. } if self.at(now) => refuse(
                ErrorKind::Unavailable,
                format!("container {container} is frozen while a snapshot of it is made"),
            ),
            Self::Forever => refuse(
                ErrorKind::Conflict,
                format!("container {container} is frozen until somebody thaws it"),
            ),
            Self::Lease { .. } | Self::No => None,
        }
    }
}

/// How many versions of an object a container keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Versioning {
    /// An object that exists cannot be overwritten.
    Disabled,
    /// An overwrite removes the version before it: one version of each object.
    Suspended,
    /// Every version is kept.
    Unlimited,
    /// Every version is kept until a purge keeps the newest so many (2 or more).
    Keep(u32),
}

impl Versioning {
    /// OpenIO's number for it: 0, 1, below 0, or N.
    pub fn number(self) -> i64 {
        match self {
            Self::Disabled => 0,
            Self::Suspended => 1,
            Self::Unlimited => -1,
            Self::Keep(n) => n.into(),
        }
    }

    /// From OpenIO's number.
    pub fn from_number(number: i64) -> Result<Self, Error> {
        Ok(match number {
            ..0 => Self::Unlimited,
            0 => Self::Disabled,
            1 => Self::Suspended,
            n => Self::Keep(u32::try_from(n).map_err(|_| {
                Error::invalid(format!("cannot keep {n} versions; the most is {}", u32::MAX))
            })?),
        })
    }

    /// Whether an overwrite keeps the version before it and a delete leaves a marker.
    pub fn keeps_versions(self) -> bool {
        matches!(self, Self::Unlimited | Self::Keep(_))
    }
}

/// A container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Container {
    /// Its id.
    pub id: ContainerId,
    /// The account it is in.
    pub account: AccountName,
    /// Its name.
    pub name: ContainerName,
    /// Which of the containers that ever had this name it is: commits name it.
    pub incarnation: u64,
    /// Log time of its creation, in microseconds since 1970.
    pub created: u64,
    /// Log time of its last change, in microseconds since 1970.
    pub modified: u64,
    /// Its own policy; the cluster's default otherwise.
    pub policy: Option<PolicyName>,
    /// How many versions it keeps.
    pub versioning: Versioning,
    /// Most bytes it may hold.
    pub quota: Option<u64>,
    /// Versions stored, delete markers not counted.
    pub objects: u64,
    /// Bytes of all versions.
    pub bytes: u64,
    /// Names whose newest version is no delete marker.
    pub live_objects: u64,
    /// Bytes of those versions.
    pub live_bytes: u64,
    /// Whether it takes no writes.
    pub frozen: Frozen,
    /// The container it is a snapshot of.
    pub snapshot_of: Option<ContainerId>,
    /// User properties.
    pub properties: Properties,
}

/// What a version's bytes are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Body {
    /// Nothing: the version is a delete marker.
    Marker,
    /// Extents, in the order of the content; none for an empty content.
    Extents(Vec<Extent>),
}

/// A version of an object, in listings and heads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectEntry {
    /// The object's name.
    pub name: ObjectName,
    /// Its version.
    pub version: Version,
    /// Whether it is the newest version of its name.
    pub latest: bool,
    /// Whether it is a delete marker.
    pub marker: bool,
    /// Whether its content was drained: the metadata is all that is left.
    pub drained: bool,
    /// The id of its content; zeros for a delete marker.
    pub content: ContentId,
    /// Bytes of content.
    pub size: u64,
    /// BLAKE3 of the content; absent where it is not known (after an append, say).
    pub hash: Option<Hash>,
    /// MD5 of the content, where the writer asked for it.
    #[serde(with = "md5_hex")]
    pub md5: Option<[u8; 16]>,
    /// The media type the writer gave.
    pub mime_type: String,
    /// The policy it was written with.
    pub policy: PolicyName,
    /// Log time of the first commit of this version, in microseconds since 1970.
    pub created: u64,
    /// Log time of the last change of its data or properties, in microseconds since 1970.
    pub modified: u64,
    /// When the version goes by itself, in seconds since 1970. Of a delete marker: since when what
    /// it covers is over, unless somebody deleted that.
    pub delete_at: Option<u64>,
    /// User properties, in listings that asked for them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub properties: Option<Properties>,
}

impl ObjectEntry {
    /// The entity tag in hexadecimal: MD5 where there is one, else BLAKE3.
    pub fn etag(&self) -> Option<String> {
        match (&self.md5, &self.hash) {
            (Some(md5), _) => Some(hex::encode(md5)),
            (None, Some(hash)) => Some(hash.to_string()),
            (None, None) => None,
        }
    }
}

mod md5_hex {
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

    pub fn serialize<S: Serializer>(v: &Option<[u8; 16]>, s: S) -> Result<S::Ok, S::Error> {
        if s.is_human_readable() { v.map(hex::encode).serialize(s) } else { v.serialize(s) }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Option<[u8; 16]>, D::Error> {
        if !d.is_human_readable() {
            return Deserialize::deserialize(d);
        }
        let text: Option<String> = Deserialize::deserialize(d)?;
        text.map(|t| {
            let mut bytes = [0; 16];
            hex::decode_to_slice(&t, &mut bytes).map_err(de::Error::custom)?;
            Ok(bytes)
        })
        .transpose()
    }
}

/// A version of an object, whole: what a locate answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Object {
    /// What listings show of it.
    #[serde(flatten)]
    pub entry: ObjectEntry,
    /// User properties.
    pub properties: Properties,
    /// Where its bytes are.
    pub body: Body,
}

impl Object {
    /// Its extents; none for a delete marker or an empty content.
    pub fn extents(&self) -> &[Extent] {
        match &self.body {
            Body::Extents(extents) => extents,
            Body::Marker => &[],
        }
    }
}

/// What must hold of an object when a command is applied.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Precondition {
    /// Nothing.
    #[default]
    None,
    /// No live object has the name; one that is to go by now is none.
    Absent,
    /// The latest version is this one.
    Version(Version),
    /// The latest version's entity tag is this one, in hexadecimal.
    Etag(String),
}

/// Which part of a listing is wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListQuery {
    /// Names that start with this.
    pub prefix: String,
    /// Fold names that have this behind the prefix into one entry.
    pub delimiter: String,
    /// Only names after this one (before it in reverse), exclusive; with `marker_version`, also
    /// what follows that version of this name.
    pub marker: String,
    /// The version of `marker` that the page before ended with.
    pub marker_version: Option<Version>,
    /// Only names before this one (after it in reverse), exclusive.
    pub end_marker: String,
    /// Most entries wanted; the server may give fewer.
    pub limit: u32,
    /// Every version and marker, not only the newest live ones.
    pub versions: bool,
    /// Only names whose newest version is a delete marker.
    pub deleted: bool,
    /// User properties with the entries (of objects).
    pub properties: bool,
    /// The same entries in the reverse order: the last name first, and of each name the oldest
    /// version.
    pub reverse: bool,
}

/// An entry of a listing: something, or what a delimiter folded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ListedName<T> {
    /// An entry.
    Entry(T),
    /// Names that share this prefix, which ends in the delimiter.
    Prefix(String),
}

/// A page of a listing. What a server gives may be empty before the end, where it read through
/// much that is not listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listing<T> {
    /// Entries and prefixes in byte order of names, versions newest first; or in reverse.
    pub items: Vec<ListedName<T>>,
    /// Where the next page starts, unless this is the last: marker and its version.
    pub next: Option<(String, Option<Version>)>,
}
