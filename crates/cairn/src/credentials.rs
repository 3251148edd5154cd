//! How clients find the store, and who they are: a small private file.

use crate::failure::usage;
use anyhow::Context;
use model::{UserKey, UserName};
use serde::{Deserialize, Serialize};
use std::{
    fs::DirBuilder,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

/// The name of the file in a server's data directory.
pub const FILE: &str = "credentials.toml";

/// What a client needs to know.
#[derive(PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Credentials {
    /// Where metadata nodes listen, `host:port`.
    pub address: Addresses,
    /// The user.
    pub user: UserName,
    /// Its key.
    key: String,
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
    /// For a user of the store whose nodes are at these addresses.
    pub fn new(addresses: &[String], user: &UserName, key: &UserKey) -> Self {
        let address = Addresses::of(addresses);
        Self { address, user: user.clone(), key: key.reveal().to_owned(), account: None }
    }

    /// The same, at other addresses.
    pub fn at(&self, addresses: &[String]) -> Self {
        let (user, key, account) = (self.user.clone(), self.key.clone(), self.account.clone());
        Self { address: Addresses::of(addresses), user, key, account }
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

    /// Writes a new file, which only its owner can read, in a directory that is made for it if
    /// there is none.
    pub fn write(&self, path: &Path) -> anyhow::Result<()> {
        let text = toml::to_string(self).context("credentials cannot be written")?;
        if let Some(directory) = path.parent().filter(|directory| !directory.exists()) {
            let made = DirBuilder::new().recursive(true).mode(0o700).create(directory);
            made.with_context(|| format!("cannot make the directory {}", directory.display()))?;
        }
        transport::write_private(path, &text)?;
        Ok(())
    }

    /// Writes the file anew unless it says this already. Whoever reads it meanwhile sees the
    /// one before.
    pub fn update(&self, path: &Path) -> anyhow::Result<()> {
        if Self::read(path).is_ok_and(|there| there == *self) {
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

    /// Where metadata nodes listen.
    pub fn addresses(&self) -> Vec<String> {
        match &self.address {
            Addresses::One(address) => vec![address.clone()],
            Addresses::Many(addresses) => addresses.clone(),
        }
    }

    /// The user's key.
    pub fn key(&self) -> anyhow::Result<UserKey> {
        Ok(self.key.parse()?)
    }
}

impl Addresses {
    fn of(addresses: &[String]) -> Self {
        match addresses {
            [one] => Self::One(one.clone()),
            many => Self::Many(many.to_vec()),
        }
    }
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Credentials({} at {:?})", self.user, self.address)
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
        let (user, key) = ("acme:alice".parse().unwrap(), UserKey::generate([3; 32]));
        let one = Credentials::new(&["127.0.0.1:1".to_owned()], &user, &key);
        one.update(&path).unwrap();
        assert_eq!(Credentials::read(&path).unwrap(), one);
        let many = one.at(&["a:1".to_owned(), "b:2".to_owned()]);
        many.update(&path).unwrap();
        assert_eq!(Credentials::find(Some(&path)).unwrap().addresses(), ["a:1", "b:2"]);
        assert!(Credentials::read(&path).unwrap().key().unwrap() == key);
        assert!(many.write(&path).is_err(), "never overwritten by `user create --out`");
        assert!(!format!("{many:?}").contains(key.reveal()));
    }

    #[test]
    fn what_is_wrong_with_a_file_is_said_without_its_key() {
        let dir = tempfile::tempdir().unwrap();
        for (n, text) in [
            "user = \"u\"\nkey = \"5ecre7\"",
            "address = \"a:1\"\nkey = \"5ecre7\"",
            "address = \"a:1\"\nuser = \"u\"\nkey = \"\"",
            "address = []\nuser = \"u\"\nkey = \"5ecre7\"",
            "address = \"a:1\"\nuser = \"a:b:c\"\nkey = \"5ecre7\"",
            "address = \"a:1\"\nuser = \"u\"\nkey = 5ecre7",
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
