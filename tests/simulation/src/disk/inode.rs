//! A file's bytes: as they are, and as a loss of power would leave them.

use crate::random::Rng;

/// Bytes that a disk writes as one.
const SECTOR: u64 = 512;

/// A change of a file.
pub enum Change {
    /// Bytes at an offset.
    Write(u64, Vec<u8>),
    /// Another length.
    Length(u64),
}

/// Bytes, and zeros up to a length.
#[derive(Default, Clone)]
struct Content {
    bytes: Vec<u8>,
    length: u64,
}

impl Content {
    fn apply(&mut self, change: &Change) {
        match change {
            Change::Length(length) => {
                self.length = *length;
                self.bytes.truncate(*length as usize);
            }
            Change::Write(offset, data) => self.write(*offset, data),
        }
    }

    fn write(&mut self, offset: u64, data: &[u8]) {
        let (start, end) = (offset as usize, offset as usize + data.len());
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        self.bytes[start..end].copy_from_slice(data);
        self.length = self.length.max(end as u64);
    }

    /// What a loss of power leaves of a change: all, nothing, a beginning, or some sectors.
    fn apply_torn(&mut self, change: &Change, rng: &mut Rng) {
        let Change::Write(offset, data) = change else {
            if rng.one_in(2) {
                self.apply(change);
            }
            return;
        };
        match rng.below(4) {
            0 => {}
            1 => self.apply(change),
            2 => self.write(*offset, &data[..rng.below(data.len() as u64 + 1) as usize]),
            _ => {
                let mut at = 0;
                while at < data.len() {
                    let left = SECTOR - (offset + at as u64) % SECTOR;
                    let end = (at + left as usize).min(data.len());
                    if rng.one_in(2) {
                        self.write(offset + at as u64, &data[at..end]);
                    }
                    at = end;
                }
            }
        }
    }
}

/// A file.
#[derive(Default)]
pub struct Inode {
    now: Content,
    synced: Content,
    unsynced: Vec<Change>,
}

impl Inode {
    /// Changes it, for those who read it now.
    pub fn change(&mut self, change: Change) {
        self.now.apply(&change);
        self.unsynced.push(change);
    }

    /// Whether a change needs more room: what was allocated is there to be written.
    pub fn grows_by(&self, change: &Change) -> bool {
        match change {
            Change::Write(offset, data) => offset + data.len() as u64 > self.now.length,
            Change::Length(length) => *length > self.now.length,
        }
    }

    /// Makes what it is now survive.
    pub fn sync(&mut self) {
        for change in self.unsynced.drain(..) {
            self.synced.apply(&change);
        }
    }

    /// Whether all of it would survive.
    pub fn is_synced(&self) -> bool {
        self.unsynced.is_empty()
    }

    /// As a copy of it is, all of which would survive.
    pub fn copy(&self) -> Self {
        Self { now: self.now.clone(), synced: self.now.clone(), unsynced: Vec::new() }
    }

    /// Its length.
    pub fn len(&self) -> u64 {
        self.now.length
    }

    /// Reads until the buffer is full or the file ends.
    pub fn read(&self, buf: &mut [u8], offset: u64) -> usize {
        let count = (self.now.length.saturating_sub(offset)).min(buf.len() as u64) as usize;
        let bytes = self.now.bytes.get(offset as usize..).unwrap_or_default();
        let there = bytes.len().min(count);
        buf[..there].copy_from_slice(&bytes[..there]);
        buf[there..count].fill(0);
        count
    }

    /// Keeps what was synced and any part of the rest.
    pub fn lose_power(&mut self, rng: &mut Rng) {
        for change in std::mem::take(&mut self.unsynced) {
            self.synced.apply_torn(&change, rng);
        }
        self.now = self.synced.clone();
    }

    /// Flips one of its bits; false if it has none.
    pub fn flip(&mut self, bit: u64) -> bool {
        let bits = 8 * self.now.bytes.len().min(self.synced.bytes.len()) as u64;
        let Some(at) = bit.checked_rem(bits) else { return false };
        for content in [&mut self.now, &mut self.synced] {
            content.bytes[(at / 8) as usize] ^= 1 << (at % 8);
        }
        true
    }
}
