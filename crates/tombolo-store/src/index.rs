//! The keys of an ordered table, in the order of their bytes.
//!
//! A B+-tree whose leaves are never changed: an insert or delete puts a copy of one leaf into the
//! leaf's place, and only a leaf that grows or shrinks too much has its parent copied as well. A
//! reader looks at one leaf at a time and goes on by key, from the root, so it holds nothing that
//! a writer could pull away.
//!
//! Why nothing that stays can be missed or shown twice: every place in the tree stands for a range
//! of keys, and a reader shows of a leaf the keys in that range and goes on where it ends. A node
//! that was replaced is left as it was, so a reader that still holds its parent finds the keys that
//! were there when it came; what came since it may miss.

use crate::key::Key;
use arc_swap::{ArcSwap, Guard};
use std::ops::{Bound, ControlFlow};
use std::sync::Arc;

/// How many keys a leaf, or children an inner node, has at most. Every insert copies one leaf, and
/// a long key in it costs a reference count: more would make writing dear, fewer the tree high.
const MOST: usize = 64;

/// What is smaller than this is joined to a neighbour that has room for it.
const FEW: usize = MOST / 4;

enum Node {
    Leaf(Box<[Key]>),
    Inner {
        /// Where each child but the first begins.
        lows: Box<[Key]>,
        children: Box<[ArcSwap<Node>]>,
    },
}

/// What became of a node that a key was put into.
enum Put {
    Done,
    /// It has to be two, and the second begins at the key.
    Split(Arc<Node>, Key, Arc<Node>),
}

/// The keys of a table. One at a time may write; readers wait for nobody.
pub(crate) struct Index {
    root: ArcSwap<Node>,
}

impl Default for Index {
    fn default() -> Index {
        Index { root: ArcSwap::from_pointee(Node::Leaf(Box::default())) }
    }
}

impl Index {
    /// Adds a key; one that is there already changes nothing.
    pub(crate) fn insert(&self, key: Key) {
        if let Put::Split(left, low, right) = put(&self.root, key) {
            let children = Box::new([ArcSwap::new(left), ArcSwap::new(right)]);
            self.root.store(Arc::new(Node::Inner { lows: Box::new([low]), children }));
        }
    }

    /// Takes a key out, if it is there.
    pub(crate) fn remove(&self, key: &[u8]) {
        remove(&self.root, key);
        loop {
            let only = match &**self.root.load() {
                Node::Inner { children, .. } if children.len() == 1 => children[0].load_full(),
                _ => return,
            };
            self.root.store(only);
        }
    }

    /// Shows the keys from `from` to `to`, in pieces that follow each other, each in order.
    pub(crate) fn ascend(
        &self,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        mut see: impl FnMut(&[Key]) -> ControlFlow<()>,
    ) {
        let mut begin: Option<Key> = None;
        loop {
            let from = begin.as_ref().map_or(from, starts_at);
            let (leaf, end) = self.leaf_after(from);
            // Leaves may have been joined meanwhile: what was shown already is passed over.
            let keys = within(leaf.keys(), from, to);
            if !keys.is_empty() && see(keys).is_break() {
                return;
            }
            match end {
                Some(end) if !is_past(end.as_bytes(), to) => begin = Some(end),
                _ => return,
            }
        }
    }

    /// Shows the keys from `to` back to `from`, in pieces that follow each other. Each piece is
    /// ascending, to be read from its end.
    pub(crate) fn descend(
        &self,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        mut see: impl FnMut(&[Key]) -> ControlFlow<()>,
    ) {
        let mut end: Option<Key> = None;
        loop {
            let to = end.as_ref().map_or(to, ends_before);
            let (leaf, begin) = self.leaf_before(to);
            let keys = within(leaf.keys(), from, to);
            if !keys.is_empty() && see(keys).is_break() {
                return;
            }
            match begin {
                Some(begin) if is_past_start(begin.as_bytes(), from) => end = Some(begin),
                _ => return,
            }
        }
    }

    /// The leaf with the first key that `from` lets in, or the one before it, and where the next
    /// leaf begins.
    fn leaf_after(&self, from: Bound<&[u8]>) -> (Guard<Arc<Node>>, Option<Key>) {
        let mut node = self.root.load();
        let mut end = None;
        loop {
            let next = match &**node {
                Node::Leaf(_) => return (node, end),
                Node::Inner { lows, children } => {
                    let at = match from {
                        Bound::Unbounded => 0,
                        Bound::Included(key) | Bound::Excluded(key) => child_of(lows, key),
                    };
                    end = lows.get(at).cloned().or(end);
                    children[at].load()
                }
            };
            node = next;
        }
    }

