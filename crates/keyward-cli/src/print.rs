//! How is something printed on standard output, and a person asked?

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use serde::Serialize;

use crate::failure::Failure;

/// Between two columns.
const GAP: &str = "  ";

/// Prints this text as it is.
pub(crate) fn text(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|e| Failure::unprinted(&e))
}

/// Prints this line.
pub(crate) fn line(line: &str) -> Result<(), Failure> {
    text(&format!("{line}\n"))
}

/// Prints this as JSON.
pub(crate) fn json(value: &impl Serialize) -> Result<(), Failure> {
    let json = serde_json::to_string_pretty(value);
    line(&json.map_err(|e| Failure::new(format!("this can't be written as JSON: {e}")))?)
}

/// Prints rows under their heads, aligned for people.
pub(crate) fn table<const N: usize>(head: [&str; N], rows: &[[String; N]]) -> Result<(), Failure> {
    text(&aligned(head, rows))
}

/// Says on standard error where a list goes on.
pub(crate) fn more(command: &str) {
    // Only a hint.
    let _ = writeln!(io::stderr().lock(), "more: {command}");
}

/// Asks on a terminal whether what will happen is meant.
pub(crate) fn ask(what: &str) -> Result<(), Failure> {
    if !io::stdin().is_terminal() {
        return Err(Failure::usage(format!(
            "{what} There is no terminal to ask whether to go on; add --yes"
        )));
    }
    let mut err = io::stderr().lock();
    let asked = write!(err, "{what} Go on? [y/N] ").and_then(|()| err.flush());
    let mut answer = String::new();
    let heard = asked.and_then(|()| io::stdin().lock().read_line(&mut answer));
    match (heard, answer.trim()) {
        (Ok(_), "y" | "Y" | "yes") => Ok(()),
        _ => Err(Failure::new("nothing was changed")),
    }
}

fn aligned<const N: usize>(head: [&str; N], rows: &[[String; N]]) -> String {
    let head = head.map(str::to_owned);
    let width = |column: usize| {
        let cells = std::iter::once(&head).chain(rows).map(|row| row[column].chars().count());
        cells.max().unwrap_or(0)
    };
    let widths: [usize; N] = std::array::from_fn(width);
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        format!("{}\n", cells.collect::<Vec<_>>().join(GAP).trim_end())
    };
    std::iter::once(&head).chain(rows).map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_below_each_other() {
        let row = |a: &str, b: &str| [a.to_owned(), b.to_owned()];
        let rows = [row("\u{fc}ber", "1"), row("a", ""), row("longer", "22")];
        assert_eq!(aligned(["NAME", "N"], &rows), "NAME    N\n\u{fc}ber    1\na\nlonger  22\n");
        assert_eq!(aligned(["NAME", "N"], &[]), "NAME  N\n");
    }
}
