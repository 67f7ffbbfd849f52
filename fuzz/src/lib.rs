//! What the fuzz targets call, each a pure function of bytes. `Err` is a promise that was broken; so is a panic.
//!
//! The seeds of the target `NAME` lie in `seeds/NAME`. The workspace's tests include this file and replay them.

use bytes::Bytes;
use std::path::Path;
use tollgate_config::{Environment, manifest::Deployment};
use tollgate_ingress::replay::{self, Family};
use tollgate_packs::{Trust, archive, inspect, open};

/// One target.
pub type Target = fn(&[u8]) -> Result<(), String>;

/// All targets, by name.
pub const TARGETS: [(&str, Target); 8] = [
    ("activity", activity),
    ("archive", archive),
    ("batch", batch),
    ("body-mac", body_mac),
    ("form", form),
    ("manifest", manifest),
    ("timed", timed),
    ("token", token),
];

/// Any bytes, signed as each provider signs: verification holds, and what is parsable becomes a whole activity.
pub fn activity(data: &[u8]) -> Result<(), String> {
    replay::payload(data)
}

/// Any bytes as a pack: what is read is written back as it was, and what trusts nobody opens nothing.
pub fn archive(data: &[u8]) -> Result<(), String> {
    let bytes = Bytes::copy_from_slice(data);
    if open(
        &bytes,
        Trust {
            keys: &[],
            allow_unsigned: false,
        },
    )
    .is_ok()
    {
        return Err("it opened without a key".into());
    }
    let opened = open(
        &bytes,
        Trust {
            keys: &[],
            allow_unsigned: true,
        },
    );
    let inspected = inspect(&bytes);
    match archive::read(data) {
        Ok(entries) => match archive::write(&entries) {
            Ok(again) if again == data => Ok(()),
            other => Err(format!("read, but written otherwise: {:?}", other.map(|again| again.len()))),
        },
        Err(error) if opened.is_ok() || inspected.is_ok() => Err(format!("opened, but no archive: {error}")),
        Err(_) => Ok(()),
    }
}

/// A case of the providers that send several events in one request.
pub fn batch(data: &[u8]) -> Result<(), String> {
    replay::case(Family::Batch, data)
}

/// A case of the providers that sign the body without a clock.
pub fn body_mac(data: &[u8]) -> Result<(), String> {
    replay::case(Family::BodyMac, data)
}

/// A case of the providers that send forms.
pub fn form(data: &[u8]) -> Result<(), String> {
    replay::case(Family::Form, data)
}

/// Any text as an environment manifest: what is accepted can be served, what is refused says why.
pub fn manifest(data: &[u8]) -> Result<(), String> {
    let Ok(text) = std::str::from_utf8(data) else { return Ok(()) };
    let environment = match Environment::parse(text, Path::new("/environment/tollgate.yaml")) {
        Ok(environment) => environment,
        Err(errors) if errors.to_string().trim().is_empty() => return Err("refused without a reason".into()),
        Err(_) => return Ok(()),
    };
    if environment.listeners.is_empty() {
        return Err("accepted without a listener".into());
    }
    let whole = |deployment: &Deployment| deployment.traffic.values().map(|points| u32::from(points.get())).sum::<u32>() == 10_000;
    match environment.deployments.iter().find(|deployment| !whole(deployment)) {
        Some(deployment) => Err(format!("the traffic of {} is not whole", deployment.id.as_str())),
        None => Ok(()),
    }
}

/// A case of the providers that sign a clock and the body.
pub fn timed(data: &[u8]) -> Result<(), String> {
    replay::case(Family::Timed, data)
}

/// A case of the providers that show a token.
pub fn token(data: &[u8]) -> Result<(), String> {
    replay::case(Family::Token, data)
}
