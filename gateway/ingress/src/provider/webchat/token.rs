//! A token that the gateway mints for one user in one conversation: `wc1.CLAIMS.MAC`, both in base64url without padding. The MAC is HMAC-SHA256 under
//! one of the endpoint's secrets, over a text that nothing else is signed with. There is no algorithm to choose.

use crate::{
    Key, Keys, Reason, Refusal, Request, UnixTime, field,
    mac::{self, Proof},
};
use data_encoding::BASE64URL_NOPAD;
use http::{HeaderMap, header};
use serde_json::{Value, json};

/// How long a token opens: what Direct Line's does.
pub const LIFE_SECONDS: i64 = 1800;

/// The version, in front of every token.
const VERSION: &str = "wc1";

/// What is signed begins so, that no other signature under the same secret is one of these.
const DOMAIN: &[u8] = b"tollgate.webchat.token\0";

/// Longest token in bytes: six claims of at most 256, in JSON and base64, and the MAC.
const MAX_LEN: usize = 4096;

/// Who may speak where, and until when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// The endpoint's tenant.
    pub tenant: String,
    /// The endpoint.
    pub endpoint: String,
    /// The conversation.
    pub conversation: String,
    /// The user; begins with `dl_`.
    pub user: String,
    /// The only page that may show it; `None`: any that the endpoint allows.
    pub origin: Option<String>,
    /// The last second at which it opens.
    pub expires: UnixTime,
}

impl Token {
    /// The token as text; nothing when the key cannot sign, which no key does.
    pub fn sign(&self, key: &Key) -> Option<String> {
        let claims = json!([
            self.tenant,
            self.endpoint,
            self.conversation,
            self.user,
            self.origin,
            self.expires.0
        ]);
        let claims = BASE64URL_NOPAD.encode(claims.to_string().as_bytes());
        let mac = mac::hmac_sha256(key.expose(), &[DOMAIN, claims.as_bytes()])?;
        Some(format!("{VERSION}.{claims}.{}", BASE64URL_NOPAD.encode(&mac)))
    }

    /// Reads a token that one of the live keys has signed and that has not expired.
    ///
    /// # Errors
    /// `BadToken`, `BadSignature`, `NoLiveKey`, `StaleTimestamp`.
    pub fn verify(text: &str, keys: &Keys, now: UnixTime) -> Result<Self, Refusal> {
        verify(text, keys, now).map(|(token, _)| token)
    }

    /// Whether the request is of this token's conversation, where its path names one, and of its page, where it is bound to one.
    ///
    /// # Errors
    /// `BadToken`.
    pub(crate) fn fits_request(&self, request: &Request<'_>) -> Result<(), Refusal> {
        let path = request.path_and_query.split('?').next().unwrap_or_default();
        if conversation_of(path).is_some_and(|named| named != self.conversation) {
            return Err(Refusal::new(Reason::BadToken, "the token is of another conversation"));
        }
        self.fits_origin(field::optional(request.headers, header::ORIGIN.as_str()))
    }

    /// Whether a request with this `Origin` may show the token.
    ///
    /// # Errors
    /// `BadToken`.
    pub fn fits_origin(&self, origin: Option<&str>) -> Result<(), Refusal> {
        match &self.origin {
            Some(bound) if origin != Some(bound) => Err(Refusal::new(Reason::BadToken, "the token is of another page")),
            _ => Ok(()),
        }
    }
}

/// The conversation that a path names: `…/conversations/ID/activities`.
pub fn conversation_of(path: &str) -> Option<&str> {
    let mut segments = path.rsplit('/');
    let (last, id, before) = (segments.next()?, segments.next()?, segments.next()?);
    (last == "activities" && before == "conversations").then_some(id)
}

/// What a request presents as `Authorization: Bearer`.
///
/// # Errors
/// `MissingSignature`, `BadToken`.
pub fn bearer(headers: &HeaderMap) -> Result<&str, Refusal> {
    let text = field::required(headers, header::AUTHORIZATION.as_str(), Reason::MissingSignature, Reason::BadToken)?;
    // RFC 9110 11.1: the scheme's name has no case.
    match text.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(token),
        _ => Err(Refusal::new(Reason::BadToken, "the authorization is no bearer token")),
    }
}

/// Which live secret of the endpoint this text is, from 0; compared in constant time.
///
/// # Errors
/// `BadToken`, `NoLiveKey`.
pub fn secret(text: &str, keys: &Keys, now: UnixTime) -> Result<usize, Refusal> {
    mac::any_live_token(keys, now, text).map(|proof| proof.matched_key())
}

/// The token that a request presents.
pub(super) fn presented(headers: &HeaderMap, keys: &Keys, now: UnixTime) -> Result<(Token, Proof), Refusal> {
    verify(bearer(headers)?, keys, now)
}

