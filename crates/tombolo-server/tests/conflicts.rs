//! Conflicts and joins over the Redis protocol, on two nodes that were cut apart.

mod support;

use serde_json::{Value, json};
use support::{Client, Server, cut, heal, pair, until, web, whole};
use tombolo::Ack;
use tombolo_server::resp::Settings;

/// Two nodes with a table `t` and a connection to each that has selected it and speaks RESP3.
fn declared(words: &str) -> ([Server; 2], [Client; 2]) {
    let servers = pair();
    let clients = servers.each_ref().map(|server| {
        let mut client = server.connect();
        client.ask("hello 3", "");
        client.reply();
        client.ask(&format!("tombolo create t {words}"), "+OK|");
        client.ask("select t", "+OK|");
        client
    });
    (servers, clients)
}

/// The same value of both, once it is what is wanted.
#[track_caller]
fn both_read(clients: &mut [Client; 2], key: &str, value: &Value) {
    until(&format!("both read {value} in {key}"), || {
        clients.iter_mut().all(|client| client.call(&format!("get {key}")) == *value)
    });
}

fn table(client: &mut Client) -> Value {
    let tables = client.call("tombolo tables");
    tables.as_array().unwrap().iter().find(|table| table["name"] == "t").unwrap().clone()
}

/// What `/metrics` says of the table.
fn metric(server: &Server, name: &str) -> String {
    let (code, text) = web::request(server.http, "GET", "/metrics", "", "");
    assert_eq!(code, 200);
    let head = format!("tombolo_table_{name}{{table=\"t\"}} ");
    text.lines().find_map(|line| line.strip_prefix(&head)).unwrap().to_owned()
}

#[test]
fn an_alarm_lasts_until_somebody_resolves_it() {
    let (servers, mut clients) = declared("policy merge_only");
    cut(&servers);
    clients[0].ask("set k one", "+OK|");
    clients[1].ask("set k two", "+OK|");
    heal(&servers);
    whole(&servers);
    until("both have the alarm", || {
        servers.iter().all(|server| metric(server, "undecided") == "1")
    });
    assert_eq!(metric(&servers[0], "siblings"), "1");
    assert_eq!(metric(&servers[0], "conflicts_total"), "1");
    let listed = clients[0].call("tombolo conflicts table t");
    let open = &listed["undecided"][0];
    assert_eq!((&open["key"], &open["table"]), (&json!("k"), &json!("t")));
    assert!(open["cause"].as_str().unwrap().contains("merge_only"), "{open}");
    assert_eq!(listed["conflicts"][0]["outcome"], "undecided");
    assert_eq!(listed["conflicts_left_out"], 0);
    let siblings = clients[1].call("tombolo siblings k");
    assert_eq!(siblings.as_array().unwrap().len(), 2, "{siblings}");
    assert_eq!(open["siblings"], siblings);
    let first = siblings.as_array().unwrap().iter().find(|one| one["value"] == "one").unwrap();
    let dot = first["dot"].as_str().unwrap();
    assert!(dot.starts_with("n1:"), "{dot}");

    // Nothing of this changes anything.
    let client = &mut clients[1];
    client.refused("tombolo resolve t k TAKE n9:1", &["n9:1", dot]);
    client.refused("tombolo resolve t k KEEP x", &["TAKE dot, VALUE value or DELETE"]);
    client.refused("tombolo resolve nothing k DELETE", &["no table \"nothing\"", "t"]);
    client.refused("tombolo resolve t absent DELETE", &["holds nothing"]);
    let id = listed["conflicts"][0]["id"].as_str().unwrap();
    client.refused(&format!("tombolo undo {id}"), &["nothing was decided", "resolve it"]);
    assert_eq!(client.call("tombolo siblings k"), siblings);

    client.ask(&format!("tombolo resolve t k take {dot}"), "+OK|");
    both_read(&mut clients, "k", &json!("one"));
    until("the alarm is over", || servers.iter().all(|server| metric(server, "undecided") == "0"));
    let listed = clients[0].call("tombolo conflicts");
    assert_eq!(listed["undecided"], json!([]));
    assert!(listed["conflicts"][0]["settled"].is_i64(), "{listed}");
    clients[0].ask("tombolo resolve t k value three", "+OK|");
    both_read(&mut clients, "k", &json!("three"));
    clients[0].ask("tombolo resolve t k delete", "+OK|");
    both_read(&mut clients, "k", &Value::Null);
}

