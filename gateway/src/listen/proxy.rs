//! The PROXY header, versions 1 and 2: who is behind a proxy that passes bytes on. Read from trusted proxies alone, before TLS and HTTP.

use ppp::{HeaderResult, PartialResult, v1, v2};
use std::{io, net::SocketAddr, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    time::timeout,
};

/// The header comes before all else; its specification (2.1) asks for 3 s at least, to outlive one lost packet.
pub(crate) const PATIENCE: Duration = Duration::from_secs(3);

/// Longest header. Version 1 has 107 bytes at most; version 2 is 216 with all addresses, and the rest is room for what proxies say beside them (a TLS
/// client's name, an endpoint's id).
pub(crate) const MAX_HEADER: usize = 2048;

/// Longest header of version 1, with its end of line (2.1).
const MAX_V1: usize = 107;

/// What version 2 begins with (2.2), and version 1 cannot.
const V2_SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// Signature, version and command, family, and the length of what follows.
const V2_FIXED: usize = 16;

/// Why there is no header.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProxyError {
    /// Not in time.
    #[error("no PROXY header within {} s", PATIENCE.as_secs())]
    Slow,
    /// The connection.
    #[error("the connection ended within its PROXY header")]
    Broken(#[source] io::Error),
    /// Over [`MAX_HEADER`].
    #[error("the PROXY header is over {MAX_HEADER} bytes")]
    TooLong,
    /// Something else.
    #[error("no PROXY header: {0}")]
    Malformed(String),
}

impl ProxyError {
    /// As the metrics have it.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Slow => "proxy_header_slow",
            Self::Broken(_) => "proxy_header_broken",
            Self::TooLong => "proxy_header_too_long",
            Self::Malformed(_) => "proxy_header_malformed",
        }
    }
}

/// Reads the header, and not a byte of what follows it. `None`: the proxy speaks for itself, or does not say for whom.
///
/// # Errors
/// When there is none, or none in time.
pub(crate) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Result<Option<SocketAddr>, ProxyError> {
    let header = timeout(PATIENCE, header(stream)).await.map_err(|_| ProxyError::Slow)??;
    parse(&header)
}

async fn header(stream: &mut (impl AsyncRead + Unpin)) -> Result<Vec<u8>, ProxyError> {
    // No header is shorter than this: version 1 has 15 bytes at least.
    let mut header = vec![0; V2_SIGNATURE.len()];
    stream.read_exact(&mut header).await.map_err(ProxyError::Broken)?;
    if header == V2_SIGNATURE {
        let (version, family) = (octet(stream).await?, octet(stream).await?);
        let (high, low) = (octet(stream).await?, octet(stream).await?);
        header.extend([version, family, high, low]);
        let whole = V2_FIXED + usize::from(u16::from_be_bytes([high, low]));
        if whole > MAX_HEADER {
            return Err(ProxyError::TooLong);
        }
        header.resize(whole, 0);
        let rest = header.get_mut(V2_FIXED..).unwrap_or_default();
        stream.read_exact(rest).await.map_err(ProxyError::Broken)?;
        return Ok(header);
    }
    if !header.starts_with(b"PROXY ") {
        return Err(ProxyError::Malformed("it begins with something else".to_owned()));
    }
    // Byte by byte, for what comes after the line is not ours: at most 95 small reads, once for a connection.
    while !header.ends_with(b"\r\n") {
        if header.len() == MAX_V1 {
            return Err(ProxyError::Malformed("a line without an end".to_owned()));
        }
        header.push(octet(stream).await?);
    }
    Ok(header)
}

async fn octet(stream: &mut (impl AsyncRead + Unpin)) -> Result<u8, ProxyError> {
    stream.read_u8().await.map_err(ProxyError::Broken)
}

