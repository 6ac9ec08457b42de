//! A Keyward that is served on a loopback port: for what many connections do at once, and for bytes
//! that no client library would send.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use axum::body::Bytes;
use http::header::{HOST, HeaderValue};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::{App, Ask, Reply};

/// A client's end of a connection. Where a test has stopped time, none passes while it is used.
pub(crate) struct Connection(TcpStream);

impl Connection {
    pub(crate) async fn send(&self, bytes: impl Into<Vec<u8>>) {
        let (mut stream, bytes) = (self.0.try_clone().expect("a handle"), bytes.into());
        let sent = tokio::task::spawn_blocking(move || stream.write_all(&bytes)).await;
        // It may have answered and closed before all was sent.
        drop(sent.expect("it is sent"));
    }

    /// Reads the head of an answer.
    pub(crate) async fn head(&self) -> String {
        self.read(|stream, head| {
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") {
                stream.read_exact(&mut byte)?;
                head.extend_from_slice(&byte);
            }
            Ok(())
        })
        .await
    }

    /// Reads until the server closes it.
    pub(crate) async fn rest(&self) -> String {
        self.read(|stream, rest| stream.read_to_end(rest).map(drop)).await
    }

    async fn read(
        &self,
        read: impl FnOnce(&mut TcpStream, &mut Vec<u8>) -> io::Result<()> + Send + 'static,
    ) -> String {
        let mut stream = self.0.try_clone().expect("a handle");
        let read = tokio::task::spawn_blocking(move || {
            let mut bytes = Vec::new();
            match read(&mut stream, &mut bytes) {
                Err(error) if error.kind() != io::ErrorKind::ConnectionReset => {
                    panic!("{error} after {}", String::from_utf8_lossy(&bytes))
                }
                _ => String::from_utf8_lossy(&bytes).into_owned(),
            }
        });
        read.await.expect("it is read")
    }

    /// Whether the server has neither said anything nor closed it.
    pub(crate) fn is_waited_for(&self) -> bool {
        self.0.set_nonblocking(true).expect("set");
        let peeked = self.0.peek(&mut [0]);
        self.0.set_nonblocking(false).expect("set");
        peeked.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }
}

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

/// A connection that is kept from one request to the next.
pub(crate) struct Kept(SendRequest<Full<Bytes>>);

impl Kept {
    pub(crate) async fn send(&mut self, ask: Ask) -> Reply {
        let (mut request, _) = ask.request();
        request.headers_mut().insert(HOST, HeaderValue::from_static("localhost"));
        // Whoever hung up is not called again.
        self.0.ready().await.expect("the connection is kept");
        let response = self.0.send_request(request.map(Full::new)).await.expect("an answer");
        let (head, body) = response.into_parts();
        let body = body.collect().await.expect("a body").to_bytes();
        Reply { status: head.status.as_u16(), headers: head.headers, body }
    }
}

impl Served {
    /// A connection as a browser or an app keeps one.
    pub(crate) async fn keep(&self) -> Kept {
        let stream = tokio::net::TcpStream::connect(self.address).await.expect("connects");
        stream.set_nodelay(true).expect("a socket");
        let (sender, connection) = handshake(TokioIo::new(stream)).await.expect("HTTP/1.1");
        tokio::spawn(connection);
        Kept(sender)
    }

    /// Sends these bytes on a connection of their own and reads until the server closes it.
    pub(crate) async fn exchange(&self, bytes: impl Into<Vec<u8>>) -> String {
        let connection = self.connect();
        connection.send(bytes).await;
        connection.rest().await
    }

    /// A connection on which a client takes its time.
    pub(crate) fn connect(&self) -> Connection {
        let stream = TcpStream::connect(self.address).expect("connects");
        // Only for a server that neither answers nor closes, which fails the test.
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
        Connection(stream)
    }

    /// Stops the server, and waits until it has.
    pub(crate) async fn stop(self) {
        let _ = self.stop.send(());
        self.task.await.expect("it stops");
    }
}
