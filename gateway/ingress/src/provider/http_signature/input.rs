//! Which signature counts, and what it says of itself (RFC 9421 4, 2.3).

use super::{ALGORITHM, COMPONENTS, INPUT, KEYID, LABEL, NONCE, SIGNATURE, TAG, WINDOW, bad};
use crate::{
    Reason, Refusal, Scheme, UnixTime, clock,
    field::{self, MAX_ID_LEN},
    sign::SignError,
};
use http::HeaderMap;
use sfv::{BareItem, Dictionary, FieldType as _, InnerList, Item, Key, List, ListEntry, Parameters, Parser, Version};
use std::time::Duration;

/// Signatures in one request: each hop may add one. A bound, because headers are the caller's.
const MAX_SIGNATURES: usize = 16;

/// The label where the endpoint says none.
const USUAL_LABEL: &str = "sig1";

/// A signature as the request shows it.
pub(super) struct Shown {
    pub(super) label: String,
    /// The covered components with the signature's parameters.
    pub(super) covered: InnerList,
    pub(super) signature: Vec<u8>,
}

impl Shown {
    /// Finds the signature of this label, or the only one.
    pub(super) fn read(headers: &HeaderMap, label: Option<&str>) -> Result<Self, Refusal> {
        let mut inputs = dictionary(headers, INPUT)?;
        let mut signatures = dictionary(headers, SIGNATURE)?;
        let label = match (label, inputs.len()) {
            (Some(label), _) => label.to_owned(),
            (None, 1) => inputs.keys().next().map(|key| key.as_str().to_owned()).unwrap_or_default(),
            (None, 0) => return Err(Refusal::new(Reason::MissingSignature, "signature-input has no signature")),
            (None, _) => return Err(bad("several signatures, and the endpoint's `label` says none of them")),
        };
        let missing = |name: &str| Refusal::new(Reason::MissingSignature, format!("{name} has no {label:?}"));
        let covered = match inputs.swap_remove(label.as_str()).ok_or_else(|| missing(INPUT))? {
            ListEntry::InnerList(list) => list,
            ListEntry::Item(_) => return Err(bad("signature-input is no list of components")),
        };
        let signature = match signatures.swap_remove(label.as_str()).ok_or_else(|| missing(SIGNATURE))? {
            ListEntry::Item(Item {
                bare_item: BareItem::ByteSequence(bytes),
                params,
            }) if params.is_empty() => bytes,
            _ => return Err(bad("the signature is no byte sequence")),
        };
        Ok(Self { label, covered, signature })
    }

    /// What a signature made now says.
    pub(super) fn to_sign(scheme: &Scheme, now: UnixTime, nonce: Option<&str>) -> Result<Self, SignError> {
        let wrong = |what: &str| SignError(format!("{what} cannot stand in a signature's parameters"));
        let string = |text: &str| sfv::String::from_string(text.to_owned()).map_err(|_| wrong(text));
        let names = scheme.text(COMPONENTS.key).unwrap_or_default().split_ascii_whitespace();
        let items: Result<Vec<_>, SignError> = names.map(|name| Ok(Item::new(BareItem::String(string(name)?)))).collect();
        let mut params = Parameters::new();
        let mut set = |name: &str, value| -> Result<(), SignError> {
            params.insert(Key::from_string(name.to_owned()).map_err(|_| wrong(name))?, value);
            Ok(())
        };
        let created = sfv::Integer::try_from(now.0).map_err(|_| wrong("the time"))?;
        set("created", BareItem::Integer(created))?;
        let keyid = scheme.text(KEYID.key).and_then(|ids| ids.split_ascii_whitespace().next());
        for (name, value) in [
            ("keyid", keyid),
            ("alg", scheme.text(ALGORITHM.key)),
            ("nonce", nonce),
            ("tag", scheme.text(TAG.key)),
        ] {
            if let Some(value) = value {
                set(name, BareItem::String(string(value)?))?;
            }
        }
        let label = scheme.text(LABEL.key).unwrap_or(USUAL_LABEL).to_owned();
        Ok(Self {
            label,
            covered: InnerList::with_params(items?, params),
            signature: Vec::new(),
        })
    }

