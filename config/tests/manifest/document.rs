//! `docs/configuration.md` is made from the code: `UPDATE_DOCS=1 cargo test -p tollgate-config` writes it anew.

use crate::EXAMPLE;
use std::{env, fs, path::Path};
use tollgate_config::manifest::keys;

const INTRO: &str = "\
# Configuration

An environment is declared in one file, by habit `tollgate.yaml`. It is YAML or JSON, at most 4 MiB, without anchors, aliases and tags.
`tollgate check FILE` reports everything that is wrong with it at once, each error with file, line, column and the path of the key. Unknown and
repeated keys are errors; so are keys and words of parts that are not built yet.

Relative paths start at the file's folder. Sizes (`512B`, `64KiB`, `1MiB`, `1GiB`) and durations (`50ms`, `10s`, `1m`, `1h`) have a unit. Secrets are
references, never values: `env://NAME` is an environment variable of the gateway, `file://PATH` a file less one trailing newline. What stands in
place of a reference is never shown.

Hosts are exact, `*.suffix` (one or more labels in front) or `*`; the most specific pattern of all tenants wins, so that one tenant's host is carved
out of another's wildcard. Ports, case and a trailing dot do not count. A path covers itself and what lies under it by whole segments; the longest wins.
Endpoints match before routes.

An example:

```yaml
";

const AFTER: &str = "```

In the titles below `[]` stands for each item of a list and `*` for each key that you choose. This page is made from the code by
`UPDATE_DOCS=1 cargo test -p tollgate-config`.
";

#[test]
fn the_document_is_what_the_code_says() {
    let wanted = format!("{INTRO}{EXAMPLE}{AFTER}{}", keys::markdown());
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/configuration.md");
    if env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &wanted).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == wanted,
        "docs/configuration.md is not what the code says: run with UPDATE_DOCS=1 and commit it"
    );
}
