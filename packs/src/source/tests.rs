use super::*;
use crate::warm_up::Request;

const GOOD: &str = "pack_id: support\nversion: 1.0.0\nkind: application\npublisher: acme\ncomponents:\n  - { id: support, version: 0.1.0, world: \"wasi:http/proxy@0.2.0\", wasm: out/a.wasm }\nassets: [{ path: assets }]\n";

#[test]
fn a_description_is_read() -> Result<(), Problems> {
    let source = read(GOOD)?;
    assert_eq!((source.manifest.pack_id.as_str(), source.manifest.name), ("support", None));
    assert_eq!(
        (source.wasm, source.assets),
        (vec!["out/a.wasm".to_owned()], vec!["assets".to_owned()])
    );
    Ok(())
}

#[test]
fn a_warm_up_is_read() -> Result<(), Problems> {
    let warm_up = |yaml: &str| -> Result<_, Problems> {
        let mut source = read(&GOOD.replace("out/a.wasm }", &format!("out/a.wasm{yaml} }}")))?;
        Ok(source.manifest.components.remove(0).warm_up)
    };
    assert_eq!(warm_up("")?, None);
    assert_eq!(warm_up(", warm_up: []")?, Some(Vec::new()));
    let requests = warm_up(", warm_up: [{ path: / }, { path: /a?b=c, method: POST, headers: { content-type: text/plain }, body: hi }]")?;
    let plain = Request {
        body: String::new(),
        path: "/".to_owned(),
        method: "GET".to_owned(),
        headers: Vec::new(),
    };
    let full = Request {
        body: "hi".to_owned(),
        path: "/a?b=c".to_owned(),
        method: "POST".to_owned(),
        headers: vec![("content-type".to_owned(), "text/plain".to_owned())],
    };
    assert_eq!(requests, Some(vec![plain, full]));
    Ok(())
}

#[test]
fn an_engine_is_read() -> Result<(), Problems> {
    for (yaml, engine) in [
        ("", Engine::Default),
        (", engine: default", Engine::Default),
        (", engine: large", Engine::Large),
        (", engine: async", Engine::Async),
    ] {
        let text = GOOD.replace("out/a.wasm }", &format!("out/a.wasm{yaml} }}"));
        let text = if engine == Engine::Async {
            text.replace("proxy@0.2.0", "service@0.3.0")
        } else {
            text
        };
        let source = read(&text)?;
        let found: Vec<_> = source.manifest.components.iter().map(|component| component.engine).collect();
        assert_eq!(found, [engine], "{yaml}");
    }
    Ok(())
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    for (from, to, told) in [
        ("kind: application", "kind: app", "pack.yaml:3:7: kind: \"app\" is no kind"),
        ("publisher: acme\n", "", "publisher: missing"),
        ("publisher", "publishr", "pack.yaml:4:1: publishr: unknown key"),
        ("assets:", "flows: []\nassets:", "pack.yaml:7:1: flows: not built yet"),
        ("assets:", "pack_id: other\nassets:", "pack.yaml:7:1: `pack_id` is there twice"),
        ("out/a.wasm", "../a.wasm", "components[0].wasm: the path \"../a.wasm\" climbs out"),
        ("out/a.wasm", "/a.wasm", "is absolute"),
        ("proxy@0.2.0", "command@0.2.0", "is not built yet"),
        (
            "out/a.wasm }",
            "out/a.wasm, warm_up: [{ path: a }] }",
            "components[0].warm_up[0].path: is no path",
        ),
        (
            "out/a.wasm }",
            "out/a.wasm, warm_up: [{ path: /, headers: { A: b } }] }",
            "warm_up[0].headers.A: is no header",
        ),
        (
            "out/a.wasm }",
            "out/a.wasm, engine: huge }",
            "components[0].engine: is no engine; use one of: default, large, async",
        ),
        ("out/a.wasm }", "out/a.wasm, engine: [large] }", "is no engine"),
        (
            "out/a.wasm }",
            "out/a.wasm, engine: async }",
            "components[0].world: the engine `async` does not run it",
        ),
        (
            "proxy@0.2.0",
            "service@0.3.0",
            "components[0].world: only the engine `async` runs it",
        ),
        ("out/a.wasm }", "out/a.wasm, warm_up: [{ path: /, methd: GET }] }", "unknown key"),
        ("out/a.wasm }", "out/a.wasm, warm_up: { path: / } }", "a list is expected"),
        ("id: support,", "id: &x support,", "anchors"),
        ("pack_id: support", "pack_id: !!str support", "tags"),
        ("pack_id: support", "pack_id: *x", "pack.yaml:1:"),
        ("pack_id: support", "pack_id: [support]", "a text is expected"),
        ("version: 1.0.0", "version: 1.0", "is no semantic version"),
        ("assets: [{ path: assets }]", "assets: { path: assets }", "a list is expected"),
        ("pack_id: support", "pack_id: [[[[[[[[[[[[]]]]]]]]]]]]", "too deep"),
        ("assets:", "---\nassets:", "one document"),
    ] {
        let text = GOOD.replacen(from, to, 1);
        let found = read(&text).map_or_else(|problems| problems.to_string(), |_| "nothing".to_owned());
        assert!(found.contains(told), "{told:?} is not in {found:?}");
    }
    assert!(read("").is_err());
}

#[test]
fn every_problem_is_told_at_once() {
    let text = GOOD
        .replace("application", "app")
        .replace("id: support,", "id: s/,")
        .replace("acme", "\"\"");
    assert_eq!(read(&text).map_err(|problems| problems.0.len()), Err(3));
}
