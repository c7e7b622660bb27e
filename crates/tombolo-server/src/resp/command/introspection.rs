//! COMMAND and the HELP of commands with subcommands: the table of commands told to clients.

use super::{
    super::{failure::Failure, glob, parser::Args, reply::Reply, session::Session},
    Executed, Flow, lookup,
    spec::{ADMIN, COMMANDS, FAST, Keys, NO_AUTH, READ, Spec, WRITE},
};

/// The version of Tombolo that first had the commands.
const SINCE: &str = "0.1.0";

pub(crate) fn command(_: &mut Session, _: Args<'_>, reply: &mut Reply) -> Executed {
    reply.array(COMMANDS.len());
    COMMANDS.iter().for_each(|spec| describe(spec, spec.group, reply));
    Ok(Flow::Next)
}

pub(crate) fn count(_: &mut Session, _: Args<'_>, reply: &mut Reply) -> Executed {
    reply.count(COMMANDS.len());
    Ok(Flow::Next)
}

pub(crate) fn info(session: &mut Session, args: Args<'_>, reply: &mut Reply) -> Executed {
    if args.len() == 2 {
        return command(session, args, reply);
    }
    reply.array(args.len() - 2);
    for name in args.from(2) {
        match find(name) {
            Some((spec, group)) => describe(spec, group, reply),
            None => reply.null(),
        }
    }
    Ok(Flow::Next)
}

pub(crate) fn docs(_: &mut Session, args: Args<'_>, reply: &mut Reply) -> Executed {
    let found: Vec<_> = match args.len() {
        2 => COMMANDS.iter().map(|spec| (spec, spec.group)).collect(),
        _ => args.from(2).filter_map(find).collect(),
    };
    reply.map(found.len());
    found.into_iter().for_each(|(spec, group)| document(spec, group, reply));
    Ok(Flow::Next)
}

pub(crate) fn list(_: &mut Session, args: Args<'_>, reply: &mut Reply) -> Executed {
    let filter: fn(&Spec, &[u8]) -> bool = match (args.get(2), args.get(3), args.len()) {
        (None, ..) => |_, _| true,
        (Some(by), Some(what), 5) if by.eq_ignore_ascii_case(b"filterby") => {
            match what.to_ascii_lowercase().as_slice() {
                // There are no modules, so no command is any module's.
                b"module" => |_, _| false,
                b"aclcat" => |spec, value| {
                    let wanted = value.to_ascii_lowercase();
                    categories(spec, spec.group).iter().any(|own| own.as_bytes()[1..] == wanted)
                },
                b"pattern" => {
                    |spec, value| glob::matches(&value.to_ascii_lowercase(), spec.name.as_bytes())
                }
                _ => return Err(Failure::Syntax),
            }
        }
        _ => return Err(Failure::Syntax),
    };
    let value = args.get(4).unwrap_or_default();
    let names: Vec<_> = COMMANDS.iter().filter(|spec| filter(spec, value)).collect();
    reply.array(names.len());
    names.iter().for_each(|spec| reply.text(spec.name));
    Ok(Flow::Next)
}

/// HELP of any command with subcommands, in Redis's layout.
pub(crate) fn help(_: &mut Session, args: Args<'_>, reply: &mut Reply) -> Executed {
    let Some((_, spec)) = lookup::find(args.at(0)) else { return Err(Failure::Syntax) };
    let name = spec.name.to_ascii_uppercase();
    reply.array(1 + 2 * spec.subcommands.len());
    reply.simple(&format!("{name} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"));
    for sub in spec.subcommands {
        let line = format!("{} {}", sub.own_name().to_ascii_uppercase(), sub.usage);
        reply.simple(line.trim_end());
        reply.simple(&format!("    {}", sub.summary));
    }
    Ok(Flow::Next)
}

/// A command, or a subcommand written as `command|subcommand`, and its group.
fn find(name: &[u8]) -> Option<(&'static Spec, &'static str)> {
    let mut parts = name.splitn(2, |byte| *byte == b'|');
    let (number, spec) = lookup::find(parts.next()?)?;
    match parts.next() {
        None => Some((spec, spec.group)),
        Some(own) => lookup::find_subcommand(number, spec, own).map(|(_, sub)| (sub, spec.group)),
    }
}

/// The ten elements of COMMAND INFO.
fn describe(spec: &Spec, group: &str, reply: &mut Reply) {
    let Keys(first, last, step) = spec.keys;
    let flags = flags(spec);
    let categories = categories(spec, group);
    reply.array(10);
    reply.text(spec.name);
    reply.integer(spec.arity);
    reply.set(flags.len());
    flags.iter().for_each(|flag| reply.simple(flag));
    [first, last, step].iter().for_each(|place| reply.integer(*place));
    reply.set(categories.len());
    categories.iter().for_each(|category| reply.simple(category));
    // Tips for proxies, and key specifications, which say no more than the three places above.
    reply.set(0);
    reply.set(0);
    reply.set(spec.subcommands.len());
    spec.subcommands.iter().for_each(|sub| describe(sub, group, reply));
}

fn document(spec: &Spec, group: &str, reply: &mut Reply) {
    reply.text(spec.name);
    reply.map(if spec.subcommands.is_empty() { 3 } else { 4 });
    reply.text("summary");
    reply.text(spec.summary);
    reply.text("since");
    reply.text(SINCE);
    reply.text("group");
    reply.text(group);
    if !spec.subcommands.is_empty() {
        reply.text("subcommands");
        reply.map(spec.subcommands.len());
        spec.subcommands.iter().for_each(|sub| document(sub, group, reply));
    }
}

fn flags(spec: &Spec) -> Vec<&'static str> {
    let names = [
        (READ, "readonly"),
        (WRITE, "write"),
        (FAST, "fast"),
        (NO_AUTH, "no_auth"),
        (ADMIN, "admin"),
    ];
    let mut flags: Vec<_> =
        names.into_iter().filter(|(flag, _)| spec.has(*flag)).map(|(_, name)| name).collect();
    if !spec.has(READ | WRITE) {
        // It is answered while the table is still loading, too.
        flags.extend(["loading", "stale"]);
    }
    flags
}

fn categories(spec: &Spec, group: &str) -> Vec<&'static str> {
    let mut categories = vec![if spec.has(FAST) { "@fast" } else { "@slow" }];
    categories.extend(match group {
        "string" => Some("@string"),
        "set" => Some("@set"),
        "generic" => Some("@keyspace"),
        "connection" => Some("@connection"),
        _ => None,
    });
    let by_flag = [(READ, "@read"), (WRITE, "@write"), (ADMIN, "@admin")];
    categories
        .extend(by_flag.into_iter().filter(|(flag, _)| spec.has(*flag)).map(|(_, name)| name));
    categories
}
