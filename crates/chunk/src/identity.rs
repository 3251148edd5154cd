//! What a volume says it is, and what a server remembers of the volumes it saw.

use crate::OpenError;
use disk::{Disk, read_file, replace_file};
use model::{ClusterId, VolumeId};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// The format of volumes that this code writes.
pub const VOLUME_FORMAT: u32 = 1;

/// Files of ours are far smaller.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// The content of `volume.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// [`VOLUME_FORMAT`].
    pub format: u32,
    /// 16 random bytes in hexadecimal, drawn when the volume was formatted.
    pub identity: String,
    /// Digits of the fan-out.
    pub fan_out_digits: u8,
    /// The cluster, once it is known.
    pub cluster: Option<ClusterId>,
    /// The number the directory gave it, once it did.
    pub id: Option<VolumeId>,
}

impl Identity {
    /// Reads the identity of a volume; `None` if the file is missing.
    pub fn read(disk: &dyn Disk, path: &Path) -> Result<Option<Self>, OpenError> {
        // A later format may have other fields: its number is looked at first.
        #[derive(Deserialize)]
        struct Format {
            format: u32,
        }
        let Some(Format { format }) = read_json(disk, path)? else { return Ok(None) };
        if format > VOLUME_FORMAT {
            let path = path.parent().unwrap_or(path).into();
            return Err(OpenError::Newer { path, format, known: VOLUME_FORMAT });
        }
        let identity: Option<Self> = read_json(disk, path)?;
        let sound = |i: &Self| {
            let digits = i.identity.bytes().all(|b| b.is_ascii_hexdigit());
            digits && i.identity.len() == 32 && (1..=3).contains(&i.fan_out_digits)
        };
        if identity.as_ref().is_some_and(|i| !sound(i)) {
            return Err(OpenError::Malformed {
                path: path.into(),
                reason: "its identity or its fan-out is out of bounds".into(),
            });
        }
        Ok(identity)
    }

    /// Writes it so that it survives a crash, whole.
    pub fn write(&self, disk: &dyn Disk, path: &Path) -> Result<(), OpenError> {
        write_json(disk, path, self)
    }
}

/// What a server saw at which path, in its data directory: an empty mount point where a volume
/// used to be must not become a new volume.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Memory {
    /// The cluster, once it is known.
    pub cluster: Option<ClusterId>,
    /// The identity last seen at each path.
    pub volumes: BTreeMap<PathBuf, String>,
}

impl Memory {
    /// The file's path in a data directory.
    pub fn path(data_dir: &Path) -> PathBuf {
        data_dir.join("volumes.json")
    }

    /// Reads it; empty if there is none.
    pub fn read(disk: &dyn Disk, data_dir: &Path) -> Result<Self, OpenError> {
        Ok(read_json(disk, &Self::path(data_dir))?.unwrap_or_default())
    }

    /// Writes it.
    pub fn write(&self, disk: &dyn Disk, data_dir: &Path) -> Result<(), OpenError> {
        write_json(disk, &Self::path(data_dir), self)
    }
}

fn read_json<T: DeserializeOwned>(disk: &dyn Disk, path: &Path) -> Result<Option<T>, OpenError> {
    let io = |source| OpenError::Io { action: "read", path: path.into(), source };
    if !disk.exists(path).map_err(io)? {
        return Ok(None);
    }
    let bytes = read_file(disk, path, MAX_FILE_BYTES).map_err(io)?;
    let parsed = serde_json::from_slice(&bytes);
    parsed.map(Some).map_err(|e| OpenError::Malformed { path: path.into(), reason: e.to_string() })
}

fn write_json<T: Serialize>(disk: &dyn Disk, path: &Path, value: &T) -> Result<(), OpenError> {
    let io = |source| OpenError::Io { action: "write", path: path.into(), source };
    let mut text = serde_json::to_vec_pretty(value).map_err(|e| io(e.into()))?;
    text.push(b'\n');
    replace_file(disk, path, &text).map_err(io)
}
