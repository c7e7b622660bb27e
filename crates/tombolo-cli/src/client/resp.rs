use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// The longest bulk string that is taken; the tour's are a few bytes.
const LARGEST: usize = 16 * 1024 * 1024;

/// A reply in RESP2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// `+OK`
    Simple(String),
    /// `-ERR ...`
    Error(String),
    /// `:1`
    Integer(i64),
    /// `$3 abc`, or nothing.
    Bulk(Option<String>),
    /// `*2 ...`
    Array(Vec<Reply>),
}

/// A connection to the Redis side of a node.
pub struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    /// Connects to `address`; no later wait is longer than `timeout`.
    ///
    /// # Errors
    ///
    /// When nobody listens.
    pub fn connect(address: &str, timeout: Duration) -> io::Result<Self> {
        Ok(Self { stream: BufReader::new(super::connect(address, timeout)?) })
    }

    /// Sends one command and waits for its reply.
    ///
    /// # Errors
    ///
    /// When the connection breaks or time runs out.
    pub fn call<S: AsRef<str>>(&mut self, command: &[S]) -> io::Result<Reply> {
        let mut replies = self.pipeline(&[command])?;
        replies.pop().ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    /// Sends all of `commands` at once and waits for their replies. Keep it to some thousands:
    /// nothing is read while all is sent.
    ///
    /// # Errors
    ///
    /// When the connection breaks or time runs out.
    pub fn pipeline<C: AsRef<[S]>, S: AsRef<str>>(
        &mut self,
        commands: &[C],
    ) -> io::Result<Vec<Reply>> {
        let mut bytes = Vec::new();
        for command in commands {
            let words = command.as_ref();
            bytes.extend(format!("*{}\r\n", words.len()).into_bytes());
            for word in words {
                let word = word.as_ref();
                bytes.extend(format!("${}\r\n{word}\r\n", word.len()).into_bytes());
            }
        }
        self.stream.get_mut().write_all(&bytes)?;
        commands.iter().map(|_| self.reply()).collect()
    }

    fn reply(&mut self) -> io::Result<Reply> {
        let mut line = String::new();
        self.stream.by_ref().take(LARGEST as u64).read_line(&mut line)?;
        let line = line.strip_suffix("\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
        let wrong = || io::Error::new(io::ErrorKind::InvalidData, format!("no reply: {line:?}"));
        let (kind, rest) = line.split_at_checked(1).ok_or_else(wrong)?;
        let number = || rest.parse::<i64>().map_err(|_| wrong());
        match kind {
            "+" => Ok(Reply::Simple(rest.to_owned())),
            "-" => Ok(Reply::Error(rest.to_owned())),
            ":" => Ok(Reply::Integer(number()?)),
            "_" => Ok(Reply::Bulk(None)),
            "$" => self.bulk(number()?),
            "*" => {
                (0..number()?).map(|_| self.reply()).collect::<io::Result<_>>().map(Reply::Array)
            }
            _ => Err(wrong()),
        }
    }

    fn bulk(&mut self, length: i64) -> io::Result<Reply> {
        let Ok(length) = usize::try_from(length) else {
            return Ok(Reply::Bulk(None));
        };
        if length > LARGEST {
            return Err(io::Error::other("the reply is too long"));
        }
        let mut bytes = vec![0; length + 2];
        self.stream.read_exact(&mut bytes)?;
        bytes.truncate(length);
        String::from_utf8(bytes).map(Some).map(Reply::Bulk).map_err(io::Error::other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn all_kinds_of_replies_are_read() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.write_all(b"+OK\r\n-ERR no\r\n:-3\r\n$2\r\nab\r\n*2\r\n$-1\r\n_\r\n").unwrap();
            let mut sent = Vec::new();
            stream.read_to_end(&mut sent).unwrap();
            sent
        });
        let mut client = Client::connect(&address, Duration::from_secs(5)).unwrap();
        let replies = client.pipeline(&[["A", "b"]; 5]).unwrap();
        let expected = [
            Reply::Simple("OK".into()),
            Reply::Error("ERR no".into()),
            Reply::Integer(-3),
            Reply::Bulk(Some("ab".into())),
            Reply::Array(vec![Reply::Bulk(None), Reply::Bulk(None)]),
        ];
        assert_eq!(replies, expected);
        drop(client);
        assert_eq!(server.join().unwrap(), b"*2\r\n$1\r\nA\r\n$1\r\nb\r\n".repeat(5));
    }
}
