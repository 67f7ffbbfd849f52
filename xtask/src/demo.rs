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

/// Builds the gateway; gives its binary.
///
/// # Errors
/// When it cannot be built.
pub(crate) fn gateway(root: &Path) -> Result<PathBuf> {
    process::run(process::cargo(root).args(["build", "--release", "--locked", "--package", "tollgate"]))?;
    Ok(process::target(root).join("release/tollgate"))
}
