//! The manifest's keys: one table, from which unknown keys are told and the documents are made.

use super::{BreakerLimits, Limits, Rate, ReuseLimits, StoreLimits, identity, limits::shown_range, listener, storage, timer};
use crate::{reference, unit::ShownDuration};
use std::fmt::Write;

/// One key of the manifest.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// The section that it stands in, as `deployments[].limits`; empty for the top. `[]` is any item of a list, `*` any key that the operator chooses.
    pub section: &'static str,
    /// The key itself.
    pub name: &'static str,
    /// What may stand there.
    pub accepts: &'static str,
    /// What holds without it.
    pub default: Preset,
    /// What it does.
    pub what: &'static str,
    /// Whether this build has it; one that has not is an error in a manifest.
    pub built: bool,
}

/// What holds where a key is absent.
#[derive(Debug, Clone, Copy)]
pub enum Preset {
    /// It must be there.
    Required,
    /// In words.
    Words(&'static str),
    /// This value, from the code that uses it.
    Value(fn() -> String),
    /// This range and value, from the code that uses them.
    Within {
        /// The value.
        value: fn() -> String,
        /// Least and greatest value.
        range: fn() -> String,
    },
}

impl Key {
    /// From the root, as `deployments[].limits.cpu`.
    pub fn path(&self) -> String {
        if self.section.is_empty() {
            self.name.to_owned()
        } else {
            format!("{}.{}", self.section, self.name)
        }
    }
}

/// All keys, section by section.
pub fn all() -> &'static [Key] {
    KEYS
}

pub(super) fn of_section(section: &str) -> impl Iterator<Item = &'static Key> + Clone {
    KEYS.iter().filter(move |key| key.section == section)
}

pub(super) fn find(section: &str, name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name && key.section == section)
}

/// The reference as a table in Markdown, section by section.
pub fn markdown() -> String {
    let mut out = String::new();
    let mut section = None;
    for key in KEYS {
        if section != Some(key.section) {
            section = Some(key.section);
            let title = if key.section.is_empty() {
                "The file".to_owned()
            } else {
                format!("`{}`", key.section)
            };
            // Writing to a `String` does not fail.
            let _ = write!(
                out,
                "\n## {title}\n\n| key | accepted | default | what it does |\n|---|---|---|---|\n"
            );
        }
        let default = match key.default {
            _ if !key.built => "not built yet".to_owned(),
            Preset::Required => "required".to_owned(),
            Preset::Words(words) => words.to_owned(),
            Preset::Value(value) => format!("`{}`", value()),
            Preset::Within { value, range } => format!("`{}`, within {}", value(), range()),
        };
        let _ = writeln!(
            out,
            "| `{}` | {} | {default} | {} |",
            key.name,
            key.accepts.replace('|', "\\|"),
            key.what.replace('|', "\\|")
        );
    }
    out
}

const fn key(section: &'static str, name: &'static str, accepts: &'static str, default: Preset, what: &'static str) -> Key {
    Key {
        section,
        name,
        accepts,
        default,
        what,
        built: true,
    }
}

/// A key of the design whose part is not built.
const fn later(section: &'static str, name: &'static str, accepts: &'static str, what: &'static str) -> Key {
    Key {
        section,
        name,
        accepts,
        default: Preset::Words("none"),
        what,
        built: false,
    }
}

const SIZE: &str = "a size with its unit: `512B`, `64KiB`, `1MiB`, `1GiB`";
const DURATION: &str = "a duration with its unit: `50ms`, `10s`, `1m`, `1h`";
const COUNT: &str = "a whole number";
const PATH: &str = "a path, from the manifest's folder";
/// What stands under a key that the operator chooses.
pub(super) const SCALAR: &str = "a text, a number, `true` or `false`";
const ID: &str = "1 to 64 ASCII letters, digits, `.`, `_`, `-`";
const HOST: &str = "a host, `*.suffix` or `*`, without a port";
const PREFIX: &str = "a path that starts with `/`, such as `/slack/events`";

use Preset::{Required, Value, Within, Words};

