use super::*;

use std::fs::FileTimes;

/// A time long ago, so that the stamp of a file made with it is settled.
fn long_ago() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000)
}

fn set_modified(path: &Path, at: SystemTime) {
    let file = fs::File::options().append(true).open(path).unwrap();
    file.set_times(FileTimes::new().set_modified(at)).unwrap();
}

struct Bench {
    _directory: tempfile::TempDir,
    path: PathBuf,
    discovery: File,
}

impl Bench {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("nodes");
        let discovery = File::new(&path);
        Self { _directory: directory, path, discovery }
    }

    fn with(content: impl AsRef<[u8]>) -> Self {
        let bench = Self::new();
        bench.write(content);
        bench
    }

    fn write(&self, content: impl AsRef<[u8]>) {
        fs::write(&self.path, content).unwrap();
    }

    fn found(&mut self) -> Found {
        self.discovery.nodes().unwrap()
    }

    fn wrong_lines(&mut self) -> Vec<usize> {
        let line = |problem| match problem {
            Problem::WrongLine { line, path, .. } if path == self.path => line,
            other => panic!("{other:?}"),
        };
        self.discovery.nodes().unwrap().problems.into_iter().map(line).collect()
    }
}

#[test]
fn comments_blank_lines_and_repeats_are_ignored() {
    let mut bench = Bench::with(
        "# nodes\n\n  a.example:1  \n\t# indented\nb:2# no space\nb:2 # again\r\n\r\n[::1]:3",
    );
    let found = bench.found();
    assert_eq!(found.addresses, ["a.example:1", "b:2", "[::1]:3"]);
    assert_eq!(found.problems, []);
}

#[test]
fn an_empty_file_is_an_empty_list_without_a_problem() {
    assert_eq!(Bench::with("").found(), Found::default());
    assert_eq!(Bench::with("# later\n").found(), Found::default());
}

#[test]
fn a_wrong_line_is_reported_by_number_and_the_good_ones_count() {
    let mut bench = Bench::with("a:1\nno port here\n# fine\nb:99999\nc:3\nd:4 e:5\n");
    assert_eq!(bench.found().addresses, ["a:1", "c:3"]);
    assert_eq!(bench.wrong_lines(), [2, 4, 6]);
}

#[test]
fn a_line_that_is_no_text_costs_only_itself() {
    let mut bench = Bench::with(b"a:1\n\xFF\xFE:2\nb:2 # gr\xFC\xDFe\n");
    assert_eq!(bench.found().addresses, ["a:1", "b:2"]);
    assert_eq!(bench.wrong_lines(), [2]);
    let words = bench.found().problems[0].to_string();
    assert!(
        words.ends_with(
            ":2: `\u{FFFD}\u{FFFD}:2` is not UTF-8 text. \
        An address is HOST:PORT. The line is skipped"
        ),
        "{words}"
    );
}

#[test]
fn a_byte_order_mark_is_no_part_of_the_first_address() {
    assert_eq!(Bench::with("\u{FEFF}a:1\n").found().addresses, ["a:1"]);
}

#[test]
fn a_file_that_is_not_there_yet_is_read_when_it_comes() {
    let mut bench = Bench::new();
    bench.discovery.init().unwrap();
    let absent = Found {
        addresses: vec![],
        problems: vec![Problem::NotThereYet { path: bench.path.clone() }],
    };
    assert_eq!(bench.found(), absent);
    assert_eq!(bench.found(), absent);
    bench.write("a:1\n");
    assert_eq!(bench.found().addresses, ["a:1"]);
    fs::remove_file(&bench.path).unwrap();
    assert_eq!(bench.found(), absent);
    bench.write("b:2\n");
    assert_eq!(bench.found().addresses, ["b:2"]);
}

#[test]
fn a_missing_directory_is_not_there_yet_either() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("later").join("nodes");
    let found = File::new(&path).nodes().unwrap();
    assert_eq!(found.problems, [Problem::NotThereYet { path }]);
}

#[test]
fn a_change_of_the_size_is_noticed() {
    let mut bench = Bench::with("a:1\n");
    set_modified(&bench.path, long_ago());
    assert_eq!(bench.found().addresses, ["a:1"]);
    bench.write("a:1\nb:2\n");
    set_modified(&bench.path, long_ago());
    assert_eq!(bench.found().addresses, ["a:1", "b:2"]);
}

