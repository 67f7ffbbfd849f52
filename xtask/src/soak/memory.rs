//! What resident memory is made of: the pool's slots stay warm when they have been used once, which is no leak; the heap is where one would show.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::fmt;

/// A neighbourhood of mappings that is larger is the pool: it reserves 4 GiB for each memory, and the allocator takes 1 GiB at a time.
const POOL: u64 = 16 << 30;

/// Resident bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Memory {
    /// Memories, tables and stacks of instances.
    pub(super) pool: u64,
    /// Other memory without a file.
    pub(super) heap: u64,
    /// The program, its libraries, mapped machine code.
    pub(super) files: u64,
}

impl Memory {
    /// Reads the kernel's `smaps` (`proc_pid_smaps(5)`).
    ///
    /// # Errors
    /// When a line has another shape.
    pub(super) fn read(smaps: &str) -> Result<Self> {
        let mut memory = Self::default();
        // Mappings side by side: where the last one ends, where the first one begins, and what they have resident by then.
        let (mut begin, mut end, mut near) = (0, 0, Self::default());
        let mut is_file = false;
        for line in smaps.lines() {
            let mut words = line.split_whitespace();
            let first = words.next().unwrap_or_default();
            if let Some(field) = first.strip_suffix(':') {
                if field == "Rss" {
                    let kib: u64 = words
                        .next()
                        .and_then(|word| word.parse().ok())
                        .context("no number of Rss in smaps")?;
                    let kind = if is_file { &mut near.files } else { &mut near.heap };
                    *kind += kib << 10;
                }
                continue;
            }
            let range = first.split_once('-').and_then(|(from, to)| {
                let number = |text| u64::from_str_radix(text, 16).ok();
                Some((number(from)?, number(to)?))
            });
            let (from, to) = range.with_context(|| format!("no mapping of smaps: {line:?}"))?;
            if from != end {
                memory.add(near, end - begin);
                (begin, near) = (from, Self::default());
            }
            end = to;
            is_file = words.nth(4).is_some_and(|path| !path.starts_with('['));
        }
        memory.add(near, end - begin);
        Ok(memory)
    }

    fn add(&mut self, near: Self, span: u64) {
        if span > POOL {
            self.pool += near.heap + near.files;
        } else {
            self.heap += near.heap;
            self.files += near.files;
        }
    }

    pub(super) fn json(&self) -> Value {
        json!({ "pool_bytes": self.pool, "heap_bytes": self.heap, "file_bytes": self.files })
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "pool {} MiB, heap {} MiB, program and files {} MiB",
            self.pool >> 20,
            self.heap >> 20,
            self.files >> 20
        )
    }
}

#[cfg(test)]
mod tests {
    use super::Memory;

    #[test]
    fn the_pool_is_told_from_the_heap() {
        let mapping = |from: u64, to: u64, path: &str, rss: u64| {
            format!("{from:x}-{to:x} rw-p 00000000 00:00 0                          {path}\nSize: 4 kB\nRss:  {rss} kB\nVmFlags: rd wr\n")
        };
        let smaps = [
            mapping(0x1000, 0x9000, "/bin/tollgate", 3),
            mapping(0x9000, 0xa000, "", 5),
            mapping(0x1_0000, 0x2_0000, "[heap]", 7),
            // A reservation whose mappings lie side by side, one of them an image of a worker's memory.
            mapping(0x10_0000_0000, 0x13_0000_0000, "", 11),
            mapping(0x13_0000_0000, 0x17_0000_0000, "/memfd:wasm-memory-image (deleted)", 13),
        ];
        let read = Memory::read(&smaps.concat()).ok();
        let expected = Memory {
            pool: 24 << 10,
            heap: 12 << 10,
            files: 3 << 10,
        };
        assert_eq!(read, Some(expected));
        assert!(Memory::read("no mapping").is_err());
    }
}
