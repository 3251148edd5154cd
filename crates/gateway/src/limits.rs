//! The limits of what clients may ask, as `/info` states them.

use client::{AccountName, ContainerName, ObjectName};

/// The longest name of an account, in bytes.
pub const ACCOUNT_NAME_BYTES: usize = AccountName::MAX_BYTES;
/// The longest name of a container, in bytes.
pub const CONTAINER_NAME_BYTES: usize = ContainerName::MAX_BYTES;
/// The longest name of an object, in bytes.
pub const OBJECT_NAME_BYTES: usize = ObjectName::MAX_BYTES;
/// The most metadata items of one thing.
pub const META_COUNT: usize = 90;
/// The longest name of a metadata item, its `X-...-Meta-` not counted.
pub const META_NAME_BYTES: usize = 128;
/// The longest value of a metadata item.
pub const META_VALUE_BYTES: usize = 256;
/// The most bytes of all names and values of one thing's metadata.
pub const META_OVERALL_BYTES: usize = 4096;
/// The longest media type of an object, in bytes.
pub const CONTENT_TYPE_BYTES: usize = 256;
/// The longest value of a header.
pub const HEADER_BYTES: usize = 8192;
/// The largest object that is uploaded in one request. Larger ones are made of segments.
pub const FILE_BYTES: u64 = 5 * 1024 * 1024 * 1024 + 2;
/// The most entries of a page, for accounts and containers.
pub const LISTING: u32 = 10_000;
/// The most objects that a manifest of a static large object names.
pub const MANIFEST_SEGMENTS: usize = 1000;
/// The largest manifest of a static large object, in bytes.
pub const MANIFEST_BYTES: usize = 8 * 1024 * 1024;
/// The most things that one request deletes.
pub const BULK_DELETES: usize = 10_000;
/// The most containers that one archive makes.
pub const BULK_CONTAINERS: usize = 10_000;
/// Failures after which a request that does many things does no more of them.
pub const BULK_FAILURES: usize = 1000;
