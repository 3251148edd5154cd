//! Contents of objects, and what can be seen of them.

use bytes::Bytes;
use std::{
    collections::{BTreeMap, HashMap},
    ops::Range,
};

/// A content, by the first bytes of its BLAKE3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Content(pub u64);

impl Content {
    /// Of some bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self::of_hash(blake3::hash(bytes).as_bytes())
    }

    /// Of bytes with this hash.
    pub fn of_hash(hash: &[u8; 32]) -> Self {
        let mut first = [0; 8];
        first.copy_from_slice(&hash[..8]);
        Self(u64::from_le_bytes(first))
    }
}

/// What was seen of a content whose hash nobody told: after an append or a truncation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sight {
    /// Bytes that it has.
    pub size: u64,
    /// The first of the bytes that were read, and the first behind them.
    pub range: (u64, u64),
    /// Those bytes.
    pub bytes: Content,
}

impl Sight {
    /// Only its size was seen.
    pub fn size(size: u64) -> Self {
        Self { size, range: (0, 0), bytes: Content::of(&[]) }
    }

    /// Some of its bytes were read.
    pub fn part(size: u64, range: Range<u64>, bytes: &[u8]) -> Self {
        Self { size, range: (range.start, range.end), bytes: Content::of(bytes) }
    }
}

/// Every content that there is or could be. What is asked twice is computed once.
#[derive(Debug, Clone, Default)]
pub struct Contents {
    known: BTreeMap<Content, Bytes>,
    appended: HashMap<(Content, Content), Content>,
    cut: HashMap<(Content, u64), Content>,
    parts: HashMap<(Content, (u64, u64)), Content>,
}

impl Contents {
    /// Notes one.
    pub fn know(&mut self, bytes: Bytes) -> Content {
        let content = Content::of(&bytes);
        self.known.insert(content, bytes);
        content
    }

    /// The bytes of one.
    pub fn get(&self, content: Content) -> Option<&Bytes> {
        self.known.get(&content)
    }

    /// How many bytes one has.
    pub fn size(&self, content: Content) -> Option<u64> {
        self.get(content).map(|bytes| bytes.len() as u64)
    }

    /// The content that an append makes.
    pub fn append(&mut self, to: Content, what: Content) -> Option<Content> {
        if let Some(known) = self.appended.get(&(to, what)) {
            return Some(*known);
        }
        let both = [self.get(to)?.clone(), self.get(what)?.clone()].concat();
        let content = self.know(both.into());
        self.appended.insert((to, what), content);
        Some(content)
    }

    /// The content that a truncation makes; `None` if there are not so many bytes.
    pub fn cut(&mut self, content: Content, size: u64) -> Option<Content> {
        if let Some(known) = self.cut.get(&(content, size)) {
            return Some(*known);
        }
        let bytes = self.get(content)?;
        let kept = (size <= bytes.len() as u64).then(|| bytes.slice(..size as usize))?;
        let kept = self.know(kept);
        self.cut.insert((content, size), kept);
        Some(kept)
    }

    /// Whether this is what one looks like.
    pub fn shows(&mut self, content: Content, sight: &Sight) -> bool {
        if self.size(content) != Some(sight.size) {
            return false;
        }
        let (start, end) = sight.range;
        let part = self.parts.get(&(content, sight.range)).copied().or_else(|| {
            let bytes = self.get(content)?.get(start as usize..end as usize)?;
            let part = Content::of(bytes);
            self.parts.insert((content, sight.range), part);
            Some(part)
        });
        part == Some(sight.bytes)
    }
}
