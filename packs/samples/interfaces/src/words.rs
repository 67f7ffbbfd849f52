//! The words, one interface after the other.

mod host {
    wit_bindgen::generate!({
        path: "../../../wit",
        inline: "
            package sample:interfaces;
            world uses {
                import wasi:config/store@0.2.0-rc.1;
                import tollgate:host/secrets@0.1.0;
                import tollgate:host/session@0.1.0;
                import greentic:http/http-client@1.1.0;
                import greentic:secrets-store/secrets-store@1.1.0;
                import greentic:state/state-store@1.0.0;
                import greentic:telemetry/logger-api@1.0.0;
            }
        ",
        world: "sample:interfaces/uses",
        generate_all,
    });
}
use host::{
    greentic::{
        http::http_client::{self, Request, RequestOptions},
        interfaces_types::types::{SpanContext, TenantCtx},
        secrets_store::secrets_store,
        state::state_store,
        telemetry::logger_api,
    },
    tollgate::host::{secrets, session},
    wasi::config::store as config,
};

/// What came of the words.
pub fn obey(words: &[&str]) -> String {
    match *words {
        [""] => "say `session get`, `session set TEXT`, `state read KEY`, `config KEY`, `secret NAME`, `call URL`, `log TEXT`".to_owned(),

        // A conversation's state, which the gate finds by itself.
        ["session", "get"] => told(session::get(), |state| match state {
            Some(state) => format!("{} at {}", text(&state.value), state.version),
            None => "nothing".to_owned(),
        }),
        ["session", "set", value] => told(session::set(value.as_bytes()), |_| "written".to_owned()),
        ["session", "fill", bytes] => told(session::set(&vec![b'x'; number(bytes)]), |_| "written".to_owned()),
        ["session", "swap", "none", value] => told(session::swap(value.as_bytes(), None), |_| "written".to_owned()),
        ["session", "swap", version, value] => {
            let version = version.parse().unwrap_or_default();
            told(session::swap(value.as_bytes(), Some(version)), |_| "written".to_owned())
        }
        ["session", "delete"] => told(session::delete(), |()| "forgotten".to_owned()),

        // State by name, as the platform has it.
        ["state", "read", key] => told(state_store::read(key, None), |value| text(&value)),
        ["state", "write", key, value] => told(state_store::write(key, value.as_bytes(), None), |_| "written".to_owned()),
        ["state", "fill", key, bytes] => told(state_store::write(key, &vec![b'x'; number(bytes)], None), |_| "written".to_owned()),
        ["state", "delete", key] => told(state_store::delete(key, None), |_| "forgotten".to_owned()),
        ["state", "read", key, "as", environment, tenant] => {
            told(state_store::read(key, Some(&context(environment, tenant))), |value| text(&value))
        }

        ["config", key] => told(config::get(key), |value| value.unwrap_or_else(|| "nothing".to_owned())),

        ["own-secret", name] => told(secrets::get(name), |value| text(&value)),
        ["secret", name] => told(secrets_store::get(name), |value| {
            value.map_or_else(|| "nothing".to_owned(), |value| text(&value))
        }),
        ["put-secret", name, value] => {
            secrets_store::put(name, value.as_bytes());
            "written".to_owned()
        }

        ["call", url] => call("GET", url, &[], None, None),
        ["call", url, "as", environment, tenant] => call("GET", url, &[], None, Some(context(environment, tenant))),
        ["call", url, "within", ms] => call("GET", url, &[], Some(options(Some(number(ms) as u32), false)), None),
        ["call", url, "insecurely"] => call("GET", url, &[], Some(options(None, true)), None),
        ["call", url, "with", name, value] => call("POST", url, &[(name.to_owned(), value.to_owned())], None, None),

        ["log", value] => log("", value),
        ["log", value, "as", tenant] => log(tenant, value),
        ["log", "fill", count, bytes] => {
            let line = "x".repeat(number(bytes));
            (0..number(count)).map(|_| log("", &line)).last().unwrap_or_default()
        }

        _ => "no such words".to_owned(),
    }
}

fn told<T, E: std::fmt::Debug>(outcome: Result<T, E>, tell: impl FnOnce(T) -> String) -> String {
    outcome.map_or_else(|error| format!("error: {error:?}"), tell)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn number(text: &str) -> usize {
    text.parse().unwrap_or_default()
}

/// What a component of the platform says of whom it works for.
fn context(environment: &str, tenant: &str) -> TenantCtx {
    TenantCtx {
        env: environment.to_owned(),
        tenant: tenant.to_owned(),
        tenant_id: tenant.to_owned(),
        team: None,
        team_id: None,
        user: None,
        user_id: None,
        trace_id: None,
        i18n_id: None,
        correlation_id: None,
        attributes: Vec::new(),
        session_id: None,
        flow_id: None,
        node_id: None,
        provider_id: None,
        deadline_ms: None,
        attempt: 1,
        idempotency_key: None,
        impersonation: None,
    }
}

fn options(timeout_ms: Option<u32>, insecure: bool) -> RequestOptions {
    RequestOptions {
        timeout_ms,
        allow_insecure: Some(insecure),
        follow_redirects: Some(false),
    }
}

fn call(method: &str, url: &str, headers: &[(String, String)], options: Option<RequestOptions>, ctx: Option<TenantCtx>) -> String {
    let request = Request {
        method: method.to_owned(),
        url: url.to_owned(),
        headers: headers.to_vec(),
        body: (method == "POST").then(|| b"posted".to_vec()),
    };
    told(http_client::send(&request, options, ctx.as_ref()), |answer| {
        format!("{} {}", answer.status, text(&answer.body.unwrap_or_default()))
    })
}

fn log(tenant: &str, value: &str) -> String {
    let span = SpanContext {
        tenant: tenant.to_owned(),
        session_id: None,
        flow_id: "sample".to_owned(),
        node_id: None,
        provider: String::new(),
        start_ms: None,
        end_ms: None,
    };
    let fields = [("text".to_owned(), value.to_owned())];
    told(logger_api::log(&span, &fields, None), |_| "logged".to_owned())
}
