//! Reads everything that a manifest names, as a start does, and tells all that is wrong with it at once.

use crate::{
    causes::WithCauses,
    cli::{problem::Problem, report::Failure},
    identity,
    listen::tls,
    secrets::{self, SecretError},
};
use std::path::Path;
use tollgate_config::{Environment, manifest::Revision};
use tollgate_packs::{FileError, OpenError, Trust, TrustedKey, file, open, signature::SignatureError};

/// Secrets, trust keys, the pack of every revision with a weight, and certificates.
///
/// # Errors
/// Each that is missing or refused: of kind `secret` when it is secrets alone, else `resolve`.
pub(super) fn all(environment: &Environment, manifest: &Path) -> Result<(), Failure> {
    let secrets = match secrets::resolve(environment) {
        Ok(_) => Vec::new(),
        Err(errors) => errors.0.iter().map(|error| secret(environment, manifest, error)).collect(),
    };
    let mut others = certificates(environment, manifest);
    others.extend(identity::fixed(environment).err().map(|error| {
        let path = "identity.env".to_owned();
        Problem::new(manifest, None, path, error.to_string())
    }));
    let (keys, unread) = keys(environment, manifest);
    others.extend(packs(environment, manifest, &keys, unread.is_empty()));
    others.extend(unread);
    if secrets.is_empty() && others.is_empty() {
        return Ok(());
    }
    let kind = if others.is_empty() { "secret" } else { "resolve" };
    let mut problems = secrets;
    problems.extend(others);
    Err(Failure::problems(kind, problems))
}

fn secret(environment: &Environment, manifest: &Path, error: &SecretError) -> Problem {
    let message = format!("{}: {}", error.reference, error.message);
    let mut endpoints = environment.endpoints.iter().enumerate();
    let needs = endpoints.find(|(_, endpoint)| error.place == format!("{}: endpoint {}", endpoint.place, endpoint.id));
    let mut deployments = environment.deployments.iter().enumerate();
    let uses = deployments.find(|(_, deployment)| error.place == format!("{}: deployment {}", deployment.place, deployment.id));
    match (needs, uses) {
        (Some((index, endpoint)), _) => Problem::new(manifest, Some(&endpoint.place), format!("endpoints[{index}].secrets"), message),
        (_, Some((index, deployment))) => Problem::new(manifest, Some(&deployment.place), format!("deployments[{index}].secrets"), message),
        (None, None) => Problem::new(manifest, None, error.place.clone(), message),
    }
}

fn certificates(environment: &Environment, manifest: &Path) -> Vec<Problem> {
    let wrong = environment.listeners.iter().enumerate().filter_map(|(index, listener)| {
        let tls = listener.tls.as_ref()?;
        let error = tls::config(tls, &listener.protocols, listener.strict_sni).err()?;
        let path = format!("listeners[{index}].tls");
        Some(Problem::new(manifest, Some(&listener.place), path, WithCauses(&error).to_string()))
    });
    wrong.collect()
}

/// The keys that can be read, and what is wrong with the others.
fn keys(environment: &Environment, manifest: &Path) -> (Vec<TrustedKey>, Vec<Problem>) {
    let (mut keys, mut problems) = (Vec::new(), Vec::new());
    for (index, path) in environment.trust.keys.iter().enumerate() {
        match TrustedKey::read(path) {
            Ok(key) => keys.push(key),
            // The manifest's types keep no place of a key; its path says which it is.
            Err(error) => problems.push(Problem::new(
                manifest,
                None,
                format!("trust.keys[{index}]"),
                WithCauses(&error).to_string(),
            )),
        }
    }
    (keys, problems)
}

fn packs(environment: &Environment, manifest: &Path, keys: &[TrustedKey], all_keys: bool) -> Vec<Problem> {
    let trust = Trust {
        keys,
        allow_unsigned: environment.trust.allow_unsigned,
    };
    let mut problems = Vec::new();
    for (index, deployment) in environment.deployments.iter().enumerate() {
        for (number, revision) in deployment.revisions.iter().enumerate() {
            if deployment.traffic.get(&revision.id).is_none_or(|share| share.get() == 0) {
                continue;
            }
            if let Some(message) = pack(revision, trust, all_keys) {
                let path = format!("deployments[{index}].revisions[{number}].pack");
                problems.push(Problem::new(manifest, Some(&revision.place), path, message));
            }
        }
    }
    problems
}

/// What is wrong with a revision's pack.
fn pack(revision: &Revision, trust: Trust<'_>, all_keys: bool) -> Option<String> {
    let bytes = match file::read(&revision.pack) {
        Ok(bytes) => bytes,
        Err(error @ (FileError::Read { .. } | FileError::TooLarge(_))) => return Some(WithCauses(&error).to_string()),
    };
    match open(&bytes, trust).err()? {
        // It may be signed with the key that could not be read, which is told already.
        OpenError::NoTrust | OpenError::Signature(SignatureError::UnknownKey(_)) if !all_keys => None,
        error => Some(format!("{}: {}", revision.pack.display(), WithCauses(&error))),
    }
}
