//! Host and port as a caller writes them. Strict: what two readers could read differently is refused.

use http::uri::Authority;
use tollgate_config::pattern::Host;

/// An authority, and its host as routing wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// As written, port and all: what the worker sees.
    pub(crate) authority: Authority,
    /// Normalised.
    pub(crate) host: Host,
}

/// Reads `host[:port]`.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn parse(text: &[u8]) -> Result<Target, &'static str> {
    let text = std::str::from_utf8(text).map_err(|_| "not ASCII")?;
    let host = Host::parse(text).map_err(|_| "no host")?;
    let authority = Authority::try_from(text).map_err(|_| "no authority")?;
    Ok(Target { authority, host })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_has_one_reading_or_none() {
        for (text, host) in [
            ("Example.COM", Some("example.com")),
            ("example.com.", Some("example.com")),
            ("example.com:8443", Some("example.com")),
            ("127.0.0.1:80", Some("127.0.0.1")),
            ("[0:0::1]:443", Some("[::1]")),
            ("", None),
            (".", None),
            ("a..b", None),
            ("a b", None),
            ("a,b", None),
            ("a/b", None),
            ("a?b", None),
            ("a#b", None),
            ("user@a", None),
            ("a@b:80", None),
            ("a:80@b", None),
            ("a:99999", None),
            ("a:+80", None),
            ("a:80:80", None),
            ("::1", None),
            ("[::1", None),
            ("[::1]x", None),
            ("a%2eb", None),
            ("ä.example", None),
            ("0x7f.1", None),
        ] {
            assert_eq!(
                parse(text.as_bytes()).ok().map(|target| target.host.to_string()).as_deref(),
                host,
                "{text:?}"
            );
        }
        assert!(parse(&[b'a', 0xff]).is_err());
    }
}
