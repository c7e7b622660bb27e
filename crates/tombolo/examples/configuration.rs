//! Configuration of typed sections that every node sees change.
//!
//! ```text
//! cargo run -p tombolo --example configuration
//! ```

use serde::{Deserialize, Serialize};
use std::error::Error;
use std::time::Duration;
use tombolo::{Ack, Node, Table};

/// A section of the configuration. A new version of the program adds variants at the end, so that
/// it and the old one understand each other while one replaces the other.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
enum Section {
    Mail { host: String, port: u16 },
    Limits { requests_per_second: u32, burst: Option<u32> },
}

type Configuration = Table<String, Section>;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let any = "127.0.0.1:0".parse()?;
    let a = Node::builder().name("a").listen(any).start().await?;
    let b = Node::builder().name("b").listen(any).join([a.status().address]).start().await?;
    let here: Configuration = a.table("configuration").await?;
    let there: Configuration = b.table("configuration").await?;

    let mail = |host: &str| Section::Mail { host: host.to_owned(), port: 25 };
    let limits = Section::Limits { requests_per_second: 100, burst: None };
    here.insert_many([("mail".to_owned(), mail("relay")), ("limits".to_owned(), limits)]).await?;
    println!("b reads {:?}", there.get("mail")?);

    // A change made on b is on a once it resolves, and says what it replaced.
    let replaced = there.put("mail", &mail("relay-2")).await?;
    println!("b replaced {:?}, and {:?} has it", replaced.previous?, replaced.acked.by);
    println!("a reads {:?}", here.get("mail")?);

    // Something to try out, for a minute; a reader falls back to what it takes for good.
    let trial = Section::Limits { requests_per_second: 500, burst: Some(50) };
    let minute = Duration::from_secs(60);
    here.insert("limits of today", &trial).ttl(minute).ack(Ack::Local).await?;
    println!("for {:?} more: {:?}", here.remaining("limits of today"), limits_of(&here)?);
    here.delete("limits of today").await?;
    println!("then: {:?}", limits_of(&there)?);
    a.leave().await;
    b.leave().await;
    Ok(())
}

fn limits_of(configuration: &Configuration) -> Result<Option<Section>, Box<dyn Error>> {
    Ok(match configuration.get("limits of today")? {
        None => configuration.get("limits")?,
        today => today,
    })
}
