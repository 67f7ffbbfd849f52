//! Finds a way to compile workers.
//!
//! First choice is the target `wasm32-wasip2` of the Rust that builds the gateway. Where it cannot be had, a rustc with the sources
//! of its standard library builds that library too, for `wasm32-unknown-unknown`; a worker that uses only WIT bindings runs on it as well.

use crate::process;
use anyhow::{Context, Result, bail};
use std::{
    env,
    ffi::OsStr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

const WASIP2: &str = "wasm32-wasip2";
/// Debian's package of a rustc for the web, and the sources of its library.
const PACKAGES: [&str; 2] = ["rustc-web", "rust-web-src"];
/// Where those packages put rustc.
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
/// A download of 20 MB; a network that takes longer is taken for one that drops packets.
const DOWNLOAD: Duration = Duration::from_secs(180);

/// A way to compile workers.
#[derive(Debug)]
pub(crate) enum Toolchain {
    /// The target is installed.
    Wasip2,
    /// The standard library is built from its sources, and linked by the tools of the target above.
    BuildStd {
        /// The compiler that has sources.
        rustc: PathBuf,
        /// Makes a component of what `wasm_ld` links.
        component_ld: PathBuf,
        /// The linker.
        wasm_ld: PathBuf,
    },
}

impl Toolchain {
    /// Finds one, or installs what it takes.
    ///
    /// # Errors
    /// When nothing works; the message says what to do.
    pub(crate) fn find(build_std: bool) -> Result<Self> {
        if !build_std && (has_wasip2()? || (add_wasip2() && has_wasip2()?)) {
            return Ok(Self::Wasip2);
        }
        if let Some(found) = build_std_toolchain()? {
            return Ok(found);
        }
        let installed = process::install(&PACKAGES);
        if let Some(found) = build_std_toolchain()? {
            return Ok(found);
        }
        let packages = PACKAGES.join(" ");
        let message =
            format!("workers cannot be compiled here: run `rustup target add {WASIP2}`, or `apt-get install {packages}` on Debian");
        installed.context(message.clone())?;
        bail!(message)
    }

    /// The target's name.
    pub(crate) fn target(&self) -> &'static str {
        match self {
            Self::Wasip2 => WASIP2,
            Self::BuildStd { .. } => "wasm32-unknown-unknown",
        }
    }

    /// Adds what `cargo build` needs.
    pub(crate) fn configure(&self, cargo: &mut Command) {
        // A panic's message must not tell where the builder keeps his sources, and a pack should not depend on it.
        let home = env::var_os("CARGO_HOME")
            .map(PathBuf::from)
            .or_else(|| env::home_dir().map(|home| home.join(".cargo")));
        let mut flags: Vec<_> = home
            .map(|home| format!("--remap-path-prefix={}=/cargo", home.display()))
            .into_iter()
            .collect();
        cargo.args(["--target", self.target()]);
        if let Self::BuildStd {
            rustc,
            component_ld,
            wasm_ld,
        } = self
        {
            flags.push(format!("-Clinker={}", component_ld.display()));
            flags.push(format!("-Clink-arg=--wasm-ld-path={}", wasm_ld.display()));
            // `-Z` on a stable compiler; the library path is that of the Rust that runs us, not of this one.
            cargo
                .arg("-Zbuild-std=std,panic_abort")
                .env("RUSTC", rustc)
                .env("RUSTC_BOOTSTRAP", "1")
                .env_remove("LD_LIBRARY_PATH");
        }
        cargo.env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"));
    }
}

fn has_wasip2() -> Result<bool> {
    let output = Command::new(rustc())
        .args(["--print", "target-libdir", "--target", WASIP2])
        .stderr(Stdio::null())
        .output();
    let output = output.context("rustc cannot be started")?;
    Ok(output.status.success() && Path::new(String::from_utf8_lossy(&output.stdout).trim()).is_dir())
}

/// Asks rustup for the target. Whatever goes wrong, there is another way.
fn add_wasip2() -> bool {
    let Some(rustup) = process::find("rustup") else { return false };
    let Ok(mut child) = Command::new(rustup).args(["target", "add", WASIP2]).spawn() else {
        return false;
    };
    let end = Instant::now() + DOWNLOAD;
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return status.success(),
            Ok(None) if Instant::now() < end => std::thread::sleep(Duration::from_millis(100)),
            _ => {
                let _ = child.kill();
                let _ = child.wait();
                return false;
            }
        }
    }
}

/// Links WebAssembly, whatever language it was compiled from.
#[derive(Debug)]
pub(crate) struct Linkers {
    /// Makes a component of what the other one links.
    pub(crate) component: PathBuf,
    /// Links objects.
    pub(crate) wasm: PathBuf,
}

impl Linkers {
    /// Those of the Rust toolchains that are installed, else what the PATH has.
    ///
    /// # Errors
    /// When there are none.
    pub(crate) fn find() -> Result<Self> {
        let sysroots: Vec<_> = compilers().into_iter().map(|(_, sysroot)| sysroot).collect();
        let tool = |name: &str| {
            let host = host()?;
            let folders = sysroots.iter().map(|sysroot| sysroot.join("lib/rustlib").join(&host).join("bin"));
            let found = folders.map(|bin| bin.join(name)).find(|file| file.is_file());
            let on_path = Path::new(name).file_name().and_then(OsStr::to_str).and_then(process::find);
            found
                .or(on_path)
                .with_context(|| format!("no {name} in any Rust toolchain: take one from rustup, or `apt-get install lld`"))
        };
        Ok(Self {
            component: tool("wasm-component-ld")?,
            wasm: tool("gcc-ld/wasm-ld")?,
        })
    }
}

/// The Rust compilers of this machine, each with its folder.
fn compilers() -> Vec<(PathBuf, PathBuf)> {
    let compilers = [rustc(), DEBIAN_RUSTC.into()].into_iter();
    compilers
        .filter_map(|rustc| sysroot(&rustc).map(|sysroot| (rustc, sysroot)))
        .collect()
}

fn build_std_toolchain() -> Result<Option<Toolchain>> {
    let compilers = compilers();
    let with_sources = compilers
        .iter()
        .find(|(_, sysroot)| sysroot.join("lib/rustlib/src/rust/library/std/Cargo.toml").is_file());
    let Some((rustc, _)) = with_sources else { return Ok(None) };
    let linkers = Linkers::find()?;
    Ok(Some(Toolchain::BuildStd {
        rustc: rustc.clone(),
        component_ld: linkers.component,
        wasm_ld: linkers.wasm,
    }))
}

fn rustc() -> PathBuf {
    env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()).into()
}

fn sysroot(rustc: &Path) -> Option<PathBuf> {
    let output = Command::new(rustc)
        .args(["--print", "sysroot"])
        .env_remove("LD_LIBRARY_PATH")
        .output()
        .ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).trim().into())
}

fn host() -> Result<String> {
    let version = process::output(Command::new(rustc()).arg("-vV"))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).context("rustc -vV names no host")
}
