//! Whether a provider's signing certificate is its own: its chain leads to a public root, and it is for the provider's signing name.

use rustls::{RootCertStore, crypto::aws_lc_rs};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime as Moment};
use std::time::Duration;
use tollgate_ingress::{UnixTime, certificate::Certificate};
use webpki::{EndEntityCert, KeyUsage};

/// Who signs for what is fetched from whom.
const SIGNERS: [(&str, &str); 4] = [
    ("api.paypal.com", "messageverificationcerts.paypal.com"),
    ("api-m.paypal.com", "messageverificationcerts.paypal.com"),
    ("api.sandbox.paypal.com", "messageverificationcerts.sandbox.paypal.com"),
    ("api-m.sandbox.paypal.com", "messageverificationcerts.sandbox.paypal.com"),
];

/// Checks a certificate that was fetched from this host.
///
/// # Errors
/// Why it is not believed.
pub(super) fn check(certificate: &Certificate, host: &str, roots: &RootCertStore, now: UnixTime) -> Result<(), String> {
    let (_, signer) = SIGNERS
        .iter()
        .find(|(from, _)| *from == host)
        .ok_or_else(|| format!("{host} publishes no signing certificates"))?;
    is_for(certificate, signer, roots, now)
}

fn is_for(certificate: &Certificate, name: &str, roots: &RootCertStore, now: UnixTime) -> Result<(), String> {
    let chain: Vec<_> = certificate.chain().iter().map(|der| CertificateDer::from(der.as_slice())).collect();
    let (leaf, intermediates) = chain.split_first().ok_or("no certificate")?;
    let leaf = EndEntityCert::try_from(leaf).map_err(|error| format!("the certificate cannot be read: {error}"))?;
    let algorithms = aws_lc_rs::default_provider().signature_verification_algorithms;
    let now = Moment::since_unix_epoch(Duration::from_secs(u64::try_from(now.0).unwrap_or_default()));
    leaf.verify_for_usage(
        algorithms.all,
        &roots.roots,
        intermediates,
        now,
        KeyUsage::server_auth(),
        None,
        None,
    )
    .map_err(|error| format!("the certificate's chain leads to no root that the system believes: {error}"))?;
    let subject = ServerName::try_from(name).map_err(|_| "no name")?;
    leaf.verify_is_valid_for_subject_name(&subject)
        .map_err(|_| format!("the certificate is not for {name}"))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair, date_time_ymd};

    const NOW: UnixTime = UnixTime(1_780_000_000);

    fn authority() -> CertifiedIssuer<'static, KeyPair> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
    }

    fn leaf(name: &str, days: i32, authority: &CertifiedIssuer<'_, KeyPair>) -> Certificate {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        (params.not_before, params.not_after) = (date_time_ymd(2026, 1, 1), date_time_ymd(2026 + days, 1, 1));
        let certificate = params.signed_by(&KeyPair::generate().unwrap(), authority).unwrap();
        Certificate::from_pem(certificate.pem().as_bytes()).unwrap()
    }

    #[test]
    fn only_the_providers_own_certificate_is_believed() {
        let (known, stranger) = (authority(), authority());
        let mut roots = RootCertStore::empty();
        roots.add(known.der().clone()).unwrap();
        let signer = "messageverificationcerts.paypal.com";
        for (name, certificate, host, expected) in [
            ("good", leaf(signer, 1, &known), "api.paypal.com", Ok(())),
            ("another's authority", leaf(signer, 1, &stranger), "api.paypal.com", Err("no root")),
            ("another's name", leaf("evil.example", 1, &known), "api.paypal.com", Err("not for")),
            (
                "the sandbox's name",
                leaf(signer, 1, &known),
                "api.sandbox.paypal.com",
                Err("not for"),
            ),
            ("another host", leaf(signer, 1, &known), "evil.example", Err("publishes no")),
            ("past its days", leaf(signer, 0, &known), "api.paypal.com", Err("no root")),
        ] {
            match (check(&certificate, host, &roots, NOW), expected) {
                (Ok(()), Ok(())) => {}
                (Err(error), Err(expected)) if error.contains(expected) => {}
                (found, _) => assert!(found.is_ok() && expected.is_ok(), "{name}: {found:?}"),
            }
        }
    }
}
