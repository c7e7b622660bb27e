use std::io;
use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpSocket};

use crate::config::Config;

/// Connections that the kernel keeps while the node is busy; the system may allow fewer. Ten
/// thousand clients often come back at once, after a restart.
const BACKLOG: u32 = 4096;

/// The sockets for clients.
pub(super) struct Listeners {
    pub(super) resp: TcpListener,
    pub(super) http: TcpListener,
}

/// Opens the sockets for clients, before the node starts: a node that nobody can use should not
/// join a cluster. They are served when the node runs.
pub(super) fn open(config: &Config) -> anyhow::Result<Listeners> {
    let open =
        |flag, address| listen(address).map_err(|error| cannot_listen(flag, address, &error));
    Ok(Listeners { resp: open("resp", config.resp)?, http: open("http", config.http)? })
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // A port whose last connections are still winding down after a restart is free.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// What is wrong with the address of `--flag`, and what to do.
pub(super) fn cannot_listen(flag: &str, address: SocketAddr, error: &io::Error) -> anyhow::Error {
    let port = address.port();
    match error.kind() {
        io::ErrorKind::AddrInUse => anyhow::anyhow!(
            "--{flag}: port {port} on {} is in use, perhaps by another node. Stop what uses it \
             (`ss -ltnp 'sport = :{port}'` shows it), or choose another with --{flag} IP:PORT",
            address.ip()
        ),
        io::ErrorKind::AddrNotAvailable => anyhow::anyhow!(
            "--{flag}: {} is no address of this machine. Choose one that is, with --{flag} IP:PORT",
            address.ip()
        ),
        io::ErrorKind::PermissionDenied => anyhow::anyhow!(
            "--{flag}: port {port} needs more rights than this user has. Choose one above 1023 \
             with --{flag} IP:PORT"
        ),
        _ => anyhow::anyhow!("--{flag}: cannot listen on {address}: {error}"),
    }
}
