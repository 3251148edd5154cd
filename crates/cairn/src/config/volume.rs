//! Volumes as operators name them: `PATH` or `PATH=LOCATION`.

use crate::failure::usage;
use model::Location;
use serde::Deserialize;
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    str::FromStr,
};

/// A directory to keep chunks in, and where it is.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Written")]
pub struct VolumeSpec {
    /// The directory.
    pub path: PathBuf,
    /// Where it is, if the operator says.
    pub location: Option<Location>,
}

/// The two forms in a file.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Short(String),
    Long(Long),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Long {
    path: PathBuf,
    location: Option<Location>,
}

impl TryFrom<Written> for VolumeSpec {
    type Error = anyhow::Error;
    fn try_from(written: Written) -> anyhow::Result<Self> {
        match written {
            Written::Short(text) => text.parse(),
            Written::Long(Long { path, location }) => Ok(Self { path, location }),
        }
    }
}

impl FromStr for VolumeSpec {
    type Err = anyhow::Error;
    fn from_str(text: &str) -> anyhow::Result<Self> {
        let (path, location) = match text.rsplit_once('=') {
            Some((path, location)) => (path, Some(location.parse::<Location>()?)),
            None => (text, None),
        };
        if path.is_empty() {
            return Err(usage!("a volume needs a path, as in --volume /disks/a"));
        }
        Ok(Self { path: path.into(), location })
    }
}

/// A volume with its location settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// The directory.
    pub path: PathBuf,
    /// Where it is.
    pub location: Location,
}

/// Settles where volumes are, and refuses a directory named twice.
pub fn settle(specs: &[VolumeSpec], host: &str) -> anyhow::Result<Vec<Volume>> {
    let mut seen: BTreeSet<PathBuf> = BTreeSet::new();
    let mut names = BTreeSet::new();
    let mut volumes = Vec::new();
    for spec in specs {
        let path = resolved(&spec.path);
        let nested = |other: &&PathBuf| path.starts_with(other) || other.starts_with(&path);
        match seen.iter().find(nested) {
            Some(other) if *other == path => {
                return Err(usage!("the volume {} is given twice", spec.path.display()));
            }
            Some(other) => {
                return Err(usage!(
                    "the volumes {} and {} lie one in the other; give them directories side by \
                     side",
                    path.display(),
                    other.display()
                ));
            }
            None => seen.insert(path),
        };
        let location = match &spec.location {
            Some(location) => location.clone(),
            None => default_location(&spec.path, host, &mut names)?,
        };
        volumes.push(Volume { path: spec.path.clone(), location });
    }
    Ok(volumes)
}

/// A path as far as it exists, so that two names of one directory are the same; what is missing
/// will be made of plain directories.
fn resolved(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let mut real = PathBuf::new();
    for part in absolute.components() {
        match part {
            std::path::Component::ParentDir => {
                real.pop();
            }
            part => real.push(part),
        }
        if let Ok(found) = real.canonicalize() {
            real = found;
        }
    }
    real
}

/// `<host>.<directory>`; where two directories have the same name, the second takes the names
/// above it too.
fn default_location(
    path: &Path,
    host: &str,
    names: &mut BTreeSet<String>,
) -> anyhow::Result<Location> {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let parts: Vec<_> = absolute
        .components()
        .filter_map(|part| match part {
            std::path::Component::Normal(name) => Some(level(&name.to_string_lossy())),
            _ => None,
        })
        .collect();
    let candidates = (1..=parts.len()).map(|n| level(&parts[parts.len() - n..].join("-")));
    let mut last = "disk".to_owned();
    for candidate in candidates {
        last = candidate;
        if !names.contains(&last) {
            break;
        }
    }
    names.insert(last.clone());
    Ok(format!("{}.{last}", level(host)).parse()?)
}

/// A name as a level of a location: other characters become '-', the end is what tells apart.
fn level(name: &str) -> String {
    const MAX: usize = 64;
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let clean: String = name.chars().map(|c| if allowed(c) { c } else { '-' }).collect();
    match clean.len() {
        0 => "-".to_owned(),
        len => clean[len.saturating_sub(MAX)..].to_owned(),
    }
}

/// This machine's name.
pub fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "host".to_owned() } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(text: &str) -> VolumeSpec {
        text.parse().unwrap()
    }

    #[test]
    fn a_volume_is_a_path_and_perhaps_a_location() {
        assert_eq!(spec("/disks/a").location, None);
        let with = spec("/disks/x=y/a=paris.r1.h2.a");
        assert_eq!(with.path, PathBuf::from("/disks/x=y/a"));
        assert_eq!(with.location.unwrap().as_str(), "paris.r1.h2.a");
        for bad in ["", "=a", "/disks/a=", "/disks/a=a b"] {
            assert!(bad.parse::<VolumeSpec>().is_err(), "{bad}");
        }
    }

    #[test]
    fn locations_default_to_host_and_directory_and_differ() {
        let specs = [spec("/m/a/vol"), spec("/m/b/vol"), spec("/m/c d=x.y"), spec("/m/é")];
        let volumes = settle(&specs, "node1.example").unwrap();
        let locations: Vec<_> = volumes.iter().map(|v| v.location.as_str()).collect();
        assert_eq!(
            locations,
            ["node1-example.vol", "node1-example.b-vol", "x.y", "node1-example.-"]
        );
    }

    #[test]
    fn one_directory_by_two_names_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(dir.path(), dir.path().join("link")).unwrap();
        let path = |p: &str| VolumeSpec { path: dir.path().join(p), location: None };
        let error = settle(&[path("v"), path("link/v")], "h").unwrap_err();
        assert!(error.to_string().contains("twice"), "{error}");
        for nested in [["v", "v/w"], ["link/v/w", "v"], ["v", "v/../v/x/y"]] {
            let error = settle(&nested.map(path), "h").unwrap_err();
            assert!(error.to_string().contains("one in the other"), "{error}");
        }
        assert!(settle(&[path("v"), path("vw"), path("w")], "h").is_ok());
    }
}
