//! `identity`: how the tenant of a request is found.

use super::{
    Access, Listener,
    context::{Context, Located},
    deployment, endpoint,
    value::{Fields, Value},
};
use crate::{
    Place,
    report::{At, hint, shown},
};
use std::path::PathBuf;

/// The variable that names the tenant of a node of one tenant: the platform's own name for it.
pub const TENANT_VARIABLE: &str = "DEFAULT_TENANT";

/// The claim that names the tenant: the platform's own name for it.
pub const TENANT_CLAIM: &str = "tenant";

/// What nearly every issuer signs with.
const ALGORITHM: JwtAlgorithm = JwtAlgorithm::Rs256;

const WAYS: [(&str, IdentityBy); 4] = [
    ("host", IdentityBy::Host),
    ("header", IdentityBy::Header),
    ("env", IdentityBy::Env),
    ("jwt", IdentityBy::Jwt),
];

/// How the tenant is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Asked in this order, each at most once; the first that finds a tenant wins. `Env` always finds one, so it is the last.
    pub by: Vec<IdentityBy>,
    /// The environment variable that [`IdentityBy::Env`] reads.
    pub variable: String,
    /// Callers' tokens, for [`IdentityBy::Jwt`] and [`Access::Jwt`](super::Access::Jwt); the parser demands them where either stands.
    pub jwt: Option<Jwt>,
}

impl Default for Identity {
    fn default() -> Self {
        Self {
            by: vec![IdentityBy::Host],
            variable: TENANT_VARIABLE.to_owned(),
            jwt: None,
        }
    }
}

/// One way to find the tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdentityBy {
    /// By the request's host, from `tenants.*.hosts`.
    Host,
    /// By the header `X-Greentic-Tenant` of a trusted proxy.
    Header,
    /// One tenant for all requests, named by the gateway's own environment.
    Env,
    /// By a claim of the caller's bearer token.
    Jwt,
}

impl IdentityBy {
    /// As the manifest writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Header => "header",
            Self::Env => "env",
            Self::Jwt => "jwt",
        }
    }
}

/// Callers' bearer tokens: whose, and by what they are verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Jwt {
    /// What the signatures are verified with.
    pub keys: JwtKeys,
    /// `iss`, exactly.
    pub issuer: String,
    /// `aud` is, or has in it, one of these, exactly. At least one.
    pub audience: Vec<String>,
    /// `alg` is one of these. At least one.
    pub algorithms: Vec<JwtAlgorithm>,
    /// The claim that names the tenant.
    pub claim: String,
    /// Where it stands.
    pub place: Place,
}

/// Where the keys of an issuer of tokens are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JwtKeys {
    /// A JWKS, or the issuer's metadata that names one, at this URL as written.
    Url(String),
    /// Public keys, SPKI PEM files of one key each. At least one.
    Files(Vec<PathBuf>),
}

/// How a token may be signed. There is none without a public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JwtAlgorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// Ed25519.
    EdDsa,
}

impl JwtAlgorithm {
    /// The name, as `alg` has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Ps256 => "PS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }
}

/// What could be read of `identity`, with what is needed to check it against the rest.
#[derive(Debug)]
pub(super) struct Draft {
    by: Vec<Located<IdentityBy>>,
    /// Where the settings of tokens stand, if they do.
    jwt: Option<At>,
    whole: Option<Identity>,
}

impl Draft {
    /// Whether tenants may share hosts. Something else must then tell them apart; where `identity` cannot be read, nothing is said of it.
    pub(super) fn shares_hosts(&self) -> bool {
        self.whole.is_none() || self.by.iter().any(|way| way.value != IdentityBy::Host)
    }

