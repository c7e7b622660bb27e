//! Two small blocking clients, enough to watch and drive nodes from outside.

mod api;
mod base64;
mod http;
mod resp;
mod stream;

pub use api::{Api, ApiError, dialled, escaped};
pub use base64::decode;
pub use http::{Answer, request, send};
pub use resp::{Client, Reply};

use std::io;
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

/// Connects to `address` (HOST:PORT), trying each address that the name stands for.
fn connect(address: &str, timeout: Duration) -> io::Result<TcpStream> {
    let mut last = None;
    for resolved in address.to_socket_addrs()? {
        match TcpStream::connect_timeout(&resolved, timeout) {
            Ok(stream) => {
                stream.set_read_timeout(Some(timeout))?;
                stream.set_write_timeout(Some(timeout))?;
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| io::Error::other("the name stands for no address")))
}
