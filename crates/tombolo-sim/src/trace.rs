//! What happened, as text for whoever looks for the cause of a violation.

/// One thing that happened.
#[derive(Clone, Debug)]
pub struct Line {
    /// The true time.
    pub now: u64,
    /// The nodes concerned, the acting one first.
    pub slots: Vec<usize>,
    /// What it was.
    pub text: String,
}

/// The things that happened, if they are wanted: writing them costs more than doing them.
#[derive(Default, Debug)]
pub struct Trace {
    lines: Option<Vec<Line>>,
    /// What to write instead of the numbers that the core's own output names things by.
    names: Vec<(String, String)>,
}

impl Trace {
    /// A trace that keeps everything, or nothing.
    pub fn new(wanted: bool) -> Trace {
        Trace { lines: wanted.then(Vec::new), names: Vec::new() }
    }

    /// Whether anything is kept.
    pub fn is_wanted(&self) -> bool {
        self.lines.is_some()
    }

    /// From now on `long` is written as `short`.
    pub fn name(&mut self, long: String, short: String) {
        if self.lines.is_some() {
            self.names.push((long, short));
        }
    }

    /// A text with the short names in it.
    pub fn readable(&self, text: &str) -> String {
        let mut text = text.to_string();
        for (long, short) in &self.names {
            text = text.replace(long.as_str(), short);
        }
        text
    }

    /// Adds a line; `text` is only called if it is wanted.
    pub fn say(&mut self, now: u64, slots: &[usize], text: impl FnOnce() -> String) {
        if let Some(lines) = &mut self.lines {
            lines.push(Line { now, slots: slots.to_vec(), text: text() });
        }
    }

    /// All lines.
    pub fn lines(&self) -> &[Line] {
        self.lines.as_deref().unwrap_or_default()
    }

    /// The last lines that concern one of `slots`; all nodes if there are none.
    pub fn last(&self, slots: &[usize], most: usize) -> Vec<&Line> {
        let concerned =
            |line: &&Line| slots.is_empty() || line.slots.iter().any(|slot| slots.contains(slot));
        let mut last: Vec<&Line> = self.lines().iter().rev().filter(concerned).take(most).collect();
        last.reverse();
        last
    }
}

impl std::fmt::Display for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<String> = self.slots.iter().map(|slot| format!("n{slot}")).collect();
        write!(f, "{:>6} ms {:<6} {}", self.now, names.join(">"), self.text)
    }
}
