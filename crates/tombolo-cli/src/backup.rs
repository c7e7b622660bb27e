//! `tombolo backup` and `tombolo restore`.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::Path;
use std::process::ExitCode;

use tombolo_server::http::view::{RestoreView, RestoredTableView};

use crate::args::{BackupArgs, RestoreArgs};
use crate::client::{Api, ApiError, escaped};
use crate::text::{bytes, complain, grouped, say, tame};

/// Runs `tombolo backup`: under another name until it is complete.
pub fn backup(args: &BackupArgs) -> ExitCode {
    let mut unfinished = args.file.as_os_str().to_owned();
    unfinished.push(".unfinished");
    let unfinished = Path::new(&unfinished);
    let saved = save(args, unfinished);
    match saved {
        Ok(count) => {
            say(format!("{} in {}", bytes(count), args.file.display()));
            ExitCode::SUCCESS
        }
        Err(error) => {
            // What is there of it is of no use.
            let _ = std::fs::remove_file(unfinished);
            error.complain()
        }
    }
}

/// Why there is no backup, or no restore.
enum Failure {
    Api(ApiError),
    File(String),
    Differs,
}

impl Failure {
    fn complain(&self) -> ExitCode {
        match self {
            Failure::Api(error) => return error.complain(),
            Failure::File(error) => complain(error),
            Failure::Differs => {}
        }
        ExitCode::FAILURE
    }
}

fn save(args: &BackupArgs, unfinished: &Path) -> Result<u64, Failure> {
    let failed = |error: io::Error| Failure::File(format!("{}: {error}", unfinished.display()));
    let file = File::create(unfinished).map_err(failed)?;
    let mut out = BufWriter::with_capacity(1 << 20, file);
    let api = Api::new(&args.node.http);
    let table = args.table.as_ref().map(|table| format!("?table={}", escaped(table)));
    let path = format!("backup{}", table.unwrap_or_default());
    let count = api.download(&path, &mut out).map_err(Failure::Api)?;
    out.flush().map_err(failed)?;
    out.get_ref().sync_all().map_err(failed)?;
    std::fs::rename(unfinished, &args.file).map_err(failed)?;
    Ok(count)
}

/// Runs `tombolo restore`: first dry, so that a damaged file writes nothing.
pub fn restore(args: &RestoreArgs) -> ExitCode {
    let done =
        send(args, true).and_then(|view| if args.dry_run { Ok(view) } else { send(args, false) });
    let view = match done {
        Ok(view) => view,
        Err(error) => return error.complain(),
    };
    say(if view.dry_run { "would be done:" } else { "done:" });
    view.tables.iter().for_each(|table| say(line(table)));
    if view.tables.is_empty() {
        say("  nothing: the backup has no such table");
    }
    if view.tables.iter().any(|table| table.refused.is_some()) {
        return Failure::Differs.complain();
    }
    ExitCode::SUCCESS
}

fn send(args: &RestoreArgs, dry_run: bool) -> Result<RestoreView, Failure> {
    let failed = |error: io::Error| Failure::File(format!("{}: {error}", args.file.display()));
    let mut file = File::open(&args.file).map_err(failed)?;
    let length = file.metadata().map_err(failed)?.len();
    let table = args.table.as_ref().map(|table| format!("&table={}", escaped(table)));
    let path = format!("restore?dry_run={dry_run}{}", table.unwrap_or_default());
    Api::new(&args.node.http).upload(&path, &mut file, length).map_err(Failure::Api)
}

fn line(table: &RestoredTableView) -> String {
    let name = tame(&table.name);
    if let Some(refused) = &table.refused {
        return format!("  table {name}: nothing, because {}", tame(refused));
    }
    let [added, changed, same, expired] =
        [table.added, table.changed, table.same, table.expired].map(grouped);
    let new = if table.created { " (new)" } else { "" };
    format!(
        "  table {name}{new}: {added} added, {changed} changed, {same} the same, \
         {expired} expired and left out"
    )
}
