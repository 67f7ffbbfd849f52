//! From a component to machine code. The component is not trusted: this may take all memory and time that it is given, so the gateway runs it
//! in a process of its own ([`crate::compiler`]).

use crate::{LoadError, Profile, Refusal, WarmUp, shim, snapshot, wire};
use bytes::Bytes;
use wasmtime::{Engine, component::Component};

/// What to compile.
#[derive(Debug, Clone)]
pub struct Job {
    /// A component.
    pub component: Bytes,
    /// The engine that it is for.
    pub engine: Profile,
    /// What it is asked before it is snapshot.
    pub warm_up: WarmUp,
}

/// Machine code for this machine and this build, and whether it begins where the warm-up ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compiled {
    /// Whether it is a snapshot, and if not, why.
    pub snapshot: Result<(), Refusal>,
    /// What wasmtime made. Running anything else is running its author's machine code: whoever loads it must know where it comes from.
    code: Bytes,
}

impl Job {
    /// Names it: the same bytes for the same engine with the same warm-up have the same digest.
    pub(crate) fn digest(&self) -> blake3::Hash {
        Self::name(&self.component, self.engine, &self.warm_up)
    }

    /// The digest of a job with these parts.
    pub(crate) fn name(component: &Bytes, engine: Profile, warm_up: &WarmUp) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new();
        wire::words(component, engine, warm_up, &mut |word| {
            hasher.update(&(word.len() as u64).to_le_bytes());
            hasher.update(word);
        });
        hasher.finalize()
    }

    /// Warms up, takes the snapshot, compiles it; when that is refused, compiles the component as it is.
    ///
    /// # Errors
    /// When it is no component that can run here.
    pub fn run(&self) -> Result<Compiled, LoadError> {
        let snapshot = self.apart(|| snapshot::take(&self.component, self.engine, &self.warm_up));
        let snapshot = snapshot.unwrap_or_else(|| Err(Refusal::Form("taking it panicked".to_owned())));
        let engine = Engine::new(&self.engine.features()).map_err(refused)?;
        let snapshot = match snapshot {
            Ok(bytes) => match compile(&engine, &bytes) {
                Ok(code) => return Ok(Compiled::of(Ok(()), code.into())),
                Err(error) => Refusal::Form(format!("{error:#}")),
            },
            Err(refusal) => refusal,
        };
        let code = compile(&engine, &self.component).map_err(refused)?;
        Ok(Compiled::of(Err(snapshot), code.into()))
    }

    /// On a thread of its own: one that has no runtime yet, and whose CPU time is the warm-up's. `None` when it panicked.
    fn apart<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Option<T> {
        std::thread::scope(|scope| scope.spawn(work).join().ok())
    }
}

/// Machine code of the component without its shim, where that can be had.
fn compile(engine: &Engine, component: &[u8]) -> wasmtime::Result<Vec<u8>> {
    if let Ok(inlined) = shim::inlined(component)
        && let Ok(code) = engine.precompile_component(&inlined)
    {
        return Ok(code);
    }
    engine.precompile_component(component)
}

impl Compiled {
    pub(crate) fn of(snapshot: Result<(), Refusal>, code: Bytes) -> Self {
        Self { snapshot, code }
    }

    pub(crate) fn code(&self) -> &[u8] {
        &self.code
    }

    /// Whether the next compilation would come to the same: a snapshot that a busy machine prevented is worth another try.
    pub(crate) fn lasts(&self) -> bool {
        !matches!(self.snapshot, Err(Refusal::Busy(_)))
    }

    /// Makes it callable.
    ///
    /// # Errors
    /// When it was made by another build, or for another machine.
    pub(crate) fn load(&self, engine: &Engine) -> Result<Component, LoadError> {
        #[expect(unsafe_code, reason = "this is the one place where machine code becomes callable")]
        // SAFETY: `code` is what `precompile_component` made and nothing else: it is private to this module, and its makers are `Job::run`, the
        // compiler child's own pipe, and a cache entry whose MAC was verified over these very bytes. wasmtime checks build and machine.
        let component = unsafe { Component::deserialize(engine, &self.code) };
        component.map_err(refused)
    }
}

fn refused(error: wasmtime::Error) -> LoadError {
    LoadError::Compile(format!("{error:#}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_busy_machine_prevented_is_tried_again() {
        for (snapshot, lasts) in [
            (Ok(()), true),
            (Err(Refusal::NoWarmUp), true),
            (Err(Refusal::Failed("it used more than 3 s of CPU".to_owned())), true),
            (Err(Refusal::Busy("it took more than 30 s".to_owned())), false),
        ] {
            assert_eq!(Compiled::of(snapshot.clone(), Bytes::new()).lasts(), lasts, "{snapshot:?}");
        }
    }
}
