//! `cargo xtask demo`: the gateway from this checkout, with its built-in environment and pack.

use crate::process;
use anyhow::{Context, Result};
use std::{
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::Command,
};

/// Where the demo's state stays when nobody says otherwise: the README's next line names it, and a restart finds it again.
const STATE: &str = ".tollgate/demo";

/// Builds the gateway and becomes `tollgate demo`, so that a signal reaches it and its exit status is ours.
///
/// # Errors
/// When it cannot be built or started; else this does not return.
pub(crate) fn run(root: &Path, arguments: &[String]) -> Result<()> {
    let binary = gateway(root)?;
    let mut demo = Command::new(&binary);
    demo.arg("demo").args(arguments);
    if !arguments.iter().any(|argument| argument.starts_with("--state")) {
        demo.args(["--state", STATE]).current_dir(root);
    }
    let error = demo.exec();
    Err(error).with_context(|| format!("{} cannot be started", binary.display()))
}

/// Builds the gateway as the tests do; gives its binary.
///
/// # Errors
/// When it cannot be built.
fn gateway(root: &Path) -> Result<PathBuf> {
    // With a test beside it, since dependencies have more features where tests are built: what the tests stand on is what this stands on, and wasmtime is
    // built once for both.
    process::run(process::cargo(root).args(["build", "--locked", "--workspace", "--bin", "tollgate", "--test", "cli"]))?;
    Ok(process::target(root).join("debug/tollgate"))
}

/// Builds the gateway as it serves; gives its binary.
///
/// # Errors
/// When it cannot be built.
pub(crate) fn release(root: &Path) -> Result<PathBuf> {
    released(root, "tollgate")
}

/// Builds a member's binary as a release; gives it.
///
/// # Errors
/// When it cannot be built.
pub(crate) fn released(root: &Path, name: &str) -> Result<PathBuf> {
    process::run(process::cargo(root).args(["build", "--release", "--locked", "--workspace", "--bin", name]))?;
    Ok(process::target(root).join("release").join(name))
}
