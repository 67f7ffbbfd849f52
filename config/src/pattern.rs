//! Hosts, path prefixes, networks and targets of calls out, as the manifest and requests write them.

mod host;
mod map;
mod net;
mod outbound;
mod path;

pub use host::{Host, HostError, HostPattern, MAX_LABEL_LEN, MAX_NAME_LEN};
pub use map::HostMap;
pub use net::{IpNet, NetError};
pub use outbound::{OutboundError, OutboundRule, OutboundScheme, is_localhost};
pub use path::{MAX_PREFIX_LEN, PathError, PathPrefix};
