//! Twilio: HMAC-SHA1 over the public URL and the sorted fields of a form (twilio.com/docs, "Webhooks security").
//!
//! The URL comes from the option `public_url`, never from headers.

mod content;

use super::{Arrival, Facts, GET_AND_POST, Opener, generic};
use crate::scheme::{OptionError, OptionSpec};
use crate::{
    Key, Keys, Opened, Reason, Refusal, Request, Scheme, UnixTime, field,
    form::Form,
    json,
    mac::{self, Proof},
    scheme::{RAW, SAME_BODY, SameBody},
    sign::{self, SignError, Signed},
};
use data_encoding::{BASE64, HEXLOWER};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::time::Duration;
use tollgate_config::ByteSize;

const SIGNATURE: &str = "x-twilio-signature";
const IDEMPOTENCY: &str = "i-twilio-idempotency-token";

const PUBLIC_URL: OptionSpec = OptionSpec {
    required: true,
    ..OptionSpec::text(
        "public_url",
        None,
        "https://gate.example/twilio",
        "the URL that Twilio calls, without the query, which is the request's, as is the path where none stands here",
    )
};

static FACTS: Facts = Facts {
    methods: &GET_AND_POST,
    // The default of chat providers.
    body_limit: ByteSize::kib(256),
    // Five retries within minutes, and a fallback URL.
    horizon: Duration::from_secs(24 * 3600),
    window: None,
    deadline: Duration::from_secs(15),
    scheme_headers: &[SIGNATURE, IDEMPOTENCY],
    shown_headers: &["content-type", "user-agent", IDEMPOTENCY],
    batches: false,
    options: &[RAW, SAME_BODY, PUBLIC_URL],
    // A call sends the same fields at each step, and the next step is not a repeat; messages have signed ids.
    same_body: SameBody::Run,
    key: "the account's primary auth token, as text",
    verify: None,
};

/// How a form's fields begin in the signed text: Twilio sends the account with everything, and its name is the first.
const MOVED: &str = "AccountSidAC";

/// See the module's page.
pub(super) struct Twilio;

impl Opener for Twilio {
    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    fn verify(&self, request: &Request<'_>, keys: &Keys, scheme: &Scheme, now: UnixTime) -> Result<Proof, Refusal> {
        let signature = field::required(request.headers, SIGNATURE, Reason::MissingSignature, Reason::BadSignature)?;
        let given: [u8; 20] =
            mac::base64(signature).ok_or_else(|| Refusal::new(Reason::BadSignature, "the signature is not the base64 of 20 bytes"))?;
        let url = url(scheme, request.path_and_query);
        let fields = signed_fields(request, &url)?;
        mac::any_live_key(keys, now, |key| {
            let fits = |url: &str| {
                let expected = mac::hmac_sha1(key.expose(), &[url.as_bytes(), fields.as_bytes()]);
                mac::same(expected.as_ref(), &given)
            };
            // Which of the spellings it was is no secret, so the first that fits ends the search.
            fits(&url) || candidates(&url).iter().any(|url| fits(url))
        })
    }

    fn read(&self, arrival: &Arrival<'_>) -> Result<Opened, Refusal> {
        content::read(arrival)
    }

    fn check_options(&self, scheme: &Scheme) -> Vec<OptionError> {
        let url = scheme.text(PUBLIC_URL.key).unwrap_or_default();
        let is_url = url
            .parse::<http::Uri>()
            .is_ok_and(|uri| matches!(uri.scheme_str(), Some("https" | "http")) && uri.host().is_some_and(|host| !host.is_empty()));
        let error = || OptionError {
            key: PUBLIC_URL.key.to_owned(),
            message: format!("`{}` is an absolute URL, `https://host/path`", PUBLIC_URL.key),
        };
        (!is_url).then(error).into_iter().collect()
    }

