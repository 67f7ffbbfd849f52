//! `docs/providers.md` is made from the code: `UPDATE_DOCS=1 cargo test -p tollgate-ingress document` writes it anew.

use std::{env, fs, path::Path};
use tollgate_ingress::provider::table;

#[test]
fn the_page_of_providers_is_what_the_code_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/providers.md");
    if env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, table::page()).unwrap();
    }
    assert!(
        fs::read_to_string(&path).unwrap_or_default() == table::page(),
        "docs/providers.md is not what the code says: run with UPDATE_DOCS=1 and commit it"
    );
}
