//! Which version has a content id. Written and removed in the version's own batch.

use super::{Key, Kind, Record};
use model::{ContainerId, ContentId, ObjectName, Version};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Content {
    pub(crate) object: ObjectName,
    pub(crate) version: Version,
}

impl Record for Content {}

pub(crate) fn key(container: &ContainerId, content: &ContentId) -> Key {
    Key::new(Kind::Content).bytes(&container.0).bytes(&content.0)
}