fn verify(text: &str, keys: &Keys, now: UnixTime) -> Result<(Token, Proof), Refusal> {
    let bad = |detail: &str| Refusal::new(Reason::BadToken, detail);
    if text.len() > MAX_LEN {
        return Err(bad("the token is too long"));
    }
    let mut parts = text.split('.');
    let (Some(VERSION), Some(claims), Some(given), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return Err(bad("this is no token of web chat"));
    };
    let given: [u8; 32] = BASE64URL_NOPAD
        .decode(given.as_bytes())
        .ok()
        .and_then(|mac| mac.try_into().ok())
        .ok_or_else(|| bad("the token's signature is malformed"))?;
    let proof = mac::any_live_key(keys, now, |key| {
        mac::same(mac::hmac_sha256(key.expose(), &[DOMAIN, claims.as_bytes()]).as_ref(), &given)
    })?;
    let token = read(claims).ok_or_else(|| bad("the token's claims are malformed"))?;
    if now > token.expires {
        let ago = now.0.saturating_sub(token.expires.0);
        return Err(Refusal::new(Reason::StaleTimestamp, format!("the token ended {ago} s ago")));
    }
    Ok((token, proof))
}

/// Claims that were signed here; another form of them is another version's.
fn read(claims: &str) -> Option<Token> {
    let claims: Vec<Value> = serde_json::from_slice(&BASE64URL_NOPAD.decode(claims.as_bytes()).ok()?).ok()?;
    let [tenant, endpoint, conversation, user, origin, expires] = <[Value; 6]>::try_from(claims).ok()?;
    let text = |value: Value| match value {
        Value::String(text) => Some(text),
        _ => None,
    };
    Some(Token {
        tenant: text(tenant)?,
        endpoint: text(endpoint)?,
        conversation: text(conversation)?,
        user: text(user)?,
        origin: if origin.is_null() { None } else { Some(text(origin)?) },
        expires: UnixTime(expires.as_i64()?),
    })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "test data")]
mod tests {
    use super::*;

    const NOW: UnixTime = UnixTime(1_795_219_200);

    fn token() -> Token {
        Token {
            tenant: "acme".into(),
            endpoint: "chat".into(),
            conversation: "c1".into(),
            user: "dl_ada".into(),
            origin: Some("https://a.example".into()),
            expires: UnixTime(NOW.0 + LIFE_SECONDS),
        }
    }

    fn key(text: &str, not_after: Option<i64>) -> Key {
        Key::new(text.into(), not_after.map(UnixTime)).unwrap()
    }

    fn reason(text: &str, keys: &Keys, now: i64) -> Result<Token, Reason> {
        Token::verify(text, keys, UnixTime(now)).map_err(|refusal| refusal.reason)
    }

    #[test]
    fn a_token_opens_to_its_last_second_under_either_secret() {
        let (old, new) = (key("the old secret..", None), key("the new secret..", None));
        let keys = Keys::signed_by(vec![new.clone(), old.clone()]);
        for signing in [&old, &new] {
            let text = token().sign(signing).unwrap();
            assert_eq!(reason(&text, &keys, NOW.0), Ok(token()));
            assert_eq!(reason(&text, &keys, NOW.0 + LIFE_SECONDS), Ok(token()));
            assert_eq!(reason(&text, &keys, NOW.0 + LIFE_SECONDS + 1), Err(Reason::StaleTimestamp));
        }
        let text = token().sign(&old).unwrap();
        assert_eq!(reason(&text, &Keys::signed_by(vec![new]), NOW.0), Err(Reason::BadSignature));
        let ended = Keys::signed_by(vec![key("the old secret..", Some(NOW.0 - 1))]);
        assert_eq!(reason(&text, &ended, NOW.0), Err(Reason::NoLiveKey));
    }

    #[test]
    fn any_changed_character_is_refused() {
        let keys = Keys::signed_by(vec![key("the only secret.", None)]);
        let text = token().sign(&keys.signing[0]).unwrap();
        for at in 0..text.len() {
            for other in ['A', 'b', '.', '='] {
                let mut changed: Vec<char> = text.chars().collect();
                if changed[at] == other {
                    continue;
                }
                changed[at] = other;
                let changed: String = changed.into_iter().collect();
                assert!(reason(&changed, &keys, NOW.0).is_err(), "{at} {other}");
            }
        }
        for junk in [
            "",
            "..",
            "wc1..",
            "wc2.W10.",
            "eyJhbGciOiJub25lIn0.e30.",
            &text[..text.len() - 1],
            &format!("{text}A"),
            &"a".repeat(5000),
        ] {
            assert!(reason(junk, &keys, NOW.0).is_err(), "{junk}");
        }
    }

    #[test]
    fn the_secret_is_no_token_and_a_token_no_secret() {
        let keys = Keys::signed_by(vec![key("the only secret.", None)]);
        let text = token().sign(&keys.signing[0]).unwrap();
        assert_eq!(secret("the only secret.", &keys, NOW), Ok(0));
        assert!(secret(&text, &keys, NOW).is_err() && secret("the only secret", &keys, NOW).is_err() && secret("", &keys, NOW).is_err());
        assert!(Token::verify("the only secret.", &keys, NOW).is_err());
    }

    #[test]
    fn a_path_names_its_conversation() {
        for (path, named) in [
            ("/webchat/conversations/c1/activities", Some("c1")),
            ("/conversations//activities", Some("")),
            ("/webchat/activities", None),
            ("/webchat/conversations", None),
            ("/webchat/conversations/c1", None),
        ] {
            assert_eq!(conversation_of(path), named, "{path}");
        }
        assert!(token().fits_origin(Some("https://a.example")).is_ok());
        assert!(token().fits_origin(None).is_err() && token().fits_origin(Some("https://b.example")).is_err());
    }
}
