//! The Redis protocol against a real node, byte for byte.

mod support;

use std::{
    io::{ErrorKind, Write},
    thread,
    time::{Duration, Instant},
};

use support::{Client, Server, encode};
use tombolo::Ack;
use tombolo_server::resp::Settings;

fn server() -> (Server, Client) {
    let server = Server::start(Settings::default());
    let client = server.connect();
    (server, client)
}

#[test]
fn strings() {
    let (_server, mut client) = server();
    client.ask("get a", "$-1|");
    client.ask("set a 1", "+OK|");
    client.ask("GET a", "$1|1|");
    client.ask("set a 2 nx", "$-1|");
    client.ask("set b 2 xx", "$-1|");
    client.ask("set a 2 xx get", "$1|1|");
    client.ask("set fresh 1 nx get", "$-1|");
    client.ask("setnx a 3", ":0|");
    client.ask("setnx c 3", ":1|");
    client.ask("getset c 4", "$1|3|");
    client.ask("getdel c", "$1|4|");
    client.ask("getdel c", "$-1|");
    client.ask("mset x 1 y \"\" z 3", "+OK|");
    client.ask("mget x nothing y z", "*4|$1|1|$-1|$0||$1|3|");
    client.ask("strlen x", ":1|");
    client.ask("strlen nothing", ":0|");
    client.ask("exists x x nothing", ":2|");
    client.ask("type x", "+string|");
    client.ask("type nothing", "+none|");
    client.ask("del x y nothing", ":2|");
    client.ask("unlink z", ":1|");
    client.ask("mget x y z", "*3|$-1|$-1|$-1|");
}

