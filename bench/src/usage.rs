//! What a process has used so far: CPU, involuntary switches, allocations. From /proc, which needs
//! no unsafe code and, unlike the CPU's ticks, counts in nanoseconds.

use crate::allocations;
use std::fs;
use std::ops::Sub;

/// What this process has used since its start.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Usage {
    /// Time on a CPU, user and system, of the threads that live now.
    pub cpu_nanos: u64,
    /// How often one of them was taken off its CPU.
    pub involuntary_switches: u64,
    /// Allocations.
    pub allocations: u64,
}

impl Usage {
    /// What was used until now.
    pub fn now() -> Usage {
        let mut usage = Usage { allocations: allocations::count(), ..Usage::default() };
        let tasks = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
        for task in tasks {
            // A thread that ended just now has no file any more.
            let read = |name| fs::read_to_string(task.path().join(name)).unwrap_or_default();
            let first = |text: &str| text.split_whitespace().next()?.parse::<u64>().ok();
            usage.cpu_nanos += first(&read("schedstat")).unwrap_or_default();
            let status = read("status");
            let switches = status.split("nonvoluntary_ctxt_switches:").nth(1).and_then(first);
            usage.involuntary_switches += switches.unwrap_or_default();
        }
        usage
    }
}

impl Sub for Usage {
    type Output = Usage;

    fn sub(self, earlier: Usage) -> Usage {
        Usage {
            cpu_nanos: self.cpu_nanos.saturating_sub(earlier.cpu_nanos),
            involuntary_switches: self
                .involuntary_switches
                .saturating_sub(earlier.involuntary_switches),
            allocations: self.allocations.saturating_sub(earlier.allocations),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    #[test]
    fn work_shows() {
        let before = Usage::now();
        let start = Instant::now();
        while start.elapsed() < Duration::from_millis(30) {
            std::hint::spin_loop();
        }
        assert!((Usage::now() - before).cpu_nanos > 1_000_000);
    }
}
