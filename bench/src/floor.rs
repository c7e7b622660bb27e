//! The floor: how long one byte takes to a process on this machine and back, over loopback TCP.
//!
//! No write that another process acknowledges can be faster. It differs by machine and by hour, so
//! it is measured before every case.

use crate::histogram::Histogram;
use crate::role::Child;
use crate::sample::{Measured, Metric, Sample};
use anyhow::{Context, Result};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

/// The row of its samples.
pub const ROW: &str = "floor";
/// The load of its samples.
pub const LOAD: &str = "one byte there and back over TCP";

/// The one-byte round trip, measured just before a case.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Floor {
    /// The median with both processes where the system puts them, in microseconds.
    pub p50: f64,
    /// 99 of 100, likewise.
    pub p99: f64,
    /// The median with both processes on one CPU, for comparison: no CPU must be woken.
    pub one_cpu: f64,
}

impl Floor {
    /// Measures for about twice `time`.
    pub fn measure(time: Duration) -> Result<Floor> {
        let free = ping_pong(time, false)?;
        let together = ping_pong(time, true)?;
        Ok(Floor { p50: free.0, p99: free.1, one_cpu: together.0 })
    }

    /// The samples of it.
    pub fn samples(self) -> Vec<Sample> {
        let free = Measured::of(ROW, LOAD, "unpinned");
        let together = Measured::of(ROW, LOAD, "both on one CPU");
        let free = free.with(Metric::P50, self.p50).with(Metric::P99, self.p99);
        [free.samples(), together.with(Metric::P50, self.one_cpu).samples()].concat()
    }
}

/// Median and 99th percentile.
fn ping_pong(time: Duration, one_cpu: bool) -> Result<(f64, f64)> {
    let prefix: &[&str] = if one_cpu { &["taskset", "-c", "0"] } else { &[] };
    let mut pong = Child::spawn_with(prefix, &["pong"])?;
    let address = pong.ready()?;
    let millis = time.as_millis().to_string();
    let mut ping = Child::spawn_with(prefix, &["ping", &address, &millis])?;
    let results = ping.results()?;
    let get = |name| results.get(name).copied().with_context(|| format!("ping said no {name}"));
    Ok((get("p50")?, get("p99")?))
}

/// What the process does that sends everything back: one connection, then it ends.
pub fn pong() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    crate::role::say(&format!("READY {}", listener.local_addr()?));
    let (mut stream, _) = listener.accept()?;
    stream.set_nodelay(true)?;
    let mut byte = [0];
    while stream.read(&mut byte)? == 1 {
        stream.write_all(&byte)?;
    }
    Ok(())
}

/// What the process does that measures.
pub fn ping(address: &str, time: Duration) -> Result<()> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let mut histogram = Histogram::default();
    let warm = Instant::now() + time / 10;
    let end = Instant::now() + time;
    let mut byte = [7];
    let mut before = Instant::now();
    while before < end {
        stream.write_all(&byte)?;
        stream.read_exact(&mut byte)?;
        let now = Instant::now();
        if now > warm {
            histogram.record((now - before).as_nanos() as u64);
        }
        before = now;
    }
    crate::role::result("p50", histogram.quantile(0.5));
    crate::role::result("p99", histogram.quantile(0.99));
    crate::role::end();
    Ok(())
}
