//! `endpoints`.

use super::{
    Deliver, Endpoint, LiveSecret, OptionValue, Provider, Serves, Timer,
    context::{Context, Located},
    keys::SCALAR,
    listener::{nets, reference},
    rate, timer,
    value::{Fields, Value},
};
use crate::{
    DeploymentId, EndpointId, SecretRef, TeamId, TenantId,
    pattern::{HostPattern, PathPrefix},
    report::{hint, shown},
};
use std::collections::BTreeMap;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// Verification keys of one endpoint: a rotation needs two; each that does not open costs every forged request a MAC.
const MAX_SIGNING: usize = 8;

/// What could be read of one endpoint.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) id: Option<Located<EndpointId>>,
    pub(super) provider: Option<Provider>,
    /// Whose deliveries, and what runs for whom: one, or as many as share it. What is unreadable is left out.
    pub(super) serves: Vec<Served>,
    /// Whether several tenants share it.
    pub(super) shared: bool,
    /// A host of its own; the inner `None`: it has none.
    pub(super) host: Option<Option<Located<HostPattern>>>,
    pub(super) path: Option<Located<PathPrefix>>,
    pub(super) whole: Option<Endpoint>,
    /// With `provider: timer` this stands in its place.
    pub(super) timer: Option<Timer>,
}

/// One tenant that an endpoint serves.
#[derive(Debug)]
pub(super) struct Served {
    pub(super) tenant: Option<Located<TenantId>>,
    pub(super) deployment: Option<Located<DeploymentId>>,
}

/// Reads `endpoints`.
pub(super) fn read(value: Option<Value<'_>>, context: &mut Context) -> Option<Vec<Draft>> {
    let Some(value) = value else { return Some(Vec::new()) };
    Some(value.list(context)?.iter().map(|item| endpoint(item, context)).collect())
}

/// Endpoints and timers, if each could be read.
pub(super) fn whole(drafts: Vec<Draft>) -> Option<(Vec<Endpoint>, Vec<Timer>)> {
    let (mut endpoints, mut timers) = (Vec::new(), Vec::new());
    for draft in drafts {
        match (draft.whole, draft.timer) {
            (Some(endpoint), None) => endpoints.push(endpoint),
            (None, Some(timer)) => timers.push(timer),
            _ => return None,
        }
    }
    Some((endpoints, timers))
}

fn endpoint(value: &Value<'_>, context: &mut Context) -> Draft {
    let Some(fields) = value.fields("endpoints[]", context) else {
        return Draft::default();
    };
    if fields.get("provider").is_some_and(|provider| provider.is_word(timer::PROVIDER)) {
        return timer::read(value, &fields, context);
    }
    let id = fields.need("id", context).and_then(|value| value.id(EndpointId::new, context));
    let (serves, shared) = serves(&fields, context);
    let team = match fields.get("team") {
        Some(value) => value.parse(TeamId::new, context).map(Some),
        None => Some(None),
    };
    let provider = fields.need("provider", context).and_then(|value| {
        let name = Located {
            value: value.text(context)?,
            at: value.at.clone(),
        };
        provider(&name, context)
    });
    let host = match fields.get("host") {
        Some(value) => pattern(&value, context).map(Some),
        None => Some(None),
    };
    let path = fields.need("path", context).and_then(|value| prefix(&value, context));
    // Where the provider is not known, nothing is said of what it needs.
    let needed = provider.is_none_or(Provider::needs_signing);
    let secrets = if needed {
        fields.need("secrets", context).and_then(|value| secrets(&value, needed, context))
    } else {
        match fields.get("secrets") {
            Some(value) => secrets(&value, needed, context),
            None => Some((Vec::new(), None)),
        }
    };
    let options = options(&fields, context);
    let deliver = match fields.get("deliver") {
        Some(value) => value.word("delivery", &[("respond", Deliver::Respond)], &["durable"], context),
        None => Some(Deliver::Respond),
    };
    let rate = match fields.get("rate") {
        Some(value) => rate::read(&value, "endpoints[].rate", context).map(Some),
        None => Some(None),
    };
    let allow_from = match fields.get("allow_from") {
        // Nobody would be let in: that is hardly meant, and never what an absent list means.
        Some(value) if value.list(context).is_some_and(|items| items.is_empty()) => value.refuse("found an empty list", context),
        Some(value) => nets(&value, context),
        None => Some(Vec::new()),
    };
    let mut draft = Draft {
        id,
        provider,
        serves,
        shared,
        host,
        path,
        whole: None,
        timer: None,
    };
    draft.whole = (|| {
        let (signing, verify) = secrets?;
        Some(Endpoint {
            id: draft.id.as_ref()?.value.clone(),
            serves: known(&draft.serves, draft.shared)?,
            team: team?,
            provider: provider?,
            host: draft.host.as_ref()?.as_ref().map(|host| host.value.clone()),
            path: draft.path.as_ref()?.value.clone(),
            signing,
            verify,
            options: options?,
            deliver: deliver?,
            rate: rate?,
            allow_from: allow_from?,
            place: context.report.place(&value.at),
        })
    })();
    draft
}

