//! Who is online, on every node of a small cluster.
//!
//! Run it as it is to see two nodes in one process, or in several terminals:
//!
//! ```text
//! cargo run -p tombolo --example presence -- 127.0.0.1:7401
//! cargo run -p tombolo --example presence -- 127.0.0.1:7402 127.0.0.1:7401
//! ```

use serde::{Deserialize, Serialize};
use std::error::Error;
use std::time::{Duration, SystemTime};
use tombolo::{Node, Table};

#[derive(Serialize, Deserialize, Debug)]
struct Session {
    node: String,
    since: SystemTime,
}

impl Session {
    fn begin(node: &Node) -> Session {
        Session { node: node.name().to_owned(), since: SystemTime::now() }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let Some(listen) = arguments.next() else { return two_nodes().await };
    let node = Node::builder().listen(listen.parse()?).join(arguments).start().await?;
    let sessions = node.table::<String, Session>("sessions").await?;
    let session = Session::begin(&node);
    loop {
        come_online(&sessions, node.name(), &session).await?;
        show(&node, &sessions)?;
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
}

async fn two_nodes() -> Result<(), Box<dyn Error>> {
    let any = "127.0.0.1:0".parse()?;
    let a = Node::builder().name("a").listen(any).start().await?;
    let b = Node::builder().name("b").listen(any).join([a.status().address]).start().await?;
    let here = a.table::<String, Session>("sessions").await?;
    let there = b.table::<String, Session>("sessions").await?;
    come_online(&here, "ada", &Session::begin(&a)).await?;
    come_online(&there, "grace", &Session::begin(&b)).await?;
    show(&a, &here)?;
    show(&b, &there)?;
    here.delete("grace").await?;
    println!("ada's node logs grace out:");
    show(&b, &there)?;
    a.leave().await;
    b.leave().await;
    Ok(())
}

/// A user is online for ten seconds more. A node that dies stops saying so, and its users go.
async fn come_online(
    sessions: &Table<String, Session>,
    user: &str,
    session: &Session,
) -> Result<(), Box<dyn Error>> {
    sessions.insert(user, session).ttl(Duration::from_secs(10)).await?;
    Ok(())
}

fn show(node: &Node, sessions: &Table<String, Session>) -> Result<(), Box<dyn Error>> {
    println!("{} sees:", node.name());
    for session in sessions.iter() {
        let (user, session) = session?;
        println!("  {user} on {} for {} s", session.node, session.since.elapsed()?.as_secs());
    }
    Ok(())
}
