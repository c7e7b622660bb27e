//! The servers that speak Redis's protocol: Tombolo's daemon and Redis itself.

use crate::load::{VALUE, value};
use anyhow::{Context, Result, bail, ensure};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long a server may take to be ready.
const START_WITHIN: Duration = Duration::from_secs(20);

/// The key number `number` as redis-benchmark writes it: 16 bytes.
pub fn key(number: u64) -> String {
    format!("key:{number:012}")
}

/// Appends a command to a request.
pub fn push_words(request: &mut Vec<u8>, words: &[&[u8]]) {
    request.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
    for word in words {
        request.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        request.extend_from_slice(word);
        request.extend_from_slice(b"\r\n");
    }
}

/// A server of its own on this machine. It is killed when this is dropped.
pub struct Server {
    process: Child,
    /// Where it serves clients.
    pub port: u16,
    /// Where the others of its cluster find it.
    peers: u16,
    _folder: TempDir,
}

impl Server {
    /// A Redis server without persistence; a replica if it is told of whom.
    pub fn redis(replica_of: Option<&Server>) -> Result<Server> {
        let folder = tempfile::tempdir()?;
        let port = free_port()?;
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
        command.args(["--port", &port.to_string()]);
        if let Some(primary) = replica_of {
            command.args(["--replicaof", "127.0.0.1", &primary.port.to_string()]);
        }
        Server::start(command, folder, port, port)
    }

    /// A node of Tombolo that joins `others`.
    pub fn tombolo(others: &[Server]) -> Result<Server> {
        let folder = tempfile::tempdir()?;
        let [port, http, peers] = [free_port()?, free_port()?, free_port()?];
        let program = std::env::current_exe()?.with_file_name("tombolo");
        let mut command = Command::new(program);
        command.args(["serve", "--log", "warn", "--name", &format!("n{port}")]);
        for (flag, port) in [("resp", port), ("http", http), ("listen", peers)] {
            command.arg(format!("--{flag}=127.0.0.1:{port}"));
        }
        if !others.is_empty() {
            let others: Vec<String> =
                others.iter().map(|other| format!("127.0.0.1:{}", other.peers)).collect();
            command.arg(format!("--join={}", others.join(",")));
        }
        Server::start(command, folder, port, peers)
    }