    fn sample(&self) -> &'static str {
        r#"AccountSid=ACXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX&MessageSid=SMXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX&From=%2B14155550100&To=%2B14155550199&Body=Is+the+gate+open%3F&NumMedia=0"#
    }

    fn sign(&self, payload: &[u8], key: &Key, scheme: &Scheme, _now: UnixTime, fresh_id: Option<&str>) -> Result<Signed, SignError> {
        // Of anything else the hash would have to stand in the URL, which is not ours to write.
        let form = match json::valid(payload) {
            Ok(_) => None,
            Err(_) => Form::read(payload),
        };
        let mut form = form.ok_or_else(|| SignError("the payload is no form".to_owned()))?;
        let mut signed = Signed::new(payload.to_vec(), sign::FORM);
        if let Some(id) = fresh_id {
            // A call's own id, where it is one.
            let named = content::IDS.into_iter().find(|name| form.id(name).is_some());
            form.set(named.unwrap_or(content::IDS[0]), id);
            signed.body = form.encoded().into_bytes();
            signed.set(IDEMPOTENCY, &generic::derived_id(&signed.body))?;
        }
        let url = url(scheme, "/");
        let mac = mac::hmac_sha1(key.expose(), &[url.as_bytes(), fields_of(&form).as_bytes()]).ok_or_else(SignError::key)?;
        signed.set(SIGNATURE, &BASE64.encode(&mac))?;
        Ok(signed)
    }
}

/// The URL that Twilio called: scheme, host and path as configured, the query as it came. Where no path is configured, it is the request's.
fn url(scheme: &Scheme, path_and_query: &str) -> String {
    let configured = scheme.text(PUBLIC_URL.key).unwrap_or_default();
    let mut url = configured.split(['?', '#']).next().unwrap_or_default().to_owned();
    let (path, query) = match path_and_query.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (path_and_query, None),
    };
    if !url.split_once("://").is_some_and(|(_, rest)| rest.contains('/')) {
        url.push_str(path);
    }
    if let Some(query) = query {
        url.push('?');
        url.push_str(query);
    }
    url
}

/// Twilio's back ends are not of one mind about ports, nor about apostrophes in a query; its own libraries try them all.
fn candidates(url: &str) -> BTreeSet<String> {
    let mut all = BTreeSet::from([url.to_owned()]);
    if let Some((scheme, rest)) = url.split_once("://") {
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at_checked(end).unwrap_or((rest, ""));
        let host = match authority.rsplit_once(':') {
            Some((host, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => host,
            _ => authority,
        };
        let port = if scheme == "http" { 80 } else { 443 };
        all.insert(format!("{scheme}://{host}{path}"));
        all.insert(format!("{scheme}://{host}:{port}{path}"));
    }
    let quoted: Vec<_> = all
        .iter()
        .filter_map(|url| url.split_once('?'))
        .flat_map(|(path, query)| [("'", "%27"), ("%27", "'")].map(|(from, to)| format!("{path}?{}", query.replace(from, to))))
        .collect();
    all.extend(quoted);
    all
}

/// What of the body is signed: the fields of a form; of anything else its hash, which stands in the URL.
fn signed_fields(request: &Request<'_>, url: &str) -> Result<String, Refusal> {
    let query = url.split_once('?').map(|(_, query)| query);
    // No delimiter stands between the URL and the fields, so fields moved into the query would sign the same text. `=` stands in a query's own.
    if query.is_some_and(|query| query.contains(MOVED)) {
        return Err(Refusal::new(Reason::BadSignature, "a form's fields stand in the query"));
    }
    let hash = query.and_then(|query| {
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.filter(|(name, _)| *name == "bodySHA256").map(|(_, hash)| hash).next_back()
    });
    if let Some(hash) = hash {
        if !mac::same_token(HEXLOWER.encode(&Sha256::digest(request.body)).as_bytes(), hash.as_bytes()) {
            return Err(Refusal::new(Reason::BadSignature, "the body is not that of bodySHA256"));
        }
        return Ok(String::new());
    }
    if request.body.is_empty() {
        return Ok(String::new());
    }
    let unsigned = || Refusal::new(Reason::UnauthenticatedBody, "the body is no form, and the URL has no bodySHA256");
    if field::media_type(request.headers).as_deref() != Some(sign::FORM) {
        return Err(unsigned());
    }
    Form::read(request.body).map(|form| fields_of(&form)).ok_or_else(unsigned)
}

/// Names in the order of their bytes, each with its values, sorted and once.
fn fields_of(form: &Form) -> String {
    let mut fields: Vec<_> = form.pairs().collect();
    fields.sort_unstable();
    fields.dedup();
    let mut text = String::with_capacity(fields.iter().map(|(name, value)| name.len() + value.len()).sum());
    for (name, value) in fields {
        text.push_str(name);
        text.push_str(value);
    }
    text
}
