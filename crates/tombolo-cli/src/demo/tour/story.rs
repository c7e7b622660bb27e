//! What was done to which key, and what must have become of it.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::time::Duration;

use crate::client::Reply;
use crate::text::measured;

/// What was done to a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Op {
    Set(&'static str),
    Delete,
}

impl Op {
    /// The command, word by word.
    pub(super) fn command(&self, key: &str) -> Vec<String> {
        let words = match self {
            Op::Set(value) => vec!["SET", key, value],
            Op::Delete => vec!["DEL", key],
        };
        words.into_iter().map(str::to_owned).collect()
    }

    /// Whether the reply says that it was done.
    pub(super) fn check(&self, reply: io::Result<Reply>) -> Result<(), String> {
        let right = match self {
            Op::Set(_) => Reply::Simple("OK".to_owned()),
            Op::Delete => Reply::Integer(1),
        };
        match reply {
            Ok(reply) if reply == right => Ok(()),
            Ok(reply) => Err(format!("the reply is {reply:?}, not {right:?}")),
            Err(error) => Err(error.to_string()),
        }
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Op::Set(value) => write!(f, "set {value}"),
            Op::Delete => f.write_str("delete"),
        }
    }
}

/// One thing that happened.
#[derive(Clone, Debug)]
struct Event {
    /// When the command was sent, since the tour began.
    at: Duration,
    node: usize,
    key: String,
    op: Op,
}

/// Everything that happened, in order: the tour does one thing after the other, so the order of
/// the events is that of real time, also across the cut.
#[derive(Debug, Default)]
pub(super) struct Story {
    events: Vec<Event>,
    /// Where the chapter about the split begins.
    split: usize,
}

/// What became of a key that was touched during the split.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fate {
    pub(super) key: String,
    /// What each side did, if it did anything.
    pub(super) sides: [Option<String>; 2],
    /// The value now, or nothing.
    pub(super) now: Option<&'static str>,
    pub(super) why: String,
}

impl Story {
    pub(super) fn note(&mut self, at: Duration, node: usize, key: &str, op: Op) {
        self.events.push(Event { at, node, key: key.to_owned(), op });
    }

    /// What happens from now on happens on two sides.
    pub(super) fn begin_split(&mut self) {
        self.split = self.events.len();
    }

    /// What each key must hold when all nodes have everything: the last event wins.
    pub(super) fn expected(&self) -> BTreeMap<&str, Option<&'static str>> {
        let mut values = BTreeMap::new();
        for event in &self.events {
            let value = match event.op {
                Op::Set(value) => Some(value),
                Op::Delete => None,
            };
            values.insert(event.key.as_str(), value);
        }
        values
    }

    /// The fate of each of `keys`, which were touched during the split. `name` tells a node's
    /// name, `side` on which side it was.
    pub(super) fn fates(
        &self,
        keys: &[&str],
        name: impl Fn(usize) -> String,
        side: impl Fn(usize) -> usize,
    ) -> Vec<Fate> {
        let fate = |key: &&str| {
            let touched = |event: &&Event| event.key == *key;
            let chapter: Vec<&Event> = self.events[self.split..].iter().filter(touched).collect();
            let (last, earlier) = chapter.split_last()?;
            let mut sides = [None, None];
            for event in &chapter {
                let text =
                    format!("{} {} at {:.3} s", name(event.node), event.op, event.at.as_secs_f64());
                sides[side(event.node)] = Some(text);
            }
            let rival = earlier.iter().rev().find(|it| side(it.node) != side(last.node));
            let existed = self.events[..self.split].iter().any(|event| event.key == *key);
            Some(Fate {
                key: (*key).to_owned(),
                sides,
                now: match last.op {
                    Op::Set(value) => Some(value),
                    Op::Delete => None,
                },
                why: why(last, rival.copied(), existed, &name),
            })
        };
        keys.iter().filter_map(fate).collect()
    }
}

fn why(
    last: &Event,
    rival: Option<&Event>,
    existed: bool,
    name: impl Fn(usize) -> String,
) -> String {
    let winner = name(last.node);
    let Some(rival) = rival else {
        return match (&last.op, existed) {
            (Op::Set(_), false) => format!("only {winner} wrote it, all took it over"),
            (Op::Set(_), true) => {
                format!("only {winner} changed it, the old value does not return")
            }
            (Op::Delete, _) => format!("only {winner} deleted it, the old copies do not revive it"),
        };
    };
    let loser = name(rival.node);
    let later = measured(last.at.saturating_sub(rival.at));
    match (&last.op, &rival.op) {
        (Op::Set(_), Op::Set(_)) => format!("both wrote, {winner} {later} later: the later wins"),
        (Op::Set(_), Op::Delete) => {
            format!("{winner}'s write is {later} later than {loser}'s delete: the write wins")
        }
        (Op::Delete, Op::Set(_)) => {
            format!("{winner}'s delete is {later} later than {loser}'s write: the delete wins")
        }
        (Op::Delete, Op::Delete) => "both deleted it".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn story() -> Story {
        let mut story = Story::default();
        let mut at = 0;
        let mut note = |story: &mut Story, node, key: &str, op| {
            at += 10;
            story.note(Duration::from_millis(at), node, key, op);
        };
        note(&mut story, 0, "old", Op::Set("1"));
        story.begin_split();
        note(&mut story, 0, "both", Op::Set("left"));
        note(&mut story, 1, "both", Op::Set("right"));
        note(&mut story, 1, "old", Op::Delete);
        note(&mut story, 1, "new", Op::Set("2"));
        note(&mut story, 0, "new", Op::Delete);
        story
    }

    #[test]
    fn the_last_event_wins() {
        let story = story();
        let expected: Vec<_> = story.expected().into_iter().collect();
        assert_eq!(expected, [("both", Some("right")), ("new", None), ("old", None)]);
    }

    #[test]
    fn a_fate_says_what_both_did_and_why() {
        let story = story();
        let name = |node| format!("n{}", node + 1);
        let fates = story.fates(&["both", "old", "new", "untouched"], name, |node| node);
        let both = Fate {
            key: "both".into(),
            sides: [Some("n1 set left at 0.020 s".into()), Some("n2 set right at 0.030 s".into())],
            now: Some("right"),
            why: "both wrote, n2 10.0 ms later: the later wins".into(),
        };
        assert_eq!(fates[0], both);
        assert_eq!(fates[1].why, "only n2 deleted it, the old copies do not revive it");
        let words = "n1's delete is 10.0 ms later than n2's write: the delete wins";
        assert_eq!((fates[2].now, fates[2].why.as_str()), (None, words));
        assert_eq!(fates.len(), 3);
    }
}
