//! Tables of all kinds over the Redis protocol, and what is refused of each.

mod support;

use serde_json::json;
use support::{Client, Server};
use tombolo_server::resp::Settings;

fn server() -> (Server, Client) {
    let server = Server::start(Settings::default());
    let client = server.connect();
    (server, client)
}

#[test]
fn ordered_tables_are_read_by_ranges() {
    let (_server, mut client) = server();
    client.ask("tombolo create o KIND ordered_set", "+OK|");
    client.ask("select o", "+OK|");
    client.ask("tombolo first", "$-1|");
    client.ask("tombolo range - +", "*0|");
    client.ask("mset b 2 a 1 d 4 c 3", "+OK|");
    assert_eq!(
        client.call("tombolo range - +"),
        json!([["a", "1"], ["b", "2"], ["c", "3"], ["d", "4"]])
    );
    let mut keys = |words: &str| {
        let reply = client.call(&format!("tombolo range {words}"));
        let pairs = reply.as_array().unwrap_or_else(|| panic!("{words}: {reply}")).iter();
        pairs.map(|pair| pair[0].as_str().unwrap().to_owned()).collect::<String>()
    };
    assert_eq!(keys("[b [c"), "bc");
    assert_eq!(keys("(b +"), "cd");
    assert_eq!(keys("- (c"), "ab");
    assert_eq!(keys("- + REV"), "dcba");
    assert_eq!(keys("[b + REV LIMIT 2"), "dc");
    assert_eq!(keys("- + LIMIT 0"), "");
    assert_eq!(keys("[d [a"), "");
    assert_eq!(keys("(b (b"), "");
    client.ask("tombolo first", "*2|$1|a|$1|1|");
    client.ask("tombolo last", "*2|$1|d|$1|4|");
    client.ask("tombolo next b", "*2|$1|c|$1|3|");
    client.ask("tombolo next bb", "*2|$1|c|$1|3|");
    client.ask("tombolo next d", "$-1|");
    client.ask("tombolo previous b", "*2|$1|a|$1|1|");
    client.ask("tombolo previous a", "$-1|");
    client.ask("type a", "+string|");
    client.refused("tombolo range a b", &["'a' is not the end of a range", "[key"]);
    client.refused("tombolo range + -", &["the lower end of a range comes first"]);
}

