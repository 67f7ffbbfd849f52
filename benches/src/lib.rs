//! Micro-benchmarks; nothing lives here but `benches/`.
