//! What is kept: sessions and worker state ([`session`]: sled or memory), and the journal ([`journal`]: redb).
//!
//! Two small contracts. A session is small, expires and can be made again; what was acknowledged survives a crash of the
//! process, but a loss of power may take the last half second. The journal is what is promised: synced before the promise is made.
//! `docs/storage.md` says it at length.
#![forbid(unsafe_code)]

mod clock;
mod folder;
pub mod journal;
pub mod key;
pub mod session;

pub use journal::{Journal, JournalError, Mark, MarkKind};
pub use key::Key;
pub use session::{Expect, MemoryStore, Page, Quota, SessionStore, SledStore, StoreError, Swept, Usage, Version, Versioned};
