//! Keys in order, packed into one block of memory.
//!
//! Neighbours in the order of their bytes tend to begin alike, so a block has the prefix that all
//! its keys have once, and then only the suffix of each. A block is never changed: the next one is
//! made of runs of the keys that stay and of those that come.

use std::cmp::Ordering;

/// Blocks are 8 bytes shorter than a multiple of this: as glibc cuts them. Inserts replace one that
/// is a key shorter, and in so large steps what the old one leaves behind fits the next of another.
const STEP: usize = 64;

/// Keys that own their memory; no two are equal.
pub(super) struct Keys {
    /// Where the suffixes end, the prefix, and the suffixes one after another.
    block: Box<[u8]>,
    /// How long the prefix is. A leaf is little more than this struct, so it is kept small.
    prefix: u32,
    count: u16,
    width: Width,
}

/// How it is written where the suffixes end.
#[derive(Clone, Copy)]
enum Width {
    /// All are as long as the first, whose end is there in four bytes: keys are often numbers or
    /// digests, and their ends would take more than all else that the index adds to them.
    Alike,
    Two,
    Four,
}

impl Width {
    /// How many bytes so many ends take.
    fn of(self, count: usize) -> usize {
        match self {
            Width::Alike => 4 * count.min(1),
            Width::Two => 2 * count,
            Width::Four => 4 * count,
        }
    }
}

/// Keys that lie in somebody else's memory. To take a part of them touches none.
#[derive(Clone, Copy)]
pub(crate) struct Run<'a> {
    prefix: &'a [u8],
    /// Their suffixes, among those of other keys.
    suffixes: &'a [u8],
    /// Where the first suffix begins.
    start: usize,
    ends: Ends<'a>,
}

/// Where each suffix ends.
#[derive(Clone, Copy)]
enum Ends<'a> {
    Alike { length: usize, count: usize },
    Two(&'a [[u8; 2]]),
    Four(&'a [[u8; 4]]),
}

/// A key in two parts.
type Parts<'a> = (&'a [u8], &'a [u8]);

impl Default for Keys {
    fn default() -> Keys {
        Keys { block: Box::default(), prefix: 0, count: 0, width: Width::Alike }
    }
}

impl Keys {
    /// How many bytes they take beside the prefix.
    pub(super) fn size(&self) -> usize {
        self.block.len() - self.prefix as usize
    }

    /// All of them.
    pub(super) fn all(&self) -> Run<'_> {
        let count = usize::from(self.count);
        let (ends, rest) = self.block.split_at(self.width.of(count));
        let (prefix, suffixes) = rest.split_at(self.prefix as usize);
        let ends = match self.width {
            Width::Alike => {
                let length = ends.first_chunk().map_or(0, |end| u32::from_le_bytes(*end) as usize);
                Ends::Alike { length, count }
            }
            Width::Two => Ends::Two(ends.as_chunks().0),
            Width::Four => Ends::Four(ends.as_chunks().0),
        };
        Run { prefix, suffixes, start: 0, ends }
    }

    /// The keys of `runs`, which follow each other in order.
    pub(super) fn pack(runs: &[Run<'_>]) -> Keys {
        Plan::of(runs).pack()
    }
}

/// How the keys of some runs, which follow each other in order, will be packed.
pub(super) struct Plan<'r, 'a> {
    runs: &'r [Run<'a>],
    /// How long the prefix is that all of them have.
    prefix: usize,
    count: usize,
    /// How long all suffixes are together.
    suffixes: usize,
    width: Width,
}

