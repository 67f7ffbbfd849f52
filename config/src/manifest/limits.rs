//! What one call of a worker may use: the defaults, and how far an operator may move them.

use super::{
    context::Context,
    reuse::{self, ReuseLimits},
    value::{Fields, Value},
};
use crate::{
    ByteSize,
    report::shown,
    unit::{ShownDuration, UnitError, parse_duration},
};
use std::{ops::RangeInclusive, time::Duration};

/// What one call of a worker may use. Each has a default with a reason, see the constants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Sum of all linear memories and tables.
    pub memory: ByteSize,
    /// Time on a CPU.
    pub cpu: Duration,
    /// Time from dispatch to the last byte of the answer.
    pub wall: Duration,
    /// Time from dispatch to the head of the answer.
    pub first_byte: Duration,
    /// Silence of the worker within its answer's body.
    pub stall: Duration,
    /// Calls at once.
    pub concurrency: usize,
    /// Callers that may wait for a place; defaults to `concurrency`.
    pub queue: usize,
    /// How long one of them waits.
    pub queue_wait: Duration,
    /// Request body.
    pub body: ByteSize,
    /// What the deployment keeps in the store, and how often its workers ask it.
    pub store: StoreLimits,
    /// When its revision rests; `None`: never.
    pub breaker: Option<BreakerLimits>,
    /// How often an instance is called before it ends; `None`: once. For the engine `async` alone.
    pub reuse: Option<ReuseLimits>,
}

/// When a revision that fails again and again rests. Off unless the manifest says it: a resting revision refuses good calls too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerLimits {
    /// So many failures that are the worker's fault open it.
    pub failures: usize,
    /// Within this time.
    pub window: Duration,
    /// How long it stays open before one call is let through.
    pub open: Duration,
}

impl BreakerLimits {
    /// 20: more than a poisonous delivery and all its retries make.
    pub const FAILURES: usize = 20;
    /// 10 s: a wall time; what hangs must be able to fail often enough.
    pub const WINDOW: Duration = Duration::from_secs(10);
    /// 5 s: shorter than any provider's first retry.
    pub const OPEN: Duration = Duration::from_secs(5);

    /// From the first failure to what one breaker remembers in 160 KB.
    pub const FAILURES_RANGE: RangeInclusive<u64> = 1..=10_000;
    /// Up to an hour: what is rarer is no outage.
    pub const WINDOW_RANGE: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(3600);
    /// Up to an hour: who wants more takes the revision out of the traffic.
    pub const OPEN_RANGE: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(3600);
}

impl Default for BreakerLimits {
    fn default() -> Self {
        Self {
            failures: Self::FAILURES,
            window: Self::WINDOW,
            open: Self::OPEN,
        }
    }
}

/// What a deployment may keep in the store and ask of it. Each has a default with a reason, see the constants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreLimits {
    /// Keys, over all revisions.
    pub keys: u64,
    /// Bytes of keys and values together.
    pub bytes: ByteSize,
    /// Operations of one call.
    pub operations: u64,
    /// Operations of all calls in a second.
    pub rate: u64,
}

impl StoreLimits {
    /// 100,000: as many conversations with a counter each as a busy bot has in a year.
    pub const KEYS: u64 = 100_000;
    /// 64 MiB: 100,000 values of 500 bytes with their keys; three deployments that are full fit one tenant's part of the memory store.
    pub const BYTES: ByteSize = ByteSize::mib(64);
    /// 1,000: a worker asks a handful; ten full batches are a loop that is meant.
    pub const OPERATIONS: u64 = 1_000;
    /// 50,000: over half of what the store's one writer does on two cores, and twice what a deployment asks there that keeps one count for each
    /// request.
    pub const RATE: u64 = 50_000;

    /// From none to what a store of one machine still lists.
    pub const KEYS_RANGE: RangeInclusive<u64> = 0..=100_000_000;
    /// From none to what a disk of a node holds.
    pub const BYTES_RANGE: RangeInclusive<ByteSize> = ByteSize::bytes(0)..=ByteSize::gib(1024);
    /// From none to what no call lives to do.
    pub const OPERATIONS_RANGE: RangeInclusive<u64> = 0..=10_000_000;
    /// From one to what a store of one machine cannot do.
    pub const RATE_RANGE: RangeInclusive<u64> = 1..=10_000_000;
}

impl Default for StoreLimits {
    fn default() -> Self {
        Self {
            keys: Self::KEYS,
            bytes: Self::BYTES,
            operations: Self::OPERATIONS,
            rate: Self::RATE,
        }
    }
}

