//! What does a proxy do with answers that a real Keyward never gives, or gives once in a blue moon?

use std::io::{BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

use crate::application::read;

/// One that plays Keyward and says to `verify` what it was told to.
pub(crate) struct Played {
    pub(crate) address: String,
    says: Arc<Mutex<String>>,
}

impl Played {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let says = Arc::new(Mutex::new(String::new()));
        let told = Arc::clone(&says);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let told = Arc::clone(&told);
                std::thread::spawn(move || serve(&stream, &told));
            }
        });
        Self { address, says }
    }

    /// From now on `verify` is answered with this head; with nothing, by closing the connection.
    pub(crate) fn says(&self, head: &str) {
        head.clone_into(&mut self.says.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

fn serve(stream: &TcpStream, told: &Mutex<String>) {
    let Some(got) = read(&mut BufReader::new(stream)) else { return };
    let head = match got.line.contains("/api/auth/verify") {
        true => told.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        false => "HTTP/1.1 200 OK".to_owned(),
    };
    if !head.is_empty() {
        let mut stream = stream;
        // Whoever asked may have gone.
        let _ = write!(stream, "{head}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    }
}
