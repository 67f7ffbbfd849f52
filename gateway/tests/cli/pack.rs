//! `tollgate keys` and `tollgate pack`.

use crate::run::{Tollgate, tollgate};
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

/// The head of a component: all that building a pack looks at.
const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";
const DESCRIPTION: &str = "\
pack_id: support
version: 1.0.0
kind: application
publisher: acme
components:
  - { id: support, version: 1.0.0, world: \"wasi:http/proxy@0.2.0\", wasm: support.wasm }
";

/// A folder with a worker, two keys, and what is made of them.
struct Bench(TempDir);

impl Bench {
    fn new() -> Self {
        let bench = Self(tempfile::tempdir().unwrap());
        fs::create_dir(bench.path("src")).unwrap();
        fs::write(bench.path("src/support.wasm"), COMPONENT).unwrap();
        fs::write(bench.path("src/pack.yaml"), DESCRIPTION).unwrap();
        for key in ["mine", "other"] {
            assert_eq!(tollgate(["keys", "generate", "--out"]).arg(bench.path(key)).run().status, 0);
        }
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn build(&self) -> PathBuf {
        let out = self.path("support.gtpack");
        let result = tollgate(["pack", "build"]).arg(self.path("src")).arg("--out").arg(&out).result();
        assert!(
            result["digest"].as_str().is_some_and(|digest| digest.starts_with("sha256:")),
            "{result}"
        );
        out
    }

    fn sign(&self, pack: &Path) {
        let told = tollgate(["pack", "sign"]).arg(pack).arg("--key").arg(self.path("mine.key")).run();
        assert_eq!(told.status, 0, "{}", told.err);
    }

    fn verify(&self, pack: &Path, keys: &[&str]) -> Tollgate {
        let command = tollgate(["pack", "verify"]).arg(pack);
        keys.iter().fold(command, |command, key| command.arg("--key").arg(self.path(key)))
    }
}

#[test]
fn a_key_is_its_owners_and_never_overwritten() {
    let bench = Bench::new();
    let mode = |name| fs::metadata(bench.path(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("mine.key"), 0o600);
    let before = fs::read(bench.path("mine.key")).unwrap();
    let (kind, _) = tollgate(["keys", "generate", "--out"]).arg(bench.path("mine")).error();
    assert_eq!(kind, "key");
    assert_eq!(fs::read(bench.path("mine.key")).unwrap(), before);
}

#[test]
fn a_public_key_signs_nothing_and_is_told_apart() {
    let bench = Bench::new();
    let pack = bench.build();
    let (kind, message) = tollgate(["pack", "sign"])
        .arg(&pack)
        .arg("--key")
        .arg(bench.path("mine.pub"))
        .error();
    assert!(
        kind == "key" && message.contains("public key") && message.contains("`.key`") && !message.contains("chmod"),
        "{kind}: {message}"
    );
}

#[test]
fn a_pack_that_cannot_be_written_is_named_alone() {
    let bench = Bench::new();
    let out = bench.path("none/x.gtpack");
    let (kind, message) = tollgate(["pack", "build"]).arg(bench.path("src")).arg("--out").arg(&out).error();
    assert!(
        kind == "file" && message.contains("none/x.gtpack") && !message.contains("none/.tmp"),
        "{message}"
    );
}

#[test]
fn a_pack_opens_with_its_signers_key_alone() {
    let bench = Bench::new();
    let pack = bench.build();
    assert!(bench.verify(&pack, &["mine.pub"]).error().1.contains("not signed"));
    bench.sign(&pack);
    assert_eq!(bench.verify(&pack, &["other.pub"]).error().0, "pack");
    let result = bench.verify(&pack, &["other.pub", "mine.pub"]).result();
    assert_eq!(
        (result["pack_id"].as_str(), result["version"].as_str()),
        (Some("support"), Some("1.0.0"))
    );
    assert_eq!(fs::metadata(&pack).unwrap().permissions().mode() & 0o400, 0o400);
}

#[test]
fn a_flipped_byte_or_one_too_many_is_refused() {
    let bench = Bench::new();
    let pack = bench.build();
    bench.sign(&pack);
    let good = fs::read(&pack).unwrap();
    let bad = bench.path("bad.gtpack");
    // Every offset is tried in the packs crate; here the whole way from file to exit status.
    for offset in [0, good.len() / 3, good.len() / 2, good.len() - 1] {
        let mut bytes = good.clone();
        bytes[offset] ^= 0x40;
        fs::write(&bad, bytes).unwrap();
        assert_eq!(bench.verify(&bad, &["mine.pub"]).error().0, "pack", "offset {offset}");
    }
    fs::write(&bad, [good.as_slice(), b"x"].concat()).unwrap();
    assert_eq!(bench.verify(&bad, &["mine.pub"]).error().0, "pack");
}

#[test]
fn inspecting_proves_nothing_and_says_so() {
    let bench = Bench::new();
    let pack = bench.build();
    bench.sign(&pack);
    let result = tollgate(["pack", "inspect"]).arg(&pack).result();
    assert_eq!(
        (result["verified"].as_bool(), result["manifest"]["pack_id"].as_str()),
        (Some(false), Some("support"))
    );
    let text = tollgate(["pack", "inspect"]).arg(&pack).run().out;
    assert!(
        text.contains("not verified") && text.contains("components/support@1.0.0/component.wasm"),
        "{text}"
    );
}

#[test]
fn inspecting_says_whether_a_snapshot_can_be_taken() {
    let pack = |name: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../target/samples/{name}.gtpack"));
    let result = tollgate(["pack", "inspect"]).arg(pack("hello")).result();
    assert_eq!(result["snapshot"]["state"], "taken");
    let bench = Bench::new();
    // Its component is none that could be compiled.
    let result = tollgate(["pack", "inspect"]).arg(bench.build()).result();
    assert_eq!(result["snapshot"]["state"], "form");
    let why = result["snapshot"]["why"].as_str().unwrap_or_default();
    assert!(why.contains("cannot be taken"), "{result}");
}

#[test]
fn inspecting_names_what_is_imported_and_what_grants_it() {
    let pack = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/samples/interfaces.gtpack");
    let result = tollgate(["pack", "inspect"]).arg(&pack).result();
    let imports = result["imports"].as_array().cloned().unwrap_or_default();
    let of = |name: &str| {
        let found = imports
            .iter()
            .find(|import| import["interface"].as_str().is_some_and(|it| it.starts_with(name)));
        found.map(|import| (import["given"].as_bool(), import["granted_by"].as_str()))
    };
    for (name, granted_by) in [
        ("greentic:http/http-client@1.1.0", Some("allow_outbound")),
        ("greentic:secrets-store/secrets-store@1.1.0", Some("secrets")),
        ("greentic:state/state-store@1.0.0", None),
        ("tollgate:host/session@0.1.0", None),
    ] {
        assert_eq!(of(name), Some((Some(true), granted_by)), "{name}: {result}");
    }
    let text = tollgate(["pack", "inspect"]).arg(&pack).run().out;
    assert!(
        text.contains("imports tollgate:host/session@0.1.0\n") && text.contains("which the deployment grants by `secrets`"),
        "{text}"
    );
}

#[test]
fn a_new_project_is_laid_out_once() {
    let folder = tempfile::tempdir().unwrap();
    let project = folder.path().join("my-worker");
    let result = tollgate(["pack", "new"]).arg(&project).result();
    assert!(result["files"].as_array().is_some_and(|files| files.len() > 2), "{result}");
    let (kind, message) = tollgate(["pack", "build"])
        .arg(&project)
        .arg("--out")
        .arg(folder.path().join("x"))
        .error();
    assert!(kind == "pack" && message.contains("cargo build"), "{message}");
    assert_eq!(tollgate(["pack", "new"]).arg(&project).error().0, "pack");
}