    /// The parameters: algorithm, key, purpose, nonce and clock.
    pub(super) fn check(&self, scheme: &Scheme, now: UnixTime) -> Result<(), Refusal> {
        for name in ["alg", "keyid", "nonce", "tag"] {
            if self.covered.params.contains_key(name) && self.text(name).is_none() {
                return Err(bad(format!("`{name}` is no string")));
            }
        }
        if self.text("alg").is_some_and(|alg| scheme.text(ALGORITHM.key) != Some(alg)) {
            return Err(Refusal::new(Reason::AlgorithmNotAllowed, "`alg` is not the endpoint's"));
        }
        let wanted = scheme.text(KEYID.key);
        if wanted.is_some_and(|ids| !ids.split_ascii_whitespace().any(|id| self.text("keyid") == Some(id))) {
            return Err(bad("`keyid` is not the endpoint's"));
        }
        if scheme.text(TAG.key).is_some_and(|tag| self.text("tag") != Some(tag)) {
            return Err(bad("`tag` is not the endpoint's"));
        }
        match self.text("nonce") {
            Some(nonce) if nonce.is_empty() || nonce.len() > MAX_ID_LEN => {
                return Err(Refusal::new(
                    Reason::BadId,
                    format!("the nonce is empty or longer than {MAX_ID_LEN} bytes"),
                ));
            }
            None if scheme.flag(NONCE.key) => return Err(Refusal::new(Reason::BadId, "the signature has no nonce")),
            _ => {}
        }
        let created = match (self.created(), self.covered.params.contains_key("created")) {
            (Some(created), _) => created,
            (None, true) => return Err(Refusal::new(Reason::BadTimestamp, "`created` is no whole number")),
            (None, false) => return Err(Refusal::new(Reason::MissingTimestamp, "the signature has no `created`")),
        };
        let window = scheme.integer(WINDOW.key).and_then(|seconds| u64::try_from(seconds).ok());
        let window = Duration::from_secs(window.unwrap_or_default());
        // Ahead it is a clock that differs, never a retry; further ahead, a proof would outlive the mark that knows it.
        clock::within(created, now, if created > now { clock::WINDOW.min(window) } else { window })?;
        match self.covered.params.get("expires").map(BareItem::as_integer) {
            Some(None) => Err(Refusal::new(Reason::BadTimestamp, "`expires` is no whole number")),
            // The last second still counts, as the window's ends do.
            Some(Some(end)) if i64::from(end) < now.0 => Err(Refusal::new(Reason::StaleTimestamp, "the signature has expired")),
            _ => Ok(()),
        }
    }

    /// A parameter that is a string.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.covered.params.get(name)?.as_string().map(|text| text.as_str())
    }

    /// When it was made.
    pub(super) fn created(&self) -> Option<UnixTime> {
        let created = self.covered.params.get("created")?.as_integer()?;
        Some(UnixTime(i64::from(created)))
    }

    /// Components and parameters in their one written form (RFC 9421 2.3), which is signed too.
    pub(super) fn written(&self) -> Result<String, SignError> {
        let list: List = vec![ListEntry::InnerList(self.covered.clone())];
        list.serialize()
            .ok_or_else(|| SignError("the components cannot be written".to_owned()))
    }
}

/// A field that is a dictionary (RFC 9421 4.1, 4.2).
fn dictionary(headers: &HeaderMap, name: &str) -> Result<Dictionary, Refusal> {
    let text = field::required(headers, name, Reason::MissingSignature, Reason::BadSignature)?;
    let parsed: Dictionary = Parser::new(text)
        .with_version(Version::Rfc8941)
        .parse()
        .map_err(|error| bad(format!("{name}: {error}")))?;
    if parsed.len() > MAX_SIGNATURES {
        return Err(bad(format!("{name} has more than {MAX_SIGNATURES} signatures")));
    }
    Ok(parsed)
}