    /// Checks it against the rest: only a trusted proxy may name a tenant, and what wants a token needs an issuer.
    pub(super) fn check(
        &self,
        listeners: Option<&[Located<Listener>]>,
        endpoints: Option<&[endpoint::Draft]>,
        deployments: Option<&[deployment::Draft]>,
        context: &mut Context,
    ) {
        if self.whole.is_none() {
            return;
        }
        let way = |by| self.by.iter().find(|way| way.value == by);
        if let (Some(header), Some(listeners)) = (way(IdentityBy::Header), listeners)
            && listeners.iter().all(|listener| listener.value.trusted_proxies.is_empty())
        {
            let help = "list the proxies that set it under `trusted_proxies` of a listener".to_owned();
            let message = "`header` is set by trusted proxies, and no listener has any";
            context.report.add(&header.at, message, Some(help));
        }
        let routes = deployments.into_iter().flatten().flat_map(|deployment| &deployment.routes);
        let guarded: Vec<_> = routes
            .filter_map(|route| route.access.as_ref().filter(|access| access.value == Access::Jwt))
            .collect();
        if self.jwt.is_none() {
            let wanting = way(IdentityBy::Jwt).map(|way| &way.at).into_iter();
            for at in wanting.chain(guarded.iter().map(|access| &access.at)) {
                let help = "say whose tokens under `identity.jwt`".to_owned();
                context.report.add(at, "`jwt` needs an issuer of tokens", Some(help));
            }
        }
        if let (Some(at), None, Some(_), true) = (&self.jwt, way(IdentityBy::Jwt), deployments, guarded.is_empty()) {
            let help = "add `jwt` to `by`, or `access: jwt` to a route".to_owned();
            context.report.add(at, "nothing asks for these tokens", Some(help));
        }
        if let ([only], Some([_, ..])) = (self.by.as_slice(), endpoints)
            && only.value == IdentityBy::Jwt
        {
            let help = "add `host`".to_owned();
            let message = "endpoints need another way than `jwt`: what a provider sends bears no token of yours";
            context.report.add(&only.at, message, Some(help));
        }
    }

    /// All of it, if it could be read.
    pub(super) fn whole(self) -> Option<Identity> {
        self.whole
    }
}

/// Reads `identity`.
pub(super) fn read(value: Option<Value<'_>>, context: &mut Context) -> Draft {
    let mut draft = Draft {
        by: Vec::new(),
        jwt: None,
        whole: None,
    };
    let Some(value) = value else {
        draft.whole = Some(Identity::default());
        return draft;
    };
    let Some(fields) = value.fields("identity", context) else {
        return draft;
    };
    let (mut env, mut jwt) = (fields.get("env"), fields.get("jwt"));
    let by = match fields.get("by") {
        None => Some(vec![IdentityBy::Host]),
        Some(by) => by.some(context, |item, context| {
            let way = match settings(item, context)? {
                Some((name, value)) => {
                    let (way, place) = match name.value {
                        "env" => (IdentityBy::Env, &mut env),
                        "jwt" => (IdentityBy::Jwt, &mut jwt),
                        _ => return refuse(&name, &value, context),
                    };
                    if place.is_some() {
                        return value.refuse_with(format!("the settings of `{}` stand here twice", way.as_str()), None, context);
                    }
                    *place = Some(value);
                    way
                }
                None => item.word("identity", &WAYS, &[], context)?,
            };
            if draft.by.iter().any(|first| first.value == way) {
                return item.refuse_with(format!("`{}` stands here twice", way.as_str()), None, context);
            }
            if draft.by.iter().any(|first| first.value == IdentityBy::Env) {
                let message = "`env` always finds the tenant: what comes after it is never asked";
                return item.refuse_with(message, None, context);
            }
            draft.by.push(Located {
                value: way,
                at: item.at.clone(),
            });
            Some(way)
        }),
    };
    draft.jwt = jwt.as_ref().map(|jwt| jwt.at.clone());
    let variable = match &env {
        None => Some(TENANT_VARIABLE.to_owned()),
        Some(value) => variable(value, context),
    };
    let tokens = match &jwt {
        None => Some(None),
        Some(value) => tokens(value, context).map(Some),
    };
    if let (Some(value), Some(by)) = (&env, &by)
        && !by.contains(&IdentityBy::Env)
    {
        value.refuse_with::<()>("`env` is not among `by`", None, context);
    }
    draft.whole = (|| {
        Some(Identity {
            by: by?,
            variable: variable?,
            jwt: tokens?,
        })
    })();
    draft
}

