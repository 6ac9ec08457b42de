//! What does a `text/event-stream` say (WHATWG HTML §9.2), read piece by piece?

/// The longest line that is read, in bytes: an entry of the feed has some 120.
const MAX_LINE: usize = 16 * 1024;

/// One event. What it does not say is empty.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) name: String,
    pub(crate) data: String,
    pub(crate) id: Option<String>,
}

/// It is no event stream of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Nonsense {
    #[error("a line is too long")]
    TooLong,
    #[error("a line is no UTF-8")]
    NoText,
}

/// Puts the pieces together. It keeps one event at most.
#[derive(Debug, Default)]
pub(crate) struct EventStream {
    line: Vec<u8>,
    after_cr: bool,
    event: Event,
}

impl EventStream {
    /// Takes in a piece; gives the events that are whole with it.
    pub(crate) fn push(&mut self, piece: &[u8]) -> Result<Vec<Event>, Nonsense> {
        let mut whole = Vec::new();
        for byte in piece {
            // A line ends with CR, LF or both.
            let ends = matches!(byte, b'\n' | b'\r');
            if !(*byte == b'\n' && self.after_cr) && ends {
                let line = std::mem::take(&mut self.line);
                whole.extend(self.take(std::str::from_utf8(&line).map_err(|_| Nonsense::NoText)?)?);
            } else if !ends {
                if self.line.len() == MAX_LINE {
                    return Err(Nonsense::TooLong);
                }
                self.line.push(*byte);
            }
            self.after_cr = *byte == b'\r';
        }
        Ok(whole)
    }

    fn take(&mut self, line: &str) -> Result<Option<Event>, Nonsense> {
        if line.is_empty() {
            let event = std::mem::take(&mut self.event);
            return Ok((event != Event::default()).then_some(event));
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.event.name),
            "id" => self.event.id = Some(value.to_owned()),
            "data" => {
                if self.event.data.len() + value.len() > MAX_LINE {
                    return Err(Nonsense::TooLong);
                }
                if !self.event.data.is_empty() {
                    self.event.data.push('\n');
                }
                self.event.data.push_str(value);
            }
            // A comment, `retry`, or what is not known.
            _ => {}
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(name: &str, data: &str, id: Option<&str>) -> Event {
        Event { name: name.into(), data: data.into(), id: id.map(str::to_owned) }
    }

    #[test]
    fn events_are_found_however_they_are_cut_into_pieces_and_lines() {
        let text = ": hello\n\nevent: a\ndata: 1\ndata:2\nid: 7\nretry: 9\n\nevent: b\ndata\n\n\nevent: half";
        let expected = [event("a", "1\n2", Some("7")), event("b", "", None)];
        for ending in ["\n", "\r\n", "\r"] {
            let text = text.replace('\n', ending);
            for size in 1..=text.len() {
                let mut stream = EventStream::default();
                let pieces = text.as_bytes().chunks(size);
                let events: Vec<Event> = pieces.flat_map(|piece| stream.push(piece).expect("text")).collect();
                assert_eq!(events, expected, "{ending:?} {size}");
            }
        }
    }

    #[test]
    fn nonsense_takes_no_memory() {
        let endless = "x".repeat(MAX_LINE + 1);
        assert_eq!(EventStream::default().push(endless.as_bytes()), Err(Nonsense::TooLong));
        let (mut stream, line) = (EventStream::default(), format!("data: {}\n", "x".repeat(1024)));
        let told = (0..64).find_map(|_| stream.push(line.as_bytes()).err());
        assert_eq!(told, Some(Nonsense::TooLong));
        assert_eq!(EventStream::default().push(b"\xff\n"), Err(Nonsense::NoText));
    }
}
