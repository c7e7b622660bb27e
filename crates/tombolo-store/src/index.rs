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

mod keys;

use arc_swap::{ArcSwap, Guard};
use keys::{Keys, Plan, Run, separator};
use std::ops::{Bound, ControlFlow, Range};
use std::sync::Arc;

/// How many bytes a node takes at most beside the prefix of its keys, which is no longer than the
/// key that comes. Every insert copies one leaf: more would make writing dear, fewer the tree high.
/// Up to 1,032 bytes glibc keeps for the next one of the same size.
const MOST: usize = 960;

/// Inner nodes have so many children before they split, however long their keys are.
const CHILDREN: usize = 4;

/// What is smaller than this is joined to a neighbour that has room for it.
const FEW: usize = MOST / 4;

enum Node {
    Leaf(Keys),
    /// Of these there are few: apart, they do not make a leaf larger.
    Inner(Box<Inner>),
}

struct Inner {
    /// Where each child but the first begins: a separator, which need not be a key that is there.
    lows: Keys,
    children: Box<[ArcSwap<Node>]>,
}

/// What became of a node that a key was put into.
enum Put {
    Done,
    /// It has to be two, and the second begins at the key.
    Split(Arc<Node>, Vec<u8>, Arc<Node>),
}

/// The keys of a table. One at a time may write; readers wait for nobody.
pub(crate) struct Index {
    root: ArcSwap<Node>,
}

impl Default for Index {
    fn default() -> Index {
        Index { root: ArcSwap::from_pointee(Node::Leaf(Keys::default())) }
    }
}

impl Index {
    /// Adds a key; one that is there already changes nothing.
    pub(crate) fn insert(&self, key: &[u8]) {
        if let Put::Split(left, low, right) = put(&self.root, key) {
            let children = Box::new([left, right].map(ArcSwap::new));
            self.root.store(Arc::new(Node::inner(Keys::pack(&[Run::one(&low)]), children)));
        }
    }

    /// Takes a key out, if it is there.
    pub(crate) fn remove(&self, key: &[u8]) {
        remove(&self.root, key);
        loop {
            let only = match &**self.root.load() {
                Node::Inner(inner) if inner.children.len() == 1 => inner.children[0].load_full(),
                _ => return,
            };
            self.root.store(only);
        }
    }

    /// Shows the keys from `from` to `to`, in runs that follow each other.
    pub(crate) fn ascend(
        &self,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        mut see: impl FnMut(Run<'_>) -> ControlFlow<()>,
    ) {
        let mut begin: Option<Vec<u8>> = None;
        loop {
            let from = begin.as_deref().map_or(from, Bound::Included);
            let (leaf, end) = self.leaf_after(from);
            // Leaves may have been joined meanwhile: what was shown already is passed over.
            let keys = within(leaf.keys(), from, to);
            if !keys.is_empty() && see(keys).is_break() {
                return;
            }
            match end {
                Some(end) if !is_past(&end, to) => begin = Some(end),
                _ => return,
            }
        }
    }

    /// Shows the keys from `to` back to `from`, in runs that follow each other. Each run is
    /// ascending, to be read from its end.
    pub(crate) fn descend(
        &self,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        mut see: impl FnMut(Run<'_>) -> ControlFlow<()>,
    ) {
        let mut end: Option<Vec<u8>> = None;
        loop {
            let to = end.as_deref().map_or(to, Bound::Excluded);
            let (leaf, begin) = self.leaf_before(to);
            let keys = within(leaf.keys(), from, to);
            if !keys.is_empty() && see(keys).is_break() {
                return;
            }
            match begin {
                Some(begin) if is_past_start(&begin, from) => end = Some(begin),
                _ => return,
            }
        }
    }

    /// The leaf with the first key that `from` lets in, or the one before it, and where the next
    /// leaf begins.
    fn leaf_after(&self, from: Bound<&[u8]>) -> (Guard<Arc<Node>>, Option<Vec<u8>>) {
        let mut node = self.root.load();
        let mut end = None;
        loop {
            let next = match &**node {
                Node::Leaf(_) => return (node, end),
                Node::Inner(inner) => {
                    let at = match from {
                        Bound::Unbounded => 0,
                        Bound::Included(key) | Bound::Excluded(key) => inner.child_of(key),
                    };
                    end = inner.low_of(at + 1).or(end);
                    inner.children[at].load()
                }
            };
            node = next;
        }
    }

    /// The leaf with the last key that `to` lets in, or the one after it, and where it begins;
    /// none if it is the first.
    fn leaf_before(&self, to: Bound<&[u8]>) -> (Guard<Arc<Node>>, Option<Vec<u8>>) {
        let mut node = self.root.load();
        let mut begin = None;
        loop {
            let next = match &**node {
                Node::Leaf(_) => return (node, begin),
                Node::Inner(inner) => {
                    let at = match to {
                        Bound::Unbounded => inner.children.len() - 1,
                        Bound::Included(key) => inner.child_of(key),
                        Bound::Excluded(key) => inner.lows.all().below(key),
                    };
                    begin = inner.low_of(at).or(begin);
                    inner.children[at].load()
                }
            };
            node = next;
        }
    }
}

impl Node {
    fn inner(lows: Keys, children: Box<[ArcSwap<Node>]>) -> Node {
        Node::Inner(Box::new(Inner { lows, children }))
    }

    /// The keys of a leaf, or where the children of an inner node begin.
    fn keys(&self) -> Run<'_> {
        match self {
            Node::Leaf(keys) => keys.all(),
            Node::Inner(inner) => inner.lows.all(),
        }
    }

    /// How many bytes it takes.
    fn size(&self) -> usize {
        match self {
            Node::Leaf(keys) => keys.size(),
            Node::Inner(inner) => inner.size(),
        }
    }

    /// Whether no key is left below: inner nodes keep no empty child beside another one.
    fn is_empty(&self) -> bool {
        match self {
            Node::Leaf(keys) => keys.all().is_empty(),
            Node::Inner(inner) => inner.children.len() == 1 && inner.children[0].load().is_empty(),
        }
    }
}

impl Inner {
    fn size(&self) -> usize {
        self.lows.size() + size_of_val(&*self.children)
    }

