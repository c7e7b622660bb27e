//! The command line as text; [`crate::config`] gives the values their meaning.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// `tombolo`.
#[derive(Debug, Parser)]
#[command(name = "tombolo", version, about = "Replicated in-memory tables for any Redis client")]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Runs one node until SIGTERM or Ctrl-C.
    Serve(Box<ServeArgs>),
    /// Shows the cluster as one node sees it. Exit status: 0 whole, 1 converging or split,
    /// 2 no answer.
    Status(StatusArgs),
    /// Starts a cluster on this machine to try things out.
    Demo(DemoArgs),
    /// Shows what merges discarded or could not decide, and how to decide it.
    Conflicts(ConflictsArgs),
    /// Decides what a key holds that was written on both sides of a split.
    Resolve(ResolveArgs),
    /// Takes back what a merge decided.
    Undo(UndoArgs),
    /// Compares all tables of all nodes. Exit status: 0 equal, 1 not, or not known, 2 no answer.
    Verify(VerifyArgs),
    /// Shows how far the tables of a node are filled, until all are complete.
    JoinProgress(ProgressArgs),
    /// Shows what joining another island would do to the tables that wait for it.
    Join(JoinArgs),
    /// Lets a table join the islands that it is kept apart from.
    Approve(HeldArgs),
    /// Chooses the asked node's side: the islands that are kept apart take over its content.
    Choose(HeldArgs),
    /// Makes a table, on all nodes.
    Create(CreateArgs),
    /// Changes how a table is declared while the cluster runs; what is not named stays.
    Alter(AlterArgs),
    /// Writes what the tables hold into a file, from one running node.
    Backup(BackupArgs),
    /// Writes what a backup holds and the tables do not; deletes nothing.
    Restore(RestoreArgs),
}

/// The flags of `tombolo serve`.
///
/// The values stay text here, so that a value from a flag, from a variable and from a file goes
/// through the same checks and is refused in the same words.
#[derive(Args, Clone, Debug, Default)]
#[command(after_help = "Every flag but --config is also a key of that file (cluster-name or \
    cluster_name) and an environment variable (TOMBOLO_CLUSTER_NAME). A flag beats a variable, \
    a variable beats the file.")]
pub struct ServeArgs {
    /// A TOML file with the same keys as the flags.
    #[arg(long, value_name = "FILE.toml")]
    pub config: Option<PathBuf>,
    /// The node's name, unique in the cluster [default: host name and cluster port].
    #[arg(long)]
    pub name: Option<String>,
    /// Nodes of another cluster name are refused [default: tombolo].
    #[arg(long, value_name = "NAME")]
    pub cluster_name: Option<String>,
    /// Where other nodes connect [default: 127.0.0.1:7381].
    #[arg(long, value_name = "IP:PORT")]
    pub listen: Option<String>,
    /// The address that other nodes are told [default: that of --listen].
    #[arg(long, value_name = "HOST:PORT")]
    pub advertise: Option<String>,
    /// Where Redis clients connect [default: 127.0.0.1:7379].
    #[arg(long, value_name = "IP:PORT")]
    pub resp: Option<String>,
    /// Where health, metrics and status are served [default: 127.0.0.1:7380].
    #[arg(long, value_name = "IP:PORT")]
    pub http: Option<String>,
    /// Other nodes to look for; they may come up later.
    #[arg(long, value_name = "HOST:PORT,...")]
    pub join: Option<String>,
    /// A file with one HOST:PORT a line; it may change, and appear later.
    #[arg(long, value_name = "file:PATH")]
    pub discovery: Option<String>,
    /// What nodes prove to each other that they know; prefer the file or the variable, as other
    /// users of the machine can read flags.
    #[arg(long, allow_hyphen_values = true)]
    pub secret: Option<String>,
    /// The password that Redis clients need (AUTH); prefer the file or the variable.
    #[arg(long, allow_hyphen_values = true)]
    pub password: Option<String>,
    /// Who must have a write before it is answered: all, local, or a number of nodes, this one
    /// included [default: all].
    #[arg(long, value_name = "all|local|N")]
    pub ack: Option<String>,
    /// How long a write waits for that [default: 5s].
    #[arg(long, value_name = "DURATION")]
    pub ack_timeout: Option<String>,
    /// Nodes whose clocks differ by more refuse each other [default: 1s].
    #[arg(long, value_name = "DURATION")]
    pub max_drift: Option<String>,
    /// How many bytes a second this node sends to fill or join other nodes' tables
    /// [default: as many as the links take].
    #[arg(long, value_name = "50MB|...")]
    pub sync_rate: Option<String>,
    /// How many bytes of conflicts the ledger of each table keeps [default: 1MiB].
    #[arg(long, value_name = "4MiB|...")]
    pub ledger_bytes: Option<String>,
    /// Keeps a snapshot of every table in this folder, and starts from what is there; the folder is
    /// this node's alone [default: none].
    #[arg(long, value_name = "DIR")]
    pub snapshot_dir: Option<String>,
    /// How often a table that changed is written there [default: 60s].
    #[arg(long, value_name = "DURATION")]
    pub snapshot_every: Option<String>,
    /// Allows POST /api/v1/drills/..., which cut and heal links.
    #[arg(
        long,
        value_name = "true|false",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true"
    )]
    pub drills: Option<String>,
    /// What is logged to stderr: info, debug, tombolo=debug, ... [default: info].
    #[arg(long, value_name = "FILTER")]
    pub log: Option<String>,
    /// Ends the node when its standard input closes, as it does when the parent dies.
    #[arg(long, hide = true)]
    pub exit_with_parent: bool,
}

