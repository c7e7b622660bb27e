use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::{debug, warn};

/// What 10,000 clients and the links need, with room to spare.
const ENOUGH: u64 = 16_384;

/// Raises the limit of open files as far as the system lets this process. The usual soft limit
/// of 1024 exists for programs that use `select`, and would refuse the thousandth client.
pub(super) fn raise_open_files() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum {
        let raised = Rlimit { current: maximum, maximum };
        match setrlimit(Resource::Nofile, raised) {
            Ok(()) => debug!("raised the limit of open files from {current:?} to {maximum:?}"),
            Err(error) => warn!("cannot raise the limit of open files ({current:?}): {error}"),
        }
    }
    if maximum.is_some_and(|maximum| maximum < ENOUGH) {
        let limit = maximum.unwrap_or_default();
        warn!("the limit of open files is {limit}: 10,000 clients need `ulimit -Hn` raised");
    }
}
