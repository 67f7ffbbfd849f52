//! What stays in the instance from one call to the next, where its deployment reuses it; else nothing does.

use std::{
    mem,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

static CALLS: AtomicUsize = AtomicUsize::new(0);
static WORD: Mutex<String> = Mutex::new(String::new());

/// Which call of this path in this instance it is, and the word that the one before left.
pub fn tell(word: &str) -> String {
    let call = CALLS.fetch_add(1, Relaxed) + 1;
    let before = mem::replace(&mut *WORD.lock().unwrap_or_else(PoisonError::into_inner), word.to_owned());
    format!("call {call}, after {before:?}")
}
