//! Bind and accept. Nothing is awaited between two accepts but the accept itself.

use super::{Caller, Terms, proxy, serve, tls};
use crate::{gate::Gate, metrics::Metrics};
use std::{
    collections::HashMap,
    io,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

/// Connections that the kernel holds for us: one busy second's worth.
const BACKLOG: u32 = 1024;

/// Open connections over all public listeners. At some 30 KiB each for buffers and TLS, half a gigabyte.
pub(crate) const MAX_CONNECTIONS: usize = 16_384;

/// Open connections from one address (an IPv6 caller has a /64). An office behind one address opens some hundreds; sixteen
/// addresses are still needed to fill the gateway. Trusted proxies, who speak for many, have no such cap.
pub(crate) const MAX_CONNECTIONS_PER_ADDRESS: usize = 1024;

/// After an accept failed for want of descriptors or memory: long enough for some to be given back, short enough to go unnoticed.
const PAUSE: Duration = Duration::from_millis(20);

/// Listens on an address; port 0 takes a free one.
///
/// # Errors
/// When the address is taken or not ours.
pub(crate) fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    // A restart must not wait for the old connections' TIME_WAIT.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Accepts until the gateway begins to stop.
pub(crate) async fn accept(listener: TcpListener, terms: Arc<Terms>, gate: Arc<Gate>, caps: Arc<Caps>) {
    let stopping = gate.tasks.stopping();
    loop {
        let accepted = tokio::select! {
            biased;
            () = stopping.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) if is_of_the_peer(&error) => continue,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                gate.metrics.connection_error("accept");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let trusted = terms.trusts(address.ip());
        if terms.proxied && !trusted {
            // Whoever comes here past the proxy would name any client it likes.
            gate.metrics.connection_refused("untrusted_proxy");
            continue;
        }
        match caps.take(address.ip(), trusted) {
            Ok(place) => {
                let caller = Caller {
                    address,
                    trusted,
                    proxy: None,
                };
                let connection = connection(stream, caller, terms.clone(), gate.clone(), place);
                gate.tasks.spawn("connection", connection);
            }
            // Closed without a word: to say anything would cost what the cap saves.
            Err(limit) => gate.metrics.connection_refused(limit),
        }
    }
}

/// Errors that a peer makes by going away between its handshake and our accept.
fn is_of_the_peer(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted
    )
}

async fn connection(mut stream: TcpStream, mut caller: Caller, terms: Arc<Terms>, gate: Arc<Gate>, mut place: Place) {
    let _open = Open::new(&gate.metrics);
    // Without it Nagle and delayed ACKs cost 40 ms.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let stopping = gate.tasks.stopping();
    if terms.proxied {
        let named = tokio::select! {
            () = stopping.cancelled() => return,
            named = proxy::read(&mut stream) => named,
        };
        match named {
            // It says nothing of whoever speaks, who may then not speak for others either.
            Ok(None) => caller.trusted = false,
            // The client has the cap of its address, and speaks for others only if it is itself a proxy that is trusted.
            Ok(Some(client)) => {
                let trusted = terms.trusts(client.ip());
                if let Err(limit) = place.charge(client.ip(), trusted) {
                    return gate.metrics.connection_refused(limit);
                }
                caller = Caller {
                    address: client,
                    trusted,
                    proxy: Some(caller.address),
                };
            }
            Err(error) => {
                gate.metrics.connection_error(error.kind());
                tracing::debug!(address = %caller.address, error = %error, "no PROXY header");
                return;
            }
        }
    }
    match &terms.tls {
        None => serve::plain(stream, caller, &terms, &gate).await,
        Some(config) => match tokio::select! {
            // Who has not finished its handshake has asked for nothing.
            () = stopping.cancelled() => return,
            shaken = tls::handshake(stream, config.clone()) => shaken,
        } {
            Ok(stream) => serve::encrypted(stream, caller, &terms, &gate).await,
            Err(failure) => {
                gate.metrics.connection_error(failure.kind());
                tracing::debug!(address = %caller.address, error = %failure, "no TLS connection");
            }
        },
    }
    drop(place);
}

/// Counts a connection while it is open.
struct Open(prometheus::IntGauge);

