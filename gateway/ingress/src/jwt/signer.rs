//! The other direction: signs with an RSA key, as issuers and holders of certificates do. For `tollgate send` and tests.

use crate::{pem, sign::SignError};
use aws_lc_rs::{
    rand::SystemRandom,
    signature::{KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair},
};
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// A private RSA key.
#[derive(Debug)]
pub struct Signer(RsaKeyPair);

impl Signer {
    /// Reads one PEM block `PRIVATE KEY` (PKCS #8), at least 2048 bits.
    ///
    /// # Errors
    /// When it is none; the error never says what was found.
    pub fn from_pem(text: &[u8]) -> Result<Self, SignError> {
        let key = pem::one(text, "PRIVATE KEY").and_then(|der| RsaKeyPair::from_pkcs8(&der).ok());
        key.map(Self)
            .ok_or_else(|| SignError("the key is no RSA private key of at least 2048 bits (PEM, PKCS #8)".to_owned()))
    }

    /// RSASSA-PKCS1-v1_5 with SHA-256.
    ///
    /// # Errors
    /// When the key cannot.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        let mut signature = vec![0; self.0.public_modulus_len()];
        // This padding uses no randomness: the same message has always the same signature.
        self.0
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature)
            .map_err(|_| SignError::key())?;
        Ok(signature)
    }

    /// A token with these claims, signed with RS256 under [`Self::kid`].
    ///
    /// # Errors
    /// When the key cannot.
    pub fn token(&self, claims: &Value) -> Result<String, SignError> {
        let header = json!({"alg": "RS256", "typ": "JWT", "kid": self.kid()});
        self.token_with(&header, claims)
    }

    /// A token with any header, signed with RS256 whatever it says.
    ///
    /// # Errors
    /// When the key cannot.
    pub fn token_with(&self, header: &Value, claims: &Value) -> Result<String, SignError> {
        let part = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
        let input = format!("{}.{}", part(header), part(claims));
        let signature = self.sign(input.as_bytes())?;
        Ok(format!("{input}.{}", BASE64URL_NOPAD.encode(&signature)))
    }

    /// The key's thumbprint (RFC 7638), which is its name.
    pub fn kid(&self) -> String {
        let (n, e) = self.numbers();
        BASE64URL_NOPAD.encode(&Sha256::digest(format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#)))
    }

    /// The public half as a JWKS, with endorsements.
    pub fn jwks(&self, endorsements: &[&str]) -> String {
        let (n, e) = self.numbers();
        let key = json!({"kty": "RSA", "use": "sig", "kid": self.kid(), "n": n, "e": e, "endorsements": endorsements});
        json!({ "keys": [key] }).to_string()
    }

    fn numbers(&self) -> (String, String) {
        let public = self.0.public_key();
        let text = |number: &[u8]| BASE64URL_NOPAD.encode(number);
        (
            text(public.modulus().big_endian_without_leading_zero()),
            text(public.exponent().big_endian_without_leading_zero()),
        )
    }
}
