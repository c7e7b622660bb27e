//! CLIENT: connections by number, name and library.

use super::{
    super::{
        failure::{Failure, quoted},
        number::parse_i64,
        parser::Args,
        reply::Reply,
        session::Session,
    },
    Executed, Flow,
};

pub(crate) fn id(session: &mut Session, _: Args<'_>, reply: &mut Reply) -> Executed {
    reply.integer(session.card.id as i64);
    Ok(Flow::Next)
}

pub(crate) fn getname(session: &mut Session, _: Args<'_>, reply: &mut Reply) -> Executed {
    let details = session.card.details();
    match details.name.as_str() {
        "" => reply.null(),
        name => reply.text(name),
    }
    Ok(Flow::Next)
}

pub(crate) fn setname(session: &mut Session, args: Args<'_>, reply: &mut Reply) -> Executed {
    session.card.details().name =
        check_name(args.at(2), "Client names").map(|()| own(args.at(2)))?;
    reply.ok();
    Ok(Flow::Next)
}

pub(crate) fn setinfo(session: &mut Session, args: Args<'_>, reply: &mut Reply) -> Executed {
    let (attribute, value) = (args.at(2), args.at(3));
    if attribute.eq_ignore_ascii_case(b"lib-name") {
        check_name(value, "lib-name")?;
        session.card.details().library_name = own(value);
    } else if attribute.eq_ignore_ascii_case(b"lib-ver") {
        check_name(value, "lib-ver")?;
        session.card.details().library_version = own(value);
    } else {
        let attribute = quoted(attribute, 128);
        return Err(Failure::other(format!("ERR Unrecognized option '{attribute}'")));
    }
    reply.ok();
    Ok(Flow::Next)
}

/// Spaces and line ends would break the lines of CLIENT LIST.
pub(crate) fn check_name(name: &[u8], what: &str) -> Result<(), Failure> {
    if name.iter().all(u8::is_ascii_graphic) {
        return Ok(());
    }
    let text = format!("ERR {what} cannot contain spaces, newlines or special characters.");
    Err(Failure::Other(text))
}

fn own(name: &[u8]) -> String {
    String::from_utf8_lossy(name).into_owned()
}

pub(crate) fn info(session: &mut Session, _: Args<'_>, reply: &mut Reply) -> Executed {
    session.card.touch(session.command);
    reply.verbatim(&format!("{}\n", session.card.line()));
    Ok(Flow::Next)
}

pub(crate) fn list(session: &mut Session, args: Args<'_>, reply: &mut Reply) -> Executed {
    let wanted = Wanted::parse(args)?;
    session.card.touch(session.command);
    let cards = session.shared.registry.cards();
    let lines = cards.iter().filter(|card| match &wanted {
        Wanted::All => true,
        Wanted::None => false,
        Wanted::Ids(ids) => ids.contains(&card.id),
    });
    let text: String = lines.map(|card| format!("{}\n", card.line())).collect();
    reply.verbatim(&text);
    Ok(Flow::Next)
}

/// Which connections CLIENT LIST shall tell about.
#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    All,
    /// Those of a type that no connection has here.
    None,
    Ids(Vec<u64>),
}

impl Wanted {
    fn parse(args: Args<'_>) -> Result<Wanted, Failure> {
        let Some(word) = args.get(2) else { return Ok(Wanted::All) };
        if word.eq_ignore_ascii_case(b"type") && args.len() == 4 {
            let name = args.at(3);
            return match name.to_ascii_lowercase().as_slice() {
                b"normal" => Ok(Wanted::All),
                b"master" | b"replica" | b"slave" | b"pubsub" => Ok(Wanted::None),
                _ => {
                    let name = quoted(name, 128);
                    Err(Failure::other(format!("ERR Unknown client type '{name}'")))
                }
            };
        }
        if word.eq_ignore_ascii_case(b"id") && args.len() > 3 {
            let ids = args.from(3).map(|id| parse_i64(id).filter(|id| *id > 0));
            let ids: Option<Vec<u64>> = ids.map(|id| id.map(|id| id as u64)).collect();
            return ids.map(Wanted::Ids).ok_or_else(|| Failure::other("ERR Invalid client ID"));
        }
        Err(Failure::Syntax)
    }
}

/// NO-EVICT and NO-TOUCH: there is nothing to switch.
pub(crate) fn on_off(_: &mut Session, args: Args<'_>, reply: &mut Reply) -> Executed {
    if !args.at(2).eq_ignore_ascii_case(b"on") && !args.at(2).eq_ignore_ascii_case(b"off") {
        return Err(Failure::Syntax);
    }
    reply.ok();
    Ok(Flow::Next)
}

#[cfg(test)]
mod tests {
    use super::{Wanted, check_name};
    use crate::resp::command::tests::with_args;

    #[test]
    fn which_connections() {
        let parse = |line| with_args(line, Wanted::parse);
        assert_eq!(parse("client list").unwrap(), Wanted::All);
        assert_eq!(parse("client list type NORMAL").unwrap(), Wanted::All);
        assert_eq!(parse("client list type pubsub").unwrap(), Wanted::None);
        assert_eq!(parse("client list id 1 2").unwrap(), Wanted::Ids(vec![1, 2]));
        let refusal = |line| parse(line).unwrap_err().to_string();
        assert_eq!(refusal("client list type x"), "ERR Unknown client type 'x'");
        assert_eq!(refusal("client list id 0"), "ERR Invalid client ID");
        assert_eq!(refusal("client list foo"), "ERR syntax error");
    }

    #[test]
    fn names() {
        assert!(check_name(b"", "Client names").is_ok());
        assert!(check_name(b"a-b:1", "Client names").is_ok());
        assert_eq!(
            check_name(b"a b", "Client names").unwrap_err().to_string(),
            "ERR Client names cannot contain spaces, newlines or special characters."
        );
    }
}
