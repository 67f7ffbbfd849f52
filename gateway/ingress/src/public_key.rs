//! Signatures by asymmetric keys in SPKI and PKCS#8: Ed25519, ECDSA over P-256, RSA.

use crate::{der::Der, pem};
use aws_lc_rs::{
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair,
        ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RSA_PSS_2048_8192_SHA512, RSA_PSS_SHA512, RsaKeyPair,
        VerificationAlgorithm,
    },
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use ed25519_dalek::{
    Signer as _, SigningKey, VerifyingKey,
    pkcs8::{DecodePrivateKey as _, DecodePublicKey as _},
};
use zeroize::Zeroizing;

/// How a message is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Algorithm {
    /// Ed25519 by the strict rules (RFC 8032 5.1.7).
    Ed25519,
    /// ECDSA over P-256 with SHA-256, the signature in DER.
    EcdsaDer,
    /// The same, the signature as r and s of 32 bytes each.
    EcdsaFixed,
    /// RSASSA-PKCS1-v1_5 with SHA-256, 2048 bits or more.
    RsaPkcs1Sha256,
    /// RSASSA-PSS with SHA-512, a salt of 64 bytes, 2048 bits or more.
    RsaPssSha512,
}

/// A public key that verifies by one algorithm alone.
#[derive(Debug)]
pub(crate) enum PublicKey {
    Ed25519(VerifyingKey),
    Other(ParsedPublicKey),
}

impl PublicKey {
    /// Reads SPKI, as PEM or as the base64 of its DER. A key of another kind, curve or size is none.
    pub(crate) fn read(algorithm: Algorithm, text: &[u8]) -> Option<Self> {
        let der = der(text, "PUBLIC KEY")?;
        let other: &'static dyn VerificationAlgorithm = match algorithm {
            Algorithm::Ed25519 => {
                let key = VerifyingKey::from_public_key_der(&der).ok()?;
                // A key of small order fits signatures that nobody made.
                return (!key.is_weak()).then_some(Self::Ed25519(key));
            }
            Algorithm::EcdsaDer => &ECDSA_P256_SHA256_ASN1,
            Algorithm::EcdsaFixed => &ECDSA_P256_SHA256_FIXED,
            Algorithm::RsaPkcs1Sha256 => &RSA_PKCS1_2048_8192_SHA256,
            Algorithm::RsaPssSha512 => &RSA_PSS_2048_8192_SHA512,
        };
        ParsedPublicKey::new(other, der.as_slice()).ok().map(Self::Other)
    }

    /// Whether the signature is the key's over this message.
    pub(crate) fn fits(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Ed25519(key) => <&[u8; 64]>::try_from(signature).is_ok_and(|signature| crate::mac::ed25519(key, message, signature)),
            Self::Other(key) => key.verify_sig(message, signature).is_ok(),
        }
    }
}

/// Signs with a PKCS#8 key, as PEM or as the base64 of its DER. ECDSA and PSS are randomised: no two signatures are equal.
pub(crate) fn sign(algorithm: Algorithm, key: &[u8], message: &[u8]) -> Option<Vec<u8>> {
    let der = der(key, "PRIVATE KEY")?;
    let random = SystemRandom::new();
    let ecdsa = |algorithm| {
        let key = EcdsaKeyPair::from_pkcs8(algorithm, &der).ok()?;
        Some(key.sign(&random, message).ok()?.as_ref().to_vec())
    };
    let rsa = |padding| {
        let key = RsaKeyPair::from_pkcs8(&der).ok()?;
        let mut signature = vec![0; key.public_modulus_len()];
        key.sign(padding, &random, message, &mut signature).ok()?;
        Some(signature)
    };
    match algorithm {
        Algorithm::Ed25519 => Some(SigningKey::from_pkcs8_der(&der).ok()?.sign(message).to_bytes().to_vec()),
        Algorithm::EcdsaDer => ecdsa(&ECDSA_P256_SHA256_ASN1_SIGNING),
        Algorithm::EcdsaFixed => ecdsa(&ECDSA_P256_SHA256_FIXED_SIGNING),
        Algorithm::RsaPkcs1Sha256 => rsa(&RSA_PKCS1_SHA256),
        Algorithm::RsaPssSha512 => rsa(&RSA_PSS_SHA512),
    }
}

/// The DER of a key: PEM with this label and nothing beside it, or base64 alone. It always is one sequence.
fn der(text: &[u8], label: &str) -> Option<Zeroizing<Vec<u8>>> {
    let text = std::str::from_utf8(text).ok()?.trim();
    let der = if text.starts_with('-') {
        pem::one(text.as_bytes(), label)?
    } else {
        Zeroizing::new(STANDARD.decode(text).ok()?)
    };
    // The reader of keys passes over what follows one.
    let mut whole = Der::new(&der);
    whole.sequence()?;
    whole.end()?;
    Some(der)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "test data")]
mod tests {
    use super::*;
    use data_encoding::HEXLOWER;

    fn bytes(text: &str) -> Vec<u8> {
        HEXLOWER.decode(text.as_bytes()).unwrap()
    }

