use super::*;
use crate::ManifestErrors;

fn load_all(text: &str) -> (String, Vec<String>) {
    let mut report = Report::new("t".into());
    let tree = load(text, &mut report).map(|node| write(&node)).unwrap_or_default();
    let ManifestErrors(errors) = report.finish();
    (tree, errors.iter().map(ToString::to_string).collect())
}

/// The tree as text, each value with its place.
fn write(node: &Node<'_>) -> String {
    let value = match &node.kind {
        Kind::Scalar { text, plain: true } => text.to_string(),
        Kind::Scalar { text, plain: false } => format!("{text:?}"),
        Kind::List(items) => format!("[{}]", items.iter().map(write).collect::<Vec<_>>().join(" ")),
        Kind::Map(entries) => {
            let entry = |entry: &Entry<'_>| format!("{}@{}:{}={}", entry.key, entry.line, entry.column, write(&entry.value));
            format!("{{{}}}", entries.iter().map(entry).collect::<Vec<_>>().join(" "))
        }
        Kind::Broken => "broken".to_owned(),
    };
    format!("{value}@{}:{}", node.line, node.column)
}

#[test]
fn every_value_has_its_place() {
    for (text, tree) in [
        ("a: 1\nb:\n  - \"x\"\n  - y", "{a@1:1=1@1:4 b@2:1=[\"x\"@3:5 y@4:5]@3:3}@1:1"),
        (
            "{\"a\": [true,\n\t{\"b\": null}]}",
            "{a@1:2=[true@1:8 {b@2:3=null@2:8}@2:2]@1:7}@1:1",
        ),
        ("é: ü\nz: {é: 1}", "{é@1:1=ü@1:4 z@2:1={é@2:5=1@2:8}@2:4}@1:1"),
        ("\u{feff}a: 1", "{a@1:1=1@1:4}@1:1"),
        ("a: 1\r\nb: 2\r\n", "{a@1:1=1@1:4 b@2:1=2@2:4}@1:1"),
        ("# words\n---\na: 'b # c' # d\n...\n", "{a@3:1=\"b # c\"@3:4}@3:1"),
        ("{\"a\": \"\\ud83d\\ude00\"}", "{a@1:2=\"😀\"@1:7}@1:1"),
    ] {
        assert_eq!(load_all(text), (tree.to_owned(), vec![]), "{text:?}");
    }
}

#[test]
fn what_is_no_plain_tree_is_refused_at_its_place() {
    for (text, errors) in [
        ("", vec!["t:1:1: there is nothing in it"]),
        ("# words only", vec!["t:1:1: there is nothing in it"]),
        (
            "a: 1\na: 2\nb: {c: 1, c: 2}",
            vec![
                "t:2:1: `a` stands here twice, first in line 1",
                "t:3:11: b: `c` stands here twice, first in line 3",
            ],
        ),
        (
            "x:\n  secrets: {hunter2: 1, hunter2: 2}",
            vec!["t:2:25: x.secrets: the key stands here twice, first in line 2"],
        ),
        (
            "a: &x [1]\nb: *x",
            vec![
                "t:1:4: a: anchors are not read: write the value out where it is needed",
                "t:2:4: b: aliases are not read: write the value out",
            ],
        ),
        ("a: !!str 1", vec!["t:1:4: a: tags are not read: write the value without"]),
        ("[1]: 2\n", vec!["t:1:1: a key must be a text"]),
        ("a: 1\n---\nb: 2", vec!["t:2:1: a second document begins, a manifest is one"]),
    ] {
        assert_eq!(load_all(text).1, errors, "{text:?}");
    }
}

#[test]
fn depth_is_bounded_whatever_the_style() {
    let block: String = (0..40).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
    let dashes = "- ".repeat(1 << 20);
    for text in [
        &"[".repeat(100),
        &"[".repeat(1 << 20),
        &"{a: ".repeat(100),
        &"{a: ".repeat(1 << 18),
        &block,
        &dashes,
    ] {
        let (tree, errors) = load_all(text);
        assert_eq!((tree.as_str(), errors.len()), ("", 1), "{}", text.get(..20).unwrap_or(text));
    }
}

#[test]
fn broken_text_is_no_tree() {
    for text in [
        "a: [1",
        "a: 'x",
        "a: b: c",
        "\"\\q\"",
        "a:\n\t- b",
        "a: 1\n b: 2",
        "{a: 1}}",
        "a: \0",
        "%YAML 3",
        "a: *",
        "}",
    ] {
        let (tree, errors) = load_all(text);
        assert_eq!((tree.as_str(), errors.len()), ("", 1), "{text:?}: {errors:?}");
    }
}
