//! `identity`: how the tenant of a request is found.

use super::{
    Identity, IdentityBy, Listener,
    context::{Context, Located},
    value::Value,
};
use crate::report::{hint, shown};

/// The variable that names the tenant of a node of one tenant: the platform's own name for it.
pub const TENANT_VARIABLE: &str = "DEFAULT_TENANT";

/// Ways to find the tenant that the design names and this build does not have.
const LATER: [&str; 1] = ["jwt"];
const WAYS: [(&str, IdentityBy); 3] = [("host", IdentityBy::Host), ("header", IdentityBy::Header), ("env", IdentityBy::Env)];

/// What could be read of `identity`, with what is needed to check it against the rest.
#[derive(Debug)]
pub(super) struct Draft {
    by: Vec<Located<IdentityBy>>,
    whole: Option<Identity>,
}

impl Draft {
    /// Whether tenants may share hosts. Something else must then tell them apart; where `identity` cannot be read, nothing is said of it.
    pub(super) fn shares_hosts(&self) -> bool {
        self.whole.is_none() || self.by.iter().any(|way| way.value != IdentityBy::Host)
    }

    /// Checks it against the listeners: only a trusted proxy may name a tenant.
    pub(super) fn check(&self, listeners: Option<&[Located<Listener>]>, context: &mut Context) {
        let Some(listeners) = listeners else { return };
        let header = self.by.iter().find(|way| way.value == IdentityBy::Header);
        if let Some(header) = header
            && listeners.iter().all(|listener| listener.value.trusted_proxies.is_empty())
        {
            let help = "list the proxies that set it under `trusted_proxies` of a listener".to_owned();
            context.report.add(
                &header.at,
                "`header` is set by trusted proxies, and no listener has any",
                Some(help),
            );
        }
    }

    /// All of it, if it could be read.
    pub(super) fn whole(self) -> Option<Identity> {
        self.whole
    }
}

/// Reads `identity`.
pub(super) fn read(value: Option<Value<'_>>, context: &mut Context) -> Draft {
    let mut draft = Draft {
        by: Vec::new(),
        whole: None,
    };
    let Some(value) = value else {
        draft.whole = Some(Identity::default());
        return draft;
    };
    let Some(fields) = value.fields("identity", context) else {
        return draft;
    };
    let mut env = fields.get("env");
    let by = match fields.get("by") {
        None => Some(vec![IdentityBy::Host]),
        Some(by) => by.some(context, |item, context| {
            let way = match settings(item, context)? {
                Some((name, value)) if name.value == "env" => {
                    if env.is_some() {
                        return value.refuse_with("the settings of `env` stand here twice", None, context);
                    }
                    env = Some(value);
                    IdentityBy::Env
                }
                Some((name, value)) => return refuse(&name, &value, context),
                None => item.word("identity", &WAYS, &LATER, context)?,
            };
            if let Some(first) = draft.by.iter().find(|first| first.value == way || first.value == IdentityBy::Env) {
                let message = match first.value {
                    same if same == way => format!("`{}` stands here twice", way.as_str()),
                    _ => "`env` always finds the tenant: what comes after it is never asked".to_owned(),
                };
                return item.refuse_with(message, None, context);
            }
            draft.by.push(Located {
                value: way,
                at: item.at.clone(),
            });
            Some(way)
        }),
    };
    let variable = match &env {
        None => Some(TENANT_VARIABLE.to_owned()),
        Some(value) => variable(value, context),
    };
    if let (Some(value), Some(by)) = (&env, &by)
        && !by.contains(&IdentityBy::Env)
    {
        value.refuse_with::<()>("`env` is not among `by`", None, context);
        return draft;
    }
    draft.whole = by.zip(variable).map(|(by, variable)| Identity { by, variable });
    draft
}

/// A way with settings of its own is a mapping of one key, as `{ env: { name: TENANT } }`.
fn settings<'n>(item: &Value<'n>, context: &mut Context) -> Option<Option<(Located<&'n str>, Value<'n>)>> {
    if !item.is_map() {
        return Some(None);
    }
    let mut entries = item.entries("a mapping", context)?;
    match (entries.pop(), entries.len()) {
        (Some(only), 0) => Some(Some(only)),
        _ => item.refuse("found a mapping of several ways, or of none", context),
    }
}

fn refuse<T>(name: &Located<&str>, value: &Value<'_>, context: &mut Context) -> Option<T> {
    let words = || WAYS.iter().map(|(word, _)| *word);
    let (message, help) = if LATER.contains(&name.value) {
        (format!("identity `{}` is not built yet", name.value), None)
    } else if words().any(|word| word == name.value) {
        (format!("`{}` has no settings", name.value), None)
    } else {
        (format!("unknown identity {}", shown(name.value)), Some(hint(name.value, words())))
    };
    value.refuse_with(message, help, context)
}

fn variable(value: &Value<'_>, context: &mut Context) -> Option<String> {
    let Some(name) = value.fields("identity.env", context)?.get("name") else {
        return Some(TENANT_VARIABLE.to_owned());
    };
    let read = |text: &str| {
        let fits = !text.is_empty() && !text.starts_with(|c: char| c.is_ascii_digit());
        let fits = fits && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        fits.then(|| text.to_owned()).ok_or("no name of an environment variable")
    };
    name.parse(read, context)
}