/// The flags of `tombolo status`.
#[derive(Args, Clone, Debug)]
pub struct StatusArgs {
    /// Prints the node's JSON as it is.
    #[arg(long)]
    pub json: bool,
    /// Which node is asked.
    #[command(flatten)]
    pub node: NodeArgs,
}

/// The flag of every subcommand that asks one node.
#[derive(Args, Clone, Debug)]
pub struct NodeArgs {
    /// The HTTP address of the node to ask.
    #[arg(long, value_name = "HOST:PORT", env = "TOMBOLO_HTTP", default_value = DEFAULT_HTTP)]
    pub http: String,
}

/// Where `tombolo serve` has its HTTP by default.
const DEFAULT_HTTP: &str = "127.0.0.1:7380";

impl NodeArgs {
    /// What is to be added to a command so that it asks the same node.
    pub fn hint(&self) -> String {
        if self.http == DEFAULT_HTTP { String::new() } else { format!(" --http {}", self.http) }
    }
}

/// The flags of `tombolo demo`.
#[derive(Args, Clone, Debug)]
pub struct DemoArgs {
    /// How many nodes.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=9))]
    pub nodes: u16,
    /// Plays a story with a split, a heal and a crash; exit status 0 only if every step held.
    #[arg(long)]
    pub tour: bool,
    /// The RESP port of the first node; its HTTP and cluster ports follow, the next node's are
    /// ten higher.
    #[arg(long, hide = true, default_value_t = 7379,
        value_parser = clap::value_parser!(u16).range(1..=65000))]
    pub base_port: u16,
}

/// The flags of `tombolo conflicts`.
#[derive(Args, Clone, Debug)]
pub struct ConflictsArgs {
    /// Of this table alone.
    #[arg(long, value_name = "TABLE")]
    pub table: Option<String>,
    /// Prints the node's JSON as it is.
    #[arg(long)]
    pub json: bool,
    /// Which node is asked.
    #[command(flatten)]
    pub node: NodeArgs,
}

/// The flags of `tombolo resolve`.
#[derive(Args, Clone, Debug)]
pub struct ResolveArgs {
    /// The table.
    pub table: String,
    /// The key.
    pub key: String,
    /// What becomes of the key.
    #[command(flatten)]
    pub choice: ChoiceArgs,
    /// KEY and V are base64, for bytes that are no text.
    #[arg(long)]
    pub base64: bool,
    /// Which node is asked.
    #[command(flatten)]
    pub node: NodeArgs,
}

/// What becomes of a key in conflict.
#[derive(Args, Clone, Debug)]
#[group(required = true, multiple = false)]
pub struct ChoiceArgs {
    /// Keeps the value of that name; `tombolo conflicts` shows the names.
    #[arg(long, value_name = "NODE:N")]
    pub take: Option<String>,
    /// Writes this value.
    #[arg(long, value_name = "V", allow_hyphen_values = true)]
    pub value: Option<String>,
    /// Deletes the key.
    #[arg(long)]
    pub delete: bool,
}

/// The flags of `tombolo undo`.
#[derive(Args, Clone, Debug)]
pub struct UndoArgs {
    /// The entry of the ledger, as `tombolo conflicts` shows it.
    pub id: String,
    /// The table; without it all ledgers are searched.
    #[arg(long, value_name = "TABLE")]
    pub table: Option<String>,
    /// Which node is asked.
    #[command(flatten)]
    pub node: NodeArgs,
}

/// The flags of `tombolo verify`.
#[derive(Args, Clone, Debug)]
pub struct VerifyArgs {
    /// HTTP addresses of nodes. The others are found through the first, if their HTTP ports are as
    /// far from their cluster ports as its own.
    #[arg(
        long,
        value_name = "HOST:PORT,...",
        env = "TOMBOLO_HTTP",
        default_value = DEFAULT_HTTP,
        value_delimiter = ','
    )]
    pub http: Vec<String>,
    /// This table alone.
    #[arg(long, value_name = "TABLE")]
    pub table: Option<String>,
    /// Prints the result as JSON.
    #[arg(long)]
    pub json: bool,
    /// How long to wait for writes that are on their way.
    #[arg(long, value_name = "DURATION", default_value = "10s",
        value_parser = crate::config::parse_duration)]
    pub within: std::time::Duration,
}

