//! Who is in which room of a chat, and who is typing, on every node that serves it.
//!
//! A node writes only of the users that are connected to it, so when it dies, by `kill -9` as
//! well, they are gone from the rooms everywhere, and nobody has to clean up.
//!
//! ```text
//! cargo run -p tombolo --example chat_presence
//! ```

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::error::Error;
use std::time::Duration;
use tombolo::{
    Declaration, Kind, Node, OwnerDown, Policy, Record, Records, Table, TableWatch, WatchEvent,
};

/// One connection of a user to a room.
#[derive(Serialize, Deserialize)]
struct Presence {
    room: String,
    user: String,
    /// The node that holds the connection. It is part of the key: no node overwrites what another
    /// has written, because the record would then be that one's.
    node: String,
}

type Key = (String, String, String);

impl Record for Presence {
    type Key = Key;

    fn key(&self) -> Key {
        (self.room.clone(), self.user.clone(), self.node.clone())
    }
}

/// The chat as one node serves it.
struct Chat {
    node: Node,
    presences: Records<Presence>,
    /// Room and user.
    typing: Table<(String, String), ()>,
}

impl Chat {
    async fn start(name: &str, join: &[String]) -> Result<Chat, Box<dyn Error>> {
        let any = "127.0.0.1:0".parse()?;
        let node = Node::builder().name(name).listen(any).join(join).start().await?;
        let declaration = Declaration {
            kind: Kind::OrderedSet,
            policy: Policy::Newest,
            owner_down: OwnerDown::Hide,
            ..Declaration::default()
        };
        let presences = node.records_with("presences", declaration).await?;
        let typing = node.table("typing").await?;
        Ok(Chat { node, presences, typing })
    }

    fn presence(&self, room: &str, user: &str) -> Presence {
        let node = self.node.name().to_owned();
        Presence { room: room.to_owned(), user: user.to_owned(), node }
    }

    async fn enter(&self, room: &str, user: &str) -> Result<(), Box<dyn Error>> {
        self.presences.insert(&self.presence(room, user)).await?;
        Ok(())
    }

    async fn leave(&self, room: &str, user: &str) -> Result<(), Box<dyn Error>> {
        self.presences.delete(&self.presence(room, user).key()).await?;
        Ok(())
    }

    /// Called with every key that is pressed; who presses none is soon not typing any more.
    async fn types(&self, room: &str, user: &str) -> Result<(), Box<dyn Error>> {
        let key = (room.to_owned(), user.to_owned());
        self.typing.insert(&key, &()).ttl(Duration::from_millis(300)).await?;
        Ok(())
    }

    fn is_typing(&self, room: &str, user: &str) -> bool {
        self.typing.contains(&(room.to_owned(), user.to_owned()))
    }

    /// Who is in a room. Only its own records are looked at, because the keys are ordered.
    fn users(&self, room: &str) -> Result<Vec<String>, Box<dyn Error>> {
        let first = (room.to_owned(), String::new(), String::new());
        let mut users = Vec::new();
        for record in self.presences.table().range(first..)? {
            let ((of, user, _), _) = record?;
            if of != room {
                break;
            }
            users.push(user);
        }
        // Somebody may be connected twice.
        users.dedup();
        Ok(users)
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let a = Chat::start("a", &[]).await?;
    let seed = [a.node.status().address];
    let b = Chat::start("b", &seed).await?;
    let watch = a.presences.table().watch();
    let mut rooms = Rooms { watch, present: BTreeSet::new() };

    println!("what a's watch tells:");
    a.enter("hall", "ada").await?;
    rooms.tell().await?;
    b.enter("hall", "grace").await?;
    rooms.tell().await?;
    b.enter("hall", "edsger").await?;
    rooms.tell().await?;
    b.leave("hall", "edsger").await?;
    rooms.tell().await?;

    b.types("hall", "grace").await?;
    println!("grace is typing: {}", a.is_typing("hall", "grace"));
    while a.is_typing("hall", "grace") {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    println!("grace is typing: {}", a.is_typing("hall", "grace"));

    println!("in the hall: {:?}", a.users("hall")?);
    // Without a word, like a process that is killed.
    drop(b);
    rooms.tell().await?;
    println!("in the hall: {:?}", a.users("hall")?);

    let b = Chat::start("b", &seed).await?;
    println!("b is back, and its users are not: {:?}", b.users("hall")?);
    b.enter("hall", "grace").await?;
    rooms.tell().await?;
    println!("in the hall: {:?}", b.users("hall")?);
    b.node.leave().await;
    a.node.leave().await;
    Ok(())
}

/// The rooms as a watch tells of them, and who is in them.
struct Rooms {
    watch: TableWatch<Key, Presence>,
    present: BTreeSet<Key>,
}

impl Rooms {
    /// Prints who comes or goes next.
    async fn tell(&mut self) -> Result<(), Box<dyn Error>> {
        while let Some(event) = self.watch.next().await {
            // What is there may be told more than once: only what changes the set is news.
            let news = match event? {
                WatchEvent::Insert { key, .. } | WatchEvent::Update { key, .. } => {
                    self.present.insert(key.clone()).then_some((key, "came"))
                }
                WatchEvent::Shown { key, .. } => {
                    self.present.insert(key.clone()).then_some((key, "is back with its node"))
                }
                WatchEvent::Delete { key, .. } => {
                    self.present.remove(&key).then_some((key, "left"))
                }
                WatchEvent::Hidden { key, .. } => {
                    self.present.remove(&key).then_some((key, "is gone with its node"))
                }
                WatchEvent::Reset => {
                    self.present.clear();
                    None
                }
                _ => None,
            };
            if let Some(((room, user, node), what)) = news {
                println!("  {room}: {user} of {node} {what}");
                return Ok(());
            }
        }
        Err("the node has ended".into())
    }
}
