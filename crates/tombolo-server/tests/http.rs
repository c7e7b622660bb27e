//! Every path of the HTTP interface against real nodes.

mod support;

use serde_json::{Value, json};
use support::{Server, cut, heal, pair, until, web, whole};
use tombolo_server::resp::Settings;
use web::{get, post, refused};

fn server() -> Server {
    Server::start(Settings::default())
}

fn declare(servers: &[Server], table: &Value) {
    for server in servers {
        let (code, answer) = post(server.http, "/api/v1/tables/create", table.clone());
        assert_eq!(code, 200, "{answer}");
    }
}

fn put(server: &Server, table: &str, key: &[u8], value: &[u8]) {
    server.node.raw_table(table).unwrap().put(key, value, None).unwrap();
}

fn value(server: &Server, table: &str, key: &[u8]) -> Option<Vec<u8>> {
    let table = server.node.raw_table(table).unwrap();
    table.read(key, |record| record.map(|record| record.value.to_vec()))
}

#[track_caller]
fn both_hold(servers: &[Server], key: &[u8], expected: Option<&[u8]>) {
    until("both hold it", || {
        servers.iter().all(|server| value(server, "t", key).as_deref() == expected)
    });
}

#[test]
fn health_readiness_and_the_status() {
    let server = server();
    assert_eq!(web::request(server.http, "GET", "/health", "", ""), (200, "alive\n".to_owned()));
    assert_eq!(get(server.http, "/ready"), (200, json!({ "ready": true, "missing": [] })));
    let (code, status) = get(server.http, "/api/v1/status");
    assert_eq!((code, &status["leader"]), (200, &json!("n1")));
    assert_eq!((&status["rehearsing"], &status["clocks"]), (&json!(false), &json!([])));
    let table = &status["tables"][0];
    for (field, expected) in [
        ("name", json!("default")),
        ("kind", json!("set")),
        ("policy", json!("last_writer_wins")),
        ("owner_down", json!("keep")),
        ("merge", json!("auto")),
        ("ttl_ms", Value::Null),
        ("epoch", json!(0)),
        ("hidden", json!(0)),
        ("siblings", json!(0)),
        ("progress", Value::Null),
        ("syncs", json!([])),
        ("held", json!([])),
    ] {
        assert_eq!(table[field], expected, "{field}");
    }
    assert_eq!(table["ledger"]["noted"], 0);
    assert!(table["ledger"]["limit"].as_u64().unwrap() > 0);
    assert_eq!(get(server.http, "/api/v1/tables").1["tables"][0]["name"], "default");
    refused(get(server.http, "/nothing"), 404, &["/nothing", "conflicts/resolve"]);
    refused(get(server.http, "/api/v1/tables/create"), 405, &["POST only"]);
    refused(post(server.http, "/api/v1/converged", Value::Null), 405, &["GET only"]);
}

