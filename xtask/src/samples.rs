//! The sample workers: compiled, packed, signed. What has not changed is not written again.

use crate::{languages, process, toolchain::Toolchain};
use anyhow::{Context, Result};
use std::{fs, path::Path};
use tollgate_packs::SigningKey;

/// Signs the samples of this checkout.
pub(crate) const DEV_KEY: &str = "dev.key";
/// Under `packs/samples`, those in Rust.
const NAMES: [&str; 6] = ["echo", "hello", "hostile", "interfaces", "service", "support"];

/// Leaves `NAME.wasm`, `NAME.gtpack`, `dev.key` and `dev.pub` in `target/samples`.
///
/// # Errors
/// When a worker cannot be compiled, packed or signed.
pub(crate) fn build(root: &Path, build_std: bool) -> Result<()> {
    let toolchain = Toolchain::find(build_std)?;
    let work = root.join("target/samples-build");
    let mut cargo = process::cargo(&root.join("packs/samples"));
    toolchain.configure(cargo.args(["build", "--release", "--locked", "--target-dir"]).arg(&work));
    process::run(&mut cargo)?;

    let out = root.join("target/samples");
    fs::create_dir_all(&out)?;
    let key = signing_key(&out)?;
    let compiled = work.join(toolchain.target()).join("release");
    // Cargo names a library by its crate's name as code spells it.
    let rust = NAMES.map(|name| (name, compiled.join(format!("{}.wasm", name.replace('-', "_")))));
    let others = languages::build(root, &work)?;
    let count = rust.len() + others.len();
    for (name, component) in rust.into_iter().chain(others) {
        let file = format!("{name}.wasm");
        let wasm = fs::read(component).with_context(|| format!("no {file}"))?;
        let staged = work.join("packs").join(name);
        fs::create_dir_all(&staged)?;
        fs::copy(root.join("packs/samples").join(name).join("pack.yaml"), staged.join("pack.yaml"))?;
        write(&staged.join(&file), &wasm)?;
        let pack = tollgate_packs::build(&staged).with_context(|| format!("{name} cannot be packed"))?;
        write(&out.join(&file), &wasm)?;
        write(&out.join(format!("{name}.gtpack")), &tollgate_packs::sign(&pack, &key)?)?;
    }
    println!(
        "samples: {count} workers, those in Rust for {}, in {}",
        toolchain.target(),
        out.display()
    );
    Ok(())
}

/// The key of this checkout, made once.
fn signing_key(out: &Path) -> Result<SigningKey> {
    let (private, public) = (out.join(DEV_KEY), out.join("dev.pub"));
    if private.is_file() && public.is_file() {
        return Ok(SigningKey::read(&private)?);
    }
    for half in [private, public] {
        if half.exists() {
            fs::remove_file(half)?;
        }
    }
    let key = SigningKey::generate()?;
    key.write(&out.join("dev"))?;
    Ok(key)
}

/// Writes a file whole, and only when that changes it: a gateway may be reading it.
fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    if fs::read(path).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    let new = path.with_extension("new");
    fs::write(&new, bytes)?;
    fs::rename(&new, path).with_context(|| format!("{} cannot be written", path.display()))
}