impl<'r, 'a> Plan<'r, 'a> {
    pub(super) fn of(runs: &'r [Run<'a>]) -> Plan<'r, 'a> {
        let mut some = runs.iter().filter(|run| !run.is_empty());
        // What the first and the last begin with, all between them begin with.
        let ends = some.clone().next().zip(some.clone().next_back());
        let prefix = ends.map_or(0, |(head, tail)| common_prefix(head.first(), tail.last()));
        let count = runs.iter().map(Run::len).sum();
        let suffixes = runs.iter().map(Run::whole).sum::<usize>() - count * prefix;
        let length = ends.and_then(|(head, _)| head.alike());
        let width = match suffixes {
            _ if some.all(|run| length.is_some() && run.alike() == length) => Width::Alike,
            0..=0xffff => Width::Two,
            _ => Width::Four,
        };
        Plan { runs, prefix, count, suffixes, width }
    }

    /// How many keys there are.
    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// How many bytes they will take beside the prefix.
    pub(super) fn size(&self) -> usize {
        self.width.of(self.count) + self.suffixes
    }

    pub(super) fn pack(self) -> Keys {
        let Some(first) = self.runs.iter().find(|run| !run.is_empty()) else {
            return Keys::default();
        };
        let prefix = u32::try_from(self.prefix).expect("a key is shorter than 4 GiB");
        let count = u16::try_from(self.count).expect("a node has some hundred keys");
        let used = self.prefix + self.size();
        let mut block = Vec::with_capacity((used + 8).next_multiple_of(STEP) - 8);
        self.write_ends(&mut block);
        let (head, tail) = beginning(first.first(), self.prefix);
        block.extend_from_slice(head);
        block.extend_from_slice(tail);
        self.runs.iter().for_each(|run| run.write(self.prefix, &mut block));
        block.resize(block.capacity(), 0);
        Keys { block: block.into(), prefix, count, width: self.width }
    }

    fn write_ends(&self, block: &mut Vec<u8>) {
        u32::try_from(self.suffixes).expect("the keys of a node are shorter than 4 GiB");
        let lengths = self.runs.iter().flat_map(|run| run.lengths());
        let ends = lengths.scan(0, |end, length| {
            *end += length - self.prefix;
            Some(*end)
        });
        match self.width {
            Width::Alike => ends.take(1).for_each(|end| block.extend((end as u32).to_le_bytes())),
            Width::Two => ends.for_each(|end| block.extend((end as u16).to_le_bytes())),
            Width::Four => ends.for_each(|end| block.extend((end as u32).to_le_bytes())),
        }
    }
}

impl<'a> Run<'a> {
    /// One key.
    pub(super) fn one(key: &'a [u8]) -> Run<'a> {
        let ends = Ends::Alike { length: key.len(), count: 1 };
        Run { prefix: &[], suffixes: key, start: 0, ends }
    }

    pub(super) fn len(&self) -> usize {
        match self.ends {
            Ends::Alike { count, .. } => count,
            Ends::Two(ends) => ends.len(),
            Ends::Four(ends) => ends.len(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What all of them begin with; it need not be all that they have in common.
    pub(crate) fn prefix(&self) -> &'a [u8] {
        self.prefix
    }

    /// What each has behind the prefix.
    pub(crate) fn suffixes(self) -> impl DoubleEndedIterator<Item = &'a [u8]> {
        (0..self.len()).map(move |at| self.suffix(at))
    }

    /// The first key, to keep.
    pub(super) fn first_whole(&self) -> Vec<u8> {
        let (prefix, suffix) = self.first();
        [prefix, suffix].concat()
    }

    fn first(&self) -> Parts<'a> {
        (self.prefix, self.suffix(0))
    }

    fn last(&self) -> Parts<'a> {
        (self.prefix, self.suffix(self.len() - 1))
    }

    /// Those before `at`, and the others.
    pub(super) fn split(self, at: usize) -> (Run<'a>, Run<'a>) {
        let (left, right) = match self.ends {
            Ends::Alike { length, count } => {
                (Ends::Alike { length, count: at }, Ends::Alike { length, count: count - at })
            }
            Ends::Two(ends) => (Ends::Two(&ends[..at]), Ends::Two(&ends[at..])),
            Ends::Four(ends) => (Ends::Four(&ends[..at]), Ends::Four(&ends[at..])),
        };
        (Run { ends: left, ..self }, Run { start: self.begin(at), ends: right, ..self })
    }

    /// How many are less than `key`.
    pub(super) fn below(&self, key: &[u8]) -> usize {
        self.count_first(key, |suffix, rest| suffix < rest)
    }

    /// How many are not greater than `key`.
    pub(super) fn up_to(&self, key: &[u8]) -> usize {
        self.count_first(key, |suffix, rest| suffix <= rest)
    }

    /// Whether the one `at` is `key`.
    pub(super) fn has(&self, at: usize, key: &[u8]) -> bool {
        at < self.len() && key.strip_prefix(self.prefix) == Some(self.suffix(at))
    }

