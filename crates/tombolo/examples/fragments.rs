//! How much several fragments bring to threads that write at the same time.
//!
//! ```text
//! cargo run --release -p tombolo --example fragments [WRITES OF EACH THREAD]
//! ```
//!
//! Two nodes in one process; two threads write to one of them as fast as they can, first to a table
//! of one fragment, then to one of eight. Both nodes and both writers share the machine's cores, so
//! the figures say how the two compare on it and nothing else.

use std::error::Error;
use std::time::{Duration, Instant};
use tombolo::{Ack, Declaration, Node, RawTable};

const THREADS: u32 = 2;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let writes = std::env::args().nth(1).map_or(Ok(300_000), |writes| writes.parse())?;
    let any = "127.0.0.1:0".parse()?;
    let a = Node::builder().name("a").listen(any).start().await?;
    let b = Node::builder().name("b").listen(any).join([a.status().address]).start().await?;
    for round in 1..=3 {
        for fragments in [1, 8] {
            let name = format!("of-{fragments}");
            let declaration = Declaration { fragments, ..Declaration::default() };
            let table = a.create_table(&name, declaration).await?;
            let took = write(&table, writes).await?;
            let each = took.as_nanos() / u128::from(THREADS * writes);
            println!("round {round}, {fragments} fragments: {each} ns a write");
        }
    }
    b.leave().await;
    a.leave().await;
    Ok(())
}

/// Lets all threads write at the same time, and waits until the other node has everything.
async fn write(table: &RawTable, writes: u32) -> Result<Duration, Box<dyn Error>> {
    let start = Instant::now();
    let threads: Vec<_> = (0..THREADS)
        .map(|thread| {
            let table = table.clone();
            std::thread::spawn(move || {
                for number in 0..writes {
                    let key = format!("{thread}:{}", number % 50_000);
                    table.put(key.as_bytes(), b"a value of some bytes", None)?;
                }
                Ok::<_, tombolo::WriteError>(())
            })
        })
        .collect();
    for thread in threads {
        thread.join().map_err(|_| "a writer panicked")??;
    }
    let took = start.elapsed();
    // One more write to each fragment: whoever has those has all.
    for number in 0..100u32 {
        let receipt = table.put(&number.to_be_bytes(), b"", None)?;
        table.acknowledged(receipt, Ack::All, Duration::from_secs(60)).await?;
    }
    Ok(took)
}
