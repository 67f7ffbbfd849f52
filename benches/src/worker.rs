//! The sample worker `hello` in the real host, without the gateway around it.

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use std::{collections::BTreeMap, path::Path, sync::Arc};
use tokio::runtime::{Builder, Runtime};
use tollgate_config::{DeploymentId, EnvId, RevisionId, TenantCtx, TenantId, manifest::Limits};
use tollgate_host::{Host, HostConfig, Profile, Revision, RevisionSpec, WarmUp};
use tollgate_store::MemoryStore;

/// Places of the pool: enough for one caller, and few enough that valgrind can give them their address space.
const INSTANCES: u32 = 4;

/// A worker that is ready to be called, and the one thread that it runs on.
pub struct Worker {
    runtime: Runtime,
    revision: Arc<Revision>,
    _host: Host,
}

impl Worker {
    /// `hello`, which `cargo xtask samples` has built: with a snapshot where it can be taken, or as it was signed.
    pub fn hello(snapshot: bool) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/samples/hello.wasm");
        let component = std::fs::read(path).expect("a sample; run `cargo xtask samples` first");
        let config = HostConfig {
            instances: INSTANCES,
            ..HostConfig::default()
        };
        let host = Host::new(config, Arc::new(MemoryStore::default())).expect("a host");
        let spec = RevisionSpec {
            tenant: TenantCtx {
                tenant_id: TenantId::new("acme").expect("an id"),
                env_id: EnvId::new("local").expect("an id"),
                team_id: None,
            },
            deployment: DeploymentId::new("hello").expect("an id"),
            revision: RevisionId::new("r1").expect("an id"),
            state_version: "r1".to_owned(),
            component: component.into(),
            engine: Profile::Default,
            warm_up: if snapshot { WarmUp::default() } else { WarmUp::none() },
            limits: Limits::default(),
            config: BTreeMap::new(),
            secrets: Arc::default(),
            outbound: None,
        };
        let revision = host.load(spec).expect("a revision");
        let runtime = Builder::new_current_thread().enable_time().build().expect("a runtime");
        Self {
            runtime,
            revision,
            _host: host,
        }
    }

    /// Runs what calls it. Entering the runtime costs as much as a small part of a call, so that whoever measures enters it once for many.
    pub fn run<T>(&self, calls: impl Future<Output = T>) -> T {
        self.runtime.block_on(calls)
    }

    /// Makes an instance and drops it.
    pub async fn instantiate(&self) {
        self.revision.instantiate().await.expect("an instance");
    }

    /// One whole call: a fresh instance, a request, its answer.
    pub async fn call(&self) -> Bytes {
        let body = Empty::new().map_err(|never| match never {}).boxed_unsync();
        let request = http::Request::get("http://hello.localhost/abc").body(body).expect("a request");
        let answer = self.revision.call(request).await.expect("an answer");
        answer.into_body().collect().await.expect("a body").to_bytes()
    }
}
