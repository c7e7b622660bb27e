//! TOMBOLO: the cluster and its tables.

use tombolo::{Declaration, LinkStatus, MemberStatus, TableStatus};

use super::{
    super::{
        failure::{Failure, quoted},
        parser::Args,
        reply::Reply,
        session::Session,
        shared::{PATIENCE, Shared},
    },
    Executed, Flow, Slow,
};

pub(crate) fn status(session: &mut Session, _: Args<'_>, reply: &mut Reply) -> Executed {
    let status = session.shared.node.status();
    reply.map(8);
    text_field("name", &status.name, reply);
    text_field("cluster", &status.cluster, reply);
    text_field("version", status.version, reply);
    text_field("address", &status.address, reply);
    text_field("summary", &status.verdict_line, reply);
    array_field("members", &status.members, member, reply);
    array_field("links", &status.links, link, reply);
    array_field("tables", &status.tables, table, reply);
    Ok(Flow::Next)
}

pub(crate) fn list(session: &mut Session, _: Args<'_>, reply: &mut Reply) -> Executed {
    let tables = session.shared.node.status().tables;
    reply.array(tables.len());
    tables.iter().for_each(|one| table(one, reply));
    Ok(Flow::Next)
}

fn member(member: &MemberStatus, reply: &mut Reply) {
    reply.map(5);
    text_field("name", &member.name, reply);
    text_field("address", &member.address, reply);
    text_field("state", &format!("{:?}", member.state).to_lowercase(), reply);
    number_field("since", member.since, reply);
    reply.text("self");
    reply.boolean(member.is_self);
}

fn link(link: &LinkStatus, reply: &mut Reply) {
    reply.map(4);
    text_field("peer", &link.peer, reply);
    number_field("lag_ops", link.lag_ops, reply);
    number_field("lag_bytes", link.lag_bytes, reply);
    reply.text("round_trip_ms");
    reply.double(link.round_trip_micros as f64 / 1000.0);
}

fn table(table: &TableStatus, reply: &mut Reply) {
    reply.map(7);
    text_field("name", &table.name, reply);
    text_field("declaration", &table.declaration.to_string(), reply);
    number_field("records", table.records as u64, reply);
    number_field("tombstones", table.tombstones as u64, reply);
    text_field("fingerprint", &format!("{:016x}", table.fingerprint), reply);
    reply.text("writable");
    reply.boolean(table.writable);
    reply.text("complete");
    reply.boolean(table.complete);
}

fn text_field(name: &str, value: &str, reply: &mut Reply) {
    reply.text(name);
    reply.text(value);
}

fn number_field(name: &str, value: u64, reply: &mut Reply) {
    reply.text(name);
    reply.integer(i64::try_from(value).unwrap_or(i64::MAX));
}

fn array_field<T>(name: &str, items: &[T], write: fn(&T, &mut Reply), reply: &mut Reply) {
    reply.text(name);
    reply.array(items.len());
    items.iter().for_each(|item| write(item, reply));
}

pub(crate) fn fingerprint(session: &mut Session, args: Args<'_>, reply: &mut Reply) -> Executed {
    let table = match args.get(2) {
        None => session.table.clone(),
        Some(name) => {
            let name = quoted(name, 256);
            let absent = || Failure::other(format!("ERR there is no table '{name}'"));
            session.shared.node.raw_table(&name).ok_or_else(absent)?
        }
    };
    reply.text(&format!("{:016x}", table.fingerprint()));
    Ok(Flow::Next)
}

pub(crate) fn create(_: &mut Session, args: Args<'_>, _: &mut Reply) -> Executed {
    let (name, declaration) = parse_create(args)?;
    Ok(Flow::Slow(Slow::Create { name, declaration }))
}

fn parse_create(args: Args<'_>) -> Result<(String, Declaration), Failure> {
    let name = args.at(2);
    let fits = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(byte);
    if !(1..=100).contains(&name.len()) || !name.iter().all(fits) {
        return Err(Failure::other(
            "ERR a table's name has 1 to 100 letters, digits and characters of '-_.:'",
        ));
    }
    if name.iter().all(u8::is_ascii_digit) {
        return Err(Failure::other("ERR a table's name must not be a number: SELECT takes those"));
    }
    let mut declaration = Declaration::default();
    let mut words = args.from(3);
    while let Some(word) = words.next() {
        let value = words.next().ok_or(Failure::Syntax)?;
        match word.to_ascii_lowercase().as_slice() {
            // There is one kind and one policy so far, so these words only need to be right.
            b"kind" => accept("KIND", value, "set")?,
            b"policy" => accept("POLICY", value, "last_writer_wins")?,
            b"ttl" => declaration.ttl = Some(parse_ttl(value)?),
            _ => return Err(Failure::Syntax),
        }
    }
    Ok((String::from_utf8_lossy(name).into_owned(), declaration))
}

fn accept(what: &str, value: &[u8], accepted: &str) -> Result<(), Failure> {
    if value.eq_ignore_ascii_case(accepted.as_bytes()) {
        return Ok(());
    }
    let value = quoted(value, 128);
    Err(Failure::Other(format!("ERR there is no {what} '{value}'; accepted is: {accepted}")))
}

/// Seconds, as Redis counts expiries; the declaration has milliseconds.
fn parse_ttl(value: &[u8]) -> Result<u64, Failure> {
    let seconds = std::str::from_utf8(value).ok().and_then(|text| text.parse::<u64>().ok());
    let millis = seconds.filter(|seconds| *seconds > 0).and_then(|s| s.checked_mul(1_000));
    let value = quoted(value, 128);
    let refused =
        || format!("ERR TTL '{value}' is not accepted; accepted is: whole seconds from 1");
    millis.ok_or_else(|| Failure::Other(refused()))
}

pub(crate) async fn create_now(
    session: &mut Session,
    name: &str,
    declaration: Declaration,
    reply: &mut Reply,
) -> Result<(), Failure> {
    let node = session.shared.node.clone();
    let created = Shared::declare(&node, name, declaration, PATIENCE).await;
    created.map_err(|error| Failure::other(format!("ERR {error}")))?;
    reply.ok();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::parse_create;
    use crate::resp::command::tests::with_args;

    #[test]
    fn declarations() {
        let name = |line| with_args(line, |args| parse_create(args).unwrap().0);
        assert_eq!(name("tombolo create sessions"), "sessions");
        assert_eq!(name("tombolo create a.b policy LAST_WRITER_WINS kind set"), "a.b");
        let ttl = |line| with_args(line, |args| parse_create(args).unwrap().1.ttl);
        assert_eq!(ttl("tombolo create a"), None);
        assert_eq!(ttl("tombolo create a TTL 60"), Some(60_000));
    }

    #[test]
    fn refusals() {
        let cases = [
            ("tombolo create 12", "must not be a number"),
            ("tombolo create \"a b\"", "1 to 100 letters"),
            ("tombolo create \"\"", "1 to 100 letters"),
            ("tombolo create a kind bag", "no KIND 'bag'; accepted is: set"),
            ("tombolo create a policy x", "no POLICY 'x'; accepted is: last_writer_wins"),
            ("tombolo create a kind", "syntax error"),
            ("tombolo create a foo bar", "syntax error"),
            ("tombolo create a ttl 0", "TTL '0' is not accepted"),
            ("tombolo create a ttl soon", "whole seconds from 1"),
        ];
        for (line, part) in cases {
            let refusal = with_args(line, |args| parse_create(args).unwrap_err().to_string());
            assert!(refusal.contains(part), "{line}: {refusal}");
        }
    }
}
