//! Which keys a watcher means, and which watchers mean a key.

use crate::composite;
use std::ops::Bound;

/// Which keys a watch is told of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Filter {
    /// All.
    All,
    /// This one; in a bag all objects under it.
    Key(Vec<u8>),
    /// Those that begin so.
    Prefix(Vec<u8>),
    /// Those between two, in the order of their bytes, whatever the kind of the table is.
    Range(Bound<Vec<u8>>, Bound<Vec<u8>>),
}

/// The keys from one on to before another; every filter is one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Span {
    pub(super) from: Vec<u8>,
    /// None if all keys from there on are meant.
    pub(super) to: Option<Vec<u8>>,
}

impl Span {
    pub(super) fn new(filter: Filter, bag: bool) -> Span {
        match filter {
            Filter::All => Span { from: Vec::new(), to: None },
            Filter::Key(key) if bag => {
                let mut prefix = Vec::new();
                composite::prefix(&mut prefix, &key);
                Span::of_prefix(prefix)
            }
            Filter::Key(key) => Span { to: Some(after(key.clone())), from: key },
            Filter::Prefix(prefix) if bag => {
                let mut begin = Vec::new();
                composite::begin(&mut begin, &prefix);
                Span::of_prefix(begin)
            }
            Filter::Prefix(prefix) => Span::of_prefix(prefix),
            Filter::Range(from, to) => {
                let edge =
                    |bound, below| if bag { edge_of_bag(bound, below) } else { edge(bound, below) };
                Span { from: edge(from, true).unwrap_or_default(), to: edge(to, false) }
            }
        }
    }

    fn of_prefix(prefix: Vec<u8>) -> Span {
        let to = match composite::upper(&prefix) {
            Bound::Included(end) | Bound::Excluded(end) => Some(end),
            Bound::Unbounded => None,
        };
        Span { from: prefix, to }
    }

    pub(super) fn has(&self, key: &[u8]) -> bool {
        *self.from <= *key && ends_after(self.to.as_deref(), key)
    }

    /// The only key that it can mean, if that is one.
    pub(super) fn only(&self) -> Option<&[u8]> {
        let to = self.to.as_deref()?;
        (to.split_last() == Some((&0, &self.from))).then_some(&self.from)
    }
}

/// The lowest key that is higher.
fn after(mut key: Vec<u8>) -> Vec<u8> {
    key.push(0);
    key
}

/// Where the keys of a range begin (`below`: the bound is its lower one), or which is the first
/// that is beyond it.
fn edge(bound: Bound<Vec<u8>>, below: bool) -> Option<Vec<u8>> {
    match bound {
        Bound::Unbounded => None,
        Bound::Included(key) => Some(if below { key } else { after(key) }),
        Bound::Excluded(key) => Some(if below { after(key) } else { key }),
    }
}

/// The same among the composites of a bag, which compare like pairs of a key and an object.
fn edge_of_bag(bound: Bound<Vec<u8>>, below: bool) -> Option<Vec<u8>> {
    let (key, with) = match bound {
        Bound::Unbounded => return None,
        Bound::Included(key) => (key, below),
        Bound::Excluded(key) => (key, !below),
    };
    let mut prefix = Vec::new();
    composite::prefix(&mut prefix, &key);
    // A composite ends its key with zeros, so there is always something that is higher.
    if with { Some(prefix) } else { Span::of_prefix(prefix).to }
}

fn ends_after(to: Option<&[u8]>, key: &[u8]) -> bool {
    to.is_none_or(|to| key < to)
}

/// Things that mean a span of keys each. A key finds those that mean it in steps that grow with the
/// logarithm of how many there are, and with how many are found.
pub(super) struct Index<T> {
    /// In the order in which they begin. Read as a binary tree: the middle is the root of what is
    /// left and right of it.
    spans: Vec<(Span, T)>,
    /// For each root of a tree which of that tree ends last.
    last: Vec<usize>,
    /// Whether `last` is to be made anew.
    stale: bool,
}

impl<T> Default for Index<T> {
    fn default() -> Index<T> {
        Index { spans: Vec::new(), last: Vec::new(), stale: false }
    }
}

impl<T> Index<T> {
    pub(super) fn insert(&mut self, span: Span, thing: T) {
        let at = self.spans.partition_point(|(other, _)| other.from <= span.from);
        self.spans.insert(at, (span, thing));
        self.stale = true;
    }

    /// Takes out what means that span and is meant.
    pub(super) fn remove(&mut self, span: &Span, is_meant: impl Fn(&T) -> bool) {
        let first = self.spans.partition_point(|(other, _)| other.from < span.from);
        let mut alike = self.spans[first..].iter().take_while(|(other, _)| other.from == span.from);
        if let Some(at) = alike.position(|(_, thing)| is_meant(thing)) {
            self.spans.remove(first + at);
            self.stale = true;
        }
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &T> {
        self.spans.iter().map(|(_, thing)| thing)
    }

    /// Shows everything that means `key`.
    pub(super) fn find(&mut self, key: &[u8], see: &mut impl FnMut(&T)) {
        if self.stale {
            self.last = vec![0; self.spans.len()];
            self.build(0, self.spans.len());
            self.stale = false;
        }
        self.find_in(0, self.spans.len(), key, see);
    }

    /// Makes `last` for the tree of these spans; which of them ends last.
    fn build(&mut self, from: usize, to: usize) -> Option<usize> {
        if from == to {
            return None;
        }
        let middle = from.midpoint(to);
        let mut last = middle;
        for other in [self.build(from, middle), self.build(middle + 1, to)].into_iter().flatten() {
            let end = |at: usize| self.spans[at].0.to.as_deref();
            // What has no end ends after all.
            if end(last).is_some_and(|by| ends_after(end(other), by)) {
                last = other;
            }
        }
        self.last[middle] = last;
        Some(last)
    }

    fn find_in(&self, from: usize, to: usize, key: &[u8], see: &mut impl FnMut(&T)) {
        if from == to {
            return;
        }
        let middle = from.midpoint(to);
        if !ends_after(self.spans[self.last[middle]].0.to.as_deref(), key) {
            return;
        }
        self.find_in(from, middle, key, see);
        let (span, thing) = &self.spans[middle];
        if *span.from <= *key {
            if ends_after(span.to.as_deref(), key) {
                see(thing);
            }
            self.find_in(middle + 1, to, key, see);
        }
    }
}

#[cfg(test)]
mod tests;
