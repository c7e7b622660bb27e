//! Commands about the connection itself: who is there, how both speak, what is selected.

use std::sync::Arc;

use tombolo::Declaration;

use crate::declare::{PATIENCE, declare};

use super::{
    super::{
        failure::{Failure, quoted},
        number::parse_i64,
        parser::Args,
        reply::{Protocol, Reply},
        session::Session,
        shared::{DATABASES, REDIS_VERSION, Shared},
    },
    Executed, Flow, Slow,
    clients::check_name,
};

/// The only user there is.
const USER: &[u8] = b"default";

pub(crate) fn ping(_: &mut Session, args: Args<'_>, reply: &mut Reply) -> Executed {
    match (args.get(1), args.len()) {
        (None, _) => reply.simple("PONG"),
        (Some(message), 2) => reply.bulk(message),
        _ => return Err(Failure::Arity("ping")),
    }
    Ok(Flow::Next)
}

pub(crate) fn echo(_: &mut Session, args: Args<'_>, reply: &mut Reply) -> Executed {
    reply.bulk(args.at(1));
    Ok(Flow::Next)
}

pub(crate) fn quit(_: &mut Session, _: Args<'_>, reply: &mut Reply) -> Executed {
    reply.ok();
    Ok(Flow::Close)
}

pub(crate) fn reset(session: &mut Session, _: Args<'_>, reply: &mut Reply) -> Executed {
    let shared = Arc::clone(&session.shared);
    session.authenticated = shared.settings.password.is_none();
    session.select(shared.default_table.clone());
    session.guards.clear();
    let mut details = session.card.details();
    details.name.clear();
    details.protocol = Protocol::Resp2;
    reply.protocol = Protocol::Resp2;
    reply.simple("RESET");
    Ok(Flow::Next)
}

pub(crate) fn auth(session: &mut Session, args: Args<'_>, reply: &mut Reply) -> Executed {
    let (user, password) = match args.len() {
        2 if session.shared.settings.password.is_none() => {
            return Err(Failure::other(
                "ERR AUTH <password> called without any password configured for the default \
                 user. Are you sure your configuration is correct?",
            ));
        }
        2 => (USER, args.at(1)),
        3 => (args.at(1), args.at(2)),
        _ => return Err(Failure::Syntax),
    };
    authenticate(session, user, password)?;
    reply.ok();
    Ok(Flow::Next)
}

/// As in Redis any password will do if none is set.
fn authenticate(session: &mut Session, user: &[u8], password: &[u8]) -> Result<(), Failure> {
    let required = session.shared.settings.password.as_ref();
    let right = required.is_none_or(|required| same(required.as_bytes(), password));
    if user != USER || !right {
        return Err(Failure::WrongPassword);
    }
    session.authenticated = true;
    Ok(())
}

/// Compares in a time that does not tell where the two differ.
fn same(secret: &[u8], guess: &[u8]) -> bool {
    let differences = secret.iter().zip(guess).fold(0, |all, (a, b)| all | (a ^ b));
    secret.len() == guess.len() && std::hint::black_box(differences) == 0
}

/// What HELLO asks for after the version.
#[derive(Debug, Default, PartialEq, Eq)]
struct Greeting<'a> {
    credentials: Option<(&'a [u8], &'a [u8])>,
    name: Option<&'a [u8]>,
}

