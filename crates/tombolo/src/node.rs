//! The handle of a node.

use crate::acknowledged::Ack;
use crate::builder::NodeBuilder;
use crate::events::EventStream;
use crate::field::Path;
use crate::raw::RawTable;
use crate::shell::{Shell, StopReason};
use crate::snapshot::Keeper;
use crate::status::{self, Status};
use crate::typed::{Bag, Record, Records, Table};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tombolo_core::{
    AlterError, Declaration, DeclarationError, DeclarationMismatch, DeclareError, HoldError, Kind,
    TableId,
};

/// A member of a cluster, running in this process.
///
/// Cloning it is cheap, and all clones are the same node. It runs until [`Node::leave`] is called,
/// or the last clone of it and of its tables is dropped.
#[derive(Clone)]
pub struct Node {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) shell: Arc<Shell>,
    pub(crate) ack: Ack,
    pub(crate) ack_timeout: Duration,
    pub(crate) snapshots: Option<Arc<Keeper>>,
    /// Ends the thread that the node runs on, if it has one of its own.
    pub(crate) thread: Option<oneshot::Sender<()>>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.shell.stop(StopReason::Left);
        if let Some(thread) = self.thread.take() {
            // The thread may have ended by itself.
            let _ = thread.send(());
        }
    }
}

/// Why a table cannot be declared.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CreateError {
    /// The cluster has it, declared otherwise. Nothing was changed.
    #[error(transparent)]
    Mismatch(Box<DeclarationMismatch>),
    /// No table can be declared so.
    #[error(transparent)]
    Invalid(DeclarationError),
    /// A bag was asked for as a table, or the other way round. Nothing was changed; use
    /// [`Node::bag`] for bags, [`Node::table`] and [`Node::records`] for sets and ordered sets.
    #[error(
        "table {0:?} would be kind={1}: open kind=bag with bag or bag_with, \
         kind=set and kind=ordered_set with table, table_with, records or records_with"
    )]
    Kind(String, Kind),
    /// The policy names a field that is neither a path nor can be a function's name here.
    #[error("{0}")]
    Field(String),
    /// The name is empty, longer than 255 bytes, or has control characters in it.
    #[error("{0:?} cannot be a table's name: it takes 1 to 255 bytes without control characters")]
    Name(String),
    /// The node stopped before the table could be used.
    #[error("the node has stopped")]
    Stopped,
}

impl From<DeclareError> for CreateError {
    fn from(error: DeclareError) -> CreateError {
        match error {
            DeclareError::Invalid(error) => CreateError::Invalid(error),
            DeclareError::Mismatch(error) => CreateError::Mismatch(error),
        }
    }
}

/// There is no such member.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("no member is called {name:?}; there are {known:?}")]
pub struct DrillError {
    /// What was asked for.
    pub name: String,
    /// The other members.
    pub known: Vec<String>,
}

impl Node {
    /// Describes a node to be started.
    pub fn builder() -> NodeBuilder {
        NodeBuilder::default()
    }

    /// The node's name.
    pub fn name(&self) -> &str {
        &self.inner.shell.me.name
    }

    /// The table called `name`, made if the cluster does not have it: a `set` whose last writer
    /// wins. It appears on every node.
    ///
    /// # Errors
    ///
    /// If the cluster has it declared otherwise, or the name cannot be one.
    pub async fn table<K, V>(&self, name: &str) -> Result<Table<K, V>, CreateError>
    where
        K: Serialize + DeserializeOwned,
        V: Serialize + DeserializeOwned,
    {
        self.table_with(name, Declaration::default()).await
    }

    /// As [`Node::table`], declared as the caller wants it.
    ///
    /// # Errors
    ///
    /// As [`Node::table`]; also if no table can be declared so, or it is a bag: see
    /// [`Node::bag_with`].
    pub async fn table_with<K, V>(
        &self,
        name: &str,
        declaration: Declaration,
    ) -> Result<Table<K, V>, CreateError>
    where
        K: Serialize + DeserializeOwned,
        V: Serialize + DeserializeOwned,
    {
        if declaration.kind == Kind::Bag {
            return Err(CreateError::Kind(name.to_owned(), declaration.kind));
        }
        let raw = self.create_table(name, declaration).await?;
        Ok(Table::new(raw, self.inner.ack, self.inner.ack_timeout))
    }