#[test]
fn tables_are_created_and_altered() {
    let server = server();
    let create = |body| post(server.http, "/api/v1/tables/create", body);
    let alter = |body| post(server.http, "/api/v1/tables/alter", body);
    let wanted = json!({
        "name": "t", "kind": "ordered_set", "policy": "last_version(/v)", "owner_down": "hide",
        "merge": "hold", "ttl_ms": 60_000,
    });
    let (code, table) = create(wanted.clone());
    assert_eq!(code, 200, "{table}");
    wanted.as_object().unwrap().iter().for_each(|(field, value)| assert_eq!(table[field], *value));
    assert_eq!(create(wanted).0, 200, "it is there and declared equally");
    refused(create(json!({ "name": "t", "kind": "bag" })), 409, &["declared", "ordered_set"]);

    refused(create(json!({ "name": "x", "policy": "lww" })), 400, &["not a policy", "newest"]);
    refused(create(json!({ "name": "x", "owner_down": "hide" })), 400, &["policy=newest"]);
    refused(create(json!({ "name": "x", "kind": "list" })), 400, &["ordered_set or bag"]);
    refused(create(json!({ "name": "x", "ttl_ms": 0 })), 400, &["leave it out"]);
    refused(create(json!({ "name": "x", "ttl_ms": -5 })), 400, &["ttl_ms", "-5"]);
    refused(create(json!({ "name": "x", "ttl_ms": u64::MAX })), 400, &["never ends"]);
    refused(create(json!({ "name": "x", "color": 1 })), 400, &["unknown field `color`", "kind"]);
    refused(create(json!({ "name": "a b" })), 400, &["1 to 100 letters"]);
    refused(create(json!({})), 400, &["missing field `name`"]);
    refused(create(Value::Null), 400, &["missing field `name`"]);
    refused(create(json!(["x"])), 400, &["does not begin with {"]);
    let wrong = web::request(server.http, "POST", "/api/v1/tables/create", "", "{name: x");
    assert!(wrong.0 == 400 && wrong.1.contains("is not the JSON object"), "{wrong:?}");
    assert!(server.node.raw_table("x").is_none());

    let (code, table) = post(server.http, "/api/v1/tables/alter?name=t&merge=auto", Value::Null);
    assert_eq!((code, &table["merge"], &table["epoch"]), (200, &json!("auto"), &json!(1)));
    let (_, table) = alter(json!({ "name": "t", "policy": "newest", "ttl_ms": null }));
    assert_eq!((&table["policy"], &table["ttl_ms"]), (&json!("newest"), &json!(60_000)));
    assert_eq!(alter(json!({ "name": "t", "ttl_ms": 0 })).1["ttl_ms"], Value::Null);
    refused(alter(json!({ "name": "t", "kind": "bag" })), 409, &["cannot be altered"]);
    let lww = json!({ "name": "t", "policy": "last_writer_wins" });
    refused(alter(lww), 400, &["declare policy=newest"]);
    refused(alter(json!({ "name": "t", "policy": "lww" })), 400, &["not a policy"]);
    refused(alter(json!({ "name": "t" })), 400, &["say what to alter"]);
    refused(alter(json!({ "name": "x", "policy": "newest" })), 404, &["\"x\"", "default, t"]);
    let declaration = server.node.raw_table("t").unwrap().declaration().to_string();
    assert_eq!(declaration, "kind=ordered_set policy=newest owner_down=hide");
}

/// Two nodes whose table `t` has one conflict in key `k`.
fn conflict(policy: &str) -> [Server; 2] {
    let servers = pair();
    declare(&servers, &json!({ "name": "t", "policy": policy }));
    cut(&servers);
    put(&servers[0], "t", b"k\xff", b"one\xff");
    std::thread::sleep(std::time::Duration::from_millis(5));
    put(&servers[1], "t", b"k\xff", b"two");
    heal(&servers);
    whole(&servers);
    servers
}

/// The conflicts of the table at the first node, once `field` has an entry.
fn listed(servers: &[Server], field: &str) -> Value {
    let mut found = Value::Null;
    until("a conflict is listed", || {
        let path = "/api/v1/conflicts?table=t";
        let everywhere = servers.iter().all(|it| !get(it.http, path).1[field][0].is_null());
        found = get(servers[0].http, path).1;
        everywhere
    });
    found
}

