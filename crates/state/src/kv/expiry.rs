//! Versions by the time they go by themselves. Written and removed in the batch of the version's
//! head, which says the same.

use super::{Key, Kind, key::Parts, misshapen};
use crate::Fatal;
use model::{ContainerId, ObjectName, Version};

pub(crate) fn all() -> Key {
    Key::new(Kind::Expiry)
}

/// The entry of a version that goes at `seconds` since 1970.
pub(crate) fn key(seconds: u64, container: &ContainerId, name: &str, version: Version) -> Key {
    all().u64(seconds).bytes(&container.0).name(name).u64(!version.0)
}

/// The version.
pub(crate) fn parse(key: &[u8]) -> Result<(ContainerId, ObjectName, Version), Fatal> {
    let mut parts = Parts::of(key);
    let entry = parts.u64().and_then(|_| {
        let container = parts.fixed().map(ContainerId)?;
        let object = parts.name()?.parse().ok()?;
        let version = Version(!parts.u64()?);
        parts.end((container, object, version))
    });
    entry.ok_or_else(|| misshapen(key))
}
