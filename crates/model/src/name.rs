//! Names that people give, within their bounds.

use crate::{Error, Properties};
use serde::{Deserialize, Deserializer, Serialize, de};
use std::{fmt, str::FromStr, sync::Arc};

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $what:literal, $max:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The longest name, in bytes of UTF-8.
            pub const MAX_BYTES: usize = $max;

            /// The name.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = Error;
            fn from_str(s: &str) -> Result<Self, Error> {
                if s.is_empty() {
                    return Err(Error::invalid(concat!($what, " name must not be empty")));
                }
                if s.len() > Self::MAX_BYTES {
                    return Err(Error::invalid(format!(
                        concat!($what, " name has {} bytes; at most ", $max, " are allowed"),
                        s.len()
                    )));
                }
                Ok(Self(s.into()))
            }
        }

        impl TryFrom<&[u8]> for $name {
            type Error = Error;
            fn try_from(bytes: &[u8]) -> Result<Self, Error> {
                std::str::from_utf8(bytes)
                    .map_err(|_| Error::invalid(concat!($what, " name is not UTF-8")))?
                    .parse()
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                String::deserialize(d)?.parse().map_err(de::Error::custom)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }
    };
}

name!(
    /// An account's name: 1 to 256 bytes of UTF-8.
    AccountName, "an account", 256
);
name!(
    /// A container's name: 1 to 256 bytes of UTF-8.
    ContainerName, "a container", 256
);
name!(
    /// An object's name: 1 to 1024 bytes of UTF-8.
    ObjectName, "an object", 1024
);

/// All properties of one object, container or account together, keys and values, in bytes.
const MAX_PROPERTIES_BYTES: usize = 64 * 1024;

/// Refuses properties with empty keys or of more than 64 KiB in all.
pub fn check_properties(properties: &Properties) -> Result<(), Error> {
    let mut bytes = 0;
    for (key, value) in properties {
        if key.is_empty() {
            return Err(Error::invalid("the key of a property must not be empty"));
        }
        bytes += key.len() + value.len();
    }
    if bytes > MAX_PROPERTIES_BYTES {
        return Err(Error::invalid(format!(
            "the properties have {bytes} bytes in all; at most {MAX_PROPERTIES_BYTES} are allowed"
        )));
    }
    Ok(())
}
