//! What does the application behind a proxy get? It keeps every request, byte for byte.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

/// An application that says yes to everything. It ends with its listener's process.
pub(crate) struct Application {
    pub(crate) address: String,
    got: Arc<Mutex<Vec<Got>>>,
}

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Got {
    /// Method, target and version.
    pub(crate) line: String,
    /// Names as they came, and values.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Application {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let got = Arc::new(Mutex::new(Vec::new()));
        let keep = Arc::clone(&got);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let keep = Arc::clone(&keep);
                std::thread::spawn(move || serve(&stream, &keep));
            }
        });
        Self { address, got }
    }

    /// What came since this was asked last.
    pub(crate) fn got(&self) -> Vec<Got> {
        std::mem::take(&mut *self.got.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts what was looked at back.
    pub(crate) fn put_back(&self, got: Vec<Got>) {
        *self.got.lock().unwrap_or_else(PoisonError::into_inner) = got;
    }

    /// The one request that came since.
    #[track_caller]
    pub(crate) fn got_one(&self) -> Got {
        let mut all = self.got();
        assert_eq!(all.len(), 1, "requests that reached the application: {all:?}");
        all.remove(0)
    }
}

impl Got {
    /// The values under this very name, in whatever case.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let named = self.headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_str()).collect()
    }

    /// The values under any name that a CGI, WSGI or PHP application would read as this one.
    pub(crate) fn alike(&self, name: &str) -> Vec<&str> {
        let folded = fold(name);
        let named = self.headers.iter().filter(|(known, _)| fold(known) == folded);
        named.map(|(_, value)| value.as_str()).collect()
    }
}

/// How a CGI names a header (RFC 3875 §4.1.18), and more signs than that.
fn fold(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect()
}

/// One request, or none where the connection brings none.
pub(crate) fn read(reader: &mut BufReader<&TcpStream>) -> Option<Got> {
    let mut lines = Vec::new();
    loop {
        let mut line = Vec::new();
        reader.read_until(b'\n', &mut line).ok().filter(|read| *read > 0)?;
        let line = String::from_utf8_lossy(&line).trim_end().to_owned();
        if line.is_empty() {
            break;
        }
        lines.push(line);
    }
    let line = lines.first()?.clone();
    let headers: Vec<(String, String)> = lines[1..]
        .iter()
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect();
    let mut got = Got { line, headers, body: Vec::new() };
    let length = got.all("content-length").first().and_then(|length| length.parse::<usize>().ok());
    if let Some(length) = length {
        got.body.resize(length, 0);
        reader.read_exact(&mut got.body).ok()?;
    } else if got.all("transfer-encoding").contains(&"chunked") {
        loop {
            let mut size = String::new();
            reader.read_line(&mut size).ok()?;
            let size = usize::from_str_radix(size.trim().split(';').next()?, 16).ok()?;
            let mut chunk = vec![0; size + 2];
            reader.read_exact(&mut chunk).ok()?;
            if size == 0 {
                break;
            }
            got.body.extend_from_slice(&chunk[..size]);
        }
    }
    Some(got)
}

fn serve(stream: &TcpStream, keep: &Mutex<Vec<Got>>) {
    let mut reader = BufReader::new(stream);
    let Some(got) = read(&mut reader) else { return };
    let upgrades = got.all("upgrade").iter().any(|to| to.eq_ignore_ascii_case("websocket"));
    keep.lock().unwrap_or_else(PoisonError::into_inner).push(got);
    let mut stream = stream;
    // Whoever asked may have gone.
    if upgrades {
        let _ = stream.write_all(
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
              Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
        );
        let mut bytes = [0; 64];
        while let Ok(read @ 1..) = reader.read(&mut bytes) {
            let _ = stream.write_all(&bytes[..read]);
        }
    } else {
        let _ = stream.write_all(
            b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: text/plain\r\nContent-Length: 15\r\n\r\n\
              the application",
        );
    }
}
