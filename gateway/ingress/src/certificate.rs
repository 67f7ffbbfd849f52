//! X.509 certificates (RFC 5280) of providers that sign with them: the leaf's public key and its days. Whoever fetches one checks its chain and
//! its name; here there are no roots to check against.

use crate::{
    UnixTime,
    der::{self, Der},
    jwt::PublicKey,
    pem,
};
use time::{Date, Month, PrimitiveDateTime, Time};

/// The largest file with certificates in bytes: a chain of RSA certificates has about 8 KiB.
pub const CHAIN_LIMIT: usize = 64 * 1024;

/// The most certificates of a chain; real ones have two to four.
pub const CERTIFICATES_LIMIT: usize = 8;

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

/// Version 3 stands in a field of its own.
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// A leaf certificate, with what was sent along to prove it.
#[derive(Debug, Clone)]
pub struct Certificate {
    chain: Vec<Vec<u8>>,
    key: PublicKey,
    not_before: UnixTime,
    not_after: UnixTime,
}

/// Not a certificate that can verify.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// Longer than [`CHAIN_LIMIT`], or more than [`CERTIFICATES_LIMIT`].
    #[error("more than {CHAIN_LIMIT} bytes or {CERTIFICATES_LIMIT} certificates")]
    TooLong,
    /// No PEM block `CERTIFICATE`, or one that is broken.
    #[error("no PEM certificates")]
    NotPem,
    /// The first one is no X.509 certificate with a key that we know.
    #[error("the first certificate cannot be read, or its key is none of RSA (2048 to 8192 bits), P-256 and Ed25519")]
    NotCertificate,
}

impl Certificate {
    /// Reads PEM blocks `CERTIFICATE`, the leaf first; text between them is passed over.
    ///
    /// # Errors
    /// [`CertificateError`].
    pub fn from_pem(text: &[u8]) -> Result<Self, CertificateError> {
        if text.len() > CHAIN_LIMIT {
            return Err(CertificateError::TooLong);
        }
        let mut rest = std::str::from_utf8(text).map_err(|_| CertificateError::NotPem)?;
        let mut chain = Vec::new();
        while let Some((_, block)) = rest.split_once(BEGIN) {
            let (inner, after) = block.split_once(END).ok_or(CertificateError::NotPem)?;
            chain.push(pem::inside(inner).ok_or(CertificateError::NotPem)?.to_vec());
            if chain.len() > CERTIFICATES_LIMIT {
                return Err(CertificateError::TooLong);
            }
            rest = after;
        }
        let leaf = chain.first().ok_or(CertificateError::NotPem)?;
        let (key, not_before, not_after) = read(leaf).ok_or(CertificateError::NotCertificate)?;
        Ok(Self {
            chain,
            key,
            not_before,
            not_after,
        })
    }

    /// The certificates in DER, the leaf first.
    pub fn chain(&self) -> &[Vec<u8>] {
        &self.chain
    }

    /// The leaf's key.
    pub fn key(&self) -> &PublicKey {
        &self.key
    }

    /// Whether this is one of its days, ends included (RFC 5280 4.1.2.5).
    pub fn is_valid(&self, now: UnixTime) -> bool {
        (self.not_before..=self.not_after).contains(&now)
    }

    /// Its last second.
    pub fn not_after(&self) -> UnixTime {
        self.not_after
    }
}

fn read(leaf: &[u8]) -> Option<(PublicKey, UnixTime, UnixTime)> {
    let mut whole = Der::new(leaf);
    let mut certificate = whole.sequence()?;
    whole.end()?;
    let mut signed = certificate.sequence()?;
    // Algorithm and signature: checked with the chain.
    certificate.sequence()?;
    certificate.bits()?;
    certificate.end()?;
    if signed.tag() == Some(VERSION) {
        signed.take(VERSION)?;
    }
    signed.take(der::INTEGER)?;
    signed.sequence()?;
    signed.sequence()?;
    let mut days = signed.sequence()?;
    let (not_before, not_after) = (moment(&mut days)?, moment(&mut days)?);
    days.end()?;
    signed.sequence()?;
    let key = PublicKey::from_der(signed.whole(der::SEQUENCE)?)?;
    Some((key, not_before, not_after))
}

/// `YYMMDDHHMMSSZ` up to 2049, `YYYYMMDDHHMMSSZ` from 2050 on (RFC 5280 4.1.2.5).
fn moment(days: &mut Der<'_>) -> Option<UnixTime> {
    let (tag, century) = match days.tag()? {
        UTC_TIME => (UTC_TIME, 2),
        GENERALIZED_TIME => (GENERALIZED_TIME, 4),
        _ => return None,
    };
    let text = std::str::from_utf8(days.take(tag)?).ok()?;
    let (digits, zone) = text.split_at_checked(century + 10)?;
    if zone != "Z" || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (year, rest) = digits.split_at_checked(century)?;
    let year: i32 = year.parse().ok()?;
    let year = match (tag, year) {
        (GENERALIZED_TIME, year) => year,
        (_, year @ ..50) => 2000 + year,
        (_, year) => 1900 + year,
    };
    let mut pairs = (0..5).map(|at| rest.get(2 * at..2 * at + 2)?.parse::<u8>().ok());
    let mut pair = || pairs.next().flatten();
    let date = Date::from_calendar_date(year, Month::try_from(pair()?).ok()?, pair()?).ok()?;
    let time = Time::from_hms(pair()?, pair()?, pair()?).ok()?;
    Some(UnixTime(PrimitiveDateTime::new(date, time).assume_utc().unix_timestamp()))
}
