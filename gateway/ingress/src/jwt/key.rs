//! One public key: out of a JWK (RFC 7518 6, RFC 8037 2), a PEM file or DER (RFC 5280 4.1.2.7).

use super::Algorithm;
use crate::{
    der::{self, Der},
    json::Object,
    mac, pem,
};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use data_encoding::BASE64URL_NOPAD;
use ed25519_dalek::VerifyingKey;
use std::fmt;

/// Least and most bytes of an RSA modulus: 2048 bits (RFC 7518 3.3) to 8192, beyond which a signature costs too much to check.
const MODULUS: std::ops::RangeInclusive<usize> = 256..=1024;

/// Most bytes of an RSA exponent; a real one is 65537.
const EXPONENT_LIMIT: usize = 4;

/// The longest PEM in bytes: RSA with 8192 bits has about 1.5 KiB.
const PEM_LIMIT: usize = 16 * 1024;

const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const ED25519: &[u8] = &[0x2b, 0x65, 0x70];

/// A public key that verifies.
#[derive(Clone)]
pub struct PublicKey(Kind);

#[derive(Clone)]
enum Kind {
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
    /// An uncompressed point.
    P256(Vec<u8>),
    Ed25519(VerifyingKey),
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            Kind::Rsa { .. } => "RSA",
            Kind::P256(_) => "P-256",
            Kind::Ed25519(_) => "Ed25519",
        })
    }
}

impl PublicKey {
    /// A JWK, if it is of a kind that verifies here.
    pub(super) fn from_jwk(key: &Object<'_>) -> Option<Self> {
        let bytes = |name| BASE64URL_NOPAD.decode(key.text(name)?.as_bytes()).ok();
        match (key.text("kty")?.as_ref(), key.text("crv").as_deref()) {
            ("RSA", _) => Self::rsa(&bytes("n")?, &bytes("e")?),
            ("EC", Some("P-256")) => {
                let point = [vec![4], bytes("x")?, bytes("y")?].concat();
                Self::p256(&point)
            }
            ("OKP", Some("Ed25519")) => Self::ed25519(&bytes("x")?),
            _ => None,
        }
    }

    /// One PEM block `PUBLIC KEY` and nothing else.
    pub(super) fn from_pem(text: &str) -> Option<Self> {
        if text.len() > PEM_LIMIT {
            return None;
        }
        Self::from_der(&pem::one(text.as_bytes(), "PUBLIC KEY")?)
    }

    /// A `SubjectPublicKeyInfo`.
    pub fn from_der(info: &[u8]) -> Option<Self> {
        let mut whole = Der::new(info);
        let mut info = whole.sequence()?;
        whole.end()?;
        let mut algorithm = info.sequence()?;
        let key = info.bits()?;
        info.end()?;
        match algorithm.take(der::OID)? {
            RSA => {
                algorithm.take(der::NULL)?;
                algorithm.end()?;
                let mut whole = Der::new(key);
                let mut numbers = whole.sequence()?;
                whole.end()?;
                let (n, e) = (numbers.take(der::INTEGER)?, numbers.take(der::INTEGER)?);
                numbers.end()?;
                Self::rsa(n, e)
            }
            EC if algorithm.take(der::OID)? == P256 => {
                algorithm.end()?;
                Self::p256(key)
            }
            ED25519 => {
                algorithm.end()?;
                Self::ed25519(key)
            }
            _ => None,
        }
    }

    fn rsa(n: &[u8], e: &[u8]) -> Option<Self> {
        let [n, e] = [n, e].map(|number| {
            let zeros = number.iter().take_while(|byte| **byte == 0).count();
            number.get(zeros..).unwrap_or_default().to_vec()
        });
        let bits = n.len() * 8 - n.first()?.leading_zeros() as usize;
        // An even exponent, or 1, is no RSA: every signature would be its own message.
        let sound = e.last()? % 2 == 1 && e != [1] && e.len() <= EXPONENT_LIMIT && n.last()? % 2 == 1;
        (sound && MODULUS.contains(&n.len()) && bits >= MODULUS.start() * 8).then_some(Self(Kind::Rsa { n, e }))
    }

    fn p256(point: &[u8]) -> Option<Self> {
        // Whether it lies on the curve is found when it is used.
        (point.len() == 65 && point.first() == Some(&4)).then(|| Self(Kind::P256(point.to_vec())))
    }

    fn ed25519(bytes: &[u8]) -> Option<Self> {
        let key = VerifyingKey::from_bytes(bytes.try_into().ok()?).ok()?;
        (!key.is_weak()).then_some(Self(Kind::Ed25519(key)))
    }

    /// Whether a signature by this algorithm may be this key's.
    pub(super) fn takes(&self, algorithm: Algorithm) -> bool {
        match self.0 {
            Kind::Rsa { .. } => matches!(algorithm, Algorithm::Rs256 | Algorithm::Ps256),
            Kind::P256(_) => algorithm == Algorithm::Es256,
            Kind::Ed25519(_) => algorithm == Algorithm::EdDsa,
        }
    }

    /// Whether the signature is this key's.
    pub(crate) fn verify(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        match (&self.0, algorithm) {
            (Kind::Rsa { n, e }, Algorithm::Rs256 | Algorithm::Ps256) => {
                let scheme = match algorithm {
                    Algorithm::Ps256 => &RSA_PSS_2048_8192_SHA256,
                    _ => &RSA_PKCS1_2048_8192_SHA256,
                };
                RsaPublicKeyComponents { n, e }.verify(scheme, message, signature).is_ok()
            }
            (Kind::P256(point), Algorithm::Es256) => UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
                .verify(message, signature)
                .is_ok(),
            (Kind::Ed25519(key), Algorithm::EdDsa) => signature.try_into().is_ok_and(|signature| mac::ed25519(key, message, signature)),
            _ => false,
        }
    }
}
