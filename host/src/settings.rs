//! `wasi:config/store`: a deployment's `config`, as it stands in the manifest.

use crate::{Revision, guest::Guest};
use wasmtime::component::{HasData, Linker};

mod bindings {
    wasmtime::component::bindgen!({
        path: "../wit/deps/config",
        world: "wasi:config/imports",
        imports: { default: trappable },
    });
}
use bindings::wasi::config::store;

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
