//! `wasi:config/store`: a deployment's `config`, as it stands in the manifest, with what the host knows in the place of `runtime://` references.

use crate::{Revision, RevisionSpec, guest::Guest};
use std::collections::BTreeMap;
use tollgate_config::{Setting, setting::Fact};
use wasmtime::component::{HasData, Linker};

mod bindings {
    wasmtime::component::bindgen!({
        path: "../wit/deps/config",
        world: "wasi:config/imports",
        imports: { default: trappable },
    });
}
use bindings::wasi::config::store;

/// What a revision's workers read: each reference is resolved once, from what the host was told when it was loaded.
pub(crate) fn resolved(spec: &RevisionSpec) -> BTreeMap<String, String> {
    let fact = |fact: &Fact| match fact {
        Fact::Tenant => spec.tenant.tenant_id.as_str(),
        Fact::Environment => spec.tenant.env_id.as_str(),
        Fact::Deployment => spec.deployment.as_str(),
        Fact::Revision => spec.revision.as_str(),
    };
    let value = |setting: &Setting| match setting {
        Setting::Text(text) => text.clone(),
        Setting::Runtime(name) => fact(name).to_owned(),
    };
    spec.config.iter().map(|(key, setting)| (key.clone(), value(setting))).collect()
}

struct Settings;

impl HasData for Settings {
    type Data<'a> = &'a Revision;
}

pub(crate) fn link(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    store::add_to_linker::<Guest, Settings>(linker, |guest| &*guest.revision)
}

impl store::Host for &Revision {
    fn get(&mut self, key: String) -> wasmtime::Result<Result<Option<String>, store::Error>> {
        Ok(Ok(self.config.get(&key).cloned()))
    }

    fn get_all(&mut self) -> wasmtime::Result<Result<Vec<(String, String)>, store::Error>> {
        Ok(Ok(self.config.iter().map(|(key, value)| (key.clone(), value.clone())).collect()))
    }
}
