//! The one way to start a task: it gets a name, keeps the span it came from, and the drain waits for it.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};
use tokio::{runtime::Handle, task::JoinHandle};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::Instrument;

/// All tasks of one gateway. Cheap to clone: every request holds one, and a clone of a token or a tracker takes a lock.
#[derive(Debug, Clone)]
pub(crate) struct Tasks(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    tracker: TaskTracker,
    aside: TaskTracker,
    handle: Handle,
    stop: CancellationToken,
    kill: CancellationToken,
}

impl Tasks {
    /// For tasks of the runtime that this is called in.
    pub(crate) fn new() -> Self {
        Self(Arc::new(Inner {
            tracker: TaskTracker::new(),
            aside: TaskTracker::new(),
            handle: Handle::current(),
            stop: CancellationToken::new(),
            kill: CancellationToken::new(),
        }))
    }

    /// Starts a task that ends by itself, or is cut off when the drain's deadline has passed.
    pub(crate) fn spawn(&self, name: &'static str, future: impl Future<Output = ()> + Send + 'static) {
        self.spawn_in(&self.0.tracker, name, future);
    }

    /// Starts a task that the drain does not wait for, because it answers until the very end; it is cut off then.
    pub(crate) fn serve_aside(&self, name: &'static str, future: impl Future<Output = ()> + Send + 'static) {
        self.spawn_in(&self.0.aside, name, future);
    }

    fn spawn_in(&self, tracker: &TaskTracker, name: &'static str, future: impl Future<Output = ()> + Send + 'static) {
        // A child has a lock of its own: thousands of connections must not meet on one.
        let kill = self.0.kill.child_token();
        let task = async move {
            tokio::select! {
                biased;
                () = future => {}
                () = kill.cancelled() => {}
            }
        };
        tracker.spawn_on(task.instrument(tracing::debug_span!("task", name)), &self.0.handle);
    }

    /// Starts a piece of a request's own work on the gateway's threads. Dropping what comes back ends it.
    pub(crate) fn tied<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> Tied<T> {
        Tied(self.0.handle.spawn(work.in_current_span()))
    }

    /// Starts the tasks of HTTP/2 connections that the drain does not wait for.
    pub(crate) fn aside(&self) -> Aside {
        Aside(self.clone())
    }

    /// Resolves when the gateway has begun to stop.
    pub(crate) fn stopping(&self) -> CancellationToken {
        self.0.stop.child_token()
    }

    /// Whether the gateway has begun to stop.
    pub(crate) fn is_stopping(&self) -> bool {
        self.0.stop.is_cancelled()
    }

    /// Begins to stop: who asked `stopping` finishes what it has and takes no more.
    pub(crate) fn stop(&self) {
        self.0.stop.cancel();
        self.0.tracker.close();
    }

    /// Cuts off what still runs.
    pub(crate) fn kill(&self) {
        self.0.stop.cancel();
        self.0.kill.cancel();
        self.0.tracker.close();
        self.0.aside.close();
    }

    /// Resolves when what was cut off has let go of everything: files and addresses are free then. Only after `kill`.
    pub(crate) async fn gone(&self) {
        self.0.tracker.wait().await;
        self.0.aside.wait().await;
    }

    /// Resolves when nothing that was spawned runs any more. Only after `stop`.
    pub(crate) async fn ended(&self) {
        self.0.tracker.wait().await;
    }

    /// How many run.
    pub(crate) fn len(&self) -> usize {
        self.0.tracker.len()
    }
}

/// A piece of work that ends when this is dropped. `None` when it panicked or the runtime is gone.
#[derive(Debug)]
pub(crate) struct Tied<T>(JoinHandle<T>);

impl<T> Drop for Tied<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl<T> Future for Tied<T> {
    type Output = Option<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        Pin::new(&mut self.0).poll(cx).map(Result::ok)
    }
}

/// Spawns by [`Tasks::serve_aside`].
#[derive(Debug, Clone)]
pub(crate) struct Aside(Tasks);

impl<F: Future<Output = ()> + Send + 'static> hyper::rt::Executor<F> for Aside {
    fn execute(&self, work: F) {
        self.0.serve_aside("call out", work);
    }
}

/// One HTTP/2 stream is one task. It ends with its connection, which `spawn` cuts off, so it needs no cut of its own.
impl<F: Future<Output = ()> + Send + 'static> hyper::rt::Executor<F> for Tasks {
    fn execute(&self, stream: F) {
        self.0.tracker.spawn_on(stream.in_current_span(), &self.0.handle);
    }
}
