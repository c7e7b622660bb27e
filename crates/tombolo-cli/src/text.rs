//! Text for people: output that survives a closed pipe, times, and columns.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write as _};
use std::time::Duration;

/// Prints a line. That nobody reads any more (`tombolo status | head -1`) is no error, while
/// `println!` would panic.
pub fn say(line: impl AsRef<str>) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(line.as_ref().as_bytes());
    let _ = out.write_all(b"\n");
    let _ = out.flush();
}

/// Prints an error line to stderr, whatever becomes of it.
pub fn complain(line: impl AsRef<str>) {
    let mut err = io::stderr().lock();
    let _ = err.write_all(format!("tombolo: {}\n", line.as_ref()).as_bytes());
}

/// Whether output goes to a terminal whose user did not ask for plain text.
pub fn wants_colours() -> bool {
    let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    io::stdout().is_terminal() && !plain
}

/// What a colour means; which colour that is, is said in one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// As it should be.
    Good,
    /// On the way to it.
    Busy,
    /// Not as it should be.
    Bad,
    /// Of less interest.
    Faint,
    /// A heading.
    Strong,
    /// No colour.
    Plain,
}

impl Tone {
    /// `text` in this tone, if `colours` are wanted.
    pub fn paint(self, text: &str, colours: bool) -> String {
        let code = match self {
            Tone::Good => "32",
            Tone::Busy => "33",
            Tone::Bad => "31",
            Tone::Faint => "2",
            Tone::Strong => "1",
            Tone::Plain => "",
        };
        if colours && !code.is_empty() {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}

/// A time span in its largest unit: `12 s`, `3 min`, `5 h`, `2 d`.
pub fn span(millis: u64) -> String {
    match millis / 1000 {
        0 => "0 s".to_owned(),
        seconds @ 1..=119 => format!("{seconds} s"),
        seconds @ 120..=7_199 => format!("{} min", seconds / 60),
        seconds @ 7_200..=172_799 => format!("{} h", seconds / 3600),
        seconds => format!("{} d", seconds / 86_400),
    }
}

/// A measured time with three digits: `0.41 ms`, `12.3 ms`, `1.25 s`.
pub fn measured(time: Duration) -> String {
    let millis = time.as_secs_f64() * 1e3;
    match millis {
        ..9.995 => format!("{millis:.2} ms"),
        ..99.95 => format!("{millis:.1} ms"),
        ..999.5 => format!("{millis:.0} ms"),
        _ => format!("{:.2} s", millis / 1e3),
    }
}

/// A count with a comma before every three digits.
pub fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Bytes in a unit that keeps the number short: `96 B`, `1.5 KiB`, `12 MiB`.
pub fn bytes(count: u64) -> String {
    if count < 1024 {
        return format!("{count} B");
    }
    let mut scaled = count as f64 / 1024.0;
    for unit in ["KiB", "MiB", "GiB"] {
        if scaled < 9.95 {
            return format!("{scaled:.1} {unit}");
        }
        if scaled < 1023.5 {
            return format!("{scaled:.0} {unit}");
        }
        scaled /= 1024.0;
    }
    format!("{scaled:.1} TiB")
}

/// Text that comes from other machines, with nothing in it that could steer the terminal.
pub fn tame(text: &str) -> String {
    text.replace(char::is_control, "?")
}

/// The same, at most `most` characters of it.
pub fn shortened(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => tame(&text[..end]) + "…",
        None => tame(text),
    }
}

/// `text` as one word of a shell's command line.
pub fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.:/,+@%".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", tame(text).replace('\'', "'\\''"))
}

/// Rows of cells in columns as wide as their widest cell.
pub struct Grid {
    rows: Vec<Vec<(String, Tone)>>,
    right: Vec<bool>,
}

impl Grid {
    /// A grid with these headings; one that begins with `>` aligns its column to the right.
    pub fn new(headings: &[&str]) -> Self {
        let right = headings.iter().map(|heading| heading.starts_with('>')).collect();
        let cell = |heading: &&str| (heading.trim_start_matches('>').to_owned(), Tone::Faint);
        Self { rows: vec![headings.iter().map(cell).collect()], right }
    }

    /// Adds a row, a text and its tone for each column.
    pub fn row<const N: usize>(&mut self, cells: [(String, Tone); N]) {
        self.rows.push(cells.into_iter().map(|(text, tone)| (tame(&text), tone)).collect());
    }

    /// The rows as lines, each with `indent` before it.
    pub fn render(&self, indent: &str, colours: bool) -> String {
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|(text, _)| text.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.right.len()).map(width).collect();
        let mut lines = String::new();
        for row in &self.rows {
            let mut line = indent.to_owned();
            let last = row.len().saturating_sub(1);
            for (column, (text, tone)) in row.iter().enumerate() {
                let gap = widths[column].saturating_sub(text.chars().count());
                let painted = tone.paint(text, colours);
                let _ = match (self.right[column], column == last) {
                    (true, _) => write!(line, "{}{painted}", " ".repeat(gap)),
                    (false, true) => write!(line, "{painted}"),
                    (false, false) => write!(line, "{painted}{}", " ".repeat(gap)),
                };
                if column != last {
                    line.push_str("  ");
                }
            }
            lines.push_str(line.trim_end());
            lines.push('\n');
        }
        lines
    }
}

/// A cell without a tone.
pub fn cell(text: impl Into<String>) -> (String, Tone) {
    (text.into(), Tone::Plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([0, 1_999, 120_000, 7_200_000].map(span), ["0 s", "1 s", "2 min", "2 h"]);
        assert_eq!(span(172_800_000), "2 d");
        let micros = |count| measured(Duration::from_micros(count));
        assert_eq!([41, 12_340, 999_900].map(micros), ["0.04 ms", "12.3 ms", "1.00 s"]);
        assert_eq!([96, 1536, 12 << 20].map(bytes), ["96 B", "1.5 KiB", "12 MiB"]);
    }

    #[test]
    fn words_of_others_are_tame_short_and_quoted() {
        assert_eq!(shortened("abc", 3), "abc");
        assert_eq!(shortened("ab\u{7}cd", 3), "ab?…");
        let words = ["a-b:1", "", "a b", "it's", "$x"].map(shell_word);
        assert_eq!(words, ["a-b:1", "''", "'a b'", "'it'\\''s'", "'$x'"]);
    }

    #[test]
    fn columns_line_up_and_colours_do_not_count() {
        let mut grid = Grid::new(&["NAME", ">COUNT", "END"]);
        grid.row([cell("long name"), cell("7"), ("a\x1b[2J".to_owned(), Tone::Bad)]);
        let plain = "  NAME       COUNT  END\n  long name      7  a?[2J\n";
        assert_eq!(grid.render("  ", false), plain);
        let painted = grid.render("  ", true);
        assert!(painted.contains("\x1b[31ma?[2J\x1b[0m"), "{painted:?}");
    }
}