#[test]
fn an_undecided_conflict_is_listed_and_resolved() {
    let servers = conflict("merge_only");
    let found = listed(&servers, "undecided");
    let open = &found["undecided"][0];
    assert_eq!((&open["table"], &open["key_base64"]), (&json!("t"), &json!("a/8=")));
    assert_eq!(open["key"], "k\u{fffd}");
    assert!(open["cause"].as_str().unwrap().contains("merge_only"));
    let sibling = &open["siblings"][0];
    assert_eq!(sibling["value_base64"], "b25l/w==");
    assert_eq!(sibling["value"], "one\u{fffd}");
    assert_eq!(found["conflicts"][0]["outcome"], "undecided");
    assert_eq!(found["ledgers"]["t"]["undecided"], 1);
    assert_eq!(found["conflicts_left_out"], 0);

    let resolve = |body| post(servers[1].http, "/api/v1/conflicts/resolve", body);
    let key = "a/8=";
    let wrong = json!({ "table": "t", "key_base64": key, "take": "n9:1" });
    refused(resolve(wrong), 404, &["n9:1", sibling["dot"].as_str().unwrap()]);
    let wrong = json!({ "table": "x", "key_base64": key, "delete": true });
    refused(resolve(wrong), 404, &["no table \"x\"", "default, t"]);
    let wrong = json!({ "table": "t", "key_base64": key });
    refused(resolve(wrong), 400, &["one of take, value, value_base64 and delete"]);
    let wrong = json!({ "table": "t", "key_base64": key, "value": "x", "delete": true });
    refused(resolve(wrong), 400, &["one of take, value, value_base64 and delete"]);
    refused(resolve(json!({ "table": "t", "delete": true })), 400, &["key and key_base64"]);
    let wrong = json!({ "table": "t", "key": "k", "key_base64": key, "delete": true });
    refused(resolve(wrong), 400, &["one of key and key_base64"]);
    let wrong = json!({ "table": "t", "key_base64": "a/8", "delete": true });
    refused(resolve(wrong), 400, &["not base64"]);
    refused(resolve(json!({ "table": "t", "key": 5 })), 400, &["expected a string"]);
    let absent = json!({ "table": "t", "key": "absent", "delete": true });
    refused(resolve(absent), 409, &["holds nothing"]);
    assert_eq!(listed(&servers, "undecided")["undecided"][0]["siblings"], open["siblings"]);

    let dot = sibling["dot"].clone();
    let (code, written) = resolve(json!({ "table": "t", "key_base64": key, "take": dot }));
    assert_eq!(code, 200, "{written}");
    assert_eq!(written["receipt"]["origin"].as_str().unwrap().len(), 16);
    assert!(written["receipt"]["sequence"].as_u64().unwrap() > 0);
    both_hold(&servers, b"k\xff", Some(b"one\xff"));
    let path = "/api/v1/conflicts/resolve?table=t&key_base64=a/8%3D&value_base64=AP8%3D";
    assert_eq!(post(servers[0].http, path, Value::Null).0, 200);
    both_hold(&servers, b"k\xff", Some(b"\x00\xff"));
    assert_eq!(resolve(json!({ "table": "t", "key_base64": key, "delete": true })).0, 200);
    both_hold(&servers, b"k\xff", None);
    until("the alarm is over", || {
        let found = get(servers[0].http, "/api/v1/conflicts").1;
        found["undecided"] == json!([]) && found["conflicts"][0]["settled"].is_u64()
    });
}

#[test]
fn a_decided_conflict_is_undone() {
    let servers = conflict("newest");
    let found = listed(&servers, "conflicts");
    let noted = &found["conflicts"][0];
    assert_eq!((&noted["outcome"], &noted["policy"]), (&json!("collapsed"), &json!("newest")));
    assert_eq!(noted["kept"]["value"], "two");
    assert_eq!(noted["lost"][0]["value_base64"], "b25l/w==");
    assert_eq!((&noted["key_text"], &noted["settled"]), (&json!("k\u{fffd}"), &Value::Null));
    let undo = |body| post(servers[0].http, "/api/v1/conflicts/undo", body);
    refused(undo(json!({ "id": "nonsense" })), 404, &["nonsense", "default, t"]);
    let id = noted["id"].clone();
    refused(undo(json!({ "id": id, "table": "default" })), 404, &["no ledger of default"]);
    refused(undo(json!({ "id": id, "table": "x" })), 404, &["no table \"x\""]);
    refused(undo(json!({})), 400, &["missing field `id`"]);
    let (code, written) = undo(json!({ "id": id }));
    assert_eq!(code, 200, "{written}");
    both_hold(&servers, b"k\xff", Some(b"one\xff"));
    refused(undo(json!({ "id": id, "table": "t" })), 409, &["was written since"]);
    refused(get(servers[0].http, "/api/v1/conflicts?limit=0"), 400, &["from 1 to 100000"]);
    refused(get(servers[0].http, "/api/v1/conflicts?limit=x"), 400, &["limit", "invalid digit"]);
    refused(get(servers[0].http, "/api/v1/conflicts?table=x"), 404, &["no table \"x\""]);
}

#[test]
fn a_listing_has_the_newest_and_says_what_it_left_out() {
    let servers = pair();
    declare(&servers, &json!({ "name": "t", "policy": "merge_only" }));
    cut(&servers);
    for number in 0..20u8 {
        put(&servers[0], "t", &[number], b"one");
        put(&servers[1], "t", &[number], b"two");
    }
    heal(&servers);
    let path = "/api/v1/conflicts?limit=5";
    until("all wait", || get(servers[0].http, path).1["ledgers"]["t"]["undecided"] == 20);
    let found = get(servers[0].http, path).1;
    assert_eq!(found["conflicts"].as_array().unwrap().len(), 5);
    assert_eq!(found["undecided"].as_array().unwrap().len(), 5);
    assert_eq!(found["conflicts_left_out"], 15);
    assert_eq!(found["undecided_left_out"], 15);
    let all = get(servers[0].http, "/api/v1/conflicts").1;
    let times: Vec<u64> =
        all["conflicts"].as_array().unwrap().iter().map(|it| it["at"].as_u64().unwrap()).collect();
    assert!(times.len() == 20 && times.is_sorted_by(|one, next| one >= next), "{times:?}");
}

