//! Storage policies: how contents are kept.

use crate::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::{fmt, str::FromStr, sync::Arc};

/// Bytes of fragment in a full block, and so the unit of encoding, checking and sending.
pub const BLOCK_BYTES: u64 = 64 * 1024;

/// Most chunks of a metachunk: the codes are over 256 elements, the masks are 32 bits.
pub const MAX_WIDTH: usize = 32;

/// Most blocks of a chunk: with their check sums and the footer they stay under 64 MiB.
pub const MAX_CHUNK_BLOCKS: u32 = 1008;

/// How the stripes of a content become fragments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Method {
    /// The same fragment, `copies` times.
    Copies {
        /// 1 or more.
        copies: u8,
    },
    /// `data` fragments and `parity` fragments of a systematic Reed-Solomon code.
    Erasure {
        /// k, 1 or more.
        data: u8,
        /// m, 1 or more.
        parity: u8,
    },
}

impl Method {
    /// Checks the bounds: at least one data fragment, at most 32 in all.
    pub fn checked(self) -> Result<Self, Error> {
        let (k, m) = (self.data(), self.parity());
        let sound = match self {
            Self::Copies { copies } => copies >= 1,
            Self::Erasure { data, parity } => data >= 1 && parity >= 1,
        };
        if !sound || self.width() > MAX_WIDTH {
            return Err(Error::invalid(format!(
                "a policy needs at least one data fragment and at most {MAX_WIDTH} chunks in all, \
                 not {k}+{m}"
            )));
        }
        Ok(self)
    }

    /// k: fragments needed to read, 1 for copies.
    pub fn data(self) -> usize {
        match self {
            Self::Copies { .. } => 1,
            Self::Erasure { data, .. } => data.into(),
        }
    }

    /// m: fragments that may be lost.
    pub fn parity(self) -> usize {
        match self {
            Self::Copies { copies } => usize::from(copies.saturating_sub(1)),
            Self::Erasure { parity, .. } => parity.into(),
        }
    }

    /// k + m: chunks of a full metachunk.
    pub fn width(self) -> usize {
        self.data() + self.parity()
    }

    /// Chunks that must be durable before a write is acknowledged: k+1 for erasure codes, a
    /// majority of the copies, and two wherever there are two or more.
    pub fn quorum(self) -> usize {
        match self {
            Self::Copies { copies: 0 | 1 } => 1,
            Self::Copies { copies } => (usize::from(copies) / 2 + 1).max(2),
            Self::Erasure { data, .. } => usize::from(data) + 1,
        }
    }
}

/// The `chunk_method` form: `plain/nb_copy=3`, `ec/algo=rs_vand,k=6,m=3`.
impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Copies { copies } => write!(f, "plain/nb_copy={copies}"),
            Self::Erasure { data, parity } => write!(f, "ec/algo=rs_vand,k={data},m={parity}"),
        }
    }
}

impl FromStr for Method {
    type Err = Error;
    fn from_str(s: &str) -> Result<Self, Error> {
        let fail = || {
            Error::invalid(format!(
                "{:?} is not a chunk method; write plain/nb_copy=3 or ec/algo=rs_vand,k=6,m=3",
                s.chars().take(80).collect::<String>()
            ))
        };
        let (kind, parameters) = s.split_once('/').ok_or_else(fail)?;
        let value = |key: &str| {
            parameters.split(',').filter_map(|p| p.split_once('=')).find(|(k, _)| *k == key)
        };
        let number = |key: &str| value(key).and_then(|(_, v)| v.parse().ok()).ok_or_else(fail);
        match kind {
            "plain" => Self::Copies { copies: number("nb_copy")? },
            "ec" if value("algo").is_none_or(|(_, v)| v == "rs_vand") => {
                Self::Erasure { data: number("k")?, parity: number("m")? }
            }
            _ => return Err(fail()),
        }
        .checked()
    }
}

impl Serialize for Method {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        if s.is_human_readable() {
            s.collect_str(self)
        } else {
            match self {
                Self::Copies { copies } => (0u8, *copies, 0u8).serialize(s),
                Self::Erasure { data, parity } => (1u8, *data, *parity).serialize(s),
            }
        }
    }
}

impl<'de> Deserialize<'de> for Method {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        if d.is_human_readable() {
            return String::deserialize(d)?.parse().map_err(de::Error::custom);
        }
        match <(u8, u8, u8)>::deserialize(d)? {
            (0, copies, 0) => Self::Copies { copies },
            (1, data, parity) => Self::Erasure { data, parity },
            other => return Err(de::Error::custom(format!("chunk method {other:?} is unknown"))),
        }
        .checked()
        .map_err(de::Error::custom)
    }
}

