//! A discovery back-end of one's own: the addresses stand in an environment variable, as some
//! schedulers hand them over.
//!
//! ```sh
//! NODES="127.0.0.1:7381 127.0.0.1:7382" cargo run -p tombolo --example discovery_backend
//! ```

use tombolo::Node;
use tombolo::discovery::{Discovery, DiscoveryError, Found, Problem};

/// Reads `HOST:PORT` words from an environment variable, each time that it is asked.
pub struct Environment(pub String);

impl Discovery for Environment {
    fn name(&self) -> String {
        format!("the variable {}", self.0)
    }

    fn nodes(&mut self) -> Result<Found, DiscoveryError> {
        // An error keeps the addresses of the last answer, and is in the node's status.
        let unread = |error| DiscoveryError::Other(format!("{}: {error}", self.name()).into());
        let words = std::env::var(&self.0).map_err(unread)?;
        let mut found = Found::default();
        for word in words.split_whitespace() {
            if let Err(error) = found.add(word) {
                found.problems.push(Problem::Other(error.to_string()));
            }
        }
        Ok(found)
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let node = Node::builder()
        .listen("127.0.0.1:0".parse()?)
        .discovery(Environment("NODES".to_owned()))
        .start()
        .await?;
    let discovery = node.status().discovery;
    println!("works: {}, error: {:?}", discovery.works, discovery.error);
    for found in discovery.nodes {
        println!("{}: {:?}", found.address, found.reach);
    }
    node.leave().await;
    Ok(())
}
