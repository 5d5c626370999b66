//! What can be wrong with files of certificates and keys.

use std::path::PathBuf;

/// Names the file, and what was expected in it.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The file can't be read.
    #[error("{} can't be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// There is no certificate in PEM in the file, or one that is damaged.
    #[error("{} holds no certificate in PEM (-----BEGIN CERTIFICATE-----)", .0.display())]
    NoCertificate(PathBuf),
    /// There is no private key in PEM in the file, or one that is damaged.
    #[error("{} holds no private key in PEM (PKCS #8, PKCS #1 or SEC 1, without a password)", .0.display())]
    NoKey(PathBuf),
    /// Certificate and key can't be used, or not with one another.
    #[error("{} can't be used with its key", path.display())]
    Unusable {
        /// The certificate's file.
        path: PathBuf,
        /// Why.
        #[source]
        source: rustls::Error,
    },
    /// The certificates of an authority can't be used to check others.
    #[error("{} holds no authority's certificate: {problem}", path.display())]
    NoAuthority {
        /// The authority's file.
        path: PathBuf,
        /// Why.
        problem: String,
    },
}
