//! The table of keys and the reading of them agree, key by key.

use crate::parse;
use serde_json::{Value, json};
use tollgate_config::manifest::keys::{self, Key, Preset};

/// A manifest in which every built key stands.
fn everything() -> Value {
    json!({
        "schema": "tollgate.environment/v1",
        "environment": "local",
        "listeners": [
            { "address": "127.0.0.1:0", "protocols": ["h1"], "trusted_proxies": ["10.0.0.0/8"], "proxy_protocol": true, "strict_sni": false, "tls": { "self_signed": ["localhost"] } },
            { "address": "127.0.0.1:0", "tls": { "certificates": [{ "cert": "a.pem", "key": "a.key" }] } },
        ],
        "admin": { "address": "127.0.0.1:0", "token": "env://TOKEN" },
        "store": { "kind": "sled", "path": "store" },
        "journal": { "path": "journal" },
        "cache": { "path": "cache", "loaded": "1GiB", "idle": "1h" },
        "trust": { "keys": ["a.pub"], "unsigned": "allow" },
        "identity": {
            "by": ["host", "header", "jwt", "env"],
            "env": { "name": "TENANT" },
            "jwt": { "jwks": "https://issuer/keys", "issuer": "i", "audience": "a", "algorithms": ["ES256"], "claim": "c" },
        },
        "tenants": { "acme": { "hosts": ["localhost"], "accounts": { "slack": ["T1"] }, "rate": { "requests": 100, "per": "1s", "burst": 200 } } },
        "endpoints": [{
            "id": "e", "tenant": "acme", "team": "t", "provider": "slack", "host": "localhost", "path": "/slack", "deployment": "d",
            "secrets": { "signing": [{ "ref": "env://SECRET", "not_after": "2030-01-01T00:00:00Z" }], "verify": "env://VERIFY" }, "options": { "raw": true }, "deliver": "respond",
            "rate": { "requests": 10, "per": "1m", "burst": 1 }, "allow_from": ["192.0.2.0/24", "::1"],
        }, {
            "id": "t", "tenant": "acme", "provider": "timer", "deployment": "d",
            "options": { "cron": "0 5 * * *", "timezone": "Europe/Berlin", "grace": "1h" },
        }],
        "deployments": [{
            "id": "d", "tenant": "acme", "routes": [{ "host": "localhost", "path": "/", "access": "public" }],
            "revisions": [{ "id": "r", "pack": "p.gtpack" }], "traffic": { "r": 10000 }, "allow_outbound": ["https://*"], "config": { "a": "b" }, "secrets": { "a": "env://A" },
            "limits": { "memory": "64MiB", "cpu": "50ms", "wall": "10s", "first_byte": "10s", "stall": "30s", "breaker": { "failures": 1, "window": "1s", "open": "1s" }, "reuse": { "requests": 2, "idle": "1s", "at_once": 1 }, "concurrency": 1, "queue": 1, "queue_wait": "1s", "body": "1MiB",
                "store": { "keys": 1, "bytes": "1MiB", "operations": 1, "rate": 1 } },
        }],
    })
}

/// The same, with this key in it: these two exclude each other.
fn everything_with(key: &Key) -> Value {
    let mut manifest = everything();
    if key.path() == "identity.jwt.keys" {
        let jwt = manifest["identity"]["jwt"].as_object_mut().unwrap();
        jwt.remove("jwks");
        jwt.insert("keys".to_owned(), json!(["issuer.pub"]));
    }
    manifest
}

