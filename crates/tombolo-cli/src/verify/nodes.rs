use std::collections::BTreeSet;
use std::time::Duration;

use tombolo_server::http::view::{MemberView, StatusView};

use crate::client::{Api, ApiError, dialled};
use crate::status;

/// How long a node that was named may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long an address is tried where a node might be.
const GUESS_PATIENCE: Duration = Duration::from_secs(2);

/// A node that can be asked.
pub(super) struct Peer {
    pub(super) name: String,
    pub(super) api: Api,
}

/// The nodes, and what they have.
pub(super) struct Found {
    pub(super) nodes: Vec<Peer>,
    /// Members that cannot be asked, and why.
    pub(super) left_out: Vec<(String, String)>,
    /// The tables of all nodes.
    pub(super) tables: BTreeSet<String>,
}

/// Asks the nodes at `addresses`, and looks for the members that they know.
///
/// Members tell each other where their cluster port is, and not where HTTP is. Most clusters have
/// the same distance between the two on every node, so a member is looked for there; what answers
/// counts only if it says that it is that member, of that cluster.
pub(super) fn find(addresses: &[String]) -> Result<Found, ApiError> {
    let mut asked: Vec<(String, StatusView)> = Vec::new();
    for address in addresses.iter().map(|written| dialled(written)) {
        let (_, view) = status::ask(&address, PATIENCE).map_err(ApiError::NoNode)?;
        if let Some((_, first)) = asked.first()
            && first.cluster != view.cluster
        {
            return Err(ApiError::Refused(format!(
                "{} is of cluster {} and {} of cluster {}: name nodes of one cluster",
                first.name, first.cluster, view.name, view.cluster
            )));
        }
        if asked.iter().all(|(_, other)| other.name != view.name) {
            asked.push((address, view));
        }
    }
    let mut left_out = Vec::new();
    for member in members(&asked) {
        match look_for(&member, &asked) {
            Ok(found) => asked.push(found),
            Err(why) => left_out.push((member.name, why)),
        }
    }
    let tables = asked.iter().flat_map(|(_, view)| &view.tables);
    let tables = tables.map(|table| table.name.clone()).collect();
    let peer = |(address, view): &(String, StatusView)| Peer {
        name: view.name.clone(),
        api: Api::new(address),
    };
    let mut nodes: Vec<Peer> = asked.iter().map(peer).collect();
    nodes.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(Found { nodes, left_out, tables })
}

/// The members that somebody knows and that were not asked. Those that left do not count.
fn members(asked: &[(String, StatusView)]) -> Vec<MemberView> {
    let mut found: Vec<MemberView> = Vec::new();
    for member in asked.iter().flat_map(|(_, view)| &view.members) {
        let known = asked.iter().any(|(_, view)| view.name == member.name)
            || found.iter().any(|other| other.name == member.name && other.state == "up");
        if !known && member.state != "left" {
            // One that some node hears is up, whatever others make of it.
            found.retain(|other| other.name != member.name);
            found.push(member.clone());
        }
    }
    found
}

fn look_for(
    member: &MemberView,
    asked: &[(String, StatusView)],
) -> Result<(String, StatusView), String> {
    if member.state != "up" {
        return Err(format!("it is {}", member.state));
    }
    let Some((first, view)) = asked.first() else { return Err("nobody knows it".to_owned()) };
    let name_it = "name its HTTP address too, with --http";
    let Some(address) = guess(first, &view.address, &member.address) else {
        return Err(name_it.to_owned());
    };
    match status::ask(&address, GUESS_PATIENCE) {
        Ok((_, found)) if found.name == member.name && found.cluster == view.cluster => {
            Ok((address, found))
        }
        Ok((_, found)) => Err(format!("at {address} answers {}; {name_it}", found.name)),
        Err(_) => Err(format!("no node answers at {address}; {name_it}")),
    }
}

/// Where the HTTP of a member at `cluster` is, if its ports are as far apart as those of a node
/// with `first_http` and `first_cluster`.
pub(super) fn guess(first_http: &str, first_cluster: &str, cluster: &str) -> Option<String> {
    let split = |address: &str| -> Option<(String, i32)> {
        let (host, port) = address.rsplit_once(':')?;
        Some((host.to_owned(), i32::from(port.parse::<u16>().ok()?)))
    };
    let distance = split(first_http)?.1 - split(first_cluster)?.1;
    let (host, port) = split(cluster)?;
    let port = u16::try_from(port + distance).ok().filter(|port| *port > 0)?;
    Some(format!("{host}:{port}"))
}