#[test]
fn joins_are_previewed_approved_and_chosen() {
    let servers = pair();
    declare(&servers, &json!({ "name": "t", "policy": "newest", "merge": "hold" }));
    let held = |server: &Server| {
        let tables = get(server.http, "/api/v1/tables").1["tables"].clone();
        tables.as_array().unwrap().iter().find(|it| it["name"] == "t").unwrap()["held"].clone()
    };
    let approve =
        |name: &str| post(servers[0].http, "/api/v1/tables/approve", json!({ "name": name }));
    refused(approve("x"), 404, &["\"x\""]);
    refused(approve("t"), 409, &["is not kept apart"]);
    let choose = |number: usize, name: &str| {
        post(servers[number].http, "/api/v1/tables/choose", json!({ "name": name }))
    };
    refused(choose(0, "x"), 404, &["\"x\""]);
    refused(choose(0, "t"), 409, &["is not kept apart"]);
    cut(&servers);
    put(&servers[0], "t", b"one", b"1");
    put(&servers[1], "t", b"\xff", b"2");
    heal(&servers);
    until("n1 has looked", || !held(&servers[0])[0]["preview"].is_null());
    let shown = held(&servers[0])[0].clone();
    assert_eq!((&shown["peer"], &shown["apart"]), (&json!("n2"), &json!(true)));
    assert_eq!(shown["preview"]["adds"], 1);
    assert_eq!(shown["preview"]["added"][0]["key_base64"], "/w==");
    assert_eq!(get(servers[0].http, "/ready").0, 200);
    assert_eq!(approve("t").0, 200);
    both_hold(&servers, b"one", Some(b"1"));
    both_hold(&servers, b"\xff", Some(b"2"));
    whole(&servers);
    let (_, status) = get(servers[0].http, "/api/v1/status");
    let synced = status["tables"].as_array().unwrap().iter().find(|it| it["name"] == "t").unwrap();
    assert_eq!((&synced["syncs"][0]["peer"], &synced["held"]), (&json!("n2"), &json!([])));

    cut(&servers);
    put(&servers[0], "t", b"one", b"again");
    put(&servers[1], "t", b"lone", b"3");
    heal(&servers);
    until("both sides know", || servers.iter().all(|it| held(it)[0]["apart"] == true));
    assert_eq!(choose(0, "t").0, 200);
    both_hold(&servers, b"lone", None);
    both_hold(&servers, b"one", Some(b"again"));
}

#[test]
fn convergence_and_digests() {
    let servers = pair();
    declare(&servers, &json!({ "name": "t" }));
    for number in 0..100u8 {
        put(&servers[0], "t", &[number], b"v");
    }
    let path = "/api/v1/converged?table=t";
    until("both are equal", || get(servers[0].http, path).1["tables"]["t"]["converged"] == true);
    let members = get(servers[0].http, "/api/v1/converged").1["tables"]["t"]["members"].clone();
    let equal = json!([
        { "node": "n2", "known": true, "lacks": 0, "ahead": 0, "differs": false }
    ]);
    assert_eq!(members, equal);
    let digest = |server: &Server| {
        let mut digest = Value::Null;
        until("the table is at rest", || {
            digest = get(server.http, "/api/v1/digest?table=t").1;
            digest["at_rest"] == true
        });
        digest
    };
    let (one, two) = (digest(&servers[0]), digest(&servers[1]));
    assert_eq!(one, two);
    assert_eq!(one["parts"].as_array().unwrap().len(), 256);
    assert!(one["seen"].as_object().unwrap().keys().all(|origin| origin.len() == 16), "{one}");
    let empty = "0".repeat(16);
    let part = one["parts"].as_array().unwrap().iter().position(|sum| *sum != *empty).unwrap();
    let path = format!("/api/v1/digest?table=t&part={part}");
    let keys = get(servers[0].http, &path).1;
    assert_eq!(keys, get(servers[1].http, &path).1);
    let first = &keys["keys"][0];
    assert!(first["key_base64"].is_string() && first["sum"].as_str().unwrap().len() == 16);

    cut(&servers);
    put(&servers[0], "t", b"alone", b"v");
    until("n2 is behind", || {
        let standing = &get(servers[0].http, "/api/v1/converged?table=t").1["tables"]["t"];
        standing["converged"] == false && standing["members"][0]["lacks"] == 1
    });
    refused(get(servers[0].http, "/api/v1/converged?table=x"), 404, &["no table \"x\""]);
    refused(get(servers[0].http, "/api/v1/digest"), 400, &["missing field `table`"]);
    refused(get(servers[0].http, "/api/v1/digest?table=x"), 404, &["no table \"x\""]);
    let path = "/api/v1/digest?table=t&part=256";
    refused(get(servers[0].http, path), 400, &["from 0 to 255"]);
}

