//! Starting from the snapshots of the process before.

use super::file::{Checked, ENDING, Piece, Unusable, check, walk};
use super::{Keeper, TableSnapshot, ahead, names};
use crate::clock::{now, steady};
use crate::shared::SharedTable;
use crate::shell::Shell;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tombolo_core::Replayed;

/// How far a snapshot's clock may be ahead of the machine's for the node to wait for it, in
/// milliseconds: as much as a machine's clock is set back when it finds a better one.
const WAITED_FOR: u64 = 30_000;

/// The snapshots that can be used.
pub(crate) struct Found {
    checked: Vec<(PathBuf, Checked)>,
}

impl Found {
    /// When the newest process of that name started that wrote any of them.
    pub(crate) fn newest_start(&self, node: &str) -> Option<u64> {
        let headers = self.checked.iter().map(|(_, checked)| &checked.header);
        headers.filter(|header| header.node == node).map(|header| header.started).max()
    }
}

impl Keeper {
    /// Reads every snapshot from the beginning to the end; those that cannot be used are set aside.
    pub(crate) fn check(&self, cluster: &str, max_drift: u64) -> io::Result<Found> {
        let mut checked = Vec::new();
        for path in names(&self.dir, ENDING)? {
            match check(&path, cluster).and_then(|found| wait_for_clock(found, max_drift)) {
                Ok(found) => checked.push((path, found)),
                Err(error) => self.set_aside(&path, &error),
            }
        }
        Ok(Found { checked })
    }

    /// Makes the tables, and fills each with what its snapshot holds.
    pub(crate) fn load(&self, shell: &Arc<Shell>, found: Found) {
        for (path, checked) in found.checked {
            let at = checked.header.written;
            let bytes = std::fs::metadata(&path).map_or(0, |metadata| metadata.len());
            match load(shell, &path, checked) {
                Ok((table, records)) => {
                    let age = now().0.saturating_sub(at) / 1_000;
                    tracing::info!(table = table.name, records, age, "restored from a snapshot");
                    self.note(&table, TableSnapshot { at, bytes });
                }
                // It was whole a moment ago. What came of it stays, and claims nothing.
                Err(error) => self.set_aside(&path, &error),
            }
        }
    }

    fn set_aside(&self, path: &Path, error: &Unusable) {
        let mut aside = path.as_os_str().to_owned();
        let kind = if matches!(error, Unusable::Ahead(_)) { "ahead" } else { "damaged" };
        aside.push(format!(".{kind}-{}", now().0));
        let put = match std::fs::rename(path, &aside) {
            Ok(()) => format!("it was put aside as {}", Path::new(&aside).display()),
            Err(error) => format!("it cannot be put aside: {error}"),
        };
        let text = format!("the snapshot {} cannot be used: {error}; {put}", path.display());
        tracing::error!("{text}; the node starts with that table empty");
        self.shown.lock().set_aside.push(text);
    }
}

/// Refuses what comes from too far in the future: it would win over everything that is written
/// until then. For a little while the node waits instead.
fn wait_for_clock(checked: Checked, max_drift: u64) -> Result<Checked, Unusable> {
    let far = ahead(checked.clock).saturating_sub(max_drift);
    if far > WAITED_FOR {
        return Err(Unusable::Ahead(ahead(checked.clock)));
    }
    if far > 0 {
        tracing::warn!(table = checked.name, far, "waiting until the clock is past its snapshot");
        std::thread::sleep(Duration::from_millis(far));
    }
    Ok(checked)
}

fn load(
    shell: &Arc<Shell>,
    path: &Path,
    checked: Checked,
) -> Result<(Arc<SharedTable>, u64), Unusable> {
    let Checked { name, declaration, epochs, members, .. } = checked;
    let id = {
        let mut node = shell.node.lock();
        let restored = node.restore(steady(), &name, declaration, epochs, &members);
        let (id, effects) = restored.map_err(Unusable::Declaration)?;
        shell.carry_out(effects);
        id
    };
    let Some(table) = shell.table(id) else {
        return Err(io::Error::other("the table was not made").into());
    };
    let mut complete = None;
    let walked = walk(path, &mut |piece| {
        if let Piece::Step(body) = piece {
            match table.with(|machine| machine.replay(steady(), body)) {
                Replayed::More => {}
                Replayed::Complete(report) => complete = Some(report.brought),
                Replayed::Refused => return Err(Unusable::Ahead(0)),
            }
        }
        Ok(())
    });
    table.with(|machine| machine.drop_replay());
    walked.map(|()| (table, complete.unwrap_or_default()))
}