    /// The table of records called `name`, which carry their own keys, made if the cluster does not
    /// have it: a `set` whose last writer wins.
    ///
    /// # Errors
    ///
    /// As [`Node::table`].
    pub async fn records<R: Record>(&self, name: &str) -> Result<Records<R>, CreateError> {
        self.records_with(name, Declaration::default()).await
    }

    /// As [`Node::records`], declared as the caller wants it.
    ///
    /// # Errors
    ///
    /// As [`Node::table_with`].
    pub async fn records_with<R: Record>(
        &self,
        name: &str,
        declaration: Declaration,
    ) -> Result<Records<R>, CreateError> {
        Ok(Records::new(self.table_with(name, declaration).await?))
    }

    /// The bag called `name`, made if the cluster does not have it: any number of distinct objects
    /// under one key.
    ///
    /// # Errors
    ///
    /// As [`Node::table`].
    pub async fn bag<K, V>(&self, name: &str) -> Result<Bag<K, V>, CreateError>
    where
        K: Serialize + DeserializeOwned,
        V: Serialize + DeserializeOwned,
    {
        self.bag_with(name, Declaration { kind: Kind::Bag, ..Declaration::default() }).await
    }

    /// As [`Node::bag`], declared as the caller wants it, with `kind=bag`.
    ///
    /// # Errors
    ///
    /// As [`Node::table`]; also if no table can be declared so, or it is no bag.
    pub async fn bag_with<K, V>(
        &self,
        name: &str,
        declaration: Declaration,
    ) -> Result<Bag<K, V>, CreateError>
    where
        K: Serialize + DeserializeOwned,
        V: Serialize + DeserializeOwned,
    {
        if declaration.kind != Kind::Bag {
            return Err(CreateError::Kind(name.to_owned(), declaration.kind));
        }
        let raw = self.create_table(name, declaration).await?;
        Ok(Bag::new(raw, self.inner.ack, self.inner.ack_timeout))
    }

    /// Declares a table of bytes, and waits until it may be written. One that is there and declared
    /// equally is simply returned.
    ///
    /// # Errors
    ///
    /// As [`Node::table`].
    pub async fn create_table(
        &self,
        name: &str,
        declaration: Declaration,
    ) -> Result<RawTable, CreateError> {
        if name.is_empty() || name.len() > 255 || name.chars().any(char::is_control) {
            return Err(CreateError::Name(name.to_owned()));
        }
        check_fields(&declaration).map_err(CreateError::Field)?;
        let shared = self.inner.shell.create(name, declaration)?;
        let table = RawTable::new(shared, Arc::clone(&self.inner));
        table.writable().await.map_err(|_| CreateError::Stopped)?;
        Ok(table)
    }

    /// Alters a table while the cluster runs: everything but its kind and the number
    /// of its fragments. Every node switches at the
    /// same place of the history: what is written by whoever has heard of it is judged by the new
    /// declaration, what was written before by the old one, wherever and whenever it arrives.
    ///
    /// # Errors
    ///
    /// [`AlterError`]; nothing is changed then.
    pub fn alter(&self, name: &str, declaration: Declaration) -> Result<(), AlterError> {
        check_fields(&declaration).map_err(AlterError::Field)?;
        self.inner.shell.steer(|node, _| node.alter(name, declaration))
    }

    /// Lets a table join every linked node's that it is kept apart from. Here or on the other
    /// side, once is enough.
    ///
    /// # Errors
    ///
    /// If there is no such table, or it is not kept apart from anybody's.
    pub fn approve(&self, table: &str) -> Result<(), HoldError> {
        self.inner.shell.steer(|node, now| node.approve(now, table))
    }

    /// Chooses this node's side of a table that is kept apart from other nodes': their island takes
    /// over the content of this one. What they wrote or deleted alone is overruled by ordinary
    /// writes and goes to the conflict ledger of both sides; nobody is stopped.
    ///
    /// # Errors
    ///
    /// As [`Node::approve`].
    pub fn choose_side(&self, table: &str) -> Result<(), HoldError> {
        self.inner.shell.steer(|node, now| node.choose(now, table))
    }