impl Limits {
    /// 64 MiB: an ordinary worker uses 2 to 10; more would let a pool of 1,000 outgrow a small edge node.
    pub const MEMORY: ByteSize = ByteSize::mib(64);
    /// 50 ms: a webhook is parsed, looked up and answered in under 5; ten times that is a loop.
    pub const CPU: Duration = Duration::from_millis(50);
    /// 10 s: the longest that the chat providers wait, GitHub's.
    pub const WALL: Duration = Duration::from_secs(10);
    /// 10 s: as `wall`, of which it is a part; it holds alone where `wall` is raised for answers that take long to send.
    pub const FIRST_BYTE: Duration = Duration::from_secs(10);
    /// 30 s: event streams send something every 15, so that no proxy in between gives up.
    pub const STALL: Duration = Duration::from_secs(30);
    /// 256: a quarter of the default pool, so that four busy deployments fit.
    pub const CONCURRENCY: usize = 256;
    /// 500 ms: a caller that waited longer is better served by its own retry.
    pub const QUEUE_WAIT: Duration = Duration::from_millis(500);
    /// 1 MiB: twenty times the largest chat payload in the corpus.
    pub const BODY: ByteSize = ByteSize::mib(1);

    /// From one page of WebAssembly to all that its 32-bit addresses reach.
    pub const MEMORY_RANGE: RangeInclusive<ByteSize> = ByteSize::kib(64)..=ByteSize::gib(4);
    /// From the least that the clock of a busy node can tell apart to a minute: what computes longer is a job and belongs in a queue.
    pub const CPU_RANGE: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(60);
    /// Up to an hour: the longest stream that a proxy in front would keep open.
    pub const WALL_RANGE: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(3600);
    /// Up to 16,384: each call reserves 4 GiB of addresses and a guard, and a process has 128 TiB.
    pub const CONCURRENCY_RANGE: RangeInclusive<u64> = 1..=16_384;
    /// Up to 65,536: each waiting caller holds a connection, and a node has about so many ports. 0: nobody waits.
    pub const QUEUE_RANGE: RangeInclusive<u64> = 0..=65_536;
    /// Up to a minute: no provider waits longer.
    pub const QUEUE_WAIT_RANGE: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(60);
    /// Up to 256 MiB: an endpoint holds a body whole in memory while it is verified.
    pub const BODY_RANGE: RangeInclusive<ByteSize> = ByteSize::bytes(1)..=ByteSize::mib(256);
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: Self::MEMORY,
            cpu: Self::CPU,
            wall: Self::WALL,
            first_byte: Self::FIRST_BYTE,
            stall: Self::STALL,
            concurrency: Self::CONCURRENCY,
            queue: Self::CONCURRENCY,
            queue_wait: Self::QUEUE_WAIT,
            body: Self::BODY,
            store: StoreLimits::default(),
            breaker: None,
            reuse: None,
        }
    }
}

/// Reads `deployments[].limits`.
pub(super) fn read(value: &Value<'_>, context: &mut Context) -> Option<Limits> {
    let fields = value.fields("deployments[].limits", context)?;
    let reach = "a worker starts with one page of 64KiB, and its 32-bit addresses reach 4GiB";
    let memory = size(&fields, "memory", Limits::MEMORY, &Limits::MEMORY_RANGE, reach, context);
    let job = "what computes for longer is a job and belongs in a queue";
    let cpu = duration(&fields, "cpu", Limits::CPU, &Limits::CPU_RANGE, job, context);
    let stream = "no proxy in front keeps a stream open for longer";
    let wall = duration(&fields, "wall", Limits::WALL, &Limits::WALL_RANGE, stream, context);
    let first_byte = duration(&fields, "first_byte", Limits::FIRST_BYTE, &Limits::WALL_RANGE, stream, context);
    let stall = duration(&fields, "stall", Limits::STALL, &Limits::WALL_RANGE, stream, context);
    let space = "each call reserves 4GiB of the process's addresses";
    let concurrency = count(
        &fields,
        "concurrency",
        Limits::CONCURRENCY,
        &Limits::CONCURRENCY_RANGE,
        space,
        context,
    );
    let ports = "each waiting caller holds a connection";
    let queue = count(
        &fields,
        "queue",
        concurrency.unwrap_or_default(),
        &Limits::QUEUE_RANGE,
        ports,
        context,
    );
    let patience = "no provider waits for longer";
    let queue_wait = duration(
        &fields,
        "queue_wait",
        Limits::QUEUE_WAIT,
        &Limits::QUEUE_WAIT_RANGE,
        patience,
        context,
    );
    let held = "a body is held whole in memory while it is verified";
    let body = size(&fields, "body", Limits::BODY, &Limits::BODY_RANGE, held, context);
    let store = match fields.get("store") {
        Some(value) => store(&value, context),
        None => Some(StoreLimits::default()),
    };
    let breaker = match fields.get("breaker") {
        Some(value) => breaker(&value, context).map(Some),
        None => Some(None),
    };
    let reuse = match fields.get("reuse") {
        Some(value) => reuse::read(&value, context).map(Some),
        None => Some(None),
    };
    Some(Limits {
        memory: memory?,
        cpu: cpu?,
        wall: wall?,
        first_byte: first_byte?,
        stall: stall?,
        breaker: breaker?,
        reuse: reuse?,
        concurrency: concurrency?,
        queue: queue?,
        queue_wait: queue_wait?,
        body: body?,
        store: store?,
    })
}

