//! `tenants`.

use super::{
    Provider, Tenant,
    context::{Context, Located},
    rate,
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
    /// Its accounts, each at its place; `None` when they are unreadable.
    pub(super) accounts: Option<Vec<(Provider, Located<String>)>>,
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
        accounts: None,
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
    draft.accounts = match fields.get("accounts") {
        Some(value) => accounts(&value, context),
        None => Some(Vec::new()),
    };
    let rate = match fields.get("rate") {
        Some(value) => rate::read(&value, "tenants.*.rate", context).map(Some),
        None => Some(None),
    };
    if let (Some(own), Some(rate), false) = (&draft.accounts, rate, draft.hosts_broken) {
        let mut accounts: BTreeMap<Provider, Vec<String>> = BTreeMap::new();
        for (provider, account) in own {
            accounts.entry(*provider).or_default().push(account.value.clone());
        }
        draft.whole = Some(Tenant {
            id,
            hosts: draft.hosts.iter().map(|host| host.value.clone()).collect(),
            accounts,
            rate,
            place: context.report.place(&name.at),
        });
    }
    draft
}

fn accounts(value: &Value<'_>, context: &mut Context) -> Option<Vec<(Provider, Located<String>)>> {
    let entries = value.entries("a list of at least one account id", context)?;
    let accounts: Vec<_> = entries
        .into_iter()
        .map(|(name, ids)| {
            let provider = super::endpoint::provider(&name, context);
            let ids = ids.some(context, |item, context| match item.text(context)? {
                "" => item.refuse_with("an account id must not be empty", None, context),
                text => Some(Located {
                    value: text.to_owned(),
                    at: item.at.clone(),
                }),
            });
            let provider = provider?;
            Some(ids?.into_iter().map(move |id| (provider, id)))
        })
        .collect();
    accounts
        .into_iter()
        .collect::<Option<Vec<_>>>()
        .map(|all| all.into_iter().flatten().collect())
}
