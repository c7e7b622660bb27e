//! The examples run as they are, and end by themselves.

use std::path::PathBuf;
use std::process::Command;

/// Runs an example that `cargo test` has built beside this test, and returns what it printed.
fn run(name: &str) -> String {
    run_with(name, |_| ())
}

/// As [`run`], with what `prepare` adds to the command.
fn run_with(name: &str, prepare: impl FnOnce(&mut Command)) -> String {
    let test = std::env::current_exe().unwrap();
    let folder: PathBuf = test.parent().and_then(|deps| deps.parent()).unwrap().join("examples");
    let binary = folder.join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    let built = "build it: cargo build -p tombolo --examples";
    let mut command = Command::new(&binary);
    prepare(&mut command);
    let output = command.output().unwrap_or_else(|error| {
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

#[test]
fn custom_resolver() {
    let text = run("custom_resolver");
    assert!(text.contains("union kept every law in 20 simulated splits\nappend breaks one: "));
    assert!(text.contains("a reads \"bread tea\", b reads \"ink tea\""), "{text}");
    let joined = "joined: a reads \"bread ink tea\", b reads \"bread ink tea\"\n";
    assert!(text.ends_with(joined), "{text}");
}

#[test]
fn discovery_backend() {
    let text = run_with("discovery_backend", |command| {
        command.env("NODES", "127.0.0.1:9 nonsense");
    });
    assert!(text.starts_with("works: false") && text.contains("nonsense"), "{text}");
    assert!(text.contains("127.0.0.1:9: "), "{text}");
    let text = run_with("discovery_backend", |command| {
        command.env("NODES", "127.0.0.1:9");
    });
    assert!(text.starts_with("works: true, error: None\n127.0.0.1:9: "), "{text}");
}

#[test]
fn axum_service() {
    let text = run("axum_service");
    assert!(text.contains("GET \"\" at b: HTTP/1.1 200 OK \"on\"\n"), "{text}");
    assert!(text.contains("GET \"\" at a: HTTP/1.1 200 OK \"for ten percent\"\n"), "{text}");
    assert!(text.ends_with("GET \"\" at a: HTTP/1.1 404 Not Found \"\"\n"), "{text}");
}

#[test]
fn chat_presence() {
    let text = run("chat_presence");
    let (before, after) = text.split_once("  hall: grace of b is gone with its node\n").unwrap();
    assert!(before.contains("  hall: edsger of b came\n  hall: edsger of b left\n"), "{text}");
    assert!(before.contains("grace is typing: true\ngrace is typing: false\n"), "{text}");
    assert!(before.ends_with("in the hall: [\"ada\", \"grace\"]\n"), "{text}");
    assert!(after.starts_with("in the hall: [\"ada\"]\nb is back"), "{text}");
    assert!(after.ends_with("in the hall: [\"ada\", \"grace\"]\n"), "{text}");
}

#[test]
fn fragments() {
    let text = run_with("fragments", |command| {
        command.arg("2000");
    });
    assert_eq!(text.lines().count(), 6, "{text}");
}

#[test]
fn every_example_is_run() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("examples");
    for entry in folder.read_dir().unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let call = |run: &str| include_str!("examples.rs").contains(&format!("{run}(\"{name}\""));
        assert!(call("run") || call("run_with"), "no test runs the example {name}");
    }
}
