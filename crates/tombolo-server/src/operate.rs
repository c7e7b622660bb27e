//! What operators do about conflicts and joins, whichever protocol they speak.

use tombolo::{
    AlterError, Choice, Conflict, HoldError, Kind, LedgerStatus, Node, Outcome, RawTable, Receipt,
    ResolveError, Undecided, WriteError,
};

use crate::declare::Said;

/// How many conflicts are listed unless somebody asks for more.
pub(crate) const LISTED: usize = 1_000;
/// More are never listed at once.
pub(crate) const MOST_LISTED: usize = 100_000;
/// How many bytes of keys and values one listing takes at most, but for its first entry.
const LISTED_BYTES: usize = 16 << 20;

/// Why something was not done. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    /// What was named is not there.
    #[error("{0}")]
    Missing(String),
    /// It is there, but not in a state for this.
    #[error("{0}")]
    Conflict(String),
    /// The request itself is wrong.
    #[error("{0}")]
    Bad(String),
    #[error(transparent)]
    Write(#[from] WriteError),
}

impl From<ResolveError> for Trouble {
    fn from(error: ResolveError) -> Trouble {
        match error {
            ResolveError::NoSibling { .. } | ResolveError::NoEntry { .. } => {
                Trouble::Missing(error.to_string())
            }
            ResolveError::Write(error) => Trouble::Write(error),
            other => Trouble::Conflict(other.to_string()),
        }
    }
}

impl From<HoldError> for Trouble {
    fn from(error: HoldError) -> Trouble {
        match error {
            HoldError::Unknown(_) => Trouble::Missing(error.to_string()),
            HoldError::NothingHeld(_) => Trouble::Conflict(error.to_string()),
        }
    }
}

impl From<AlterError> for Trouble {
    fn from(error: AlterError) -> Trouble {
        match error {
            AlterError::Unknown(_) => Trouble::Missing(error.to_string()),
            AlterError::Invalid(_) => Trouble::Bad(error.to_string()),
            other => Trouble::Conflict(other.to_string()),
        }
    }
}

/// The table of that name.
pub(crate) fn table(node: &Node, name: &str) -> Result<RawTable, Trouble> {
    node.raw_table(name).ok_or_else(|| {
        let all = node.raw_tables();
        let known: Vec<&str> = all.iter().take(20).map(RawTable::name).collect();
        let more = if all.len() > known.len() { ", …" } else { "" };
        Trouble::Missing(format!(
            "there is no table {name:?}; there are {}{more}",
            known.join(", ")
        ))
    })
}

/// The table of that name, or all.
pub(crate) fn tables(node: &Node, name: Option<&str>) -> Result<Vec<RawTable>, Trouble> {
    name.map_or_else(|| Ok(node.raw_tables()), |name| Ok(vec![table(node, name)?]))
}

/// Alters a table as was said. Saying nothing is no alteration but most likely a mistake.
pub(crate) fn alter(node: &Node, name: &str, said: Said) -> Result<(), Trouble> {
    let table = table(node, name)?;
    if said == Said::default() {
        let text = "say what to alter: the policy, owner_down, merge or the TTL";
        return Err(Trouble::Bad(text.to_owned()));
    }
    Ok(node.alter(name, said.over(table.declaration()))?)
}

/// The newest conflicts of some tables.
pub(crate) struct Listing {
    /// The newest first, with their keys as people read them.
    pub(crate) conflicts: Vec<(Conflict, String)>,
    /// Likewise.
    pub(crate) undecided: Vec<(Undecided, String)>,
    /// What the ledger of each table holds.
    pub(crate) ledgers: Vec<(String, LedgerStatus)>,
    /// How many conflicts of the ledgers are not listed.
    pub(crate) conflicts_left_out: usize,
    /// How many of those that wait for somebody are not listed.
    pub(crate) undecided_left_out: usize,
}