    /// A drill: from now on every table is kept apart from islands that come back, whatever it is
    /// declared, so that [`Status`] shows what a join would do before anything is joined. Ending it
    /// joins the tables that are declared to join by themselves.
    pub fn rehearse(&self, on: bool) {
        let steered: Result<(), std::convert::Infallible> =
            self.inner.shell.steer(|node, now| Ok(node.rehearse(now, on)));
        let Ok(()) = steered;
    }

    /// What happens on the node from now on.
    pub fn events(&self) -> EventStream {
        let shell = &self.inner.shell;
        shell.events.listen(shell.running.clone())
    }

    /// The table of bytes called `name`, if the node has it.
    pub fn raw_table(&self, name: &str) -> Option<RawTable> {
        let shared = self.inner.shell.table(TableId::of(name))?;
        let inner = Arc::clone(&self.inner);
        (shared.name == name && shared.fragment == 0).then(|| RawTable::new(shared, inner))
    }

    /// Every table that the node has, in the order of their names.
    pub fn raw_tables(&self) -> Vec<RawTable> {
        let mut all = self.inner.shell.registry.all();
        all.retain(|shared| shared.fragment == 0);
        all.sort_by(|one, other| one.name.cmp(&other.name));
        let table = |shared| RawTable::new(shared, Arc::clone(&self.inner));
        all.into_iter().map(table).collect()
    }

    /// What the node knows of itself, the cluster and the tables: plain data, as of now.
    pub fn status(&self) -> Status {
        status::of(&self.inner)
    }

    /// Leaves the cluster: lets the peers take what is on its way (for at most a second), tells
    /// them goodbye so that they do not count it as down, stops, and writes a last snapshot of each
    /// table if it keeps any. Calling it again does nothing.
    pub async fn leave(&self) {
        let shell = &self.inner.shell;
        if shell.running.is_cancelled() {
            return;
        }
        let deadline = tokio::time::Instant::now() + Duration::from_secs(1);
        let on_its_way = || {
            let behind = |table: &Arc<crate::shared::SharedTable>| table.acked() < table.written();
            shell.registry.all().iter().any(behind)
        };
        while on_its_way() && tokio::time::Instant::now() < deadline {
            shell.mesh.flush();
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        shell.with_swim(|swim| swim.leave());
        shell.say_goodbye();
        // The sockets take it at once unless they are full, and then the peers will see them close.
        tokio::time::sleep(Duration::from_millis(20)).await;
        shell.stop(StopReason::Left);
        if let Some(snapshots) = &self.inner.snapshots {
            snapshots.finish(shell).await;
        }
    }

    /// Resolves when the node stopped, and says why.
    pub async fn stopped(&self) -> StopReason {
        let mut stopped = self.inner.shell.stopped.subscribe();
        loop {
            if let Some(reason) = stopped.borrow_and_update().clone() {
                return reason;
            }
            if stopped.changed().await.is_err() {
                return StopReason::Left;
            }
        }
    }

    /// A drill: ends the link with the member called `peer` and refuses new ones until
    /// [`Node::heal`].
    ///
    /// # Errors
    ///
    /// If there is no such member.
    pub fn cut(&self, peer: &str) -> Result<(), DrillError> {
        let shell = &self.inner.shell;
        let known: Vec<String> = {
            let node = shell.node.lock();
            node.members().others().map(|known| known.member.id.name.clone()).collect()
        };
        if !known.iter().any(|name| name == peer) {
            return Err(DrillError { name: peer.to_owned(), known });
        }
        shell.cuts.lock().insert(peer.to_owned());
        if let Some(link) = shell.mesh.named(peer) {
            shell.link_down(&link, "a drill cut it");
        }
        Ok(())
    }

    /// Ends all cuts of [`Node::cut`].
    pub fn heal(&self) {
        self.inner.shell.cuts.lock().clear();
    }
}

/// A field that looks like a path must be one; other names are those of registered functions. The
/// second key of a bag can only be a path.
fn check_fields(declaration: &Declaration) -> Result<(), String> {
    let is_path = |field: &str| field.starts_with('/') || field.contains(':');
    let policy = &declaration.policy;
    let paths = policy.field().filter(|field| is_path(field)).into_iter().chain(policy.per());
    paths.map(Path::parse).try_for_each(|path| path.map(drop).map_err(|error| error.to_string()))
}
