use crate::{HEAD, parse};
use std::{fs, path::Path};
use tollgate_config::{Environment, manifest::MAX_FILE_LEN};

/// Wrong manifests and all that is said of them: `=== name`, the manifest, `---`, the errors. One that does not start with a schema follows
/// [`HEAD`], so that its first line is line 4.
const CASES: &str = include_str!("refused.txt");

#[test]
fn every_error_is_told_at_once_with_its_place_and_in_order() {
    let cases: Vec<_> = CASES.split("=== ").skip(1).collect();
    assert!(cases.len() > 20, "{} cases", cases.len());
    for case in cases {
        let (name, rest) = case.split_once('\n').unwrap();
        let (body, wanted) = rest.split_once("---\n").unwrap();
        let text = if body.starts_with("schema") || name.ends_with("(whole)") {
            body.to_owned()
        } else {
            format!("{HEAD}{body}")
        };
        let errors = parse(&text).err().unwrap_or_default();
        assert_eq!(errors.join("\n"), wanted.trim_end(), "{name}");
        assert!(
            !errors.is_empty() && !errors.iter().any(|error| error.contains("hunter")),
            "{name} shows a secret"
        );
    }
}

#[test]
fn a_file_that_is_too_large_is_not_read() {
    let wanted = ["conf/t.yaml:1:1: the manifest is larger than 4 MiB"];
    assert_eq!(parse(&"#".repeat(MAX_FILE_LEN + 1)).unwrap_err(), wanted);
    assert_ne!(parse(&"#".repeat(MAX_FILE_LEN)).unwrap_err(), wanted);
}

#[test]
fn a_file_that_cannot_be_read_is_an_error_of_the_manifest() {
    let folder = tempfile::tempdir().unwrap();
    let errors = |path: &Path| {
        Environment::read(path)
            .unwrap_err()
            .to_string()
            .replace(&*folder.path().to_string_lossy(), "F")
    };
    assert_eq!(
        errors(&folder.path().join("none")),
        "F/none:1:1: the manifest cannot be read: No such file or directory (os error 2)"
    );
    assert_eq!(
        errors(folder.path()),
        "F:1:1: the manifest cannot be read: Is a directory (os error 21)"
    );
    let path = folder.path().join("t.yaml");
    fs::write(&path, b"a: 1\nb: \xc3\xa9\xff").unwrap();
    assert_eq!(errors(&path), "F/t.yaml:2:5: this is no UTF-8");
    fs::write(&path, vec![b'#'; MAX_FILE_LEN + 100]).unwrap();
    assert_eq!(errors(&path), "F/t.yaml:1:1: the manifest is larger than 4 MiB");
}

/// However many errors a file holds, what is kept of them is bounded.
#[test]
fn a_file_of_errors_is_cut() {
    let errors = parse(&format!("{HEAD}identity: {{ by: [{}] }}", "x,".repeat(100_000))).unwrap_err();
    assert_eq!(errors.len(), 1_001);
    assert!(errors[1_000].ends_with("there are more errors, the first 1000 are shown"));
}
