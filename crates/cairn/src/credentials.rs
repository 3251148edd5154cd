//! How clients find the store: a small private file with addresses and the access key.

use crate::failure::usage;
use anyhow::Context;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use transport::AccessKey;

/// The name of the file in a server's data directory.
pub const FILE: &str = "credentials.toml";

/// What a client needs to know.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Credentials {
    /// Where metadata nodes listen, `host:port`.
    pub address: Addresses,
    /// The access key, in hexadecimal.
    pub access_key: String,
    /// The account to work in, if the user names none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
}

/// One address or several.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Addresses {
    /// One node's.
    One(String),
    /// Those of several nodes.
    Many(Vec<String>),
}

impl Credentials {
    /// For clients of the nodes at these addresses.
    pub fn new(addresses: &[String], key: &AccessKey) -> Self {
        let address = match addresses {
            [one] => Addresses::One(one.clone()),
            many => Addresses::Many(many.to_vec()),
        };
        Self { address, access_key: key.reveal(), account: None }
    }

    /// Reads the file the user named, or the first of the usual ones that exists.
    pub fn find(named: Option<&Path>) -> anyhow::Result<Self> {
        if let Some(path) = named {
            return Self::read(path);
        }
        let usual = usual_places();
        match usual.iter().find(|path| path.exists()) {
            Some(path) => Self::read(path),
            None => {
                let places: Vec<_> = usual.iter().map(|p| p.display().to_string()).collect();
                Err(usage!(
                    "no credentials: there is no {}; start `cairn server` here, or name a file \
                     with --credentials FILE or CAIRN_CREDENTIALS",
                    places.join(" and no ")
                ))
            }
        }
    }

    /// Reads a file.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let text = transport::read_private(path).context("there are no credentials")?;
        let malformed = |why: String| usage!("{} holds no credentials: {why}", path.display());
        let credentials: Self =
            toml::from_str(&text).map_err(|error| malformed(error.message().to_owned()))?;
        if credentials.addresses().is_empty() {
            return Err(malformed("it has no address".to_owned()));
        }
        credentials.key().map_err(|error| malformed(error.to_string()))?;
        Ok(credentials)
    }

    /// Writes a new file, which only its owner can read.
    pub fn write(&self, path: &Path) -> anyhow::Result<()> {
        let text = toml::to_string(self).context("credentials cannot be written")?;
        transport::write_private(path, &text)?;
        Ok(())
    }

    /// Writes the file anew unless it says this already. Whoever reads it meanwhile sees the
    /// one before.
    pub fn update(&self, path: &Path) -> anyhow::Result<()> {
        if Self::read(path).is_ok_and(|there| there.same_as(self)) {
            return Ok(());
        }
        let new = path.with_extension("toml.new");
        match std::fs::remove_file(&new) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("cannot remove {}", new.display()));
            }
            _ => {}
        }
        self.write(&new)?;
        std::fs::rename(&new, path).with_context(|| format!("cannot write {}", path.display()))
    }

    fn same_as(&self, other: &Self) -> bool {
        self.address == other.address && self.access_key == other.access_key
    }

    /// Where metadata nodes listen.
    pub fn addresses(&self) -> Vec<String> {
        match &self.address {
            Addresses::One(address) => vec![address.clone()],
            Addresses::Many(addresses) => addresses.clone(),
        }
    }

    /// The access key.
    pub fn key(&self) -> anyhow::Result<AccessKey> {
        AccessKey::parse(&self.access_key)
            .ok_or_else(|| usage!("the access key is not 64 hexadecimal digits"))
    }
}

/// Where credentials are looked for.
fn usual_places() -> Vec<PathBuf> {
    let mut places = vec![Path::new(crate::config::DEFAULT_DATA).join(FILE)];
    let config = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from).or_else(|| {
        let home = std::env::var_os("HOME").map(PathBuf::from);
        home.map(|home| home.join(".config"))
    });
    places.extend(config.map(|config| config.join("cairn").join(FILE)));
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_read_back_and_follow_the_address() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE);
        let key = transport::Secret::new([3; 32]).access_key();
        let one = Credentials::new(&["127.0.0.1:1".to_owned()], &key);
        one.update(&path).unwrap();
        assert_eq!(Credentials::read(&path).unwrap(), one);
        let many = Credentials::new(&["a:1".to_owned(), "b:2".to_owned()], &key);
        many.update(&path).unwrap();
        assert_eq!(Credentials::find(Some(&path)).unwrap().addresses(), ["a:1", "b:2"]);
        assert!(many.write(&path).is_err(), "never overwritten by `secret credentials`");
    }

    #[test]
    fn what_is_wrong_with_a_file_is_said_without_its_key() {
        let dir = tempfile::tempdir().unwrap();
        for (n, text) in [
            "access_key = \"00\"",
            "address = \"a:1\"\naccess_key = \"5ecre7\"",
            "address = []\naccess_key = \"5ecre7\"",
            "address = \"a:1\"\naccess_key = 5ecre7",
        ]
        .iter()
        .enumerate()
        {
            let path = dir.path().join(n.to_string());
            transport::write_private(&path, text).unwrap();
            let error = Credentials::read(&path).unwrap_err().to_string();
            assert!(error.contains("holds no credentials"), "{error}");
            assert!(!error.contains("5ecre7"), "{error}");
        }
    }
}