/// The section that holds the key, and its path in errors. Of several items of a list, the one that has the key.
fn section<'v>(value: &'v mut Value, steps: &[&str], name: &str, path: String) -> Option<(&'v mut Value, String)> {
    let Some((step, rest)) = steps.split_first() else {
        return Some((value, path));
    };
    let (step, items) = step.split_once("[]").map_or((*step, false), |(step, _)| (step, true));
    let (key, value) = match step {
        "*" => value.as_object_mut()?.iter_mut().next().map(|(key, value)| (key.clone(), value))?,
        key => (key.to_owned(), value.get_mut(key)?),
    };
    let path = if path.is_empty() { key } else { format!("{path}.{key}") };
    if !items {
        return section(value, rest, name, path);
    }
    let items = value.as_array_mut()?;
    let pointer = |steps: &[&str]| {
        steps
            .iter()
            .map(|step| format!("/{}", step.replace("[]", "/0")))
            .collect::<String>()
    };
    let (inside, whole) = (pointer(rest), format!("{}/{name}", pointer(rest)));
    let holds = |pointer: &str| items.iter().position(|item| item.pointer(pointer).is_some());
    let index = holds(&whole).or_else(|| holds(&inside))?;
    section(items.get_mut(index)?, rest, name, format!("{path}[{index}]"))
}

/// The manifest with one key changed, and that key's path. `None` takes it away.
fn with(key: &Key, change: Option<Value>) -> (String, String) {
    let mut manifest = everything_with(key);
    let steps: Vec<_> = key.section.split('.').filter(|step| !step.is_empty()).collect();
    let Some((section, path)) = section(&mut manifest, &steps, key.name, String::new()) else {
        panic!("{} has no place", key.path())
    };
    let section = section.as_object_mut().unwrap();
    match change {
        Some(value) => section.insert(key.name.to_owned(), value),
        None => section.remove(key.name),
    };
    let path = if path.is_empty() {
        key.name.to_owned()
    } else {
        format!("{path}.{}", key.name)
    };
    (serde_json::to_string_pretty(&manifest).unwrap(), path)
}

#[test]
fn all_of_them_together_are_accepted() {
    parse(&everything().to_string()).unwrap();
}

#[test]
fn each_built_key_is_read() {
    for key in keys::all().iter().filter(|key| key.built) {
        let mut manifest = everything_with(key);
        let steps: Vec<_> = key.section.split('.').filter(|step| !step.is_empty()).collect();
        let holds = section(&mut manifest, &steps, key.name, String::new()).is_some_and(|(section, _)| section.get(key.name).is_some());
        assert!(holds, "{} stands in no manifest here", key.path());
        let (text, path) = with(key, Some(json!([[{ "odd": {} }]])));
        let errors = parse(&text).unwrap_err();
        assert!(
            errors.iter().any(|error| error.contains(&format!(" {path}"))),
            "{path} takes anything: {errors:?}"
        );
    }
}

#[test]
fn each_required_key_is_missed_and_no_other() {
    // These two exclude each other, and one must be there.
    let either = ["listeners[].tls.self_signed", "listeners[].tls.certificates"];
    for key in keys::all().iter().filter(|key| key.built && !either.contains(&key.path().as_str())) {
        let (text, path) = with(key, None);
        let result = parse(&text);
        if matches!(key.default, Preset::Required) {
            let wanted = format!(" {path}: `{}` is missing", key.name);
            assert!(
                result.unwrap_err().iter().any(|error| error.contains(&wanted)),
                "{path} is not missed"
            );
        } else {
            // What refers to it may miss it, as an endpoint its tenant.
            let errors = result.err().unwrap_or_default();
            assert!(
                !errors.iter().any(|error| error.contains("is missing")),
                "{path} has a default: {errors:?}"
            );
        }
    }
}

#[test]
fn each_key_that_is_not_built_says_so() {
    let later: Vec<_> = keys::all().iter().filter(|key| !key.built).collect();
    assert!(!later.is_empty());
    for key in later {
        let (text, path) = with(key, Some(json!({})));
        let errors = parse(&text).unwrap_err();
        let wanted = format!(" {path}: `{}` is not built yet", key.name);
        assert!(matches!(errors.as_slice(), [only] if only.contains(&wanted)), "{path}: {errors:?}");
    }
}
