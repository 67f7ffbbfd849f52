//! `tollgate pack`: signed archives of workers.

use super::report::{Failure, Outcome};
use crate::gateway::load;
use bytes::Bytes;
use serde::Serialize;
use std::{
    ffi::OsString,
    fs::{File, Permissions},
    io::{Read, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};
use tollgate_host::{Compiler, Grant, Job};
use tollgate_packs::{
    Digest, OpenError, SigningKey, Trust, TrustedKey, archive::MAX_PACK_SIZE, build, inspect, inspect::worker, new_project, open, sign,
    warm_up::Request,
};

/// A pack's mode, less the umask: it is no secret.
const PACK_MODE: u32 = 0o666;

/// Packs: signed archives of workers.
#[derive(Debug, clap::Subcommand)]
pub enum Pack {
    /// Lay out a worker project that builds
    New {
        /// A folder that does not exist yet; its name is the pack's
        #[arg(value_name = "DIR")]
        folder: PathBuf,
    },
    /// Build an unsigned pack from a folder with a pack.yaml
    Build {
        /// The folder
        #[arg(value_name = "DIR")]
        folder: PathBuf,
        /// The pack
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Sign a pack; a signature that is there is replaced
    Sign {
        /// The pack
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// The private key, from `tollgate keys generate`
        #[arg(long, value_name = "KEY")]
        key: PathBuf,
        /// The signed pack; in place, when not given
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Verify every byte of a pack, as the gateway does before it loads it
    Verify {
        /// The pack
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// A public key to trust; may be repeated
        #[arg(long, value_name = "PUB", required = true)]
        key: Vec<PathBuf>,
    },
    /// Say what a pack holds; trusts and proves nothing
    Inspect {
        /// The pack
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Not built yet.
    #[command(hide = true)]
    Push {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        rest: Vec<OsString>,
    },
    /// Not built yet.
    #[command(hide = true)]
    Pull {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        rest: Vec<OsString>,
    },
}

impl Pack {
    pub(crate) fn op(&self) -> &'static str {
        match self {
            Self::New { .. } => "new",
            Self::Build { .. } => "build",
            Self::Sign { .. } => "sign",
            Self::Verify { .. } => "verify",
            Self::Inspect { .. } => "inspect",
            Self::Push { .. } => "push",
            Self::Pull { .. } => "pull",
        }
    }

    pub(crate) fn run(self) -> Result<Outcome, Failure> {
        match self {
            Self::New { folder } => lay_out(&folder),
            Self::Build { folder, out } => {
                let pack = build(&folder).map_err(|error| Failure::chain("pack", &error))?;
                written("built", &out, &pack)
            }
            Self::Sign { file, key, out } => {
                let key = SigningKey::read(&key).map_err(|error| Failure::chain("key", &error))?;
                let pack = sign(&read(&file)?, &key).map_err(|error| told(&file, &error))?;
                written("signed", out.as_deref().unwrap_or(&file), &pack)
            }
            Self::Verify { file, key } => verify(&file, &key),
            Self::Inspect { file } => show(&file),
            Self::Push { .. } => Err(Failure::later("tollgate pack push")),
            Self::Pull { .. } => Err(Failure::later("tollgate pack pull")),
        }
    }
}

fn told(file: &Path, error: &dyn std::error::Error) -> Failure {
    Failure::chain("pack", error).about(file)
}

#[derive(Serialize)]
struct LaidOut {
    folder: PathBuf,
    files: Vec<PathBuf>,
}

fn lay_out(folder: &Path) -> Result<Outcome, Failure> {
    let name = folder.file_name().and_then(|name| name.to_str());
    let name = name.ok_or_else(|| Failure::usage("DIR must end in the pack's name"))?;
    let files = new_project(folder, name).map_err(|error| Failure::chain("pack", &error))?;
    let shown = folder.display();
    let text = format!(
        "a worker project in {shown}. Next:\n\n  (cd {shown} && cargo build --release --target wasm32-wasip2)\n  tollgate keys generate --out publisher\n  \
         tollgate pack build {shown} --out {name}.gtpack\n  tollgate pack sign {name}.gtpack --key publisher.key\n"
    );
    Outcome::new(
        &LaidOut {
            folder: folder.to_owned(),
            files,
        },
        text,
    )
}

#[derive(Serialize)]
struct Written<'a> {
    file: &'a Path,
    digest: String,
    size: usize,
}

/// Writes a pack whole or not at all: a gateway may be about to load what stood there.
fn written(done: &str, file: &Path, pack: &[u8]) -> Result<Outcome, Failure> {
    let folder = file
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let failed = |error: std::io::Error| Failure::file("write", file, &error);
    let mut partial = tempfile::Builder::new()
        .permissions(Permissions::from_mode(PACK_MODE))
        .tempfile_in(folder)
        // Its own text names the partial file, which is nobody's business.
        .map_err(|error| failed(error.kind().into()))?;
    partial.write_all(pack).map_err(failed)?;
    partial.as_file().sync_all().map_err(failed)?;
    partial.persist(file).map_err(|error| failed(error.error))?;
    let told = Written {
        file,
        digest: Digest::of(pack).to_string(),
        size: pack.len(),
    };
    let text = format!("{done} {}: {} bytes, {}", file.display(), told.size, told.digest);
    Outcome::new(&told, text)
}

#[derive(Serialize)]
struct Verified {
    digest: String,
    signer: String,
    pack_id: String,
    version: String,
    publisher: String,
    files: usize,
}

fn verify(file: &Path, keys: &[PathBuf]) -> Result<Outcome, Failure> {
    let keys: Result<Vec<TrustedKey>, _> = keys.iter().map(|key| TrustedKey::read(key)).collect();
    let keys = keys.map_err(|error| Failure::chain("key", &error))?;
    let bytes = Bytes::from(read(file)?);
    let pack = open(
        &bytes,
        Trust {
            keys: &keys,
            allow_unsigned: false,
        },
    )
    .map_err(|error| told(file, &error))?;
    let signer = match pack.signer {
        tollgate_packs::Signer::Key(id) => id.to_string(),
        tollgate_packs::Signer::Nobody => return Err(Failure::new("pack", "not signed").about(file)),
    };
    let verified = Verified {
        digest: pack.digest.to_string(),
        signer,
        pack_id: pack.pack_id,
        version: pack.version,
        publisher: pack.publisher,
        files: pack.sbom.files.len(),
    };
    let Verified {
        digest,
        signer,
        pack_id,
        version,
        publisher,
        ..
    } = &verified;
    let text = format!("verified {pack_id} {version} by {publisher}\n{digest}\nsigned with key {signer}");
    Outcome::new(&verified, text)
}

fn show(file: &Path) -> Result<Outcome, Failure> {
    let bytes = Bytes::from(read(file)?);
    let found = inspect(&bytes).map_err(|error| told(file, &error))?;
    let manifest = &found.manifest;
    let mut lines = vec![
        format!(
            "{} {} by {} (not verified: see `tollgate pack verify`)",
            manifest.pack_id, manifest.version, manifest.publisher
        ),
        format!("{} ({} bytes)", found.digest, found.size),
        match &found.signature {
            None => "not signed".to_owned(),
            Some(claim) if claim.covers_this_pack => format!("claims to be signed with key {}", claim.key_id),
            Some(claim) => format!("has a signature with key {} of another pack", claim.key_id),
        },
    ];
    lines.extend(
        manifest
            .components
            .iter()
            .map(|component| format!("component {} {} {}", component.id, component.version, component.world)),
    );
    let worker = worker(&bytes);
    let imports = worker.as_ref().map_or_else(|_| Vec::new(), |(component, _)| imported(component));
    lines.extend(imports.iter().map(Imported::line));
    lines.extend(found.files.iter().map(|file| format!("{:>10}  {}", file.size, file.path)));
    let snapshot = snapshot(worker);
    lines.push(match &snapshot {
        Snapshot { state: "taken", .. } => "a snapshot of the worker can be taken".to_owned(),
        Snapshot { why, .. } => format!("no snapshot of the worker: {}", why.as_deref().unwrap_or_default()),
    });
    let internal = |error: serde_json::Error| Failure::new("internal", error.to_string());
    let mut told = serde_json::to_value(&found).map_err(internal)?;
    if let Some(told) = told.as_object_mut() {
        told.insert("imports".to_owned(), serde_json::to_value(&imports).map_err(internal)?);
        told.insert("snapshot".to_owned(), serde_json::to_value(&snapshot).map_err(internal)?);
    }
    Outcome::new(&told, lines.join("\n"))
}

/// An interface that the worker imports.
#[derive(Serialize)]
struct Imported {
    interface: String,
    /// Whether a gateway of this build gives it; a worker that imports another one does not load.
    given: bool,
    /// The deployment's key that has to grant it.
    granted_by: Option<&'static str>,
}

impl Imported {
    fn line(&self) -> String {
        let Self {
            interface,
            given,
            granted_by,
        } = self;
        match granted_by {
            _ if !given => format!("imports {interface}, which no gateway of this build gives: it does not load"),
            Some(key) => format!("imports {interface}, which the deployment grants by `{key}`"),
            None => format!("imports {interface}"),
        }
    }
}

/// What is imported; nothing of bytes that are no component, whose trouble the snapshot tells.
fn imported(component: &[u8]) -> Vec<Imported> {
    let imports = tollgate_host::imports(component).unwrap_or_default();
    let told = imports.into_iter().map(|import| Imported {
        given: import.grant.is_some(),
        granted_by: import.grant.and_then(Grant::key),
        interface: import.interface,
    });
    told.collect()
}

/// Whether the gateway would begin each call at a snapshot of the worker.
#[derive(Serialize)]
struct Snapshot {
    state: &'static str,
    why: Option<String>,
}

/// Tries it: compiles the worker and runs its warm-up, both in a process of their own and in a sandbox, as the gateway does.
fn snapshot(worker: Result<(Bytes, Option<Vec<Request>>), OpenError>) -> Snapshot {
    let refused = |code, why: String| Snapshot {
        state: code,
        why: Some(why),
    };
    let (component, warm_up) = match worker {
        Ok(worker) => worker,
        Err(error) => return refused("unknown", error.to_string()),
    };
    let job = Job {
        component,
        warm_up: load::warm_up(warm_up),
    };
    match Compiler::this_program().run(&job) {
        Ok(compiled) => match compiled.snapshot {
            Ok(()) => Snapshot { state: "taken", why: None },
            Err(refusal) => refused(refusal.code(), refusal.to_string()),
        },
        Err(error) => refused("unknown", error.to_string()),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let most = MAX_PACK_SIZE as u64;
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(most + 1).read_to_end(&mut bytes));
    read.map_err(|error| Failure::file("read", path, &error))?;
    if bytes.len() as u64 > most {
        return Err(Failure::new("pack", format!("more than {most} bytes, the most that a pack may have")).about(path));
    }
    Ok(bytes)
}