impl Open {
    fn new(metrics: &Metrics) -> Self {
        metrics.accepted.inc();
        metrics.connections.inc();
        Self(metrics.connections.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Places for connections.
#[derive(Debug)]
pub(crate) struct Caps {
    taken: Mutex<Taken>,
    total: usize,
    each: usize,
}

#[derive(Debug, Default)]
struct Taken {
    total: usize,
    by_address: HashMap<IpAddr, usize>,
}

impl Caps {
    /// So many in all, and so many for each address.
    pub(crate) fn new(total: usize, each: usize) -> Arc<Self> {
        Arc::new(Self {
            taken: Mutex::default(),
            total,
            each,
        })
    }

    /// Takes a place.
    ///
    /// # Errors
    /// The name of the limit that it would break.
    fn take(self: &Arc<Self>, address: IpAddr, trusted: bool) -> Result<Place, &'static str> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.total >= self.total {
            return Err("connections");
        }
        let address = (!trusted).then(|| network(address));
        if let Some(address) = address {
            taken.charge(address, self.each)?;
        }
        taken.total += 1;
        Ok(Place {
            caps: self.clone(),
            address,
        })
    }
}

impl Taken {
    fn charge(&mut self, address: IpAddr, each: usize) -> Result<(), &'static str> {
        // At most as many entries as connections: each has one.
        let own = self.by_address.entry(address).or_default();
        if *own >= each {
            return Err("connections_per_address");
        }
        *own += 1;
        Ok(())
    }
}

/// Whose a connection is: an IPv4 address, or the /64 that one IPv6 site has (RFC 6177 2).
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
    }
}

/// A place for one connection, given back when dropped.
#[derive(Debug)]
struct Place {
    caps: Arc<Caps>,
    address: Option<IpAddr>,
}

impl Place {
    /// Counts a trusted proxy's connection, which has been counted for nobody, for the client that the proxy names.
    ///
    /// # Errors
    /// The name of the limit that it would break.
    fn charge(&mut self, address: IpAddr, trusted: bool) -> Result<(), &'static str> {
        if self.address.is_none() && !trusted {
            let address = network(address);
            let mut taken = self.caps.taken.lock().unwrap_or_else(PoisonError::into_inner);
            taken.charge(address, self.caps.each)?;
            self.address = Some(address);
        }
        Ok(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.caps.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.total = taken.total.saturating_sub(1);
        let Some(address) = self.address else { return };
        if let Some(own) = taken.by_address.get_mut(&address) {
            *own = own.saturating_sub(1);
            if *own == 0 {
                taken.by_address.remove(&address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn an_address_has_its_cap_and_gives_places_back() {
        let caps = Caps::new(4, 2);
        let take = |address: &str, trusted| caps.take(address.parse().unwrap(), trusted);
        let first = take("192.0.2.1", false).unwrap();
        let _second = take("::ffff:192.0.2.1", false).unwrap();
        assert_eq!(take("192.0.2.1", false).unwrap_err(), "connections_per_address");
        let third = take("192.0.2.1", true).unwrap();
        let _fourth = take("2001:db8::1", false).unwrap();
        assert_eq!(take("2001:db8::2", false).unwrap_err(), "connections");
        drop(third);
        let fifth = take("2001:db8::ffff", false).unwrap();
        drop((first, fifth));
        assert!(take("192.0.2.1", false).is_ok());
        assert_eq!(caps.taken.lock().unwrap().by_address.len(), 2);
    }

    #[test]
    fn a_proxys_connections_are_charged_to_its_clients() {
        let caps = Caps::new(9, 1);
        let proxy = || caps.take("10.0.0.1".parse().unwrap(), true).unwrap();
        let (mut first, mut second, mut third) = (proxy(), proxy(), proxy());
        let client = "192.0.2.1".parse().unwrap();
        assert_eq!(first.charge(client, false), Ok(()));
        assert_eq!(second.charge(client, false), Err("connections_per_address"));
        assert_eq!(third.charge(client, true), Ok(()), "a proxy behind a proxy");
        drop(first);
        assert_eq!(second.charge(client, false), Ok(()));
        drop((second, third));
        assert!(caps.taken.lock().unwrap().by_address.is_empty());
    }

    #[test]
    fn the_caps_keep_their_promise() {
        const { assert!(MAX_CONNECTIONS_PER_ADDRESS >= 512 && MAX_CONNECTIONS > MAX_CONNECTIONS_PER_ADDRESS) }
    }
}