#[rustfmt::skip]
const KEYS: &[Key] = &[
    key("", "schema", "`tollgate.environment/v1`", Required, "the version of this format"),
    key("", "environment", ID, Required, "the name of the environment; `local` alone may have self-signed certificates and unsigned packs"),
    key("", "listeners", "a list of at least one listener", Required, "the public addresses"),
    key("", "admin", "a mapping of `address` and `token`", Value(|| format!("{{ address: {} }}", listener::ADMIN_ADDRESS)), "the operator's own listener"),
    key("", "store", "a mapping of `kind` and `path`", Value(|| format!("{{ kind: sled, path: {} }}", storage::STORE_PATH)), "where sessions and workers' state live"),
    key("", "journal", "a mapping of `path`", Words("beside the sled path; in memory when the store is"), "where promises are kept, such as which deliveries are done"),
    key("", "cache", "a mapping of `path`, `loaded`, `idle`", Words("`cache` beside the sled path; none when the store is in memory"), "compiled workers, kept over restarts"),
    key("", "trust", "a mapping of `keys` and `unsigned`", Words("nothing is trusted: no pack runs"), "whose packs may run"),
    key("", "identity", "a mapping of `by` and the ways' settings", Value(|| "{ by: [host] }".to_owned()), "how the tenant of a request is found"),
    key("", "tenants", "a mapping from tenant ids to tenants", Words("no tenants"), "the customers of the platform"),
    key("", "endpoints", "a list of endpoints", Words("no endpoints"), "provider instances, each at its host and path"),
    key("", "deployments", "a list of deployments", Words("no deployments"), "the tenants' uses of packs"),

    key("listeners[]", "address", "an IP address and a port, such as `127.0.0.1:8443` or `[::]:443`; port 0 takes a free one", Required, "where to listen"),
    key("listeners[]", "tls", "a mapping of either `self_signed` or `certificates`", Words("plaintext: for tests, or behind a proxy"), "TLS and its certificates"),
    key("listeners[]", "protocols", "a list of `h1`, `h2`", Value(|| "[h1, h2]".to_owned()), "the versions of HTTP that are spoken"),
    key("listeners[]", "trusted_proxies", "a list of IP addresses and networks, such as `10.0.0.0/8`", Words("no one"), "peers that may set `Forwarded` and `X-Forwarded-*`; from all others these are removed"),
    key("listeners[]", "strict_sni", "`true` or `false`, with `tls`", Value(|| "false".to_owned()), "refuse a TLS client that names no host or an unknown one; otherwise it gets the first certificate"),
    key("listeners[]", "proxy_protocol", "`true` or `false`, with `trusted_proxies`", Value(|| "false".to_owned()), "every connection begins with a PROXY header (version 1 or 2) that names the client; others than trusted proxies are closed"),

    key("listeners[].tls", "self_signed", "a list of host names and addresses, in environment `local`", Words("none"), "make a certificate for these names at start"),
    key("listeners[].tls", "certificates", "a list of `{ cert, key }`", Words("none"), "certificates from files; the first one answers clients that name no host or an unknown one"),
    later("listeners[].tls", "acme", "a mapping", "certificates by ACME"),
    later("listeners[].tls", "client_ca", "a path", "client certificates, for routes with `access: mtls`"),
    key("listeners[].tls.certificates[]", "cert", PATH, Required, "PEM file of the chain, leaf first"),
    key("listeners[].tls.certificates[]", "key", PATH, Required, "PEM file of the private key"),

    key("admin", "address", "an IP address and a port, such as `127.0.0.1:9901`; port 0 takes a free one", Value(|| listener::ADMIN_ADDRESS.to_string()), "where to listen"),
    key("admin", "token", reference::ACCEPTED, Words("none: only on a loopback address"), "the secret that callers present as `Authorization: Bearer`"),

    key("store", "kind", "`sled` or `memory`", Value(|| "sled".to_owned()), "an embedded database in a folder, or memory that is gone with the process"),
    key("store", "path", "a path, from the manifest's folder, with `kind: sled`", Value(|| storage::STORE_PATH.to_owned()), "the sled database's folder"),
    later("store", "url", "a reference to a `redis://` URL", "a Redis server that several gateways share"),
    key("journal", "path", PATH, Required, "the journal's folder"),
    key("cache", "path", PATH, Required, "the cache's folder; its owner alone may read it"),
    key("cache", "loaded", SIZE, Value(|| storage::CACHE_LOADED.to_string()), "most compiled workers in memory, in bytes as they lie in the cache; the one that was not called for longest leaves, and comes back with its next call"),
    key("cache", "idle", DURATION, Value(|| ShownDuration(storage::CACHE_IDLE).to_string()), "a worker that was not called for so long leaves memory, and comes back with its next call"),

    key("trust", "keys", "a list of paths, from the manifest's folder", Words("none"), "public keys of publishers, SPKI PEM files of Ed25519 keys"),
    key("trust", "unsigned", "`allow`, in environment `local`", Words("unsigned packs are refused"), "run packs that nobody signed"),

    key("identity", "by", "a list of `host`, `header`, `env`, `jwt`, each at most once", Value(|| "[host]".to_owned()), "in which order the tenant is looked for; the first way that finds one wins"),
    key("identity", "env", "a mapping of `name`, with `env` among `by`", Words("the variable's own name"), "the tenant from the gateway's environment; it always finds one, so it is the last of `by`"),
    key("identity", "jwt", "a mapping of `jwks` or `keys`, `issuer`, `audience`, `algorithms`, `claim`", Words("no tokens"), "callers' bearer tokens, for `jwt` among `by` and for routes with `access: jwt`"),
    key("identity.env", "name", "the name of an environment variable", Value(|| identity::TENANT_VARIABLE.to_owned()), "which variable holds the tenant's id"),
    key("identity.jwt", "jwks", "an `https://` URL (`http://` on a loopback address)", Words("none: then `keys`"), "where the issuer publishes its keys: a JWKS, or its OpenID metadata"),
    key("identity.jwt", "keys", "a list of paths, from the manifest's folder", Words("none: then `jwks`"), "the issuer's public keys, SPKI PEM files of one key each"),
    key("identity.jwt", "issuer", "a text", Required, "what `iss` must be, exactly"),
    key("identity.jwt", "audience", "a text, or a list of at least one", Required, "what `aud` must be, or have in it, exactly"),
    key("identity.jwt", "algorithms", "a list of `RS256`, `PS256`, `ES256`, `EdDSA`", Value(|| "[RS256]".to_owned()), "how tokens may be signed"),
    key("identity.jwt", "claim", "a text", Value(|| identity::TENANT_CLAIM.to_owned()), "the claim that names the tenant, a text"),

    key("tenants.*", "hosts", "a list of at least one host: exact, `*.suffix` (one or more labels) or `*`, without a port", Required, "hosts that belong to the tenant; the most specific pattern of all tenants wins. Two tenants may have the same one where `identity` has another way than `host`"),
    key("tenants.*", "accounts", "a mapping from providers to lists of account ids", Words("every account"), "provider accounts that belong to the tenant; deliveries of others are acknowledged and not run"),
    key("tenants.*", "rate", "a mapping of `requests`, `per` and `burst`", Words("without a limit"), "how often the tenant's workers may be called, over all its endpoints and routes; beyond it 429"),

    key("tenants.*.rate", "requests", COUNT, Required, "requests in the time, refilled evenly"),
    key("tenants.*.rate", "per", DURATION, Within { value: || ShownDuration(Rate::PER).to_string(), range: || shown_range(&Rate::PER_RANGE, |d| ShownDuration(*d).to_string()) }, "the time"),
    key("tenants.*.rate", "burst", COUNT, Within { value: || "requests".to_owned(), range: || shown_range(&Rate::REQUESTS_RANGE, ToString::to_string) }, "requests at once"),

    key("endpoints[]", "id", ID, Required, "its name, once among the endpoints"),
    key("endpoints[]", "tenant", "the id of one of `tenants`; left out where `deployment` is a mapping", Required, "whose deliveries these are"),
    key("endpoints[]", "team", ID, Words("none"), "the team within the tenant"),
    key("endpoints[]", "provider", "`slack`, `telegram`, `teams`, `teams-outgoing`, `webex`, `whatsapp`, `messenger`, `instagram`, `github`, `gitlab`, `gitea`, `bitbucket`, `stripe`, `paypal`, `shopify`, `twilio`, `discord`, `line`, `standard-webhooks`, `zoom`, `linear`, `sendgrid`, `hmac`, `http-signature`, `webhook` or `webchat`; or `timer`", Required, "which scheme verifies; a `timer` is called by nobody and ticks by itself: it has no `host`, `path`, `secrets`, `deliver`, `rate` and `allow_from`"),
    key("endpoints[]", "host", HOST, Words("the tenant's hosts, or those of all its tenants"), "a host of its own, within the tenant's"),
    key("endpoints[]", "path", PREFIX, Required, "a prefix by whole segments; the longest wins"),
    key("endpoints[]", "deployment", "the id of one of the tenant's `deployments`, or a mapping from tenants to theirs", Required, "what runs; a mapping makes an endpoint that several tenants share, whose `accounts` with the provider choose"),
    key("endpoints[]", "secrets", "a mapping of `signing` and `verify`", Required, "what verifies deliveries; `teams` and `paypal` publish their keys and need none"),
    key("endpoints[]", "options", "a mapping from options to texts, numbers, `true` or `false`", Words("the provider's own"), "what is not secret; `tollgate providers` lists each provider's"),
    key("endpoints[]", "deliver", "`respond`", Value(|| "respond".to_owned()), "when the provider is answered: with the worker's answer"),
    key("endpoints[]", "rate", "a mapping of `requests`, `per` and `burst`", Words("without a limit"), "how often it may be called; beyond it 429, before anything is verified"),
    key("endpoints[]", "allow_from", "a list of IP addresses and networks, such as `192.0.2.0/24`", Words("everyone"), "who may call it, by the connection's address or a PROXY header's, never by `X-Forwarded-For`"),

    key("endpoints[].rate", "requests", COUNT, Required, "requests in the time, refilled evenly"),
    key("endpoints[].rate", "per", DURATION, Within { value: || ShownDuration(Rate::PER).to_string(), range: || shown_range(&Rate::PER_RANGE, |d| ShownDuration(*d).to_string()) }, "the time"),
    key("endpoints[].rate", "burst", COUNT, Within { value: || "requests".to_owned(), range: || shown_range(&Rate::REQUESTS_RANGE, ToString::to_string) }, "requests at once"),

    key("endpoints[].options", "cron", "`second minute hour day month weekday`, such as `0 */5 * * * *`; with five fields at second 0", Required, "of a `timer`: when it ticks"),
    key("endpoints[].options", "timezone", "a name of the IANA time zone database, such as `Europe/Berlin`", Value(|| timer::ZONE.to_owned()), "of a `timer`: whose clock `cron` reads"),
    key("endpoints[].options", "grace", DURATION, Within { value: || ShownDuration(timer::GRACE).to_string(), range: || shown_range(&timer::GRACE_RANGE, |d| ShownDuration(*d).to_string()) }, "of a `timer`: how late the newest tick that was missed still runs, after a restart or a jump of the clock; `0ms`: missed is missed"),

    key("endpoints[].secrets", "signing", "a list of references to secrets (`env://NAME`, `file://PATH`, or `{ ref, not_after }`), or one of them", Required, "verification keys, the newest first; each of them opens; `teams` and `paypal` have none"),
    key("endpoints[].secrets", "verify", reference::ACCEPTED, Words("none: a handshake with a token is refused"), "the token that the provider shows in its handshake"),
    later("endpoints[].secrets", "token", "a reference", "the token for calls of the provider's API"),
    key("endpoints[].secrets.signing[]", "ref", reference::ACCEPTED, Required, "where the secret lies"),
    key("endpoints[].secrets.signing[]", "not_after", "a time such as `2026-01-31T00:00:00Z` (RFC 3339)", Words("for ever"), "when the secret stops opening"),

    key("deployments[]", "id", ID, Required, "its name, once among the deployments"),
    key("deployments[]", "tenant", "the id of one of `tenants`", Required, "whose it is"),
    key("deployments[]", "routes", "a list of `{ host, path, access }`", Words("none"), "HTTP without a provider"),
    key("deployments[]", "revisions", "a list of at least one `{ id, pack }`", Required, "immutable snapshots, of which `traffic` names the one that runs"),
    key("deployments[]", "traffic", "a mapping from revision ids to basis points that sum to 10000", Words("all of it to the one revision"), "how much each revision gets; in this build one has all"),
    key("deployments[]", "limits", "a mapping of limits", Words("the limits' own"), "what one call may use"),
    key("deployments[]", "allow_outbound", "a list of `scheme://host[:port]`: `http` or `https`; an exact host, `*.suffix`, `*` (any name, never an address), an address or a network", Words("nowhere"), "where the worker may call out to"),
    key("deployments[]", "config", "a mapping from keys to texts, numbers, `true` or `false`", Words("empty"), "what `wasi:config/store` answers, as text; `runtime://tenant`, `runtime://environment`, `runtime://deployment` and `runtime://revision` stand for these ids"),
    key("deployments[]", "secrets", "a mapping from names to references (`env://NAME` or `file://PATH`)", Words("none"), "the secrets that the worker may use by name, as `secret://NAME` in a header field of a call out"),

    key("deployments[].routes[]", "host", HOST, Required, "within the tenant's hosts"),
    key("deployments[].routes[]", "path", PREFIX, Required, "a prefix by whole segments; the longest wins, and it is not stripped"),
    key("deployments[].routes[]", "access", "`public` or `jwt`", Required, "who may call: anyone, or who has a token for this tenant, as `identity.jwt` says; there is no default"),

    key("deployments[].revisions[]", "id", ID, Required, "its name, once in the deployment"),
    key("deployments[].revisions[]", "pack", "the path of a `.gtpack` file, from the manifest's folder", Required, "what runs"),
    later("deployments[].revisions[]", "overlays", "a list of packs", "packs laid over the main one"),
    later("deployments[].revisions[]", "config", "a mapping", "configuration of a revision of its own"),
    later("deployments[].revisions[]", "state_version", "an id", "state that revisions share"),

    key("deployments[].limits", "memory", SIZE, Within { value: || Limits::MEMORY.to_string(), range: || shown_range(&Limits::MEMORY_RANGE, ToString::to_string) }, "the sum of a call's linear memories and tables"),
    key("deployments[].limits", "cpu", DURATION, Within { value: || ShownDuration(Limits::CPU).to_string(), range: || shown_range(&Limits::CPU_RANGE, |d| ShownDuration(*d).to_string()) }, "a call's time on a CPU"),
    key("deployments[].limits", "wall", DURATION, Within { value: || ShownDuration(Limits::WALL).to_string(), range: || shown_range(&Limits::WALL_RANGE, |d| ShownDuration(*d).to_string()) }, "from dispatch to the last byte of the answer"),
    key("deployments[].limits", "first_byte", DURATION, Within { value: || ShownDuration(Limits::FIRST_BYTE).to_string(), range: || shown_range(&Limits::WALL_RANGE, |d| ShownDuration(*d).to_string()) }, "from dispatch to the head of the answer, within `wall`"),
    key("deployments[].limits", "stall", DURATION, Within { value: || ShownDuration(Limits::STALL).to_string(), range: || shown_range(&Limits::WALL_RANGE, |d| ShownDuration(*d).to_string()) }, "silence of the worker within its answer's body, while the caller would take more"),
    key("deployments[].limits", "concurrency", COUNT, Within { value: || Limits::CONCURRENCY.to_string(), range: || shown_range(&Limits::CONCURRENCY_RANGE, ToString::to_string) }, "calls at once"),
    key("deployments[].limits", "queue", COUNT, Within { value: || "concurrency".to_owned(), range: || shown_range(&Limits::QUEUE_RANGE, ToString::to_string) }, "callers that may wait for a place; 0: none"),
    key("deployments[].limits", "queue_wait", DURATION, Within { value: || ShownDuration(Limits::QUEUE_WAIT).to_string(), range: || shown_range(&Limits::QUEUE_WAIT_RANGE, |d| ShownDuration(*d).to_string()) }, "how long one of them waits"),
    key("deployments[].limits", "body", SIZE, Within { value: || Limits::BODY.to_string(), range: || shown_range(&Limits::BODY_RANGE, ToString::to_string) }, "a request's body; an endpoint takes the smaller of this and its provider's"),
    key("deployments[].limits", "store", "a mapping of `keys`, `bytes`, `operations` and `rate`", Words("the limits' own"), "what the deployment keeps in the store, and how often its workers ask it"),
    key("deployments[].limits", "breaker", "a mapping of `failures`, `window` and `open`; `{}` takes their defaults", Words("none: a revision that fails is called again"), "lets a revision rest that fails again and again: its callers get 503 at once"),
    later("deployments[].limits", "rate", "a mapping", "a limit on calls in a time"),
    key("deployments[].limits", "reuse", "a mapping of `requests`, `idle` and `at_once`, for a worker of the engine `async`", Words("none: a fresh instance for each request"), "calls that follow each other in one instance, of one revision alone: what one leaves there, the next one finds"),

    key("deployments[].limits.breaker", "failures", COUNT, Within { value: || BreakerLimits::FAILURES.to_string(), range: || shown_range(&BreakerLimits::FAILURES_RANGE, ToString::to_string) }, "so many failures that are the worker's fault let it rest"),
    key("deployments[].limits.breaker", "window", DURATION, Within { value: || ShownDuration(BreakerLimits::WINDOW).to_string(), range: || shown_range(&BreakerLimits::WINDOW_RANGE, |d| ShownDuration(*d).to_string()) }, "within this time"),
    key("deployments[].limits.breaker", "open", DURATION, Within { value: || ShownDuration(BreakerLimits::OPEN).to_string(), range: || shown_range(&BreakerLimits::OPEN_RANGE, |d| ShownDuration(*d).to_string()) }, "how long it rests before one call is let through to see"),

    key("deployments[].limits.reuse", "requests", "a whole number, 1 to 1000", Required, "calls of one instance over its life; 1: a fresh one for each"),
    key("deployments[].limits.reuse", "idle", DURATION, Within { value: || ShownDuration(ReuseLimits::IDLE).to_string(), range: || shown_range(&ReuseLimits::IDLE_RANGE, |d| ShownDuration(*d).to_string()) }, "how long an instance is kept without a call"),
    key("deployments[].limits.reuse", "at_once", "1; more is not built yet", Value(|| "1".to_owned()), "calls at once in one instance"),

    key("deployments[].limits.store", "keys", COUNT, Within { value: || StoreLimits::KEYS.to_string(), range: || shown_range(&StoreLimits::KEYS_RANGE, ToString::to_string) }, "keys, over all revisions of the deployment, whatever wrote them"),
    key("deployments[].limits.store", "bytes", SIZE, Within { value: || StoreLimits::BYTES.to_string(), range: || shown_range(&StoreLimits::BYTES_RANGE, ToString::to_string) }, "keys, as stored with their scope, and values together"),
    key("deployments[].limits.store", "operations", COUNT, Within { value: || StoreLimits::OPERATIONS.to_string(), range: || shown_range(&StoreLimits::OPERATIONS_RANGE, ToString::to_string) }, "operations of one call; each key of a batch is one"),
    key("deployments[].limits.store", "rate", COUNT, Within { value: || StoreLimits::RATE.to_string(), range: || shown_range(&StoreLimits::RATE_RANGE, ToString::to_string) }, "operations of all its calls in a second"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn each_key_stands_once_and_its_section_is_a_key() {
        let mut seen = HashSet::new();
        let paths: HashSet<_> = KEYS.iter().map(Key::path).collect();
        for key in KEYS {
            assert!(seen.insert(key.path()), "{} twice", key.path());
            let parent = key.section.trim_end_matches("[]").trim_end_matches(".*");
            assert!(parent.is_empty() || paths.contains(parent), "{}: no key {parent}", key.path());
        }
    }
}
