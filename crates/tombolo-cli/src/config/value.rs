//! How each kind of value is read. A reader returns nothing for a wrong value; what is accepted
//! stands beside it, so that the two are changed together.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use tombolo::Ack;
use tracing_subscriber::filter::Targets;

pub(super) const NAME: &str = "1 to 64 letters, digits, dots, dashes and underscores";

pub(super) fn name(text: &str) -> Option<String> {
    let fits = (1..=64).contains(&text.len());
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    (fits && text.bytes().all(plain)).then(|| text.to_owned())
}

pub(super) const SOCKET: &str = "IP:PORT, such as 127.0.0.1:7381, [::1]:7381 or 0.0.0.0:7381";

pub(super) fn socket(text: &str) -> Option<SocketAddr> {
    if let Some(port) = text.strip_prefix("localhost:") {
        return format!("127.0.0.1:{port}").parse().ok();
    }
    text.parse().ok()
}

pub(super) const HOST_PORT: &str =
    "HOST:PORT, such as node-1.example:7381, 10.0.0.1:7381 or [fd00::1]:7381";

pub(super) fn host_port(text: &str) -> Option<String> {
    tombolo_discovery::check_address(text).ok().map(|()| text.to_owned())
}

pub(super) const SEEDS: &str =
    "a list of HOST:PORT with commas between them, such as 10.0.0.1:7381,10.0.0.2:7381";

/// A comma too many is forgiven, since lists are often put together by scripts.
pub(super) fn seeds(text: &str) -> Option<Vec<String>> {
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    parts.map(host_port).collect()
}

pub(super) const DISCOVERY: &str = "file:PATH, a file with one HOST:PORT a line";

pub(super) fn discovery(text: &str) -> Option<String> {
    tombolo_discovery::parse(text).ok().map(|_| text.to_owned())
}

pub(super) const SECRET: &str = "a text that is not empty";

pub(super) fn secret(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

pub(super) const ACK: &str =
    "all (linked nodes), local, or how many nodes must have a write, this one included: 1, 2, ...";

pub(super) fn ack(text: &str) -> Option<Ack> {
    match text {
        "all" => Some(Ack::All),
        "local" => Some(Ack::Local),
        _ => text.parse().ok().filter(|count| *count > 0).map(Ack::Count),
    }
}

pub(super) const DURATION: &str =
    "a whole number with its unit, more than nothing, such as 500ms, 5s or 2m";

pub(super) fn duration(text: &str) -> Option<Duration> {
    let digits = text.find(|letter: char| !letter.is_ascii_digit())?;
    let (count, unit) = text.split_at(digits);
    let millis: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    let total = count.parse::<u64>().ok()?.checked_mul(millis)?;
    (total > 0).then(|| Duration::from_millis(total))
}

pub(super) const FOLDER: &str = "the path of a folder, which is made if it is not there";

pub(super) fn folder(text: &str) -> Option<PathBuf> {
    (!text.is_empty()).then(|| PathBuf::from(text))
}

pub(super) const SIZE: &str =
    "a whole number of bytes, more than nothing, with a unit if you like: 65536, 64KiB, 4MiB, 1GB";

pub(super) fn size(text: &str) -> Option<usize> {
    usize::try_from(byte_count(text)?).ok()
}

pub(super) const RATE: &str = "a whole number of bytes a second, more than nothing, with a unit \
     if you like: 500000, 500KB, 50MB, 20MiB/s";

pub(super) fn rate(text: &str) -> Option<u64> {
    byte_count(text.strip_suffix("/s").unwrap_or(text))
}

/// Units of a thousand and of 1024 are told apart as SI does it; case does not matter, as nobody
/// means megabits or millibytes here.
fn byte_count(text: &str) -> Option<u64> {
    let letters = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let (count, unit) = text.split_at(letters);
    let scale: u64 = match unit.trim_start().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        _ => return None,
    };
    count.parse::<u64>().ok()?.checked_mul(scale).filter(|total| *total > 0)
}

pub(super) const TRUTH: &str = "true or false";

pub(super) fn truth(text: &str) -> Option<bool> {
    text.parse().ok()
}

pub(super) const FILTER: &str = "off, error, warn, info, debug or trace, or TARGET=LEVEL such as \
     tombolo=debug, or several of them with commas between";

/// A word alone must be a level: the library takes any other for a target, so that a level with
/// a slip of the pen would switch the log off.
pub(super) fn filter(text: &str) -> Option<Targets> {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    let right = |directive: &str| {
        let (target, level) = directive.split_once('=').unwrap_or(("any", directive));
        !target.is_empty() && LEVELS.contains(&level.to_ascii_lowercase().as_str())
    };
    text.split(',').all(right).then(|| text.parse().ok()).flatten()
}
