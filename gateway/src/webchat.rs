//! Web chat: what an endpoint of provider `webchat` answers by itself, beside deliveries. Tokens are minted and refreshed, conversations are begun and read.
//!
//! The paths are Direct Line 3.0's, under the endpoint's own. What a page says comes in as a delivery: `ingress` verifies its token, and the worker's
//! answer is kept with it for the page to read. There is no `streamUrl`: pages ask again.

mod minting;
mod transcript;

use crate::{
    edge::head::Head,
    respond::Refused,
    snapshot::{Endpoint, Owners},
};
use bytes::Bytes;
use data_encoding::BASE64URL_NOPAD;
use http::{
    HeaderMap, HeaderValue, Method,
    header::{
        ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_MAX_AGE, CACHE_CONTROL,
        ORIGIN, VARY,
    },
};
use minting::Minting;
use serde_json::{Value, json};
use std::{
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};
use tollgate_config::{TenantId, manifest::Provider, pattern::PathPrefix};
use tollgate_ingress::{
    Answer, Reason, Refusal, Scheme, UnixTime, Verified,
    provider::webchat::{ANONYMOUS, ORIGINS, Origins, Token, token},
};
use transcript::Transcripts;

/// What a user's id begins with where a token names one: Direct Line's own rule.
const USER_PREFIX: &str = "dl_";

/// Longest id of a user, in bytes: with the others of a session's key it still fits a header.
const MAX_USER: usize = 64;

/// Random bytes of an id: nobody guesses a conversation.
const ID_BYTES: usize = 16;

/// What pages may send: what Direct Line's own client does.
const ALLOWED_HEADERS: HeaderValue = HeaderValue::from_static("authorization, content-type, x-requested-with, x-ms-bot-agent");
const ALLOWED_METHODS: HeaderValue = HeaderValue::from_static("GET, POST, OPTIONS");
/// How long a browser keeps that, in seconds.
const PREFLIGHT_KEPT: HeaderValue = HeaderValue::from_static("600");

/// One endpoint's desk.
#[derive(Debug)]
pub(crate) struct Desk {
    tenant: TenantId,
    prefix: String,
    origins: Origins,
    anonymous: bool,
    minting: Mutex<Minting>,
    transcripts: Mutex<Transcripts>,
}

/// What a request asks for.
enum Ask<'p> {
    Preflight,
    Generate,
    Refresh,
    Begin,
    Read(&'p str),
    Say,
}

impl Desk {
    /// The desk of an endpoint with this scheme; none where the provider is another.
    pub(crate) fn of(scheme: &Scheme, path: &PathPrefix, owners: &Owners) -> Option<Self> {
        if scheme.provider() != Provider::Webchat {
            return None;
        }
        Some(Self {
            // There is one: the manifest's reader refuses web chat that several tenants share.
            tenant: owners.all().first()?.tenant.tenant_id.clone(),
            prefix: path.as_str().trim_end_matches('/').to_owned(),
            // The options have been checked; what is no origin allows nothing.
            origins: scheme
                .text(ORIGINS.key)
                .and_then(|text| Origins::parse(text).ok())
                .unwrap_or_default(),
            anonymous: scheme.flag(ANONYMOUS.key),
            minting: Mutex::default(),
            transcripts: Mutex::default(),
        })
    }

    /// Answers what is no delivery; `None`: it is one, by a token of this endpoint and from a page that may speak.
    ///
    /// # Errors
    /// When it is not answered: no such path, no token, another page.
    pub(crate) fn answer(
        &self,
        endpoint: &Endpoint,
        head: &Head,
        body: &Bytes,
        caller: IpAddr,
        now: SystemTime,
    ) -> Result<Option<Answer>, Refused> {
        let ask = self.ask(head)?;
        let origin = self.origin(&head.headers)?;
        let unix = UnixTime::from(now);
        let answer = match ask {
            Ask::Preflight => reply(204, None),
            Ask::Generate => self.generate(endpoint, head, body, origin, caller, unix)?,
            Ask::Refresh => {
                let token = self.token(endpoint, head, origin, unix)?;
                self.minted(caller, unix)?;
                granted(200, endpoint, token, unix)?
            }
            Ask::Begin => {
                let bearer = token::bearer(&head.headers).map_err(Refused::Ingress)?;
                if token::secret(bearer, &endpoint.keys, unix).is_ok() {
                    let mut answer = self.generate(endpoint, head, body, origin, caller, unix)?;
                    answer.status = 201;
                    answer
                } else {
                    let token = self.token(endpoint, head, origin, unix)?;
                    self.minted(caller, unix)?;
                    granted(201, endpoint, token, unix)?
                }
            }
            Ask::Read(conversation) => {
                let token = self.token(endpoint, head, origin, unix)?;
                if token.conversation != conversation {
                    return Err(bad_token("the token is of another conversation"));
                }
                let watermark = watermark(head.path.query())?;
                let read = self.transcripts().read(conversation, watermark, unix);
                reply(200, Some(read))
            }
            Ask::Say => {
                self.token(endpoint, head, origin, unix)?;
                return Ok(None);
            }
        };
        Ok(Some(answer))
    }

