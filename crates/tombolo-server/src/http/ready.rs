use tombolo::{ProgressStatus, Status};

/// What stands between the node and being ready; nothing when it is.
///
/// A node is joined once its tables may be written: before that it is still dialling the
/// addresses that discovery found, or runs its first sync. An address where nobody answers does
/// not hold it up for ever, or the first node of a cluster would never be ready. Nor does a
/// split, in which each island goes on serving, or a table that is kept apart from an island's.
pub(super) fn missing(status: &Status) -> Vec<String> {
    let mut missing = Vec::new();
    let discovery = &status.discovery;
    let alone = status.members.iter().all(|member| member.is_self);
    // A node that knows other members is joined, whatever becomes of discovery later; and a
    // wrong line among right ones is no reason to wait.
    if !discovery.works && discovery.addresses.is_empty() && alone {
        let error = discovery.error.as_deref().unwrap_or("no answer yet");
        missing.push(format!("no node was found yet: {error}"));
    }
    if status.tables.is_empty() {
        missing.push("no table is there yet".to_owned());
    }
    for table in &status.tables {
        let name = &table.name;
        if let Some(conflict) = &table.conflict {
            missing.push(format!("table {name} is declared differently elsewhere: {conflict}"));
        }
        if table.paused.is_some() {
            missing.push(format!("table {name} is paused on this node"));
            continue;
        }
        if table.complete && table.writable {
            continue;
        }
        if let Some(progress) = &table.progress {
            missing.push(format!("table {name} is filled: {}", how_far(progress)));
            continue;
        }
        missing.push(match (table.missing.is_empty(), table.writable) {
            (false, _) => format!("table {name} is not synced with {}", table.missing.join(", ")),
            (true, false) => format!("table {name} waits for the nodes known at the start"),
            (true, true) => format!("table {name} is not complete"),
        });
    }
    missing
}

/// How far the filling of a table has come.
fn how_far(progress: &ProgressStatus) -> String {
    let (received, expected) = (grouped(progress.received), grouped(progress.expected));
    let rest = match progress.remaining {
        None => String::new(),
        Some(millis) => format!(", about {} s to go", grouped(millis.div_ceil(1_000))),
    };
    format!("{received} of {expected} records{rest}")
}

/// A number with a comma before every three digits.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let first = digits.len() % 3;
    let mut text = digits[..first].to_owned();
    for three in digits.as_bytes()[first..].chunks(3) {
        if !text.is_empty() {
            text.push(',');
        }
        text.extend(three.iter().copied().map(char::from));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::grouped;

    #[test]
    fn numbers_are_readable() {
        let numbers = [0, 12, 123, 1_234, 41_200, 100_000, 1_002_003].map(grouped);
        assert_eq!(numbers, ["0", "12", "123", "1,234", "41,200", "100,000", "1,002,003"]);
    }
}
