//! What `tombolo-core` does not know, and which of its rooms may use which.

use crate::tidy::{File, Violation, line_at, source};

/// The modules of the core from the ground up. Each may use those to its left, and no others.
const ROOMS: [&str; 14] = [
    "id",
    "fragment",
    "time",
    "clock",
    "entry",
    "serial",
    "declaration",
    "error",
    "resolver",
    "store",
    "members",
    "message",
    "table",
    "node",
];

/// Rooms that do not use each other though the order would let them: `node` translates.
const APART: [(&str, &str); 1] = [("members", "table")];

/// Words that stand for what the core does not know, with the reason.
const BANNED: [(&str, &str); 5] = [
    ("std::", "Use core or alloc: the core has no operating system"),
    ("HashMap", "Use BTreeMap: the order must be the same in every run of a seed"),
    ("HashSet", "Use BTreeSet: the order must be the same in every run of a seed"),
    ("Instant", "Take the time as a value from the event"),
    ("SystemTime", "Take the time as a value from the event"),
];

const SOURCE: &str = "crates/tombolo-core/src/";

/// Checks what concerns the crate as a whole.
pub fn check_crate(files: &[File]) -> Option<Violation> {
    let path = format!("{SOURCE}lib.rs");
    let lib = files.iter().find(|file| file.path == path)?;
    let declared = source::code_of(&lib.text).contains("#![no_std]");
    (!declared).then(|| {
        let message = "`#![no_std]` is missing";
        Violation::new(&path, 1, message, "Declare it: the core has no operating system")
    })
}

/// Checks a Rust file, of which `code` is what [`source::code_of`] left.
pub fn check(file: &File, code: &str) -> Vec<Violation> {
    let Some(inside) = file.path.strip_prefix(SOURCE) else {
        return Vec::new();
    };
    let mut violations = banned_words(&file.path, code);
    let room = inside.split(['/', '.']).next().unwrap_or(inside);
    // lib.rs belongs to no room: it names them all.
    if room != "lib" {
        violations.extend(uses(&file.path, room, code));
    }
    violations
}

fn banned_words(path: &str, code: &str) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (word, remedy) in BANNED {
        for at in source::words(code, word) {
            let message = format!("`{word}` in the core");
            violations.push(Violation::new(path, line_at(code, at), message, remedy));
        }
    }
    violations
}

fn uses(path: &str, room: &str, code: &str) -> Vec<Violation> {
    let Some(place) = place(room) else {
        let message = format!("`{room}` has no place among the rooms of the core");
        let remedy = "Put it into ROOMS in xtask/src/tidy/rooms.rs";
        return vec![Violation::new(path, 1, message, remedy)];
    };
    let mut violations = Vec::new();
    for (at, used) in paths(code) {
        let remedy = match self::place(used) {
            None => format!("Name the room that holds `{used}`, or put it into ROOMS"),
            Some(other) if other > place && place == 0 => "It may use no other room".to_owned(),
            Some(other) if other > place => format!("It may use {}", ROOMS[..place].join(", ")),
            Some(_) if apart(room, used) => "Let `node` translate between the two".to_owned(),
            Some(_) => continue,
        };
        let message = format!("the room `{room}` uses `{used}`");
        violations.push(Violation::new(path, line_at(code, at), message, remedy));
    }
    violations
}

fn place(room: &str) -> Option<usize> {
    ROOMS.iter().position(|other| *other == room)
}

fn apart(room: &str, used: &str) -> bool {
    APART.contains(&(room, used)) || APART.contains(&(used, room))
}

/// The first name of every path from the root of the crate, in imports and elsewhere, with its
/// offset. `crate::{a::B, c}` holds two.
fn paths(code: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    for at in source::words(code, "crate::") {
        let start = at + "crate::".len();
        match code[start..].strip_prefix('{') {
            None => found.push((start, first_name(&code[start..]))),
            Some(group) => {
                let heads = group_heads(group).into_iter();
                found.extend(heads.map(|head| {
                    let at = start + 1 + head;
                    (at, first_name(&code[at..]))
                }));
            }
        }
    }
    found
}

