//! The two things that a call out asks of the network, behind a trait so that tests can give answers that change.

use std::{future::Future, io, net::SocketAddr, pin::Pin};
use tokio::net::{TcpStream, lookup_host};

/// An answer that takes its time.
pub(crate) type Answer<'a, T> = Pin<Box<dyn Future<Output = io::Result<T>> + Send + 'a>>;

/// Looks names up and connects.
pub(crate) trait Network: Send + Sync {
    /// All addresses of a name, with this port.
    fn resolve<'a>(&'a self, name: &'a str, port: u16) -> Answer<'a, Vec<SocketAddr>>;

    /// A connection to exactly this address.
    fn dial(&self, address: SocketAddr) -> Answer<'_, TcpStream>;
}

/// The system's.
#[derive(Debug, Clone, Copy)]
pub(crate) struct System;

impl Network for System {
    fn resolve<'a>(&'a self, name: &'a str, port: u16) -> Answer<'a, Vec<SocketAddr>> {
        Box::pin(async move { Ok(lookup_host((name, port)).await?.collect()) })
    }

    fn dial(&self, address: SocketAddr) -> Answer<'_, TcpStream> {
        Box::pin(TcpStream::connect(address))
    }
}