/// A way with settings of its own is a mapping of one key, as `{ env: { name: TENANT } }`.
fn settings<'n>(item: &Value<'n>, context: &mut Context) -> Option<Option<(Located<&'n str>, Value<'n>)>> {
    if !item.is_map() {
        return Some(None);
    }
    let mut entries = item.entries("a mapping", context)?;
    match (entries.pop(), entries.len()) {
        (Some(only), 0) => Some(Some(only)),
        _ => item.refuse("found a mapping of several ways, or of none", context),
    }
}

fn refuse<T>(name: &Located<&str>, value: &Value<'_>, context: &mut Context) -> Option<T> {
    let words = || WAYS.iter().map(|(word, _)| *word);
    let (message, help) = if words().any(|word| word == name.value) {
        (format!("`{}` has no settings", name.value), None)
    } else {
        (format!("unknown identity {}", shown(name.value)), Some(hint(name.value, words())))
    };
    value.refuse_with(message, help, context)
}

fn variable(value: &Value<'_>, context: &mut Context) -> Option<String> {
    let Some(name) = value.fields("identity.env", context)?.get("name") else {
        return Some(TENANT_VARIABLE.to_owned());
    };
    let read = |text: &str| {
        let fits = !text.is_empty() && !text.starts_with(|c: char| c.is_ascii_digit());
        let fits = fits && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        fits.then(|| text.to_owned()).ok_or("no name of an environment variable")
    };
    name.parse(read, context)
}

fn tokens(value: &Value<'_>, context: &mut Context) -> Option<Jwt> {
    let fields = value.fields("identity.jwt", context)?;
    let keys = issuer_keys(value, &fields, context);
    let text = |value: &Value<'_>, context: &mut Context| match value.text(context)? {
        "" => value.refuse_with("found an empty text", None, context),
        text => Some(text.to_owned()),
    };
    let issuer = fields.need("issuer", context).and_then(|value| text(&value, context));
    let audience = fields.need("audience", context).and_then(|value| match value.is_list() {
        true => value.some(context, text),
        false => text(&value, context).map(|audience| vec![audience]),
    });
    let algorithms = match fields.get("algorithms") {
        None => Some(vec![ALGORITHM]),
        Some(value) => {
            let all = [JwtAlgorithm::Rs256, JwtAlgorithm::Ps256, JwtAlgorithm::Es256, JwtAlgorithm::EdDsa];
            let words = all.map(|algorithm| (algorithm.as_str(), algorithm));
            value.some(context, |item, context| item.word("algorithm", &words, &[], context))
        }
    };
    let claim = match fields.get("claim") {
        None => Some(TENANT_CLAIM.to_owned()),
        Some(value) => text(&value, context),
    };
    Some(Jwt {
        keys: keys?,
        issuer: issuer?,
        audience: audience?,
        algorithms: algorithms?,
        claim: claim?,
        place: context.report.place(&value.at),
    })
}

fn issuer_keys(value: &Value<'_>, fields: &Fields<'_>, context: &mut Context) -> Option<JwtKeys> {
    match (fields.get("jwks"), fields.get("keys")) {
        (Some(url), None) => url.text(context).map(|url| JwtKeys::Url(url.to_owned())),
        (None, Some(keys)) => keys.some(context, |item, context| item.path(context)).map(JwtKeys::Files),
        (Some(_), Some(second)) => second.refuse_with("`jwks` and `keys` exclude each other", None, context),
        (None, None) => value.refuse("found neither `jwks` nor `keys`", context),
    }
}
