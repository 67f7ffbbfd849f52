//! Packs on their way into memory: several at once when the gateway starts, and again when a call needs one that has left.

use std::{
    panic::resume_unwind,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tollgate_host::{Components, Host};
use tollgate_packs::{
    Digest, Pack, Trust, TrustedKey,
    file::{self, FileError},
};

/// Between two looks for workers that nobody has called for too long. It is also how finely a call's time is known: a worker that is called more often
/// than this never counts as idle.
const REST_EVERY: Duration = Duration::from_secs(1);

/// Opens packs that may run. Cheap to clone.
#[derive(Clone)]
pub(super) struct Opener {
    /// Whose.
    pub(super) keys: Arc<[TrustedKey]>,
    /// Nobody's too.
    pub(super) allow_unsigned: bool,
}

/// A pack, verified.
pub(super) struct Opened {
    /// What is in it.
    pub(super) pack: Pack,
    /// Reads its component once more.
    pub(super) again: Arc<dyn Components>,
}

impl Opener {
    /// Reads and verifies a pack.
    ///
    /// # Errors
    /// In words, for the log.
    pub(super) fn open(&self, path: &Path) -> Result<Opened, String> {
        let pack = self.pack(path)?;
        let again = Again {
            path: path.to_owned(),
            digest: pack.digest,
            opener: self.clone(),
        };
        Ok(Opened {
            pack,
            again: Arc::new(again),
        })
    }

    fn pack(&self, path: &Path) -> Result<Pack, String> {
        let bytes = file::read(path).map_err(|error| match &error {
            FileError::Read { source, .. } => format!("{error}: {source}"),
            FileError::TooLarge(_) => error.to_string(),
        })?;
        let trust = Trust {
            keys: &self.keys,
            allow_unsigned: self.allow_unsigned,
        };
        tollgate_packs::open(&bytes, trust).map_err(|error| error.to_string())
    }
}

/// A pack's file. Its bytes are not kept: thousands of revisions would hold them for an hour that never comes.
struct Again {
    path: PathBuf,
    digest: Digest,
    opener: Opener,
}

impl Components for Again {
    fn component(&self) -> Result<bytes::Bytes, String> {
        let pack = self.opener.pack(&self.path)?;
        if pack.digest == self.digest {
            Ok(pack.component)
        } else {
            Err(format!(
                "{} is another pack than at start; start the gateway anew to run it",
                self.path.display()
            ))
        }
    }
}

/// Does all of the work, each piece once, on as many threads as there are cores. What comes of it is in the work's order.
pub(super) fn side_by_side<W: Sync, R: Send>(work: &[W], piece: impl Fn(&W) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let take = || {
        let mine = std::iter::from_fn(|| {
            let at = next.fetch_add(1, Ordering::Relaxed);
            Some((at, piece(work.get(at)?)))
        });
        mine.collect::<Vec<_>>()
    };
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let mut done: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = (0..cores.min(work.len())).map(|_| scope.spawn(take)).collect();
        let each = threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)));
        each.flatten().collect()
    });
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, result)| result).collect()
}

/// Lets go of workers that nobody has called for too long, again and again.
pub(super) async fn rest(host: Host) {
    let mut ticks = interval(REST_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        host.sweep(Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_the_work_is_done_once_and_in_order() {
        let work: Vec<usize> = (0..100).collect();
        let done = AtomicUsize::new(0);
        let results = side_by_side(&work, |piece| {
            done.fetch_add(1, Ordering::Relaxed);
            piece * 2
        });
        assert_eq!(results, work.iter().map(|piece| piece * 2).collect::<Vec<_>>());
        assert_eq!(done.into_inner(), 100);
        assert!(side_by_side(&[], |piece: &u8| *piece).is_empty());
    }
}
