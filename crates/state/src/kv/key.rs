//! Keys: byte strings whose order is the order of their parts.

use super::Kind;

/// A key under construction. Numbers are big-endian, names escaped, so that keys sort as their
/// parts do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key(Vec<u8>);

/// What ends a name. Within names NUL is written as `00 FF`, so a name sorts before all those
/// it is a prefix of, and no name is mistaken for the beginning of another.
const END: [u8; 2] = [0, 0];

impl Key {
    pub(crate) fn new(kind: Kind) -> Self {
        let mut bytes = Vec::with_capacity(64);
        bytes.push(kind as u8);
        Self(bytes)
    }

    pub(crate) fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    pub(crate) fn u8(self, number: u8) -> Self {
        self.bytes(&[number])
    }

    pub(crate) fn u32(self, number: u32) -> Self {
        self.bytes(&number.to_be_bytes())
    }

    pub(crate) fn u64(self, number: u64) -> Self {
        self.bytes(&number.to_be_bytes())
    }

    /// A whole name.
    pub(crate) fn name(self, name: &str) -> Self {
        self.partial(name).bytes(&END)
    }

    /// The beginning of a name.
    pub(crate) fn partial(mut self, name: &str) -> Self {
        for byte in name.bytes() {
            self.0.push(byte);
            if byte == 0 {
                self.0.push(0xFF);
            }
        }
        self
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// The first key behind all those that begin with this one.
    pub(crate) fn successor(self) -> Vec<u8> {
        let mut bytes = self.0;
        // The kind in front is never 0xFF, so something is left.
        while bytes.last() == Some(&0xFF) {
            bytes.pop();
        }
        if let Some(last) = bytes.last_mut() {
            *last += 1;
        }
        bytes
    }
}

/// Takes a key apart again, from the byte behind its kind.
pub(crate) struct Parts<'a>(pub(crate) &'a [u8]);

impl<'a> Parts<'a> {
    pub(crate) fn of(key: &'a [u8]) -> Self {
        Self(key.get(1..).unwrap_or_default())
    }

    pub(crate) fn fixed<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.fixed().map(u64::from_be_bytes)
    }

    pub(crate) fn name(&mut self) -> Option<String> {
        let mut name = Vec::new();
        loop {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            if *byte != 0 {
                name.push(*byte);
                continue;
            }
            let (second, rest) = self.0.split_first()?;
            self.0 = rest;
            match second {
                0xFF => name.push(0),
                0 => return String::from_utf8(name).ok(),
                _ => return None,
            }
        }
    }

    /// The value, if nothing is left behind it.
    pub(crate) fn end<T>(self, value: T) -> Option<T> {
        self.0.is_empty().then_some(value)
    }
}
