//! `signatures/pack.sig`: a DSSE envelope with one Ed25519 signature over an in-toto statement that names the pack and the SHA-256 of its unsigned bytes.
//!
//! The unsigned bytes are the whole archive without this one entry, so what is signed covers every byte but the entry itself, and that has one form only:
//! it is encoded anew and compared.

use crate::keys::{KeyId, SigningKey, TrustedKey};
use base64::{Engine, engine::general_purpose::STANDARD};
use ed25519_dalek::Signer as _;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// Where the signature lies.
pub const PATH: &str = "signatures/pack.sig";
/// Largest envelope, in bytes: ours have about 700.
pub const MAX_SIZE: usize = 8 << 10;
/// What the payload is (in-toto attestation framework, DSSE).
pub const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";

const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";
const PREDICATE_TYPE: &str = "tollgate.pack-predicate.v1";

/// The envelope. Fields stand in order of their names (RFC 8785), written without spaces.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope {
    payload: String,
    #[serde(rename = "payloadType")]
    payload_type: String,
    signatures: Vec<Signature>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Signature {
    keyid: String,
    sig: String,
}

/// The in-toto statement, its fields in order of their names too.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Statement {
    #[serde(rename = "_type")]
    kind: String,
    predicate: Predicate,
    #[serde(rename = "predicateType")]
    predicate_type: String,
    subject: Vec<Subject>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Predicate {
    pack_id: String,
    version: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Subject {
    digest: Digest,
    name: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Digest {
    sha256: String,
}

/// Why a signature is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// Larger than [`MAX_SIZE`].
    #[error("the pack's signature has {0} bytes, more than the {MAX_SIZE} that it may have; have its publisher sign it again")]
    TooLarge(usize),
    /// Not an envelope of ours.
    #[error("the pack's signature cannot be read: {0}; have its publisher sign it again")]
    Malformed(String),
    /// Readable, but not in its one form.
    #[error("the pack's signature is not in the one form that it has; have its publisher sign it again")]
    NotCanonical,
    /// None, or more than one.
    #[error("the pack carries {0} signatures in its envelope; exactly one is read: have its publisher sign it again")]
    Count(usize),
    /// Of another kind of statement.
    #[error("the pack is signed as {0:?}, which is not known; run a newer tollgate, or have its publisher sign it again")]
    Kind(String),
    /// By a key that is not trusted.
    #[error("the pack is signed by key {0}, which is not trusted here; if you trust its publisher, add their public key to `trust.keys`")]
    UnknownKey(KeyId),
    /// Wrong.
    #[error("the signature of trusted key {0} over the pack is wrong: do not use it; fetch the pack again from its publisher")]
    Wrong(KeyId),
    /// Of another pack's bytes.
    #[error("the pack is not what was signed: its bytes were changed, or the signature is another pack's; fetch it again")]
    Digest,
    /// Names another pack.
    #[error("the signed statement names {0:?}, another pack than this; have its publisher sign it again")]
    Subject(String),
}

/// Signs the unsigned bytes' SHA-256 as this pack and version.
pub(crate) fn seal(pack_id: &str, version: &str, sha256: [u8; 32], key: &SigningKey) -> Vec<u8> {
    let payload = write(&Statement::new(pack_id, version, sha256));
    let sig = key.0.sign(&pre_authentication(&payload));
    let signature = Signature {
        keyid: key.public().id.to_string(),
        sig: STANDARD.encode(sig.to_bytes()),
    };
    write(&Envelope {
        payload: STANDARD.encode(payload),
        payload_type: PAYLOAD_TYPE.to_owned(),
        signatures: vec![signature],
    })
}

/// An envelope that was read; nothing in it is believed before [`Sealed::verify`].
pub(crate) struct Sealed {
    payload: Vec<u8>,
    statement: Statement,
    /// Whose key it claims.
    pub(crate) key_id: KeyId,
    sig: ed25519_dalek::Signature,
}

impl Sealed {
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, SignatureError> {
        if bytes.len() > MAX_SIZE {
            return Err(SignatureError::TooLarge(bytes.len()));
        }
        let envelope: Envelope = read(bytes)?;
        let [signature] = envelope.signatures.as_slice() else {
            return Err(SignatureError::Count(envelope.signatures.len()));
        };
        if envelope.payload_type != PAYLOAD_TYPE {
            return Err(SignatureError::Kind(envelope.payload_type.chars().take(64).collect()));
        }
        let payload = decode(&envelope.payload, "its payload")?;
        let statement: Statement = read(&payload)?;
        if statement.kind != STATEMENT_TYPE || statement.predicate_type != PREDICATE_TYPE {
            return Err(SignatureError::Kind(statement.predicate_type.chars().take(64).collect()));
        }
        let malformed = |what: &str| SignatureError::Malformed(what.to_owned());
        let key_id = KeyId::parse(&signature.keyid).ok_or_else(|| malformed("its key id is not 32 lower-case hex digits"))?;
        let sig = decode(&signature.sig, "its signature")?;
        let sig = ed25519_dalek::Signature::from_slice(&sig).map_err(|_| malformed("its signature is not 64 bytes"))?;
        Ok(Self {
            payload,
            statement,
            key_id,
            sig,
        })
    }

    /// Verifies against the one trusted key of that id, then that these are the bytes that were signed.
    pub(crate) fn verify(&self, keys: &[TrustedKey], sha256: [u8; 32]) -> Result<KeyId, SignatureError> {
        let trusted = keys
            .iter()
            .find(|trusted| trusted.id == self.key_id)
            .ok_or(SignatureError::UnknownKey(self.key_id))?;
        // `verify_strict` refuses small-order keys and points, with which one signature fits many messages.
        let message = pre_authentication(&self.payload);
        trusted
            .key
            .verify_strict(&message, &self.sig)
            .map_err(|_| SignatureError::Wrong(trusted.id))?;
        self.check_digest(sha256)?;
        Ok(trusted.id)
    }

    /// Whether the statement speaks of these bytes.
    pub(crate) fn check_digest(&self, sha256: [u8; 32]) -> Result<(), SignatureError> {
        match self.statement.subject.as_slice() {
            [subject] if subject.digest.sha256 == hex(&sha256) => Ok(()),
            _ => Err(SignatureError::Digest),
        }
    }

    /// Whether the statement is, byte for byte, the one for this pack: then nothing else can be in it.
    pub(crate) fn check_subject(&self, pack_id: &str, version: &str, sha256: [u8; 32]) -> Result<(), SignatureError> {
        if self.payload == write(&Statement::new(pack_id, version, sha256)) {
            return Ok(());
        }
        let Predicate { pack_id, version } = &self.statement.predicate;
        Err(SignatureError::Subject(format!("{pack_id}@{version}").chars().take(160).collect()))
    }
}

impl Statement {
    fn new(pack_id: &str, version: &str, sha256: [u8; 32]) -> Self {
        let name = format!("{pack_id}@{version}");
        Self {
            kind: STATEMENT_TYPE.to_owned(),
            predicate: Predicate {
                pack_id: pack_id.to_owned(),
                version: version.to_owned(),
            },
            predicate_type: PREDICATE_TYPE.to_owned(),
            subject: vec![Subject {
                digest: Digest { sha256: hex(&sha256) },
                name,
            }],
        }
    }
}

/// What is signed: DSSE v1.0's pre-authentication encoding of type and payload.
fn pre_authentication(payload: &[u8]) -> Vec<u8> {
    let head = format!("DSSEv1 {} {PAYLOAD_TYPE} {} ", PAYLOAD_TYPE.len(), payload.len());
    [head.as_bytes(), payload].concat()
}

fn write<T: Serialize>(value: &T) -> Vec<u8> {
    // Plain structs of text cannot fail to be written; nothing equals the empty string, so reading would refuse.
    serde_json::to_vec(value).unwrap_or_default()
}

fn read<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Result<T, SignatureError> {
    let value = serde_json::from_slice(bytes).map_err(|error| {
        let place = (error.line(), error.column());
        SignatureError::Malformed(format!("no envelope or statement of ours at line {}, column {}", place.0, place.1))
    })?;
    if write(&value) == bytes {
        Ok(value)
    } else {
        Err(SignatureError::NotCanonical)
    }
}

fn decode(text: &str, what: &str) -> Result<Vec<u8>, SignatureError> {
    // The engine refuses missing padding and set trailing bits, so that one value has one text.
    STANDARD
        .decode(text)
        .map_err(|_| SignatureError::Malformed(format!("{what} is not base64")))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
