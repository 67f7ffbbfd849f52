//! The thread that writes: one commit, one fsync, for everything that waited.

use super::{
    file::Source,
    pending::{Batch, Pending, Sweep},
};
use std::sync::Arc;

pub(super) struct Writer {
    pub(super) pending: Arc<Pending>,
    pub(super) source: Arc<Source>,
}

impl Writer {
    /// Commits until the journal is closed, and then what was left.
    pub(super) fn run(self) {
        loop {
            let batch = self.pending.next();
            let last = batch.last;
            if !(batch.marks.is_empty() && batch.tickets.is_empty() && batch.sweeps.is_empty()) {
                self.commit(batch);
            }
            if last {
                return;
            }
        }
    }

    fn commit(&self, batch: Batch) {
        let sweeps: Vec<(u64, usize)> = batch.sweeps.iter().map(|sweep| (sweep.now, sweep.budget)).collect();
        let done = self.source.commit(&batch.marks, &sweeps);
        // Nobody may be waiting for an answer any more; the commit stands.
        match done {
            Ok(done) => {
                self.pending.committed(&batch.marks, done.stored);
                for ticket in batch.tickets {
                    let _ = ticket.send(Ok(()));
                }
                for (Sweep { answer, .. }, removed) in batch.sweeps.into_iter().zip(done.removed) {
                    let _ = answer.send(Ok(removed));
                }
            }
            Err(error) => {
                tracing::error!(%error, marks = batch.marks.len(), "the journal did not take a commit; its marks wait for the next");
                self.pending.refused(batch.sweeps.iter().map(|sweep| sweep.now).max());
                for ticket in batch.tickets {
                    let _ = ticket.send(Err(error.clone()));
                }
                for sweep in batch.sweeps {
                    let _ = sweep.answer.send(Err(error.clone()));
                }
                self.source.reopen();
            }
        }
    }
}