    /// What only answers and does nothing.
    pub fn nothing() -> Result<Server> {
        let port = free_port()?;
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["role", "nothing", &port.to_string()]);
        Server::start(command, tempfile::tempdir()?, port, port)
    }

    fn start(mut command: Command, folder: TempDir, port: u16, peers: u16) -> Result<Server> {
        command.current_dir(folder.path()).stdin(Stdio::null());
        let log = fs::File::create(folder.path().join("log"))?;
        command.stdout(log.try_clone()?).stderr(log);
        let process = command.spawn().with_context(|| format!("starting {command:?}"))?;
        let server = Server { process, port, peers, _folder: folder };
        server.wait_for("it answers", || Ok(server.command("PING")? == "+PONG"))?;
        Ok(server)
    }

    /// Three nodes that are one cluster.
    pub fn tombolo_cluster() -> Result<Vec<Server>> {
        let mut nodes: Vec<Server> = Vec::new();
        for _ in 0..3 {
            nodes.push(Server::tombolo(&nodes)?);
        }
        for node in &nodes {
            node.wait_for("whole", || Ok(node.lines("TOMBOLO STATUS")?.contains("whole")))?;
        }
        Ok(nodes)
    }

    /// A Redis server and two replicas of it.
    pub fn redis_replicated() -> Result<Vec<Server>> {
        let primary = Server::redis(None)?;
        let replicas = [Server::redis(Some(&primary))?, Server::redis(Some(&primary))?];
        let online = || Ok(primary.lines("INFO replication")?.matches("state=online").count() == 2);
        primary.wait_for("two replicas are online", online)?;
        Ok([primary].into_iter().chain(replicas).collect())
    }

    /// The first line of the answer to a command.
    fn command(&self, command: &str) -> Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.write_all(format!("{command}\r\n").as_bytes())?;
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line)?;
        Ok(line.trim_end().to_owned())
    }

    /// All lines of the answer to a command.
    pub fn lines(&self, command: &str) -> Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.write_all(format!("{command}\r\nQUIT\r\n").as_bytes())?;
        let mut said = Vec::new();
        stream.read_to_end(&mut said)?;
        Ok(String::from_utf8_lossy(&said).into_owned())
    }

    fn wait_for(&self, what: &str, holds: impl Fn() -> Result<bool>) -> Result<()> {
        let end = Instant::now() + START_WITHIN;
        while !holds().unwrap_or(false) {
            if Instant::now() > end {
                let log = fs::read_to_string(self._folder.path().join("log")).unwrap_or_default();
                bail!("not within {START_WITHIN:?}: {what}; the server says: {log}");
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Writes `records` records with the keys that redis-benchmark uses.
    pub fn fill(&self, records: u64) -> Result<()> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        let mut replies = stream.try_clone()?;
        let read = thread::spawn(move || {
            let mut replies_of_all = vec![0; b"+OK\r\n".len() * records as usize];
            replies.read_exact(&mut replies_of_all)?;
            Ok::<_, std::io::Error>(replies_of_all)
        });
        let mut requests = Vec::new();
        for number in 0..records {
            push_words(&mut requests, &[b"SET", key(number).as_bytes(), &value(number)]);
            if requests.len() > 64 * 1024 || number + 1 == records {
                stream.write_all(&requests)?;
                requests.clear();
            }
        }
        let replies = read.join().expect("reading does not panic")?;
        ensure!(replies.chunks(5).all(|reply| reply == b"+OK\r\n"), "a SET was refused");
        Ok(())
    }

    /// A number that stands in the answer to INFO.
    pub fn info(&self, section: &str, field: &str) -> Result<f64> {
        let said = self.lines(&format!("INFO {section}"))?;
        let value = said.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        let value = value.with_context(|| format!("INFO {section} has no {field}"))?;
        Ok(value.trim().parse()?)
    }

    /// The time that its threads have had on a CPU so far, in nanoseconds.
    pub fn cpu_nanos(&self) -> f64 {
        let tasks = Path::new("/proc").join(self.process.id().to_string()).join("task");
        let tasks = fs::read_dir(tasks).into_iter().flatten().flatten();
        let of = |task: fs::DirEntry| {
            let text = fs::read_to_string(task.path().join("schedstat")).ok()?;
            text.split_whitespace().next()?.parse::<f64>().ok()
        };
        tasks.filter_map(of).sum()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A port that nobody listens to just now.
fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// What redis-benchmark found of one load.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Benchmarked {
    /// Requests a second.
    pub per_second: f64,
    /// Half of the requests took no longer, in microseconds.
    pub p50: f64,
    /// 99 of 100 took no longer, in microseconds.
    pub p99: f64,
}

/// Loads a server with redis-benchmark: `requests` times `test` on 50 connections, `pipeline` at
/// a time.
pub fn benchmark(
    server: &Server,
    test: &str,
    pipeline: usize,
    requests: u64,
    keys: u64,
) -> Result<Benchmarked> {
    let port = server.port.to_string();
    let numbers = [pipeline as u64, requests, keys, VALUE as u64].map(|n| n.to_string());
    let [pipeline, requests, keys, size] = numbers.each_ref().map(String::as_str);
    let output = Command::new("redis-benchmark")
        .args(["-p", &port, "-t", test, "-c", "50", "-P", pipeline])
        .args(["-n", requests, "-r", keys, "-d", size, "--csv"])
        .output()
        .context("starting redis-benchmark")?;
    parse(&String::from_utf8_lossy(&output.stdout))
}

/// The columns are test, rps, and the latencies in milliseconds: average, least, p50, p95, p99,
/// greatest.
fn parse(csv: &str) -> Result<Benchmarked> {
    let line = csv.lines().last().context("redis-benchmark said nothing")?;
    let field = |index: usize| {
        let text = line.split(',').nth(index).unwrap_or_default().trim_matches('"');
        text.parse::<f64>().with_context(|| format!("redis-benchmark said {line}"))
    };
    Ok(Benchmarked { per_second: field(1)?, p50: field(4)? * 1e3, p99: field(6)? * 1e3 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redis_benchmark_is_understood() {
        let csv = "\"test\",\"rps\",\"avg_latency_ms\",\"min_latency_ms\",\"p50_latency_ms\",\
                   \"p95_latency_ms\",\"p99_latency_ms\",\"max_latency_ms\"\n\
                   \"SET\",\"1000.50\",\"0.1\",\"0.2\",\"0.25\",\"0.4\",\"0.5\",\"0.6\"\n";
        let found = Benchmarked { per_second: 1000.5, p50: 250.0, p99: 500.0 };
        assert_eq!(parse(csv).unwrap(), found);
        assert!(parse("Could not connect").is_err());
    }

    #[test]
    fn commands_are_arrays_of_words() {
        let mut request = Vec::new();
        push_words(&mut request, &[b"GET", key(7).as_bytes()]);
        assert_eq!(request, b"*2\r\n$3\r\nGET\r\n$16\r\nkey:000000000007\r\n");
    }
}
