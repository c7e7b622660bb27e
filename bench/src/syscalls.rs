//! Counting the system calls of processes, by the kernel's tracepoints and `perf`.

use std::process::Command;
use std::time::Duration;

const SENDS: [&str; 4] = ["sendto", "sendmsg", "write", "writev"];
const RECEIVES: [&str; 4] = ["recvfrom", "recvmsg", "read", "readv"];

/// System calls, in a second or for each record.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Calls {
    /// Calls that send or write.
    pub sends: f64,
    /// Calls that receive or read.
    pub receives: f64,
    /// All calls.
    pub all: f64,
}

impl Calls {
    /// Of calls in a second, those for each of so many records in a second.
    pub fn per_record(self, per_second: f64) -> Calls {
        let Calls { sends, receives, all } = self;
        Calls { sends: sends / per_second, receives: receives / per_second, all: all / per_second }
    }
}

/// Calls in a second of all `processes` together. None where `perf` or its tracepoints cannot be
/// had: they need the package linux-perf and the right to look.
pub fn count(processes: &[u32], time: Duration) -> Option<Calls> {
    let names = SENDS.iter().chain(&RECEIVES);
    let mut events: Vec<String> = names.map(|name| format!("syscalls:sys_enter_{name}")).collect();
    events.push("raw_syscalls:sys_enter".to_owned());
    let processes: Vec<String> = processes.iter().map(u32::to_string).collect();
    let seconds = time.as_secs_f64();
    let output = Command::new("perf")
        .args(["stat", "-x,", "-e", &events.join(","), "-p", &processes.join(",")])
        .args(["--", "sleep", &seconds.to_string()])
        .env("LC_ALL", "C")
        .output()
        .ok()?;
    // It counts while `sleep` runs; an event for that time would be summed over all threads.
    parse(&String::from_utf8_lossy(&output.stderr), seconds)
}

/// Reads lines such as `1234,,syscalls:sys_enter_sendto,...`.
fn parse(text: &str, seconds: f64) -> Option<Calls> {
    let value = |event: &str| {
        let line = text.lines().find(|line| line.split(',').nth(2) == Some(event))?;
        match line.split(',').next()? {
            // So it says where a process was never on a CPU.
            "<not counted>" => Some(0.0),
            number => number.parse::<f64>().ok(),
        }
    };
    let sum = |names: [&str; 4]| {
        let counts = names.map(|name| value(&format!("syscalls:sys_enter_{name}")));
        counts.into_iter().sum::<Option<f64>>().map(|count| count / seconds)
    };
    let all = value("raw_syscalls:sys_enter")? / seconds;
    Some(Calls { sends: sum(SENDS)?, receives: sum(RECEIVES)?, all })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_read_as_rates() {
        let mut text = String::new();
        for name in SENDS.iter().chain(&RECEIVES) {
            text += &format!("10,,syscalls:sys_enter_{name},5,100.00,,\n");
        }
        assert_eq!(parse(&text, 0.5), None, "one is missing");
        text =
            text.replace("10,,syscalls:sys_enter_readv", "<not counted>,,syscalls:sys_enter_readv");
        text += "200,,raw_syscalls:sys_enter,5,100.00,,\n";
        let calls = parse(&text, 0.5).unwrap();
        assert_eq!(calls, Calls { sends: 80.0, receives: 60.0, all: 400.0 });
        assert_eq!(calls.per_record(40.0).sends, 2.0);
        assert_eq!(parse("<not supported>,,raw_syscalls:sys_enter,0,0.00,,", 0.5), None);
    }
}
