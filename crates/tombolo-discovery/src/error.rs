use std::error::Error;
use std::io;
use std::path::PathBuf;

/// Why a back-end has no answer. Its state is as before the call, and it can be asked again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DiscoveryError {
    /// The file exists and cannot be read. A file that does not exist is no error, but a
    /// [`Problem::NotThereYet`](crate::Problem::NotThereYet).
    #[error("cannot read {}: {source}. Check the path and its permissions", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// There is something at the path that is not a file, such as a directory or a pipe.
    #[error("{} is not a regular file. Name a file with one HOST:PORT a line", path.display())]
    NotAFile {
        /// What was named.
        path: PathBuf,
    },
    /// The file is larger than any list of nodes; nothing of it was used.
    #[error("{} is larger than {limit} bytes. Is it a list of HOST:PORT?", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The largest size that is read, in bytes.
        limit: u64,
    },
    /// An error of a back-end outside this crate.
    #[error(transparent)]
    Other(Box<dyn Error + Send + Sync>),
}
