//! Which chunks the metadata counts on.

use crate::{
    Failure,
    kv::{self, Kind, chunks, head::Head, key::Key},
};
use model::{ChunkName, VolumeId};
use store::Read;

/// Every chunk that a committed version names, with its volume. Not bounded: for verifying a
/// store.
pub fn named_chunks(view: &dyn Read) -> Result<Vec<(VolumeId, ChunkName)>, Failure> {
    let mut named = Vec::new();
    for pair in kv::scan(view, &Key::new(Kind::Head)) {
        let (key, value) = pair?;
        let head: Head = kv::decode(&key, &value)?;
        for extent in head.extents() {
            named.extend(chunks::read(view, extent)?.chunks());
        }
    }
    Ok(named)
}