#[test]
fn a_change_of_the_time_is_noticed() {
    let mut bench = Bench::with("a:1\n");
    set_modified(&bench.path, long_ago());
    assert_eq!(bench.found().addresses, ["a:1"]);
    bench.write("b:2\n");
    set_modified(&bench.path, long_ago() + Duration::from_nanos(1_000));
    assert_eq!(bench.found().addresses, ["b:2"]);
}

#[cfg(unix)]
#[test]
fn a_file_renamed_into_place_is_noticed() {
    let mut bench = Bench::with("a:1\n");
    set_modified(&bench.path, long_ago());
    assert_eq!(bench.found().addresses, ["a:1"]);
    let other = bench.path.with_extension("new");
    fs::write(&other, "b:2\n").unwrap();
    set_modified(&other, long_ago());
    fs::rename(&other, &bench.path).unwrap();
    assert_eq!(bench.found().addresses, ["b:2"]);
}

#[cfg(unix)]
#[test]
fn a_link_switched_to_another_file_is_noticed() {
    let mut bench = Bench::new();
    let versions = ["a:1\n", "b:2\n"].map(|content| {
        let version = bench.path.with_extension(&content[..1]);
        fs::write(&version, content).unwrap();
        set_modified(&version, long_ago());
        version
    });
    std::os::unix::fs::symlink(&versions[0], &bench.path).unwrap();
    assert_eq!(bench.found().addresses, ["a:1"]);
    fs::remove_file(&bench.path).unwrap();
    std::os::unix::fs::symlink(&versions[1], &bench.path).unwrap();
    assert_eq!(bench.found().addresses, ["b:2"]);
}

#[test]
fn a_settled_file_with_an_equal_stamp_is_not_read_again() {
    let mut bench = Bench::with("a:1\nwrong\n");
    set_modified(&bench.path, long_ago());
    let before = bench.found();
    // Written in place: the inode stays, size and time are made equal by hand.
    bench.write("b:1\nWRONG\n");
    set_modified(&bench.path, long_ago());
    assert_eq!(bench.found(), before);
}

#[test]
fn a_file_changed_just_now_is_read_again_though_its_stamp_is_equal() {
    let mut bench = Bench::with("a:1\n");
    let now = SystemTime::now();
    set_modified(&bench.path, now);
    assert_eq!(bench.found().addresses, ["a:1"]);
    bench.write("b:1\n");
    set_modified(&bench.path, now);
    assert_eq!(bench.found().addresses, ["b:1"]);
}

#[test]
fn a_time_in_the_future_never_settles() {
    let mut bench = Bench::with("a:1\n");
    let future = SystemTime::now() + Duration::from_secs(3600);
    set_modified(&bench.path, future);
    assert_eq!(bench.found().addresses, ["a:1"]);
    bench.write("b:1\n");
    set_modified(&bench.path, future);
    assert_eq!(bench.found().addresses, ["b:1"]);
}

#[test]
fn what_is_no_file_is_an_error_that_names_it() {
    let directory = tempfile::tempdir().unwrap();
    let error = File::new(directory.path()).nodes().unwrap_err();
    assert!(matches!(&error, DiscoveryError::NotAFile { path } if path == directory.path()));
    assert!(error.to_string().contains("is not a regular file"), "{error}");
}

#[test]
fn an_unreadable_path_is_an_error_with_its_cause() {
    let bench = Bench::with("a:1\n");
    // A file in the place of a directory fails for every user, root included.
    let error = File::new(bench.path.join("below")).nodes().unwrap_err();
    assert!(matches!(&error, DiscoveryError::Unreadable { .. }), "{error}");
    assert!(error.to_string().starts_with("cannot read "), "{error}");
}

#[test]
fn the_size_is_bounded() {
    let limit = usize::try_from(LARGEST).unwrap();
    let mut bench = Bench::with(vec![b'\n'; limit]);
    assert_eq!(bench.found(), Found::default());
    bench.write(vec![b'\n'; limit + 1]);
    let error = bench.discovery.nodes().unwrap_err();
    assert!(matches!(error, DiscoveryError::TooLarge { limit: LARGEST, .. }), "{error}");
    bench.write("a:1\n");
    assert_eq!(bench.found().addresses, ["a:1"]);
}
