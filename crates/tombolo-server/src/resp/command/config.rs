//! CONFIG: the settings that clients and tools ask for, under Redis's names.

use super::{
    super::{failure::Failure, glob, parser::Args, reply::Reply, session::Session, shared},
    Executed, Flow,
};

/// Runs for a command that has subcommands and was called without one: the arity check comes
/// before it, so it never does.
pub(crate) fn incomplete(_: &mut Session, _: Args<'_>, _: &mut Reply) -> Executed {
    Err(Failure::Syntax)
}

pub(crate) fn get(session: &mut Session, args: Args<'_>, reply: &mut Reply) -> Executed {
    let settings = &session.shared.settings;
    let idle_seconds = settings.idle_timeout.map_or(0, |limit| limit.as_secs());
    let all: [(&str, String); 12] = [
        ("maxclients", settings.max_connections.to_string()),
        ("proto-max-bulk-len", settings.max_bulk.to_string()),
        ("databases", shared::DATABASES.to_string()),
        ("port", session.shared.port.to_string()),
        ("timeout", idle_seconds.to_string()),
        ("save", String::new()),
        ("appendonly", "no".to_owned()),
        ("maxmemory", "0".to_owned()),
        ("maxmemory-policy", "noeviction".to_owned()),
        ("cluster-enabled", "no".to_owned()),
        ("io-threads", "1".to_owned()),
        ("notify-keyspace-events", String::new()),
    ];
    let wanted = |name: &str| {
        args.from(2).any(|pattern| glob::matches(&pattern.to_ascii_lowercase(), name.as_bytes()))
    };
    let found: Vec<_> = all.iter().filter(|(name, _)| wanted(name)).collect();
    reply.map(found.len());
    for (name, value) in found {
        reply.text(name);
        reply.text(value);
    }
    Ok(Flow::Next)
}

pub(crate) fn set(_: &mut Session, _: Args<'_>, _: &mut Reply) -> Executed {
    Err(Failure::other(
        "ERR CONFIG SET is not supported: settings are given when the node starts, by flags, \
         environment variables or its configuration file",
    ))
}