impl<'a> Greeting<'a> {
    fn parse(args: Args<'a>) -> Result<Greeting<'a>, Failure> {
        let mut greeting = Greeting::default();
        let mut words = args.from(2);
        while let Some(word) = words.next() {
            if word.eq_ignore_ascii_case(b"auth") && words.len() >= 2 {
                greeting.credentials = words.next().zip(words.next());
            } else if word.eq_ignore_ascii_case(b"setname") && words.len() >= 1 {
                greeting.name = words.next();
            } else {
                let word = quoted(word, 128);
                return Err(Failure::other(format!("ERR Syntax error in HELLO option '{word}'")));
            }
        }
        Ok(greeting)
    }
}

pub(crate) fn hello(session: &mut Session, args: Args<'_>, reply: &mut Reply) -> Executed {
    let protocol = match args.get(1).map(parse_i64) {
        None => None,
        Some(Some(2)) => Some(Protocol::Resp2),
        Some(Some(3)) => Some(Protocol::Resp3),
        Some(Some(_)) => return Err(Failure::other("NOPROTO unsupported protocol version")),
        Some(None) => {
            let text = "ERR Protocol version is not an integer or out of range";
            return Err(Failure::other(text));
        }
    };
    let greeting = Greeting::parse(args)?;
    greeting.name.map_or(Ok(()), |name| check_name(name, "Client names"))?;
    if let Some((user, password)) = greeting.credentials {
        authenticate(session, user, password)?;
    }
    if !session.authenticated {
        return Err(Failure::other(
            "NOAUTH HELLO must be called with the client already authenticated, otherwise the \
             HELLO <proto> AUTH <user> <pass> option can be used to authenticate the client and \
             select the RESP protocol version at the same time",
        ));
    }
    let mut details = session.card.details();
    if let Some(name) = greeting.name {
        details.name = String::from_utf8_lossy(name).into_owned();
    }
    if let Some(protocol) = protocol {
        details.protocol = protocol;
        reply.protocol = protocol;
    }
    welcome(session, reply);
    Ok(Flow::Next)
}

/// Clients read this to learn what they may use, so the server goes by the name of Redis here.
fn welcome(session: &Session, reply: &mut Reply) {
    reply.map(7);
    reply.text("server");
    reply.text("redis");
    reply.text("version");
    reply.text(REDIS_VERSION);
    reply.text("proto");
    reply.integer(reply.protocol.number().into());
    reply.text("id");
    reply.integer(session.card.id as i64);
    reply.text("mode");
    reply.text("standalone");
    reply.text("role");
    reply.text("master");
    reply.text("modules");
    reply.array(0);
}

pub(crate) fn select(session: &mut Session, args: Args<'_>, reply: &mut Reply) -> Executed {
    let word = args.at(1);
    let name = match parse_i64(word) {
        Some(number) if !(0..DATABASES).contains(&number) => {
            return Err(Failure::other("ERR DB index is out of range"));
        }
        Some(number) => Shared::table_name(number as u8),
        None => quoted(word, 256),
    };
    if let Some(table) = session.shared.node.raw_table(&name) {
        session.select(table);
        reply.ok();
        return Ok(Flow::Next);
    }
    match parse_i64(word) {
        Some(number) => Ok(Flow::Slow(Slow::Select(number as u8))),
        None => Err(Failure::other(format!(
            "ERR there is no table '{name}'; TOMBOLO CREATE {name} would create it"
        ))),
    }
}

/// A numbered table comes into being when it is first selected.
pub(crate) async fn select_created(
    session: &mut Session,
    database: u8,
    reply: &mut Reply,
) -> Result<(), Failure> {
    let name = Shared::table_name(database);
    let node = session.shared.node.clone();
    session.select(declare(&node, &name, Declaration::default(), PATIENCE).await?);
    reply.ok();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Greeting, same};
    use crate::resp::command::tests::with_args;

    #[test]
    fn greetings() {
        with_args("hello 3 setname n AUTH u p", |args| {
            let name = Some(b"n".as_slice());
            let credentials = Some((b"u".as_slice(), b"p".as_slice()));
            assert_eq!(Greeting::parse(args).unwrap(), Greeting { credentials, name });
        });
        for (line, word) in [("hello 3 auth u", "auth"), ("hello 3 foo", "foo")] {
            let refusal = with_args(line, |args| Greeting::parse(args).unwrap_err().to_string());
            assert_eq!(refusal, format!("ERR Syntax error in HELLO option '{word}'"));
        }
    }

    #[test]
    fn comparison() {
        assert!(same(b"", b""));
        assert!(same(b"secret", b"secret"));
        assert!(!same(b"secret", b"secres"));
        assert!(!same(b"secret", b"secre"));
        assert!(!same(b"secret", b"secrets"));
    }
}