/// Reads `deployments[].limits.store`.
fn store(value: &Value<'_>, context: &mut Context) -> Option<StoreLimits> {
    let fields = value.fields("deployments[].limits.store", context)?;
    let mut whole = |name, default, range: &Range<u64>, why| match fields.get(name) {
        Some(value) => number(&value, range, why, context),
        None => Some(default),
    };
    let keys = whole(
        "keys",
        StoreLimits::KEYS,
        &StoreLimits::KEYS_RANGE,
        "more keys need a store of their own",
    );
    let endless = "no call lives long enough for more";
    let operations = whole("operations", StoreLimits::OPERATIONS, &StoreLimits::OPERATIONS_RANGE, endless);
    let rate = whole(
        "rate",
        StoreLimits::RATE,
        &StoreLimits::RATE_RANGE,
        "the store of one machine does no more",
    );
    let disk = "the disk of a node holds no more";
    let bytes = size(&fields, "bytes", StoreLimits::BYTES, &StoreLimits::BYTES_RANGE, disk, context);
    Some(StoreLimits {
        keys: keys?,
        bytes: bytes?,
        operations: operations?,
        rate: rate?,
    })
}

/// Reads `deployments[].limits.breaker`.
fn breaker(value: &Value<'_>, context: &mut Context) -> Option<BreakerLimits> {
    let fields = value.fields("deployments[].limits.breaker", context)?;
    let kept = "each failure is remembered";
    let failures = count(
        &fields,
        "failures",
        BreakerLimits::FAILURES,
        &BreakerLimits::FAILURES_RANGE,
        kept,
        context,
    );
    let rare = "failures that are rarer are no outage";
    let window = duration(
        &fields,
        "window",
        BreakerLimits::WINDOW,
        &BreakerLimits::WINDOW_RANGE,
        rare,
        context,
    );
    let out = "what should rest for longer is better taken out of the traffic";
    let open = duration(&fields, "open", BreakerLimits::OPEN, &BreakerLimits::OPEN_RANGE, out, context);
    Some(BreakerLimits {
        failures: failures?,
        window: window?,
        open: open?,
    })
}

type Range<T> = RangeInclusive<T>;

fn size(fields: &Fields<'_>, name: &str, default: ByteSize, range: &Range<ByteSize>, why: &str, context: &mut Context) -> Option<ByteSize> {
    let Some(value) = fields.get(name) else { return Some(default) };
    let size = with_unit(&value, ByteSize::parse, context)?;
    within(&value, size, range, why, ByteSize::to_string, context)
}

/// A duration within a range, or its default.
pub(super) fn duration(
    fields: &Fields<'_>,
    name: &str,
    default: Duration,
    range: &Range<Duration>,
    why: &str,
    context: &mut Context,
) -> Option<Duration> {
    let Some(value) = fields.get(name) else { return Some(default) };
    let duration = with_unit(&value, parse_duration, context)?;
    within(
        &value,
        duration,
        range,
        why,
        |duration| ShownDuration(*duration).to_string(),
        context,
    )
}

fn count(fields: &Fields<'_>, name: &str, default: usize, range: &Range<u64>, why: &str, context: &mut Context) -> Option<usize> {
    let Some(value) = fields.get(name) else { return Some(default) };
    number(&value, range, why, context).and_then(|count| usize::try_from(count).ok())
}

/// A whole number within a range.
pub(super) fn number(value: &Value<'_>, range: &Range<u64>, why: &str, context: &mut Context) -> Option<u64> {
    let count = value.integer(context)?;
    within(value, count, range, why, u64::to_string, context)
}

fn with_unit<T>(value: &Value<'_>, parse: impl Fn(&str) -> Result<T, UnitError>, context: &mut Context) -> Option<T> {
    let text = value.text(context)?;
    match parse(text) {
        Ok(read) => Some(read),
        Err(error) => value.refuse(format!("found {}, {error}", shown(text)), context),
    }
}

fn within<T: PartialOrd>(
    value: &Value<'_>,
    found: T,
    range: &Range<T>,
    why: &str,
    show: impl Fn(&T) -> String,
    context: &mut Context,
) -> Option<T> {
    if range.contains(&found) {
        return Some(found);
    }
    let message = format!("found {}, outside of {}", show(&found), shown_range(range, show));
    value.refuse_with(message, why.to_owned(), context)
}

/// A range as the document writes it.
pub(super) fn shown_range<T>(range: &Range<T>, show: impl Fn(&T) -> String) -> String {
    format!("{} to {}", show(range.start()), show(range.end()))
}
