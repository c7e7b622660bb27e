//! INFO: facts about the server, in the sections and under the names that Redis uses.

use std::{
    fmt::{self, Write},
    fs, process,
    sync::atomic::Ordering,
};

use tombolo::Status;

use super::{
    super::{
        parser::Args,
        reply::Reply,
        session::Session,
        shared::{DATABASES, REDIS_VERSION, Shared},
    },
    Executed, Flow,
};

type Section = fn(&Shared, &Status, &mut String) -> fmt::Result;

const SECTIONS: [(&str, Section); 7] = [
    ("Server", server),
    ("Clients", clients),
    ("Memory", memory),
    ("Stats", stats),
    ("Replication", replication),
    ("Tombolo", tombolo),
    ("Keyspace", keyspace),
];

pub(crate) fn info(session: &mut Session, args: Args<'_>, reply: &mut Reply) -> Executed {
    let status = session.shared.node.status();
    let mut text = String::new();
    for (name, write) in SECTIONS {
        let wanted = args.len() == 1 || args.from(1).any(|word| is_wanted(name, word));
        if wanted {
            if !text.is_empty() {
                text.push_str("\r\n");
            }
            text += &format!("# {name}\r\n");
            // Writing to a string cannot fail.
            let _ = write(&session.shared, &status, &mut text);
        }
    }
    reply.verbatim(&text);
    Ok(Flow::Next)
}

fn is_wanted(name: &str, word: &[u8]) -> bool {
    let words: [&[u8]; 4] = [name.as_bytes(), b"default", b"all", b"everything"];
    words.iter().any(|known| known.eq_ignore_ascii_case(word))
}

fn server(shared: &Shared, status: &Status, text: &mut String) -> fmt::Result {
    let uptime = shared.started.elapsed().as_secs();
    write!(text, "redis_version:{REDIS_VERSION}\r\n")?;
    write!(text, "tombolo_version:{}\r\n", status.version)?;
    write!(text, "redis_mode:standalone\r\n")?;
    write!(text, "os:{} {}\r\n", std::env::consts::OS, std::env::consts::ARCH)?;
    write!(text, "arch_bits:{}\r\n", usize::BITS)?;
    write!(text, "process_id:{}\r\n", process::id())?;
    write!(text, "run_id:{}\r\n", shared.run_id)?;
    write!(text, "tcp_port:{}\r\n", shared.port)?;
    write!(text, "server_time_usec:{}\r\n", tombolo::unix_millis() * 1000)?;
    write!(text, "uptime_in_seconds:{uptime}\r\n")?;
    write!(text, "uptime_in_days:{}\r\n", uptime / 86_400)
}

fn clients(shared: &Shared, _: &Status, text: &mut String) -> fmt::Result {
    write!(text, "connected_clients:{}\r\n", shared.registry.len())?;
    write!(text, "maxclients:{}\r\n", shared.settings.max_connections)
}

/// What the process takes as a whole; the tables' part of it is not known separately.
fn memory(_: &Shared, _: &Status, text: &mut String) -> fmt::Result {
    let bytes = resident_bytes().unwrap_or(0);
    write!(text, "used_memory:{bytes}\r\nused_memory_rss:{bytes}\r\n")?;
    write!(text, "maxmemory:0\r\nmaxmemory_policy:noeviction\r\n")
}

/// From the kernel where it is Linux, unknown elsewhere.
fn resident_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kibibytes * 1024)
}

fn stats(shared: &Shared, _: &Status, text: &mut String) -> fmt::Result {
    let counters = [
        ("total_connections_received", &shared.connections_received),
        ("total_commands_processed", &shared.commands_processed),
        ("rejected_connections", &shared.connections_rejected),
    ];
    for (name, counter) in counters {
        write!(text, "{name}:{}\r\n", counter.load(Ordering::Relaxed))?;
    }
    Ok(())
}

/// Every node takes writes, so tools that know masters and replicas see a master.
fn replication(_: &Shared, status: &Status, text: &mut String) -> fmt::Result {
    write!(text, "role:master\r\nconnected_slaves:0\r\n")?;
    write!(text, "tombolo_links:{}\r\n", status.links.len())
}

fn tombolo(_: &Shared, status: &Status, text: &mut String) -> fmt::Result {
    write!(text, "node:{}\r\n", status.name)?;
    write!(text, "cluster:{}\r\n", status.cluster)?;
    write!(text, "cluster_address:{}\r\n", status.address)?;
    write!(text, "summary:{}\r\n", status.verdict_line)?;
    write!(text, "members:{}\r\n", status.members.len())?;
    for table in &status.tables {
        write!(
            text,
            "table_{}:records={},fingerprint={:016x},complete={}\r\n",
            table.name, table.records, table.fingerprint, table.complete
        )?;
    }
    Ok(())
}

/// Only numbered tables, and as in Redis only those that hold something. How many of the keys
/// expire is not counted.
fn keyspace(shared: &Shared, _: &Status, text: &mut String) -> fmt::Result {
    for database in 0..DATABASES as u8 {
        let table = shared.node.raw_table(&Shared::table_name(database));
        let keys = table.map_or(0, |table| table.len());
        if keys > 0 {
            write!(text, "db{database}:keys={keys},expires=0,avg_ttl=0\r\n")?;
        }
    }
    Ok(())
}
