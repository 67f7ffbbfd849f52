//! `listeners` and `admin`.

use super::{
    Admin, Certificate, Listener, Protocol, Tls,
    context::{Context, Located},
    value::Value,
};
use crate::{
    SecretRef,
    pattern::{HostPattern, IpNet},
    reference::ACCEPTED,
};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

/// Where the operator's listener is when the manifest does not say: a free port, which the ready line names, so that a second gateway on the
/// machine starts too; on loopback, so that it needs no token.
pub const ADMIN_ADDRESS: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0));

/// Reads one listener.
pub(super) fn read(value: &Value<'_>, context: &mut Context) -> Option<Located<Listener>> {
    let fields = value.fields("listeners[]", context)?;
    let address = fields.need("address", context);
    let at = address.as_ref().map(|address| address.at.clone());
    let address = address.and_then(|value| socket(&value, context));
    let certificates = match fields.get("tls") {
        Some(value) => tls(&value, context).map(Some),
        None => Some(None),
    };
    let protocols = match fields.get("protocols") {
        Some(value) => protocols(&value, context),
        None => Some(vec![Protocol::H1, Protocol::H2]),
    };
    let trusted_proxies = match fields.get("trusted_proxies") {
        Some(value) => nets(&value, context),
        None => Some(Vec::new()),
    };
    let proxy_protocol = match fields.get("proxy_protocol") {
        Some(value) => match value.boolean(context) {
            Some(true) if trusted_proxies.as_ref().is_some_and(Vec::is_empty) => {
                let help = "list the proxies: a header from anyone else is a lie".to_owned();
                value.refuse_with("`proxy_protocol` needs `trusted_proxies`", help, context)
            }
            proxied => proxied,
        },
        None => Some(false),
    };
    let strict_sni = match fields.get("strict_sni") {
        Some(value) => match value.boolean(context) {
            Some(true) if fields.get("tls").is_none() => value.refuse_with("`strict_sni` needs `tls`", None, context),
            strict => strict,
        },
        None => Some(false),
    };
    Some(Located {
        value: Listener {
            address: address?,
            tls: certificates?,
            protocols: protocols?,
            trusted_proxies: trusted_proxies?,
            proxy_protocol: proxy_protocol?,
            strict_sni: strict_sni?,
            place: context.report.place(&value.at),
        },
        at: at?,
    })
}

fn socket(value: &Value<'_>, context: &mut Context) -> Option<SocketAddr> {
    value.parse(|text| text.parse::<SocketAddr>().map_err(|_| "no IP address and port"), context)
}

/// Networks.
pub(super) fn nets(value: &Value<'_>, context: &mut Context) -> Option<Vec<IpNet>> {
    let items = value.list(context)?;
    let nets: Vec<_> = items.iter().map(|item| item.parse(IpNet::parse, context)).collect();
    nets.into_iter().collect()
}

fn protocols(value: &Value<'_>, context: &mut Context) -> Option<Vec<Protocol>> {
    let built = [("h1", Protocol::H1), ("h2", Protocol::H2)];
    let mut seen = Vec::new();
    value.some(context, |item, context| {
        let protocol = item.word("protocol", &built, &["h3"], context)?;
        if seen.contains(&protocol) {
            return item.refuse_with(format!("`{}` stands here twice", protocol.as_str()), None, context);
        }
        seen.push(protocol);
        Some(protocol)
    })
}

fn tls(value: &Value<'_>, context: &mut Context) -> Option<Tls> {
    let fields = value.fields("listeners[].tls", context)?;
    match (fields.get("self_signed"), fields.get("certificates")) {
        (Some(names), None) => {
            if context.local == Some(false) {
                names.refuse_with::<()>(
                    "self-signed certificates are for environment `local` alone",
                    "use `certificates`".to_owned(),
                    context,
                );
            }
            names.some(context, name).map(Tls::SelfSigned)
        }
        (None, Some(certificates)) => certificates.some(context, certificate).map(Tls::Certificates),
        (Some(_), Some(second)) => second.refuse_with("`self_signed` and `certificates` exclude each other", None, context),
        (None, None) => value.refuse("found neither `self_signed` nor `certificates`", context),
    }
}

/// A name for a certificate: an address loses its brackets.
fn name(value: &Value<'_>, context: &mut Context) -> Option<String> {
    let pattern = value.parse(HostPattern::parse, context)?;
    match pattern {
        HostPattern::Any => value.refuse_with(
            "`*` is no name for a certificate",
            "name the hosts, or `*.suffix`".to_owned(),
            context,
        ),
        pattern => Some(pattern.to_string().trim_matches(['[', ']']).to_owned()),
    }
}

fn certificate(value: &Value<'_>, context: &mut Context) -> Option<Certificate> {
    let fields = value.fields("listeners[].tls.certificates[]", context)?;
    let cert = fields.need("cert", context).and_then(|value| value.path(context));
    let key = fields.need("key", context).and_then(|value| value.path(context));
    Some(Certificate { cert: cert?, key: key? })
}

/// Reads `admin`.
pub(super) fn admin(value: Option<Value<'_>>, context: &mut Context) -> Option<Located<Admin>> {
    let Some(value) = value else {
        let (address, token) = (ADMIN_ADDRESS, None);
        return Some(Located {
            value: Admin { address, token },
            at: crate::report::At::top(),
        });
    };
    let fields = value.fields("admin", context)?;
    let given = fields.get("address");
    let at = given.as_ref().map_or_else(|| value.at.clone(), |given| given.at.clone());
    let address = given.as_ref().map_or(Some(ADMIN_ADDRESS), |given| socket(given, context));
    let token = match fields.get("token") {
        Some(value) => reference(&value, context).map(Some),
        None => Some(None),
    };
    if let (Some(address), Some(None), Some(given)) = (address, &token, &given)
        && !address.ip().to_canonical().is_loopback()
    {
        let help = "add `token`, or listen on 127.0.0.1 or [::1]".to_owned();
        return given.refuse_with(format!("`{address}` is no loopback address, and there is no token"), help, context);
    }
    Some(Located {
        value: Admin {
            address: address?,
            token: token?,
        },
        at,
    })
}

/// Reads a reference to a secret; what else stood there is not shown.
pub(super) fn reference(value: &Value<'_>, context: &mut Context) -> Option<SecretRef> {
    let text = value.text(context)?;
    match SecretRef::parse(text, &context.root) {
        Ok(reference) => Some(reference),
        Err(error) => value.refuse_with(error.to_string(), format!("accepted: {ACCEPTED}"), context),
    }
}
