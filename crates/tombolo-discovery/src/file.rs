use std::fs::{self, Metadata};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::{AddressError, Discovery, DiscoveryError, Found, Problem};

/// The largest file that is read, in bytes: room for tens of thousands of addresses, and no harm
/// when the path is that of something else.
const LARGEST: u64 = 1024 * 1024;

/// A file modified this recently may be modified again without a visible change of its time:
/// file systems count in steps, the coarsest (FAT) in steps of two seconds.
const SETTLING: Duration = Duration::from_secs(2);

/// A file with one address a line.
///
/// A `#` begins a comment, also behind an address; blank lines are ignored. A line that is not
/// an address is skipped and reported with its number, the good lines count. The file may not
/// exist yet: then nothing is found, which is reported too, and is no error.
///
/// ```text
/// # the first rack
/// node-1.example:7381
/// node-2.example:7381   # replaced in March
/// [fd00::3]:7381
/// ```
///
/// The file is read again when its size, its modification time or its inode has changed. To
/// replace it in one step, write another file and rename it.
#[derive(Debug)]
pub struct File {
    path: PathBuf,
    last: Option<Reading>,
}

/// What the file said when it was read, and by what to tell that it still says so.
#[derive(Debug)]
struct Reading {
    stamp: Stamp,
    found: Found,
}

impl File {
    /// A back-end that reads the file at `path`, which need not exist.
    pub fn new(path: impl AsRef<Path>) -> Self {
        Self { path: path.as_ref().to_owned(), last: None }
    }

    /// Reads the file unless the last reading still holds.
    fn look(&mut self) -> Result<Found, DiscoveryError> {
        let path = &self.path;
        let unreadable = |source| DiscoveryError::Unreadable { path: path.clone(), source };
        // Asked by path before it is opened, because opening a pipe would wait for its writer.
        if !fs::metadata(path).map_err(unreadable)?.is_file() {
            return Err(DiscoveryError::NotAFile { path: path.clone() });
        }
        let file = fs::File::open(path).map_err(unreadable)?;
        // Taken before the content: what is written from here on changes the stamp.
        let stamp = Stamp::of(&file.metadata().map_err(unreadable)?);
        if let Some(last) = &self.last
            && last.stamp.still_holds(&stamp)
        {
            return Ok(last.found.clone());
        }
        let mut bytes = Vec::new();
        file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(unreadable)?;
        if bytes.len() as u64 > LARGEST {
            return Err(DiscoveryError::TooLarge { path: path.clone(), limit: LARGEST });
        }
        let found = read_lines(path, &bytes);
        self.last = Some(Reading { stamp, found: found.clone() });
        Ok(found)
    }
}

impl Discovery for File {
    fn name(&self) -> String {
        format!("the file {}", self.path.display())
    }

    fn nodes(&mut self) -> Result<Found, DiscoveryError> {
        match self.look() {
            Err(DiscoveryError::Unreadable { path, source })
                if source.kind() == io::ErrorKind::NotFound =>
            {
                let problems = vec![Problem::NotThereYet { path }];
                Ok(Found { addresses: Vec::new(), problems })
            }
            answer => answer,
        }
    }
}

fn read_lines(path: &Path, bytes: &[u8]) -> Found {
    // Editors on Windows put a byte order mark in front of UTF-8.
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let mut found = Found::default();
    for (index, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        if let Err(error) = read_line(line, &mut found) {
            let path = path.to_owned();
            found.problems.push(Problem::WrongLine { path, line: index + 1, error });
        }
    }
    found
}

fn read_line(line: &[u8], found: &mut Found) -> Result<(), AddressError> {
    // The comment goes first, so that its encoding does not matter.
    let before_comment = line.split(|byte| *byte == b'#').next().unwrap_or(line);
    let address = before_comment.trim_ascii();
    if address.is_empty() {
        return Ok(());
    }
    match str::from_utf8(address) {
        Ok(address) => found.add(address),
        Err(_) => {
            let address = String::from_utf8_lossy(address).into_owned();
            Err(AddressError::NotText { address })
        }
    }
}

/// By what a change of the file is noticed without reading it.
#[derive(Debug, PartialEq, Eq)]
struct Stamp {
    size: u64,
    /// Absent where the file system keeps no time; then the stamp never holds.
    modified: Option<SystemTime>,
    inode: u64,
    /// Whether the file was old enough for its time to tell any later change.
    settled: bool,
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        let modified = metadata.modified().ok();
        let age = modified.and_then(|at| SystemTime::now().duration_since(at).ok());
        Self {
            size: metadata.len(),
            modified,
            inode: inode(metadata),
            settled: age.is_some_and(|age| age >= SETTLING),
        }
    }

    /// Whether a file that had this stamp when it was read and has `now` today is unchanged.
    fn still_holds(&self, now: &Self) -> bool {
        self.settled && self == now
    }
}

#[cfg(unix)]
fn inode(metadata: &Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(metadata)
}

/// Where there is no inode, size and time must do.
#[cfg(not(unix))]
fn inode(_: &Metadata) -> u64 {
    0
}

#[cfg(test)]
mod tests;
