//! TOMBOLO: the cluster and its tables.

use tombolo::{Declaration, HeldStatus, LinkStatus, MemberStatus, PreviewStatus, TableStatus};

use super::{
    super::{
        failure::{Failure, quoted},
        number::parse_i64,
        parser::Args,
        reply::Reply,
        session::Session,
    },
    Executed, Flow, Slow,
};
use crate::{
    declare::{self, PATIENCE, Part, Said},
    operate,
};

pub(crate) fn status(session: &mut Session, _: Args<'_>, reply: &mut Reply) -> Executed {
    let status = session.shared.node.status();
    reply.map(10);
    text_field("name", &status.name, reply);
    text_field("cluster", &status.cluster, reply);
    text_field("version", status.version, reply);
    text_field("address", &status.address, reply);
    text_field("summary", &status.verdict_line, reply);
    text_field("leader", &status.leader, reply);
    reply.text("rehearsing");
    reply.boolean(status.rehearsing);
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
    reply.map(14);
    text_field("name", &table.name, reply);
    text_field("declaration", &table.declaration.to_string(), reply);
    number_field("epoch", table.epoch.into(), reply);
    number_field("records", table.records as u64, reply);
    number_field("tombstones", table.tombstones as u64, reply);
    number_field("hidden", table.hidden, reply);
    number_field("siblings", table.siblings as u64, reply);
    number_field("undecided", table.ledger.undecided as u64, reply);
    number_field("conflicts", table.ledger.kept as u64, reply);
    text_field("fingerprint", &format!("{:016x}", table.fingerprint), reply);
    reply.text("writable");
    reply.boolean(table.writable);
    reply.text("complete");
    reply.boolean(table.complete);
    array_field("held", &table.held, held, reply);
    number_field("guards", table.paused.as_ref().map_or(0, |it| it.guards as u64), reply);
}

fn held(held: &HeldStatus, reply: &mut Reply) {
    reply.map(4);
    text_field("peer", &held.peer, reply);
    number_field("since", held.since, reply);
    reply.text("apart");
    reply.boolean(held.apart);
    reply.text("preview");
    match &held.preview {
        Some(found) => preview(found, reply),
        None => reply.null(),
    }
}

fn preview(preview: &PreviewStatus, reply: &mut Reply) {
    reply.map(8);
    number_field("looked", preview.looked, reply);
    number_field("adds", preview.adds, reply);
    number_field("updates", preview.updates, reply);
    number_field("deletes", preview.deletes, reply);
    number_field("conflicts", preview.conflicts, reply);
    for (name, keys) in ["added", "deleted", "conflicting"].into_iter().zip(&preview.keys) {
        array_field(name, keys, |key, reply| reply.bulk(key), reply);
    }
}

pub(crate) fn progress(session: &mut Session, _: Args<'_>, reply: &mut Reply) -> Executed {
    let tables = session.shared.node.status().tables;
    let open: Vec<_> =
        tables.iter().filter(|table| table.progress.is_some() || !table.complete).collect();
    reply.array(open.len());
    for table in open {
        let progress = table.progress.as_ref();
        reply.map(6);
        text_field("table", &table.name, reply);
        number_field("expected", progress.map_or(0, |it| it.expected), reply);
        number_field("received", progress.map_or(0, |it| it.received), reply);
        reply.text("remaining_ms");
        match progress.and_then(|it| it.remaining) {
            Some(remaining) => reply.integer(i64::try_from(remaining).unwrap_or(i64::MAX)),
            None => reply.null(),
        }
        let from = progress.map_or(&[][..], |it| &it.from);
        array_field("from", from, |peer, reply| reply.text(peer), reply);
        array_field("missing", &table.missing, |peer, reply| reply.text(peer), reply);
    }
    Ok(Flow::Next)
}

pub(crate) fn converged(session: &mut Session, args: Args<'_>, reply: &mut Reply) -> Executed {
    let name = args.get(2).map(|name| quoted(name, 256));
    let tables = operate::tables(&session.shared.node, name.as_deref())?;
    reply.map(tables.len());
    for table in tables {
        let found = table.converged();
        reply.text(table.name());
        reply.map(2);
        reply.text("converged");
        reply.boolean(found.converged);
        reply.text("members");
        reply.array(found.members.len());
        for member in found.members {
            reply.map(5);
            text_field("node", &member.node, reply);
            reply.text("known");
            reply.boolean(member.known);
            number_field("lacks", member.lacks, reply);
            number_field("ahead", member.ahead, reply);
            reply.text("differs");
            reply.boolean(member.differs);
        }
    }
    Ok(Flow::Next)
}

pub(crate) fn approve(session: &mut Session, args: Args<'_>, reply: &mut Reply) -> Executed {
    session.shared.node.approve(&quoted(args.at(2), 256)).map_err(operate::Trouble::from)?;
    reply.ok();
    Ok(Flow::Next)
}

pub(crate) fn choose(session: &mut Session, args: Args<'_>, reply: &mut Reply) -> Executed {
    session.shared.node.choose_side(&quoted(args.at(2), 256)).map_err(operate::Trouble::from)?;
    reply.ok();
    Ok(Flow::Next)
}

pub(super) fn text_field(name: &str, value: &str, reply: &mut Reply) {
    reply.text(name);
    reply.text(value);
}

pub(super) fn number_field(name: &str, value: u64, reply: &mut Reply) {
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
        Some(name) => operate::table(&session.shared.node, &quoted(name, 256))?,
    };
    reply.text(&format!("{:016x}", table.fingerprint()));
    Ok(Flow::Next)
}

pub(crate) fn create(_: &mut Session, args: Args<'_>, _: &mut Reply) -> Executed {
    let (name, declaration) = parse_create(args)?;
    Ok(Flow::Slow(Slow::Create { name, declaration }))
}

