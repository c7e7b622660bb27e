//! The one table of commands. Dispatch, arity checks, COMMAND and the HELP texts all read it.

use super::{
    super::{parser::Args, reply::Reply, session::Session},
    Executed, bags, clients, config, conflicts, expiry, greeting, info, introspection, keys,
    ordered, pause, receipts, scan, serial, set, strings, tables, wait,
};

/// What a command is and how it is executed.
pub(crate) struct Spec {
    /// In lower case; a subcommand's with its command's in front, as in `client|list`.
    pub(crate) name: &'static str,
    /// The number of words, the name included; if negative, at least so many.
    pub(crate) arity: i64,
    flags: u16,
    pub(crate) keys: Keys,
    pub(crate) group: &'static str,
    /// The words after the name, in the notation of Redis's manual.
    pub(crate) usage: &'static str,
    pub(crate) summary: &'static str,
    pub(crate) run: Run,
    pub(crate) subcommands: &'static [Spec],
}

pub(crate) type Run = fn(&mut Session, Args<'_>, &mut Reply) -> Executed;

/// Which words are keys: the first, the last (negative: from the end), and every how many.
#[derive(Clone, Copy)]
pub(crate) struct Keys(pub(crate) i64, pub(crate) i64, pub(crate) i64);

/// Reads the selected table.
pub(crate) const READ: u16 = 1;
/// Writes to the selected table.
pub(crate) const WRITE: u16 = 1 << 1;
/// Takes a short time whatever the table holds.
pub(crate) const FAST: u16 = 1 << 2;
/// Clients that have not authenticated may say it.
pub(crate) const NO_AUTH: u16 = 1 << 3;
/// Concerns the server rather than the data.
pub(crate) const ADMIN: u16 = 1 << 4;
/// Needs a table that has one value a key.
pub(crate) const VALUES: u16 = 1 << 5;
/// Needs a bag.
pub(crate) const OBJECTS: u16 = 1 << 6;

impl Spec {
    /// The last part of the name.
    pub(crate) fn own_name(&self) -> &'static str {
        self.name.rsplit_once('|').map_or(self.name, |(_, own)| own)
    }

    pub(crate) fn takes(&self, words: usize) -> bool {
        let words = words as i64;
        if self.arity < 0 { words >= -self.arity } else { words == self.arity }
    }

    /// Says whether any of the flags is set.
    pub(crate) fn has(&self, flags: u16) -> bool {
        self.flags & flags != 0
    }

    const fn with(self, subcommands: &'static [Spec]) -> Spec {
        Spec { subcommands, ..self }
    }
}

const NONE: Keys = Keys(0, 0, 0);
const ONE: Keys = Keys(1, 1, 1);
const ALL: Keys = Keys(1, -1, 1);
const PAIRS: Keys = Keys(1, -1, 2);

#[expect(clippy::too_many_arguments, reason = "one row of a table, and the rows are aligned")]
const fn row(
    name: &'static str,
    arity: i64,
    flags: u16,
    keys: Keys,
    group: &'static str,
    usage: &'static str,
    summary: &'static str,
    run: Run,
) -> Spec {
    Spec { name, arity, flags, keys, group, usage, summary, run, subcommands: &[] }
}

/// A subcommand: it has no keys, and its group is its command's.
const fn sub(
    name: &'static str,
    arity: i64,
    flags: u16,
    usage: &'static str,
    summary: &'static str,
    run: Run,
) -> Spec {
    row(name, arity, flags, NONE, "", usage, summary, run)
}

