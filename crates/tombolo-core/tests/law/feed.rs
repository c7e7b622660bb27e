//! The change feed: what it calls each change, and that it says when it has none any more.

use crate::replica::setup::Setup;
use crate::replica::{ORIGINS, Replica};
use tombolo_core::{Change, ChangeKind, Limits, Millis, Store, TooOld};

const NOW: Millis = Millis(1_000);

fn put(value: &[u8]) -> Change<'_> {
    Change::Put { value, expires: None }
}

/// The kinds and values of the changes after that number.
fn told(replica: &Replica, after: u64) -> Vec<(ChangeKind, Vec<u8>)> {
    let changes = replica.table.changes_since(after, usize::MAX).unwrap();
    let numbers = changes.iter().map(|change| change.number);
    assert!(numbers.eq(after + 1..=after + changes.len() as u64), "no number is left out");
    changes.iter().map(|change| (change.kind, change.value.to_vec())).collect()
}

#[test]
fn each_change_is_called_what_it_is() {
    let [mut here, mut there, _] = ORIGINS.map(|id| Replica::new(id, &Setup::siblings()));
    here.write(NOW, b"k", put(b"unwatched"));
    assert_eq!(here.table.changes_since(0, 1), Err(TooOld), "nobody watched");
    let head = here.table.watch();
    let before = there.write(NOW, b"k", put(b"theirs")).unwrap();
    here.write(NOW, b"new", put(b"1"));
    here.write(NOW, b"new", put(b"2"));
    here.write(NOW, b"new", Change::Delete);
    assert!(here.write(NOW, b"new", Change::Delete).is_none());
    here.take_in(&before);
    here.write(NOW, b"k", put(b"both"));
    let expected: [(ChangeKind, &[u8]); 5] = [
        (ChangeKind::Insert, b"1"),
        (ChangeKind::Update, b"2"),
        (ChangeKind::Delete, b"2"),
        (ChangeKind::Conflict, b"theirs"),
        (ChangeKind::Update, b"both"),
    ];
    let told = told(&here, head);
    assert!(told.iter().map(|(kind, value)| (*kind, &value[..])).eq(expected), "{told:?}");
    let conflict = &here.table.changes_since(head + 3, 1).unwrap()[0];
    assert!(conflict.contested, "what is shown is the policy's to say");
}

#[test]
fn equal_values_are_no_conflict() {
    let [mut here, mut there, _] = ORIGINS.map(|id| Replica::new(id, &Setup::siblings()));
    let head = here.table.watch();
    here.write(NOW, b"k", put(b"same"));
    here.take_in(&there.write(NOW, b"k", put(b"same")).unwrap());
    let same = |kind| (kind, b"same".to_vec());
    assert_eq!(told(&here, head), [same(ChangeKind::Insert), same(ChangeKind::Update)]);
}

#[test]
fn records_are_told_when_their_owner_comes_and_goes() {
    let [mut here, mut there, _] = ORIGINS.map(|id| Replica::new(id, &Setup::hiding()));
    here.take_in(&there.write(NOW, b"k", put(b"theirs")).unwrap());
    here.write(NOW, b"mine", put(b"v"));
    here.table.set_owners(Some(ORIGINS.into()));
    let head = here.table.watch();
    for up in [&ORIGINS[..1], &ORIGINS] {
        here.table.set_owners(Some(up.iter().copied().collect()));
        for _ in 0..here.table.store().buckets() {
            assert!(here.table.is_turning());
            here.table.tell_turned();
        }
        assert!(!here.table.is_turning());
    }
    let theirs = |kind| (kind, b"theirs".to_vec());
    assert_eq!(told(&here, head), [theirs(ChangeKind::Hidden), theirs(ChangeKind::Shown)]);
}

#[test]
fn what_is_not_kept_any_more_is_not_taken_for_nothing() {
    let mut here = Replica::new(ORIGINS[0], &Setup::siblings());
    let head = here.table.watch();
    let large = vec![0; Limits::default().feed_bytes / 4];
    for _ in 0..8 {
        here.write(NOW, b"k", put(&large));
    }
    assert_eq!(here.table.changes_since(head, 1), Err(TooOld));
    assert_eq!(here.table.changes_since(head + 9, 1), Err(TooOld), "it was never given");
    assert_eq!(here.table.changes_since(head + 8, 1), Ok(Vec::new()));
    assert_eq!(told(&here, head + 6).len(), 2);
    // One that is larger than all that may be kept is kept by itself.
    here.write(NOW, b"k", put(&vec![0; 2 * Limits::default().feed_bytes]));
    assert_eq!(told(&here, head + 8).len(), 1);
    assert!(here.table.take_changed() && !here.table.take_changed());
}
