//! Where the other nodes of a cluster may be.
//!
//! A [`Discovery`] back-end answers one question: at which addresses is it worth dialling? It
//! does not know which nodes are up, which of them belong to the cluster, or which of the
//! addresses is this very node; that is found out by dialling. An address that disappears from
//! an answer is no longer dialled, but a node that is linked stays linked.
//!
//! This crate knows no other crate of Tombolo, spawns nothing and logs nothing: what is wrong
//! is returned, and the driver of the `tombolo` crate decides what becomes of it.
//!
//! # When the driver asks
//!
//! | phase | [`Discovery::nodes`] is called |
//! |---|---|
//! | start-up | every second, until an answer holds an address |
//! | regular | every 5 seconds, and at once when a node is heard or is not heard any more |
//! | after an error | every second, until an answer comes |
//! | after a panic | after 1, 2, 4 and at most 32 seconds, beginning with `init` |
//!
//! [`Discovery::init`] is called once, before the first `nodes`; when it fails it is called again
//! at the pace of the start-up phase. All calls of a back-end are made one after the other, on a
//! thread where blocking is allowed, so it may read files, resolve names or query a database. A
//! back-end that blocks or panics delays or loses its own answer and nothing else; the node's
//! status names it, and goes on with what it found before.
//!
//! # Back-ends
//!
//! - [`Static`]: a list that is known from the start.
//! - [`File`]: a file with one address a line, which may change, and may appear later.
//! - [`parse`] makes a back-end from what an operator wrote, such as `file:/etc/tombolo/nodes`.
//!
//! ```
//! use tombolo_discovery::{Discovery, Static};
//!
//! let mut seeds = Static::new(["node-1.example:7381", "[fd00::2]:7381"])?;
//! seeds.init()?;
//! assert_eq!(seeds.nodes()?.addresses, ["node-1.example:7381", "[fd00::2]:7381"]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod address;
mod error;
mod file;
mod found;
mod spec;
mod static_list;

pub use address::{AddressError, check_address};
pub use error::DiscoveryError;
pub use file::File;
pub use found::{Found, Problem};
pub use spec::{SpecError, parse};
pub use static_list::Static;

/// A source of addresses. The crate's documentation says when each method is called.
pub trait Discovery: Send + 'static {
    /// What it is called in the node's status and log. Default: the name of its type.
    fn name(&self) -> String {
        let name = std::any::type_name::<Self>();
        name.rsplit("::").next().unwrap_or(name).to_owned()
    }

    /// Prepares the back-end, for example opens a connection to a database.
    ///
    /// # Errors
    ///
    /// When the back-end cannot answer yet; the call is repeated, so it must leave a state from
    /// which another `init` can succeed.
    fn init(&mut self) -> Result<(), DiscoveryError> {
        Ok(())
    }

    /// Every address that is known now, not only the new ones.
    ///
    /// What is wrong with a part of the source goes into [`Found::problems`], so that it does
    /// not cost the addresses that are right.
    ///
    /// # Errors
    ///
    /// When the source cannot be asked at all. The caller then goes on with the addresses of
    /// the last good answer.
    fn nodes(&mut self) -> Result<Found, DiscoveryError>;
}

impl Discovery for Box<dyn Discovery> {
    fn name(&self) -> String {
        self.as_ref().name()
    }

    fn init(&mut self) -> Result<(), DiscoveryError> {
        self.as_mut().init()
    }

    fn nodes(&mut self) -> Result<Found, DiscoveryError> {
        self.as_mut().nodes()
    }
}