#[test]
fn keys_and_values_of_any_bytes() {
    let (_server, mut client) = server();
    let key: Vec<u8> = (0..=255).collect();
    let value: Vec<u8> = (0..=255).rev().cycle().take(300_000).collect();
    client.command(&[b"SET", &key, &value]);
    client.expect("+OK\r\n");
    client.command(&[b"GET", &key]);
    assert_eq!(client.bulk(), value);
    client.command(&[b"SET", b"", b""]);
    client.expect("+OK\r\n");
    client.command(&[b"GET", b""]);
    client.expect("$0\r\n\r\n");
    client.ask(r#"set "\x00\xff" "a\r\nb""#, "+OK|");
    client.command(&[b"GET", b"\x00\xff"]);
    client.expect("$4\r\na\r\nb\r\n");
}

#[test]
fn expiry() {
    let (_server, mut client) = server();
    client.ask("set k v ex 100", "+OK|");
    client.ask("ttl k", ":100|");
    client.ask("set k v keepttl", "+OK|");
    client.ask("ttl k", ":100|");
    client.ask("persist k", ":1|");
    client.ask("persist k", ":0|");
    client.ask("pttl k", ":-1|");
    client.ask("ttl nothing", ":-2|");
    client.ask("pexpireat k 32503680000000", ":1|");
    client.ask("pexpiretime k", ":32503680000000|");
    client.ask("expiretime k", ":32503680000|");
    client.ask("expire k 10 gt", ":0|");
    client.ask("expire k 10 lt", ":1|");
    client.ask("expire k 10 nx", ":0|");
    client.ask("getex k px 50000", "$1|v|");
    client.ask("ttl k", ":50|");
    client.ask("expire k -1", ":1|");
    client.ask("get k", "$-1|");
    client.ask("psetex p 30 v", "+OK|");
    client.ask("get p", "$1|v|");
    thread::sleep(Duration::from_millis(60));
    client.ask("get p", "$-1|");
    client.ask("exists p", ":0|");
    client.ask("set past v exat 1", "+OK|");
    client.ask("get past", "$-1|");
    client.ask("set k v ex 0", "-ERR invalid expire time in 'set' command|");
}

#[test]
fn looking_for_keys() {
    let (_server, mut client) = server();
    client.ask("randomkey", "$-1|");
    for n in 0..1000 {
        client.send(encode(&[b"SET", format!("key:{n}").as_bytes(), b"v"]));
    }
    client.expect("+OK\r\n".repeat(1000));
    client.ask("dbsize", ":1000|");
    client.ask("keys key:77[05]", "*2|");
    let mut found = [client.bulk(), client.bulk()];
    found.sort();
    assert_eq!(found, [b"key:770", b"key:775"]);
    let (mut cursor, mut seen) = ("0".to_owned(), Vec::new());
    loop {
        client.send(format!("scan {cursor} match key:* count 50 type string\r\n"));
        assert_eq!(client.line(), "*2");
        cursor = String::from_utf8(client.bulk()).unwrap();
        let count: usize = client.line()[1..].parse().unwrap();
        seen.extend((0..count).map(|_| client.bulk()));
        if cursor == "0" {
            break;
        }
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 1000);
    client.send("randomkey\r\n");
    assert!(client.bulk().starts_with(b"key:"));
    client.ask("flushdb", "+OK|");
    client.ask("dbsize", ":0|");
    client.ask("keys *", "*0|");
}

#[test]
fn pipelining_keeps_the_order() {
    let (_server, mut client) = server();
    let mut writer = client.stream.try_clone().unwrap();
    let sender = thread::spawn(move || {
        for n in 0..20_000 {
            let n = n.to_string();
            writer.write_all(&encode(&[b"SET", b"counter", n.as_bytes()])).unwrap();
            writer.write_all(&encode(&[b"GET", b"counter"])).unwrap();
        }
    });
    for n in 0..20_000 {
        let n = n.to_string();
        client.expect(format!("+OK\r\n${}\r\n{n}\r\n", n.len()));
    }
    sender.join().unwrap();
}

#[test]
fn half_frames_wait_for_the_rest() {
    let (_server, mut client) = server();
    for byte in encode(&[b"SET", b"slow", b"motion"]) {
        client.send([byte]);
    }
    client.expect("+OK\r\n");
    client.send("*2\r\n$3\r\nGET\r\n$4\r\nsl");
    thread::sleep(Duration::from_millis(50));
    client.send("ow\r\n");
    client.expect("$6\r\nmotion\r\n");
}

#[test]
fn errors_in_the_words_of_redis() {
    let (_server, mut client) = server();
    let cases = [
        ("get", "ERR wrong number of arguments for 'get' command"),
        ("GET a b", "ERR wrong number of arguments for 'get' command"),
        ("mset a", "ERR wrong number of arguments for 'mset' command"),
        ("mset a 1 b", "ERR wrong number of arguments for 'mset' command"),
        ("ping a b", "ERR wrong number of arguments for 'ping' command"),
        ("client", "ERR wrong number of arguments for 'client' command"),
        ("client setname", "ERR wrong number of arguments for 'client|setname' command"),
        ("client foo", "ERR unknown subcommand 'foo'. Try CLIENT HELP."),
        ("foo a b", "ERR unknown command 'foo', with args beginning with: 'a' 'b' "),
        ("foo \"a\\r\\nb\"", "ERR unknown command 'foo', with args beginning with: 'a  b' "),
        ("set a 1 ex x", "ERR value is not an integer or out of range"),
        ("set a 1 bar", "ERR syntax error"),
        ("expire a x", "ERR value is not an integer or out of range"),
        ("scan x", "ERR invalid cursor"),
        ("select 16", "ERR DB index is out of range"),
        ("select -1", "ERR DB index is out of range"),
        (
            "select nothing",
            "ERR there is no table 'nothing'; TOMBOLO CREATE nothing would create it",
        ),
        ("wait 0 -1", "ERR timeout is negative"),
        ("hello 4", "NOPROTO unsupported protocol version"),
        ("hello x", "ERR Protocol version is not an integer or out of range"),
    ];
    for (line, text) in cases {
        client.send(format!("{line}\r\n"));
        client.expect(format!("-{text}\r\n"));
    }
    client.ask("ping", "+PONG|");
}

#[test]
fn broken_frames_end_the_connection() {
    let (server, _) = server();
    let cases: [(&[u8], &str); 7] = [
        (b"*x\r\n", "invalid multibulk length"),
        (b"*1048577\r\n", "invalid multibulk length"),
        (b"*1\r\n$1073741824\r\n", "invalid bulk length"),
        (b"*1\r\n$-1\r\n", "invalid bulk length"),
        (b"*1\r\nPING\r\n", "expected '$', got 'P'"),
        (b"get \"a\r\n", "unbalanced quotes in request"),
        (&[b'a'; 70_000], "too big inline request"),
    ];
    for (bytes, text) in cases {
        let mut client = server.connect();
        client.send("ping\r\n");
        client.send(bytes);
        client.expect(format!("+PONG\r\n-ERR Protocol error: {text}\r\n"));
        client.expect_end();
    }
    let mut browser = server.connect();
    browser.send("POST / HTTP/1.1\r\nHost: x\r\n\r\nSET a 1\r\n");
    browser.expect_end();
    server.connect().ask("get a", "$-1|");
}

#[test]
fn random_bytes_do_no_harm() {
    let (server, mut witness) = server();
    // A small generator, so that a failure can be repeated.
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    for _ in 0..200 {
        let noise: Vec<u8> = (0..2000)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (state >> 56) as u8
            })
            .collect();
        let mut client = server.connect();
        // The server may end the connection before all is sent.
        let _ = client.stream.write_all(&noise);
    }
    witness.ask("ping", "+PONG|");
}

