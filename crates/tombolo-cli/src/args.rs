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
    /// The HTTP address of the node to ask.
    #[arg(long, value_name = "HOST:PORT", env = "TOMBOLO_HTTP", default_value = "127.0.0.1:7380")]
    pub http: String,
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