/// Whose deliveries, and what runs for whom; and whether several tenants share it.
fn serves(fields: &Fields<'_>, context: &mut Context) -> (Vec<Served>, bool) {
    let deployment = fields.need("deployment", context);
    if let Some(mapping) = deployment.as_ref().filter(|value| value.is_map()) {
        for name in ["tenant", "team"] {
            if let Some(value) = fields.get(name) {
                let message = format!("an endpoint that several tenants share has no `{name}`");
                let help = "leave it out: `deployment` names the tenants, and their `accounts` choose".to_owned();
                value.refuse_with::<()>(message, help, context);
            }
        }
        let entries = mapping
            .entries("the id of one of the tenant's `deployments`", context)
            .unwrap_or_default();
        if entries.is_empty() {
            mapping.refuse::<()>("found an empty mapping", context);
        }
        let each = entries.into_iter().map(|(name, value)| {
            let tenant = match TenantId::new(name.value) {
                Ok(value) => Some(Located { value, at: name.at }),
                Err(error) => {
                    context.report.add(&name.at, error.to_string(), None);
                    None
                }
            };
            let deployment = value.id(DeploymentId::new, context);
            Served { tenant, deployment }
        });
        return (each.collect(), true);
    }
    let tenant = fields.need("tenant", context).and_then(|value| value.id(TenantId::new, context));
    let deployment = deployment.and_then(|value| value.id(DeploymentId::new, context));
    (vec![Served { tenant, deployment }], false)
}

/// The same, where each could be read.
fn known(serves: &[Served], shared: bool) -> Option<Serves> {
    let each = |served: &Served| Some((served.tenant.as_ref()?.value.clone(), served.deployment.as_ref()?.value.clone()));
    let mut all = serves.iter().map(each).collect::<Option<BTreeMap<_, _>>>()?;
    if shared {
        return (!all.is_empty()).then_some(Serves::Shared(all));
    }
    all.pop_first().map(|(tenant, deployment)| Serves::One { tenant, deployment })
}

/// The provider of this name.
pub(super) fn provider(name: &Located<&str>, context: &mut Context) -> Option<Provider> {
    let built = Provider::ALL.map(Provider::as_str);
    let provider = Provider::from_name(name.value);
    if provider.is_none() {
        let message = format!("unknown provider {}", shown(name.value));
        context.report.add(&name.at, message, Some(hint(name.value, built)));
    }
    provider
}

/// A host pattern and its place.
pub(super) fn pattern(value: &Value<'_>, context: &mut Context) -> Option<Located<HostPattern>> {
    let at = value.at.clone();
    value.parse(HostPattern::parse, context).map(|value| Located { value, at })
}

/// A path prefix and its place.
pub(super) fn prefix(value: &Value<'_>, context: &mut Context) -> Option<Located<PathPrefix>> {
    let at = value.at.clone();
    value.parse(PathPrefix::parse, context).map(|value| Located { value, at })
}

/// What opens the endpoint: its verification keys, and its handshake's token.
type Opens = (Vec<LiveSecret>, Option<SecretRef>);

fn secrets(value: &Value<'_>, needed: bool, context: &mut Context) -> Option<Opens> {
    let fields = value.fields("endpoints[].secrets", context)?;
    let signing = match fields.get("signing") {
        Some(value) if !needed => {
            let message = "this provider has no signing secret: it publishes the keys that verify";
            value.refuse_with(message.to_owned(), None, context)
        }
        None if !needed => Some(Vec::new()),
        _ => fields.need("signing", context).and_then(|value| signing(&value, context)),
    };
    let verify = match fields.get("verify") {
        Some(value) => reference(&value, context).map(Some),
        None => Some(None),
    };
    Some((signing?, verify?))
}

fn signing(signing: &Value<'_>, context: &mut Context) -> Option<Vec<LiveSecret>> {
    if !signing.is_list() {
        return secret(signing, context).map(|secret| vec![secret]);
    }
    let secrets = signing.some(context, secret)?;
    if secrets.len() > MAX_SIGNING {
        return signing.refuse_with(
            format!("found {} secrets, at most {MAX_SIGNING} open an endpoint", secrets.len()),
            None,
            context,
        );
    }
    Some(secrets)
}

fn secret(value: &Value<'_>, context: &mut Context) -> Option<LiveSecret> {
    if !value.is_map() {
        let not_after = None;
        let value = value.accepting("`env://NAME`, `file://PATH`, or `{ ref, not_after }`");
        return reference(&value, context).map(|reference| LiveSecret { reference, not_after });
    }
    let fields = value.fields("endpoints[].secrets.signing[]", context)?;
    let reference = fields.need("ref", context).and_then(|value| reference(&value, context));
    let not_after = match fields.get("not_after") {
        Some(value) => {
            let time = |text: &str| OffsetDateTime::parse(text, &Rfc3339).map_err(|_| "this is no time");
            value.parse(time, context).map(|time| Some(time.unix_timestamp()))
        }
        None => Some(None),
    };
    Some(LiveSecret {
        reference: reference?,
        not_after: not_after?,
    })
}

fn options(fields: &Fields<'_>, context: &mut Context) -> Option<BTreeMap<String, OptionValue>> {
    let Some(value) = fields.get("options") else {
        return Some(BTreeMap::new());
    };
    let options: Vec<_> = value
        .entries(SCALAR, context)?
        .into_iter()
        .map(|(name, value)| {
            let place = context.report.place(&value.at);
            let value = value.scalar(context)?;
            Some((name.value.to_owned(), OptionValue { value, place }))
        })
        .collect();
    options.into_iter().collect()
}
