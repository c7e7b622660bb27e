//! `cargo xtask tidy`: the rules of the house that no compiler knows.
//!
//! Each rule is one file below and looks at text, not at a syntax tree, so that it is quick and
//! can be read in a minute. [`source::code_of`] takes comments and literals out first.

mod arrows;
mod limits;
mod rooms;
mod source;
mod words;

use std::fmt;
use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, ensure};

/// One breach of a rule: where, what, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Violation {
    path: String,
    line: usize,
    /// What is wrong, as a clause without a full stop.
    message: String,
    /// What to do, as a clause without a full stop.
    remedy: String,
}

impl Violation {
    fn new(path: &str, line: usize, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, message: message.into(), remedy: remedy.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, line, message, remedy } = self;
        write!(formatter, "{path}:{line}: {message}. {remedy}.")
    }
}

/// A file of the repository, by its path from the root with `/` between the parts.
struct File {
    path: String,
    text: String,
}

/// Checks the whole work tree and prints every violation.
pub fn run() -> Result<ExitCode> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask has no parent")?;
    let files = files(root)?;
    let mut violations = arrows::check(&files)?;
    violations.extend(rooms::check_crate(&files));
    for file in &files {
        violations.extend(words::check_text(file));
        if file.path.ends_with(".rs") {
            let code = source::code_of(&file.text);
            violations.extend(limits::check(file, &code));
            violations.extend(words::check_rust(file, &code));
            violations.extend(rooms::check(file, &code));
        }
    }
    violations.sort();
    for violation in &violations {
        println!("{violation}");
    }
    if violations.is_empty() {
        println!("tidy: {} files, nothing to say", files.len());
        return Ok(ExitCode::SUCCESS);
    }
    println!("tidy: {} files, {} violations", files.len(), violations.len());
    Ok(ExitCode::FAILURE)
}

/// Every text file that git tracks or would offer to track.
fn files(root: &Path) -> Result<Vec<File>> {
    let listing = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()
        .context("cannot run git, which lists the files")?;
    let complaint = String::from_utf8_lossy(&listing.stderr);
    ensure!(listing.status.success(), "git ls-files failed: {}", complaint.trim());
    let listing = String::from_utf8(listing.stdout).context("a path is not UTF-8")?;
    let mut files = Vec::new();
    for path in listing.split_terminator('\0') {
        // Deleted files that git still lists, directories of other repositories, and files that
        // are no text have nothing to check.
        if let Ok(text) = std::fs::read_to_string(root.join(path)) {
            files.push(File { path: path.to_owned(), text });
        }
    }
    Ok(files)
}

/// The number of the line, from 1, that holds the byte at `offset`.
fn line_at(text: &str, offset: usize) -> usize {
    1 + text.as_bytes()[..offset].iter().filter(|byte| **byte == b'\n').count()
}