    /// RFC 6979 A.2.5, P-256 with SHA-256, message "sample".
    fn published() -> (PublicKey, Vec<u8>) {
        let spki = bytes(concat!(
            "3059301306072a8648ce3d020106082a8648ce3d030107034200",
            "0460fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6",
            "7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299"
        ));
        let key = PublicKey::read(Algorithm::EcdsaDer, STANDARD.encode(&spki).as_bytes()).unwrap();
        let der = bytes(concat!(
            "3046022100efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716",
            "022100f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8"
        ));
        (key, der)
    }

    #[test]
    fn ecdsa_is_the_published_one_in_strict_der() {
        let (key, der) = published();
        assert!(key.fits(b"sample", &der));
        assert!(!key.fits(b"samplf", &der));
        let one = |head: &str, rest: &[u8]| [bytes(head).as_slice(), rest].concat();
        for (what, bad) in [
            ("nothing", Vec::new()),
            ("one byte more after it", [der.as_slice(), b"\0"].concat()),
            ("one byte less", der[..der.len() - 1].to_vec()),
            ("a length in the long form", one("308146", &der[2..])),
            ("a needless zero before r", one("304702220000", &der[5..])),
            ("r without its zero: a negative number", one("30450220", &der[5..])),
            ("an indefinite length", [one("3080", &der[2..]).as_slice(), b"\0\0"].concat()),
            ("r and s as they are", [&der[5..37], &der[40..]].concat()),
            ("r and s zero", bytes("3006020100020100")),
        ] {
            assert!(!key.fits(b"sample", &bad), "{what}");
        }
    }

    #[test]
    fn ecdsa_of_fixed_length_is_the_published_one() {
        // RFC 9421 B.2.4, key B.1.3.
        let key =
            "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEqIVYZVLCrPZHGHjP17CTW0/+D9Lfw0EkjqF7xB4FivAxzic30tMM4GF+hR6Dxh71Z50VGGdldkkDXZCnTNnoXQ==";
        let text = concat!(
            "\"@status\": 200\n\"content-type\": application/json\n",
            "\"content-digest\": sha-512=:mEWXIS7MaLRuGgxOBdODa3xqM1XdEvxoYhvlCFJ41QJgJc4GTsPp29l5oGX69wWdXymyU0rjJuahq4l5aGgfLQ==:\n",
            "\"content-length\": 23\n",
            "\"@signature-params\": (\"@status\" \"content-type\" \"content-digest\" \"content-length\");created=1618884473;keyid=\"test-key-ecc-p256\""
        );
        let signature = STANDARD
            .decode(b"wNmSUAhwb5LxtOtOpNa6W5xj067m5hFrj0XQ4fvpaCLx0NKocgPquLgyahnzDnDAUy5eCdlYUEkLIj+32oiasw==")
            .unwrap();
        let fixed = PublicKey::read(Algorithm::EcdsaFixed, key.as_bytes()).unwrap();
        assert!(fixed.fits(text.as_bytes(), &signature));
        for bad in [&signature[..63], &[&signature[..], b"\0"].concat(), &[0; 64], &published().1] {
            assert!(!fixed.fits(text.as_bytes(), bad), "{bad:?}");
        }
        let der = PublicKey::read(Algorithm::EcdsaDer, key.as_bytes()).unwrap();
        assert!(!der.fits(text.as_bytes(), &signature), "the other form");
    }

    #[test]
    fn a_key_is_one_of_its_algorithm_and_nothing_else() {
        let p256 =
            "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEbVbczAUCUMSXC+7QyklO0awyyDeZPJOfmUYiyERhu6cLxPXkIQtuj4gxUW80V2tfAAWIl53A1WuT/8SYesXTqA==";
        let ed25519 = "MCowBQYDK2VwAyEAJrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=";
        let read = |algorithm, text: &str| PublicKey::read(algorithm, text.as_bytes()).is_some();
        for ecdsa in [Algorithm::EcdsaDer, Algorithm::EcdsaFixed] {
            assert!(read(ecdsa, p256) && !read(ecdsa, ed25519));
        }
        assert!(read(Algorithm::Ed25519, ed25519) && !read(Algorithm::Ed25519, p256));
        for rsa in [Algorithm::RsaPkcs1Sha256, Algorithm::RsaPssSha512] {
            assert!(!read(rsa, p256) && !read(rsa, ed25519));
        }
        let pem = format!("-----BEGIN PUBLIC KEY-----\n{ed25519}\n-----END PUBLIC KEY-----\n");
        assert!(read(Algorithm::Ed25519, &pem));
        // The point alone, another label, two keys, a point that is not on the curve, a curve that is not P-256.
        let behind = STANDARD.encode([&STANDARD.decode(p256).unwrap()[..], b"\0\0"].concat());
        assert!(!read(Algorithm::EcdsaDer, &behind), "something behind it");
        let raw = STANDARD.encode(&STANDARD.decode(p256.as_bytes()).unwrap()[26..]);
        let off = p256.replace("TqA==", "TqQ==");
        let p384 = "MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEP384";
        for odd in [
            &raw,
            &off,
            p384,
            &pem.replace("PUBLIC", "PRIVATE"),
            &format!("{pem}{pem}"),
            "",
            "-----BEGIN ",
        ] {
            assert!(!read(Algorithm::EcdsaDer, odd) && !read(Algorithm::Ed25519, odd), "{odd}");
        }
        let zero = format!("MCowBQYDK2VwAyEA{}=", "A".repeat(43));
        assert!(!read(Algorithm::Ed25519, &zero), "a weak key");
    }
}
