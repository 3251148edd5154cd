//! The cluster secret and the keys derived from it.

use crate::{capability::CapabilityKey, token::TokenKey};
use std::{
    fmt, io,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

/// Why a secret cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// Reading or writing failed.
    #[error("cannot {action} {path}")]
    Io {
        /// `read` or `write`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The reason.
        #[source]
        source: io::Error,
    },
    /// Others on this machine can read it.
    #[error(
        "{path} can be read by other users (mode {mode:03o}); \
         run: chmod 600 {path}"
    )]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It is not a secret of ours.
    #[error("{path} does not hold {expected}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What was expected.
        expected: &'static str,
    },
}

/// The cluster's secret, which only daemons hold. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret([u8; 32]);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl Secret {
    /// A secret from 32 random bytes.
    pub fn new(random: [u8; 32]) -> Self {
        Self(random)
    }

    /// Reads a secret file: 64 hexadecimal digits, readable by its owner alone.
    pub fn read(path: &Path) -> Result<Self, SecretError> {
        let text = read_private(path)?;
        let mut bytes = [0; 32];
        let digits = text.trim();
        let parsed = digits.len() == 64
            && (0..32).all(|i| match u8::from_str_radix(&digits[2 * i..2 * i + 2], 16) {
                Ok(byte) => {
                    bytes[i] = byte;
                    true
                }
                Err(_) => false,
            });
        if !parsed || !digits.is_ascii() {
            return Err(SecretError::Malformed {
                path: path.into(),
                expected: "a cluster secret (64 hexadecimal digits)",
            });
        }
        Ok(Self(bytes))
    }

    /// Writes a new secret file that only its owner can read. An existing file is an error.
    pub fn write(&self, path: &Path) -> Result<(), SecretError> {
        let mut text: String = self.0.iter().map(|b| format!("{b:02x}")).collect();
        text.push('\n');
        write_private(path, &text)
    }

    /// The key that daemons show to each other.
    pub fn access_key(&self) -> AccessKey {
        AccessKey(blake3::Hash::from_bytes(self.derive("cairn access key v1")))
    }

    /// All that daemons derive from it.
    pub fn keys(&self) -> Keys {
        Keys {
            daemon: self.access_key(),
            tokens: TokenKey::new(self.derive("cairn token key v1")),
            gateway: TokenKey::new(self.derive("cairn gateway token key v1")),
            capabilities: CapabilityKey::new(self.derive("cairn capability key v1")),
        }
    }

    fn derive(&self, context: &str) -> [u8; 32] {
        blake3::derive_key(context, &self.0)
    }
}

/// The keys that daemons derive from the cluster's secret, each for one use.
#[derive(Debug, Clone)]
pub struct Keys {
    /// What daemons show to each other.
    pub daemon: AccessKey,
    /// What tokens of users are signed with.
    pub tokens: TokenKey,
    /// What gateways sign the tokens with that they give to users: good at every gateway, and
    /// nowhere else.
    pub gateway: TokenKey,
    /// What capabilities for chunks are signed with.
    pub capabilities: CapabilityKey,
}

/// What a daemon shows to be let in. Compared in constant time, never printed by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessKey(blake3::Hash);

impl fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessKey(..)")
    }
}

impl AccessKey {
    /// From its 64 hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.trim();
        let sound = digits.len() == 64 && digits.bytes().all(|b| b.is_ascii_hexdigit());
        sound.then(|| blake3::Hash::from_hex(digits).ok().map(Self)).flatten()
    }

    /// Its 64 hexadecimal digits, to be stored where only its owner reads.
    pub fn reveal(&self) -> String {
        self.0.to_hex().to_string()
    }

    /// The value of the `authorization` header.
    pub fn bearer(&self) -> String {
        format!("Bearer {}", self.reveal())
    }

    /// Whether an `authorization` header shows this key, in constant time.
    pub fn admits(&self, header: Option<&http::HeaderValue>) -> bool {
        let shown = header.and_then(|h| h.to_str().ok()).and_then(|h| h.strip_prefix("Bearer "));
        // `blake3::Hash` compares in constant time.
        shown.and_then(Self::parse).is_some_and(|shown| shown == *self)
    }
}

/// Reads a small file that nobody but its owner may read.
pub fn read_private(path: &Path) -> Result<String, SecretError> {
    let io = |source| SecretError::Io { action: "read", path: path.into(), source };
    let file = std::fs::File::open(path).map_err(io)?;
    let metadata = file.metadata().map_err(io)?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(SecretError::Exposed { path: path.into(), mode });
    }
    let mut text = String::new();
    io::Read::read_to_string(&mut io::Read::take(file, 64 * 1024), &mut text).map_err(io)?;
    Ok(text)
}

/// Writes a new small file that only its owner can read, durably.
pub fn write_private(path: &Path, text: &str) -> Result<(), SecretError> {
    let io = |source| SecretError::Io { action: "write", path: path.into(), source };
    // Written beside its name and linked to it, which is exclusive: a full disk or a crash leaves
    // no half of a secret behind, and no secret is replaced.
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}.tmp", std::process::id()));
    let beside = PathBuf::from(beside);
    let written = (|| {
        let mut file =
            std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
        io::Write::write_all(&mut file, text.as_bytes())?;
        file.sync_all()?;
        std::fs::hard_link(&beside, path)
    })();
    let removed = std::fs::remove_file(&beside);
    written.and(removed).map_err(io)?;
    let dir = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::File::open(dir).and_then(|d| d.sync_all()).map_err(io)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_reads_back_and_an_exposed_one_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        let secret = Secret::new([7; 32]);
        secret.write(&path).unwrap();
        assert_eq!(Secret::read(&path).unwrap(), secret);
        assert!(matches!(secret.write(&path), Err(SecretError::Io { .. })), "never overwritten");

        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let error = Secret::read(&path).unwrap_err();
        assert!(error.to_string().contains("chmod 600"), "{error}");

        let bad = dir.path().join("bad");
        for text in ["", "00", "é0000000000000000000000000000000000000000000000000000000000000"] {
            write_private(&bad, text).unwrap();
            assert!(matches!(Secret::read(&bad), Err(SecretError::Malformed { .. })), "{text}");
            std::fs::remove_file(&bad).unwrap();
        }
    }

    #[test]
    fn only_the_key_itself_is_admitted() {
        let key = Secret::new([1; 32]).access_key();
        let other = Secret::new([2; 32]).access_key();
        let header = |s: &str| http::HeaderValue::from_str(s).unwrap();
        assert!(key.admits(Some(&header(&key.bearer()))));
        assert!(!key.admits(Some(&header(&other.bearer()))));
        assert!(!key.admits(Some(&header(&key.reveal()))));
        assert!(!key.admits(Some(&header("Bearer "))));
        assert!(!key.admits(None));
        assert!(!format!("{key:?}").contains(&key.reveal()));
    }
}
