//! A resolver of one's own: checked under simulated splits first, then at work in a real one.
//!
//! ```text
//! cargo run -p tombolo --example custom_resolver
//! ```

use std::error::Error;
use tombolo::{Declaration, Node, NodeBuilder, Policy, RawTable, Resolution, Sibling};
use tombolo_sim::{CheckSettings, check_resolver};

/// Baskets are lists of words. What somebody put into one of them is in the outcome.
fn union(_key: &[u8], siblings: &[Sibling<'_>]) -> Resolution {
    let all = siblings.iter().flat_map(|sibling| sibling.value.split(|byte| *byte == b' '));
    let mut words: Vec<&[u8]> = all.filter(|word| !word.is_empty()).collect();
    words.sort_unstable();
    words.dedup();
    Resolution::Value(words.join(&b' '))
}

/// The same without a thought: one basket behind the other.
fn append(_key: &[u8], siblings: &[Sibling<'_>]) -> Resolution {
    let all: Vec<&[u8]> = siblings.iter().map(|sibling| sibling.value).collect();
    Resolution::Value(all.join(&b' '))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    check()?;

    let a = node("a").start().await?;
    let b = node("b").join([a.status().address]).start().await?;
    let (here, there) = (baskets(&a).await?, baskets(&b).await?);
    here.put(b"ada", b"tea", None)?;

    a.cut("b")?;
    here.put(b"ada", b"bread tea", None)?;
    there.put(b"ada", b"ink tea", None)?;
    println!("in the split: a reads {:?}, b reads {:?}", read(&here), read(&there));

    a.heal();
    while read(&here) != "bread ink tea" || read(&there) != "bread ink tea" {
        tokio::task::yield_now().await;
    }
    println!("joined: a reads {:?}, b reads {:?}", read(&here), read(&there));
    a.leave().await;
    b.leave().await;
    Ok(())
}

/// This belongs into a test of your program.
fn check() -> Result<(), Box<dyn Error>> {
    let values = ["apple", "pear", "apple plum", "fig"].map(|words| words.as_bytes().to_vec());
    let settings =
        CheckSettings { values: values.to_vec(), schedules: 20, ..CheckSettings::default() };
    let checked = check_resolver(union, &settings)?;
    println!("union kept every law in {} simulated splits", checked.schedules);
    match check_resolver(append, &settings) {
        Ok(_) => println!("append kept every law"),
        Err(broken) => println!("append breaks one: {broken}"),
    }
    Ok(())
}

fn node(name: &str) -> NodeBuilder {
    // The same on every node.
    Node::builder().name(name).listen(([127, 0, 0, 1], 0).into()).resolver("union", union)
}

async fn baskets(node: &Node) -> Result<RawTable, Box<dyn Error>> {
    let policy = Policy::Resolve("union".to_owned());
    Ok(node.create_table("baskets", Declaration { policy, ..Declaration::default() }).await?)
}

fn read(baskets: &RawTable) -> String {
    baskets.read(b"ada", |held| {
        held.map(|held| String::from_utf8_lossy(held.value).into_owned()).unwrap_or_default()
    })
}
