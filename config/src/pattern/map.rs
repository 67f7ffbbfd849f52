//! Values by host pattern: finding one among 2,000 costs what finding one among 10 does.

use super::{
    HostPattern,
    host::{is_address, parent},
};
use foldhash::fast::RandomState;
use std::{collections::HashMap, iter};

/// By text that an operator wrote. Callers only ask, so nobody can fill it with texts of one hash, and a quick one will do.
type ByText<T> = HashMap<String, T, RandomState>;

/// Values by host pattern.
#[derive(Debug, Clone)]
pub struct HostMap<T> {
    exact: ByText<T>,
    suffix: ByText<T>,
    any: Option<T>,
}

impl<T> Default for HostMap<T> {
    fn default() -> Self {
        Self {
            exact: ByText::default(),
            suffix: ByText::default(),
            any: None,
        }
    }
}

impl<T> HostMap<T> {
    /// The value of exactly this pattern.
    pub fn get(&self, pattern: &HostPattern) -> Option<&T> {
        match pattern {
            HostPattern::Exact(host) => self.exact.get(host),
            HostPattern::Suffix(suffix) => self.suffix.get(suffix),
            HostPattern::Any => self.any.as_ref(),
        }
    }

    /// The value of exactly this pattern, made if there is none.
    pub fn entry(&mut self, pattern: &HostPattern) -> &mut T
    where
        T: Default,
    {
        match pattern {
            HostPattern::Exact(host) => self.exact.entry(host.clone()).or_default(),
            HostPattern::Suffix(suffix) => self.suffix.entry(suffix.clone()).or_default(),
            HostPattern::Any => self.any.get_or_insert_default(),
        }
    }

    /// All values whose pattern covers this host (as [`super::Host`] writes it), the most specific first. One look-up for each label of the
    /// host, which has at most 127.
    pub fn matching<'a>(&'a self, host: &'a str) -> impl Iterator<Item = &'a T> {
        // A wildcard covers names, one or more labels of them; an address has no labels.
        let name = if self.suffix.is_empty() || is_address(host) {
            None
        } else {
            Some(host)
        };
        self.exact.get(host).into_iter().chain(self.above(name.and_then(parent)))
    }

    /// All values whose pattern covers all hosts that this pattern covers, the most specific first.
    pub fn covering<'a>(&'a self, pattern: &'a HostPattern) -> impl Iterator<Item = &'a T> {
        let (exact, under) = match pattern {
            HostPattern::Exact(host) => (self.exact.get(host), if is_address(host) { None } else { parent(host) }),
            HostPattern::Suffix(suffix) => (None, Some(suffix.as_str())),
            HostPattern::Any => (None, None),
        };
        exact.into_iter().chain(self.above(under))
    }

    /// The wildcards `*.name`, `*.` and each parent of it, `*`.
    fn above<'a>(&'a self, name: Option<&'a str>) -> impl Iterator<Item = &'a T> {
        iter::successors(name, |name| parent(name))
            .filter_map(|name| self.suffix.get(name))
            .chain(self.any.iter())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pattern::Host;

    const PATTERNS: [&str; 7] = [
        "*",
        "*.example.com",
        "*.eu.example.com",
        "shop.eu.example.com",
        "127.0.0.1",
        "[::1]",
        "*.com",
    ];
    const HOSTS: [&str; 9] = [
        "a.example.com",
        "a.b.example.com",
        "example.com",
        "badexample.com",
        "x.eu.example.com",
        "shop.eu.example.com",
        "127.0.0.1",
        "[::1]",
        "localhost",
    ];

    /// The index agrees with looking at every pattern by itself.
    #[test]
    fn the_index_finds_what_the_patterns_match_most_specific_first() {
        let patterns: Vec<_> = PATTERNS.iter().flat_map(|text| HostPattern::parse(text)).collect();
        let mut map = HostMap::<Option<HostPattern>>::default();
        for pattern in &patterns {
            *map.entry(pattern) = Some(pattern.clone());
        }
        let ordered = |mut found: Vec<HostPattern>| {
            found.sort_by_key(|pattern| std::cmp::Reverse(pattern.specificity()));
            found
        };
        for host in HOSTS.iter().flat_map(|text| Host::parse(text)) {
            let expected = ordered(patterns.iter().filter(|pattern| pattern.matches(&host)).cloned().collect());
            assert_eq!(
                map.matching(host.as_str()).flatten().cloned().collect::<Vec<_>>(),
                expected,
                "{host}"
            );
        }
        for other in &patterns {
            let expected = ordered(patterns.iter().filter(|pattern| pattern.covers(other)).cloned().collect());
            assert_eq!(map.covering(other).flatten().cloned().collect::<Vec<_>>(), expected, "{other}");
        }
    }
}
