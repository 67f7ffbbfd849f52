//! The platform's own interfaces, so that its components run here as they are: state, secrets, calling out and telemetry.
//!
//! Each is what this host gives anyway, under another name. Where the platform's WIT has the guest say whom it works for (`tenant-ctx`), the host
//! knows better: environment and tenant must agree with it or be empty, and everything else there is ignored.

mod http;
mod secrets;
mod state;
mod telemetry;

use crate::{Revision, guest::Guest};
use bindings::greentic::{
    http::http_client, interfaces_types::types::TenantCtx, secrets_store::secrets_store, state::state_store, telemetry::logger_api,
};
use wasmtime::component::{HasData, Linker};

mod bindings {
    wasmtime::component::bindgen!({
        path: [
            "../wit/deps/greentic-interfaces-types",
            "../wit/deps/greentic-http",
            "../wit/deps/greentic-secrets-store",
            "../wit/deps/greentic-state",
            "../wit/deps/greentic-telemetry",
        ],
        inline: "
            package tollgate:greentic;
            world imports {
                import greentic:http/http-client@1.1.0;
                import greentic:secrets-store/secrets-store@1.1.0;
                import greentic:state/state-store@1.0.0;
                import greentic:telemetry/logger-api@1.0.0;
            }
        ",
        world: "tollgate:greentic/imports",
        imports: {
            "greentic:http/http-client@1.1.0": async | trappable,
            "greentic:state/state-store@1.0.0": async | trappable,
            default: trappable,
        },
    });
}

struct Platform;

impl HasData for Platform {
    type Data<'a> = &'a mut Guest;
}

pub(crate) fn link(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    http_client::add_to_linker::<Guest, Platform>(linker, |guest| guest)?;
    secrets_store::add_to_linker::<Guest, Platform>(linker, |guest| guest)?;
    state_store::add_to_linker::<Guest, Platform>(linker, |guest| guest)?;
    logger_api::add_to_linker::<Guest, Platform>(linker, |guest| guest)
}

/// What a guest is told when something is refused: a code for its code, a message for its author.
#[derive(Debug, PartialEq, Eq)]
struct Refused {
    code: &'static str,
    message: String,
}

impl Refused {
    fn new(code: &'static str, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { code, message }
    }
}

/// Refuses a guest that says it works for another tenant, or in another environment, than it does. Absent and empty say nothing.
fn agreed(revision: &Revision, said: Option<&TenantCtx>) -> Result<(), Refused> {
    let Some(said) = said else { return Ok(()) };
    let (tenant, environment) = (revision.tenant.tenant_id.as_str(), revision.tenant.env_id.as_str());
    for (kind, said, is) in [
        ("tenant", &said.tenant, tenant),
        ("tenant", &said.tenant_id, tenant),
        ("environment", &said.env, environment),
    ] {
        of(kind, said, is)?;
    }
    Ok(())
}

/// Refuses a name that is not the host's.
fn of(kind: &str, said: &str, is: &str) -> Result<(), Refused> {
    if said.is_empty() || said == is {
        return Ok(());
    }
    Err(Refused::new(
        "denied",
        format!("this call is of another {kind} than the one that was named"),
    ))
}
