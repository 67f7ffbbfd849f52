//! `deployments`: routes, revisions, traffic and configuration.

use super::{
    Access, Deployment, Limits, Revision, Route,
    context::{Context, Located},
    endpoint::{pattern, prefix},
    keys::SCALAR,
    limits, listener,
    value::{Fields, Value},
};
use crate::{
    BasisPoints, DeploymentId, RevisionId, SecretName, SecretRef, TenantId,
    pattern::{HostPattern, OutboundRule, PathPrefix},
    reference,
    report::{At, hint, shown},
    setting::{self, Setting},
};
use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
};

/// Where a pack may be that this build cannot fetch from.
const LATER: [&str; 6] = ["http", "https", "oci", "s3", "gs", "az"];

/// What could be read of one deployment.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) id: Option<Located<DeploymentId>>,
    pub(super) tenant: Option<Located<TenantId>>,
    pub(super) routes: Vec<RouteDraft>,
    pub(super) whole: Option<Deployment>,
}

/// What could be read of one route.
#[derive(Debug)]
pub(super) struct RouteDraft {
    pub(super) host: Option<Located<HostPattern>>,
    pub(super) path: Option<Located<PathPrefix>>,
    pub(super) access: Option<Located<Access>>,
    whole: Option<Route>,
}

/// Reads `deployments`. `None` when they are no list: nothing can be said about what refers to one.
pub(super) fn read(value: Option<Value<'_>>, context: &mut Context) -> Option<Vec<Draft>> {
    let Some(value) = value else { return Some(Vec::new()) };
    Some(value.list(context)?.iter().map(|item| deployment(item, context)).collect())
}

fn deployment(value: &Value<'_>, context: &mut Context) -> Draft {
    let Some(fields) = value.fields("deployments[]", context) else {
        return Draft::default();
    };
    let id = fields.need("id", context).and_then(|value| value.id(DeploymentId::new, context));
    let tenant = fields.need("tenant", context).and_then(|value| value.id(TenantId::new, context));
    let routes = match fields.get("routes") {
        Some(value) => value.list(context),
        None => Some(Vec::new()),
    };
    let routes: Option<Vec<_>> = routes.map(|routes| routes.iter().map(|item| route(item, context)).collect());
    let revisions = fields.need("revisions", context).and_then(|value| revisions(&value, context));
    let traffic = traffic(&fields, revisions.as_deref(), context);
    let limits = match fields.get("limits") {
        Some(value) => limits::read(&value, context),
        None => Some(Limits::default()),
    };
    let allow_outbound = outbound(&fields, context);
    let secrets = secrets(&fields, context);
    let config = config(&fields, context);
    let whole = (|| {
        Some(Deployment {
            id: id.as_ref()?.value.clone(),
            tenant: tenant.as_ref()?.value.clone(),
            routes: routes.iter().flatten().map(|route| route.whole.clone()).collect::<Option<_>>()?,
            revisions: revisions?,
            traffic: traffic?,
            limits: limits?,
            config: config?,
            allow_outbound: allow_outbound?,
            secrets: secrets?,
            place: context.report.place(&value.at),
        })
    })();
    Draft {
        id,
        tenant,
        routes: routes.unwrap_or_default(),
        whole,
    }
}

fn route(value: &Value<'_>, context: &mut Context) -> RouteDraft {
    let (mut host, mut path, mut access, mut whole) = (None, None, None, None);
    if let Some(fields) = value.fields("deployments[].routes[]", context) {
        host = fields.need("host", context).and_then(|value| pattern(&value, context));
        path = fields.need("path", context).and_then(|value| prefix(&value, context));
        access = fields.need("access", context).and_then(|value| {
            let words = [("public", Access::Public), ("jwt", Access::Jwt)];
            let at = value.at.clone();
            value.word("access", &words, &["mtls"], context).map(|value| Located { value, at })
        });
        if let (Some(host), Some(path), Some(access)) = (&host, &path, &access) {
            whole = Some(Route {
                host: host.value.clone(),
                path: path.value.clone(),
                access: access.value,
                place: context.report.place(&value.at),
            });
        }
    }
    RouteDraft { host, path, access, whole }
}

fn revisions(value: &Value<'_>, context: &mut Context) -> Option<Vec<Revision>> {
    let mut lines = HashMap::new();
    value.some(context, |item, context| {
        let fields = item.fields("deployments[].revisions[]", context)?;
        let id = fields.need("id", context).and_then(|value| value.id(RevisionId::new, context));
        let pack = fields.need("pack", context).and_then(|value| pack(&value, context));
        let id = id?;
        if let Some(line) = lines.insert(id.value.clone(), id.at.line) {
            context.report.add(
                &id.at,
                format!("revision `{}` stands here twice, first in line {line}", id.value),
                None,
            );
            return None;
        }
        Some(Revision {
            id: id.value,
            pack: pack?,
            place: context.report.place(&item.at),
        })
    })
}

fn pack(value: &Value<'_>, context: &mut Context) -> Option<PathBuf> {
    if let Some((scheme, _)) = value.text(context)?.split_once("://") {
        let message = if LATER.contains(&scheme) {
            format!("packs from `{scheme}://` are not built yet")
        } else {
            format!("packs do not come from {}", shown(&format!("{scheme}://")))
        };
        return value.refuse(message, context);
    }
    value.path(context)
}

