//! How far the states of another partition's containers were taken over: the log index of the
//! last one. What comes with an index up to it is old.

use super::{Key, Kind, Record};
use model::PartitionId;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mark(pub(crate) u64);

impl Record for Mark {}

pub(crate) fn key(source: PartitionId) -> Key {
    Key::new(Kind::Inbound).u32(source.0)
}