#[test]
fn what_a_merge_decided_is_undone_from_another_table() {
    let (servers, mut clients) = declared("policy newest");
    cut(&servers);
    clients[0].ask("set k first", "+OK|");
    std::thread::sleep(std::time::Duration::from_millis(5));
    clients[1].ask("set k second", "+OK|");
    heal(&servers);
    whole(&servers);
    both_read(&mut clients, "k", &json!("second"));
    let mut noted = Value::Null;
    until("it is noted", || {
        noted = clients[0].call("tombolo conflicts limit 1")["conflicts"][0].clone();
        noted["outcome"] == "collapsed"
    });
    assert_eq!(noted["kept"]["value"], "second");
    assert_eq!(noted["lost"][0]["value"], "first");
    let id = noted["id"].as_str().unwrap();
    clients[1] = servers[1].connect();
    clients[1].refused("tombolo undo 0123456789abcdef", &["0123456789abcdef", "no ledger"]);
    clients[1].refused("tombolo undo nonsense", &["nonsense", "no ledger"]);
    clients[1].ask("tombolo receipt", "$-1|");
    until("n2 noted it, too", || clients[1].call(&format!("tombolo undo {id}")) == "OK");
    // The write was to another table than the selected one, and is this connection's latest.
    let receipt = clients[1].call("tombolo receipt");
    assert_eq!(receipt[0].as_str().unwrap().len(), 16, "{receipt}");
    clients[1].ask("tombolo waitfor stable 10000", "*1|$2|n1|");
    clients[1].ask("select t", "+OK|");
    both_read(&mut clients, "k", &json!("first"));
    clients[0].refused(&format!("tombolo undo {id}"), &["was written since"]);
}

#[test]
fn a_held_table_shows_what_a_join_would_do_and_joins_when_approved() {
    let (servers, mut clients) = declared("policy newest merge hold");
    clients[0].ask("set before 0", "+OK|");
    clients[0].refused("tombolo approve t", &["is not kept apart"]);
    clients[0].refused("tombolo approve nothing", &["no table \"nothing\""]);
    cut(&servers);
    clients[0].ask("set one 1", "+OK|");
    clients[0].ask("set both a", "+OK|");
    clients[1].ask("set both b", "+OK|");
    clients[1].ask("set two 2", "+OK|");
    clients[1].ask("del before", ":1|");
    heal(&servers);
    until("n1 has looked", || !table(&mut clients[0])["held"][0]["preview"].is_null());
    let held = table(&mut clients[0])["held"][0].clone();
    assert_eq!((&held["peer"], &held["apart"]), (&json!("n2"), &json!(true)));
    let preview = json!({
        "looked": held["preview"]["looked"],
        "adds": 1, "updates": 0, "deletes": 1, "conflicts": 1,
        "added": ["two"], "deleted": ["before"], "conflicting": ["both"],
    });
    assert_eq!(held["preview"], preview);
    assert_eq!(metric(&servers[0], "held_apart"), "1");
    let summary = clients[0].call("tombolo status")["summary"].clone();
    assert!(summary.as_str().unwrap().contains("kept apart"), "{summary}");
    // Each island goes on serving.
    let (code, ready) = web::get(servers[0].http, "/ready");
    assert_eq!((code, &ready["ready"]), (200, &json!(true)), "{ready}");
    clients[0].ask("get two", "_|");
    clients[1].ask("tombolo approve t", "+OK|");
    both_read(&mut clients, "two", &json!("2"));
    both_read(&mut clients, "one", &json!("1"));
    both_read(&mut clients, "before", &Value::Null);
    whole(&servers);
    assert_eq!(metric(&servers[0], "held_apart"), "0");
}

