//! Who a data directory is: minted once, and never reused after a wipe.

use crate::{Error, witness::Boot};
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
    /// The newest boot, once there was one.
    pub boot: Option<BootRecord>,
    /// Why the directory must not be used any more, if that was found out.
    pub quarantined: Option<String>,
}

/// A boot as its own node records it, before anybody else hears of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BootRecord {
    /// The boot.
    pub boot: Boot,
    /// The last one before that was admitted.
    pub previous: Option<Boot>,
    /// Up to which sequence the log was found when it was begun. Later attempts to be admitted
    /// write to the log as well, and must not make it look longer than it was.
    pub found: u64,
    /// Whether the node was admitted and has acted since.
    pub admitted: bool,
}

impl Identity {
    /// The record of a new node. Not saved yet: there is none without a boot, or a node could
    /// begin its first one twice.
    pub fn new(id: NodeId, partitions: u32) -> Self {
        Self {
            format: FORMAT,
            id,
            cluster: None,
            partitions,
            founding: None,
            boot: None,
            quarantined: None,
        }
    }

    /// Reads the record of `dir`, which is created if it is missing.
    ///
    /// # Errors
    /// The directory holds something else, or was made for another number of partitions.
    pub fn load(disk: &dyn Disk, dir: &Path, partitions: u32) -> Result<Option<Self>, Error> {
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
            return Ok(None);
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
        Ok(Some(identity))
    }

    /// The boot that this start begins, in place of the last one if that was not admitted. Saved
    /// before anybody hears of it.
    pub fn begin_boot(&mut self, nonce: u64, found: u64) -> Boot {
        if let Some(BootRecord { boot, admitted: false, .. }) = &mut self.boot {
            boot.nonce = nonce;
            return *boot;
        }
        let previous = self.boot.as_ref().map(|record| record.boot);
        let boot = Boot { number: previous.map_or(1, |p| p.number + 1), nonce };
        self.boot = Some(BootRecord { boot, previous, found, admitted: false });
        boot
    }

    /// The node acts from now on. Saved before it does.
    pub fn set_admitted(&mut self) {
        if let Some(record) = &mut self.boot {
            record.admitted = true;
        }
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
