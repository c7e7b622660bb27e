//! How long a file, a function and a line may be.

use crate::tidy::{File, Violation, source};

/// The hard limit of a file, in lines. The target is 400.
const FILE: usize = 600;
/// A `lib.rs` says what a crate is and composes it; the work is done elsewhere.
const LIB: usize = 120;
/// A function fits on one screen.
const FUNCTION: usize = 70;
/// The width of a line, in characters. rustfmt keeps it for code, not for comments and strings.
const LINE: usize = 100;

/// Checks the sizes of a Rust file, of which `code` is what [`source::code_of`] left.
pub fn check(file: &File, code: &str) -> Vec<Violation> {
    let mut violations = Vec::from_iter(file_length(file));
    violations.extend(function_lengths(&file.path, code));
    violations.extend(line_widths(file));
    violations
}

fn file_length(file: &File) -> Option<Violation> {
    let is_lib = file.path.ends_with("src/lib.rs");
    let (limit, remedy) = if is_lib {
        (LIB, "Move the work into modules")
    } else {
        (FILE, "Split it by what its parts are about, or move its tests to a file of their own")
    };
    let lines = file.text.lines().count();
    (lines > limit).then(|| {
        let message = format!("the file has {lines} lines, the limit is {limit}");
        Violation::new(&file.path, limit + 1, message, remedy)
    })
}

fn function_lengths(path: &str, code: &str) -> Vec<Violation> {
    let long = source::functions(code).into_iter().filter(|function| function.lines > FUNCTION);
    long.map(|source::Function { name, line, lines }| {
        let message = format!("the function `{name}` has {lines} lines, the limit is {FUNCTION}");
        Violation::new(path, line, message, "Give its steps names of their own")
    })
    .collect()
}

fn line_widths(file: &File) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (index, line) in file.text.lines().enumerate() {
        let width = line.chars().count();
        // A link cannot be broken.
        if width > LINE && !line.contains("://") {
            let message = format!("the line has {width} characters, the limit is {LINE}");
            violations.push(Violation::new(&file.path, index + 1, message, "Break it"));
        }
    }
    violations
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_file(path: &str, text: &str) -> Vec<String> {
        let file = File { path: path.to_owned(), text: text.to_owned() };
        let violations = check(&file, &source::code_of(text));
        violations.iter().map(Violation::to_string).collect()
    }

    #[test]
    fn a_file_has_at_most_600_lines() {
        assert_eq!(check_file("a.rs", &"\n".repeat(600)), [""; 0]);
        assert_eq!(
            check_file("a.rs", &"\n".repeat(601)),
            ["a.rs:601: the file has 601 lines, the limit is 600. Split it by what its parts \
              are about, or move its tests to a file of their own."]
        );
    }

    #[test]
    fn a_lib_has_at_most_120_lines() {
        assert_eq!(check_file("crates/a/src/lib.rs", &"\n".repeat(120)), [""; 0]);
        assert_eq!(
            check_file("crates/a/src/lib.rs", &"\n".repeat(121)),
            ["crates/a/src/lib.rs:121: the file has 121 lines, the limit is 120. \
              Move the work into modules."]
        );
    }

    #[test]
    fn a_function_has_at_most_70_lines() {
        let of_lines = |lines: usize| format!("\nfn long() {{{}}}\n", "\n".repeat(lines - 1));
        assert_eq!(check_file("a.rs", &of_lines(70)), [""; 0]);
        assert_eq!(
            check_file("a.rs", &of_lines(71)),
            ["a.rs:2: the function `long` has 71 lines, the limit is 70. \
              Give its steps names of their own."]
        );
    }

    #[test]
    fn a_line_has_at_most_100_characters_unless_it_holds_a_link() {
        assert_eq!(check_file("a.rs", &"ü".repeat(100)), [""; 0]);
        assert_eq!(
            check_file("a.rs", &format!("\n{}", "a".repeat(101))),
            ["a.rs:2: the line has 101 characters, the limit is 100. Break it."]
        );
        let link = format!("// https://example.org/{}", "a".repeat(100));
        assert_eq!(check_file("a.rs", &link), [""; 0]);
    }
}
