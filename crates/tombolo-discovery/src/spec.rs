use std::path::Path;

use crate::{Discovery, File};

/// Makes a back-end from its description: `file:PATH`.
///
/// The file need not exist. A relative path starts at the working directory of the process.
///
/// # Errors
///
/// When the description is not one of those; the message names what was written and what is
/// accepted.
pub fn parse(spec: &str) -> Result<Box<dyn Discovery>, SpecError> {
    match spec.split_once(':') {
        Some(("file", "")) => Err(SpecError::NoPath { spec: spec.to_owned() }),
        Some(("file", path)) => Ok(Box::new(File::new(Path::new(path)))),
        _ => Err(SpecError::UnknownKind { spec: spec.to_owned() }),
    }
}

/// Why a description names no back-end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// It does not begin with the kind of a back-end.
    #[error(
        "`{spec}` is no kind of discovery. Accepted is file:PATH, \
         a file with one HOST:PORT a line"
    )]
    UnknownKind {
        /// What was written.
        spec: String,
    },
    /// It is `file:` and no more.
    #[error("`{spec}` names no file. Write file:PATH, a file with one HOST:PORT a line")]
    NoPath {
        /// What was written.
        spec: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Problem;

    fn refusal(spec: &str) -> String {
        match parse(spec) {
            Ok(_) => panic!("`{spec}` was accepted"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn file_takes_all_that_follows_as_the_path() {
        let mut discovery = parse("file:no/such:file").unwrap();
        discovery.init().unwrap();
        let problems = discovery.nodes().unwrap().problems;
        assert_eq!(problems, [Problem::NotThereYet { path: "no/such:file".into() }]);
    }

    #[test]
    fn refusals_name_what_was_written_and_what_is_accepted() {
        for spec in ["", "dns:example.org", "/etc/nodes", "File:/etc/nodes", ":x"] {
            let words = refusal(spec);
            assert!(words.contains(&format!("`{spec}`")), "{words}");
            assert!(words.contains("file:PATH"), "{words}");
        }
        assert_eq!(
            refusal("file:"),
            "`file:` names no file. Write file:PATH, a file with one HOST:PORT a line"
        );
    }
}
