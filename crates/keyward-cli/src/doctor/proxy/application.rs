//! What reaches the application? Stands in its place, and keeps the headers of what comes.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::failure::Failure;

/// Headers that are longer are not a browser's, nor are those that take longer to come.
const MOST_LINES: usize = 256;
const PATIENCE: Duration = Duration::from_secs(10);

/// Headers as they came: names and values.
pub(super) type Headers = Vec<(String, String)>;

/// One that listens until the process ends.
pub(super) struct Application(Arc<Mutex<Vec<Headers>>>);

impl Application {
    /// # Errors
    /// Where the address is taken.
    pub(super) fn start(address: SocketAddr) -> Result<Self, Failure> {
        let listener = TcpListener::bind(address).map_err(|e| {
            Failure::usage(format!(
                "--application {address} can't be listened on: {e}; stop the application, the doctor stands in for it"
            ))
        })?;
        let got = Arc::new(Mutex::new(Vec::new()));
        let keep = Arc::clone(&got);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if let Some(headers) = serve(&stream) {
                    keep.lock().unwrap_or_else(PoisonError::into_inner).push(headers);
                }
                answer(&stream);
            }
        });
        Ok(Self(got))
    }

    /// What came since this was asked last.
    pub(super) fn got(&self) -> Vec<Headers> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn serve(stream: &TcpStream) -> Option<Headers> {
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    let mut headers = Vec::new();
    for line in BufReader::new(stream).split(b'\n').take(MOST_LINES) {
        let line = line.ok()?;
        let line = String::from_utf8_lossy(&line).trim_end().to_owned();
        if line.is_empty() {
            return Some(headers);
        }
        if let Some((name, value)) = line.split_once(':') {
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
    }
    None
}

fn answer(mut stream: &TcpStream) {
    // Whoever asked may have gone.
    let _ = stream.write_all(
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: text/plain\r\nContent-Length: 16\r\n\r\nkeyward doctor\r\n",
    );
}
