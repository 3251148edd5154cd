//! TLS: the certificate and the key of a gateway.

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        self, ServerConfig,
        crypto::ring,
        pki_types::{
            CertificateDer, PrivateKeyDer,
            pem::{self, PemObject},
        },
    },
};

/// What a gateway shows its clients.
#[derive(Clone)]
pub struct Tls(pub(crate) TlsAcceptor);

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls(..)")
    }
}

/// Why a certificate or a key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read, or has nothing of the kind in it.
    #[error("{path} has no {what} in PEM")]
    File {
        /// The file.
        path: PathBuf,
        /// What is looked for.
        what: &'static str,
        /// Why not.
        #[source]
        source: pem::Error,
    },
    /// They cannot be used, or not together.
    #[error("the certificate and the key for TLS cannot be used together")]
    Pair(#[source] rustls::Error),
    /// Others can read the key.
    #[error("{path} can be read by others: make it readable by its owner alone")]
    Open {
        /// The file.
        path: PathBuf,
    },
    /// The key cannot be looked at.
    #[error("{path} cannot be read")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

impl Tls {
    /// Reads a chain of certificates, the gateway's own first, and its key.
    ///
    /// # Errors
    /// They are not there, or not good.
    pub fn read(certificates: &Path, key: &Path) -> Result<Self, TlsError> {
        let file = |path: &Path, what| {
            let path = path.to_path_buf();
            move |source| TlsError::File { path, what, source }
        };
        private(key)?;
        let chain = CertificateDer::pem_file_iter(certificates)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(file(certificates, "certificate"))?;
        if chain.is_empty() {
            return Err(file(certificates, "certificate")(pem::Error::NoItemsFound));
        }
        let key = PrivateKeyDer::from_pem_file(key).map_err(file(key, "private key"))?;
        let provider = Arc::new(ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
            .map_err(TlsError::Pair)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self(TlsAcceptor::from(Arc::new(config))))
    }
}

/// Refuses a key that all may read. Those of a group of its own may: so hosts share keys.
fn private(path: &Path) -> Result<(), TlsError> {
    use std::os::unix::fs::PermissionsExt;
    let unreadable = |source| TlsError::Unreadable { path: path.to_path_buf(), source };
    let mode = std::fs::metadata(path).map_err(unreadable)?.permissions().mode();
    match mode & 0o007 {
        0 => Ok(()),
        _ => Err(TlsError::Open { path: path.to_path_buf() }),
    }
}
