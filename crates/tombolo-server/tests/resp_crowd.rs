//! Ten thousand connections at once, or as many as the limit on open files permits.

mod support;

use std::{env, fs, net::TcpStream, process::Command};

use support::{Client, Server};
use tombolo_server::resp::Settings;

const WANTED: usize = 10_000;
/// Files that the process needs for other things.
const SPARE: usize = 200;
/// What an idle connection may cost, the task and the kernel's share of the process included.
const BYTES_EACH: usize = 8 * 1024;
/// Tells the second process where to connect to, and how often.
const TARGET: &str = "TOMBOLO_TEST_CROWD";

/// The limit counts per process, so the clients live in a second one.
#[test]
fn ten_thousand_connections() {
    let permitted = open_files_limit().saturating_sub(SPARE);
    let count = WANTED.min(permitted);
    if count < WANTED {
        println!("only {count} connections: the limit on open files (ulimit -n) permits no more");
    }
    let server = Server::start(Settings::default());
    let mut first = server.connect();
    first.ask("set greeting hello", "+OK|");
    let before = resident_bytes();
    let clients = Command::new(env::current_exe().unwrap())
        .args(["--exact", "crowd", "--nocapture"])
        .env(TARGET, format!("{} {count}", server.address))
        .stdout(std::process::Stdio::piped())
        .stdin(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    // All are connected once the server has as many and this one.
    while connected(&mut first) <= count {
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let each = resident_bytes().saturating_sub(before) / count;
    println!("{count} idle connections take {each} bytes each");
    assert!(each < BYTES_EACH, "an idle connection takes {each} bytes");
    // Closing its input tells the second process to use them all, and end.
    let output = clients.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

/// The second process; in the first it does nothing.
#[test]
fn crowd() {
    let Ok(target) = env::var(TARGET) else { return };
    let (address, count) = target.split_once(' ').unwrap();
    let connect = |_| Client { stream: TcpStream::connect(address).unwrap() };
    let mut clients: Vec<Client> = (0..count.parse().unwrap()).map(connect).collect();
    clients.iter_mut().for_each(|client| client.ask("ping", "+PONG|"));
    std::io::stdin().read_line(&mut String::new()).unwrap();
    clients.iter_mut().for_each(|client| client.send("get greeting\r\n"));
    clients.iter_mut().for_each(|client| client.expect("$5\r\nhello\r\n"));
}

fn connected(client: &mut Client) -> usize {
    client.send("info clients\r\n");
    let info = String::from_utf8(client.bulk()).unwrap();
    let line = info.lines().find_map(|line| line.strip_prefix("connected_clients:"));
    line.unwrap().parse().unwrap()
}

fn open_files_limit() -> usize {
    let limits = fs::read_to_string("/proc/self/limits").unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    line.split_whitespace().nth(3).unwrap().parse().unwrap_or(usize::MAX)
}

fn resident_bytes() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse::<usize>().unwrap() * 1024
}
