//! Where a value lies: scoped by environment, tenant and deployment before anything that a caller or a guest names.

use tollgate_config::{DeploymentId, TenantCtx};

/// A key of the session store. Segments are escaped, so that no two scopes share a key and no prefix crosses a scope.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Vec<u8>);

impl Key {
    /// What a worker writes: `env/tenant/deployment/state_version/bucket/key`.
    pub fn worker(tenant: &TenantCtx, deployment: &DeploymentId, state_version: &str, bucket: &str, key: &str) -> Self {
        let _ = (tenant, deployment, state_version, bucket, key);
        todo!()
    }

    /// As stored.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}
