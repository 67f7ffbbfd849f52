//! What the benchmarks share: each scheme's own sample, signed, and the primitive that it stands on.
#![forbid(unsafe_code)]
#![expect(clippy::expect_used, reason = "a benchmark fails by panicking")]

pub mod worker;

use aws_lc_rs::signature::{self, EcdsaKeyPair, KeyPair, RsaKeyPair, UnparsedPublicKey};
use ed25519_dalek::{Signer, SigningKey, VerifyingKey};
use hmac::{Hmac, Mac};
use sha1::Sha1;
use sha2::Sha256;
use std::hint::black_box;
use tollgate_config::manifest::Provider;
use tollgate_ingress::{Key, Keys, Scheme, recorded::Recorded, replay, sign};

/// What a body is filled up to, in bytes, where blanks at its end change nothing.
pub const BODY: usize = 1024;

/// A provider's sample, signed and ready to be opened.
#[derive(Debug)]
pub struct Case {
    /// The endpoint.
    pub scheme: Scheme,
    /// What opens it.
    pub keys: Keys,
    /// The request.
    pub recorded: Recorded,
}

/// The case of a provider. JSON is filled up with blanks to [`BODY`] bytes; a form stays as it is.
pub fn case(provider: Provider) -> Case {
    let (scheme, keys) = replay::gate(provider).expect("a gate");
    let signing = Key::new(replay::signing_key(provider).into(), None).expect("a key");
    let mut payload = sign::sample(provider).as_bytes().to_vec();
    if payload.first().is_some_and(|first| matches!(first, b'{' | b'[')) && payload.len() < BODY {
        payload.resize(BODY, b' ');
    }
    let signed = sign::sign_for(&scheme, &payload, &signing, replay::NOW, Some("msg_1")).expect("a payload");
    Case {
        scheme,
        keys,
        recorded: Recorded::made(&signed),
    }
}

/// What a scheme stands on, without any scheme around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Primitive {
    /// HMAC-SHA256, its key's schedule too.
    HmacSha256,
    /// HMAC-SHA1, likewise.
    HmacSha1,
    /// Ed25519 by the strict rules, with a key that is already read.
    Ed25519,
    /// ECDSA over P-256 with SHA-256.
    P256,
    /// RSASSA-PKCS1-v1_5 with SHA-256 and 2048 bits.
    Rs256,
}

impl Primitive {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::HmacSha256, Self::HmacSha1, Self::Ed25519, Self::P256, Self::Rs256];

    /// What a provider's scheme stands on over its whole body; none where it compares a token, or signs several things.
    pub fn of(provider: Provider) -> Option<Self> {
        match provider {
            Provider::Telegram | Provider::Gitlab | Provider::Webex => None,
            Provider::Twilio => Some(Self::HmacSha1),
            Provider::Discord | Provider::HttpSignature => Some(Self::Ed25519),
            Provider::Sendgrid => Some(Self::P256),
            Provider::Teams | Provider::Paypal => Some(Self::Rs256),
            _ => Some(Self::HmacSha256),
        }
    }

    /// As it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::HmacSha256 => "hmac-sha256",
            Self::HmacSha1 => "hmac-sha1",
            Self::Ed25519 => "ed25519",
            Self::P256 => "ecdsa-p256",
            Self::Rs256 => "rs256",
        }
    }

    /// Makes what there is to verify.
    pub fn prepare(self, body: &[u8]) -> Prepared {
        let body = body.to_vec();
        let public =
            |algorithm, key: &[u8], signature: &[u8]| Work::Public(UnparsedPublicKey::new(algorithm, key.to_vec()), signature.to_vec());
        let random = aws_lc_rs::rand::SystemRandom::new();
        let work = match self {
            Self::HmacSha256 => Work::HmacSha256,
            Self::HmacSha1 => Work::HmacSha1,
            Self::Ed25519 => {
                let key = SigningKey::from_bytes(&[7; 32]);
                Work::Ed25519(key.verifying_key(), key.sign(&body))
            }
            Self::P256 => {
                let signing = &signature::ECDSA_P256_SHA256_ASN1_SIGNING;
                let pkcs8 = EcdsaKeyPair::generate_pkcs8(signing, &random).expect("a key");
                let pair = EcdsaKeyPair::from_pkcs8(signing, pkcs8.as_ref()).expect("a key");
                let signed = pair.sign(&random, &body).expect("a signature");
                public(&signature::ECDSA_P256_SHA256_ASN1, pair.public_key().as_ref(), signed.as_ref())
            }
            Self::Rs256 => {
                let pair = RsaKeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).expect("a key");
                let mut signed = vec![0; pair.public_modulus_len()];
                pair.sign(&signature::RSA_PKCS1_SHA256, &random, &body, &mut signed)
                    .expect("a signature");
                public(&signature::RSA_PKCS1_2048_8192_SHA256, pair.public_key().as_ref(), &signed)
            }
        };
        Prepared { body, work }
    }
}

/// A primitive with its key, message and signature.
pub struct Prepared {
    body: Vec<u8>,
    work: Work,
}

enum Work {
    HmacSha256,
    HmacSha1,
    Ed25519(VerifyingKey, ed25519_dalek::Signature),
    Public(UnparsedPublicKey<Vec<u8>>, Vec<u8>),
}

/// The key of the MACs.
const KEY: &[u8] = b"8f742231b10e8888abcd99yyyzzz85a5";

impl Prepared {
    /// Does it once. The first byte of what came of it keeps the compiler from leaving it out.
    pub fn run(&self) -> u8 {
        let body = black_box(self.body.as_slice());
        match &self.work {
            Work::HmacSha256 => first(Hmac::<Sha256>::new_from_slice(KEY).expect("a key").chain_update(body)),
            Work::HmacSha1 => first(Hmac::<Sha1>::new_from_slice(KEY).expect("a key").chain_update(body)),
            Work::Ed25519(key, signature) => u8::from(key.verify_strict(body, signature).is_ok()),
            Work::Public(key, signature) => u8::from(key.verify(body, signature).is_ok()),
        }
    }
}

fn first(mac: impl Mac) -> u8 {
    mac.finalize().into_bytes().first().copied().unwrap_or_default()
}
