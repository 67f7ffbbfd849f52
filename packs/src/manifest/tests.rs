use super::*;

fn sample() -> Manifest {
    let component = Component {
        id: "a".into(),
        world: "wasi:http/proxy@0.2.0".into(),
        engine: Engine::Large,
        version: "0.1.0".into(),
        warm_up: Some(vec![Request {
            body: "{}".into(),
            path: "/a?b".into(),
            method: "POST".into(),
            headers: vec![("content-type".into(), "application/json".into())],
        }]),
    };
    Manifest {
        kind: Kind::Application,
        name: Some("A".into()),
        version: "0.1.0".into(),
        pack_id: "a".into(),
        publisher: "p".into(),
        components: vec![component],
        schema_version: SCHEMA.into(),
    }
}

fn warm(manifest: &mut Manifest) -> &mut Request {
    &mut manifest.components[0].warm_up.as_mut().unwrap_or_else(|| unreachable!())[0]
}

#[test]
fn its_keys_are_in_deterministic_order_and_it_reads_back() -> Result<(), Box<dyn std::error::Error>> {
    let bytes = sample().write();
    canonical::assert_sorted(&ciborium::from_reader(bytes.as_slice())?);
    assert_eq!(Manifest::read(&bytes)?, sample());
    Ok(())
}

#[test]
fn what_is_wrong_is_told() {
    let change = |edit: fn(&mut Manifest)| {
        let mut manifest = sample();
        edit(&mut manifest);
        Manifest::read(&manifest.write())
            .map_err(|error| error.to_string())
            .err()
            .unwrap_or_default()
    };
    for (edit, told) in [
        (
            (|m| m.schema_version = "tollgate.pack/v2".into()) as fn(&mut Manifest),
            "run a newer tollgate",
        ),
        (|m| m.schema_version = "pack-v1".into(), "platform's own schema"),
        (|m| m.schema_version = "tollgate.pack/v01".into(), "is not known"),
        (|m| m.pack_id = "../x".into(), "pack_id \"../x\" is no id"),
        (|m| m.pack_id = "..".into(), "is no id"),
        (|m| m.version = "1.0".into(), "is no semantic version"),
        (|m| m.version = "01.0.0".into(), "is no semantic version"),
        (|m| m.publisher = "a\u{1b}[2J".into(), "control characters"),
        (|m| m.name = Some("a\u{202e}b".into()), "control characters"),
        (|m| m.components.clear(), "no component"),
        (|m| m.components.extend(sample().components), "twice"),
        (|m| m.components[0].world = "wasi:http/proxy@0.3.0".into(), "no component"),
        (|m| m.components[0].world = "x".into(), "names no WIT world"),
        (|m| warm(m).path = "a".into(), "components[].warm_up[] is no path"),
        (|m| warm(m).path = "/a b".into(), "is no path"),
        (|m| warm(m).method = "get".into(), "is no method"),
        (|m| warm(m).body = "x".repeat(65537), "longer than 65536"),
        (|m| warm(m).headers[0].0 = "Host".into(), "is no header field"),
        (|m| warm(m).headers[0].1 = "a\r\nb: c".into(), "is no header field"),
        (
            |m| {
                let field = warm(m).headers.remove(0);
                warm(m).headers = vec![field; 33];
            },
            "more header fields",
        ),
        (
            |m| {
                let request = warm(m).clone();
                m.components[0].warm_up = Some(vec![request; 17]);
            },
            "more requests",
        ),
        (
            |m| {
                m.components.push(Component {
                    id: "b".into(),
                    ..sample().components.remove(0)
                })
            },
            "2 components",
        ),
    ] {
        let found = change(edit);
        assert!(found.contains(told), "{told:?} is not in {found:?}");
    }
}

#[test]
fn any_release_of_0_2_or_0_3_answers_http() {
    for (world, answers) in [
        ("wasi:http/proxy@0.2", true),
        ("wasi:http/proxy@0.2.12", true),
        ("wasi:http/proxy@0.20", false),
        ("wasi:http/proxy@0.2.", false),
        ("wasi:http/proxy@0.2.x", false),
        ("wasi:http/proxy", false),
        ("wasi:http/service@0.3.0", true),
        ("wasi:http/service@0.3", true),
        ("wasi:http/service@0.3.0-rc-2026-01-06", false),
        ("wasi:http/service@0.4.0", false),
        ("wasi:http/service@0.2.0", false),
    ] {
        let component = Component {
            world: world.into(),
            ..sample().components.remove(0)
        };
        assert_eq!(component.answers_http(), answers, "{world}");
    }
}

#[test]
fn other_bytes_for_the_same_manifest_are_refused() {
    let bytes = sample().write();
    let trailing = [bytes.as_slice(), &[0]].concat();
    let mut indefinite = bytes.clone();
    indefinite[0] = 0xbf;
    indefinite.push(0xff);
    let mut long = vec![0xb8, bytes[0] & 0x1f];
    long.extend_from_slice(&bytes[1..]);
    for other in [trailing, indefinite, long] {
        assert_eq!(Manifest::read(&other), Err(ManifestError::Cbor(CborError::NotCanonical)));
    }
    assert!(matches!(
        Manifest::read(&bytes[..bytes.len() - 1]),
        Err(ManifestError::Cbor(CborError::Shape(_)))
    ));
    assert!(matches!(
        Manifest::read(&[0x81; 4096]),
        Err(ManifestError::Cbor(CborError::Shape(_)))
    ));
}