#[test]
fn a_side_is_chosen_of_tables_that_ignore_each_other() {
    let (servers, mut clients) = declared("policy ignore");
    cut(&servers);
    clients[0].ask("set one 1", "+OK|");
    clients[1].ask("set two 2", "+OK|");
    heal(&servers);
    until("both sides know", || servers.iter().all(|server| metric(server, "held_apart") == "1"));
    clients[1].ask("get one", "_|");
    clients[0].ask("tombolo choose t", "+OK|");
    both_read(&mut clients, "one", &json!("1"));
    both_read(&mut clients, "two", &Value::Null);
    until("nobody is held", || table(&mut clients[1])["held"] == json!([]));
    clients[0].refused("tombolo choose t", &["is not kept apart"]);
}

#[test]
fn bags_of_two_islands_are_united() {
    let (servers, mut clients) = declared("kind bag policy newest");
    clients[0].ask("sadd k common", ":1|");
    cut(&servers);
    clients[0].ask("sadd k one", ":1|");
    clients[1].ask("sadd k two", ":1|");
    clients[1].ask("srem k common", ":1|");
    heal(&servers);
    whole(&servers);
    until("both are united", || {
        clients.iter_mut().all(|client| client.call("smembers k") == json!(["one", "two"]))
    });
    clients[0].refused("tombolo resolve t k VALUE x", &["in a bag", "others are added"]);
}

#[test]
fn an_alteration_reaches_the_other_node() {
    let (servers, mut clients) = declared("");
    clients[0].ask("tombolo alter t policy merge_only", "+OK|");
    until("n2 knows it", || table(&mut clients[1])["epoch"] == 1);
    cut(&servers);
    clients[0].ask("set k one", "+OK|");
    clients[1].ask("set k two", "+OK|");
    heal(&servers);
    until("both are kept", || {
        clients.iter_mut().all(|client| {
            client.call("tombolo siblings k").as_array().is_some_and(|all| all.len() == 2)
        })
    });
}

#[test]
fn who_has_what_was_written() {
    let (servers, mut clients) = declared("");
    clients[0].ask("tombolo receipt", "_|");
    clients[0].refused("tombolo waitfor all 100", &["has written nothing"]);
    clients[0].refused("tombolo waitfor some 100", &["ALL, STABLE or a number of nodes"]);
    clients[0].ask("set k v", "+OK|");
    let first = clients[0].call("tombolo receipt");
    clients[0].ask("tombolo waitfor 2 10000", "*1|$2|n2|");
    clients[0].ask("tombolo waitfor stable 10000", "*1|$2|n2|");
    clients[0].ask("set k w", "+OK|");
    let second = clients[0].call("tombolo receipt");
    assert_eq!(second[0], first[0]);
    assert_eq!(second[1].as_i64(), first[1].as_i64().map(|sequence| sequence + 1));
    until("both are equal", || {
        clients
            .iter_mut()
            .all(|client| client.call("tombolo converged t")["t"]["converged"] == true)
    });
    let members = clients[0].call("tombolo converged")["t"]["members"].clone();
    assert_eq!(members[0]["node"], "n2");
    clients[0].refused("tombolo converged nothing", &["no table \"nothing\"", "default"]);
    assert_eq!(clients[0].call("tombolo progress"), json!([]));
    cut(&servers);
    clients[0].ask("set k x", "+OK|");
    clients[0].refused("tombolo waitfor 2 50", &["NOACK applied here", "within 50 ms"]);
    clients[0].refused("tombolo waitfor stable 50", &["NOACK"]);
    until("n2 is behind", || {
        clients[0].call("tombolo converged t")["t"]["members"][0]["lacks"] == 1
    });
    assert_eq!(clients[0].call("get k"), "x");
}

#[test]
fn a_decision_is_acknowledged_like_any_write() {
    let timeout = std::time::Duration::from_millis(100);
    let settings = Settings { ack: Ack::Count(2), ack_timeout: timeout, ..Settings::default() };
    let server = Server::start(settings);
    let mut client = server.connect();
    client.ask("tombolo create t", "+OK|");
    client.refused("tombolo resolve t k value v", &["NOACK applied here", "within 100 ms"]);
    client.ask("get k", "$-1|");
    client.ask("select t", "+OK|");
    client.ask("get k", "$1|v|");
}