#[test]
fn a_long_range_is_read_in_steps() {
    let (_server, mut client) = server();
    client.ask("tombolo create o KIND ordered_set", "+OK|");
    client.ask("select o", "+OK|");
    for n in 0..1_500 {
        client.command(&[b"SET", format!("{n:04}").as_bytes(), b"v"]);
    }
    client.expect("+OK\r\n".repeat(1_500));
    let mut keys = |words: &str| {
        let reply = client.call(&format!("tombolo range {words}"));
        let pairs = reply.as_array().unwrap().iter();
        pairs.map(|pair| pair[0].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let all: Vec<String> = (0..1_500).map(|n| format!("{n:04}")).collect();
    assert_eq!(keys("- +"), all[..1_000], "as many as without a limit");
    assert_eq!(keys("(0999 +"), all[1_000..], "and the rest");
    assert_eq!(keys("- + LIMIT 2000"), all);
    let mut reverse = all;
    reverse.reverse();
    assert_eq!(keys("- + REV LIMIT 2000"), reverse);
}

#[test]
fn bags_are_sets_of_redis() {
    let (_server, mut client) = server();
    client.ask("tombolo create b KIND bag", "+OK|");
    client.ask("select b", "+OK|");
    client.ask("sadd k one two one", ":2|");
    client.ask("sadd k two three", ":1|");
    client.ask("sadd other x", ":1|");
    client.ask("smembers k", "*3|$3|one|$5|three|$3|two|");
    client.ask("smembers nothing", "*0|");
    client.ask("scard k", ":3|");
    client.ask("scard nothing", ":0|");
    client.ask("sismember k two", ":1|");
    client.ask("smismember k two four", "*2|:1|:0|");
    client.ask("srem k two four", ":1|");
    client.ask("type k", "+set|");
    client.ask("type nothing", "+none|");
    client.ask("exists k other nothing", ":2|");
    client.ask("keys *", "*2|$1|k|$5|other|");
    client.ask("scan 0 match o*", "*2|$1|0|*1|$5|other|");
    client.ask("scan 0 type string", "*2|$1|0|*0|");
    client.ask("scan 0 type set", "*2|$1|0|*2|$1|k|$5|other|");
    client.ask("del k nothing", ":1|");
    client.ask("exists k", ":0|");
    client.ask("dbsize", ":1|");
    client.ask("flushdb", "+OK|");
    client.ask("dbsize", ":0|");
    client.ask("hello 3", "");
    client.reply();
    client.ask("sadd k x", ":1|");
    client.ask("smembers k", "~1|$1|x|");
}

#[test]
fn members_of_any_bytes() {
    let (_server, mut client) = server();
    client.ask("tombolo create b KIND bag", "+OK|");
    client.ask("select b", "+OK|");
    let key: Vec<u8> = (0..=255).collect();
    client.command(&[b"SADD", &key, b"\0\xff", b""]);
    client.expect(":2\r\n");
    client.command(&[b"SMEMBERS", &key]);
    client.expect(b"*2\r\n$0\r\n\r\n$2\r\n\0\xff\r\n");
}

#[test]
fn commands_for_another_kind_say_what_to_do() {
    let (_server, mut client) = server();
    client.ask("tombolo create b KIND bag", "+OK|");
    client.ask("set k v", "+OK|");
    for line in ["sadd k x", "srem k x", "smembers k", "sismember k x", "smismember k x", "scard k"]
    {
        client.refused(line, &["WRONGTYPE", "kind=set", "TOMBOLO CREATE name KIND bag"]);
    }
    for line in ["tombolo range - +", "tombolo first", "tombolo last", "tombolo next k"] {
        client.refused(line, &["WRONGTYPE", "kind=set", "declare it kind=ordered_set"]);
    }
    client.refused("tombolo previous k", &["WRONGTYPE", "declare it kind=ordered_set"]);
    client.ask("get k", "$1|v|");
    client.ask("select b", "+OK|");
    client.ask("sadd k x", ":1|");
    for line in [
        "get k",
        "set k v",
        "mset k v",
        "mget k",
        "setnx k v",
        "setex k 1 v",
        "psetex k 1 v",
        "getset k v",
        "getdel k",
        "getex k",
        "strlen k",
        "expire k 1",
        "ttl k",
        "persist k",
        "randomkey",
    ] {
        client.refused(line, &["WRONGTYPE", "kind=bag", "SADD"]);
    }
    client.refused("tombolo first", &["WRONGTYPE", "kind=bag"]);
    client.ask("smembers k", "*1|$1|x|");
}

#[test]
fn tables_are_created_and_altered() {
    let (_server, mut client) = server();
    let create = "tombolo create t kind ordered_set policy last_version(/V) owner_down hide \
                  merge hold ttl 60000";
    client.ask(create, "+OK|");
    client.ask(create, "+OK|");
    let declared = |client: &mut Client| {
        let tables = client.call("tombolo tables");
        let tables = tables.as_array().unwrap().clone();
        let table = tables.into_iter().find(|table| table["name"] == "t").unwrap();
        table["declaration"].as_str().unwrap().to_owned()
    };
    client.ask("hello 3", "");
    client.reply();
    let first = "kind=ordered_set policy=last_version(/V) owner_down=hide merge=hold ttl=60000ms";
    assert_eq!(declared(&mut client), first);
    client.refused("tombolo create t kind bag", &["declared", "ordered_set"]);
    client.ask("tombolo alter t POLICY newest MERGE auto", "+OK|");
    let second = "kind=ordered_set policy=newest owner_down=hide ttl=60000ms";
    assert_eq!(declared(&mut client), second);
    client.refused("tombolo alter t policy last_writer_wins", &["declare policy=newest"]);
    client.refused("tombolo alter t kind bag", &["cannot be altered", "create another table"]);
    client.refused("tombolo alter t policy lww", &["\"lww\" is not a policy", "merge_only"]);
    client.refused("tombolo alter t ttl soon", &["TTL 'soon'"]);
    client.refused("tombolo alter t", &["say what to alter", "policy"]);
    client.refused("tombolo alter t foo bar", &["'foo'", "POLICY"]);
    client.refused("tombolo alter nothing policy newest", &["no table \"nothing\"", "default"]);
    assert_eq!(declared(&mut client), second);
    client.ask("tombolo alter t OWNER_DOWN keep TTL 0", "+OK|");
    assert_eq!(declared(&mut client), "kind=ordered_set policy=newest owner_down=keep");
}

#[test]
fn what_cannot_be_created_changes_nothing() {
    let (_server, mut client) = server();
    client.refused("tombolo create x policy lww", &["\"lww\" is not a policy", "newest"]);
    client.refused("tombolo create x owner_down hide", &["policy=newest"]);
    client.refused("tombolo create x kind list", &["\"list\" is not a kind", "ordered_set"]);
    client.refused("tombolo create x ttl 0", &["leave it out"]);
    client.refused("tombolo create x policy last_version(no:path)", &["no:path"]);
    client.refused("tombolo create 5", &["must not be a number"]);
    client.refused("select x", &["there is no table 'x'", "TOMBOLO CREATE x"]);
}

#[test]
fn a_ttl_counts_in_milliseconds() {
    let (_server, mut client) = server();
    client.ask("tombolo create t ttl 40000", "+OK|");
    client.ask("select t", "+OK|");
    client.ask("set k v", "+OK|");
    client.ask("ttl k", ":40|");
}

#[test]
fn a_table_of_several_fragments_is_one_to_its_clients() {
    let (_server, mut client) = server();
    client.ask("tombolo create f KIND ordered_set FRAGMENTS 4", "+OK|");
    client.refused("tombolo create f KIND ordered_set", &["fragments=4", "declare it the same"]);
    client.refused("tombolo alter f FRAGMENTS 2", &["fragments=4, which cannot be altered"]);
    client.refused("tombolo create g FRAGMENTS 65", &["1 to 64 fragments, not 65"]);
    client.ask("select f", "+OK|");
    let numbers = (0..40).map(|n| format!("{n:02}"));
    let words: Vec<String> = numbers.clone().map(|n| format!("{n} v")).collect();
    client.ask(&format!("mset {}", words.join(" ")), "+OK|");
    client.ask("dbsize", ":40|");
    let read = client.call("tombolo range - +");
    let read: Vec<_> = read.as_array().unwrap().iter().map(|pair| pair[0].clone()).collect();
    assert_eq!(read, numbers.clone().map(|n| json!(n)).collect::<Vec<_>>());
    let (mut found, mut cursor) = (Vec::new(), "0".to_owned());
    loop {
        let step = client.call(&format!("scan {cursor} COUNT 3"));
        found
            .extend(step[1].as_array().unwrap().iter().map(|key| key.as_str().unwrap().to_owned()));
        step[0].as_str().unwrap().clone_into(&mut cursor);
        if cursor == "0" {
            break;
        }
    }
    found.sort();
    assert_eq!(found, numbers.clone().collect::<Vec<_>>());
    client.ask(&format!("del {}", numbers.collect::<Vec<_>>().join(" ")), ":40|");
    client.ask("dbsize", ":0|");
    client.ask("wait 0 100", ":0|");
}
