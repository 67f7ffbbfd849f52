//! From a manifest to a snapshot: packs are opened and verified, components compiled, endpoints and routes put in their places.

use super::activate::{Opened, Opener, side_by_side};
use crate::{
    dispatch::id_value,
    egress::{Client, Egress},
    gate::Gate,
    identity::{Identity, token::Tokens},
    rate::Scope,
    route::Table,
    secrets::Secrets,
    snapshot::{Deployment, Endpoint, Loaded, Owner, Owners, Route, Snapshot, State},
    timer::Timer,
    webchat::Desk,
};
use http::{HeaderValue, Method};
use std::{collections::BTreeMap, sync::Arc};
use tollgate_config::{
    ByteSize, DeploymentId, Environment, TenantCtx,
    manifest::{self, Revision, Serves},
};
use tollgate_host::{Host, Outbound, Profile, RevisionSpec, Secrets as Granted, WarmUp, WarmUpRequest};
use tollgate_ingress::{Scheme, provider::facts};
use tollgate_packs::{Engine, Signer, TrustedKey, warm_up::Request};

/// Loads every weighted revision, several packs at once, and builds the snapshot. Takes seconds of CPU: call it from a blocking thread. A revision
/// that does not load fails its deployment, and says why in the log; the others are served.
///
/// # Errors
/// When an endpoint's metrics cannot be made.
pub(crate) fn snapshot(
    environment: &Environment,
    mut secrets: Secrets,
    (identity, tokens): (Identity, Option<Tokens>),
    keys: Arc<[TrustedKey]>,
    host: &Host,
    gate: &Gate,
    client: &Arc<Client>,
) -> Result<Snapshot, prometheus::Error> {
    let mut by_pack: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for plan in &environment.deployments {
        let secrets = Arc::new(secrets.granted.remove(&plan.id).unwrap_or_default());
        let outbound = Arc::new(Egress::new(client.clone(), plan, secrets.clone()));
        let revision = weighted(plan);
        let pack = revision.map(|revision| &revision.pack);
        by_pack
            .entry(pack)
            .or_default()
            .push((plan, revision, Grants { secrets, outbound }));
    }
    let opener = Opener {
        keys,
        allow_unsigned: environment.trust.allow_unsigned,
    };
    // A pack's bytes are in memory once, and only until all that use it are loaded.
    let by_pack: Vec<_> = by_pack.into_iter().collect();
    let loaded = side_by_side(&by_pack, |(pack, uses)| {
        let opened = pack.map(|pack| opener.open(pack));
        let each = uses.iter().map(|(plan, revision, grants)| {
            let state = match (revision, &opened) {
                (Some(revision), Some(opened)) => state(environment, plan, revision, opened, host, grants),
                _ => {
                    tracing::error!(deployment = %plan.id, "the deployment has no revision, and answers 503");
                    State::Failed { revision: None }
                }
            };
            (plan.id.clone(), Arc::new(deployment(environment, plan, state, gate)))
        });
        each.collect::<Vec<_>>()
    });
    let deployments: BTreeMap<DeploymentId, Arc<Deployment>> = loaded.into_iter().flatten().collect();
    let mut routes = Table::new(identity);
    for plan in &environment.endpoints {
        // The manifest's reader refuses an endpoint without its deployment, and an option that its provider does not have.
        let (Some(owners), Ok(scheme)) = (owners(environment, plan, &deployments), Scheme::new(plan.provider, &plan.options)) else {
            tracing::error!(endpoint = %plan.id, "the endpoint has no deployment or wrong options, and is not served");
            continue;
        };
        let keys = secrets.keys.remove(&plan.id).unwrap_or_default();
        let endpoint = Endpoint {
            id: plan.id.clone(),
            provider: plan.provider,
            batches: facts(plan.provider).batches,
            rate: plan.rate.map(|rate| gate.rates.of(Scope::Endpoint(plan.id.clone()), rate)),
            allow_from: plan.allow_from.clone(),
            allow: allow(scheme.methods()),
            body_limit: scheme.body_limit().min(largest(&owners)).get(),
            horizon: scheme.horizon(),
            webchat: Desk::of(&scheme, &plan.path, &owners),
            counters: gate.metrics.endpoint(&plan.id, keys.signing.len())?,
            scheme,
            keys,
            owners,
        };
        routes.add_endpoint(plan.host.as_ref(), &plan.path, Arc::new(endpoint));
    }
    for plan in &environment.deployments {
        let Some(deployment) = deployments.get(&plan.id) else { continue };
        for route in &plan.routes {
            routes.add_route(
                &route.host,
                &route.path,
                Arc::new(Route {
                    access: route.access,
                    deployment: deployment.clone(),
                }),
            );
        }
    }
    let mut timers = Vec::new();
    for plan in &environment.timers {
        // The manifest's reader refuses a timer without its deployment.
        let Some(deployment) = deployments.get(&plan.deployment) else {
            continue;
        };
        timers.push(Arc::new(Timer {
            id: plan.id.clone(),
            owner: Owner {
                tenant: TenantCtx {
                    team_id: plan.team.clone(),
                    ..deployment.tenant.clone()
                },
                deployment: deployment.clone(),
            },
            schedule: plan.schedule.clone(),
            grace: plan.grace,
            counters: gate.metrics.timer(&plan.id)?,
        }));
    }
    let in_order = environment.deployments.iter().filter_map(|plan| deployments.get(&plan.id).cloned());
    Ok(Snapshot {
        routes,
        tokens,
        deployments: in_order.collect(),
        timers,
        complete: true,
    })
}

/// What a deployment's workers may use beyond their own memory and state.
struct Grants {
    secrets: Arc<Granted>,
    outbound: Arc<dyn Outbound>,
}

