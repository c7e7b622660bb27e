//! WAIT: until peers hold what this connection has written.

use std::time::Duration;

use tokio::time::Instant;
use tombolo::Ack;

use super::{
    super::{failure::Failure, number::parse_i64, parser::Args, reply::Reply, session::Session},
    Executed, Flow, Slow,
};

/// The longest wait, also of those who ask for one without an end: nothing else of the connection
/// is looked at meanwhile, not even that it is gone.
const LONGEST: Duration = Duration::from_secs(60);

pub(crate) fn wait(_: &mut Session, args: Args<'_>, _: &mut Reply) -> Executed {
    let (peers, timeout) = parse(args)?;
    Ok(Flow::Slow(Slow::Wait { peers, timeout }))
}

fn parse(args: Args<'_>) -> Result<(usize, Duration), Failure> {
    let peers = parse_i64(args.at(1)).ok_or(Failure::NotInteger)?;
    Ok((usize::try_from(peers).unwrap_or(0), parse_timeout(args.at(2))?))
}

/// How long to wait at most. Zero means as long as possible.
pub(crate) fn parse_timeout(word: &[u8]) -> Result<Duration, Failure> {
    let not_integer = || Failure::other("ERR timeout is not an integer or out of range");
    let millis = parse_i64(word).ok_or_else(not_integer)?;
    let millis = u64::try_from(millis).map_err(|_| Failure::other("ERR timeout is negative"))?;
    Ok(match Duration::from_millis(millis) {
        Duration::ZERO => LONGEST,
        given => given.min(LONGEST),
    })
}

/// Answers with the number of peers that hold all of this connection's writes. One that has
/// written nothing has nothing to wait for, and hears how many peers there are.
pub(crate) async fn wait_now(
    session: &mut Session,
    peers: usize,
    timeout: Duration,
    reply: &mut Reply,
) -> Result<(), Failure> {
    let deadline = Instant::now() + timeout;
    let mut fewest = None;
    for (table, receipt) in session.latest_writes() {
        let left = deadline.saturating_duration_since(Instant::now());
        let holders = Ack::Count(peers.saturating_add(1));
        // In time or not, the answer is how many there are then.
        let _ = table.acknowledged(receipt, holders, left).await;
        let by = table.acknowledged_by(receipt).len();
        fewest = Some(fewest.map_or(by, |fewest: usize| fewest.min(by)));
    }
    reply.count(fewest.unwrap_or_else(|| session.shared.node.status().links.len()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{LONGEST, parse};
    use crate::resp::command::tests::with_args;

    #[test]
    fn numbers() {
        let parsed = |line| with_args(line, |args| parse(args).unwrap());
        assert_eq!(parsed("wait 2 100"), (2, Duration::from_millis(100)));
        assert_eq!(parsed("wait 2 0"), (2, LONGEST));
        assert_eq!(parsed("wait -1 1"), (0, Duration::from_millis(1)));
    }

    #[test]
    fn refusals_in_the_words_of_redis() {
        let refusal = |line| with_args(line, |args| parse(args).unwrap_err().to_string());
        assert_eq!(refusal("wait x 1"), "ERR value is not an integer or out of range");
        assert_eq!(refusal("wait 1 x"), "ERR timeout is not an integer or out of range");
        assert_eq!(refusal("wait 1 -1"), "ERR timeout is negative");
    }
}