fn parse_create(args: Args<'_>) -> Result<(String, Declaration), Failure> {
    let name = String::from_utf8_lossy(args.at(2)).into_owned();
    declare::check_name(&name).map_err(|text| Failure::Other(format!("ERR {text}")))?;
    let declaration = parse_said(args)?.declaration();
    declaration.check().map_err(|error| Failure::Other(format!("ERR {error}")))?;
    Ok((name, declaration))
}

pub(crate) fn alter(session: &mut Session, args: Args<'_>, reply: &mut Reply) -> Executed {
    operate::alter(&session.shared.node, &quoted(args.at(2), 256), parse_said(args)?)?;
    reply.ok();
    Ok(Flow::Next)
}

/// What CREATE and ALTER take.
const OPTIONS: &str =
    "KIND, POLICY, OWNER_DOWN, MERGE, TTL, FRAGMENTS or QUORUM, each with a value";

fn parse_said(args: Args<'_>) -> Result<Said, Failure> {
    let mut said = Said::default();
    let mut words = args.from(3);
    while let Some(word) = words.next() {
        let part = match word.to_ascii_lowercase().as_slice() {
            b"kind" => Some(Part::Kind),
            b"policy" => Some(Part::Policy),
            b"owner_down" => Some(Part::OwnerDown),
            b"merge" => Some(Part::Merge),
            b"ttl" | b"fragments" | b"quorum" => None,
            _ => return Err(Failure::option(word, OPTIONS)),
        };
        let value = words.next().ok_or_else(|| Failure::option(word, OPTIONS))?;
        match part {
            None if word.eq_ignore_ascii_case(b"ttl") => said.ttl = Some(parse_ttl(value)?),
            None if word.eq_ignore_ascii_case(b"quorum") => {
                said.quorum = Some(parse_count(value, "QUORUM", "members")?);
            }
            None => said.fragments = Some(parse_count(value, "FRAGMENTS", "fragments")?),
            Some(part) => {
                let value = String::from_utf8_lossy(value);
                said.say(part, &value).map_err(|error| Failure::Other(format!("ERR {error}")))?;
            }
        }
    }
    Ok(said)
}

fn parse_ttl(value: &[u8]) -> Result<u64, Failure> {
    let millis = parse_i64(value).and_then(|millis| u64::try_from(millis).ok());
    let value = quoted(value, 128);
    let refused = || format!("ERR TTL '{value}' is not a number of milliseconds");
    let millis = millis.ok_or_else(|| Failure::Other(refused()))?;
    declare::check_ttl(millis).map_err(|text| Failure::Other(format!("ERR {text}")))
}

/// How many are too many is said by whoever declares.
fn parse_count(value: &[u8], option: &str, what: &str) -> Result<u16, Failure> {
    let count = parse_i64(value).and_then(|count| u16::try_from(count).ok());
    let value = quoted(value, 128);
    count.ok_or_else(|| Failure::Other(format!("ERR {option} '{value}' is not a number of {what}")))
}

pub(crate) async fn create_now(
    session: &mut Session,
    name: &str,
    declaration: Declaration,
    reply: &mut Reply,
) -> Result<(), Failure> {
    let node = session.shared.node.clone();
    declare::declare(&node, name, declaration, PATIENCE).await?;
    reply.ok();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::parse_create;
    use crate::resp::command::tests::with_args;

    #[test]
    fn declarations() {
        let parsed = |line| with_args(line, |args| parse_create(args).unwrap());
        assert_eq!(parsed("tombolo create sessions").0, "sessions");
        let (name, declaration) = parsed(
            "tombolo create a.b policy LAST_VERSION(/V,per=/Id) kind Bag MERGE hold \
             owner_down HIDE TTL 60000 Fragments 8",
        );
        assert_eq!(name, "a.b");
        let text = "kind=bag policy=last_version(/V,per=/Id) owner_down=hide merge=hold \
             ttl=60000ms fragments=8";
        assert_eq!(declaration.to_string(), text);
    }

    #[test]
    fn refusals() {
        let cases = [
            ("tombolo create 12", "must not be a number"),
            ("tombolo create \"a b\"", "1 to 100 letters"),
            ("tombolo create \"\"", "1 to 100 letters"),
            ("tombolo create a kind list", "\"list\" is not a kind: set, ordered_set or bag"),
            ("tombolo create a policy lww", "\"lww\" is not a policy: last_writer_wins, newest"),
            ("tombolo create a owner_down gone", "keep or hide"),
            ("tombolo create a merge never", "auto or hold"),
            ("tombolo create a owner_down hide", "declare policy=newest"),
            ("tombolo create a policy last_modified(per=/id)", "only kind=bag has"),
            ("tombolo create a kind", "syntax error at 'kind'"),
            ("tombolo create a foo bar", "KIND, POLICY, OWNER_DOWN, MERGE, TTL, FRAGMENTS"),
            ("tombolo create a fragments 0", "a table has 1 to 64 fragments, not 0"),
            ("tombolo create a fragments many", "FRAGMENTS 'many' is not a number"),
            ("tombolo create a quorum 0", "a quorum of 0 is none"),
            ("tombolo create a quorum all", "QUORUM 'all' is not a number of members"),
            ("tombolo create a ttl 0", "a ttl of 0 would end every record at once"),
            ("tombolo create a ttl soon", "TTL 'soon' is not a number of milliseconds"),
            ("tombolo create a ttl 9223372036854775807", "never ends"),
        ];
        for (line, part) in cases {
            let refusal = with_args(line, |args| parse_create(args).unwrap_err().to_string());
            assert!(refusal.contains(part), "{line}: {refusal}");
        }
    }
}
