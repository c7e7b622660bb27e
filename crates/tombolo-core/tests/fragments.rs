//! How a node makes, alters and opens the fragments of a table, in whatever order it hears of them.

use std::cell::RefCell;
use std::collections::BTreeMap;
use tombolo_core::{
    AlterError, BTreeStore, Declaration, DeclarationError, DeclareError, Effect, Epochs, Event,
    Limits, Merge, Message, Millis, NewTable, Node, NodeId, Notice, Policy, Settings, Table,
    TableId, Tables, fragment_name,
};

const NOW: Millis = Millis(1_000);

#[derive(Default)]
struct Memory {
    made: Vec<(String, u16)>,
    tables: RefCell<BTreeMap<TableId, Table<BTreeStore>>>,
}

impl Tables for Memory {
    type Store = BTreeStore;

    fn create(&mut self, new: NewTable<'_>) {
        let (store, limits) = (BTreeStore::default(), Limits::default());
        let table =
            Table::new(me().incarnation(), store, limits, new.declaration, new.epochs.clone());
        assert!(self.tables.get_mut().insert(new.id, table).is_none(), "made twice");
        self.made.push((new.name.into(), new.fragment));
    }

    fn with<R>(&self, id: TableId, step: impl FnOnce(&mut Table<BTreeStore>) -> R) -> R {
        step(self.tables.borrow_mut().get_mut(&id).expect("the node made the table"))
    }
}

fn me() -> NodeId {
    NodeId { name: "me".into(), started: 1 }
}

fn peer() -> NodeId {
    NodeId { name: "peer".into(), started: 1 }
}

fn linked() -> Node<Memory> {
    let mut node = Node::new(Settings::new(me(), "me:1".into()), Memory::default(), NOW);
    node.handle(NOW, Event::Linked { peer: peer(), members: Vec::new() });
    node
}

fn hears(
    node: &mut Node<Memory>,
    fragment: u16,
    declaration: &Declaration,
    epochs: &Epochs,
) -> Vec<Effect> {
    let name = fragment_name("t", fragment);
    let (declaration, epochs) = (declaration.clone(), epochs.clone());
    let message = Message::Declare { name, declaration, epochs };
    node.handle(NOW, Event::Received { from: peer().incarnation(), message })
}

fn three() -> Declaration {
    Declaration { fragments: 3, ..Declaration::default() }
}

/// The fragments that the peer is told of.
fn told(effects: &[Effect]) -> Vec<String> {
    let names = effects.iter().filter_map(|effect| match effect {
        Effect::Send { message: Message::Declare { name, .. }, .. } => Some(name.clone()),
        _ => None,
    });
    names.collect()
}

fn attached(effects: &[Effect]) -> Vec<TableId> {
    let attached = effects.iter().filter_map(|effect| match effect {
        Effect::Attach { table, .. } => Some(*table),
        _ => None,
    });
    attached.collect()
}

fn notices(effects: &[Effect]) -> Vec<&Notice> {
    let notices = effects.iter().filter_map(|effect| match effect {
        Effect::Notice(notice) => Some(notice),
        _ => None,
    });
    notices.collect()
}

#[test]
fn whoever_hears_of_one_fragment_makes_all() {
    let mut node = linked();
    let effects = hears(&mut node, 2, &three(), &Epochs::default());
    let made = &node.tables().made;
    assert_eq!(*made, [("t".into(), 2), ("t".into(), 1), ("t".into(), 0)]);
    assert_eq!(told(&effects), ["t\u{1}2", "t\u{1}1", "t"]);
    assert!(matches!(notices(&effects)[..], [Notice::Adopted { table, .. }] if table == "t"));
    // Only what the peer is known to have is attached to it.
    assert_eq!(attached(&effects), [TableId::of_fragment("t", 2)]);
    let effects = hears(&mut node, 0, &three(), &Epochs::default());
    assert_eq!(attached(&effects), [TableId::of("t")]);
    assert_eq!(
        (told(&effects).len(), notices(&effects).len(), node.tables().made.len()),
        (0, 0, 3)
    );
    let views = node.table_views();
    assert!(views.iter().all(|view| view.name == "t" && view.declaration == three()));
    let missing = views.iter().map(|view| (view.fragment, view.missing.len()));
    assert_eq!(BTreeMap::from_iter(missing), BTreeMap::from([(0, 1), (1, 1), (2, 1)]));
}

