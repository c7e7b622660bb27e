use proptest::prelude::*;

use super::{Limits, Outcome, Parser, ProtocolError};

const LIMITS: Limits = Limits { bulk: 1 << 20, argument: 1 << 16, command: 1 << 17 };

#[derive(Debug, PartialEq, Eq, Clone)]
enum Seen {
    Command(Vec<Vec<u8>>),
    Oversize(usize),
    Broken(ProtocolError),
}

/// Feeds the pieces one by one, as a connection does, and collects what comes out; also the most
/// bytes that had to be kept between two pieces.
fn feed<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, authenticated: bool) -> (Vec<Seen>, usize) {
    let mut parser = Parser::new(LIMITS);
    let (mut buffer, mut seen, mut most) = (Vec::new(), Vec::new(), 0);
    for piece in pieces {
        buffer.extend_from_slice(piece);
        loop {
            let advance = match parser.advance(&buffer, authenticated) {
                Ok(advance) => advance,
                Err(error) => {
                    seen.push(Seen::Broken(error));
                    return (seen, most);
                }
            };
            let incomplete = advance.outcome == Outcome::Incomplete;
            match advance.outcome {
                Outcome::Command => {
                    let args = parser.args(&buffer);
                    seen.push(Seen::Command(args.from(0).map(<[u8]>::to_vec).collect()));
                }
                Outcome::Oversize { size, .. } => seen.push(Seen::Oversize(size)),
                Outcome::Incomplete | Outcome::Empty => {}
            }
            buffer.drain(..advance.used);
            if incomplete {
                break;
            }
        }
        most = most.max(buffer.len());
    }
    (seen, most)
}

fn parse(input: &[u8]) -> Vec<Seen> {
    feed([input], true).0
}

fn command(words: &[&str]) -> Seen {
    Seen::Command(words.iter().map(|word| word.as_bytes().to_vec()).collect())
}

fn encode(words: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        bytes.extend_from_slice(word);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}

#[test]
fn arrays_inline_commands_and_empty_requests() {
    let input = b"*1\r\n$4\r\nPING\r\n\r\n*0\r\n*-1\r\nget \"a b\"\n*2\r\n$3\r\nGET\r\n$0\r\n\r\n";
    let expected = [command(&["PING"]), command(&["get", "a b"]), command(&["GET", ""])];
    assert_eq!(parse(input), expected);
}

#[test]
fn every_split_gives_the_same_commands() {
    let mut input = encode(&[b"SET".to_vec(), b"\r\n$*\0".to_vec(), vec![0xff; 20]]);
    input.extend_from_slice(b"echo \"a\\x00b\"\r\n*0\r\n\r\n");
    input.extend_from_slice(&encode(&[b"GET".to_vec(), vec![b'x'; LIMITS.argument + 1]]));
    input.extend_from_slice(&encode(&[b"PING".to_vec()]));
    let whole = parse(&input);
    assert_eq!(whole.len(), 4, "{whole:?}");
    for at in 0..input.len().min(200) {
        assert_eq!(feed([&input[..at], &input[at..]], true).0, whole, "split at {at}");
    }
    assert_eq!(feed(input.chunks(1), true).0, whole);
}

#[test]
fn protocol_errors_in_the_words_of_redis() {
    let long = "1".repeat(70 * 1024);
    let cases: [(String, &str); 12] = [
        ("*x\r\n".into(), "invalid multibulk length"),
        ("*1048577\r\n".into(), "invalid multibulk length"),
        ("*\r\n".into(), "invalid multibulk length"),
        ("*1\r\n$-1\r\n".into(), "invalid bulk length"),
        ("*1\r\n$abc\r\n".into(), "invalid bulk length"),
        ("*1\r\n$1073741824\r\n".into(), "invalid bulk length"),
        ("*1\r\n%1\r\n".into(), "expected '$', got '%'"),
        ("*1\r\n\r\n".into(), "expected '$', got '\r'"),
        (format!("*{long}"), "too big mbulk count string"),
        (format!("*1\r\n${long}"), "too big bulk count string"),
        (long, "too big inline request"),
        ("get \"a\r\n".into(), "unbalanced quotes in request"),
    ];
    for (input, text) in cases {
        let [Seen::Broken(error)] = parse(input.as_bytes())[..] else { panic!("{text}") };
        assert_eq!(error.to_string(), format!("Protocol error: {text}"));
    }
}

#[test]
fn strangers_may_send_little() {
    let many = [b"*11\r\n".as_slice()];
    let large = [b"*1\r\n$16385\r\n".as_slice()];
    let broken = |error| vec![Seen::Broken(error)];
    assert_eq!(feed(many, false).0, broken(ProtocolError::UnauthenticatedMultibulkLength));
    assert_eq!(feed(large, false).0, broken(ProtocolError::UnauthenticatedBulkLength));
    assert_eq!(feed(many, true).0, []);
    assert_eq!(feed(large, true).0, []);
}

#[test]
fn an_oversize_argument_is_dropped_as_it_arrives() {
    let value = vec![b'v'; LIMITS.bulk];
    let mut input = encode(&[b"SET".to_vec(), b"k".to_vec(), value, b"NX".to_vec()]);
    input.extend_from_slice(b"PING\r\n");
    let (seen, most) = feed(input.chunks(1000), true);
    assert_eq!(seen, [Seen::Oversize(LIMITS.bulk), command(&["PING"])]);
    assert!(most < 2000, "{most} bytes were kept");
}

#[test]
fn an_oversize_command_is_dropped_too() {
    let words = vec![vec![b'v'; LIMITS.argument]; 5];
    let (seen, most) = feed(encode(&words).chunks(1000), true);
    assert_eq!(seen, [Seen::Oversize(3 * LIMITS.argument)]);
    assert!(most < LIMITS.command + 2000, "{most} bytes were kept");
}

proptest! {
    #[test]
    fn any_cuts_give_the_same_commands(
        commands in prop::collection::vec(
            prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 1..5),
            1..6,
        ),
        sizes in prop::collection::vec(1usize..30, 1..50),
    ) {
        let input: Vec<u8> = commands.iter().flat_map(|words| encode(words)).collect();
        let mut sizes = sizes.iter().cycle();
        let (mut pieces, mut rest) = (Vec::new(), input.as_slice());
        while !rest.is_empty() {
            let (piece, tail) = rest.split_at((*sizes.next().unwrap()).min(rest.len()));
            pieces.push(piece);
            rest = tail;
        }
        let expected: Vec<Seen> = commands.into_iter().map(Seen::Command).collect();
        prop_assert_eq!(feed(pieces, true).0, expected);
    }

    #[test]
    fn random_bytes_never_panic_nor_depend_on_cuts(
        input in prop::collection::vec(
            prop_oneof![
                Just(b'*'), Just(b'$'), Just(b'\r'), Just(b'\n'), Just(b'1'), Just(b'2'),
                Just(b'"'), any::<u8>()
            ],
            0..200,
        ),
        size in 1usize..20,
    ) {
        prop_assert_eq!(feed(input.chunks(size), true).0, parse(&input));
    }
}