/// Whom a whole header names.
fn parse(header: &[u8]) -> Result<Option<SocketAddr>, ProxyError> {
    let parsed = HeaderResult::parse(header);
    if parsed.is_incomplete() {
        return Err(ProxyError::Malformed("it is cut off".to_owned()));
    }
    match parsed {
        HeaderResult::V1(Ok(header)) => Ok(match header.addresses {
            v1::Addresses::Tcp4(to) => Some((to.source_address, to.source_port).into()),
            v1::Addresses::Tcp6(to) => Some((to.source_address, to.source_port).into()),
            v1::Addresses::Unknown => None,
        }),
        HeaderResult::V2(Ok(header)) => match (header.command, header.addresses) {
            // The proxy's own: a look whether we live.
            (v2::Command::Local, _) => Ok(None),
            (v2::Command::Proxy, v2::Addresses::IPv4(to)) => Ok(Some((to.source_address, to.source_port).into())),
            (v2::Command::Proxy, v2::Addresses::IPv6(to)) => Ok(Some((to.source_address, to.source_port).into())),
            (v2::Command::Proxy, v2::Addresses::Unspecified | v2::Addresses::Unix(_)) => Ok(None),
        },
        HeaderResult::V1(Err(error)) => Err(ProxyError::Malformed(error.to_string())),
        HeaderResult::V2(Err(error)) => Err(ProxyError::Malformed(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn v2(command: u8, family: u8, addresses: &[u8]) -> Vec<u8> {
        let length = u16::try_from(addresses.len()).unwrap().to_be_bytes();
        [V2_SIGNATURE, [0x20 | command, family].as_slice(), &length, addresses].concat()
    }

    async fn told(bytes: &[u8]) -> (Result<Option<String>, &'static str>, Vec<u8>) {
        let mut stream = bytes;
        let told = read(&mut stream).await;
        (
            told.map(|address| address.map(|address| address.to_string()))
                .map_err(|error| error.kind()),
            stream.to_vec(),
        )
    }

    #[tokio::test]
    async fn a_header_names_the_client_and_what_follows_is_left() {
        let v4 = [[192, 0, 2, 1].as_slice(), &[10, 0, 0, 1], &[0x30, 0x39], &[0, 80]].concat();
        let with_more = [v4.as_slice(), &[0x04, 0, 1, 0]].concat();
        let mut v6 = [0; 36];
        v6[..2].copy_from_slice(&[0x20, 0x01]);
        v6[15] = 7;
        v6[33] = 9;
        for (header, named) in [
            (b"PROXY TCP4 192.0.2.1 10.0.0.1 12345 80\r\n".to_vec(), Some("192.0.2.1:12345")),
            (b"PROXY TCP6 2001:db8::1 ::1 12345 80\r\n".to_vec(), Some("[2001:db8::1]:12345")),
            (b"PROXY UNKNOWN\r\n".to_vec(), None),
            (v2(1, 0x11, &v4), Some("192.0.2.1:12345")),
            (v2(1, 0x11, &with_more), Some("192.0.2.1:12345")),
            (v2(1, 0x21, &v6), Some("[2001::7]:9")),
            (v2(0, 0x00, &[]), None),
            (v2(0, 0x11, &v4), None),
        ] {
            let (told, rest) = told(&[header.as_slice(), b"GET / HTTP/1.1"].concat()).await;
            assert_eq!(told, Ok(named.map(str::to_owned)), "{}", header.escape_ascii());
            assert_eq!(rest, b"GET / HTTP/1.1", "{}", header.escape_ascii());
        }
    }

    #[tokio::test]
    async fn what_is_no_header_is_told_apart() {
        let long = v2(1, 0x11, &vec![0; MAX_HEADER]);
        let endless = format!("PROXY TCP4 {}", "1".repeat(200));
        let newer = [V2_SIGNATURE.as_slice(), &[0x31, 0x11, 0, 0]].concat();
        for (bytes, kind) in [
            (b"GET / HTTP/1.1\r\n\r\n".as_slice(), "proxy_header_malformed"),
            (b"PROXY TCP4 a b c d\r\n", "proxy_header_malformed"),
            (b"PROXY TCP4 192.0.2.1 10.0.0.1 99999 80\r\n", "proxy_header_malformed"),
            (endless.as_bytes(), "proxy_header_malformed"),
            (&newer, "proxy_header_malformed"),
            (&v2(1, 0x11, &[1, 2]), "proxy_header_malformed"),
            (&long, "proxy_header_too_long"),
            (b"PROXY", "proxy_header_broken"),
            (b"PROXY TCP4 192.0.2.1", "proxy_header_broken"),
            (b"", "proxy_header_broken"),
        ] {
            assert_eq!(told(bytes).await.0, Err(kind), "{}", bytes.escape_ascii());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_proxy_is_not_waited_for() {
        let (mut ours, _theirs) = tokio::io::duplex(64);
        let begun = tokio::time::Instant::now();
        assert_eq!(read(&mut ours).await.unwrap_err().kind(), "proxy_header_slow");
        assert_eq!(begun.elapsed(), PATIENCE);
    }
}
