//! Sessions that belong to the node their user is connected to: when it dies they are gone
//! everywhere, and nobody has to clean up.
//!
//! ```text
//! cargo run -p tombolo --example session_registry
//! ```

use serde::{Deserialize, Serialize};
use std::error::Error;
use tombolo::{Declaration, Node, NodeBuilder, OwnerDown, Policy, Record, Records};

#[derive(Serialize, Deserialize, PartialEq, Debug)]
struct Session {
    user: String,
    device: u32,
    /// The node that holds the connection: messages for the user are sent there.
    node: String,
}

impl Record for Session {
    type Key = (String, u32);

    fn key(&self) -> Self::Key {
        (self.user.clone(), self.device)
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let a = node("a").start().await?;
    let b = node("b").join([a.status().address]).start().await?;
    let (here, there) = (sessions(&a).await?, sessions(&b).await?);

    connect(&a, &here, "ada", 1).await?;
    connect(&b, &there, "ada", 2).await?;
    connect(&b, &there, "grace", 1).await?;
    show("on two nodes", &here)?;

    // A session is ended only if it is still the one that was seen.
    let ended = Session { user: "ada".to_owned(), device: 2, node: "b".to_owned() };
    here.delete_record(&ended).await?;
    show("after ada closed her second device", &here)?;

    b.leave().await;
    while here.contains(&("grace".to_owned(), 1)) {
        tokio::task::yield_now().await;
    }
    show("after b went down", &here)?;
    a.leave().await;
    Ok(())
}

fn node(name: &str) -> NodeBuilder {
    Node::builder().name(name).listen(([127, 0, 0, 1], 0).into())
}

async fn sessions(node: &Node) -> Result<Records<Session>, Box<dyn Error>> {
    // What a node wrote is hidden while it is down.
    let (policy, owner_down) = (Policy::Newest, OwnerDown::Hide);
    let declaration = Declaration { policy, owner_down, ..Declaration::default() };
    Ok(node.records_with("sessions", declaration).await?)
}

async fn connect(
    node: &Node,
    sessions: &Records<Session>,
    user: &str,
    device: u32,
) -> Result<(), Box<dyn Error>> {
    let session = Session { user: user.to_owned(), device, node: node.name().to_owned() };
    sessions.insert(&session).await?;
    Ok(())
}

fn show(when: &str, sessions: &Records<Session>) -> Result<(), Box<dyn Error>> {
    println!("{when}:");
    for session in sessions.iter() {
        let Session { user, device, node } = session?;
        println!("  {user}, device {device}, on {node}");
    }
    Ok(())
}