    /// Which child stands for the range that `key` lies in.
    fn child_of(&self, key: &[u8]) -> usize {
        self.lows.all().up_to(key)
    }

    /// Where a child begins; none if it is the first one, or there is no such child.
    fn low_of(&self, child: usize) -> Option<Vec<u8>> {
        let at = child.checked_sub(1).filter(|at| *at < self.lows.all().len())?;
        Some(self.lows.all().split(at).1.first_whole())
    }

    /// The children with `new` ones in the place of `gone`.
    fn children_with<const N: usize>(
        &self,
        gone: Range<usize>,
        new: [Arc<Node>; N],
    ) -> Box<[ArcSwap<Node>]> {
        let (before, after) = (&self.children[..gone.start], &self.children[gone.end..]);
        let new = new.map(ArcSwap::new);
        before.iter().map(same).chain(new).chain(after.iter().map(same)).collect()
    }
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
fn within<'a>(keys: Run<'a>, from: Bound<&[u8]>, to: Bound<&[u8]>) -> Run<'a> {
    let start = match from {
        Bound::Unbounded => 0,
        Bound::Included(from) => keys.below(from),
        Bound::Excluded(from) => keys.up_to(from),
    };
    let end = match to {
        Bound::Unbounded => keys.len(),
        Bound::Included(to) => keys.up_to(to),
        Bound::Excluded(to) => keys.below(to),
    };
    // Bounds that contradict each other let nothing in.
    keys.split(end).0.split(start.min(end)).1
}

/// Another place for the same node.
fn same(child: &ArcSwap<Node>) -> ArcSwap<Node> {
    ArcSwap::new(child.load_full())
}

fn put(place: &ArcSwap<Node>, key: &[u8]) -> Put {
    let node = place.load();
    match &**node {
        Node::Leaf(keys) => put_into_leaf(place, keys.all(), key),
        Node::Inner(inner) => {
            let at = inner.child_of(key);
            let Put::Split(left, low, right) = put(&inner.children[at], key) else {
                return Put::Done;
            };
            let children = inner.children_with(at..at + 1, [left, right]);
            let (before, after) = inner.lows.all().split(at);
            let lows = Keys::pack(&[before, Run::one(&low), after]);
            put_inner(place, Inner { lows, children })
        }
    }
}

