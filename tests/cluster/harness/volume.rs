//! Volumes as directories, which tests look into and damage.

use model::VolumeId;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// The directories of volumes, from the line a daemon prints when it serves.
pub fn volumes_of(ready: &Value) -> Vec<PathBuf> {
    ready["volumes"].as_array().unwrap().iter().map(|v| v.as_str().unwrap().into()).collect()
}

/// The number the directory gave a volume.
pub fn numbered(volume: &Path) -> VolumeId {
    let text = std::fs::read_to_string(volume.join("volume.json")).unwrap();
    let identity: Value = serde_json::from_str(&text).unwrap();
    VolumeId(identity["id"].as_u64().unwrap() as u32)
}

/// Every chunk's file.
pub fn chunk_files(volume: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for fan_out in std::fs::read_dir(volume.join("chunks")).unwrap() {
        let entries = std::fs::read_dir(fan_out.unwrap().path()).unwrap();
        files.extend(entries.map(|entry| entry.unwrap().path()));
    }
    files
}

/// The file of one chunk.
pub fn chunk_path(volume: &Path, chunk: &str) -> PathBuf {
    let files = chunk_files(volume);
    files.into_iter().find(|f| f.file_name().unwrap() == chunk).unwrap()
}

/// Removes every chunk of a volume behind its server's back; how many there were.
pub fn empty_volume(volume: &Path) -> usize {
    let files = chunk_files(volume);
    for file in &files {
        std::fs::remove_file(file).unwrap();
    }
    files.len()
}
