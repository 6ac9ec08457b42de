//! What if the log is full, or nobody reads it? Then lines are dropped and counted; nobody waits.
//!
//! Whoever logs leaves a line in a bounded queue; a thread writes what stands there. Each event is
//! one line, whatever it holds.

use std::borrow::Cow;
use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How many lines may wait to be written.
const QUEUE: usize = 8_192;
/// How long an end waits for what is left.
const PATIENCE: Duration = Duration::from_secs(1);

/// Where lines go.
pub(super) struct Sink {
    /// How many lines were dropped.
    pub(super) drops: Arc<AtomicU64>,
    colours: bool,
    queue: Mutex<Queue>,
    /// Something is waiting.
    filled: Condvar,
    /// Nothing is.
    drained: Condvar,
}

#[derive(Default)]
struct Queue {
    text: Vec<u8>,
    lines: usize,
    writing: bool,
}

impl Sink {
    /// Begins to write to `out`. Where that shows `colours`, escapes pass: the values of events
    /// have none by then.
    pub(super) fn begin(out: impl Write + Send + 'static, colours: bool) -> io::Result<Arc<Self>> {
        let sink = Arc::new(Self {
            drops: Arc::default(),
            colours,
            queue: Mutex::default(),
            filled: Condvar::new(),
            drained: Condvar::new(),
        });
        let writes = Arc::clone(&sink);
        std::thread::Builder::new().name("keyward-log".to_owned()).spawn(move || writes.write(out))?;
        Ok(sink)
    }

    /// Waits until everything is written, though not for long.
    pub(super) fn flush(&self) {
        let busy = |queue: &mut Queue| queue.writing || queue.lines > 0;
        // Whoever stops now doesn't care whether it was poisoned, or took too long.
        let _ = self.drained.wait_timeout_while(self.queue(), PATIENCE, busy);
    }

    fn take(&self, line: &[u8]) {
        let text = String::from_utf8_lossy(line);
        let line = one_line(&text, self.colours);
        let mut queue = self.queue();
        if queue.lines >= QUEUE {
            self.drops.fetch_add(1, Ordering::Relaxed);
            return;
        }
        queue.text.extend_from_slice(line.as_bytes());
        queue.lines += 1;
        drop(queue);
        self.filled.notify_one();
    }

    fn write(&self, mut out: impl Write) {
        let mut told = 0;
        let mut text = Vec::new();
        loop {
            let idle = |queue: &mut Queue| queue.lines == 0;
            let mut queue =
                self.filled.wait_while(self.queue(), idle).unwrap_or_else(PoisonError::into_inner);
            text.clear();
            std::mem::swap(&mut text, &mut queue.text);
            let lines = std::mem::take(&mut queue.lines);
            queue.writing = true;
            drop(queue);
            let written = out.write_all(&text).and_then(|()| out.flush());
            let dropped = match written {
                Ok(()) => self.drops.load(Ordering::Relaxed),
                Err(_) => self.drops.fetch_add(lines as u64, Ordering::Relaxed) + lines as u64,
            };
            if written.is_ok() && dropped > told {
                // This is one more line, for the next round.
                tracing::warn!(lines = dropped - told, "the log could not take these lines: they are lost");
                told = dropped;
            }
            let mut queue = self.queue();
            queue.writing = false;
            if queue.lines == 0 {
                self.drained.notify_all();
            }
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One event on its way into the queue.
pub(super) struct Line(pub(super) Arc<Sink>);

impl Write for Line {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.take(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The text as one line: what could begin another one, or turn the reading direction of the rest,
/// is written as JSON would write it.
fn one_line(text: &str, colours: bool) -> Cow<'_, str> {
    let line = text.strip_suffix('\n').unwrap_or(text);
    let hostile = |c: char| {
        (c.is_control() && !(colours && c == '\u{1b}'))
            || matches!(c, '\u{2028}' | '\u{2029}' | '\u{61c}' | '\u{200e}' | '\u{200f}')
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if !line.contains(hostile) && text.ends_with('\n') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(line.len() + 16);
    for c in line.chars() {
        if hostile(c) {
            out.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            out.push(c);
        }
    }
    out.push('\n');
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    /// Takes a write when it is told to, and says what it was.
    struct Slow {
        let_go: Receiver<io::Result<()>>,
        wrote: Sender<Vec<u8>>,
    }

    impl Write for Slow {
        fn write(&mut self, text: &[u8]) -> io::Result<usize> {
            self.let_go.recv().expect("told")?;
            self.wrote.send(text.to_vec()).expect("heard");
            Ok(text.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn who_logs_never_waits_and_what_finds_no_room_is_counted() {
        let (go, let_go) = channel();
        let (wrote, written) = channel();
        let sink = Sink::begin(Slow { let_go, wrote }, false).expect("a thread");
        // The writer takes what is there, and hangs; twice as much comes as the queue holds.
        for n in 0..3 * QUEUE {
            sink.take(format!("{n}\n").as_bytes());
        }
        let dropped = usize::try_from(sink.drops.load(Ordering::Relaxed)).expect("a number");
        assert!((QUEUE..=2 * QUEUE).contains(&dropped), "{dropped}");
        go.send(Ok(())).expect("sent");
        go.send(Ok(())).expect("sent");
        let mut lines = 0;
        while lines + dropped < 3 * QUEUE {
            lines += String::from_utf8(written.recv().expect("written")).expect("UTF-8").lines().count();
        }
        assert_eq!(lines + dropped, 3 * QUEUE);
    }

    #[test]
    fn a_full_disk_costs_the_lines_and_nothing_else() {
        let (go, let_go) = channel();
        let (wrote, written) = channel();
        let sink = Sink::begin(Slow { let_go, wrote }, false).expect("a thread");
        sink.take(b"lost\n");
        go.send(Err(io::ErrorKind::StorageFull.into())).expect("sent");
        sink.flush();
        assert_eq!(sink.drops.load(Ordering::Relaxed), 1);
        sink.take(b"kept\n");
        go.send(Ok(())).expect("sent");
        assert_eq!(written.recv().expect("written"), b"kept\n");
    }

    #[test]
    fn an_event_is_one_line_whatever_it_holds() {
        let hostile = "a\r\nb\u{1b}[31m\u{85}\u{2028}\u{202e}c\u{0}\n";
        assert_eq!(one_line(hostile, false), "a\\u000d\\u000ab\\u001b[31m\\u0085\\u2028\\u202ec\\u0000\n");
        assert_eq!(one_line("\u{1b}[2mdim\n", true), "\u{1b}[2mdim\n");
        assert_eq!(one_line("no end", false), "no end\n");
        let json = one_line("{\"a\":\"\u{2028}\"}\n", false);
        assert_eq!(serde_json::from_str::<serde_json::Value>(&json).expect("JSON")["a"], "\u{2028}");
    }
}
