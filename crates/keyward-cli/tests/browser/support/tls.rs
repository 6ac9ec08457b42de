//! How does the proxy speak HTTPS?

use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use tempfile::TempDir;

use crate::binary::self_made_certificate;

/// A certificate that nobody vouches for; the browsers of the tests accept it.
pub(super) fn certificate() -> Arc<ServerConfig> {
    let folder = TempDir::new().expect("a folder");
    self_made_certificate(folder.path(), "DNS:*.keyward.test");
    let file = |name: &str| Path::join(folder.path(), name);
    let certificate = CertificateDer::from_pem_file(file("certificate.pem")).expect("PEM");
    let key = PrivateKeyDer::from_pem_file(file("key.pem")).expect("PEM");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("there are some")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .expect("a pair");
    Arc::new(config)
}

/// The stream within. Dropped, it ends as TLS wants it.
pub(super) fn within(config: &Arc<ServerConfig>, stream: TcpStream) -> Option<Encrypted> {
    let connection = ServerConnection::new(Arc::clone(config)).ok()?;
    Some(Encrypted(StreamOwned::new(connection, stream)))
}

pub(super) struct Encrypted(StreamOwned<ServerConnection, TcpStream>);

impl std::io::Read for Encrypted {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        self.0.read(into)
    }
}

impl std::io::Write for Encrypted {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()
    }
}

impl Drop for Encrypted {
    fn drop(&mut self) {
        self.0.conn.send_close_notify();
        // The browser may have gone.
        let _ = self.0.conn.write_tls(&mut self.0.sock);
    }
}
