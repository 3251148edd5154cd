//! The records of a partition: one file for each kind, or for kinds that are written together.
//!
//! A key begins with the discriminant of its kind, which is permanent; a value begins with the
//! version of its format, followed by the record in postcard's encoding.

pub(crate) mod account;
pub(crate) mod barred;
pub(crate) mod chunks;
pub(crate) mod cluster;
pub(crate) mod container;
pub(crate) mod content;
pub(crate) mod deletion;
pub(crate) mod expiry;
pub(crate) mod head;
pub(crate) mod inbound;
pub(crate) mod key;
pub(crate) mod listed;
pub(crate) mod outbox;
pub(crate) mod owner;
pub(crate) mod partition;
pub(crate) mod properties;
pub(crate) mod rebuild;
pub(crate) mod repair;
pub(crate) mod request;
pub(crate) mod scan;
pub(crate) mod staged;
pub(crate) mod user;
pub(crate) mod volume;

use crate::{Fatal, txn::Txn};
use key::Key;
use serde::{Serialize, de::DeserializeOwned};
use std::ops::Bound;
use store::Read;

pub use partition::FEATURE_LEVEL;

/// Keys that begin with this byte belong to whoever drives the state machine (the applied
/// index, the membership): they are no part of the state and not in its hash.
pub const DRIVER_PREFIX: u8 = 0;

macro_rules! kinds {
    ($($(#[$meta:meta])* $name:ident = $byte:literal,)*) => {
        /// What a key leads to: its first byte. A number that was given is never given again.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(u8)]
        pub(crate) enum Kind { $($(#[$meta])* $name = $byte,)* }

        impl Kind {
            #[cfg(test)]
            pub(crate) const ALL: &[Kind] = &[$(Kind::$name,)*];

            pub(crate) fn name(byte: u8) -> &'static str {
                match byte {
                    $($byte => stringify!($name),)*
                    _ => "unknown",
                }
            }
        }
    };
}

kinds! {
    /// Log time, fence, counters.
    Partition = 0x01,
    /// The hash over all other records.
    Digest = 0x02,
    Account = 0x10,
    AccountProperties = 0x11,
    /// A container in its account's list.
    Listed = 0x12,
    /// How far the states of another partition's containers were taken over.
    Inbound = 0x13,
    Container = 0x20,
    ContainerProperties = 0x21,
    /// A version of an object.
    Head = 0x22,
    ObjectProperties = 0x23,
    /// Rows of a chunk table that is too long for its head.
    ChunkPage = 0x24,
    /// The version that a blob became.
    Owner = 0x25,
    /// A blob that must not be committed.
    Barred = 0x26,
    BarredExpiry = 0x27,
    /// Versions by the time they go by themselves.
    Expiry = 0x28,
    /// Reserved: small contents.
    #[allow(dead_code, reason = "its number is taken")]
    Inline = 0x29,
    /// The version that has a content id.
    Content = 0x2A,
    /// What is known of the chunk table of a blob that is staged and not committed yet.
    Staged = 0x2B,
    StagedExpiry = 0x2C,
    /// States of containers on their way to their accounts.
    Outbox = 0x30,
    OutboxPointer = 0x31,
    Deletion = 0x40,
    Repair = 0x41,
    RepairPointer = 0x42,
    /// How far a scan for the chunks of a volume is.
    VolumeScan = 0x43,
    /// A chunk that is being made and is not named by a chunk table yet.
    Rebuild = 0x44,
    Request = 0x50,
    RequestExpiry = 0x51,
    Cluster = 0x60,
    Node = 0x61,
    Volume = 0x62,
    VolumeIdentity = 0x63,
    Policy = 0x64,
    Members = 0x65,
    Slots = 0x66,
    User = 0x67,
}

/// A value of some key.
pub(crate) trait Record: Serialize + DeserializeOwned {
    /// The version of its format.
    const FORMAT: u8 = 1;
}

/// The value of index keys, which say it all themselves.
#[derive(serde::Serialize, serde::Deserialize)]
pub(crate) struct Present;

impl Record for Present {}

/// Reads a record, if its key exists.
pub(crate) fn get<R: Record>(view: &dyn Read, key: &[u8]) -> Result<Option<R>, Fatal> {
    view.get(key)?.map(|value| decode(key, &value)).transpose()
}

/// Writes a record.
pub(crate) fn put<R: Record>(txn: &mut Txn, key: Key, record: &R) -> Result<(), Fatal> {
    let key = key.into_bytes();
    let value = postcard::to_extend(record, vec![R::FORMAT])
        .map_err(|e| unreadable(&key, format!("it cannot be encoded: {e}")))?;
    txn.put(key, value);
    Ok(())
}

/// Reads a value of a key.
pub(crate) fn decode<R: Record>(key: &[u8], value: &[u8]) -> Result<R, Fatal> {
    match value.split_first() {
        Some((format, body)) if *format == R::FORMAT => match postcard::take_from_bytes(body) {
            Ok((record, [])) => Ok(record),
            Ok((_, rest)) => Err(unreadable(key, format!("{} bytes follow it", rest.len()))),
            Err(error) => Err(unreadable(key, error.to_string())),
        },
        Some((format, _)) => Err(unreadable(key, format!("its format {format} is unknown"))),
        None => Err(unreadable(key, "it is empty".into())),
    }
}

/// A record that cannot be read.
pub(crate) fn unreadable(key: &[u8], reason: String) -> Fatal {
    let hex = key.iter().map(|b| format!("{b:02x}")).collect();
    Fatal::Record { kind: Kind::name(key.first().copied().unwrap_or(0)), key: hex, reason }
}

/// A key whose parts cannot be told.
pub(crate) fn misshapen(key: &[u8]) -> Fatal {
    unreadable(key, "its key is misshapen".into())
}

/// The pairs whose keys begin with a prefix, ascending.
pub(crate) fn scan<'a>(view: &'a dyn Read, prefix: &Key) -> store::Pairs<'a> {
    between(view, prefix, prefix)
}

/// The pairs from a key on up to the last that begins with a prefix, ascending.
pub(crate) fn between<'a>(view: &'a dyn Read, from: &Key, prefix: &Key) -> store::Pairs<'a> {
    let end = prefix.clone().successor();
    view.range(Bound::Included(from.as_bytes()), Bound::Excluded(&end), false)
}