#[test]
fn values_over_the_limit_are_refused_and_not_kept() {
    let settings = Settings { max_value: 1 << 20, ..Settings::default() };
    let server = Server::start(settings);
    let mut client = server.connect();
    client.command(&[b"SET", b"k", &vec![b'v'; (1 << 20) + 1]]);
    client.expect("-ERR 1048577 bytes in one request are over the limit of 1048576; ");
    assert_eq!(client.line(), "nothing was done");
    client.command(&[b"SET", b"k", &vec![b'v'; 1 << 20]]);
    client.expect("+OK\r\n");
    client.ask("strlen k", ":1048576|");
}

#[test]
fn resp3() {
    let (_server, mut client) = server();
    client.send("hello 3 setname tester\r\n");
    client.expect("%7\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n");
    client.bulk();
    client.expect("$5\r\nproto\r\n:3\r\n$2\r\nid\r\n");
    client.line();
    client.expect("$4\r\nmode\r\n$10\r\nstandalone\r\n$4\r\nrole\r\n$6\r\nmaster\r\n");
    client.expect("$7\r\nmodules\r\n*0\r\n");
    client.ask("get nothing", "_|");
    client.ask("mget nothing", "*1|_|");
    client.ask("client getname", "$6|tester|");
    client.ask("config get save", "%1|$4|save|$0||");
    client.ask("command info nothing", "*1|_|");
    client.send("client info\r\n");
    let info = String::from_utf8(client.bulk()).unwrap();
    assert!(info.starts_with("txt:id=") && info.contains(" resp=3 "), "{info}");
    client.ask("reset", "+RESET|");
    client.ask("get nothing", "$-1|");
    client.ask("client getname", "$-1|");
}

#[test]
fn passwords() {
    let settings = Settings { password: Some("secret".to_owned()), ..Settings::default() };
    let server = Server::start(settings);
    let mut client = server.connect();
    let wrong = "-WRONGPASS invalid username-password pair or user is disabled.|";
    client.ask("get a", "-NOAUTH Authentication required.|");
    client.ask("auth wrong", wrong);
    client.ask("auth other secret", wrong);
    client.send("hello 3\r\n");
    assert!(client.line().starts_with("-NOAUTH HELLO must be called with the client already"));
    client.ask("auth secret", "+OK|");
    client.ask("get a", "$-1|");
    client.ask("reset", "+RESET|");
    client.ask("get a", "-NOAUTH Authentication required.|");
    client.ask("hello 2 auth default wrong", wrong);
    client.send("hello 2 auth default secret\r\n");
    assert_eq!(client.line(), "*14");
    let mut stranger = server.connect();
    stranger.ask("*11", "-ERR Protocol error: unauthenticated multibulk length|");
    stranger.expect_end();
    let mut stranger = server.connect();
    stranger.send("*1\r\n$16385\r\n");
    stranger.expect("-ERR Protocol error: unauthenticated bulk length\r\n");
    stranger.expect_end();
}

#[test]
fn tables() {
    let (_server, mut client) = server();
    client.ask("set where default", "+OK|");
    client.ask("select 3", "+OK|");
    client.ask("get where", "$-1|");
    client.ask("set where three", "+OK|");
    client.ask("select db3", "+OK|");
    client.ask("get where", "$5|three|");
    client.ask("tombolo create sessions kind set policy last_writer_wins", "+OK|");
    client.ask("tombolo create sessions", "+OK|");
    client.ask("select sessions", "+OK|");
    client.ask("dbsize", ":0|");
    client.ask("select 0", "+OK|");
    client.ask("get where", "$7|default|");
    client.send("tombolo fingerprint\r\n");
    assert_eq!(client.bulk().len(), 16);
    client.refused("tombolo fingerprint nothing", &["there is no table \"nothing\"", "sessions"]);
    client.send("tombolo tables\r\n");
    assert_eq!(client.line(), "*3");
}