    /// Keeps what was said and what the worker answered, and says what the page gets.
    pub(crate) fn said(&self, delivery: &Verified, answer: &Bytes, now: SystemTime) -> Bytes {
        let id = self.transcripts().add(delivery.session_ids(), delivery.raw(), answer, now.into());
        Bytes::from(json!({ "id": id }).to_string())
    }

    /// What every answer to a page has, refusals too: a page must be able to read why.
    pub(crate) fn share(&self, headers: &mut HeaderMap, origin: Option<&HeaderValue>, preflight: bool) {
        headers.insert(VARY, HeaderValue::from_static("origin"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        let Some(origin) = origin.filter(|origin| origin.to_str().is_ok_and(|text| self.origins.allow(text))) else {
            return;
        };
        // Never `*`, and no credentials: a token is shown by the page itself, no cookie goes along.
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        if preflight {
            headers.insert(ACCESS_CONTROL_ALLOW_METHODS, ALLOWED_METHODS);
            headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, ALLOWED_HEADERS);
            headers.insert(ACCESS_CONTROL_MAX_AGE, PREFLIGHT_KEPT);
        }
    }

    fn ask<'p>(&self, head: &'p Head) -> Result<Ask<'p>, Refused> {
        let rest = head.path.path().strip_prefix(self.prefix.as_str()).unwrap_or_default();
        let ask = match (rest, token::conversation_of(rest)) {
            ("/tokens/generate", _) => Ask::Generate,
            ("/tokens/refresh", _) => Ask::Refresh,
            ("/conversations", _) => Ask::Begin,
            ("/activities", _) => Ask::Say,
            (_, Some(conversation)) if rest.matches('/').count() == 3 => {
                if head.method == Method::GET {
                    Ask::Read(conversation)
                } else {
                    Ask::Say
                }
            }
            _ => return Err(Refused::NotRouted),
        };
        let reads = matches!(ask, Ask::Read(_));
        match head.method {
            Method::OPTIONS => Ok(Ask::Preflight),
            Method::GET if reads => Ok(ask),
            Method::POST => Ok(ask),
            _ => Err(Refused::WrongMethod {
                allow: HeaderValue::from_static("POST, OPTIONS"),
            }),
        }
    }

    /// The request's origin, which must be an allowed one where there is any.
    fn origin<'h>(&self, headers: &'h HeaderMap) -> Result<Option<&'h str>, Refused> {
        let mut all = headers.get_all(ORIGIN).iter();
        match (all.next(), all.next()) {
            (None, _) => Ok(None),
            (Some(origin), None) => match origin.to_str() {
                Ok(text) if self.origins.allow(text) => Ok(Some(text)),
                _ => Err(Refused::Origin),
            },
            (Some(_), Some(_)) => Err(Refused::Origin),
        }
    }

    /// The token that a request presents: of this endpoint, and of its page.
    fn token(&self, endpoint: &Endpoint, head: &Head, origin: Option<&str>, now: UnixTime) -> Result<Token, Refused> {
        let text = token::bearer(&head.headers).map_err(Refused::Ingress)?;
        let token = Token::verify(text, &endpoint.keys, now).map_err(Refused::Ingress)?;
        // `tollgate send` knows the secret alone; what it signs names no endpoint.
        let unbound = token.endpoint.is_empty() && token.tenant.is_empty();
        if !unbound && (token.endpoint != endpoint.id.as_str() || token.tenant != self.tenant.as_str()) {
            return Err(bad_token("the token is of another endpoint"));
        }
        // A browser sends no origin with a GET to the page's own host.
        if origin.is_some() || head.method != Method::GET {
            token.fits_origin(origin).map_err(Refused::Ingress)?;
        }
        Ok(token)
    }

    /// A token for a new conversation: for who shows the secret, or for an allowed page where `anonymous` says so.
    fn generate(
        &self,
        endpoint: &Endpoint,
        head: &Head,
        body: &Bytes,
        origin: Option<&str>,
        caller: IpAddr,
        now: UnixTime,
    ) -> Result<Answer, Refused> {
        let bound = match (token::bearer(&head.headers), origin) {
            (Ok(bearer), _) => {
                let key = token::secret(bearer, &endpoint.keys, now).map_err(Refused::Ingress)?;
                endpoint.counters.opened_by(key);
                None
            }
            (Err(_), Some(origin)) if self.anonymous => Some(origin.to_owned()),
            (Err(refusal), _) => return Err(Refused::Ingress(refusal)),
        };
        self.minted(caller, now)?;
        // A page that nobody vouches for does not choose who it is.
        let user = if bound.is_none() { named_user(body)? } else { None };
        let token = Token {
            tenant: self.tenant.to_string(),
            endpoint: endpoint.id.to_string(),
            conversation: draw()?,
            user: match user {
                Some(user) => user,
                None => format!("{USER_PREFIX}{}", draw()?),
            },
            origin: bound,
            expires: now,
        };
        granted(200, endpoint, token, now)
    }

    fn minted(&self, caller: IpAddr, now: UnixTime) -> Result<(), Refused> {
        let mut minting = self.minting.lock().unwrap_or_else(PoisonError::into_inner);
        minting.take(caller, now).map_err(Refused::MintingRate)
    }

    fn transcripts(&self) -> MutexGuard<'_, Transcripts> {
        // Whole after every call, so a panic elsewhere leaves nothing half done.
        self.transcripts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A fresh token with these claims, signed by the newest live secret.
