//! The sample workers in other languages than Rust. Each has tools of its own, which are installed by name and version below `target/`,
//! once. Where they cannot be had, a laptop goes on without that worker and says so; CI fails. [`cost`] measures what they cost.

pub(crate) mod cost;

use crate::{process, toolchain};
use anyhow::{Context, Result, bail};
use std::{
    env, fs,
    hash::{DefaultHasher, Hash, Hasher},
    path::{Path, PathBuf},
    process::Command,
};

/// The JavaScript engine and what makes a component of it, from npm. The second one is a dependency of the first, pinned too.
const NPM: [&str; 2] = ["@bytecodealliance/componentize-js@0.23.0", "@bytecodealliance/jco@1.35.0"];
/// CPython and what makes a component of it, from PyPI.
const PYPI: &str = "componentize-py==0.25.1";
/// Writes C for a WIT world, from the cargo registry; its version, the release that made the bindings of the Rust samples.
const WIT_BINDGEN: &str = "0.62.0";
/// Debian's packages for C: the compiler, the library, what the compiler calls.
const DEBIAN: [&str; 3] = ["clang-22", "libclang-rt-22-dev-wasm32", "wasi-libc"];
/// What they compile for.
const TARGET: &str = "--target=wasm32-wasi";
/// Where they put the library.
const LIBC: &str = "/usr/lib/wasm32-wasi";
/// Set by every CI.
const CI: &str = "CI";
/// The release of WASI that the gate's interfaces are written down in, and the one that the JavaScript engine speaks.
const WASI: [&str; 2] = ["0.2.12", "0.2.10"];

/// One of them.
struct Language {
    name: &'static str,
    /// Writes the component.
    build: fn(&Place<'_>, &Path) -> Result<()>,
    /// What its component depends on, beside its folder and `wit`.
    tools: &'static [&'static str],
}

const LANGUAGES: [Language; 3] = [
    Language {
        name: "js",
        build: javascript,
        tools: &NPM,
    },
    Language {
        name: "python",
        build: python,
        tools: &[PYPI],
    },
    Language {
        name: "c",
        build: c,
        tools: &[WIT_BINDGEN],
    },
];

/// Where things lie.
struct Place<'a> {
    root: &'a Path,
    /// The worker's sources.
    source: PathBuf,
    /// Where the tools are installed.
    tools: PathBuf,
    /// Leftovers of a build.
    work: PathBuf,
}

/// Gives `(name, component)` for each worker that can be built here, and says which cannot.
///
/// # Errors
/// When one that can be built here fails; in CI also when one cannot.
pub(crate) fn build(root: &Path, work: &Path) -> Result<Vec<(&'static str, PathBuf)>> {
    let mut built = Vec::new();
    for language in &LANGUAGES {
        let place = Place {
            root,
            source: root.join("packs/samples").join(language.name),
            tools: work.join("tools").join(language.name),
            work: work.join("languages").join(language.name),
        };
        fs::create_dir_all(&place.work)?;
        let component = place.work.join(format!("{}.wasm", language.name));
        let stamp = place.stamp(language.tools)?;
        let stamped = component.with_extension("stamp");
        if component.is_file() && fs::read_to_string(&stamped).is_ok_and(|old| old == stamp) {
            built.push((language.name, component));
            continue;
        }
        match (language.build)(&place, &component) {
            Ok(()) => {
                fs::write(stamped, stamp)?;
                built.push((language.name, component));
            }
            Err(error) if error.is::<Missing>() && env::var_os(CI).is_none() => {
                println!("skipped: the sample worker `{}`: {error:#}", language.name);
            }
            Err(error) => return Err(error.context(format!("the sample worker `{}` cannot be built", language.name))),
        }
    }
    Ok(built)
}

/// A tool that is not on this machine and cannot be installed.
#[derive(Debug)]
struct Missing(&'static str);

impl std::fmt::Display for Missing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} cannot be had here", self.0)
    }
}

fn javascript(place: &Place<'_>, component: &Path) -> Result<()> {
    let program = place.tools.join("node_modules/.bin/componentize-js");
    if !program.is_file() {
        let npm = process::find("npm").context(Missing("npm"))?;
        let mut install = Command::new(npm);
        install
            .args(["install", "--no-audit", "--no-fund", "--no-save", "--prefix"])
            .arg(&place.tools)
            .args(NPM);
        fs::create_dir_all(&place.tools)?;
        process::run(&mut install).context(Missing("componentize-js from npm"))?;
    }
    let wit = place.work.join("wit");
    copy(&place.source.join("wit"), &wit, &str::to_owned)?;
    copy(&place.root.join("wit/deps"), &wit.join("deps"), &|text| {
        text.replace(WASI[0], WASI[1])
    })?;
    let mut build = Command::new(program);
    build.arg(place.source.join("worker.js")).arg("--wit").arg(wit);
    build.args(["--world-name", "tollgate:javascript/worker", "--out"]);
    process::run(build.arg(component))
}

