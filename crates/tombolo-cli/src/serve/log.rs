//! The log on stderr. It must never stop or slow the node: writing happens on a thread of its
//! own, behind a bounded queue, and errors of writing are ignored. So neither a full disk, nor a
//! closed stderr, nor a pipe that nobody reads does more harm than lost lines.

use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Lines that wait to be written, at most.
const QUEUE: usize = 4096;
/// How long the end of the process waits for the last lines.
const FLUSH_WITHIN: Duration = Duration::from_secs(1);

/// Starts the log with what `filter` lets through.
pub(super) fn start(filter: &Targets) -> Log {
    let (sender, receiver) = sync_channel(QUEUE);
    let lost = Arc::new(AtomicU64::new(0));
    let queue = Queue { sender, lost: lost.clone() };
    let writes = move || write_all(&receiver, &lost, &mut io::stderr());
    if thread::Builder::new().name("tombolo-log".to_owned()).spawn(writes).is_err() {
        // Without a thread the queue fills up and the lines are lost; the node runs.
        let _ = writeln!(io::stderr(), "tombolo: no thread for the log, so there is none");
    }
    let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let lines = tracing_subscriber::fmt::layer()
        .with_ansi(io::stderr().is_terminal() && !plain)
        .with_writer(queue.clone());
    // It fails when there is a log already, as in tests.
    let _ = tracing_subscriber::registry().with(filter.clone()).with(lines).try_init();
    Log(queue)
}

/// The running log.
pub(super) struct Log(Queue);

impl Log {
    /// Waits until what was logged is written, but not for long.
    pub(super) fn flush(&self) {
        let (done, wait) = sync_channel(1);
        if self.0.sender.try_send(Entry::Flush(done)).is_ok() {
            let _ = wait.recv_timeout(FLUSH_WITHIN);
        }
    }
}

enum Entry {
    Line(Vec<u8>),
    Flush(SyncSender<()>),
}

/// Where lines go in; each `write` is one whole line.
#[derive(Clone)]
struct Queue {
    sender: SyncSender<Entry>,
    lost: Arc<AtomicU64>,
}

impl Write for Queue {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.sender.try_send(Entry::Line(line.to_vec())).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Queue {
    type Writer = Queue;

    fn make_writer(&self) -> Queue {
        self.clone()
    }
}

fn write_all(entries: &Receiver<Entry>, lost: &AtomicU64, out: &mut impl Write) {
    for entry in entries {
        match entry {
            Entry::Line(line) => {
                let _ = out.write_all(&line);
            }
            Entry::Flush(done) => {
                let _ = out.flush();
                let _ = done.send(());
            }
        }
        let count = lost.swap(0, Ordering::Relaxed);
        if count > 0 {
            let _ = writeln!(out, "... {count} log lines were lost, as nobody took them in time");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails like a full disk.
    struct Full(usize);

    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            self.0 += 1;
            Err(io::ErrorKind::StorageFull.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Err(io::ErrorKind::StorageFull.into())
        }
    }

    fn queue(length: usize) -> (Queue, Receiver<Entry>) {
        let (sender, receiver) = sync_channel(length);
        (Queue { sender, lost: Arc::default() }, receiver)
    }

    #[test]
    fn a_full_disk_is_ignored() {
        let (mut queue, receiver) = queue(8);
        for _ in 0..3 {
            queue.write_all(b"line\n").unwrap();
        }
        let lost = queue.lost.clone();
        drop(queue);
        let mut out = Full(0);
        write_all(&receiver, &lost, &mut out);
        assert_eq!(out.0, 3);
    }

    #[test]
    fn lines_that_nobody_takes_are_counted_and_hold_nobody_up() {
        let (mut queue, receiver) = queue(2);
        for _ in 0..5 {
            queue.write_all(b"line\n").unwrap();
        }
        let lost = queue.lost.clone();
        drop(queue);
        let mut out = Vec::new();
        write_all(&receiver, &lost, &mut out);
        let text = String::from_utf8(out).unwrap();
        let words = "line\n... 3 log lines were lost, as nobody took them in time\nline\n";
        assert_eq!(text, words);
    }
}
