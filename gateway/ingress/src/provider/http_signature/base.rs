//! The signature base: what a signature covers, in the form that is signed (RFC 9421 2).

use super::{COMPONENTS, CONTENT_DIGEST, bad, digest::is_bare, input::Shown, target::Target};
use crate::{Reason, Refusal, Request, Scheme};
use http::HeaderName;
use sfv::{FieldType as _, Item};
use std::collections::BTreeSet;

/// Components of one signature. Real ones have fewer than ten.
const MAX_COMPONENTS: usize = 64;

/// What of a request has a name of its own, `@query-param` aside.
const DERIVED: [&str; 7] = [
    "@method",
    "@target-uri",
    "@authority",
    "@scheme",
    "@request-target",
    "@path",
    "@query",
];

/// The text that is signed.
///
/// # Errors
/// [`Reason::BadSignature`] for a component that is not there, stands twice, or is not one that we know.
pub(super) fn text(shown: &Shown, request: &Request<'_>, target: &Target<'_>) -> Result<String, Refusal> {
    if shown.covered.items.len() > MAX_COMPONENTS {
        return Err(bad(format!("more than {MAX_COMPONENTS} components")));
    }
    let mut seen = BTreeSet::new();
    let mut out = String::new();
    for item in &shown.covered.items {
        let written = item.serialize();
        let value = value(item, request, target)?;
        // No value has an end of a line, so no two messages have one text.
        out.push_str(&format!("{written}: {value}\n"));
        if !seen.insert(written) {
            return Err(bad("a component stands twice"));
        }
    }
    let params = shown.written().map_err(|error| bad(error.0))?;
    out.push_str(&format!("\"@signature-params\": {params}"));
    Ok(out)
}

fn value(item: &Item, request: &Request<'_>, target: &Target<'_>) -> Result<String, Refusal> {
    let name = item.bare_item.as_string().ok_or_else(|| bad("a component is no string"))?.as_str();
    if name == "@query-param" {
        let wanted = item.params.get("name").filter(|_| item.params.len() == 1);
        let wanted = wanted.and_then(|name| name.as_string()).map(|name| name.as_str());
        let value = wanted.and_then(|name| target.parameter(name));
        return value.ok_or_else(|| bad("@query-param does not name one value of the query"));
    }
    // `sf`, `key` and `bs` change how a field is read, `req` and `tr` where it comes from.
    if !item.params.is_empty() {
        return Err(bad(format!("{name} has parameters, which are not taken")));
    }
    let query = target.query.unwrap_or_default();
    Ok(match name {
        "@method" => request.method.as_str().to_owned(),
        "@target-uri" => format!("{}://{}{}{query}", target.scheme, target.authority, target.path),
        "@authority" => target.authority.clone(),
        "@scheme" => target.scheme.clone(),
        "@request-target" => format!("{}{query}", target.path),
        "@path" => target.path.to_owned(),
        // RFC 9421 2.2.7: an absent query is an empty one.
        "@query" => target.query.unwrap_or("?").to_owned(),
        _ => field(name, request)?,
    })
}

/// The values of a field, each trimmed, with a comma between them (RFC 9421 2.1).
fn field(name: &str, request: &Request<'_>) -> Result<String, Refusal> {
    let is_name = HeaderName::from_lowercase(name.as_bytes()).is_ok();
    if !is_name {
        return Err(bad(format!("{name:?} is no component")));
    }
    let values: Result<Vec<_>, _> = request.headers.get_all(name).iter().map(http::HeaderValue::to_str).collect();
    let values = values.map_err(|_| bad(format!("{name} is not plain text")))?;
    if values.is_empty() {
        return Err(bad(format!("{name} is covered and not there")));
    }
    Ok(values
        .iter()
        .map(|value| value.trim_matches([' ', '\t']))
        .collect::<Vec<_>>()
        .join(", "))
}

/// That the signature covers what the endpoint wants.
///
/// # Errors
/// [`Reason::UnauthenticatedBody`] without the body's digest, [`Reason::BadSignature`] without anything else.
pub(super) fn check_cover(shown: &Shown, scheme: &Scheme, request: &Request<'_>, has_query: bool) -> Result<(), Refusal> {
    let plain = shown.covered.items.iter().filter(|item| item.params.is_empty());
    let covered: Vec<_> = plain
        .filter_map(|item| item.bare_item.as_string())
        .map(|name| name.as_str())
        .collect();
    let has = |name: &str| covered.contains(&name);
    let whole = has("@target-uri");
    let path = has("@path") || has("@request-target") || whole;
    let query = has("@query") || has("@request-target") || whole || !has_query;
    for wanted in scheme.text(COMPONENTS.key).unwrap_or_default().split_ascii_whitespace() {
        let is = match wanted {
            "@target-uri" => whole || (has("@authority") && path && query),
            "@authority" => has("@authority") || whole,
            "@path" => path,
            "@query" => query,
            CONTENT_DIGEST if !has(CONTENT_DIGEST) && !is_bare(request) => {
                return Err(Refusal::new(
                    Reason::UnauthenticatedBody,
                    "the signature does not cover content-digest",
                ));
            }
            CONTENT_DIGEST => true,
            other => has(other),
        };
        if !is {
            return Err(bad(format!("the signature does not cover {wanted}")));
        }
    }
    Ok(())
}

/// What is wrong with the components that an endpoint wants.
pub(super) fn check_option(text: &str) -> Option<String> {
    let names: Vec<_> = text.split_ascii_whitespace().collect();
    let odd = |name: &&&str| !DERIVED.contains(*name) && HeaderName::from_lowercase(name.as_bytes()).is_err();
    if let Some(odd) = names.iter().find(odd) {
        return Some(format!(
            "{odd:?} in `components` is neither a header's name in lower case nor one of {}",
            DERIVED.join(", ")
        ));
    }
    let without = !names.contains(&CONTENT_DIGEST);
    without.then(|| "`components` must have `content-digest`, or nothing would vouch for the body".to_owned())
}
