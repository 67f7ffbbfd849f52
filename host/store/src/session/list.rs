//! Listing: one page of a scope from rows in order.

use super::{Page, record::Record};
use crate::{Key, key::unescape};
use std::ops::Bound;

/// The most keys in one page, whatever is asked for.
pub const LIST_MAX: usize = 1000;
/// The most rows that one page looks at: a scope full of expired keys must not hold a thread; the page then ends early and says where to go on.
pub const LIST_SCAN_MAX: usize = 10_000;

/// Where a page starts: after this key of the scope, or at the scope's first.
pub(super) fn start(scope: &Key, after: Option<&str>) -> Bound<Vec<u8>> {
    match after {
        Some(last) => Bound::Excluded(scope.sibling(last).as_bytes().to_vec()),
        None => Bound::Included(scope.scope().to_vec()),
    }
}

/// Collects a page from rows that come in order from [`start`] on. Rows that did not decode count as not there.
pub(super) struct Pager<'a> {
    scope: &'a [u8],
    limit: usize,
    now: u64,
    seen: usize,
    last: Option<String>,
    page: Page,
}

impl<'a> Pager<'a> {
    pub(super) fn new(scope: &'a Key, limit: usize, now: u64) -> Self {
        let page = Page {
            keys: Vec::new(),
            next: None,
        };
        Self {
            scope: scope.scope(),
            limit: limit.clamp(1, LIST_MAX),
            now,
            seen: 0,
            last: None,
            page,
        }
    }

    /// Takes a row; says whether to go on.
    pub(super) fn row(&mut self, key: &[u8], record: Option<Record<'_>>) -> bool {
        let Some(name) = key.strip_prefix(self.scope) else { return false };
        if self.page.keys.len() == self.limit || self.seen == LIST_SCAN_MAX {
            self.page.next = self.last.take();
            return false;
        }
        self.seen += 1;
        let Some(name) = unescape(name) else { return true };
        if record.is_some_and(|record| record.live(self.now)) {
            self.page.keys.push(name.clone());
        }
        self.last = Some(name);
        true
    }

    pub(super) fn finish(self) -> Page {
        self.page
    }
}
