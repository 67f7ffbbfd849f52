//! From sockets to requests: accept, TLS, HTTP/1.1 and HTTP/2, each with its limits and its deadlines.
//!
//! In reading order: [`tcp`] (bind, accept, caps), [`proxy`] (who is behind a proxy), [`tls`] (certificates, handshake), [`serve`] (one connection's life), [`stall`] (a peer that does
//! not read), [`bare`] (answers that hyper makes by itself).

pub(crate) mod bare;
pub(crate) mod proxy;
pub(crate) mod serve;
pub(crate) mod stall;
pub(crate) mod tcp;
pub(crate) mod tls;

use serve::Activity;
use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};
use tollgate_config::{
    manifest::Protocol,
    pattern::{Host, IpNet},
};

/// What a listener speaks, and whom it believes.
pub(crate) struct Terms {
    /// TLS, or plaintext.
    pub(crate) tls: Option<Arc<rustls::ServerConfig>>,
    /// What is spoken.
    pub(crate) protocols: Vec<Protocol>,
    /// Peers that may speak for others.
    pub(crate) trusted_proxies: Vec<IpNet>,
    /// Whether connections come from these alone, and begin with a PROXY header.
    pub(crate) proxied: bool,
}

impl Terms {
    /// Whether this peer may speak for others.
    pub(crate) fn trusts(&self, peer: IpAddr) -> bool {
        // A dual-stack socket shows IPv4 peers as mapped IPv6 addresses.
        let peer = peer.to_canonical();
        self.trusted_proxies.iter().any(|net| net.contains(peer))
    }

    /// Whether this is spoken.
    pub(crate) fn speaks(&self, protocol: Protocol) -> bool {
        self.protocols.contains(&protocol)
    }
}

/// Who calls, before anything is said.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Caller {
    /// Address and port.
    pub(crate) address: SocketAddr,
    /// Whether it may speak for others.
    pub(crate) trusted: bool,
    /// The proxy that named it in a PROXY header.
    pub(crate) proxy: Option<SocketAddr>,
}

/// Who is at the other end of a connection.
pub(crate) struct Peer {
    /// Address and port; of the client, where a trusted proxy's PROXY header names it.
    pub(crate) address: SocketAddr,
    /// The proxy that named it.
    pub(crate) proxy: Option<SocketAddr>,
    /// Whether the connection is encrypted.
    pub(crate) tls: bool,
    /// The host that the client asked TLS for, if it did: `Some(None)` for a name that is no host of ours, or of anyone's.
    pub(crate) server_name: Option<Option<Host>>,
    /// Whether it is a trusted proxy.
    pub(crate) trusted: bool,
    /// What goes on.
    pub(crate) activity: Activity,
}
