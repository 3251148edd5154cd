//! Who a data directory is: minted once, and never reused after a wipe.

use crate::Error;
use disk::Disk;
use model::{ClusterId, NodeId};
use serde::{Deserialize, Serialize};
use std::{io, path::Path};

const FILE: &str = "node.json";

/// No identity file is larger.
const MAX_BYTES: u64 = 64 * 1024;

/// The version of the data directory's layout.
const FORMAT: u32 = 1;

/// The record of a data directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    format: u32,
    /// The node's id.
    pub id: NodeId,
    /// The cluster it belongs to, once it knows.
    pub cluster: Option<ClusterId>,
    /// Data partitions of the cluster.
    pub partitions: u32,
    /// The members this node set out to create the cluster with: if it stopped in the middle,
    /// it goes on with the same ones.
    pub founding: Option<Vec<(NodeId, String)>>,
}

impl Identity {
    /// Reads the record of `dir`, or writes that of a new node with id `minted`.
    ///
    /// # Errors
    /// The directory holds something else, or was made for another number of partitions.
    pub fn load(
        disk: &dyn Disk,
        dir: &Path,
        minted: NodeId,
        partitions: u32,
    ) -> Result<Self, Error> {
        let path = dir.join(FILE);
        let io = |action| {
            let path = path.clone();
            move |source| Error::Io { action, path, source }
        };
        let unusable = |why: String| Error::Identity { path: dir.into(), why };
        disk.create_dir_all(dir).map_err(|source| Error::Io {
            action: "create",
            path: dir.into(),
            source,
        })?;
        if !disk.exists(&path).map_err(io("look for"))? {
            let identity =
                Self { format: FORMAT, id: minted, cluster: None, partitions, founding: None };
            identity.save(disk, dir)?;
            return Ok(identity);
        }
        let bytes = disk::read_file(disk, &path, MAX_BYTES).map_err(io("read"))?;
        let identity: Self = serde_json::from_slice(&bytes)
            .map_err(|e| unusable(format!("{FILE} is not a record of a node ({e})")))?;
        if identity.format != FORMAT {
            return Err(unusable(format!(
                "its format is {}, this version of cairn knows {FORMAT}",
                identity.format
            )));
        }
        if identity.partitions != partitions {
            return Err(unusable(format!(
                "it was created with {} partitions, the configuration says {partitions}; \
                 the number cannot change: set it back",
                identity.partitions
            )));
        }
        Ok(identity)
    }

    /// Writes the record, durably.
    pub fn save(&self, disk: &dyn Disk, dir: &Path) -> Result<(), Error> {
        let path = dir.join(FILE);
        let encoded = serde_json::to_vec_pretty(self).map_err(io::Error::other);
        encoded
            .and_then(|bytes| disk::replace_file(disk, &path, &bytes))
            .map_err(|source| Error::Io { action: "write", path, source })
    }
}