/// Whose deliveries an endpoint takes; `None` when a deployment of it is missing.
fn owners(environment: &Environment, plan: &manifest::Endpoint, deployments: &BTreeMap<DeploymentId, Arc<Deployment>>) -> Option<Owners> {
    let each = plan.serves.each().map(|(tenant, deployment)| {
        let deployment = deployments.get(deployment)?.clone();
        let tenant_ctx = TenantCtx {
            team_id: plan.team.clone(),
            ..deployment.tenant.clone()
        };
        let accounts = environment
            .tenants
            .get(tenant)
            .and_then(|tenant| tenant.accounts.get(&plan.provider));
        let owner = Owner {
            tenant: tenant_ctx,
            deployment,
        };
        Some((owner, accounts.map(Vec::as_slice)))
    });
    let mut each = each.collect::<Option<Vec<_>>>()?;
    match plan.serves {
        Serves::One { .. } => each.pop().map(|(owner, accounts)| Owners::one(owner, accounts)),
        Serves::Shared(_) => Some(Owners::shared(
            each.into_iter().map(|(owner, accounts)| (owner, accounts.unwrap_or_default())),
        )),
    }
}

fn largest(owners: &Owners) -> ByteSize {
    let limits = owners.all().iter().map(|owner| owner.deployment.limits.body);
    limits.max().unwrap_or(ByteSize::bytes(0))
}

fn allow(methods: &[Method]) -> HeaderValue {
    let names: Vec<_> = methods.iter().map(Method::as_str).collect();
    HeaderValue::from_str(&names.join(", ")).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// The revision that has the traffic.
fn weighted(plan: &manifest::Deployment) -> Option<&Revision> {
    let weighted = |revision: &&Revision| plan.traffic.get(&revision.id).is_some_and(|share| share.get() > 0);
    plan.revisions.iter().find(weighted).or(plan.revisions.first())
}

fn tenant(environment: &Environment, plan: &manifest::Deployment) -> TenantCtx {
    TenantCtx {
        tenant_id: plan.tenant.clone(),
        env_id: environment.id.clone(),
        team_id: None,
    }
}

fn state(
    environment: &Environment,
    plan: &manifest::Deployment,
    revision: &Revision,
    opened: &Result<Opened, String>,
    host: &Host,
    grants: &Grants,
) -> State {
    let opened = opened.as_ref().map_err(Clone::clone);
    match opened.and_then(|opened| load(plan, revision, tenant(environment, plan), opened, host, grants)) {
        Ok(loaded) => State::Ready(loaded),
        Err(reason) => {
            tracing::error!(deployment = %plan.id, revision = %revision.id, pack = %revision.pack.display(), reason, "the revision does not run; its routes answer 503");
            State::Failed {
                revision: Some(revision.id.clone()),
            }
        }
    }
}

fn deployment(environment: &Environment, plan: &manifest::Deployment, state: State, gate: &Gate) -> Deployment {
    let tenant = tenant(environment, plan);
    Deployment {
        id: plan.id.clone(),
        tenant_header: id_value(tenant.tenant_id.as_str()),
        environment_header: id_value(tenant.env_id.as_str()),
        rate: environment
            .tenants
            .get(&plan.tenant)
            .and_then(|tenant| tenant.rate)
            .map(|rate| gate.rates.of(Scope::Tenant(plan.tenant.clone()), rate)),
        tenant,
        limits: plan.limits,
        state,
    }
}

fn load(
    plan: &manifest::Deployment,
    revision: &Revision,
    tenant: TenantCtx,
    opened: &Opened,
    host: &Host,
    grants: &Grants,
) -> Result<Loaded, String> {
    let pack = &opened.pack;
    if pack.signer == Signer::Nobody {
        tracing::warn!(
            deployment = %plan.id,
            pack = %revision.pack.display(),
            "UNSIGNED PACK: nobody vouches for this code; it runs only because this environment is `local` and says `unsigned: allow`"
        );
    }
    let spec = RevisionSpec {
        tenant,
        deployment: plan.id.clone(),
        revision: revision.id.clone(),
        state_version: revision.id.as_str().to_owned(),
        component: pack.component.clone(),
        engine: engine(pack.engine),
        warm_up: warm_up(pack.warm_up.clone()),
        limits: plan.limits,
        config: plan.config.clone(),
        secrets: grants.secrets.clone(),
        outbound: Some(grants.outbound.clone()),
    };
    let loaded = host.load_from(spec, &opened.again).map_err(|error| error.to_string())?;
    match loaded.snapshot() {
        Ok(()) => {
            tracing::info!(deployment = %plan.id, revision = %revision.id, pack = %pack.digest, snapshot = "taken", "the revision is ready")
        }
        Err(why) => {
            tracing::info!(deployment = %plan.id, revision = %revision.id, pack = %pack.digest, snapshot = why.code(), %why, "the revision is ready, without a snapshot");
        }
    }
    Ok(Loaded {
        id: revision.id.clone(),
        digest: pack.digest.to_string(),
        header: id_value(revision.id.as_str()),
        revision: loaded,
    })
}

/// The host's word for a pack's.
pub(crate) fn engine(declared: Engine) -> Profile {
    match declared {
        Engine::Default => Profile::Default,
        Engine::Large => Profile::Large,
        Engine::Async => Profile::Async,
    }
}

/// What a pack declares, else what the host finds right.
pub(crate) fn warm_up(declared: Option<Vec<Request>>) -> WarmUp {
    declared.map_or_else(WarmUp::default, |requests| {
        let requests = requests.into_iter().map(|request| WarmUpRequest {
            method: request.method,
            path: request.path,
            headers: request.headers,
            body: request.body,
        });
        WarmUp(requests.collect())
    })
}
