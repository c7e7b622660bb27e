use std::fmt;
use std::path::PathBuf;

use crate::AddressError;

/// One answer of a back-end: the addresses that are right, and what was wrong beside them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Addresses `HOST:PORT`, each once, in the order of the source.
    pub addresses: Vec<String>,
    /// What the operator should hear of. The same problem is in every answer for as long as it
    /// lasts and compares equal, so a caller can log it once when it comes.
    pub problems: Vec<Problem>,
}

impl Found {
    /// Adds an address unless it is there already.
    ///
    /// # Errors
    ///
    /// When `address` is not `HOST:PORT`; nothing is added then.
    pub fn add(&mut self, address: &str) -> Result<(), AddressError> {
        crate::check_address(address)?;
        if !self.addresses.iter().any(|known| known == address) {
            self.addresses.push(address.to_owned());
        }
        Ok(())
    }
}

/// Something that is wrong with a part of a source, while the rest of the answer counts.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Problem {
    /// The file does not exist. This is no error: it is looked for again at every call.
    NotThereYet {
        /// The file that is looked for.
        path: PathBuf,
    },
    /// A line of the file is not an address. It was skipped.
    WrongLine {
        /// The file that holds the line.
        path: PathBuf,
        /// The line's number, from 1.
        line: usize,
        /// What is wrong with it.
        error: AddressError,
    },
    /// A problem of a back-end outside this crate, in its own words.
    Other(String),
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotThereYet { path } => {
                write!(
                    formatter,
                    "{} is not there yet. It is read as soon as it is",
                    path.display()
                )
            }
            Self::WrongLine { path, line, error } => {
                write!(formatter, "{}:{line}: {error}. The line is skipped", path.display())
            }
            Self::Other(words) => formatter.write_str(words),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_added_once_and_a_wrong_one_never() {
        let mut found = Found::default();
        found.add("a:1").unwrap();
        found.add("b:1").unwrap();
        found.add("a:1").unwrap();
        assert!(found.add("a").is_err());
        assert_eq!(found.addresses, ["a:1", "b:1"]);
    }

    #[test]
    fn problems_name_the_place() {
        let path = PathBuf::from("nodes.txt");
        let error = crate::check_address("a:0").unwrap_err();
        let wrong = Problem::WrongLine { path: path.clone(), line: 3, error };
        assert_eq!(
            wrong.to_string(),
            "nodes.txt:3: `a:0` has the port `0`. \
             A port is a number from 1 to 65535. The line is skipped"
        );
        assert_eq!(
            Problem::NotThereYet { path }.to_string(),
            "nodes.txt is not there yet. It is read as soon as it is"
        );
    }
}
