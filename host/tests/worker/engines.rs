//! Engines: what does not fit one is told which other to take, and an interpreter may import sockets and gets none.

use super::{body, host, limits, sample, spec, text};
use bytes::Bytes;
use std::{path::Path, time::Duration};
use tollgate_config::{ByteSize, manifest::Limits};
use tollgate_host::{LoadError, Profile, RevisionSpec, WarmUp};

fn on(engine: Profile, component: Bytes) -> RevisionSpec {
    RevisionSpec {
        engine,
        component,
        warm_up: WarmUp::none(),
        ..spec("hello", "acme", limits())
    }
}

/// A component whose one module has a table of 30,000 elements, and nothing else.
fn wide() -> Bytes {
    let module = [b"\0asm\x01\0\0\0".as_slice(), b"\x04\x06\x01\x70\0\xb0\xea\x01"].concat();
    let mut bytes = b"\0asm\x0d\0\x01\0\x01".to_vec();
    bytes.push(u8::try_from(module.len()).unwrap());
    bytes.extend(module);
    // An instance of module 0, without arguments.
    bytes.extend(b"\x02\x04\x01\0\0\0");
    bytes.into()
}

#[test]
fn what_has_no_place_on_one_engine_is_told_of_the_other() {
    let host = host();
    let refused = host.load(on(Profile::Default, wide())).unwrap_err();
    assert!(
        matches!(&refused, LoadError::Size(why) if why.contains("30000") && why.contains("engine: large")),
        "{refused}"
    );
    // There it has one; what it lacks is a handler.
    let refused = host.load(on(Profile::Large, wide())).unwrap_err();
    assert!(
        matches!(&refused, LoadError::Link(why) if why.contains("incoming-handler")),
        "{refused}"
    );
}

#[tokio::test]
async fn an_engine_starts_when_something_needs_it_and_has_its_own_pool() {
    let host = host();
    let started = || host.pools().iter().map(|(profile, _)| *profile).collect::<Vec<_>>();
    assert_eq!(started(), [Profile::Default]);
    let small = host.load(on(Profile::Default, sample("hello"))).unwrap();
    let large = host.load(on(Profile::Large, sample("hello"))).unwrap();
    assert_eq!(started(), [Profile::Default, Profile::Large]);
    for revision in [&small, &large] {
        let request = http::Request::get("https://gate.example/x").body(body(b"")).unwrap();
        assert_eq!(text(revision, request).await, (200, "hello /x".to_owned()));
    }
}

#[tokio::test]
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
async fn an_interpreter_may_import_sockets_on_its_engine() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/samples/python.wasm");
    if !path.is_file() {
        assert!(std::env::var_os("CI").is_none(), "python.wasm is missing in CI");
        eprintln!("skipped: no python.wasm; `cargo xtask samples` says why");
        return;
    }
    let host = host();
    let refused = host.load(on(Profile::Default, sample("python"))).unwrap_err();
    assert!(
        matches!(&refused, LoadError::Imports { unknown, .. } if unknown.iter().all(|name| name.contains("wasi:sockets"))),
        "{refused}"
    );
    assert!(refused.to_string().contains("engine: large"), "{refused}");
    let spec = RevisionSpec {
        warm_up: WarmUp::default(),
        limits: Limits {
            memory: ByteSize::mib(64),
            cpu: Duration::from_secs(2),
            wall: Duration::from_secs(60),
            ..limits()
        },
        ..on(Profile::Large, sample("python"))
    };
    let python = host.load(spec).unwrap();
    let request = http::Request::get("https://gate.example/x").body(body(b"")).unwrap();
    assert_eq!(text(&python, request).await, (200, "hello /x".to_owned()));
}