#[test]
fn a_table_opens_in_all_fragments_at_once() {
    let mut node = Node::new(Settings::new(me(), "me:1".into()), Memory::default(), NOW);
    node.handle(NOW, Event::Linked { peer: peer(), members: Vec::new() });
    let (_, effects) = node.create(NOW, "t", three()).unwrap();
    assert_eq!(told(&effects).len(), 3);
    let later = NOW.plus(2_000);
    // The peer has but one of them, as far as is known: the others would be open by now.
    let mut effects = hears(&mut node, 1, &three(), &Epochs::default());
    effects.extend(node.handle(later, Event::Tick { wall: later }));
    let opened = |effects: &[Effect]| {
        effects.iter().filter(|effect| matches!(effect, Effect::Writable { .. })).count()
    };
    assert_eq!(opened(&effects), 0);
    assert!(node.table_views().iter().all(|view| !view.writable));
    let effects = node.handle(later, Event::Unlinked { peer: peer() });
    assert_eq!(opened(&effects), 0);
    let later = later.plus(2_000);
    let effects = node.handle(later, Event::Tick { wall: later });
    assert_eq!(opened(&effects), 3);
    let last = effects.iter().rev().find(|effect| matches!(effect, Effect::Writable { .. }));
    assert_eq!(last, Some(&Effect::Writable { table: TableId::of("t") }));
}

#[test]
fn an_alteration_of_one_fragment_is_one_of_all() {
    let mut node = linked();
    hears(&mut node, 0, &three(), &Epochs::default());
    let altered = Declaration { policy: Policy::Newest, ..three() };
    let epochs = Epochs::default().after(&three()).unwrap();
    let effects = hears(&mut node, 1, &altered, &epochs);
    let adopted = effects.iter().filter(|effect| matches!(effect, Effect::Adopt { .. }));
    assert_eq!(adopted.count(), 3);
    assert!(node.table_views().iter().all(|view| view.declaration == altered && view.epoch == 1));
    assert!(matches!(
        notices(&effects)[..],
        [Notice::Altered { table, .. }] if *table == TableId::of("t")
    ));
    // Here it is altered in all fragments as well, and not in their number.
    let again = Declaration { merge: Merge::Hold, ..altered };
    let effects = node.alter("t", again.clone()).unwrap();
    assert_eq!(told(&effects).len(), 3);
    let fewer = Declaration { fragments: 2, ..again };
    assert!(matches!(
        node.alter("t", fewer),
        Err(AlterError::Fragments { ours: 3, wanted: 2, .. })
    ));
}

#[test]
fn another_number_of_fragments_is_a_mismatch_of_all() {
    let mut node = linked();
    node.create(NOW, "t", three()).unwrap();
    let other = Declaration { fragments: 2, ..three() };
    for fragment in [1, 0] {
        let effects = hears(&mut node, fragment, &other, &Epochs::default());
        let mismatches = notices(&effects).into_iter().filter_map(|notice| match notice {
            Notice::Mismatch(mismatch) => Some((&mismatch.ours, &mismatch.theirs)),
            _ => None,
        });
        // Told once, of the table.
        let (ours, told) = (three(), mismatches.collect::<Vec<_>>());
        assert_eq!(told, if fragment == 0 { vec![(&ours, &other)] } else { Vec::new() });
        assert_eq!(attached(&effects), []);
    }
    assert!(node.table_views().iter().all(|view| {
        view.mismatches == [(peer().incarnation(), other.clone())] && view.missing.is_empty()
    }));
    assert!(matches!(node.create(NOW, "t", other), Err(DeclareError::Mismatch(_))));
}

#[test]
fn a_fragment_that_cannot_be_is_refused() {
    let mut node = linked();
    let effects = hears(&mut node, 3, &three(), &Epochs::default());
    let error = DeclarationError::NoFragment { fragment: 3, of: 3 };
    let (table, peer) = ("t".into(), "peer".into());
    assert_eq!(notices(&effects), [&Notice::Refused { table, peer, error }]);
    for fragments in [0, 65] {
        let declaration = Declaration { fragments, ..three() };
        let effects = hears(&mut node, 0, &declaration, &Epochs::default());
        assert!(matches!(notices(&effects)[..], [Notice::Refused { .. }]));
        let refused = node.create(NOW, "t", declaration).unwrap_err();
        assert_eq!(refused, DeclareError::Invalid(DeclarationError::Fragments(fragments)));
    }
    assert!(node.tables().made.is_empty());
}
