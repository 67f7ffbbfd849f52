//! The table against a model of it, with marks in memory and in a file that is closed and opened again.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
use super::*;
use proptest::prelude::*;
use tollgate_config::EndpointId;
use tollgate_store::MarkKind;

/// Small, so that it is met.
const BOUNDS: Bounds = Bounds {
    in_flight: 6,
    in_flight_each: 4,
    done_each: u64::MAX,
};

#[derive(Debug, Clone)]
enum Step {
    /// A delivery of a tenant with the marks of this id and, if given, this body.
    Enter {
        tenant: u8,
        id: u8,
        body: Option<u8>,
        horizon: u64,
    },
    /// One in flight ends with this status.
    Settle { which: usize, status: u16 },
    /// One in flight is dropped.
    Abandon { which: usize },
    /// Seconds pass.
    Pass(u64),
    /// Everything in flight is dropped and the journal opened anew; of one in memory, the table alone.
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0..2_u8, 0..6_u8, proptest::option::of(0..4_u8), 1..20_u64)
            .prop_map(|(tenant, id, body, horizon)| Step::Enter { tenant, id, body, horizon }),
        6 => (any::<usize>(), proptest::sample::select(vec![200_u16, 202, 204, 302, 404, 500, 503])).prop_map(|(which, status)| Step::Settle { which, status }),
        1 => any::<usize>().prop_map(|which| Step::Abandon { which }),
        2 => (1..12_u64).prop_map(Step::Pass),
        1 => Just(Step::Restart),
    ]
}

/// One delivery that runs, and those that wait for it.
struct Running {
    tenant: u8,
    marks: Vec<Mark>,
    expires: SystemTime,
    ticket: Ticket,
    waiting: Vec<Flight>,
}

struct World {
    folder: Option<tempfile::TempDir>,
    table: Option<Dedupe>,
    now: SystemTime,
    running: Vec<Running>,
    done: HashMap<Mark, SystemTime>,
}

impl World {
    fn new(folder: Option<tempfile::TempDir>) -> Self {
        let mut world = Self {
            folder,
            table: None,
            now: SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000),
            running: Vec::new(),
            done: HashMap::new(),
        };
        world.open();
        world
    }

    fn open(&mut self) {
        let journal = match (&self.folder, &self.table) {
            (Some(folder), _) => {
                // The old one is closed first: it holds the file.
                self.table = None;
                Journal::open(folder.path(), 10_000).unwrap()
            }
            (None, Some(table)) => table.journal.clone(),
            (None, None) => Journal::in_memory(10_000).unwrap(),
        };
        self.table = Some(Dedupe::new(journal, BOUNDS));
    }

    fn take(&mut self, which: usize) -> Option<Running> {
        let length = self.running.len();
        (length > 0).then(|| self.running.swap_remove(which % length))
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Enter { tenant, id, body, horizon } => self.enter(tenant, id, body, Duration::from_secs(horizon)),
            Step::Settle { which, status } => {
                let Some(ran) = self.take(which) else { return };
                let status = StatusCode::from_u16(status).unwrap();
                if status.is_success() {
                    for mark in ran.marks {
                        let kept = self.done.entry(mark).or_insert(ran.expires);
                        *kept = ran.expires.max(*kept);
                    }
                }
                ran.ticket.settle(status);
                told(&ran.waiting, Ended::Answered(status));
            }
            Step::Abandon { which } => {
                let Some(Running { ticket, waiting, .. }) = self.take(which) else {
                    return;
                };
                drop(ticket);
                told(&waiting, Ended::Abandoned);
            }
            Step::Pass(seconds) => self.now += Duration::from_secs(seconds),
            Step::Restart => {
                self.running.clear();
                self.open();
            }
        }
        let in_flight: usize = self.running.iter().map(|running| running.marks.len()).sum();
        assert_eq!(self.table.as_ref().unwrap().in_flight(), in_flight);
    }

    fn enter(&mut self, tenant: u8, id: u8, body: Option<u8>, horizon: Duration) {
        let mark = |kind, hash| Mark {
            endpoint: EndpointId::new("e").unwrap(),
            kind,
            hash: [hash; 32],
        };
        let body = body.map(|body| mark(MarkKind::Body, body));
        let marks: Vec<_> = [mark(MarkKind::Id, id)].into_iter().chain(body).collect();
        let name = TenantId::new(&format!("t{tenant}")).unwrap();
        let seen = self.table.as_ref().unwrap().enter(&name, marks.clone(), self.now, horizon);
        let now = self.now;
        let live = |mark: &Mark| self.done.get(mark).is_some_and(|expires| *expires > now);
        // Its id may run as one delivery and its body as another: the id comes first, and so its outcome counts.
        let of = |mark: &Mark| self.running.iter().position(|running| running.marks.contains(mark));
        if let Some(first) = marks.iter().find_map(of) {
            let first = self.running.get_mut(first).unwrap();
            match seen {
                Ok(Seen::Running(flight)) => first.waiting.push(flight),
                other => panic!("one runs: {other:?}"),
            }
            return;
        }
        let held = |of: Option<u8>| -> usize {
            let own = self.running.iter().filter(|running| of.is_none_or(|of| running.tenant == of));
            own.map(|running| running.marks.len()).sum::<usize>() + marks.len()
        };
        let (all, own) = (held(None) > BOUNDS.in_flight, held(Some(tenant)) > BOUNDS.in_flight_each);
        match seen {
            Err(DedupeError::Full) => assert!(all),
            Err(DedupeError::ShareFull) => assert!(own && !all),
            Ok(Seen::Done) => assert!(!all && !own && marks.iter().any(live)),
            Ok(Seen::First(ticket)) => {
                assert!(!all && !own && !marks.iter().any(live));
                self.running.push(Running {
                    tenant,
                    marks,
                    expires: now + horizon,
                    ticket,
                    waiting: Vec::new(),
                });
            }
            other => panic!("nothing runs that shares a mark: {other:?}"),
        }
    }
}

fn told(waiting: &[Flight], ended: Ended) {
    for flight in waiting {
        assert_eq!(*flight.borrow(), Some(ended));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(128) })]

    #[test]
    fn in_memory_it_does_what_the_model_says(steps in proptest::collection::vec(step(), 1..60)) {
        let mut world = World::new(None);
        steps.into_iter().for_each(|step| world.step(step));
    }
}

proptest! {
    // Each restart syncs a file.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(32) })]

    #[test]
    fn in_a_file_it_does_what_the_model_says_over_restarts(steps in proptest::collection::vec(step(), 1..60)) {
        let mut world = World::new(Some(tempfile::tempdir().unwrap()));
        steps.into_iter().for_each(|step| world.step(step));
    }
}
