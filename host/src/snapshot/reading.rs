//! Takes an instance's globals and memories out of it, by the functions that the instrumentation has added.

use super::Witness;
use wasmtime::{
    Store,
    component::{Instance, Lift, WasmList},
};
use wasmtime_wizer::ComponentInstanceState;

/// Reads an instance. The first failure is kept, and what is read after it means nothing.
pub(super) struct Reading<'a> {
    store: &'a mut Store<Witness>,
    instance: Instance,
    failure: Option<wasmtime::Error>,
}

impl<'a> Reading<'a> {
    pub(super) fn new(store: &'a mut Store<Witness>, instance: Instance) -> Self {
        Self {
            store,
            instance,
            failure: None,
        }
    }

    /// Whether all was read.
    ///
    /// # Errors
    /// The first failure.
    pub(super) fn finish(self) -> wasmtime::Result<()> {
        self.failure.map_or(Ok(()), Err)
    }

    async fn call<R: Lift + Send + Sync + 'static>(&mut self, instance: &str, function: &str) -> Option<R> {
        let called = called(self.store, self.instance, instance, function).await;
        called.map_err(|error| self.failure.get_or_insert(error)).ok()
    }
}

async fn called<R: Lift + Send + Sync + 'static>(
    store: &mut Store<Witness>,
    from: Instance,
    instance: &str,
    function: &str,
) -> wasmtime::Result<R> {
    let missing = || wasmtime::format_err!("the instrumented component has no {instance}#{function}");
    let (_, found) = from.get_export(&mut *store, None, instance).ok_or_else(missing)?;
    let (_, found) = from.get_export(&mut *store, Some(&found), function).ok_or_else(missing)?;
    let function = from.get_typed_func::<(), (R,)>(&mut *store, found)?;
    Ok(function.call_async(&mut *store, ()).await?.0)
}

impl ComponentInstanceState for Reading<'_> {
    async fn call_func_ret_list_u8(&mut self, instance: &str, func: &str, contents: impl FnOnce(&[u8]) + Send) {
        match self.call::<WasmList<u8>>(instance, func).await {
            Some(list) => contents(list.as_le_slice(&*self.store)),
            // It counts on being called.
            None => contents(&[]),
        }
    }

    async fn call_func_ret_s32(&mut self, instance: &str, func: &str) -> i32 {
        self.call(instance, func).await.unwrap_or_default()
    }

    async fn call_func_ret_s64(&mut self, instance: &str, func: &str) -> i64 {
        self.call(instance, func).await.unwrap_or_default()
    }

    async fn call_func_ret_f32(&mut self, instance: &str, func: &str) -> u32 {
        self.call::<f32>(instance, func).await.unwrap_or_default().to_bits()
    }

    async fn call_func_ret_f64(&mut self, instance: &str, func: &str) -> u64 {
        self.call::<f64>(instance, func).await.unwrap_or_default().to_bits()
    }
}
