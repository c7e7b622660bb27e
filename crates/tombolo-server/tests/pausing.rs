//! Tables that are paused over the Redis protocol.

mod support;

use support::{Server, until};
use tombolo_server::resp::Settings;

#[test]
fn writes_wait_until_the_last_pause_ends_and_are_made_in_order() {
    let server = Server::start(Settings::default());
    let (mut operator, mut writer) = (server.connect(), server.connect());
    operator.ask("set k 0", "+OK|");
    operator.ask("tombolo pause default", "+OK|");
    operator.ask("tombolo pause default", "+OK|");
    writer.send("set k 1\r\nget k\r\ndel k\r\nset k 2\r\nflushdb\r\nset k 3\r\nget k\r\n");
    operator.ask("get k", "$1|0|");
    operator.ask("tombolo unpause default", "+OK|");
    operator.ask("get k", "$1|0|");
    operator.ask("tombolo unpause default", "+OK|");
    writer.expect("+OK\r\n$1\r\n1\r\n:1\r\n+OK\r\n+OK\r\n+OK\r\n$1\r\n3\r\n");
    operator.ask("get k", "$1|3|");
}

#[test]
fn a_pause_ends_with_its_connection() {
    let server = Server::start(Settings::default());
    let (mut operator, mut writer) = (server.connect(), server.connect());
    operator.ask("tombolo pause default", "+OK|");
    writer.send("set k 1\r\n");
    drop(operator);
    writer.expect("+OK\r\n");
    let mut operator = server.connect();
    operator.ask("tombolo pause default", "+OK|");
    operator.ask("reset", "+RESET|");
    operator.ask("set k 2", "+OK|");
}

#[test]
fn what_cannot_be_is_refused_and_leaves_all_as_it_was() {
    let server = Server::start(Settings::default());
    let mut client = server.connect();
    client.refused("tombolo unpause default", &["this connection has not paused table"]);
    client.refused("tombolo pause nothing", &["there is no table \"nothing\""]);
    client.ask("tombolo pause default", "+OK|");
    client.refused("set k 1", &["this connection has paused the table", "UNPAUSE"]);
    let other = &mut server.connect();
    other.refused("tombolo unpause default", &["this connection has not paused table"]);
    client.ask("get k", "$-1|");
    until("the status shows it", || {
        let status = client.call("tombolo status").to_string();
        status.contains("table default is paused on this node") || status.contains("\"guards\",1")
    });
    client.ask("tombolo unpause default", "+OK|");
    client.ask("set k 1", "+OK|");
}