fn granted(status: u16, endpoint: &Endpoint, mut claims: Token, now: UnixTime) -> Result<Answer, Refused> {
    claims.expires = UnixTime(now.0.saturating_add(token::LIFE_SECONDS));
    let key = endpoint.keys.signing.iter().find(|key| key.is_live(now));
    let text = key
        .and_then(|key| claims.sign(key))
        .ok_or_else(|| Refused::Ingress(Refusal::new(Reason::NoLiveKey, "the endpoint has no live key")))?;
    let answer = json!({ "conversationId": claims.conversation, "token": text, "expires_in": token::LIFE_SECONDS, "userId": claims.user });
    Ok(reply(status, Some(answer.to_string())))
}

fn reply(status: u16, json: Option<String>) -> Answer {
    Answer {
        status,
        content_type: json.is_some().then_some("application/json"),
        body: json.map(Into::into).unwrap_or_default(),
    }
}

/// `user.id` of a minting request, where it names one.
fn named_user(body: &Bytes) -> Result<Option<String>, Refused> {
    if body.trim_ascii().is_empty() {
        return Ok(None);
    }
    let wrong = |detail: &str| Refused::Ingress(Refusal::new(Reason::Unparsable, detail));
    let body: Value = serde_json::from_slice(body).map_err(|_| wrong("the body is not JSON"))?;
    let Some(id) = body.pointer("/user/id").or_else(|| body.pointer("/user/Id")) else {
        return Ok(None);
    };
    let plain = |id: &&str| {
        id.len() <= MAX_USER
            && id.strip_prefix(USER_PREFIX).is_some_and(|rest| !rest.is_empty())
            && id
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'@'))
    };
    match id.as_str().filter(plain) {
        Some(id) => Ok(Some(id.to_owned())),
        None => Err(wrong("a user's id is `dl_` and letters, digits, `_`, `-`, `.` or `@`, 64 in all")),
    }
}

/// `watermark` of a query: how many activities the page has. Without one it has none.
fn watermark(query: Option<&str>) -> Result<u64, Refused> {
    let given = query
        .unwrap_or_default()
        .split('&')
        .find_map(|pair| pair.strip_prefix("watermark="));
    match given {
        None | Some("") => Ok(0),
        Some(digits) => digits.parse().map_err(|_| Refused::BadTarget("a watermark that is no number")),
    }
}

fn draw() -> Result<String, Refused> {
    let mut bytes = [0; ID_BYTES];
    getrandom::fill(&mut bytes).map_err(|error| Refused::Call(tollgate_host::CallError::Host(format!("no randomness: {error}"))))?;
    Ok(BASE64URL_NOPAD.encode(&bytes))
}

fn bad_token(detail: &str) -> Refused {
    Refused::Ingress(Refusal::new(Reason::BadToken, detail))
}
