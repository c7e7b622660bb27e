//! A conflict function for each law that can be broken, and some that keep all.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use tombolo_sim::{
    Associativity, CheckSettings, CheckedResolver, Law, LawBroken, Resolution, Resolver, Sibling,
    check_resolver,
};

fn settings() -> CheckSettings {
    let values = ["1", "2", "3", "25", "4"].map(|value| value.as_bytes().to_vec());
    CheckSettings { values: values.to_vec(), schedules: 40, ..CheckSettings::default() }
}

fn check(resolver: impl Resolver) -> Result<CheckedResolver, LawBroken> {
    check_resolver(resolver, &settings())
}

fn law_of(resolver: impl Resolver) -> Law {
    let broken = check(resolver).expect_err("a law is broken");
    assert!(!broken.to_string().is_empty());
    broken.law
}

fn number(sibling: &Sibling<'_>) -> u64 {
    String::from_utf8_lossy(sibling.value).parse().unwrap_or(0)
}

fn greatest(_: &[u8], siblings: &[Sibling<'_>]) -> Resolution {
    let greatest = siblings.iter().map(number).max().unwrap_or(0);
    Resolution::Value(greatest.to_string().into_bytes())
}

#[test]
fn functions_that_keep_every_law_pass() {
    let checked = check(greatest).unwrap();
    assert!(checked.outcomes > 0 && checked.resolved > 0 && checked.schedules == 40);
    assert!(checked.warnings.is_empty());
    let newest = |_: &[u8], siblings: &[Sibling<'_>]| {
        let newest = siblings.iter().max_by_key(|sibling| sibling.written);
        Resolution::Value(newest.map(|newest| newest.value.to_vec()).unwrap_or_default())
    };
    assert!(check(newest).is_ok());
    assert!(check(|_: &[u8], _: &[Sibling<'_>]| Resolution::Delete).is_ok());
    let kept = check(|_: &[u8], _: &[Sibling<'_>]| Resolution::KeepBoth).unwrap();
    assert!(kept.schedules > 0);
}

#[test]
fn one_that_panics_is_not_total() {
    let panics = |_: &[u8], _: &[Sibling<'_>]| -> Resolution { panic!("as it must here") };
    assert_eq!(law_of(panics), Law::Total);
}

#[test]
fn one_that_counts_its_calls_is_not_deterministic() {
    let calls = AtomicU64::new(0);
    let counts = move |_: &[u8], _: &[Sibling<'_>]| {
        Resolution::Value(calls.fetch_add(1, SeqCst).to_string().into_bytes())
    };
    assert_eq!(law_of(counts), Law::Deterministic);
}

#[test]
fn one_that_goes_by_time_may_and_is_told_so() {
    let first = |_: &[u8], siblings: &[Sibling<'_>]| Resolution::Value(siblings[0].value.to_vec());
    let checked = check(first).expect("it may");
    assert!(checked.warnings.iter().any(|warning| warning.contains("written later")));
}

#[test]
fn one_that_adds_never_comes_to_an_end() {
    let sum = |_: &[u8], siblings: &[Sibling<'_>]| {
        let sum: u64 = siblings.iter().map(number).sum();
        Resolution::Value(sum.to_string().into_bytes())
    };
    assert_eq!(law_of(sum), Law::Idempotent);
}

#[test]
fn one_that_takes_the_mean_is_not_associative() {
    let mean = |_: &[u8], siblings: &[Sibling<'_>]| {
        let sum: u64 = siblings.iter().map(number).sum();
        Resolution::Value((sum / siblings.len() as u64).to_string().into_bytes())
    };
    let checked = check(mean).expect("it is no broken law unless it is required");
    assert!(!checked.warnings.is_empty());
    let required = CheckSettings { associativity: Associativity::Required, ..settings() };
    assert_eq!(check_resolver(mean, &required).unwrap_err().law, Law::Associative);
    let ignored = CheckSettings { associativity: Associativity::Ignored, ..settings() };
    assert!(check_resolver(mean, &ignored).unwrap().warnings.is_empty());
}

#[test]
fn one_that_keeps_a_mark_for_each_conflict_grows_without_bound() {
    // What it met last, and a mark for every time that this was something new.
    let marks = |_: &[u8], siblings: &[Sibling<'_>]| {
        let text = |sibling: &Sibling<'_>| String::from_utf8_lossy(sibling.value).into_owned();
        let met = |sibling: &Sibling<'_>| text(sibling).split('|').next().unwrap_or("").to_string();
        let marks = |sibling: &Sibling<'_>| text(sibling).matches('x').count();
        let oldest = siblings.iter().min_by_key(|sibling| sibling.written).map(met);
        let newest = siblings.iter().max_by_key(|sibling| sibling.written).map(met);
        let most = siblings.iter().map(marks).max().unwrap_or(0);
        let most = most + usize::from(oldest != newest);
        Resolution::Value(
            format!("{}|{}", oldest.unwrap_or_default(), "x".repeat(most)).into_bytes(),
        )
    };
    assert_eq!(law_of(marks), Law::Bounded);
}