#[test]
fn drills_cut_heal_and_rehearse() {
    let servers = pair();
    declare(&servers, &json!({ "name": "t" }));
    let drill = |path: &str| post(servers[0].http, &format!("/api/v1/drills/{path}"), Value::Null);
    assert_eq!(drill("rehearse?on=true").1, json!({ "cuts": [], "rehearsing": true }));
    assert_eq!(get(servers[0].http, "/api/v1/status").1["rehearsing"], true);
    // On both sides: it lasts until both have ended it.
    let other = post(servers[1].http, "/api/v1/drills/rehearse", json!({ "on": true }));
    assert_eq!(other.1["rehearsing"], true);
    assert_eq!(drill("cut?peer=n2").1["cuts"], json!(["n2"]));
    servers[1].node.cut("n1").unwrap();
    until("both are alone", || servers.iter().all(|it| it.node.status().links.is_empty()));
    put(&servers[0], "t", b"one", b"1");
    put(&servers[1], "t", b"two", b"2");
    servers[1].node.heal();
    assert_eq!(drill("heal").1["cuts"], json!([]));
    until("n1 shows what would come", || {
        let tables = get(servers[0].http, "/api/v1/tables").1["tables"].clone();
        let table = tables.as_array().unwrap().iter().find(|it| it["name"] == "t").unwrap();
        table["held"][0]["preview"]["adds"] == 1
    });
    assert_eq!(value(&servers[0], "t", b"two"), None);
    assert_eq!(drill("rehearse?on=false").1, json!({ "cuts": [], "rehearsing": false }));
    assert_eq!(value(&servers[0], "t", b"two"), None);
    post(servers[1].http, "/api/v1/drills/rehearse", json!({ "on": false }));
    both_hold(&servers, b"two", Some(b"2"));
    both_hold(&servers, b"one", Some(b"1"));
    refused(drill("rehearse"), 400, &["missing field `on`"]);
    refused(drill("rehearse?on=maybe"), 400, &["on"]);
    refused(drill("cut?peer=n9"), 404, &["no member is called `n9`", "n2"]);
    refused(drill("cut"), 400, &["say whom to cut off"]);
}

#[test]
fn drills_need_the_flag_and_the_rest_does_not() {
    let server = Server::named("n1", &[], Settings::default(), false);
    for path in ["cut?peer=n2", "heal", "rehearse?on=true"] {
        let answer = post(server.http, &format!("/api/v1/drills/{path}"), Value::Null);
        refused(answer, 403, &["--drills"]);
    }
    assert!(!server.node.status().rehearsing);
    declare(&[server], &json!({ "name": "t" }));
}

#[test]
fn bodies_that_are_too_much_and_pages_of_other_sites_are_refused() {
    let server = server();
    let create = "/api/v1/tables/create";
    let both = post(server.http, &format!("{create}?name=x"), json!({ "name": "x" }));
    refused(both, 400, &["not in both"]);
    let large = json!({ "table": "default", "key": "k", "value": "v".repeat(2 << 20) });
    let answer = web::request(
        server.http,
        "POST",
        "/api/v1/conflicts/resolve",
        "",
        &large.to_string()[..1_100_000],
    );
    assert!(answer.0 == 400 && answer.1.contains("at most 1048576 bytes"), "{answer:?}");
    let foreign = "Origin: http://evil.example\r\n";
    let answer = web::request(server.http, "POST", create, foreign, r#"{"name":"x"}"#);
    assert!(answer.0 == 403 && answer.1.contains("another site"), "{answer:?}");
    assert!(server.node.raw_table("x").is_none());
    let own = format!("Origin: http://{}\r\n", server.http);
    let answer = web::request(server.http, "POST", create, &own, r#"{"name":"x"}"#);
    assert_eq!(answer.0, 200, "{answer:?}");
}
