//! Nodes that stand still, as a suspended process does: their sockets are open, nobody reads them.

use crate::common::builder;
use std::sync::mpsc;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;
use tombolo::{Node, NodeBuilder};

/// A node on a thread that can be stopped.
pub struct Freezer {
    orders: UnboundedSender<Freeze>,
}

/// Says that the thread stands, and how it is to go on.
type Freeze = (oneshot::Sender<()>, mpsc::Receiver<End>);

enum End {
    Thaw,
    Crash,
}

/// A node that stands still until this is used or dropped.
pub struct Frozen {
    end: mpsc::Sender<End>,
}

impl Frozen {
    /// The node goes on.
    pub fn thaw(self) {
        self.end.send(End::Thaw).unwrap();
    }

    /// The node ends as a killed process does: what waits in its sockets is never read.
    pub fn crash(self) {
        self.end.send(End::Crash).unwrap();
    }
}

impl Freezer {
    pub async fn freeze(&self) -> Frozen {
        let (stands, standing) = oneshot::channel();
        let (end, ended) = mpsc::channel();
        self.orders.send((stands, ended)).expect("the thread lives");
        standing.await.unwrap();
        Frozen { end }
    }
}

pub async fn freezable(name: &str, join: &[&Node]) -> (Node, Freezer) {
    let join: Vec<String> = join.iter().map(|node| node.status().address).collect();
    start(builder(name).join(join)).await
}

async fn start(described: NodeBuilder) -> (Node, Freezer) {
    let (orders, mut taken) = unbounded_channel::<Freeze>();
    let (started, starting) = oneshot::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let node = described.on_current_runtime().start().await.unwrap();
            started.send(node).ok().expect("somebody waits for it");
            while let Some((stands, ended)) = taken.recv().await {
                stands.send(()).unwrap();
                if let Ok(End::Crash) = ended.recv() {
                    return;
                }
            }
        });
        runtime.shutdown_background();
    });
    (starting.await.unwrap(), Freezer { orders })
}
