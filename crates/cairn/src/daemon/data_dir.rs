//! A daemon's data directory, which is its alone.

use anyhow::Context;
use disk::{Disk, OsDisk};
use std::{
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};
use transport::Secret;

/// A directory with its lock, which is held until this is dropped.
pub struct DataDir {
    path: PathBuf,
    _lock: Box<dyn Send + Sync>,
}

impl DataDir {
    /// Creates the directory if it is missing, closed to others, and locks it.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        let shown = path.display();
        // Parents come into being as usual; the directory itself is for its owner alone.
        if let Some(parent) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
            OsDisk
                .create_dir_all(parent)
                .with_context(|| format!("cannot create {}", parent.display()))?;
        }
        match std::fs::DirBuilder::new().mode(0o700).create(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {}
            other => other.with_context(|| format!("cannot create the data directory {shown}"))?,
        }
        let lock = OsDisk.lock(&path.join("lock")).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => anyhow::anyhow!(
                "the data directory {shown} is in use by another process; stop it or give \
                 another directory with --data"
            ),
            _ => anyhow::Error::new(error).context(format!("cannot lock {shown}")),
        })?;
        // Links and relative names end here: what is told to clients holds from anywhere.
        let path = path.canonicalize().with_context(|| format!("cannot open {shown}"))?;
        Ok(Self { path, _lock: lock })
    }

    /// The directory, absolute.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The secret in it; created if it is missing.
    pub fn secret(&self) -> anyhow::Result<Secret> {
        let path = self.path.join("secret");
        if path.try_exists().with_context(|| format!("cannot look for {}", path.display()))? {
            return Ok(Secret::read(&path)?);
        }
        let secret = Secret::new(rand::random());
        secret.write(&path)?;
        Ok(secret)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_data_directory_has_one_owner_and_keeps_its_secret() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("deep/data");
        let data = DataDir::open(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        let error = DataDir::open(&path).err().unwrap();
        assert!(error.to_string().contains("in use by another"), "{error}");
        let secret = data.secret().unwrap();
        assert!(secret == data.secret().unwrap());

        let mode = std::fs::Permissions::from_mode(0o644);
        std::fs::set_permissions(path.join("secret"), mode).unwrap();
        assert!(data.secret().unwrap_err().to_string().contains("chmod 600"));
        drop(data);
        assert!(DataDir::open(&path).is_ok());
    }
}
