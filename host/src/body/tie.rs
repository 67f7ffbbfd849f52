//! What ties a guest that goes on after its head to the answer's body.

use tokio::{sync::oneshot, task::AbortHandle};

/// Ends the guest's task when it is dropped, unless it was undone before.
pub(crate) struct Tie {
    task: Option<AbortHandle>,
    told: Option<oneshot::Sender<()>>,
}

impl Tie {
    /// To this task, which is told when the body was taken.
    pub(crate) fn new(task: AbortHandle, told: oneshot::Sender<()>) -> Self {
        Self {
            task: Some(task),
            told: Some(told),
        }
    }

    /// The body was taken to its end. What the guest still does is its own.
    pub(crate) fn taken(mut self) {
        self.task = None;
        if let Some(told) = self.told.take() {
            // A guest that is not kept has nobody who waits for it.
            let _ = told.send(());
        }
    }

    /// The guest is left to come to its end.
    pub(crate) fn loosen(mut self) {
        self.task = None;
    }
}

impl Drop for Tie {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}