    /// The leaf with the last key that `to` lets in, or the one after it, and where it begins;
    /// none if it is the first.
    fn leaf_before(&self, to: Bound<&[u8]>) -> (Guard<Arc<Node>>, Option<Key>) {
        let mut node = self.root.load();
        let mut begin = None;
        loop {
            let next = match &**node {
                Node::Leaf(_) => return (node, begin),
                Node::Inner { lows, children } => {
                    let at = match to {
                        Bound::Unbounded => lows.len(),
                        Bound::Included(key) => child_of(lows, key),
                        Bound::Excluded(key) => lows.partition_point(|low| low.as_bytes() < key),
                    };
                    begin = at.checked_sub(1).map(|before| lows[before].clone()).or(begin);
                    children[at].load()
                }
            };
            node = next;
        }
    }
}

impl Node {
    fn keys(&self) -> &[Key] {
        match self {
            Node::Leaf(keys) => keys,
            Node::Inner { .. } => &[],
        }
    }

    /// How many keys or children it has.
    fn len(&self) -> usize {
        match self {
            Node::Leaf(keys) => keys.len(),
            Node::Inner { children, .. } => children.len(),
        }
    }
}

fn starts_at(key: &Key) -> Bound<&[u8]> {
    Bound::Included(key.as_bytes())
}

fn ends_before(key: &Key) -> Bound<&[u8]> {
    Bound::Excluded(key.as_bytes())
}

/// Whether no key from `key` on can be let in by `to`.
fn is_past(key: &[u8], to: Bound<&[u8]>) -> bool {
    match to {
        Bound::Unbounded => false,
        Bound::Included(to) => key > to,
        Bound::Excluded(to) => key >= to,
    }
}

/// Whether a key below `key` can be let in by `from`.
fn is_past_start(key: &[u8], from: Bound<&[u8]>) -> bool {
    match from {
        Bound::Unbounded => true,
        Bound::Included(from) | Bound::Excluded(from) => key > from,
    }
}

/// Those of `keys` that both bounds let in.
fn within<'a>(keys: &'a [Key], from: Bound<&[u8]>, to: Bound<&[u8]>) -> &'a [Key] {
    let start = match from {
        Bound::Unbounded => 0,
        Bound::Included(from) => keys.partition_point(|key| key.as_bytes() < from),
        Bound::Excluded(from) => keys.partition_point(|key| key.as_bytes() <= from),
    };
    let end = match to {
        Bound::Unbounded => keys.len(),
        Bound::Included(to) => keys.partition_point(|key| key.as_bytes() <= to),
        Bound::Excluded(to) => keys.partition_point(|key| key.as_bytes() < to),
    };
    // Bounds that contradict each other let nothing in.
    keys.get(start..end).unwrap_or_default()
}

/// Which child stands for the range that `key` lies in.
fn child_of(lows: &[Key], key: &[u8]) -> usize {
    lows.partition_point(|low| low.as_bytes() <= key)
}

/// Another place for the same node.
fn same(child: &ArcSwap<Node>) -> ArcSwap<Node> {
    ArcSwap::new(child.load_full())
}

fn put(place: &ArcSwap<Node>, key: Key) -> Put {
    let node = place.load();
    match &**node {
        Node::Leaf(keys) => put_into_leaf(place, keys, key),
        Node::Inner { lows, children } => {
            let at = child_of(lows, key.as_bytes());
            match put(&children[at], key) {
                Put::Done => Put::Done,
                Put::Split(left, low, right) => {
                    let (before, after) = (&children[..at], &children[at + 1..]);
                    let new = [ArcSwap::new(left), ArcSwap::new(right)];
                    let children = before.iter().map(same).chain(new).chain(after.iter().map(same));
                    let mut lows = lows.to_vec();
                    lows.insert(at, low);
                    put_inner(place, lows, children.collect())
                }
            }
        }
    }
}

