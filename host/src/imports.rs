//! What a component imports, and what of it this host gives.

use crate::{LoadError, engine::Profile, sockets};
use wasmparser::{ComponentTypeRef, Parser, Payload};

/// Interfaces that are told of one component; one that asks for more has other troubles.
const MAX_TOLD: usize = 10;

/// What a deployment has to say before an interface does anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grant {
    /// Nothing.
    None,
    /// The deployment's `secrets`.
    Secrets,
    /// The deployment's `allow_outbound`.
    Outbound,
}

impl Grant {
    /// The manifest's key for it.
    pub fn key(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Secrets => Some("secrets"),
            Self::Outbound => Some("allow_outbound"),
        }
    }
}

/// Interfaces by the beginning of their names, with what they need. A release that is compatible fits.
const GIVEN: [(&str, Grant); 30] = [
    ("greentic:http/http-client@1.1.", Grant::Outbound),
    ("greentic:interfaces-types/types@0.1.", Grant::None),
    ("greentic:secrets-store/secrets-store@1.0.", Grant::Secrets),
    ("greentic:secrets-store/secrets-store@1.1.", Grant::Secrets),
    ("greentic:state/state-store@1.0.", Grant::None),
    ("greentic:telemetry/logger-api@1.0.", Grant::None),
    ("tollgate:host/secrets@0.1.", Grant::Secrets),
    ("tollgate:host/session@0.1.", Grant::None),
    ("wasi:cli/environment@0.2.", Grant::None),
    ("wasi:cli/exit@0.2.", Grant::None),
    ("wasi:cli/stderr@0.2.", Grant::None),
    ("wasi:cli/stdin@0.2.", Grant::None),
    ("wasi:cli/stdout@0.2.", Grant::None),
    ("wasi:cli/terminal-", Grant::None),
    ("wasi:clocks/monotonic-clock@0.2.", Grant::None),
    ("wasi:clocks/wall-clock@0.2.", Grant::None),
    ("wasi:config/store@0.2.0-rc.1", Grant::None),
    ("wasi:filesystem/preopens@0.2.", Grant::None),
    ("wasi:filesystem/types@0.2.", Grant::None),
    ("wasi:http/outgoing-handler@0.2.", Grant::Outbound),
    ("wasi:http/types@0.2.", Grant::None),
    ("wasi:io/error@0.2.", Grant::None),
    ("wasi:io/poll@0.2.", Grant::None),
    ("wasi:io/streams@0.2.", Grant::None),
    ("wasi:keyvalue/atomics@0.2.0-draft", Grant::None),
    ("wasi:keyvalue/batch@0.2.0-draft", Grant::None),
    ("wasi:keyvalue/store@0.2.0-draft", Grant::None),
    ("wasi:random/insecure@0.2.", Grant::None),
    ("wasi:random/insecure-seed@0.2.", Grant::None),
    ("wasi:random/random@0.2.", Grant::None),
];

/// Those of WASI 0.3, for the engine `async`. Its release candidates were other interfaces.
const GIVEN_ASYNC: [(&str, Grant); 16] = [
    ("wasi:cli/environment@0.3.", Grant::None),
    ("wasi:cli/exit@0.3.", Grant::None),
    ("wasi:cli/stderr@0.3.", Grant::None),
    ("wasi:cli/stdin@0.3.", Grant::None),
    ("wasi:cli/stdout@0.3.", Grant::None),
    ("wasi:cli/types@0.3.", Grant::None),
    ("wasi:clocks/monotonic-clock@0.3.", Grant::None),
    ("wasi:clocks/system-clock@0.3.", Grant::None),
    ("wasi:clocks/types@0.3.", Grant::None),
    ("wasi:filesystem/preopens@0.3.", Grant::None),
    ("wasi:filesystem/types@0.3.", Grant::None),
    ("wasi:http/client@0.3.", Grant::Outbound),
    ("wasi:http/types@0.3.", Grant::None),
    ("wasi:random/insecure@0.3.", Grant::None),
    ("wasi:random/insecure-seed@0.3.", Grant::None),
    ("wasi:random/random@0.3.", Grant::None),
];

fn given(interface: &str, engine: Profile) -> Option<Grant> {
    if engine == Profile::Large && interface.starts_with(sockets::PACKAGE) {
        return Some(Grant::None);
    }
    let more = match engine {
        Profile::Async if !interface.contains("-rc") => &GIVEN_ASYNC[..],
        _ => &[],
    };
    let mut known = GIVEN.iter().chain(more);
    known.find(|(name, _)| interface.starts_with(name)).map(|(_, grant)| *grant)
}

/// An interface that a component imports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// Its name with its version, as `wasi:http/types@0.2.12`.
    pub interface: String,
    /// What it needs; `None` when this host does not give it, and the component does not load.
    pub grant: Option<Grant>,
}

/// Names what a component for this engine imports, in its own order, without compiling it. The bytes are not trusted.
///
/// # Errors
/// When they are no component.
pub fn imports(component: &[u8], engine: Profile) -> Result<Vec<Import>, LoadError> {
    let broken = |error: wasmparser::BinaryReaderError| LoadError::Compile(error.to_string());
    if !Parser::is_component(component) {
        return Err(LoadError::Compile("this is no component".to_owned()));
    }
    let mut found = Vec::new();
    for section in outermost(component) {
        if let Payload::ComponentImportSection(section) = section.map_err(broken)? {
            for import in section {
                let import = import.map_err(broken)?;
                if let ComponentTypeRef::Instance(_) = import.ty {
                    let interface = import.name.name.to_owned();
                    let grant = given(&interface, engine);
                    found.push(Import { interface, grant });
                }
            }
        }
    }
    Ok(found)
}

/// The sections of a component that are its own: components and modules within it import from it and export to it, not the host. An error is the last
/// item, wherever it lies.
pub(crate) fn outermost(component: &[u8]) -> impl Iterator<Item = wasmparser::Result<Payload<'_>>> {
    let mut depth = 0_usize;
    Parser::new(0).parse_all(component).filter(move |payload| match payload {
        Ok(Payload::Version { .. }) => {
            depth += 1;
            false
        }
        Ok(Payload::End(_)) => {
            depth = depth.saturating_sub(1);
            false
        }
        Ok(_) => depth == 1,
        Err(_) => true,
    })
}

/// Why a component with these imports cannot be linked on this engine: by name what is not given, else what wasmtime says; and what to do.
pub(crate) fn unfit<'a>(imports: impl Iterator<Item = &'a str>, engine: Profile, error: &wasmtime::Error) -> LoadError {
    let unknown = imports.filter(|name| given(name, engine).is_none());
    let unknown: Vec<_> = unknown.take(MAX_TOLD).map(|name| format!("`{name}`")).collect();
    if unknown.is_empty() {
        LoadError::Link(format!("{error:#}{}", engine.advice()))
    } else {
        LoadError::Imports {
            unknown,
            advice: engine.advice(),
        }
    }
}
