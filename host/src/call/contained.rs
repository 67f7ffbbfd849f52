//! What may panic when it is dropped, and must not take others with it.

use std::{
    ops::{Deref, DerefMut},
    panic::{AssertUnwindSafe, catch_unwind},
};

/// Keeps a panic of its content's drop to itself. A guest that has made wasmtime panic leaves a store that may panic once more, and that is dropped on a
/// connection's task, where others wait.
pub(super) struct Contained<T>(Option<T>);

impl<T> Contained<T> {
    pub(super) fn new(content: T) -> Self {
        Self(Some(content))
    }
}

impl<T> Deref for Contained<T> {
    type Target = T;

    fn deref(&self) -> &T {
        match &self.0 {
            Some(content) => content,
            None => unreachable!("only its drop takes the content"),
        }
    }
}

impl<T> DerefMut for Contained<T> {
    fn deref_mut(&mut self) -> &mut T {
        match &mut self.0 {
            Some(content) => content,
            None => unreachable!("only its drop takes the content"),
        }
    }
}

impl<T> Drop for Contained<T> {
    fn drop(&mut self) {
        let content = self.0.take();
        if catch_unwind(AssertUnwindSafe(|| drop(content))).is_err() {
            tracing::error!("dropping an instance made the host panic; what it held of the pool is lost until the next start");
        }
    }
}

#[cfg(test)]
#[expect(clippy::panic, reason = "a panic is what is tested")]
mod tests {
    use super::*;

    /// Panics when it goes.
    struct Rude;

    impl Drop for Rude {
        fn drop(&mut self) {
            panic!("as wasmtime may");
        }
    }

    #[test]
    fn a_panic_of_the_content_goes_no_further() {
        drop(Contained::new(Rude));
    }

    #[test]
    fn nor_does_it_while_another_one_is_under_way() {
        let panicked = catch_unwind(|| {
            let _rude = Contained::new(Rude);
            panic!("as the guest's call does");
        });
        assert!(panicked.is_err());
    }
}