fn put_into_leaf(place: &ArcSwap<Node>, keys: Run<'_>, key: &[u8]) -> Put {
    let at = keys.below(key);
    if keys.has(at, key) {
        return Put::Done;
    }
    let (before, after) = keys.split(at);
    let all = [before, Run::one(key), after];
    let plan = Plan::of(&all);
    if plan.size() <= MOST || plan.len() == 1 {
        place.store(Arc::new(Node::Leaf(plan.pack())));
        return Put::Done;
    }
    // Keys that come in order, up or down, leave full leaves behind them. Nor does a key that comes
    // before or behind all take away the prefix that the others have.
    let mut ahead = match (before.is_empty(), after.is_empty()) {
        (true, _) => 1,
        (_, true) => at,
        _ => plan.len() / 2,
    };
    let halves = all.map(|run| {
        let here = ahead.min(run.len());
        ahead -= here;
        run.split(here)
    });
    let left = Keys::pack(&halves.map(|(left, _)| left));
    let right = Keys::pack(&halves.map(|(_, right)| right));
    let low = separator(left.all(), right.all());
    Put::Split(Arc::new(Node::Leaf(left)), low, Arc::new(Node::Leaf(right)))
}

fn put_inner(place: &ArcSwap<Node>, new: Inner) -> Put {
    if new.size() <= MOST || new.children.len() < CHILDREN {
        place.store(Arc::new(Node::Inner(Box::new(new))));
        return Put::Done;
    }
    let middle = new.children.len() / 2;
    let (children, others) = new.children.split_at(middle);
    let (lows, rest) = new.lows.all().split(middle - 1);
    let (low, others_lows) = rest.split(1);
    let half = |lows: Run<'_>, children: &[ArcSwap<Node>]| {
        Arc::new(Node::inner(Keys::pack(&[lows]), children.iter().map(same).collect()))
    };
    Put::Split(half(lows, children), low.first_whole(), half(others_lows, others))
}

/// Takes a key out below this place. Nothing may be left there: the parent then lets a neighbour
/// stand for the range.
fn remove(place: &ArcSwap<Node>, key: &[u8]) {
    let node = place.load();
    match &**node {
        Node::Leaf(keys) => {
            let keys = keys.all();
            let at = keys.below(key);
            if keys.has(at, key) {
                let (before, after) = keys.split(at);
                let left = Keys::pack(&[before, after.split(1).1]);
                place.store(Arc::new(Node::Leaf(left)));
            }
        }
        Node::Inner(inner) => {
            let at = inner.child_of(key);
            remove(&inner.children[at], key);
            if inner.children[at].load().size() >= FEW {
                return;
            }
            // Joins the child to the neighbour after it, or else to the one before it.
            for first in [Some(at), at.checked_sub(1)].into_iter().flatten() {
                if first + 1 < inner.children.len() && join(place, inner, first) {
                    return;
                }
            }
        }
    }
}

/// Puts one child in the place of the `first` and the one after it, if one is empty or both
/// together leave room for more.
fn join(place: &ArcSwap<Node>, inner: &Inner, first: usize) -> bool {
    let (left, right) = (inner.children[first].load_full(), inner.children[first + 1].load_full());
    let (before, after) = inner.lows.all().split(first);
    let (low, after) = after.split(1);
    let joined = if left.is_empty() {
        right
    } else if right.is_empty() {
        left
    } else if let Some(joined) = joined(&left, low, &right) {
        Arc::new(joined)
    } else {
        return false;
    };
    let children = inner.children_with(first..first + 2, [joined]);
    place.store(Arc::new(Node::inner(Keys::pack(&[before, after]), children)));
    true
}

/// Two neighbours of the same height as one node, if that leaves room for more; the second begins
/// at `low`.
fn joined(left: &Node, low: Run<'_>, right: &Node) -> Option<Node> {
    let fits = |size| size <= MOST / 2;
    match (left, right) {
        (Node::Inner(one), Node::Inner(other)) => {
            let lows = [one.lows.all(), low, other.lows.all()];
            let plan = Plan::of(&lows);
            let children = || one.children.iter().chain(&other.children).map(same).collect();
            let size = plan.size() + size_of_val(&*one.children) + size_of_val(&*other.children);
            fits(size).then(|| Node::inner(plan.pack(), children()))
        }
        _ => {
            let keys = [left.keys(), right.keys()];
            let plan = Plan::of(&keys);
            fits(plan.size()).then(|| Node::Leaf(plan.pack()))
        }
    }
}