/// The name of a policy: 1 to 32 letters, digits, '-' and '_'.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct PolicyName(Arc<str>);

impl PolicyName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PolicyName {
    type Err = Error;
    fn from_str(s: &str) -> Result<Self, Error> {
        let sound = (1..=32).contains(&s.len())
            && s.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
        if !sound {
            return Err(Error::invalid(format!(
                "{:?} is not a policy name: 1 to 32 letters, digits, '-' and '_'",
                s.chars().take(80).collect::<String>()
            )));
        }
        Ok(Self(s.into()))
    }
}

impl<'de> Deserialize<'de> for PolicyName {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(de::Error::custom)
    }
}

impl fmt::Display for PolicyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for PolicyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which policy takes over below which size: objects of at most `bytes` go to `policy`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SmallObjects {
    /// Largest object that goes to `policy`.
    pub bytes: u64,
    /// The policy for the small ones.
    pub policy: PolicyName,
}

/// A named way of keeping contents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// Its name.
    pub name: PolicyName,
    /// Copies or code.
    pub method: Method,
    /// Blocks of a full chunk (64 KiB of fragment each); the last chunk row may be shorter.
    pub chunk_blocks: u32,
    /// Another policy for small objects.
    pub small: Option<SmallObjects>,
}

impl Policy {
    /// Blocks of a full chunk unless the operator says otherwise: 32 MiB of fragment. Larger
    /// chunks save syncs, smaller ones lose less when a volume fails in mid-write.
    pub const DEFAULT_CHUNK_BLOCKS: u32 = 512;

    /// A policy with chunks of the default size.
    pub fn new(name: &str, method: Method) -> Result<Self, Error> {
        Self { name: name.parse()?, method, chunk_blocks: Self::DEFAULT_CHUNK_BLOCKS, small: None }
            .checked()
    }

    /// Checks the bounds of its parts.
    pub fn checked(self) -> Result<Self, Error> {
        self.method.checked()?;
        if !(1..=MAX_CHUNK_BLOCKS).contains(&self.chunk_blocks) {
            return Err(Error::invalid(format!(
                "policy {}: a chunk must have 1 to {MAX_CHUNK_BLOCKS} blocks of 64 KiB, not {}",
                self.name, self.chunk_blocks
            )));
        }
        Ok(self)
    }

    /// The policies every cluster has from the start.
    pub fn built_in() -> Vec<Policy> {
        let copies = |name, copies| Self::new(name, Method::Copies { copies });
        let code = |name, data, parity| Self::new(name, Method::Erasure { data, parity });
        [
            copies("SINGLE", 1),
            copies("TWOCOPIES", 2),
            copies("THREECOPIES", 3),
            code("EC42", 4, 2),
            code("EC63", 6, 3),
            code("EC84", 8, 4),
            code("EC124", 12, 4),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// Bytes of content in a full metachunk.
    pub fn metachunk_bytes(&self) -> u64 {
        self.method.data() as u64 * u64::from(self.chunk_blocks) * BLOCK_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_read_back_and_have_the_quorum_of_the_design() {
        let table = [
            ("plain/nb_copy=1", 1, 0, 1),
            ("plain/nb_copy=2", 1, 1, 2),
            ("plain/nb_copy=3", 1, 2, 2),
            ("plain/nb_copy=5", 1, 4, 3),
            ("ec/algo=rs_vand,k=6,m=3", 6, 3, 7),
        ];
        for (text, k, m, quorum) in table {
            let method: Method = text.parse().unwrap();
            assert_eq!(method.to_string(), text);
            assert_eq!((method.data(), method.parity(), method.quorum()), (k, m, quorum));
        }
        for bad in ["", "plain/nb_copy=0", "plain/nb_copy=33", "ec/k=30,m=3", "ec/k=0,m=2", "x/y"] {
            assert!(bad.parse::<Method>().is_err(), "{bad}");
        }
    }

    #[test]
    fn all_built_in_policies_are_there() {
        let names: Vec<_> = Policy::built_in().iter().map(|p| p.name.to_string()).collect();
        assert_eq!(names, ["SINGLE", "TWOCOPIES", "THREECOPIES", "EC42", "EC63", "EC84", "EC124"]);
    }
}