fn put_into_leaf(place: &ArcSwap<Node>, keys: &[Key], key: Key) -> Put {
    let Err(at) = keys.binary_search_by(|held| held.as_bytes().cmp(key.as_bytes())) else {
        return Put::Done;
    };
    let mut new = Vec::with_capacity(keys.len() + 1);
    new.extend_from_slice(&keys[..at]);
    new.push(key);
    new.extend_from_slice(&keys[at..]);
    if new.len() <= MOST {
        place.store(Arc::new(Node::Leaf(new.into())));
        return Put::Done;
    }
    // Keys that come in order leave full leaves behind them.
    let middle = if at == keys.len() { MOST } else { new.len() / 2 };
    let right = new.split_off(middle);
    let low = right[0].clone();
    Put::Split(Arc::new(Node::Leaf(new.into())), low, Arc::new(Node::Leaf(right.into())))
}

fn put_inner(place: &ArcSwap<Node>, mut lows: Vec<Key>, mut children: Vec<ArcSwap<Node>>) -> Put {
    let inner = |lows: Vec<Key>, children: Vec<ArcSwap<Node>>| {
        Arc::new(Node::Inner { lows: lows.into(), children: children.into() })
    };
    if children.len() <= MOST {
        place.store(inner(lows, children));
        return Put::Done;
    }
    let right_children = children.split_off(MOST / 2);
    let mut right_lows = lows.split_off(MOST / 2 - 1);
    let low = right_lows.remove(0);
    Put::Split(inner(lows, children), low, inner(right_lows, right_children))
}

/// Returns how many keys or children are left at this place. None may be: the parent then lets a
/// neighbour stand for the range.
fn remove(place: &ArcSwap<Node>, key: &[u8]) -> usize {
    let node = place.load();
    match &**node {
        Node::Leaf(keys) => {
            let Ok(at) = keys.binary_search_by(|held| held.as_bytes().cmp(key)) else {
                return keys.len();
            };
            let left = keys[..at].iter().chain(&keys[at + 1..]).cloned().collect();
            place.store(Arc::new(Node::Leaf(left)));
            keys.len() - 1
        }
        Node::Inner { lows, children } => {
            let at = child_of(lows, key);
            let left = remove(&children[at], key);
            if left >= FEW || children.len() == 1 {
                // The only child of a place is empty: so is the place.
                return if left == 0 { 0 } else { children.len() };
            }
            // Joins the child to the neighbour after it, or else to the one before it.
            for first in [Some(at), at.checked_sub(1)].into_iter().flatten() {
                if first + 1 < children.len() && join(place, lows, children, first) {
                    return children.len() - 1;
                }
            }
            children.len()
        }
    }
}

/// Puts one child in the place of the `first` and the one after it, if one is empty or both
/// together leave room for more.
fn join(place: &ArcSwap<Node>, lows: &[Key], children: &[ArcSwap<Node>], first: usize) -> bool {
    let (left, right) = (children[first].load_full(), children[first + 1].load_full());
    let joined = if is_empty(&left) {
        right
    } else if is_empty(&right) {
        left
    } else if left.len() + right.len() > MOST / 2 {
        return false;
    } else {
        joined(&left, &lows[first], &right)
    };
    let (before, after) = (&children[..first], &children[first + 2..]);
    let children = before.iter().map(same).chain([ArcSwap::new(joined)]);
    let children = children.chain(after.iter().map(same)).collect();
    let mut lows = lows.to_vec();
    lows.remove(first);
    place.store(Arc::new(Node::Inner { lows: lows.into(), children }));
    true
}

/// Whether no key is left below: inner nodes keep no empty child beside another one.
fn is_empty(node: &Node) -> bool {
    match node {
        Node::Leaf(keys) => keys.is_empty(),
        Node::Inner { children, .. } => children.len() == 1 && is_empty(&children[0].load()),
    }
}

/// Two neighbours of the same height as one node; the second begins at `low`.
fn joined(left: &Node, low: &Key, right: &Node) -> Arc<Node> {
    Arc::new(match (left, right) {
        (Node::Inner { lows, children }, Node::Inner { lows: more, children: others }) => {
            Node::Inner {
                lows: lows.iter().chain([low]).chain(more).cloned().collect(),
                children: children.iter().chain(others).map(same).collect(),
            }
        }
        _ => Node::Leaf(left.keys().iter().chain(right.keys()).cloned().collect()),
    })
}
