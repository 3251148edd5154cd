//! Where a volume is.

use crate::Error;
use serde::{Deserialize, Deserializer, Serialize, de};
use std::{fmt, str::FromStr};

/// A dotted path of one to four levels, widest first: `site.rack.host.disk`.
/// The last level is the disk, the one before it the host.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Location(String);

impl Location {
    /// The deepest path.
    pub const MAX_LEVELS: usize = 4;

    /// The path as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The prefixes that name its failure domains, widest first, without the disk itself.
    pub fn domains(&self) -> impl Iterator<Item = &str> {
        self.0.match_indices('.').map(|(at, _)| &self.0[..at])
    }

    /// The domain of the machine: everything but the last level; the whole path if there is one.
    pub fn host(&self) -> &str {
        self.0.rsplit_once('.').map_or(&self.0, |(host, _)| host)
    }
}

impl FromStr for Location {
    type Err = Error;
    fn from_str(s: &str) -> Result<Self, Error> {
        let levels = s.split('.').count();
        let sound = |level: &str| {
            !level.is_empty()
                && level.len() <= 64
                && level.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
        };
        if levels > Self::MAX_LEVELS || !s.split('.').all(sound) {
            return Err(Error::invalid(format!(
                "{:?} is not a location: one to {} levels of letters, digits, '-' and '_', \
                 separated by dots, as in site.rack.host.disk",
                s.chars().take(80).collect::<String>(),
                Self::MAX_LEVELS
            )));
        }
        Ok(Self(s.to_owned()))
    }
}

impl<'de> Deserialize<'de> for Location {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(de::Error::custom)
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_domains_from_wide_to_narrow() {
        let l: Location = "paris.r1.h2.d3".parse().unwrap();
        assert_eq!(l.domains().collect::<Vec<_>>(), ["paris", "paris.r1", "paris.r1.h2"]);
        assert_eq!(l.host(), "paris.r1.h2");
        let single: Location = "disk".parse().unwrap();
        assert_eq!((single.domains().count(), single.host()), (0, "disk"));
        for bad in ["", ".", "a..b", "a.b.c.d.e", "a b", "é"] {
            assert!(bad.parse::<Location>().is_err(), "{bad:?}");
        }
    }
}
