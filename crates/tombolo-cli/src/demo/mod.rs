//! `tombolo demo`: a cluster of real node processes on this machine.

mod cluster;
mod interrupt;
mod node;
mod tour;

use std::net::TcpListener;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use crate::args::DemoArgs;
use crate::text::{Tone, complain, measured, say, wants_colours};
use cluster::Cluster;
use interrupt::Interrupt;
use node::Plan;

/// How long the nodes may take to become one cluster.
const WHOLE_WITHIN: Duration = Duration::from_secs(30);
/// How often the processes are looked at.
const WATCH_EVERY: Duration = Duration::from_millis(200);
/// The exit status of a program that Ctrl-C ended before it was done.
const INTERRUPTED: u8 = 130;

/// Runs the subcommand.
pub fn run(args: &DemoArgs) -> ExitCode {
    match play(args) {
        Ok(code) => code,
        Err(error) => {
            complain(error);
            ExitCode::FAILURE
        }
    }
}

fn play(args: &DemoArgs) -> Result<ExitCode, String> {
    if args.tour && args.nodes < 2 {
        return Err("--tour cuts the cluster in two, so --nodes must be 2 or more".to_owned());
    }
    let plans = Plan::all(args.nodes, args.base_port);
    check_ports(&plans)?;
    let interrupt = Interrupt::listen()?;
    let began = Instant::now();
    let mut cluster = Cluster::start(plans)?;
    say(format!("{} nodes started; their logs are in {}", args.nodes, cluster.folder().display()));
    match cluster.wait_until_whole(WHOLE_WITHIN, &interrupt) {
        Ok(()) => {}
        Err(_) if interrupt.is_set() => return Ok(ExitCode::from(INTERRUPTED)),
        Err(error) => return Err(error),
    }
    introduce(&cluster, began.elapsed());
    if args.tour {
        return Ok(tour::play(&mut cluster, &interrupt));
    }
    Ok(watch(&mut cluster, &interrupt))
}

fn check_ports(plans: &[Plan]) -> Result<(), String> {
    for plan in plans {
        let ports = [("RESP", &plan.resp), ("HTTP", &plan.http), ("cluster", &plan.cluster)];
        for (what, address) in ports {
            if let Err(error) = TcpListener::bind(address.as_str()) {
                let (name, port) = (&plan.name, address.rsplit(':').next().unwrap_or_default());
                return Err(format!(
                    "cannot start the demo: the {what} port {port} of {name} is not free \
                     ({error}). Stop what uses it, perhaps another demo or node: \
                     `ss -ltnp 'sport = :{port}'` shows it"
                ));
            }
        }
    }
    Ok(())
}

fn introduce(cluster: &Cluster, took: Duration) {
    let colours = wants_colours();
    say(format!("one cluster after {}\n", measured(took)));
    for node in cluster.nodes() {
        let plan = &node.plan;
        say(format!(
            "  {}  redis {}   http {}   cluster {}   pid {}",
            Tone::Strong.paint(&plan.name, colours),
            plan.resp,
            plan.http,
            plan.cluster,
            node.pid()
        ));
    }
    let port = |index: usize| {
        let node = &cluster.nodes()[index.min(cluster.nodes().len() - 1)];
        node.plan.resp.rsplit(':').next().unwrap_or_default().to_owned()
    };
    let program = program();
    let status = match cluster.nodes()[0].plan.http.as_str() {
        "127.0.0.1:7380" => format!("{program} status"),
        other => format!("{program} status --http {other}"),
    };
    say(format!(
        "\ntry\n  redis-cli -p {} set greeting hello\n  redis-cli -p {} get greeting\n  {status}",
        port(0),
        port(1)
    ));
}

/// This program as it was called: one that was built from a clone cannot be called by its name.
fn program() -> String {
    std::env::args().next().unwrap_or_else(|| "tombolo".to_owned())
}

/// Until Ctrl-C, or until no node is left.
fn watch(cluster: &mut Cluster, interrupt: &Interrupt) -> ExitCode {
    say("\nCtrl-C ends all nodes");
    while !interrupt.is_set() {
        for death in cluster.new_deaths() {
            say(format!("\n{death}"));
        }
        if cluster.nodes().iter().all(|node| !node.is_running()) {
            complain("no node is left");
            return ExitCode::FAILURE;
        }
        thread::sleep(WATCH_EVERY);
    }
    say("\nending the nodes");
    cluster.end();
    ExitCode::SUCCESS
}
