//! The laws, on pairs and triples of the values that the user gave.

use super::{Associativity, CheckSettings, CheckedResolver, Law, LawBroken, Written};
use tombolo_core::Resolution;

/// The function, with its panics caught.
type Function<'a> = &'a dyn Fn(&[u8], &[Written]) -> Option<Resolution>;

/// Any key does: the laws must hold for each.
const KEY: &[u8] = b"key";

/// How often an outcome may be resolved again before it must not change any more.
const TIMES: usize = 8;

/// How many warnings are kept.
const WARNINGS: usize = 10;

pub(super) fn check(
    function: Function<'_>,
    settings: &CheckSettings,
    checked: &mut CheckedResolver,
) -> Result<(), LawBroken> {
    let values: Vec<Written> = (1..)
        .zip(&settings.values)
        .map(|(stamp, value)| Written { value: value.clone(), stamp, outcome: false })
        .collect();
    for a in &values {
        for b in values.iter().filter(|b| b.stamp != a.stamp) {
            pair(function, a, b, checked)?;
        }
    }
    for a in &values {
        for b in values.iter().filter(|b| b.stamp > a.stamp) {
            for c in values.iter().filter(|c| c.stamp > b.stamp) {
                triple(function, [a, b, c], settings, checked)?;
            }
        }
    }
    bounded(function, &values)
}

fn ask(function: Function<'_>, siblings: &[Written]) -> Result<Resolution, LawBroken> {
    let verdict = function(KEY, siblings);
    verdict.ok_or_else(|| broken(Law::Total, format!("it panicked at {}", shown(siblings))))
}

fn pair(
    function: Function<'_>,
    a: &Written,
    b: &Written,
    checked: &mut CheckedResolver,
) -> Result<(), LawBroken> {
    let both = [a.clone(), b.clone()];
    let verdict = ask(function, &both)?;
    let again = ask(function, &both)?;
    if verdict != again {
        let text = format!("{} gave {verdict:?}, then {again:?}", shown(&both));
        return Err(broken(Law::Deterministic, text));
    }
    let turned = [Written { stamp: b.stamp, ..a.clone() }, Written { stamp: a.stamp, ..b.clone() }];
    let turned = ask(function, &turned)?;
    if verdict != turned {
        let text = format!("{} gave {verdict:?}, in the other order {turned:?}", shown(&both));
        warn(checked, Law::Commutative, text);
    }
    let Resolution::Value(value) = verdict else { return Ok(()) };
    for with in [a, b] {
        settles(function, value.clone(), a.stamp.max(b.stamp) + 1, with)?;
    }
    let outcome = Written { value, stamp: a.stamp.max(b.stamp) + 1, outcome: true };
    let twice = [outcome.clone(), Written { stamp: outcome.stamp + 1, ..outcome.clone() }];
    let verdict = ask(function, &twice)?;
    if matches!(&verdict, Resolution::Value(value) if *value != outcome.value) {
        let text = format!("an outcome with itself, {}, gave {verdict:?}", shown(&twice));
        return Err(broken(Law::Idempotent, text));
    }
    Ok(())
}

/// An outcome that meets one of its inputs again, and again, stays as it is at last.
fn settles(
    function: Function<'_>,
    value: Vec<u8>,
    stamp: u64,
    with: &Written,
) -> Result<(), LawBroken> {
    let mut outcome = Written { value, stamp, outcome: true };
    for _ in 0..TIMES {
        match ask(function, &[with.clone(), outcome.clone()])? {
            Resolution::Value(value) if value != outcome.value => {
                outcome = Written { value, stamp: outcome.stamp + 1, outcome: true };
            }
            _ => return Ok(()),
        }
    }
    let text = format!("with {:?} again and again it came to {}", text_of(with), text_of(&outcome));
    Err(broken(Law::Idempotent, text))
}

fn triple(
    function: Function<'_>,
    [a, b, c]: [&Written; 3],
    settings: &CheckSettings,
    checked: &mut CheckedResolver,
) -> Result<(), LawBroken> {
    let all = [a, b, c];
    ask(function, &all.map(Clone::clone))?;
    if settings.associativity == Associativity::Ignored {
        return Ok(());
    }
    let left = match combined(function, a, b)? {
        Some(ab) => ask(function, &[ab, c.clone()])?,
        None => return Ok(()),
    };
    let right = match combined(function, b, c)? {
        Some(bc) => ask(function, &[a.clone(), bc])?,
        None => return Ok(()),
    };
    if left != right {
        let text = format!("of {}: {left:?}, or else {right:?}", shown(&all.map(Clone::clone)));
        if settings.associativity == Associativity::Required {
            return Err(broken(Law::Associative, text));
        }
        warn(checked, Law::Associative, text);
    }
    Ok(())
}

/// The outcome of two, which takes the place of the later one in time.
fn combined(
    function: Function<'_>,
    a: &Written,
    b: &Written,
) -> Result<Option<Written>, LawBroken> {
    let verdict = ask(function, &[a.clone(), b.clone()])?;
    let Resolution::Value(value) = verdict else { return Ok(None) };
    Ok(Some(Written { value, stamp: a.stamp.max(b.stamp), outcome: true }))
}

/// An outcome that meets all values again and again is as long after many rounds as after some.
fn bounded(function: Function<'_>, values: &[Written]) -> Result<(), LawBroken> {
    let Some(first) = values.first() else { return Ok(()) };
    let mut outcome = first.clone();
    let mut after = Vec::new();
    for _ in 0..2 * TIMES {
        for with in values {
            let stamp = outcome.stamp + 1;
            if let Resolution::Value(value) = ask(function, &[with.clone(), outcome.clone()])? {
                outcome = Written { value, stamp, outcome: true };
            }
        }
        after.push(outcome.value.len());
    }
    let (some, many) = (after[TIMES - 1], after[2 * TIMES - 1]);
    if many > some {
        let text = format!("{some} bytes after {TIMES} rounds, {many} after twice as many");
        return Err(broken(Law::Bounded, text));
    }
    Ok(())
}

fn warn(checked: &mut CheckedResolver, law: Law, text: String) {
    if checked.warnings.len() < WARNINGS {
        checked.warnings.push(broken(law, text).to_string());
    }
}

fn broken(law: Law, text: String) -> LawBroken {
    LawBroken { law, seed: None, text }
}

fn shown(siblings: &[Written]) -> String {
    let texts: Vec<String> = siblings.iter().map(|one| format!("{:?}", text_of(one))).collect();
    texts.join(" and ")
}

fn text_of(sibling: &Written) -> String {
    String::from_utf8_lossy(&sibling.value).into_owned()
}
