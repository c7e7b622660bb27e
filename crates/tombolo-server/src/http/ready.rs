use tombolo::Status;

/// What stands between the node and being ready; nothing when it is.
///
/// A node is joined once its tables may be written: before that it is still dialling the
/// addresses that discovery found, or runs its first sync. An address where nobody answers does
/// not hold it up for ever, or the first node of a cluster would never be ready. Nor does a
/// split, in which each island goes on serving.
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
        if table.complete && table.writable {
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
