//! By which of its exports a worker answers: `wasi:http/incoming-handler` 0.2, or `wasi:http/handler` 0.3 on the engine `async`.

use crate::{LoadError, engine::Profile, guest::Guest, imports};
use wasmparser::Payload;
use wasmtime::{Engine, component::InstancePre};
use wasmtime_wasi_http::{p2::bindings::ProxyPre, p3::bindings::ServicePre};

/// What workers of 0.2 export, up to the release.
const INCOMING_HANDLER: &str = "wasi:http/incoming-handler@0.2.";
/// What workers of 0.3 export; its release candidates were other interfaces.
const HANDLER: &str = "wasi:http/handler@0.3.";

/// A component that can be instantiated, by what is called of it.
pub(crate) enum Entry {
    /// `wasi:http/incoming-handler` 0.2.
    Incoming(ProxyPre<Guest>),
    /// `wasi:http/handler` 0.3.
    Service(ServicePre<Guest>),
}

impl Entry {
    /// That of this engine.
    ///
    /// # Errors
    /// When the component does not export it.
    pub(crate) fn of(linked: InstancePre<Guest>, engine: Profile) -> wasmtime::Result<Self> {
        Ok(match engine {
            Profile::Default | Profile::Large => Self::Incoming(ProxyPre::new(linked)?),
            Profile::Async => Self::Service(ServicePre::new(linked)?),
        })
    }

    /// What it runs on.
    pub(crate) fn engine(&self) -> &Engine {
        self.instance().engine()
    }

    /// What is instantiated.
    pub(crate) fn instance(&self) -> &InstancePre<Guest> {
        match self {
            Self::Incoming(proxy) => proxy.instance_pre(),
            Self::Service(service) => service.instance_pre(),
        }
    }
}

/// Looks for the export that only another engine calls, without compiling. The bytes are not trusted; what is wrong with them otherwise is the
/// compiler's to say.
///
/// # Errors
/// Which engine the component is for.
pub(crate) fn check(component: &[u8], engine: Profile) -> Result<(), LoadError> {
    let (own, others, other) = match engine {
        Profile::Default | Profile::Large => (INCOMING_HANDLER, HANDLER, Profile::Async),
        Profile::Async => (HANDLER, INCOMING_HANDLER, Profile::Default),
    };
    let exports = exports(component);
    if exports.iter().any(|name| name.starts_with(own)) {
        return Ok(());
    }
    match exports.into_iter().find(|name| name.starts_with(others)) {
        Some(export) => Err(LoadError::Engine {
            export: format!("`{export}`"),
            engine: engine.name(),
            other: other.name(),
        }),
        None => Ok(()),
    }
}

/// The names that a component exports, as far as it can be read.
fn exports(component: &[u8]) -> Vec<String> {
    let mut names = Vec::new();
    for section in imports::outermost(component).map_while(Result::ok) {
        if let Payload::ComponentExportSection(section) = section {
            names.extend(section.into_iter().flatten().map(|export| export.name.name.to_owned()));
        }
    }
    names
}
