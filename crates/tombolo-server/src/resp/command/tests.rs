//! What the tests of single commands share, and tests of the table of commands.

use super::{super::inline, Args, spec::COMMANDS};

/// Calls `look` with the words of a line.
pub(crate) fn with_args<R>(line: &str, look: impl FnOnce(Args<'_>) -> R) -> R {
    let (mut words, mut spans) = (Vec::new(), Vec::new());
    assert!(inline::split(line.as_bytes(), &mut words, &mut spans), "{line}");
    look(Args::new(&words, &spans))
}

#[test]
fn the_table_is_well_formed() {
    for spec in COMMANDS {
        assert_eq!(spec.name, spec.name.to_ascii_lowercase());
        assert!(spec.arity != 0 && !spec.summary.is_empty() && !spec.group.is_empty());
        for sub in spec.subcommands {
            let parts = sub.name.split_once('|');
            assert_eq!(parts, Some((spec.name, sub.own_name())), "{}", sub.name);
            // The command and the subcommand are two words.
            assert!(sub.takes(2) || !sub.takes(1), "{}", sub.name);
        }
    }
}

#[test]
fn arity() {
    let (_, get) = super::lookup::find(b"GET").unwrap();
    assert!(!get.takes(1) && get.takes(2) && !get.takes(3));
    let (_, del) = super::lookup::find(b"DEL").unwrap();
    assert!(!del.takes(1) && del.takes(2) && del.takes(3));
}
