//! The bindings of `tollgate:host`, which [`secrets`](crate::secrets) and [`session`](crate::session) implement.

mod bindings {
    wasmtime::component::bindgen!({
        path: "../wit/deps/tollgate-host",
        world: "tollgate:host/imports",
        imports: {
            "tollgate:host/session": async | trappable,
            default: trappable,
        },
    });
}
pub(crate) use bindings::tollgate::host::{secrets, session};
