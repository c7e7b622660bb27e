use super::*;
use proptest::collection::vec;
use proptest::prelude::*;

/// Short and of few letters, so that they are often equal or begin alike.
fn key() -> impl Strategy<Value = Vec<u8>> {
    vec(prop::sample::select(vec![0x00, 0x01, 0xFE, 0xFF]), 0..4)
}

fn bound() -> impl Strategy<Value = Bound<Vec<u8>>> {
    prop_oneof![
        Just(Bound::Unbounded),
        key().prop_map(Bound::Included),
        key().prop_map(Bound::Excluded),
    ]
}

fn filter() -> impl Strategy<Value = Filter> {
    prop_oneof![
        Just(Filter::All),
        key().prop_map(Filter::Key),
        key().prop_map(Filter::Prefix),
        (bound(), bound()).prop_map(|(from, to)| Filter::Range(from, to)),
    ]
}

fn means(filter: &Filter, key: &[u8]) -> bool {
    match filter {
        Filter::All => true,
        Filter::Key(only) => only == key,
        Filter::Prefix(prefix) => key.starts_with(prefix),
        Filter::Range(from, to) => {
            let from = match from {
                Bound::Included(from) => **from <= *key,
                Bound::Excluded(from) => **from < *key,
                Bound::Unbounded => true,
            };
            let to = match to {
                Bound::Included(to) => *key <= **to,
                Bound::Excluded(to) => *key < **to,
                Bound::Unbounded => true,
            };
            from && to
        }
    }
}

proptest! {
    #[test]
    fn a_span_has_what_its_filter_means(filter in filter(), key in key(), object in key()) {
        prop_assert_eq!(Span::new(filter.clone(), false).has(&key), means(&filter, &key));
        let mut composite = Vec::new();
        composite::encode(&mut composite, &key, &object);
        prop_assert_eq!(Span::new(filter.clone(), true).has(&composite), means(&filter, &key));
        let span = Span::new(filter.clone(), false);
        let only = matches!(&filter, Filter::Key(only) if only == span.only().unwrap());
        prop_assert!(only || !matches!(filter, Filter::Key(_)));
    }

    #[test]
    fn a_key_finds_whoever_means_it(
        filters in vec(filter(), 0..40),
        gone in vec(any::<prop::sample::Index>(), 0..10),
        keys in vec(key(), 1..10),
    ) {
        let mut index = Index::default();
        for (number, filter) in filters.iter().enumerate() {
            index.insert(Span::new(filter.clone(), false), number);
        }
        let mut left: Vec<usize> = (0..filters.len()).collect();
        for gone in gone.iter().filter(|_| !filters.is_empty()) {
            let gone = gone.index(filters.len());
            index.remove(&Span::new(filters[gone].clone(), false), |number| *number == gone);
            left.retain(|number| *number != gone);
            for key in &keys {
                let mut found = Vec::new();
                index.find(key, &mut |number| found.push(*number));
                found.sort_unstable();
                let meant = left.iter().copied().filter(|number| means(&filters[*number], key));
                prop_assert_eq!(found, meant.collect::<Vec<_>>());
            }
        }
        prop_assert_eq!(index.all().count(), left.len());
    }
}
