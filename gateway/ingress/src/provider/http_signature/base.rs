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
    if !has(CONTENT_DIGEST) && !is_bare(request) {
        return Err(Refusal::new(
            Reason::UnauthenticatedBody,
            "the signature does not cover content-digest",
        ));
    }
    for wanted in scheme.text(COMPONENTS.key).unwrap_or_default().split_ascii_whitespace() {
        let is = match wanted {
            "@target-uri" => whole || (has("@authority") && path && query),
            "@authority" => has("@authority") || whole,
            "@path" => path,
            "@query" => query,
            // Above.
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

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "test data")]
mod tests {
    use super::*;
    use crate::{Key, UnixTime, field, mac, provider::http_signature as parent};
    use http::{HeaderMap, Method};
    use serde::Deserialize;
    use std::{collections::BTreeMap, sync::Arc};
    use tollgate_config::{
        Place,
        manifest::{OptionValue, Provider, Scalar},
    };

    #[derive(Deserialize)]
    struct Vector {
        id: String,
        algorithm: String,
        secret: String,
        url: String,
        target: String,
        headers: BTreeMap<String, String>,
        body: String,
        now: i64,
        signed: String,
    }

    /// Those too that an endpoint refuses, because they leave out the body.
    #[test]
    fn the_rfcs_texts_and_signatures_are_ours() {
        let vectors: Vec<Vector> = serde_json::from_str(include_str!("../../../tests/vectors/http-signature.json")).unwrap();
        for vector in vectors {
            let place = Place {
                file: Arc::new("t.yaml".into()),
                line: 1,
                column: 1,
            };
            let text = |text: &str| OptionValue {
                value: Scalar::Text(text.to_owned()),
                place: place.clone(),
            };
            let mut options = BTreeMap::from([
                ("algorithm".to_owned(), text(&vector.algorithm)),
                ("public_url".to_owned(), text(&vector.url)),
            ]);
            if vector.algorithm == "hmac-sha256" {
                options.insert("key_encoding".to_owned(), text("base64"));
            }
            let scheme = Scheme::new(Provider::HttpSignature, &options).unwrap();
            let mut headers = HeaderMap::new();
            for (name, value) in &vector.headers {
                headers.insert(HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
            }
            field::refuse_repeated(&headers, parent::FACTS.scheme_headers).unwrap();
            let body = vector.body.into_bytes().into();
            let request = Request {
                method: &Method::POST,
                path_and_query: &vector.target,
                headers: &headers,
                body: &body,
            };
            let shown = Shown::read(&headers, None).unwrap();
            shown.check(&scheme, UnixTime(vector.now)).unwrap();
            let signed = super::text(&shown, &request, &Target::of(&scheme, &vector.target)).unwrap();
            assert_eq!(signed, vector.signed, "{}", vector.id);
            let key = Key::new(vector.secret.into_bytes(), None).unwrap();
            let fits = match parent::opens(&key, &scheme).unwrap() {
                parent::Opens::Hmac(secret) => {
                    mac::hmac_sha256(&secret, &[signed.as_bytes()]).is_some_and(|mac| mac.as_slice() == shown.signature)
                }
                parent::Opens::Public(public) => public.fits(signed.as_bytes(), &shown.signature),
            };
            assert!(fits, "{}", vector.id);
        }
    }

    #[test]
    fn targets_are_written_as_the_rfc_says() {
        let scheme = Scheme::example(Provider::HttpSignature);
        let target = |path: &'static str| Target::of(&scheme, path);
        let query =
            "/?var=this%20is%20a%20big%0Amultiline%20value&bar=with+plus+whitespace&fa%C3%A7ade%22%3A%20=something&x=1&x=2&y&bad=%zz";
        for (name, value) in [
            // RFC 9421 2.2.8.
            ("var", Some("this%20is%20a%20big%0Amultiline%20value")),
            ("bar", Some("with%20plus%20whitespace")),
            ("fa%C3%A7ade%22%3A%20", Some("something")),
            ("x", None),
            ("y", Some("")),
            ("bad", Some("%25zz")),
            ("absent", None),
        ] {
            assert_eq!(target(query).parameter(name).as_deref(), value, "{name}");
        }
        assert_eq!((target("/?").query, target("/").query), (Some("?"), None));
    }
}
