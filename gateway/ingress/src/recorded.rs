//! A request out of a file: raw HTTP/1.1, as it was recorded.

use crate::{Request, sign::Signed};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};

/// Most header fields of a recording: the number that the gate itself takes.
const MAX_FIELDS: usize = 100;

/// A request as it was recorded.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// The method.
    pub method: Method,
    /// What stood on the request line.
    pub target: String,
    /// All fields, repeats kept.
    pub headers: HeaderMap,
    /// The rest.
    pub body: Bytes,
    path_and_query: String,
}

/// A recording that is no request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordedError {
    /// The head is no HTTP/1.1.
    #[error("the head is not HTTP/1.1: {0}")]
    Head(String),
    /// The file ends within the head.
    #[error("the file ends before the blank line that ends the head")]
    Truncated,
    /// The target is no address.
    #[error("the request line's target is no address")]
    Target,
    /// A body in chunks is not what was signed.
    #[error("the body has a transfer coding: record it decoded, with its content-length")]
    TransferEncoding,
    /// `Content-Length` is no number, or says two things.
    #[error("content-length is not one number")]
    BadLength,
    /// Another length than the head says: an editor's newline at the end, perhaps.
    #[error("content-length says {said}, the file has {found} bytes of body")]
    WrongLength {
        /// What the head says.
        said: u64,
        /// What follows it.
        found: u64,
    },
}

impl Recorded {
    /// Reads a recording. Lines may end in CRLF or LF; without a `Content-Length` the body is the rest.
    ///
    /// # Errors
    /// [`RecordedError`], with what is wrong.
    pub fn parse(file: &[u8]) -> Result<Self, RecordedError> {
        let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
        let mut head = httparse::Request::new(&mut fields);
        let length = match head.parse(file).map_err(|error| RecordedError::Head(error.to_string()))? {
            httparse::Status::Complete(length) => length,
            httparse::Status::Partial => return Err(RecordedError::Truncated),
        };
        let unreadable = |what: &str| RecordedError::Head(what.to_owned());
        let method = Method::from_bytes(head.method.unwrap_or_default().as_bytes()).map_err(|_| unreadable("invalid method"))?;
        let target = head.path.unwrap_or_default().to_owned();
        let mut headers = HeaderMap::new();
        for field in head.headers.iter() {
            let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| unreadable("invalid header name"))?;
            let value = HeaderValue::from_bytes(field.value).map_err(|_| unreadable("invalid header value"))?;
            headers.append(name, value);
        }
        let body = Bytes::copy_from_slice(file.get(length..).unwrap_or_default());
        check_length(&headers, body.len())?;
        let path_and_query = path_and_query(&target)?;
        Ok(Self {
            method,
            target,
            headers,
            body,
            path_and_query,
        })
    }

    /// What a signed payload would be, posted to `/hook`.
    pub fn made(signed: &Signed) -> Self {
        let target = "/hook".to_owned();
        Self {
            method: Method::POST,
            path_and_query: target.clone(),
            target,
            headers: signed.headers.clone(),
            body: signed.body.clone().into(),
        }
    }

    /// As [`crate::open()`] takes it.
    pub fn request(&self) -> Request<'_> {
        Request {
            method: &self.method,
            path_and_query: &self.path_and_query,
            headers: &self.headers,
            body: &self.body,
        }
    }
}

/// RFC 9112 3.2: origin form as it stands; of an absolute form the part after the authority.
fn path_and_query(target: &str) -> Result<String, RecordedError> {
    if target.starts_with('/') || target == "*" {
        return Ok(target.to_owned());
    }
    let uri: Uri = target.parse().map_err(|_| RecordedError::Target)?;
    uri.path_and_query()
        .map(|path| path.as_str().to_owned())
        .ok_or(RecordedError::Target)
}

fn check_length(headers: &HeaderMap, found: usize) -> Result<(), RecordedError> {
    if headers.contains_key(header::TRANSFER_ENCODING) {
        return Err(RecordedError::TransferEncoding);
    }
    let found = found as u64;
    let mut said: Option<u64> = None;
    for value in headers.get_all(header::CONTENT_LENGTH) {
        let digits = value
            .to_str()
            .ok()
            .filter(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()));
        let length = digits.and_then(|digits| digits.parse().ok()).ok_or(RecordedError::BadLength)?;
        if said.is_some_and(|said| said != length) {
            return Err(RecordedError::BadLength);
        }
        said = Some(length);
    }
    match said {
        Some(said) if said != found => Err(RecordedError::WrongLength { said, found }),
        _ => Ok(()),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "test data")]
mod tests {
    use super::*;

    #[test]
    fn lines_may_end_either_way_and_repeats_are_kept() {
        for end in ["\r\n", "\n"] {
            let file = ["POST /hook?a=%20b HTTP/1.1", "Host: gate.example", "X-A: 1", "x-a: 2", "", "body\n"].join(end);
            let recorded = Recorded::parse(file.as_bytes()).unwrap();
            assert_eq!(
                (recorded.method.as_str(), recorded.request().path_and_query),
                ("POST", "/hook?a=%20b")
            );
            assert_eq!(recorded.headers.get_all("x-a").iter().collect::<Vec<_>>(), ["1", "2"]);
            assert_eq!(recorded.body, "body\n");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        let wrong = |file: &str| Recorded::parse(file.as_bytes()).err();
        assert_eq!(wrong("POST / HTTP/1.1\r\nHost: a"), Some(RecordedError::Truncated));
        assert_eq!(wrong(""), Some(RecordedError::Truncated));
        assert!(matches!(wrong("{\"not\": \"a request\"}\n\n"), Some(RecordedError::Head(_))));
        assert!(matches!(wrong("POST / HTTP/1.1\nA B: c\n\n"), Some(RecordedError::Head(_))));
        assert_eq!(
            wrong("POST / HTTP/1.1\nContent-Length: 2\n\nabc"),
            Some(RecordedError::WrongLength { said: 2, found: 3 })
        );
        assert_eq!(wrong("POST / HTTP/1.1\nContent-Length: +3\n\nabc"), Some(RecordedError::BadLength));
        assert_eq!(
            wrong("POST / HTTP/1.1\nContent-Length: 3\nContent-Length: 2\n\nabc"),
            Some(RecordedError::BadLength)
        );
        assert_eq!(
            wrong("POST / HTTP/1.1\nTransfer-Encoding: chunked\n\n0\r\n\r\n"),
            Some(RecordedError::TransferEncoding)
        );
        assert_eq!(wrong("CONNECT gate.example:443 HTTP/1.1\n\n"), Some(RecordedError::Target));
        let many = format!("POST / HTTP/1.1\n{}\n", "A: b\n".repeat(MAX_FIELDS + 1));
        assert!(matches!(wrong(&many), Some(RecordedError::Head(_))));
    }

    #[test]
    fn an_absolute_target_gives_its_path() {
        let recorded = Recorded::parse(b"POST https://gate.example/hook?x HTTP/1.1\n\n").unwrap();
        assert_eq!(
            (recorded.request().path_and_query, recorded.target.as_str()),
            ("/hook?x", "https://gate.example/hook?x")
        );
    }
}
