//! An instance with its store: one call's, or that of calls of one revision that follow each other.

use super::{Contained, Shared, begins, not_instantiated};
use crate::{CallError, Revision, Session, guest::Guest, limits::CpuBudget, outgoing::Exit, reuse::End, revision::Prepared};
use std::sync::Arc;
use wasmtime::{Store, UpdateDeadline};
use wasmtime_wasi_http::p3::bindings::{Service, ServicePre};

/// Bytes that one call of a host function may make the host copy: four of the largest body chunks and some.
const HOSTCALL_FUEL: usize = 4 << 20;
/// Handles that one instance may hold: a hundred times what a real worker does, and fewer than the host keeps resources for.
const MAX_HANDLES: usize = 4_000;

/// A store, and what has been made in it.
pub(crate) struct Sandbox {
    pub(super) store: Contained<Store<Guest>>,
    /// Of the engine `async`, from its first call on.
    service: Option<Service>,
    prepared: Arc<Prepared>,
    calls: u64,
    /// Why it ends if nobody says otherwise.
    end: End,
}

impl Sandbox {
    /// An empty one with all limits of a call. Nothing of the guest is in it yet.
    pub(super) fn new(
        revision: &Arc<Revision>,
        prepared: &Arc<Prepared>,
        shared: &Arc<Shared>,
        exit: Exit,
        session: Option<Session>,
    ) -> Self {
        let mut store = Store::new(prepared.entry.engine(), Guest::new(Arc::clone(revision), exit, session));
        store.limiter(|guest| &mut guest.memory);
        store.set_hostcall_fuel(HOSTCALL_FUEL);
        store.set_max_component_handles(MAX_HANDLES);
        watch(&mut store, shared);
        Self {
            store: Contained::new(store),
            service: None,
            prepared: Arc::clone(prepared),
            calls: 0,
            end: End::Call,
        }
    }

    /// For its next call: what one call has of its own is new.
    pub(super) fn renew(&mut self, shared: &Arc<Shared>, exit: Exit, session: Option<Session>) {
        self.store.data_mut().renew(exit, session);
        watch(&mut self.store, shared);
    }

    /// A call begins; in a new one the instance is made. Gives it with its store.
    ///
    /// # Errors
    /// When there is no place for it, or it traps as it starts.
    pub(super) async fn enter(&mut self, pre: &ServicePre<Guest>, revision: &Revision) -> Result<(&mut Store<Guest>, &Service), CallError> {
        self.calls += 1;
        let service = match &mut self.service {
            Some(service) => service,
            none => {
                begins(revision);
                let made = pre.instantiate_async(&mut *self.store).await;
                none.insert(made.map_err(|error| not_instantiated(revision, &error))?)
            }
        };
        Ok((&mut *self.store, service))
    }

    /// Its calls so far.
    pub(crate) fn calls(&self) -> u64 {
        self.calls
    }

    /// Whether it was made of this.
    pub(crate) fn is_of(&self, prepared: &Arc<Prepared>) -> bool {
        Arc::ptr_eq(&self.prepared, prepared)
    }

    /// What it was made of.
    pub(crate) fn prepared(&self) -> &Arc<Prepared> {
        &self.prepared
    }

    /// Bytes of its memories and tables.
    pub(crate) fn memory(&self) -> usize {
        self.store.data().memory.used()
    }

    /// Whether its last call kept within what a call may ask for and leave.
    pub(crate) fn is_modest(&mut self) -> bool {
        self.store.data_mut().is_modest()
    }

    /// Between two calls: nothing of the last one stays within reach.
    pub(crate) fn rest(&mut self) {
        self.store.data_mut().renew(Exit::closed(), None);
    }

    /// Lets it go, for this reason.
    pub(crate) fn end(mut self, why: End) {
        self.end = why;
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.store.data().revision.instance_ended(self.end);
    }
}

/// Bounds the CPU time of the call that begins.
fn watch(store: &mut Store<Guest>, shared: &Arc<Shared>) {
    store.set_epoch_deadline(1);
    let watched = Arc::clone(shared);
    store.epoch_deadline_callback(move |_| {
        if watched.cpu(CpuBudget::tick) {
            // Not wasmtime's own yield: that one wakes itself at once and can starve what else runs on the thread.
            return Ok(UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now())));
        }
        watched.fail(CallError::Cpu);
        Ok(UpdateDeadline::Interrupt)
    });
}
