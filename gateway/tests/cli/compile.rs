//! Compiling in children of the real binary: what one may use, and that its death is its job's alone.

use crate::run::binary;
use bytes::Bytes;
use std::{path::Path, sync::Barrier, thread, time::Duration};
use tollgate_host::{ChildLimits, Compiler, Job, LoadError, Profile, Refusal, WarmUp, WarmUpRequest};

fn job(name: &str, path: &str) -> Job {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../target/samples/{name}.wasm"));
    let component = std::fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}; run `cargo xtask samples` first", file.display()));
    let request = WarmUpRequest {
        method: "GET".to_owned(),
        path: path.to_owned(),
        headers: Vec::new(),
        body: String::new(),
    };
    Job {
        component: component.into(),
        engine: Profile::Default,
        warm_up: WarmUp(vec![request]),
    }
}

fn children(limits: ChildLimits) -> Compiler {
    Compiler::children(binary(), limits)
}

fn limits() -> ChildLimits {
    ChildLimits {
        at_once: 1,
        ..ChildLimits::default()
    }
}

#[test]
fn a_child_compiles_as_this_process_would() {
    let compiler = children(limits());
    assert_eq!(compiler.run(&job("hello", "/")).map(|compiled| compiled.snapshot), Ok(Ok(())));
    let drawn = compiler.run(&job("hostile", "/random")).map(|compiled| compiled.snapshot);
    assert_eq!(drawn, Ok(Err(Refusal::Randomness)));
}

#[test]
fn a_child_over_its_limits_dies_and_the_next_one_compiles() {
    // Its warm-up spins for 3 s of CPU, which is more than these children have.
    let slow = job("hostile", "/cpu");
    for (limits, job, said) in [
        (
            ChildLimits {
                memory: 8 << 20,
                ..limits()
            },
            &job("hello", "/"),
            "died",
        ),
        (
            ChildLimits {
                cpu: Duration::from_secs(1),
                ..limits()
            },
            &slow,
            "used up its CPU time",
        ),
        (
            ChildLimits {
                wall: Duration::from_millis(50),
                ..limits()
            },
            &slow,
            "it took more than 0.05 s",
        ),
    ] {
        // Twice: the first one has given its place back.
        let compiler = children(limits);
        for _ in 0..2 {
            let died = compiler.run(job).map(|compiled| compiled.snapshot);
            assert!(
                matches!(&died, Err(LoadError::Compiler(why)) if why.contains(said)),
                "{said}: {died:?}"
            );
        }
    }
    assert!(children(limits()).run(&job("hello", "/")).is_ok());
}

#[test]
fn what_is_no_component_is_refused_and_kills_nobody() {
    let poison = [
        Bytes::from_static(b""),
        Bytes::from_static(b"\0asm\x01\0\0\0"),
        Bytes::from_static(b"\0asm\x0d\0\x01\0\x01\xff\xff\xff\xff\x0f"),
        Bytes::from(vec![0xff; 1 << 20]),
    ];
    let compiler = children(limits());
    for component in poison {
        let job = Job {
            component,
            ..job("hello", "/")
        };
        let refused = compiler.run(&job).map(|compiled| compiled.snapshot);
        assert!(matches!(refused, Err(LoadError::Compile(_))), "{refused:?}");
    }
}

#[test]
fn a_program_that_dies_at_once_or_is_not_there_is_an_error() {
    for program in ["/bin/false", "/nowhere/tollgate"] {
        let compiler = Compiler::children(program.into(), limits());
        let died = compiler.run(&job("hello", "/")).map(|compiled| compiled.snapshot);
        assert!(matches!(died, Err(LoadError::Compiler(_))), "{program}: {died:?}");
    }
}

#[test]
fn more_jobs_than_places_wait_their_turn() {
    let compiler = children(limits());
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| assert!(compiler.run(&job("hello", "/")).is_ok()));
        }
    });
}

#[test]
fn who_waits_for_a_place_does_not_wait_for_ever() {
    let compiler = children(ChildLimits {
        patience: Duration::from_millis(1),
        ..limits()
    });
    // Whoever has the place keeps it for the 3 s that its warm-up spins.
    let slow = job("hostile", "/cpu");
    let together = Barrier::new(4);
    let run = || {
        together.wait();
        compiler.run(&slow)
    };
    let refused = thread::scope(|scope| {
        let runs: Vec<_> = (0..4).map(|_| scope.spawn(run)).collect();
        runs.into_iter().filter_map(|run| run.join().unwrap().err()).collect::<Vec<_>>()
    });
    assert!(!refused.is_empty() && refused.len() < 4, "{refused:?}");
    for error in &refused {
        assert!(error.to_string().contains("no place among the compilers within"), "{error}");
    }
    assert!(compiler.run(&job("hello", "/")).is_ok());
}
