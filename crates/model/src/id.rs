//! Identifiers. Fixed-size ones are shown as lower-case hexadecimal and parsed back from it.

use crate::{AccountName, ContainerName, Error};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::{fmt, str::FromStr};

macro_rules! bytes_id {
    ($(#[$doc:meta])* $name:ident, $len:literal, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; $len]);

        impl $name {
            /// Its length in bytes.
            pub const LEN: usize = $len;

            /// The bytes.
            pub fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }
        }

        impl TryFrom<&[u8]> for $name {
            type Error = Error;
            fn try_from(bytes: &[u8]) -> Result<Self, Error> {
                bytes.try_into().map(Self).map_err(|_| {
                    Error::invalid(format!(
                        concat!($what, " has {} bytes; it must have ", $len), bytes.len()
                    ))
                })
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }

        impl FromStr for $name {
            type Err = Error;
            fn from_str(s: &str) -> Result<Self, Error> {
                let mut bytes = [0; $len];
                hex::decode_to_slice(s, &mut bytes).map_err(|_| {
                    Error::invalid(format!(
                        concat!($what, " must be ", $len, " bytes in hexadecimal, not {:?}"),
                        s.chars().take(80).collect::<String>()
                    ))
                })?;
                Ok(Self(bytes))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                if s.is_human_readable() { s.collect_str(self) } else { self.0.serialize(s) }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                if d.is_human_readable() {
                    String::deserialize(d)?.parse().map_err(de::Error::custom)
                } else {
                    <[u8; $len]>::deserialize(d).map(Self)
                }
            }
        }
    };
}

bytes_id!(
    /// A cluster, drawn at random when it is created.
    ClusterId, 16, "a cluster id"
);
bytes_id!(
    /// A container: BLAKE3 over the length-prefixed names of its account and itself.
    ContainerId, 32, "a container id"
);
bytes_id!(
    /// A body of bytes: two routing bytes of its container's slot, and 14 random ones.
    BlobId, 16, "a blob id"
);
bytes_id!(
    /// A content, unique in its container. The one that the writer chose, or else the bytes of
    /// the blob it was first committed with.
    ContentId, 16, "a content id"
);
bytes_id!(
    /// A long piece of work that a client runs, drawn at random when it starts.
    JobId, 16, "a job id"
);
bytes_id!(
    /// A client's name for one mutation; a repetition is answered, not applied again.
    RequestId, 16, "a request id"
);
bytes_id!(
    /// BLAKE3 of a content.
    Hash, 32, "a hash"
);

macro_rules! number_id {
    ($(#[$doc:meta])* $name:ident, $int:ty) => {
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize,
            Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(pub $int);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = Error;
            fn from_str(s: &str) -> Result<Self, Error> {
                s.parse().map(Self).map_err(|_| {
                    Error::invalid(format!("{:?} is not the number of a {}", s,
                        stringify!($name).trim_end_matches("Id").to_lowercase()))
                })
            }
        }
    };
}

number_id!(
    /// A metadata node: minted with its data directory, so a wiped directory is a new node.
    NodeId, u64
);
number_id!(
    /// A volume; the directory hands numbers out in order and never reuses one.
    VolumeId, u32
);
number_id!(
    /// A slice of the metadata. Partition 0 is the directory.
    PartitionId, u32
);
number_id!(
    /// A version of an object: log time of its commit in microseconds since 1970, in steps of 10.
    Version, u64
);
number_id!(
    /// One of the 65,536 slots that container ids hash to.
    Slot, u16
);

impl PartitionId {
    /// The partition that holds the cluster map.
    pub const DIRECTORY: PartitionId = PartitionId(0);
}

/// One copy of a chunk ever made: 48 bits of log time in milliseconds, 16 random bits.
/// Shown as 16 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WriteId(pub u64);

impl WriteId {
    /// Mints an id from log time in milliseconds and 16 random bits.
    pub fn new(millis: u64, random: u16) -> Self {
        Self((millis << 16) | u64::from(random))
    }

    /// The log time of its minting, in milliseconds since 1970.
    pub fn millis(self) -> u64 {
        self.0 >> 16
    }
}

impl fmt::Display for WriteId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for WriteId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WriteId({self})")
    }
}

impl FromStr for WriteId {
    type Err = Error;
    fn from_str(s: &str) -> Result<Self, Error> {
        let canonical = s.len() == 16 && s.bytes().all(|b| b"0123456789abcdef".contains(&b));
        let number = u64::from_str_radix(s, 16).ok().filter(|_| canonical);
        number.map(Self).ok_or_else(|| Error::invalid("a write id must be 16 hexadecimal digits"))
    }
}

impl ContainerId {
    /// The id of a container, from its names.
    pub fn of(account: &AccountName, container: &ContainerName) -> Self {
        let mut hasher = blake3::Hasher::new();
        for name in [account.as_str(), container.as_str()] {
            hasher.update(&(name.len() as u32).to_le_bytes());
            hasher.update(name.as_bytes());
        }
        Self(*hasher.finalize().as_bytes())
    }

    /// The slot its metadata lives in.
    pub fn slot(&self) -> Slot {
        Slot(u16::from_be_bytes([self.0[0], self.0[1]]))
    }
}

impl AccountName {
    /// The slot the account's record and container list live in.
    pub fn slot(&self) -> Slot {
        let hash = blake3::hash(self.as_str().as_bytes());
        Slot(u16::from_be_bytes([hash.as_bytes()[0], hash.as_bytes()[1]]))
    }
}

impl From<BlobId> for ContentId {
    /// The id of a content whose writer chose none.
    fn from(blob: BlobId) -> Self {
        Self(blob.0)
    }
}

impl BlobId {
    /// Of what no upload made: a delete marker, say.
    pub const NONE: BlobId = BlobId([0; 16]);

    /// A blob of a container in `slot`, from 14 random bytes.
    pub fn new(slot: Slot, random: [u8; 14]) -> Self {
        let mut bytes = [0; 16];
        bytes[..2].copy_from_slice(&slot.0.to_be_bytes());
        bytes[2..].copy_from_slice(&random);
        Self(bytes)
    }

    /// The slot of the container it was prepared for: where its owner is asked.
    pub fn slot(&self) -> Slot {
        Slot(u16::from_be_bytes([self.0[0], self.0[1]]))
    }
}
