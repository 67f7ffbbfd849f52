//! `tenants`.

use super::{
    Provider, Tenant,
    context::{Context, Located},
    value::Value,
};
use crate::{TenantId, pattern::HostPattern};
use std::collections::BTreeMap;

/// What could be read of the tenants.
#[derive(Debug, Default)]
pub(super) struct Tenants {
    pub(super) drafts: Vec<Draft>,
    /// The list itself is unreadable: nothing can be said about what refers to it.
    pub(super) broken: bool,
}

/// What could be read of one tenant.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) id: TenantId,
    pub(super) hosts: Vec<Located<HostPattern>>,
    /// Some of its hosts are unreadable.
    pub(super) hosts_broken: bool,
    whole: Option<Tenant>,
}

impl Tenants {
    /// The tenants, if each could be read.
    pub(super) fn whole(self) -> Option<BTreeMap<TenantId, Tenant>> {
        self.drafts.into_iter().map(|draft| Some((draft.id, draft.whole?))).collect()
    }
}

/// Reads `tenants`.
pub(super) fn read(value: Option<Value<'_>>, context: &mut Context) -> Tenants {
    let Some(value) = value else { return Tenants::default() };
    let Some(entries) = value.entries("a mapping of `hosts` and `accounts`", context) else {
        return Tenants {
            broken: true,
            ..Tenants::default()
        };
    };
    let mut tenants = Tenants::default();
    for (name, value) in entries {
        let id = match TenantId::new(name.value) {
            Ok(id) => id,
            Err(error) => {
                context.report.add(&name.at, error.to_string(), None);
                continue;
            }
        };
        tenants.drafts.push(tenant(id, &name, &value, context));
    }
    tenants
}

fn tenant(id: TenantId, name: &Located<&str>, value: &Value<'_>, context: &mut Context) -> Draft {
    let mut draft = Draft {
        id: id.clone(),
        hosts: Vec::new(),
        hosts_broken: true,
        whole: None,
    };
    let Some(fields) = value.fields("tenants.*", context) else {
        return draft;
    };
    if let Some(hosts) = fields.need("hosts", context) {
        let whole = hosts.some(context, |item, context| {
            let pattern = item.parse(HostPattern::parse, context)?;
            draft.hosts.push(Located {
                value: pattern.clone(),
                at: item.at.clone(),
            });
            Some(pattern)
        });
        draft.hosts_broken = whole.is_none();
    }
    let accounts = match fields.get("accounts") {
        Some(value) => accounts(&value, context),
        None => Some(BTreeMap::new()),
    };
    if let (Some(accounts), false) = (accounts, draft.hosts_broken) {
        draft.whole = Some(Tenant {
            id,
            hosts: draft.hosts.iter().map(|host| host.value.clone()).collect(),
            accounts,
            place: context.report.place(&name.at),
        });
    }
    draft
}

fn accounts(value: &Value<'_>, context: &mut Context) -> Option<BTreeMap<Provider, Vec<String>>> {
    let entries = value.entries("a list of at least one account id", context)?;
    let accounts: Vec<_> = entries
        .into_iter()
        .map(|(name, ids)| {
            let provider = super::endpoint::provider(&name, context);
            let ids = ids.some(context, |item, context| match item.text(context)? {
                "" => item.refuse_with("an account id must not be empty", None, context),
                text => Some(text.to_owned()),
            });
            Some((provider?, ids?))
        })
        .collect();
    accounts.into_iter().collect()
}