fn first_name(path: &str) -> &str {
    let end = path.find(|letter: char| !(letter.is_alphanumeric() || letter == '_'));
    &path[..end.unwrap_or(path.len())]
}

/// Where the items of an import group begin, up to the brace that closes it.
fn group_heads(group: &str) -> Vec<usize> {
    let mut heads = Vec::new();
    let mut depth = 0;
    let mut expected = true;
    for (at, letter) in group.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => expected = true,
            _ if expected && !letter.is_whitespace() => {
                heads.push(at);
                expected = false;
            }
            _ => {}
        }
    }
    heads
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_at(inside: &str, text: &str) -> Vec<String> {
        let file = File { path: format!("{SOURCE}{inside}"), text: text.to_owned() };
        let violations = check(&file, &source::code_of(text));
        violations.iter().map(Violation::to_string).collect()
    }

    #[test]
    fn the_core_declares_that_it_has_no_std() {
        let lib = |text: &str| [File { path: format!("{SOURCE}lib.rs"), text: text.to_owned() }];
        assert_eq!(check_crate(&lib("//! docs\n#![no_std]\n")), None);
        assert!(check_crate(&lib("//! #![no_std]\n")).is_some());
    }

    #[test]
    fn the_core_does_not_know_some_words() {
        for (word, remedy) in BANNED {
            assert_eq!(
                check_at("id.rs", &format!("\nuse {word}x")).len(),
                usize::from(word.ends_with(':')),
            );
            assert_eq!(
                check_at("id.rs", &format!("\nuse {word} ;")),
                [format!("{SOURCE}id.rs:2: `{word}` in the core. {remedy}.")]
            );
            assert_eq!(check_at("lib.rs", &format!("{word} ;")).len(), 1);
            assert_eq!(check_at("id.rs", &format!("// {word} ;")), [""; 0]);
        }
        let elsewhere = File { path: "crates/tombolo/src/a.rs".to_owned(), text: String::new() };
        assert_eq!(check(&elsewhere, "use std::time::Instant;"), []);
    }

    #[test]
    fn a_room_uses_those_to_its_left_and_itself() {
        assert_eq!(check_at("clock/dot.rs", "use crate::id::A;\nuse crate::clock::B;"), [""; 0]);
        assert_eq!(check_at("node.rs", "use crate::{table::A, members::{B, C}};"), [""; 0]);
    }

    #[test]
    fn a_room_does_not_use_those_to_its_right() {
        let expected = |line| {
            [format!(
                "{SOURCE}clock/dot.rs:{line}: the room `clock` uses `store`. It may use id, \
                 fragment, time."
            )]
        };
        assert_eq!(check_at("clock/dot.rs", "\nuse crate::store::Store;"), expected(2));
        assert_eq!(check_at("clock/dot.rs", "fn a(b: crate::store::Store) {}"), expected(1));
        assert_eq!(
            check_at("clock/dot.rs", "use crate::{\n    id::{A, B},\n    store::Store,\n};"),
            expected(3)
        );
        let lowest = check_at("id.rs", "use crate::time::Tick;");
        assert!(lowest[0].ends_with("uses `time`. It may use no other room."), "{lowest:?}");
    }

    #[test]
    fn some_rooms_stay_apart() {
        for (room, used) in [("members", "table"), ("table", "members")] {
            let found = check_at(&format!("{room}.rs"), &format!("use crate::{used}::A;"));
            assert_eq!(found.len(), 1, "{found:?}");
            assert!(found[0].contains(&format!("the room `{room}` uses `{used}`")));
        }
    }

    #[test]
    fn a_path_names_a_room_and_not_a_re_export() {
        let found = check_at("store.rs", "use crate::NodeId;");
        assert!(found[0].contains("Name the room that holds `NodeId`"), "{found:?}");
    }

    #[test]
    fn a_new_room_needs_a_place() {
        let found = check_at("cellar/wine.rs", "");
        assert!(found[0].contains("`cellar` has no place among the rooms"), "{found:?}");
    }

    #[test]
    fn the_root_names_all_rooms() {
        assert_eq!(check_at("lib.rs", "pub use crate::node::Node;"), [""; 0]);
    }
}
