//! The files of chunks.

use crate::daemons::volumes;
use std::path::Path;

/// Where a volume keeps its chunks, in directories by name.
const CHUNKS: &str = "chunks";

/// Removes the files of all chunks of a cluster in a directory behind its server's back: a
/// deletion would be the work of a later turn.
pub fn forget(directory: &Path) -> anyhow::Result<()> {
    for volume in volumes(directory) {
        for fan in std::fs::read_dir(volume.join(CHUNKS))? {
            for chunk in std::fs::read_dir(fan?.path())? {
                std::fs::remove_file(chunk?.path())?;
            }
        }
    }
    Ok(())
}