/// Every command, by group.
#[rustfmt::skip]
pub(crate) const COMMANDS: &[Spec] = &[
    row("get", 2, READ | FAST | VALUES, ONE, "string", "key",
        "The value of a key.", strings::get),
    row("set", -3, WRITE | VALUES, ONE, "string",
        "key value [NX|XX] [GET] [EX seconds|PX ms|EXAT unix-seconds|PXAT unix-ms|KEEPTTL]",
        "Sets a key, with conditions and an expiry on demand.", set::set),
    row("setex", 4, WRITE | VALUES, ONE, "string", "key seconds value",
        "Sets a key that expires after some seconds.", set::setex),
    row("psetex", 4, WRITE | VALUES, ONE, "string", "key milliseconds value",
        "Sets a key that expires after some milliseconds.", set::psetex),
    row("setnx", 3, WRITE | FAST | VALUES, ONE, "string", "key value",
        "Sets a key if it does not exist.", serial::setnx),
    row("mset", -3, WRITE | VALUES, PAIRS, "string", "key value [key value ...]",
        "Sets several keys together.", set::mset),
    row("mget", -2, READ | FAST | VALUES, ALL, "string", "key [key ...]",
        "The values of several keys.", strings::mget),
    row("getset", 3, WRITE | FAST | VALUES, ONE, "string", "key value",
        "Sets a key and returns its old value.", serial::getset),
    row("getdel", 2, WRITE | FAST | VALUES, ONE, "string", "key",
        "Deletes a key and returns its value.", serial::getdel),
    row("getex", -2, WRITE | FAST | VALUES, ONE, "string",
        "key [EX seconds|PX ms|EXAT unix-seconds|PXAT unix-ms|PERSIST]",
        "The value of a key, whose expiry is changed on demand.", strings::getex),
    row("incr", 2, WRITE | FAST | VALUES, ONE, "string", "key",
        "Adds one to a number.", serial::incr),
    row("decr", 2, WRITE | FAST | VALUES, ONE, "string", "key",
        "Takes one from a number.", serial::decr),
    row("incrby", 3, WRITE | FAST | VALUES, ONE, "string", "key increment",
        "Adds to a number.", serial::incrby),
    row("decrby", 3, WRITE | FAST | VALUES, ONE, "string", "key decrement",
        "Takes from a number.", serial::decrby),
    row("incrbyfloat", 3, WRITE | FAST | VALUES, ONE, "string", "key increment",
        "Adds to a number with a fraction.", serial::incrbyfloat),
    row("append", 3, WRITE | FAST | VALUES, ONE, "string", "key value",
        "Adds bytes to the end of a value.", serial::append),
    row("strlen", 2, READ | FAST | VALUES, ONE, "string", "key",
        "The length of a value.", strings::strlen),

    row("sadd", -3, WRITE | FAST | OBJECTS, ONE, "set", "key member [member ...]",
        "Adds objects to a key of a bag.", bags::sadd),
    row("srem", -3, WRITE | FAST | OBJECTS, ONE, "set", "key member [member ...]",
        "Deletes objects of a key of a bag.", bags::srem),
    row("smembers", 2, READ | OBJECTS, ONE, "set", "key",
        "The objects of a key of a bag.", bags::smembers),
    row("sismember", 3, READ | FAST | OBJECTS, ONE, "set", "key member",
        "Whether a key of a bag has an object.", bags::sismember),
    row("smismember", -3, READ | FAST | OBJECTS, ONE, "set", "key member [member ...]",
        "Which of some objects a key of a bag has.", bags::smismember),
    row("scard", 2, READ | OBJECTS, ONE, "set", "key",
        "How many objects a key of a bag has.", bags::scard),

    row("del", -2, WRITE, ALL, "generic", "key [key ...]",
        "Deletes keys.", keys::del),
    row("unlink", -2, WRITE | FAST, ALL, "generic", "key [key ...]",
        "Deletes keys, as DEL does.", keys::del),
    row("exists", -2, READ | FAST, ALL, "generic", "key [key ...]",
        "How many of the keys exist.", keys::exists),
    row("type", 2, READ | FAST, ONE, "generic", "key",
        "The type of a value: string, set or none.", keys::type_of),
    row("expire", -3, WRITE | FAST | VALUES, ONE, "generic", "key seconds [NX|XX|GT|LT]",
        "Lets a key expire after some seconds.", expiry::expire),
    row("pexpire", -3, WRITE | FAST | VALUES, ONE, "generic", "key milliseconds [NX|XX|GT|LT]",
        "Lets a key expire after some milliseconds.", expiry::pexpire),
    row("expireat", -3, WRITE | FAST | VALUES, ONE, "generic", "key unix-seconds [NX|XX|GT|LT]",
        "Lets a key expire at a time in seconds.", expiry::expireat),
    row("pexpireat", -3, WRITE | FAST | VALUES, ONE, "generic",
        "key unix-milliseconds [NX|XX|GT|LT]",
        "Lets a key expire at a time in milliseconds.", expiry::pexpireat),
    row("ttl", 2, READ | FAST | VALUES, ONE, "generic", "key",
        "The seconds that a key has left.", expiry::ttl),
    row("pttl", 2, READ | FAST | VALUES, ONE, "generic", "key",
        "The milliseconds that a key has left.", expiry::pttl),
    row("expiretime", 2, READ | FAST | VALUES, ONE, "generic", "key",
        "When a key expires, in seconds.", expiry::expiretime),
    row("pexpiretime", 2, READ | FAST | VALUES, ONE, "generic", "key",
        "When a key expires, in milliseconds.", expiry::pexpiretime),
    row("persist", 2, WRITE | FAST | VALUES, ONE, "generic", "key",
        "Takes a key's expiry away.", expiry::persist),
    row("scan", -2, READ, NONE, "generic", "cursor [MATCH pattern] [COUNT count] [TYPE type]",
        "Some of the keys, and a cursor for the next.", scan::scan),
    row("keys", 2, READ, NONE, "generic", "pattern",
        "All keys that match a pattern.", scan::keys),
    row("randomkey", 1, READ | VALUES, NONE, "generic", "",
        "Any key.", keys::randomkey),
    row("wait", 3, 0, NONE, "generic", "numreplicas timeout",
        "Waits until peers have acknowledged this connection's writes.", wait::wait),

    row("dbsize", 1, READ | FAST, NONE, "server", "",
        "The number of keys.", keys::dbsize),
    row("flushdb", -1, WRITE, NONE, "server", "[ASYNC|SYNC]",
        "Deletes every key of the selected table.", keys::flushdb),
    row("info", -1, 0, NONE, "server", "[section ...]",
        "Facts about the server.", info::info),
    row("command", -1, 0, NONE, "server", "",
        "Describes the commands.", introspection::command).with(&[
        sub("command|count", 2, 0, "", "The number of commands.", introspection::count),
        sub("command|docs", -2, 0, "[command-name ...]", "What commands do.", introspection::docs),
        sub("command|info", -2, 0, "[command-name ...]", "How commands are called.",
            introspection::info),
        sub("command|list", -2, 0, "[FILTERBY MODULE name|ACLCAT category|PATTERN pattern]",
            "The names of the commands.", introspection::list),
        sub("command|help", 2, 0, "", "This text.", introspection::help),
    ]),
    row("config", -2, ADMIN, NONE, "server", "",
        "Settings under the names that Redis gives them.", config::incomplete).with(&[
        sub("config|get", -3, ADMIN, "pattern [pattern ...]", "Settings that match a pattern.",
            config::get),
        sub("config|set", -4, ADMIN, "parameter value [parameter value ...]",
            "Always refused: settings are given at the start.", config::set),
        sub("config|help", 2, 0, "", "This text.", introspection::help),
    ]),
    row("tombolo", -2, 0, NONE, "server", "",
        "What Redis has no command for.", config::incomplete).with(&[
        sub("tombolo|status", 2, 0, "", "The cluster as this node sees it.", tables::status),
        sub("tombolo|tables", 2, 0, "", "The tables.", tables::list),
        sub("tombolo|create", -3, 0,
            "name [KIND set|ordered_set|bag] [POLICY policy] [OWNER_DOWN keep|hide] \
             [MERGE auto|hold] [TTL milliseconds] [FRAGMENTS count] \
             [QUORUM members]",
            "Creates a table on every node.", tables::create),
        sub("tombolo|alter", -3, 0,
            "name [POLICY policy] [OWNER_DOWN keep|hide] [MERGE auto|hold] [TTL milliseconds|0]",
            "Alters a table on every node.", tables::alter),
        sub("tombolo|pause", 3, 0, "table",
            "Has a table stand still on this node until this connection says UNPAUSE or ends.",
            pause::pause),
        sub("tombolo|unpause", 3, 0, "table", "Ends a PAUSE of this connection.", pause::unpause),
        sub("tombolo|progress", 2, 0, "", "How far tables have come that are being filled.",
            tables::progress),
        sub("tombolo|converged", -2, 0, "[table]",
            "Whether every member has the same, or who is behind.", tables::converged),
        sub("tombolo|approve", 3, 0, "table",
            "Lets a table join those that it is kept apart from.", tables::approve),
        sub("tombolo|choose", 3, 0, "table",
            "Lets the others take over this node's side of a table.", tables::choose),
        sub("tombolo|conflicts", -2, 0, "[TABLE table] [LIMIT count]",
            "What merges discarded or could not decide.", conflicts::list),
        sub("tombolo|siblings", 3, READ, "key", "All values of a key.", conflicts::siblings),
        sub("tombolo|resolve", -5, 0, "table key TAKE dot|VALUE value|DELETE",
            "Decides what a key holds.", conflicts::resolve),
        sub("tombolo|undo", 3, 0, "id", "Undoes what a merge decided.", conflicts::undo),
        sub("tombolo|receipt", 2, 0, "", "The name of this connection's latest write.",
            receipts::receipt),
        sub("tombolo|waitfor", 4, 0, "ALL|STABLE|nodes milliseconds",
            "Waits until others have this connection's latest write.", receipts::waitfor),
        sub("tombolo|range", -4, READ, "from to [REV] [LIMIT count]",
            "Records of an ordered table by their keys.", ordered::range),
        sub("tombolo|first", 2, READ, "", "The record with the lowest key.", ordered::first),
        sub("tombolo|last", 2, READ, "", "The record with the greatest key.", ordered::last),
        sub("tombolo|next", 3, READ, "key", "The record with the next greater key.",
            ordered::next),
        sub("tombolo|previous", 3, READ, "key", "The record with the next lower key.",
            ordered::previous),
        sub("tombolo|fingerprint", -2, 0, "[table]",
            "A number that is equal on nodes with equal content.", tables::fingerprint),
        sub("tombolo|help", 2, 0, "", "This text.", introspection::help),
    ]),

    row("ping", -1, FAST, NONE, "connection", "[message]",
        "Answers PONG, or the message.", greeting::ping),
    row("echo", 2, FAST, NONE, "connection", "message",
        "Answers the message.", greeting::echo),
    row("hello", -1, FAST | NO_AUTH, NONE, "connection",
        "[protover [AUTH username password] [SETNAME clientname]]",
        "Chooses the version of the protocol.", greeting::hello),
    row("auth", -2, FAST | NO_AUTH, NONE, "connection", "[username] password",
        "Authenticates the connection.", greeting::auth),
    row("select", 2, FAST, NONE, "connection", "index|table",
        "Selects a table by its number or its name.", greeting::select),
    row("quit", -1, FAST | NO_AUTH, NONE, "connection", "",
        "Ends the connection.", greeting::quit),
    row("reset", 1, FAST | NO_AUTH, NONE, "connection", "",
        "Makes the connection as it was at first.", greeting::reset),
    row("client", -2, 0, NONE, "connection", "",
        "Tells about connections.", config::incomplete).with(&[
        sub("client|id", 2, 0, "", "The number of this connection.", clients::id),
        sub("client|getname", 2, 0, "", "The name of this connection.", clients::getname),
        sub("client|setname", 3, 0, "connection-name", "Names this connection.",
            clients::setname),
        sub("client|setinfo", 4, 0, "LIB-NAME libname|LIB-VER libver",
            "Tells which library the client uses.", clients::setinfo),
        sub("client|info", 2, 0, "", "Facts about this connection.", clients::info),
        sub("client|list", -2, ADMIN, "[TYPE NORMAL|MASTER|REPLICA|PUBSUB] [ID id [id ...]]",
            "Facts about all connections.", clients::list),
        sub("client|no-evict", 3, ADMIN, "ON|OFF", "Accepted; nothing is ever evicted.",
            clients::on_off),
        sub("client|no-touch", 3, 0, "ON|OFF", "Accepted; reading changes nothing here.",
            clients::on_off),
        sub("client|help", 2, 0, "", "This text.", introspection::help),
    ]),
];
