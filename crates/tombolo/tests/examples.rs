//! The examples run as they are, and end by themselves.

use std::path::PathBuf;
use std::process::Command;

/// Runs an example that `cargo test` has built beside this test, and returns what it printed.
fn run(name: &str) -> String {
    let test = std::env::current_exe().unwrap();
    let folder: PathBuf = test.parent().and_then(|deps| deps.parent()).unwrap().join("examples");
    let binary = folder.join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    let built = "build it: cargo build -p tombolo --examples";
    let output = Command::new(&binary).output().unwrap_or_else(|error| {
        panic!("{} cannot be run ({error}); {built}", binary.display());
    });
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

#[test]
fn presence() {
    let text = run("presence");
    let (before, after) = text.split_once("ada's node logs grace out:").unwrap();
    assert!(before.contains("grace on b") && !after.contains("grace on b"), "{text}");
    assert!(after.contains("ada on a"), "{text}");
}

#[test]
fn session_registry() {
    let text = run("session_registry");
    assert!(text.ends_with("after b went down:\n  ada, device 1, on a\n"), "{text}");
}

#[test]
fn feature_flags() {
    let text = run("feature_flags");
    assert!(text.contains("250 of 1000 users see reviews"), "{text}");
    assert!(text.contains("flags of the shop:\n  basket: On\n  reviews: Some(25)\n"), "{text}");
    assert!(text.ends_with("switched off: true\n"), "{text}");
}

#[test]
fn configuration() {
    let text = run("configuration");
    assert!(text.contains("a reads Some(Mail { host: \"relay-2\", port: 25 })"), "{text}");
    assert!(text.contains("requests_per_second: 500"), "{text}");
    assert!(
        text.ends_with("then: Some(Limits { requests_per_second: 100, burst: None })\n"),
        "{text}"
    );
}

#[test]
fn service_registry() {
    let text = run("service_registry");
    assert!(text.contains("an instance fell silent, and search is at [10.0.0.1:80]"), "{text}");
    assert!(text.ends_with("after all were taken out, 0 are left\n"), "{text}");
}
