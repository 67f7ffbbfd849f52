//! Who may run now: a bounded number at once, a bounded queue before them, a deadline for each who waits. A deployment's own bound is a [`Gate`]; the
//! pool's places are shared by tenants ([`pool`]).

pub(crate) mod pool;

use crate::CallError;
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

/// A number of places and a queue before them. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Gate {
    places: Arc<Semaphore>,
    waiting: Arc<AtomicUsize>,
    queue: usize,
}

/// A place, given back when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    _permit: OwnedSemaphorePermit,
}

/// Counts one who waits, also when its future is dropped.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Gate {
    pub(crate) fn new(places: usize, queue: usize) -> Self {
        Self {
            places: Arc::new(Semaphore::new(places)),
            waiting: Arc::default(),
            queue,
        }
    }

    /// Takes a place if one is there now.
    pub(crate) fn take(&self) -> Option<Place> {
        let permit = Arc::clone(&self.places).try_acquire_owned();
        permit.ok().map(|permit| Place { _permit: permit })
    }

    /// Takes a place, waiting at most `patience` in a queue that is not full.
    ///
    /// # Errors
    /// [`CallError::Saturated`]. A dropped future leaves the queue.
    pub(crate) async fn enter(&self, patience: Duration) -> Result<Place, CallError> {
        if let Some(place) = self.take() {
            return Ok(place);
        }
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= self.queue {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            return Err(CallError::Saturated("the queue is full"));
        }
        let _waiting = Waiting(&self.waiting);
        match timeout(patience, Arc::clone(&self.places).acquire_owned()).await {
            Ok(Ok(permit)) => Ok(Place { _permit: permit }),
            Ok(Err(_)) => Err(CallError::Host("the gate is closed".to_owned())),
            Err(_) => Err(CallError::Saturated("waited too long")),
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_millis(500);

    #[tokio::test(start_paused = true)]
    async fn a_full_house_queues_then_refuses_then_recovers() {
        let gate = Gate::new(1, 1);
        let first = gate.enter(PATIENCE).await.unwrap();
        let queued = tokio::spawn({
            let gate = gate.clone();
            async move { gate.enter(PATIENCE).await }
        });
        tokio::task::yield_now().await;
        assert_eq!(gate.enter(PATIENCE).await.err(), Some(CallError::Saturated("the queue is full")));
        drop(first);
        let second = queued.await.unwrap().unwrap();
        assert_eq!(gate.enter(PATIENCE).await.err(), Some(CallError::Saturated("waited too long")));
        drop(second);
        assert!(gate.enter(PATIENCE).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn who_goes_away_leaves_the_queue() {
        let gate = Gate::new(1, 1);
        let _first = gate.enter(PATIENCE).await.unwrap();
        let gone = tokio::spawn({
            let gate = gate.clone();
            async move { gate.enter(PATIENCE).await }
        });
        tokio::task::yield_now().await;
        gone.abort();
        assert!(gone.await.is_err());
        assert_eq!(
            gate.enter(PATIENCE).await.err(),
            Some(CallError::Saturated("waited too long")),
            "it was let into the queue"
        );
    }
}
