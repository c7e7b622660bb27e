//! What the figures were measured on, and with which versions.

use std::fs;
use std::process::Command;

/// Facts for the head of a report, as name and text.
pub fn describe() -> Vec<(&'static str, String)> {
    let cpus = std::thread::available_parallelism().map_or(0, usize::from);
    vec![
        ("processors", format!("{cpus} x {}", field("/proc/cpuinfo", "model name"))),
        ("memory", field("/proc/meminfo", "MemTotal")),
        ("system", format!("{} {}", said("uname", &["-sr"]), said("uname", &["-m"]))),
        ("rustc", said("rustc", &["--version"])),
        ("redis-server", said("redis-server", &["--version"])),
        ("erlang", said("erl", &["-noshell", "-eval", ERLANG_VERSION])),
        ("commit", commit()),
        ("date", said("date", &["-u", "+%Y-%m-%d %H:%M UTC"])),
        ("load at the start", first_words("/proc/loadavg", 3)),
    ]
}

const ERLANG_VERSION: &str = "io:format(\"OTP ~s, erts ~s\", \
     [erlang:system_info(otp_release), erlang:system_info(version)]), halt().";

fn commit() -> String {
    let commit = said("git", &["rev-parse", "--short=10", "HEAD"]);
    let changed = said("git", &["status", "--porcelain", "--untracked-files=no"]);
    if changed.is_empty() || changed == UNKNOWN { commit } else { format!("{commit}, changed") }
}

const UNKNOWN: &str = "not known";

/// The first line that a program prints.
fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    match output {
        Ok(output) if output.status.success() => {
            let text = String::from_utf8_lossy(&output.stdout);
            text.lines().next().unwrap_or_default().trim().to_owned()
        }
        _ => UNKNOWN.to_owned(),
    }
}

fn field(path: &str, name: &str) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with(name));
    let value = line.and_then(|line| line.split_once(':')).map(|(_, value)| value.trim());
    value.unwrap_or(UNKNOWN).to_owned()
}

fn first_words(path: &str, count: usize) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.split_whitespace().take(count).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_said() {
        assert_eq!(said("no-such-program-here", &[]), UNKNOWN);
        assert_eq!(field("/proc/meminfo", "no such field"), UNKNOWN);
        assert!(describe().iter().all(|(_, text)| !text.is_empty()));
    }
}