#[test]
fn the_server_describes_itself() {
    let (_server, mut client) = server();
    client.send("info\r\n");
    let info = String::from_utf8(client.bulk()).unwrap();
    for part in ["# Server\r\nredis_version:", "connected_clients:1\r\n", "role:master", "node:n1"]
    {
        assert!(info.contains(part), "{part} is not in {info}");
    }
    client.send("info clients\r\n");
    let info = String::from_utf8(client.bulk()).unwrap();
    assert!(info.starts_with("# Clients\r\n") && !info.contains("# Server"), "{info}");
    client.send("command count\r\n");
    let count = client.line();
    client.send("command list\r\n");
    assert_eq!(client.line().replace('*', ":"), count);
    client.expect("$3\r\nget\r\n");
    let mut other = client.stream.try_clone().map(|stream| Client { stream }).unwrap();
    let count: usize = count[1..].parse().unwrap();
    (1..count).for_each(|_| drop(other.bulk()));
    client.ask("client setinfo lib-name tester", "+OK|");
    client.send("client list\r\n");
    let list = String::from_utf8(client.bulk()).unwrap();
    assert_eq!(list.lines().count(), 1);
    assert!(list.contains(" cmd=client|list ") && list.contains(" lib-name=tester "), "{list}");
    client.send("config set maxclients 1\r\n");
    assert!(client.line().starts_with("-ERR CONFIG SET is not supported"));
}

#[test]
fn an_unacknowledged_write_says_so_and_a_read_does_not_wait() {
    // Three nodes shall hold each write, and there is one.
    let ack_timeout = Duration::from_millis(100);
    let settings = Settings { ack: Ack::Count(3), ack_timeout, ..Settings::default() };
    let server = Server::start(settings);
    let mut client = server.connect();
    let refusal = "-NOACK applied here, but acknowledged only by [] within 100 ms, missing []; \
                   it goes on replicating\r\n";
    client.send("set a 1\r\nget a\r\nset b 2\r\ndel nothing\r\nmset c 3 d 4\r\nget d\r\n");
    let begun = Instant::now();
    client.expect(refusal);
    client.expect("$1\r\n1\r\n");
    client.expect(refusal);
    client.expect(":0\r\n");
    client.expect(refusal);
    client.expect("$1\r\n4\r\n");
    // The whole batch waits once, not once for each write.
    assert!(begun.elapsed() < 3 * ack_timeout, "{:?}", begun.elapsed());
    let begun = Instant::now();
    client.ask("mget a b", "*2|$1|1|$1|2|");
    assert!(begun.elapsed() < ack_timeout, "{:?}", begun.elapsed());
    client.ask("wait 1 10", ":0|");
}

#[test]
fn a_client_that_does_not_read_is_held_back() {
    let (_server, mut client) = server();
    client.command(&[b"SET", b"large", &vec![b'v'; 1 << 20]]);
    client.expect("+OK\r\n");
    let timeout = Some(Duration::from_millis(500));
    client.stream.set_write_timeout(timeout).unwrap();
    // Were all these executed, the replies would take 1 TiB; so sooner or later sending blocks.
    let many = "get large\r\n".repeat(10_000);
    let blocked = (0..100).find_map(|_| client.stream.write_all(many.as_bytes()).err());
    let kind = blocked.expect("the server takes no more").kind();
    assert!(matches!(kind, ErrorKind::WouldBlock | ErrorKind::TimedOut), "{kind:?}");
}

#[test]
fn connections_over_the_limit_are_refused() {
    let server = Server::start(Settings { max_connections: 2, ..Settings::default() });
    let (mut first, mut second) = (server.connect(), server.connect());
    first.ask("ping", "+PONG|");
    second.ask("ping", "+PONG|");
    let mut third = server.connect();
    third.expect("-ERR max number of clients reached\r\n");
    third.expect_end();
    first.ask("quit", "+OK|");
    first.expect_end();
    drop(first);
    let begun = Instant::now();
    while server_refuses(&server) {
        assert!(begun.elapsed() < Duration::from_secs(5), "a place becomes free");
        thread::sleep(Duration::from_millis(10));
    }
}

fn server_refuses(server: &Server) -> bool {
    let mut client = server.connect();
    client.send("ping\r\n");
    client.line() != "+PONG"
}
