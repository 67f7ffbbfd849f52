//! From a file or a text to an [`Environment`].

use super::{Environment, context::Context, deployment, endpoint, identity, links, listener, storage, tenant, value::Value};
use crate::{
    EnvId, ManifestErrors,
    report::{At, Report, shown},
    tree,
};
use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

/// Largest manifest, in bytes: 2,000 deployments written out take about 1 MiB.
pub const MAX_FILE_LEN: usize = 4 << 20;
/// What `schema` must say.
pub const SCHEMA: &str = "tollgate.environment/v1";

impl Environment {
    /// Reads a manifest. Relative paths in it start at its folder.
    ///
    /// # Errors
    /// All that is wrong with it, in its own order; or why it cannot be read.
    pub fn read(path: &Path) -> Result<Self, ManifestErrors> {
        let mut report = Report::new(path.to_owned());
        let text = match bytes(path) {
            Ok(bytes) => text(bytes, &mut report),
            Err(error) => {
                report.add(&At::top(), format!("the manifest cannot be read: {error}"), None);
                None
            }
        };
        let root = match std::path::absolute(path) {
            Ok(path) => folder(&path),
            Err(error) => {
                report.add(&At::top(), format!("the manifest's folder is not known: {error}"), None);
                PathBuf::new()
            }
        };
        match text {
            Some(text) => environment(&text, report, root),
            None => Err(report.finish()),
        }
    }

    /// Reads a manifest's text; `file` names it in errors, and relative paths start at its folder. Does no I/O and never panics.
    ///
    /// # Errors
    /// All that is wrong with it, in its own order.
    pub fn parse(text: &str, file: &Path) -> Result<Self, ManifestErrors> {
        environment(text, Report::new(file.to_owned()), folder(file))
    }
}

fn folder(file: &Path) -> PathBuf {
    file.parent().unwrap_or(Path::new("")).to_owned()
}

/// The file's bytes, and at most one more than is taken: a device or a growing file ends too.
fn bytes(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let most = u64::try_from(MAX_FILE_LEN).unwrap_or(u64::MAX).saturating_add(1);
    File::open(path)?.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn text(bytes: Vec<u8>, report: &mut Report) -> Option<String> {
    match String::from_utf8(bytes) {
        Ok(text) => Some(text),
        Err(error) => {
            let valid = error.as_bytes().get(..error.utf8_error().valid_up_to()).unwrap_or_default();
            let valid = String::from_utf8_lossy(valid);
            let line = valid.matches('\n').count() + 1;
            let column = valid.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
            let at = At { line, column, ..At::top() };
            report.add(&at, "this is no UTF-8", None);
            None
        }
    }
}

fn environment(text: &str, mut report: Report, root: PathBuf) -> Result<Environment, ManifestErrors> {
    if text.len() > MAX_FILE_LEN {
        report.add(&At::top(), format!("the manifest is larger than {} MiB", MAX_FILE_LEN >> 20), None);
        return Err(report.finish());
    }
    let Some(tree) = tree::load(text, &mut report) else {
        return Err(report.finish());
    };
    let mut context = Context { report, root, local: None };
    match top(&Value::top(&tree), &mut context) {
        Some(environment) if context.report.is_empty() => Ok(environment),
        _ => {
            if context.report.is_empty() {
                context.report.add(&At::top(), "the manifest could not be understood", None);
            }
            Err(context.report.finish())
        }
    }
}

/// Every part is read and all that refers to another is checked, however much is wrong elsewhere; only then is anything made of it.
fn top(value: &Value<'_>, context: &mut Context) -> Option<Environment> {
    let fields = value.fields("", context)?;
    let schema = fields.need("schema", context).and_then(|value| schema(&value, context));
    let id = fields
        .need("environment", context)
        .and_then(|value| value.parse(EnvId::new, context));
    context.local = id.as_ref().map(EnvId::is_local);
    let listeners = fields.need("listeners", context);
    let listeners = listeners.and_then(|value| value.some(context, listener::read));
    let admin = listener::admin(fields.get("admin"), context);
    let store = storage::store(fields.get("store"), context);
    let journal = storage::journal(fields.get("journal"), store.as_ref(), context);
    let cache = storage::cache(fields.get("cache"), store.as_ref(), context);
    let trust = storage::trust(fields.get("trust"), context);
    let identity = identity::read(fields.get("identity"), context);
    let tenants = tenant::read(fields.get("tenants"), context);
    let endpoints = endpoint::read(fields.get("endpoints"), context);
    let deployments = deployment::read(fields.get("deployments"), context);
    links::addresses(listeners.as_deref().unwrap_or_default(), admin.as_ref(), context);
    identity.check(listeners.as_deref(), endpoints.as_deref(), deployments.as_deref(), context);
    let endpoints_read = endpoints.as_deref().unwrap_or_default();
    links::check(&tenants, identity.shares_hosts(), endpoints_read, deployments.as_deref(), context);
    schema?;
    let (endpoints, timers) = endpoint::whole(endpoints?)?;
    Some(Environment {
        id: id?,
        root: context.root.clone(),
        listeners: listeners?.into_iter().map(|listener| listener.value).collect(),
        admin: admin?.value,
        store: store?,
        journal: journal?,
        cache: cache?,
        trust: trust?,
        identity: identity.whole()?,
        tenants: tenants.whole()?,
        endpoints,
        timers,
        deployments: deployments?.into_iter().map(|draft| draft.whole).collect::<Option<_>>()?,
    })
}

fn schema(value: &Value<'_>, context: &mut Context) -> Option<()> {
    let found = value.text(context)?;
    if found == SCHEMA {
        Some(())
    } else {
        value.refuse(format!("found {}", shown(found)), context)
    }
}