fn python(place: &Place<'_>, component: &Path) -> Result<()> {
    let program = place.tools.join("bin/componentize-py");
    if !program.is_file() {
        let python = process::find("python3").context(Missing("python3"))?;
        let mut install = Command::new(python);
        install
            // A folder of its own: nothing of the system's Python is touched.
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target"])
            .arg(&place.tools)
            .arg(PYPI);
        process::run(&mut install).context(Missing("componentize-py from PyPI"))?;
    }
    let mut build = Command::new(program);
    build
        .env("PYTHONPATH", &place.tools)
        .arg("--quiet")
        .arg("--wit-path")
        .arg(place.root.join("wit"));
    build.args([
        "--world",
        &format!("wasi:http/proxy@{}", WASI[0]),
        "componentize",
        "worker",
        "--python-path",
    ]);
    process::run(build.arg(&place.source).arg("--output").arg(component))
}

fn c(place: &Place<'_>, component: &Path) -> Result<()> {
    let program = place.tools.join("bin/wit-bindgen");
    if !program.is_file() {
        let mut install = process::cargo(place.root);
        install
            .args([
                "install",
                "--quiet",
                "--locked",
                "--no-default-features",
                "--features",
                "c",
                "--root",
            ])
            .arg(&place.tools)
            .args(["--version", WIT_BINDGEN, "wit-bindgen-cli"]);
        process::run(&mut install).context(Missing("wit-bindgen from the cargo registry"))?;
    }
    if clang().is_none() || !Path::new(LIBC).join("libc.a").is_file() {
        process::install(&DEBIAN).context(Missing("a C compiler for WebAssembly"))?;
    }
    let (clang, builtins) = clang().context(Missing("clang"))?;
    let linkers = toolchain::Linkers::find().context(Missing("the linkers of the Rust toolchain"))?;
    let mut bind = Command::new(program);
    bind.args(["c", "--world", &format!("wasi:http/proxy@{}", WASI[0]), "--out-dir"]);
    process::run(bind.arg(&place.work).arg(place.root.join("wit")))?;

    let sources = [place.source.join("worker.c"), place.work.join("proxy.c")];
    for source in &sources {
        let mut compile = Command::new(&clang);
        compile
            .args([TARGET, "-Os", "-Wall", "-Werror", "-Wno-deprecated", "-I"])
            .arg(&place.work)
            .arg("-c")
            .arg(source);
        process::run(compile.current_dir(&place.work))?;
    }
    let mut link = Command::new(linkers.component);
    link.arg("--wasm-ld-path")
        .arg(linkers.wasm)
        .args(["-m", "wasm32", "--entry", "_initialize", "--strip-all"]);
    link.arg(format!("{LIBC}/crt1-reactor.o"))
        .args(["worker.o", "proxy.o", "proxy_component_type.o"].map(|file| place.work.join(file)));
    link.args(["-L", LIBC, "-lc", &builtins, "-o"]).arg(component);
    process::run(&mut link)
}

/// A compiler that has the helper functions of its WebAssembly code, and where these are.
fn clang() -> Option<(PathBuf, String)> {
    ["clang-22", "clang"].into_iter().find_map(|name| {
        let program = process::find(name)?;
        let mut asked = Command::new(&program);
        asked.args([TARGET, "--rtlib=compiler-rt", "--print-libgcc-file-name", "-Wno-deprecated"]);
        let builtins = process::output(&mut asked).ok()?;
        Path::new(&builtins).is_file().then_some((program, builtins))
    })
}

impl Place<'_> {
    /// Changes when something does that the component is made of.
    fn stamp(&self, tools: &[&str]) -> Result<String> {
        let mut hasher = DefaultHasher::new();
        tools.hash(&mut hasher);
        hash(&self.source, &mut hasher)?;
        hash(&self.root.join("wit"), &mut hasher)?;
        Ok(format!("{:016x}", hasher.finish()))
    }
}

/// Everything in a folder, in the order of its names.
fn hash(folder: &Path, hasher: &mut DefaultHasher) -> Result<()> {
    let entries = fs::read_dir(folder).with_context(|| format!("no {}", folder.display()))?;
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    paths.sort();
    for path in paths {
        if path.is_dir() {
            hash(&path, hasher)?;
        } else {
            path.file_name().hash(hasher);
            fs::read(&path)?.hash(hasher);
        }
    }
    Ok(())
}

/// Copies the texts of a folder, each through `change`.
fn copy(from: &Path, to: &Path, change: &dyn Fn(&str) -> String) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let (path, target) = (entry?.path(), to);
        let Some(name) = path.file_name() else {
            bail!("{} has no name", path.display())
        };
        if path.is_dir() {
            copy(&path, &target.join(name), change)?;
        } else {
            fs::write(target.join(name), change(&fs::read_to_string(&path)?))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_tool_is_told_from_a_failed_build() {
        let missing = None::<()>.context(Missing("npm")).map_err(|error| error.is::<Missing>());
        let failed = Err::<(), _>(anyhow::anyhow!("exit status: 1")).context(Missing("pip"));
        assert_eq!(missing, Err(true));
        assert_eq!(failed.map_err(|error| error.is::<Missing>()), Err(true));
        assert!(!anyhow::anyhow!("the worker has a syntax error").is::<Missing>());
    }
}
