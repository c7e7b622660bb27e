//! Where services run: a bag of addresses a service, each kept alive by a heartbeat.
//!
//! ```text
//! cargo run -p tombolo --example service_registry
//! ```

use std::error::Error;
use std::net::SocketAddr;
use std::time::Duration;
use tombolo::{Ack, Bag, Node};

/// An instance that says nothing for so long is gone. Short, so that the example ends soon.
const TTL: Duration = Duration::from_millis(600);

type Registry = Bag<String, SocketAddr>;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let any = "127.0.0.1:0".parse()?;
    let a = Node::builder().name("a").listen(any).start().await?;
    let b = Node::builder().name("b").listen(any).join([a.status().address]).start().await?;
    let (here, there): (Registry, Registry) = (a.bag("services").await?, b.bag("services").await?);

    // Two instances of one service, on two nodes: their entries never compete.
    let first = tokio::spawn(serve(here.clone(), "search", "10.0.0.1:80".parse()?));
    let second = tokio::spawn(serve(there.clone(), "search", "10.0.0.2:80".parse()?));
    while here.get_all("search")?.len() < 2 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    println!("search is at {:?}", here.get_all("search")?);

    second.abort();
    while here.get_all("search")?.len() > 1 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    println!("an instance fell silent, and search is at {:?}", here.get_all("search")?);

    first.abort();
    // Aborted, it may be in the middle of an announcement.
    let _ = first.await;
    here.delete("search").await?;
    println!("after all were taken out, {} are left", there.get_all("search")?.len());
    a.leave().await;
    b.leave().await;
    Ok(())
}

/// Announces an instance again and again, until it is stopped.
async fn serve(registry: Registry, service: &'static str, at: SocketAddr) {
    loop {
        // What is late is announced again soon, so nobody needs to wait for the others.
        if let Err(error) = registry.insert(service, &at).ttl(TTL).ack(Ack::Local).await {
            eprintln!("{service} at {at} was not announced: {error}");
        }
        tokio::time::sleep(TTL / 3).await;
    }
}
