//! Answers under the request ids they were given to, and those ids by age.

use super::{Key, Kind, Record, key::Parts, misshapen};
use crate::{Fatal, Reply};
use model::RequestId;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Answered {
    /// Log time of the command.
    pub(crate) at: u64,
    pub(crate) reply: Reply,
}

impl Record for Answered {}

pub(crate) fn key(request: &RequestId) -> Key {
    Key::new(Kind::Request).bytes(&request.0)
}

/// Ids in the order of their commands: by log time, then by log index.
pub(crate) fn expiry() -> Key {
    Key::new(Kind::RequestExpiry)
}

pub(crate) fn expiry_key(at: u64, index: u64, request: &RequestId) -> Key {
    expiry().u64(at).u64(index).bytes(&request.0)
}

/// Log time and id of an entry of the order.
pub(crate) fn parse_expiry(key: &[u8]) -> Result<(u64, RequestId), Fatal> {
    let mut parts = Parts::of(key);
    let (at, _index) = (parts.u64(), parts.u64());
    let entry = at.zip(parts.fixed().map(RequestId));
    entry.and_then(|entry| parts.end(entry)).ok_or_else(|| misshapen(key))
}
