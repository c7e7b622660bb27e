//! Words that must not stay: notes to self, and the paths of somebody's machine.

use crate::tidy::{File, Violation, line_at, source};

/// Notes to self, also in comments. In two halves, so that this file does not hold them.
const NOTES: [&str; 2] = [concat!("FIX", "ME"), concat!("XX", "X")];

/// Code that is not meant to stay, with what to do about it. Comments and strings may name it.
const CODE: [(&str, &str); 4] = [
    ("dbg!", "Log it or leave it out"),
    ("todo!", "Write it, or leave out what needs it"),
    ("unimplemented!", "Write it, or leave out what needs it"),
    ("#[ignore", "Repair the test or delete it"),
];

/// Where the machines of single people keep their files. In two halves, as above.
const MACHINE_PATHS: [&str; 2] = [concat!("/wo", "rk/"), concat!("/ro", "ot/")];

/// Checks a Rust file, of which `code` is what [`source::code_of`] left.
pub fn check_rust(file: &File, code: &str) -> Vec<Violation> {
    let mut violations = Vec::new();
    for note in NOTES {
        for at in source::words(&file.text, note) {
            let message = format!("`{note}` is left in the text");
            let remedy = "Do it now, or open an issue";
            violations.push(Violation::new(&file.path, line_at(code, at), message, remedy));
        }
    }
    for (word, remedy) in CODE {
        for at in source::words(code, word) {
            let message = format!("`{word}` is left in the code");
            violations.push(Violation::new(&file.path, line_at(code, at), message, remedy));
        }
    }
    violations
}

/// Checks any text file.
pub fn check_text(file: &File) -> Vec<Violation> {
    let mut violations = Vec::new();
    for path in MACHINE_PATHS {
        for (at, _) in file.text.match_indices(path) {
            if starts_a_path(&file.text[..at]) {
                let message = format!("a path on one machine: `{path}`");
                let remedy = "Name it relative to the repository, or by a variable";
                let line = line_at(&file.text, at);
                violations.push(Violation::new(&file.path, line, message, remedy));
            }
        }
    }
    violations
}

/// Whether a slash behind `before` begins a path, rather than going on with one.
fn starts_a_path(before: &str) -> bool {
    let last = before.chars().next_back();
    last.is_none_or(|letter| !(letter.is_alphanumeric() || "._-~}*".contains(letter)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> File {
        File { path: "a.rs".to_owned(), text: text.to_owned() }
    }

    fn check_code(text: &str) -> Vec<String> {
        let violations = check_rust(&file(text), &source::code_of(text));
        violations.iter().map(Violation::to_string).collect()
    }

    #[test]
    fn notes_to_self_are_found_in_comments_too() {
        for note in NOTES {
            assert_eq!(
                check_code(&format!("\n// {note}: later")),
                [format!("a.rs:2: `{note}` is left in the text. Do it now, or open an issue.")]
            );
            assert_eq!(check_code(&format!("// {note}L")), [""; 0]);
        }
    }

    #[test]
    fn unfinished_code_is_found_in_code_only() {
        for (word, remedy) in CODE {
            assert_eq!(
                check_code(&format!("fn a() {{\n{word}\n}}")),
                [format!("a.rs:2: `{word}` is left in the code. {remedy}.")]
            );
            assert_eq!(check_code(&format!("// {word}\nlet a = \"{word}\";")), [""; 0]);
        }
    }

    #[test]
    fn machine_paths_are_found_where_they_begin() {
        for path in MACHINE_PATHS {
            let found = check_text(&file(&format!("a\nsee {path}b")));
            assert_eq!(found.len(), 1);
            assert_eq!(found[0].line, 2);
            assert_eq!(check_text(&file(&format!("{path}b"))).len(), 1);
            for other in ["target", "..", "~", "${HOME}", "example.org"] {
                assert_eq!(check_text(&file(&format!("{other}{path}b"))), []);
            }
        }
    }
}
