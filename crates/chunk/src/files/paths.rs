//! Where things are in a volume's directory.

use model::ChunkName;
use std::path::{Path, PathBuf};

/// The paths of a volume.
#[derive(Debug, Clone)]
pub struct Paths {
    root: PathBuf,
    digits: u8,
}

impl Paths {
    /// Digits of the fan-out of volumes formatted today: 256 directories, so that a million
    /// chunks are some 4,000 names each. More would only cost: an empty directory takes a block
    /// of the disk and, when the volume is formatted, a sync.
    pub const DIGITS: u8 = 2;

    /// Of a volume whose fan-out has `digits` hexadecimal digits, 1 to 3.
    pub fn new(root: &Path, digits: u8) -> Self {
        Self { root: root.into(), digits: digits.clamp(1, 3) }
    }

    /// The volume's directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// What the volume is.
    pub fn identity(&self) -> PathBuf {
        self.root.join("volume.json")
    }

    /// There while the volume is being formatted.
    pub fn formatting(&self) -> PathBuf {
        self.root.join("formatting")
    }

    /// Held by the process that serves the volume.
    pub fn lock(&self) -> PathBuf {
        self.root.join("lock")
    }

    /// Chunks being written.
    pub fn temporaries(&self) -> PathBuf {
        self.root.join("tmp")
    }

    /// The inventory.
    pub fn index(&self) -> PathBuf {
        self.root.join("index")
    }

    /// Directories of the fan-out.
    pub fn fan_outs(&self) -> u32 {
        1 << (4 * u32::from(self.digits))
    }

    /// One directory of the fan-out.
    pub fn nth_fan_out(&self, n: u32) -> PathBuf {
        let digits = usize::from(self.digits);
        self.root.join("chunks").join(format!("{n:0digits$x}"))
    }

    /// The directory of a chunk, by the first of the blob's random bytes: the two before them
    /// are those of a container's slot and would gather its chunks.
    pub fn fan_out(&self, name: &ChunkName) -> PathBuf {
        let [_, _, a, b, ..] = name.blob.0;
        let bits = u32::from(u16::from_be_bytes([a, b]));
        self.nth_fan_out(bits >> (16 - 4 * u32::from(self.digits)))
    }

    /// A chunk's file.
    pub fn chunk(&self, name: &ChunkName) -> PathBuf {
        self.fan_out(name).join(name.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_fan_out_by_their_blobs_random_bytes() {
        let name: ChunkName =
            "0001abcdef060708090a0b0c0d0e0f00.7.11.0123456789abcdef".parse().unwrap();
        let paths = Paths::new(Path::new("/v"), 3);
        assert_eq!(paths.chunk(&name), Path::new("/v/chunks/abc").join(name.to_string()));
        assert_eq!((paths.fan_outs(), paths.nth_fan_out(0)), (4096, "/v/chunks/000".into()));
        let one = Paths::new(Path::new("/v"), 1);
        assert_eq!((one.fan_outs(), one.fan_out(&name)), (16, "/v/chunks/a".into()));
    }
}