    fn count_first(&self, key: &[u8], is_first: impl Fn(&[u8], &[u8]) -> bool) -> usize {
        // The prefix decides alone unless the key has it: a key that ends within it is less.
        let (head, rest) = key.split_at(key.len().min(self.prefix.len()));
        match head.cmp(self.prefix) {
            Ordering::Less => 0,
            Ordering::Greater => self.len(),
            Ordering::Equal => {
                let (mut low, mut high) = (0, self.len());
                while low < high {
                    let middle = low.midpoint(high);
                    if is_first(self.suffix(middle), rest) {
                        low = middle + 1;
                    } else {
                        high = middle;
                    }
                }
                low
            }
        }
    }

    fn suffix(&self, at: usize) -> &'a [u8] {
        &self.suffixes[self.begin(at)..self.begin(at + 1)]
    }

    /// Where the suffix `at` begins, and so the one before it ends.
    fn begin(&self, at: usize) -> usize {
        match (self.ends, at.checked_sub(1)) {
            (_, None) => self.start,
            (Ends::Alike { length, .. }, _) => self.start + at * length,
            (Ends::Two(ends), Some(before)) => usize::from(u16::from_le_bytes(ends[before])),
            (Ends::Four(ends), Some(before)) => u32::from_le_bytes(ends[before]) as usize,
        }
    }

    /// How long each whole key is.
    fn lengths(self) -> impl Iterator<Item = usize> {
        self.suffixes().map(move |suffix| self.prefix.len() + suffix.len())
    }

    /// How long each whole key is, if all are equally long.
    fn alike(&self) -> Option<usize> {
        if let Ends::Alike { length, .. } = self.ends {
            return Some(self.prefix.len() + length);
        }
        let first = self.lengths().next()?;
        self.lengths().all(|length| length == first).then_some(first)
    }

    /// How long all whole keys are together.
    fn whole(&self) -> usize {
        self.len() * self.prefix.len() + self.begin(self.len()) - self.start
    }

    /// Writes what each has behind a prefix of this length, which they have.
    fn write(&self, prefix: usize, block: &mut Vec<u8>) {
        if prefix == self.prefix.len() {
            return block.extend_from_slice(&self.suffixes[self.start..self.begin(self.len())]);
        }
        let more = self.prefix.get(prefix..).unwrap_or_default();
        let less = prefix.saturating_sub(self.prefix.len());
        for suffix in self.suffixes() {
            block.extend_from_slice(more);
            block.extend_from_slice(&suffix[less..]);
        }
    }
}

/// A key that is greater than all of `left` and not greater than any of `right`: no more of the
/// first there than tells it from the last before.
pub(super) fn separator(left: Run<'_>, right: Run<'_>) -> Vec<u8> {
    let same = common_prefix(left.last(), right.first());
    let (head, tail) = beginning(right.first(), same + 1);
    [head, tail].concat()
}

/// The first bytes of a key.
fn beginning<'a>((head, tail): Parts<'a>, length: usize) -> Parts<'a> {
    let in_head = head.len().min(length);
    (&head[..in_head], &tail[..length - in_head])
}

/// How long the prefix is that both keys have.
fn common_prefix(one: Parts<'_>, other: Parts<'_>) -> usize {
    let (short, long) = if one.0.len() < other.0.len() { (one, other) } else { (other, one) };
    let (head, rest) = long.0.split_at(short.0.len());
    let in_head = equal_bytes(short.0, head);
    if in_head < head.len() {
        return in_head;
    }
    let in_rest = equal_bytes(short.1, rest);
    if in_rest < rest.len() {
        return in_head + in_rest;
    }
    long.0.len() + equal_bytes(&short.1[rest.len()..], long.1)
}

/// How many bytes are equal before the first that is not.
fn equal_bytes(one: &[u8], other: &[u8]) -> usize {
    // Keys may be long, and pieces are compared faster than bytes.
    const PIECE: usize = 32;
    let pieces = one.chunks_exact(PIECE).zip(other.chunks_exact(PIECE));
    let whole = pieces.take_while(|(one, other)| one == other).count() * PIECE;
    let bytes = one[whole..].iter().zip(&other[whole..]);
    whole + bytes.take_while(|(one, other)| one == other).count()
}

#[cfg(test)]
mod tests;
