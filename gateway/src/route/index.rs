//! Finding by path without looking at all prefixes: routing among 2,000 costs what routing among 10 does.

use std::collections::HashMap;
use tollgate_config::pattern::PathPrefix;

/// Values by path prefix.
#[derive(Debug)]
pub(crate) struct ByPath<T> {
    prefixes: HashMap<String, T>,
    /// Segments of the deepest prefix: a path of a thousand slashes costs no more look-ups than this.
    deepest: usize,
}

impl<T> Default for ByPath<T> {
    fn default() -> Self {
        Self {
            prefixes: HashMap::new(),
            deepest: 0,
        }
    }
}

impl<T> ByPath<T> {
    /// Adds a value; the first one of a prefix stays (the manifest refuses a second).
    pub(crate) fn insert(&mut self, prefix: &PathPrefix, value: T) {
        let text = prefix.as_str();
        self.deepest = self.deepest.max(text.matches('/').count());
        self.prefixes.entry(text.to_owned()).or_insert(value);
    }

    /// The value of the longest prefix that covers this path by whole segments. The path is taken as its bytes stand: no decoding, no
    /// dot segments, no merging of slashes, so that what was matched is what the worker sees.
    pub(crate) fn longest(&self, path: &str) -> Option<&T> {
        if self.prefixes.is_empty() || !path.starts_with('/') {
            return None;
        }
        let root = self.prefixes.get("/");
        let ends = path.match_indices('/').map(|(at, _)| at).skip(1).chain([path.len()]);
        ends.take(self.deepest)
            .filter_map(|end| self.prefixes.get(path.get(..end)?))
            .last()
            .or(root)
    }
}