/// Lists the newest conflicts of the tables, at most `limit` of each sort.
pub(crate) fn conflicts(tables: &[RawTable], limit: usize) -> Listing {
    let (mut conflicts, mut undecided, mut ledgers) = (Vec::new(), Vec::new(), Vec::new());
    for table in tables {
        ledgers.push((table.name().to_owned(), table.ledger()));
        let newest = table.conflicts().into_iter().rev().take(limit);
        conflicts.extend(newest.map(|one| {
            let text = table.key_text(&one.key);
            (one, text)
        }));
        undecided.extend(table.undecided(limit).into_iter().map(|one| {
            let text = table.key_text(&one.key);
            (one, text)
        }));
        // After each table, so that many tables take no more than one and the limit. The order of
        // a ledger is kept where two were noted at the same moment.
        conflicts.sort_by_key(|(one, _)| std::cmp::Reverse(one.at));
        fit(&mut conflicts, limit, |one| {
            let events = one.kept.iter().chain(&one.lost);
            one.key.len() + events.filter_map(|it| it.value.as_ref()).map(Vec::len).sum::<usize>()
        });
        undecided.sort_by_key(|(one, _)| std::cmp::Reverse(one.since));
        fit(&mut undecided, limit, |one| {
            let values = one.siblings.iter().filter_map(|it| it.value.as_ref());
            one.key.len() + values.map(Vec::len).sum::<usize>()
        });
    }
    let total = |count: fn(&LedgerStatus) -> usize| {
        ledgers.iter().map(|(_, ledger)| count(ledger)).sum::<usize>()
    };
    // Either may have changed since the ledgers were looked at.
    let conflicts_left_out = total(|ledger| ledger.kept).saturating_sub(conflicts.len());
    let undecided_left_out = total(|ledger| ledger.undecided).saturating_sub(undecided.len());
    Listing { conflicts, undecided, ledgers, conflicts_left_out, undecided_left_out }
}

/// Cuts a listing to what may be listed at once.
fn fit<T>(listed: &mut Vec<(T, String)>, limit: usize, bytes: impl Fn(&T) -> usize) {
    listed.truncate(limit);
    let mut taken = 0;
    let over = listed.iter().position(|(one, _)| {
        taken += bytes(one);
        taken > LISTED_BYTES
    });
    if let Some(over) = over {
        listed.truncate(over.max(1));
    }
}

/// Decides what a key holds.
pub(crate) fn resolve(
    table: &RawTable,
    key: &[u8],
    choice: Choice<'_>,
) -> Result<Receipt, Trouble> {
    if table.kind() == Kind::Bag && matches!(choice, Choice::Value(_)) {
        // A place of a bag holds the one object that it is named after.
        let text = "in a bag one of the siblings is taken, or the object deleted; others are added";
        return Err(Trouble::Conflict(text.to_owned()));
    }
    Ok(table.resolve(key, choice)?)
}

/// Undoes the merge of that name in the first table whose ledger has it.
pub(crate) fn undo(tables: &[RawTable], id: &str) -> Result<(RawTable, Receipt), Trouble> {
    for table in tables {
        match table.undo(id) {
            Err(ResolveError::NoEntry { .. }) => {}
            Err(other) => return Err(other.into()),
            Ok(receipt) => return Ok((table.clone(), receipt)),
        }
    }
    let names: Vec<&str> = tables.iter().take(20).map(RawTable::name).collect();
    Err(Trouble::Missing(format!(
        "no ledger of {} has an entry {id:?}; list the conflicts that it still has, older ones \
         make room for newer",
        names.join(", ")
    )))
}

/// The word for what became of a conflict.
pub(crate) fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Discarded => "discarded",
        Outcome::Collapsed => "collapsed",
        Outcome::Undecided => "undecided",
        Outcome::Overruled => "overruled",
    }
}

#[cfg(test)]
mod tests {
    use super::{LISTED_BYTES, fit};

    #[test]
    fn a_listing_is_cut_to_its_number_and_its_bytes_but_never_to_nothing() {
        let listing = |sizes: &[usize], limit| {
            let mut listed: Vec<_> = sizes.iter().map(|size| (*size, String::new())).collect();
            fit(&mut listed, limit, |size| *size);
            listed.len()
        };
        assert_eq!(listing(&[1, 2, 3], 2), 2);
        assert_eq!(listing(&[1, 2, 3], 9), 3);
        assert_eq!(listing(&[LISTED_BYTES, 1, 1], 9), 1);
        assert_eq!(listing(&[LISTED_BYTES - 1, 1, 1], 9), 2);
        assert_eq!(listing(&[LISTED_BYTES + 1, 1], 9), 1);
        assert_eq!(listing(&[], 9), 0);
    }
}