fn traffic(fields: &Fields<'_>, revisions: Option<&[Revision]>, context: &mut Context) -> Option<BTreeMap<RevisionId, BasisPoints>> {
    let whole = BasisPoints::WHOLE;
    let Some(value) = fields.get("traffic") else {
        return match revisions? {
            [only] => Some(BTreeMap::from([(only.id.clone(), whole)])),
            _ => {
                fields.need("traffic", context);
                None
            }
        };
    };
    let ids: Option<HashMap<&str, &RevisionId>> =
        revisions.map(|revisions| revisions.iter().map(|revision| (revision.id.as_str(), &revision.id)).collect());
    let (mut traffic, mut sum, mut weighted, mut numbers, mut sound) = (BTreeMap::new(), 0_u64, 0, true, true);
    for (name, share) in value.entries("basis points: a whole number from 0 to 10000", context)? {
        let points = share.integer(context);
        numbers &= points.is_some();
        sum = sum.saturating_add(points.unwrap_or_default());
        let known = ids.as_ref().map(|ids| ids.get(name.value).copied());
        if matches!(known, Some(None)) {
            let ids = revisions.into_iter().flatten().map(|revision| revision.id.as_str());
            context
                .report
                .add(&name.at, format!("no revision {}", shown(name.value)), Some(hint(name.value, ids)));
        }
        let share = points.and_then(|points| u16::try_from(points).ok()).and_then(BasisPoints::new);
        match (known.flatten(), share) {
            (Some(id), Some(share)) => {
                weighted += usize::from(share.get() > 0);
                traffic.insert(id.clone(), share);
            }
            _ => sound = false,
        }
    }
    if !numbers {
        return None;
    }
    if sum != u64::from(whole.get()) {
        let help = format!("the whole is {} basis points", whole.get());
        return value.refuse_with(format!("the weights sum to {sum}, not {}", whole.get()), help, context);
    }
    if weighted > 1 {
        let help = format!("give one revision all {} basis points", whole.get());
        return value.refuse_with("a split of traffic between revisions is not built yet", help, context);
    }
    sound.then_some(traffic)
}

/// Entries of one `allow_outbound`: each call out is compared with all of them.
const MAX_OUTBOUND: usize = 256;
/// Secrets of one deployment; each is held in memory for as long as the gateway runs.
const MAX_SECRETS: usize = 64;

fn outbound(fields: &Fields<'_>, context: &mut Context) -> Option<Vec<OutboundRule>> {
    let Some(value) = fields.get("allow_outbound") else {
        return Some(Vec::new());
    };
    let items = value.list(context)?;
    if items.len() > MAX_OUTBOUND {
        return value.refuse_with(
            format!("found {} entries, at most {MAX_OUTBOUND} are read", items.len()),
            None,
            context,
        );
    }
    let accepted = "`scheme://host[:port]`, such as `https://slack.com`, `https://*.example.com:8443`, `http://127.0.0.1:9000`";
    let rules: Vec<_> = items
        .iter()
        .map(|item| item.accepting(accepted).parse(OutboundRule::parse, context))
        .collect();
    rules.into_iter().collect()
}

fn secrets(fields: &Fields<'_>, context: &mut Context) -> Option<BTreeMap<SecretName, SecretRef>> {
    let Some(value) = fields.get("secrets") else {
        return Some(BTreeMap::new());
    };
    let entries = value.entries(reference::ACCEPTED, context)?;
    if entries.len() > MAX_SECRETS {
        return value.refuse_with(
            format!("found {} secrets, at most {MAX_SECRETS} are kept", entries.len()),
            None,
            context,
        );
    }
    let secrets: Vec<_> = entries
        .into_iter()
        .map(|(name, entry)| {
            // What stands here may be the secret itself, so no name is shown: the line and column say which it is.
            let at = |at: &At| At {
                path: value.at.path.clone(),
                ..at.clone()
            };
            let read = SecretName::new(name.value);
            if read.is_err() {
                let help = "accepted: 1 to 64 ASCII letters, digits, `.`, `_`, `-`".to_owned();
                context.report.add(&at(&name.at), "this is no name of a secret", Some(help));
            }
            let reference = listener::reference(&entry.at_path(&value.at.path), context);
            Some((read.ok()?, reference?))
        })
        .collect();
    secrets.into_iter().collect()
}

fn config(fields: &Fields<'_>, context: &mut Context) -> Option<BTreeMap<String, Setting>> {
    let Some(value) = fields.get("config") else {
        return Some(BTreeMap::new());
    };
    let entries: Vec<_> = value
        .entries(SCALAR, context)?
        .into_iter()
        .map(|(name, value)| {
            let text = value.written(context)?;
            let setting = match Setting::parse(&text) {
                Ok(setting) => setting,
                Err(error) => {
                    let help = format!("accepted: a text, or one of {}", setting::ACCEPTED);
                    return value.refuse_with(format!("found {}: {error}", shown(&text)), help, context);
                }
            };
            Some((name.value.to_owned(), setting))
        })
        .collect();
    entries.into_iter().collect()
}