/// The flags of `tombolo join-progress`.
#[derive(Args, Clone, Debug)]
pub struct ProgressArgs {
    /// Shows it once. Exit status: 0 if all tables are complete, 1 if not.
    #[arg(long)]
    pub once: bool,
    /// Which node is asked.
    #[command(flatten)]
    pub node: NodeArgs,
}

/// The flags of `tombolo join`.
#[derive(Args, Clone, Debug)]
pub struct JoinArgs {
    /// Only looks; `tombolo approve TABLE` joins.
    #[arg(long)]
    pub dry_run: bool,
    /// This table alone.
    #[arg(long, value_name = "TABLE")]
    pub table: Option<String>,
    /// Which node is asked.
    #[command(flatten)]
    pub node: NodeArgs,
}

/// The flags of `tombolo approve` and `tombolo choose`.
#[derive(Args, Clone, Debug)]
pub struct HeldArgs {
    /// The table.
    pub table: String,
    /// Which node is asked.
    #[command(flatten)]
    pub node: NodeArgs,
}

/// The flags of `tombolo create`.
#[derive(Args, Clone, Debug)]
pub struct CreateArgs {
    /// The table's name.
    pub table: String,
    /// set, ordered_set or bag [default: set].
    #[arg(long, value_parser = word::<tombolo::Kind>)]
    pub kind: Option<String>,
    /// Into how many fragments the keys are spread, for parallel writers [default: 1].
    #[arg(long, value_name = "COUNT")]
    pub fragments: Option<u16>,
    /// How it is declared.
    #[command(flatten)]
    pub declared: DeclaredArgs,
    /// Which node is asked.
    #[command(flatten)]
    pub node: NodeArgs,
}

/// The flags of `tombolo alter`.
#[derive(Args, Clone, Debug)]
pub struct AlterArgs {
    /// The table's name.
    pub table: String,
    /// What is to change.
    #[command(flatten)]
    pub declared: DeclaredArgs,
    /// Which node is asked.
    #[command(flatten)]
    pub node: NodeArgs,
}

/// The flags of `tombolo backup`.
#[derive(Args, Clone, Debug)]
pub struct BackupArgs {
    /// The file. One that is there is replaced once the backup is complete.
    pub file: PathBuf,
    /// This table alone.
    #[arg(long, value_name = "TABLE")]
    pub table: Option<String>,
    /// Which node is asked.
    #[command(flatten)]
    pub node: NodeArgs,
}

/// The flags of `tombolo restore`.
#[derive(Args, Clone, Debug)]
pub struct RestoreArgs {
    /// The file.
    pub file: PathBuf,
    /// Reads the whole file and tells what would be done; writes nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// This table alone.
    #[arg(long, value_name = "TABLE")]
    pub table: Option<String>,
    /// Which node is asked.
    #[command(flatten)]
    pub node: NodeArgs,
}

/// What of a declaration may change.
#[derive(Args, Clone, Debug)]
pub struct DeclaredArgs {
    /// What becomes of concurrent writes: last_writer_wins, newest, merge_only,
    /// last_version(/FIELD), last_modified, resolve(NAME), ignore or yield_island.
    #[arg(long, value_name = "POLICY", value_parser = word::<tombolo::Policy>)]
    pub policy: Option<String>,
    /// Whether the records of a node that is down are seen: keep or hide.
    #[arg(long, value_name = "keep|hide", value_parser = word::<tombolo::OwnerDown>)]
    pub owner_down: Option<String>,
    /// Whether islands that come back join by themselves: auto or hold.
    #[arg(long, value_name = "auto|hold", value_parser = word::<tombolo::Merge>)]
    pub merge: Option<String>,
    /// After what time a record expires that was written without an expiry; none for never.
    #[arg(long, value_name = "DURATION|none", value_parser = ttl)]
    pub ttl: Option<u64>,
    /// How many members an island must have for serial operations; 0 for any number.
    #[arg(long, value_name = "MEMBERS")]
    pub quorum: Option<u16>,
}

/// A word that the library knows; it goes to the node as it was written.
fn word<T: std::str::FromStr<Err: std::fmt::Display>>(text: &str) -> Result<String, String> {
    text.parse::<T>().map(|_| text.to_owned()).map_err(|error| error.to_string())
}

/// Milliseconds; 0 stands for none.
fn ttl(text: &str) -> Result<u64, String> {
    if text == "none" {
        return Ok(0);
    }
    let duration = crate::config::parse_duration(text).map_err(|error| error + ", or none")?;
    Ok(duration.as_millis() as u64)
}
