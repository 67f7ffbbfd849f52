//! The stores and the journal, by their public words.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::expect_used,
    reason = "tests"
)]

mod contract;
mod crash;
mod embedded;
mod journal;
mod memory;
mod quota;

use std::time::{Duration, SystemTime};
use tollgate_config::{DeploymentId, EndpointId, EnvId, TenantCtx, TenantId};
use tollgate_store::{Key, Mark, MarkKind};

/// A fixed time, and so many milliseconds after it.
fn at(millis: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000) + Duration::from_millis(millis)
}

/// A key of one tenant's one deployment.
fn key(name: &str) -> Key {
    scoped("local", "acme", "support", "r1", "default", name)
}

fn scoped(env: &str, tenant: &str, deployment: &str, state: &str, bucket: &str, name: &str) -> Key {
    Key::worker(&who(env, tenant), &DeploymentId::new(deployment).unwrap(), state, bucket, name)
}

fn who(env: &str, tenant: &str) -> TenantCtx {
    TenantCtx {
        tenant_id: TenantId::new(tenant).unwrap(),
        env_id: EnvId::new(env).unwrap(),
        team_id: None,
    }
}

fn mark(n: u64) -> Mark {
    let mut hash = [0; 32];
    hash[..8].copy_from_slice(&n.to_be_bytes());
    Mark {
        endpoint: EndpointId::new("slack").unwrap(),
        kind: if n.is_multiple_of(2) { MarkKind::Id } else { MarkKind::Body },
        hash,
    }
}

/// Opens what another test's child may hold for the moment between its fork and its exec.
fn patiently<T, E: std::fmt::Display>(open: impl Fn() -> Result<T, E>) -> T {
    let started = std::time::Instant::now();
    loop {
        match open() {
            Ok(opened) => return opened,
            Err(error) => assert!(started.elapsed() < Duration::from_secs(10), "{error}"),
        }
        std::thread::yield_now();
    }
}
