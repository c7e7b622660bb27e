//! Feature flags: read on every request, changed now and then.
//!
//! ```text
//! cargo run -p tombolo --example feature_flags
//! ```

use serde::{Deserialize, Serialize};
use std::error::Error;
use tombolo::{Declaration, Kind, Node, Table};

#[derive(Serialize, Deserialize, Clone, Debug)]
enum Flag {
    Off,
    /// For so many percent of the users.
    Some(u8),
    On,
}

/// Scope and name. The table is ordered, so the flags of a scope lie side by side.
type Key = (String, String);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let any = "127.0.0.1:0".parse()?;
    let a = Node::builder().name("a").listen(any).start().await?;
    let b = Node::builder().name("b").listen(any).join([a.status().address]).start().await?;
    let declaration = Declaration { kind: Kind::OrderedSet, ..Declaration::default() };
    let flags = a.table_with::<Key, Flag>("flags", declaration.clone()).await?;
    let on_b = b.table_with::<Key, Flag>("flags", declaration).await?;

    flags.insert(&key("shop", "basket"), &Flag::On).await?;
    flags.insert(&key("shop", "reviews"), &Flag::Some(25)).await?;
    flags.insert(&key("admin", "audit"), &Flag::Off).await?;

    // The hot path: a lookup in memory that waits for nobody.
    let reviewers = (0..1_000).filter(|user| is_on(&on_b, "shop", "reviews", *user)).count();
    println!("{reviewers} of 1000 users see reviews");

    println!("flags of the shop:");
    for flag in on_b.range(key("shop", "")..key("shop\0", ""))? {
        let ((_, name), flag) = flag?;
        println!("  {name}: {flag:?}");
    }

    // Every node has it before the next line runs.
    flags.insert(&key("shop", "reviews"), &Flag::Off).await?;
    println!("switched off: {}", !is_on(&on_b, "shop", "reviews", 1));
    a.leave().await;
    b.leave().await;
    Ok(())
}

fn key(scope: &str, name: &str) -> Key {
    (scope.to_owned(), name.to_owned())
}

/// A flag that is unknown or cannot be read is off.
fn is_on(flags: &Table<Key, Flag>, scope: &str, name: &str, user: u64) -> bool {
    match flags.get(&key(scope, name)) {
        Ok(Some(Flag::On)) => true,
        Ok(Some(Flag::Some(percent))) => user * 37 % 100 < u64::from(percent),
        _ => false,
    }
}
