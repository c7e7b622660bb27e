//! What the policies say of siblings, as a driver would ask them (rule 8).

use std::rc::Rc;
use tombolo_core::{Entry, Policy};

/// What a policy says of siblings that differ.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Judgement {
    /// This value takes their place.
    Value(Vec<u8>),
    /// Nothing takes their place.
    Delete,
    /// They stay, and nobody is asked.
    KeepBoth,
    /// Somebody has to decide; this is why.
    Undecided(String),
}

/// A resolver under test: the key and the siblings, the newest last.
pub type Judge = Rc<dyn Fn(&[u8], &[Entry]) -> Judgement>;

/// The resolvers that random schedules declare.
pub const RESOLVERS: [&str; 4] = ["merges", "deletes", "keeps", "throws"];

/// How many bytes one write of a schedule is long; a merged value is made of such pieces.
pub const PIECE: usize = 9;

/// How many pieces of the merged value stay, so that it does not grow without bound.
const PIECES: usize = 6;

/// What `policy` says of siblings, the newest last; `own` takes the place of the resolvers here.
pub fn judge(policy: &Policy, key: &[u8], siblings: &[Entry], own: Option<&Judge>) -> Judgement {
    match policy {
        Policy::LastWriterWins | Policy::Newest | Policy::Ignore | Policy::YieldIsland => {
            newest(siblings)
        }
        Policy::MergeOnly => Judgement::Undecided("merge_only decides nothing".to_string()),
        Policy::LastVersion(_) | Policy::LastModified { .. } => greatest(siblings),
        Policy::Resolve(name) => match own {
            Some(resolver) => resolver(key, siblings),
            None => resolve(name, siblings),
        },
    }
}

/// What a reader sees of siblings, the newest last, while nothing has taken their place.
pub fn shown<'a>(policy: &Policy, siblings: &'a [Entry]) -> Option<&'a [u8]> {
    let best = match policy {
        Policy::LastVersion(_) | Policy::LastModified { .. } => {
            siblings.iter().max_by_key(|entry| (version(entry), entry.as_ref().rank()))
        }
        _ => siblings.last(),
    };
    best.and_then(|entry| entry.value.as_deref())
}

fn newest(siblings: &[Entry]) -> Judgement {
    let newest = siblings.last().and_then(|entry| entry.value.as_deref());
    Judgement::Value(newest.unwrap_or_default().to_vec())
}

fn greatest(siblings: &[Entry]) -> Judgement {
    let best = siblings.iter().max_by_key(|entry| (version(entry), entry.as_ref().rank()));
    let value = best.and_then(|entry| entry.value.as_deref());
    Judgement::Value(value.unwrap_or_default().to_vec())
}

/// The first byte of a value stands for its version.
fn version(entry: &Entry) -> u8 {
    entry.value.as_deref().and_then(|value| value.first()).copied().unwrap_or(0)
}

fn resolve(name: &str, siblings: &[Entry]) -> Judgement {
    match name {
        "merges" => {
            let values = siblings.iter().filter_map(|entry| entry.value.as_deref());
            let mut pieces: Vec<&[u8]> = values.flat_map(|value| value.chunks(PIECE)).collect();
            pieces.sort_unstable();
            pieces.dedup();
            let skipped = pieces.len().saturating_sub(PIECES);
            Judgement::Value(pieces[skipped..].concat())
        }
        "deletes" => Judgement::Delete,
        "keeps" => Judgement::KeepBoth,
        _ => Judgement::Undecided("the resolver threw".to_string()),
    }
}
