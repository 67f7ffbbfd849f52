//! The slow lane: where calls go on that have used more CPU than an ordinary one.
//!
//! Ordinary calls share their threads with the listeners, which saves two hand-overs a call. A hog there would stand before others for one
//! tick after the other; here it stands before hogs alone, and on a full machine its threads get a tenth of what the others' do.

use std::{
    fmt, io,
    sync::Arc,
    task::{Context, Poll},
};
use tokio::{
    runtime::{Builder, Runtime},
    task::JoinHandle,
};

/// Lower than the others' 0: with it a thread gets about a tenth of a contended core (`sched(7)`), so a hog still comes to its end.
const NICE: i32 = 10;

/// Threads of low priority. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Lane(Arc<Threads>);

struct Threads(Option<Runtime>);

impl Drop for Threads {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            // The last clone may go on a thread of another runtime, which must not wait.
            runtime.shutdown_background();
        }
    }
}

/// Ends its task when it is dropped before the task is done.
struct Tied<T>(JoinHandle<T>);

impl<T> Drop for Tied<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl<T> Future for Tied<T> {
    type Output = Option<T>;

    fn poll(mut self: std::pin::Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        std::pin::Pin::new(&mut self.0).poll(cx).map(Result::ok)
    }
}

impl Lane {
    /// Starts as many threads as there are cores: hogs may use what nobody else wants.
    pub(crate) fn new() -> io::Result<Self> {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let runtime = Builder::new_multi_thread()
            .worker_threads(threads)
            .thread_name("slow-lane")
            .on_thread_start(|| {
                // On Linux this is the thread's own. Without it hogs are still kept apart, only not made to wait.
                if let Err(error) = rustix::process::nice(NICE) {
                    tracing::warn!(%error, "the slow lane runs at ordinary priority");
                }
            })
            .enable_all()
            .build()?;
        Ok(Self(Arc::new(Threads(Some(runtime)))))
    }

    /// What runs here now.
    pub(crate) fn tasks(&self) -> usize {
        self.0.0.as_ref().map_or(0, |runtime| runtime.metrics().num_alive_tasks())
    }

    /// Runs this here. `None` when it panicked. Dropping the future ends the work.
    pub(crate) async fn run<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> Option<T> {
        Tied(self.0.0.as_ref()?.spawn(work)).await
    }
}

impl fmt::Debug for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lane")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::oneshot;

    #[tokio::test]
    async fn work_runs_at_low_priority_and_ends_with_who_waits_for_it() {
        let lane = Lane::new().ok();
        let Some(lane) = lane else { unreachable!("no threads") };
        // `nice(0)` says what it is.
        let own = rustix::process::nice(0).ok();
        // 19 is the lowest.
        let low = own.map(|own| (own + NICE).min(19));
        assert_eq!(lane.run(async { rustix::process::nice(0).ok() }).await, Some(low));
        assert_eq!(rustix::process::nice(0).ok(), own, "the others' priority is untouched");
        let (held, gone) = oneshot::channel::<()>();
        let waiting = tokio::spawn({
            let lane = lane.clone();
            async move {
                lane.run(async move {
                    let _held = held;
                    std::future::pending::<()>().await;
                })
                .await
            }
        });
        tokio::task::yield_now().await;
        waiting.abort();
        assert!(gone.await.is_err(), "the work goes on without who waited");
    }
}
