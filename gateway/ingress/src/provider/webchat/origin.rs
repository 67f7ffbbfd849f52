//! Which pages may speak to an endpoint: exact origins, as browsers write them (RFC 6454 6.2).

use tollgate_config::pattern::Host;

/// Most origins of one endpoint: each request with one is compared with all of them.
const MAX_ORIGINS: usize = 64;

/// Exact origins.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origins(Vec<String>);

impl Origins {
    /// Reads origins that are separated by blanks.
    ///
    /// # Errors
    /// The first that is none, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let origins: Vec<String> = text.split_ascii_whitespace().map(str::to_owned).collect();
        if origins.len() > MAX_ORIGINS {
            return Err(format!("{} origins, at most {MAX_ORIGINS}", origins.len()));
        }
        match origins.iter().find(|origin| !is_origin(origin)) {
            Some(wrong) => Err(format!(
                "{wrong:?} is no origin: scheme and host as a browser writes them, such as `https://www.example.com`, with a port only where it is not the scheme's own; no `*`, no path"
            )),
            None => Ok(Self(origins)),
        }
    }

    /// Whether a page of this origin may speak.
    pub fn allow(&self, origin: &str) -> bool {
        self.0.iter().any(|known| known == origin)
    }
}

fn is_origin(text: &str) -> bool {
    let Some((scheme, authority)) = text.split_once("://") else {
        return false;
    };
    let default_port = match scheme {
        "https" => ":443",
        "http" => ":80",
        _ => return false,
    };
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') && !port.is_empty() => host,
        _ => authority,
    };
    // As it is compared: lower case, no trailing dot, nothing that the reader would change.
    !authority.ends_with(default_port) && !authority.ends_with(':') && Host::parse(authority).is_ok_and(|read| read.as_str() == host)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "test data")]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_exactly_what_a_browser_writes() {
        for good in [
            "https://www.example.com",
            "http://localhost:3000",
            "https://example.com:8443",
            "http://127.0.0.1",
            "http://[::1]:8080",
            "https://[::1]",
        ] {
            assert!(Origins::parse(good).is_ok_and(|origins| origins.allow(good)), "{good}");
        }
        for bad in [
            "*",
            "https://*.example.com",
            "null",
            "www.example.com",
            "https://www.example.com/",
            "https://www.example.com/path",
            "https://Www.example.com",
            "https://www.example.com:443",
            "http://www.example.com:80",
            "https://example.com.",
            "https://user@example.com",
            "ftp://example.com",
            "https://",
            "https://example.com:",
        ] {
            assert!(Origins::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_the_whole_origin_is_allowed() {
        let origins = Origins::parse("https://a.example  https://b.example:8443").unwrap();
        assert!(origins.allow("https://a.example") && origins.allow("https://b.example:8443"));
        for other in [
            "http://a.example",
            "https://a.example:8443",
            "https://b.example",
            "https://a.example.evil",
            "https://xa.example",
            "null",
            "",
            "https://A.example",
        ] {
            assert!(!origins.allow(other), "{other}");
        }
        let many = (0..=MAX_ORIGINS)
            .map(|n| format!("https://a{n}.example"))
            .collect::<Vec<_>>()
            .join(" ");
        assert!(Origins::parse(&many).is_err());
    }
}
