//! `wasi:sockets` for interpreters: it is there to be imported, and nothing comes of it. No socket is ever made.

use crate::guest::Guest;
use wasmtime::{
    Engine, StoreContextMut,
    component::{
        Component, Linker, Resource, ResourceAny, ResourceType, Val,
        types::{ComponentFunc, ComponentItem, Type},
    },
};
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, DynPollable, IoError};

/// Interfaces of this package.
pub(crate) const PACKAGE: &str = "wasi:sockets/";
/// What every function of it answers that can answer an error.
const DENIED: &str = "access-denied";

/// A handle of the package: the network of `instance-network`; of others there are none.
struct Handle;

/// The type of a resource that an interface names: one of `wasi:io` that it uses, or its own, which is `T` and of which there are no values.
pub(crate) fn resource<T: 'static>(name: &str) -> ResourceType {
    match name {
        "pollable" => ResourceType::host::<DynPollable>(),
        "input-stream" => ResourceType::host::<DynInputStream>(),
        "output-stream" => ResourceType::host::<DynOutputStream>(),
        "error" => ResourceType::host::<IoError>(),
        _ => ResourceType::host::<T>(),
    }
}

/// Gives what the component imports of the package.
pub(crate) fn link(linker: &mut Linker<Guest>, engine: &Engine, component: &Component) -> wasmtime::Result<()> {
    for (name, import) in component.component_type().imports(engine) {
        let ComponentItem::ComponentInstance(instance) = import.ty else {
            continue;
        };
        if !name.starts_with(PACKAGE) {
            continue;
        }
        let mut linked = linker.instance(name)?;
        for (item, export) in instance.exports(engine) {
            match export.ty {
                ComponentItem::ComponentFunc(_) => {
                    let called = format!("{name}#{item}");
                    linked.func_new(item, move |store, kind, _, results| answer(store, &kind, results, &called))?;
                }
                ComponentItem::Resource(_) => linked.resource(item, resource::<Handle>(item), |_, _| Ok(()))?,
                _ => {}
            }
        }
    }
    Ok(())
}

fn answer(store: StoreContextMut<'_, Guest>, kind: &ComponentFunc, results: &mut [Val], called: &str) -> wasmtime::Result<()> {
    let refused = || wasmtime::format_err!("{called} was called, and a worker has no sockets");
    let result = results.first_mut().ok_or_else(refused)?;
    *result = match kind.results().next() {
        Some(Type::Result(result)) if matches!(result.err(), Some(Type::Enum(codes)) if codes.names().any(|code| code == DENIED)) => {
            Val::Result(Err(Some(Box::new(Val::Enum(DENIED.to_owned())))))
        }
        Some(Type::Own(_)) => Val::Resource(ResourceAny::try_from_resource(Resource::<Handle>::new_own(0), store)?),
        _ => return Err(refused()),
    };
    Ok(())
}
