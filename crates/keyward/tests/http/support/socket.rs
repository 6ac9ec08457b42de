//! A Keyward that is served on a loopback port, for bytes that no client library would send.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::App;

/// A server, until it is dropped.
pub(crate) struct Served {
    pub(crate) address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl App {
    pub(crate) async fn serve(&self) -> Served {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (stop, stopped) = oneshot::channel();
        let (keyward, router) = (self.keyward.clone(), self.router());
        let task = tokio::spawn(async move {
            let stopped = async {
                let _ = stopped.await;
            };
            keyward.serve(listener, router, stopped, Duration::from_secs(5)).await;
        });
        Served { address, stop, task }
    }
}

impl Served {
    /// Sends these bytes on a connection of their own and reads until the server closes it.
    pub(crate) async fn exchange(&self, bytes: impl Into<Vec<u8>>) -> String {
        let (address, bytes) = (self.address, bytes.into());
        let exchange = tokio::task::spawn_blocking(move || {
            let mut stream = TcpStream::connect(address).expect("connects");
            // Only for a server that neither answers nor closes, which fails the test.
            stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
            // It may have answered and closed before all was sent.
            let _ = stream.write_all(&bytes);
            let mut answer = Vec::new();
            match stream.read_to_end(&mut answer) {
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => {}
                Err(error) => panic!("{error} after {}", String::from_utf8_lossy(&answer)),
            }
            String::from_utf8_lossy(&answer).into_owned()
        });
        exchange.await.expect("an exchange")
    }

    /// Stops the server, and waits until it has.
    pub(crate) async fn stop(self) {
        let _ = self.stop.send(());
        self.task.await.expect("it stops");
    }
}
