//! TOMBOLO RECEIPT and WAITFOR: which write was the latest, and who has it.

use std::time::Duration;

use tombolo::Ack;

use super::{
    super::{
        failure::{Failure, quoted},
        marks,
        number::parse_i64,
        parser::Args,
        reply::Reply,
        session::Session,
    },
    Executed, Flow, Slow,
    wait::parse_timeout,
};

/// The number of the process that wrote as 16 hexadecimal digits, which is how the digests of
/// tables name it, and which of its writes to the table it was.
pub(crate) fn receipt(session: &mut Session, _: Args<'_>, reply: &mut Reply) -> Executed {
    match session.latest_write() {
        None => reply.null(),
        Some((_, receipt)) => {
            reply.array(2);
            reply.text(&format!("{:016x}", receipt.origin()));
            reply.integer(i64::try_from(receipt.sequence()).unwrap_or(i64::MAX));
        }
    }
    Ok(Flow::Next)
}

pub(crate) fn waitfor(session: &mut Session, args: Args<'_>, _: &mut Reply) -> Executed {
    let (ack, timeout) = parse(args)?;
    if session.latest_write().is_none() {
        return Err(Failure::other(
            "ERR this connection has written nothing that could be awaited",
        ));
    }
    Ok(Flow::Slow(Slow::WaitFor { ack, timeout }))
}

fn parse(args: Args<'_>) -> Result<(Ack, Duration), Failure> {
    let word = args.at(2);
    let ack = match word.to_ascii_lowercase().as_slice() {
        b"all" => Ack::All,
        b"stable" => Ack::Stable,
        number => {
            let nodes = parse_i64(number).and_then(|nodes| usize::try_from(nodes).ok());
            let nodes = nodes.filter(|nodes| *nodes > 0);
            Ack::Count(nodes.ok_or_else(|| {
                let word = quoted(word, 128);
                Failure::Other(format!(
                    "ERR '{word}' is not ALL, STABLE or a number of nodes, this one counted"
                ))
            })?)
        }
    };
    Ok((ack, parse_timeout(args.at(3))?))
}

/// Answers with the linked peers that have the latest write of this connection.
pub(crate) async fn wait_now(
    session: &mut Session,
    ack: Ack,
    timeout: Duration,
    reply: &mut Reply,
) -> Result<(), Failure> {
    let Some((table, receipt)) = session.latest_write() else { return Err(Failure::Syntax) };
    let asked = table.acknowledged(receipt, ack, timeout).await;
    let acked = asked.map_err(|lacking| Failure::Other(marks::refusal(&lacking, timeout)))?;
    reply.array(acked.by.len());
    acked.by.iter().for_each(|peer| reply.text(peer));
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tombolo::Ack;

    use super::parse;
    use crate::resp::command::tests::with_args;

    #[test]
    fn who_is_waited_for() {
        let parsed = |line| with_args(line, |args| parse(args).unwrap());
        assert_eq!(parsed("tombolo waitfor all 5"), (Ack::All, Duration::from_millis(5)));
        assert_eq!(parsed("tombolo waitfor STABLE 5").0, Ack::Stable);
        assert_eq!(parsed("tombolo waitfor 3 5").0, Ack::Count(3));
    }

    #[test]
    fn refusals() {
        let cases = [
            ("tombolo waitfor some 5", "'some' is not ALL, STABLE or a number of nodes"),
            ("tombolo waitfor 0 5", "'0' is not ALL"),
            ("tombolo waitfor -1 5", "'-1' is not ALL"),
            ("tombolo waitfor all soon", "timeout is not an integer or out of range"),
            ("tombolo waitfor all -5", "timeout is negative"),
        ];
        for (line, part) in cases {
            let refusal = with_args(line, |args| parse(args).unwrap_err().to_string());
            assert!(refusal.contains(part), "{line}: {refusal}");
        }
    }
}
