//! PayPal: a signature over four texts, a certificate by its URL, a sum that is no MAC.

use crate::{
    gate::{Gate, NOW, activity, key, shared},
    schema,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::json;
use std::{collections::BTreeMap, sync::Arc};
use tollgate_config::manifest::{Provider::Paypal, Scalar};
use tollgate_ingress::{
    Reason, UnixTime, Wanted,
    certificate::{CHAIN_LIMIT, Certificate, CertificateError},
    jwt::Signer,
    replay, sign,
};

const ID: &str = "paypal-transmission-id";
const TIME: &str = "paypal-transmission-time";
const SIGNATURE: &str = "paypal-transmission-sig";
const CERTIFICATE: &str = "paypal-cert-url";
const ALGORITHM: &str = "paypal-auth-algo";
const WEBHOOK: &str = "9XL90610J3647323C";

const PEM: &str = include_str!("../../src/replay/certificate.pem");
/// The same, by a key on P-256.
const OTHER_KEY: &str = include_str!("../vectors/certificate-p256.pem");

fn signer() -> Signer {
    Signer::from_pem(replay::signing_key(Paypal).as_bytes()).unwrap()
}

/// A request whose signature covers exactly this text.
fn over(gate: Gate, text: &str) -> Gate {
    gate.header(SIGNATURE, &STANDARD.encode(signer().sign(text.as_bytes()).unwrap()))
}

/// A truly signed transmission at this time.
fn timed(time: &str) -> Gate {
    let gate = Gate::sample(Paypal).header(TIME, time);
    let id = gate.headers[ID].to_str().unwrap().to_owned();
    let sum = crc32(&gate.body);
    over(gate, &format!("{id}|{time}|{WEBHOOK}|{sum}"))
}

/// CRC-32 (ISO 3309), bit by bit: another implementation than the gate's.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| {
            (sum >> 1) ^ (0xedb8_8320 & (0_u32.wrapping_sub(sum & 1)))
        })
    })
}

/// Four bytes that give the whole the sum that is wanted.
fn forged(prefix: &[u8], wanted: u32) -> Vec<u8> {
    let table: Vec<u32> = (0..256)
        .map(|byte: u32| (0..8).fold(byte, |sum, _| (sum >> 1) ^ (0xedb8_8320 & (0_u32.wrapping_sub(sum & 1)))))
        .collect();
    let mut state = !wanted;
    let mut steps = Vec::new();
    for _ in 0..4 {
        let index = table.iter().position(|entry| entry >> 24 == state >> 24).unwrap();
        steps.push(index);
        state = (state ^ table[index]) << 8;
    }
    let mut sum = !crc32(prefix);
    let mut body = prefix.to_vec();
    for index in steps.into_iter().rev() {
        body.push((sum & 0xff) as u8 ^ u8::try_from(index).unwrap());
        sum = (sum >> 8) ^ table[index];
    }
    body
}

#[test]
fn the_signed_text_is_the_documented_one() {
    // CRC-32 of "123456789" is the algorithm's published check value.
    assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    assert_eq!(timed("2018-07-12T18:36:58Z").reason(), None);
    assert_eq!(
        timed("2018-07-12T18:36:58.000+00:00").reason(),
        None,
        "the text counts, as it is written"
    );
    let gate = Gate::sample(Paypal);
    assert_eq!(gate.headers[TIME], "2018-07-12T18:36:58Z");
    let other = gate.clone().header(TIME, "2018-07-12T18:36:59Z");
    assert_eq!(other.reason(), Some(Reason::BadSignature));
    assert_eq!(gate.clone().header(ID, "another").reason(), Some(Reason::BadSignature));
    assert_eq!(
        gate.option("webhook_id", "8XL90610J3647323C").reason(),
        Some(Reason::BadSignature),
        "another webhook's delivery"
    );
}

#[test]
fn every_header_is_needed_once() {
    for (name, reason) in [
        (ID, Reason::BadId),
        (TIME, Reason::MissingTimestamp),
        (SIGNATURE, Reason::MissingSignature),
        (CERTIFICATE, Reason::MissingSignature),
        (ALGORITHM, Reason::AlgorithmNotAllowed),
    ] {
        let gate = Gate::sample(Paypal);
        let value = gate.headers[name].to_str().unwrap().to_owned();
        assert_eq!(gate.clone().without(name).reason(), Some(reason), "{name}");
        assert_eq!(gate.more(name, &value).reason(), Some(Reason::DuplicateHeader), "{name}");
    }
    for odd in ["SHA1withRSA", "sha256withrsa", "SHA256withECDSA", "none", ""] {
        let gate = Gate::sample(Paypal).header(ALGORITHM, odd);
        assert_eq!(gate.reason(), Some(Reason::AlgorithmNotAllowed), "{odd}");
    }
    for odd in ["", "a|b", "a b", &"a".repeat(51), "é"] {
        assert_eq!(Gate::sample(Paypal).header(ID, odd).reason(), Some(Reason::BadId), "{odd}");
    }
    let good = Gate::sample(Paypal).headers[SIGNATURE].to_str().unwrap().to_owned();
    for odd in [
        "",
        "x",
        good.trim_end_matches('='),
        &format!("{good} "),
        &format!("{good}{good}"),
        &good[4..],
    ] {
        let gate = Gate::sample(Paypal).header(SIGNATURE, odd);
        assert_eq!(gate.reason(), Some(Reason::BadSignature), "{odd}");
    }
}

#[test]
fn the_boundary_between_the_texts_cannot_be_moved() {
    let gate = Gate::sample(Paypal);
    let id = gate.headers[ID].to_str().unwrap().to_owned();
    for (moved, reason) in [
        (gate.clone().header(ID, &format!("{id}|2018-07-12T18:36:58Z")), Reason::BadId),
        (
            gate.clone().header(TIME, &format!("2018-07-12T18:36:58Z|{WEBHOOK}")),
            Reason::BadTimestamp,
        ),
    ] {
        assert_eq!(moved.reason(), Some(reason));
    }
}

#[test]
fn a_transmission_is_good_for_an_hour() {
    for (shift, reason) in [
        (3600, None),
        (3601, Some(Reason::StaleTimestamp)),
        (-300, None),
        (-301, Some(Reason::FutureTimestamp)),
    ] {
        assert_eq!(Gate::sample(Paypal).at(NOW.0 + shift).reason(), reason, "{shift}");
    }
    let late = |seconds| {
        Gate::sample(Paypal)
            .option("webhook_id", WEBHOOK)
            .scalar("tolerance", Scalar::Integer(seconds))
            .at(NOW.0 + 7200)
            .reason()
    };
    assert_eq!((late(7200), late(7199)), (None, Some(Reason::StaleTimestamp)));
    for junk in ["", "1531420618", "2018-07-12", "2018-07-12T18:36:58", "now"] {
        assert_eq!(timed(junk).reason(), Some(Reason::BadTimestamp), "{junk}");
    }
}

#[test]
fn certificates_come_from_paypal_alone() {
    let wants = |url: &str| Gate::sample(Paypal).header(CERTIFICATE, url).open().unwrap_err();
    for host in [
        "api.paypal.com",
        "api-m.paypal.com",
        "api.sandbox.paypal.com",
        "api-m.sandbox.paypal.com",
    ] {
        let url = format!("https://{host}/v1/notifications/certs/CERT-360caa42-fca2a594-a5cafa77");
        let refusal = wants(&url);
        assert_eq!(
            (refusal.reason, refusal.wants),
            (Reason::UnknownKey, Some(Wanted::Certificate { url }))
        );
    }
    let path = "/v1/notifications/certs/CERT-1";
    for odd in [
        format!("http://api.paypal.com{path}"),
        format!("HTTPS://api.paypal.com{path}"),
        format!("https://API.paypal.com{path}"),
        format!("https://evil.example{path}"),
        format!("https://api.paypal.com.evil.example{path}"),
        format!("https://evil.example/api.paypal.com{path}"),
        format!("https://api.paypal.com@evil.example{path}"),
        format!("https://user@api.paypal.com{path}"),
        format!("https://api.paypal.com:443{path}"),
        format!("https://api.paypal.com:8443{path}"),
        format!("https://api.paypal.com.{path}"),
        format!("https://api.paypal.com\\@evil.example{path}"),
        format!("https://paypal.com{path}"),
        format!("https://www.paypal.com{path}"),
        format!("https://api.paypal.com{path}?x=1"),
        format!("https://api.paypal.com{path}#x"),
        format!("https://api.paypal.com{path}/../../../evil"),
        format!("https://api.paypal.com{path}%2f"),
        "https://api.paypal.com/v1/notifications/certs/".to_owned(),
        "https://api.paypal.com/v1/other/CERT-1".to_owned(),
        format!("https://api.paypal.com{path}{}", "x".repeat(500)),
        format!(" https://api.paypal.com{path}"),
        String::new(),
    ] {
        let refusal = wants(&odd);
        assert_eq!((refusal.reason, refusal.wants), (Reason::BadSignature, None), "{odd}");
    }
}

#[test]
fn nothing_is_fetched_for_what_is_wrong_anyway() {
    let unknown = || Gate::sample(Paypal).header(CERTIFICATE, "https://api.paypal.com/v1/notifications/certs/CERT-1");
    for gate in [
        unknown().at(NOW.0 + 7200),
        unknown().header(ALGORITHM, "none"),
        unknown().header(ID, "a|b"),
        unknown().header(SIGNATURE, "!"),
    ] {
        assert_eq!(gate.open().unwrap_err().wants, None);
    }
}

#[test]
fn a_certificate_opens_on_its_days_and_with_its_key() {
    let url = Gate::sample(Paypal).headers[CERTIFICATE].to_str().unwrap().to_owned();
    let under = |pem: &str| {
        let mut gate = Gate::sample(Paypal);
        let certificate = Certificate::from_pem(pem.as_bytes()).unwrap();
        gate.keys.certificates = Arc::new(BTreeMap::from([(url.clone(), certificate)]));
        gate
    };
    assert_eq!(under(PEM).reason(), None);
    assert_eq!(under(OTHER_KEY).reason(), Some(Reason::BadSignature));
    // From the first second of 2018 to the last one of 2049.
    let certificate = Certificate::from_pem(PEM.as_bytes()).unwrap();
    for (second, valid) in [
        (1_514_764_799, false),
        (1_514_764_800, true),
        (2_524_607_999, true),
        (2_524_608_000, false),
    ] {
        assert_eq!(certificate.is_valid(UnixTime(second)), valid, "{second}");
    }
    assert_eq!(certificate.not_after(), UnixTime(2_524_607_999));
    let late = timed("2049-12-31T23:59:59Z");
    assert_eq!(late.clone().at(2_524_607_999).reason(), None);
    assert_eq!(late.at(2_524_608_000).reason(), Some(Reason::NoLiveKey));
}

#[test]
fn certificates_are_read_strictly() {
    let read = |text: &str| Certificate::from_pem(text.as_bytes()).map(|certificate| certificate.chain().len());
    assert_eq!(read(PEM), Ok(1));
    assert_eq!(read(&format!("a comment\n{PEM}\nanother\n{OTHER_KEY}")), Ok(2));
    for odd in ["", "x", &PEM.replace("END", "ENE"), &PEM.replacen('M', "!", 1)] {
        assert_eq!(read(odd).err(), Some(CertificateError::NotPem), "{odd}");
    }
    assert_eq!(read(&PEM.repeat(9)).err(), Some(CertificateError::TooLong));
    assert_eq!(read(&" ".repeat(CHAIN_LIMIT + 1)).err(), Some(CertificateError::TooLong));
    // Cut or lengthened anywhere, it is no certificate, and never a panic.
    let der = Certificate::from_pem(PEM.as_bytes()).unwrap().chain()[0].clone();
    let pem = |der: &[u8]| format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", STANDARD.encode(der));
    assert_eq!(read(&pem(&der)), Ok(1));
    for length in 0..der.len() {
        assert_eq!(read(&pem(&der[..length])).err(), Some(CertificateError::NotCertificate), "{length}");
    }
    assert_eq!(read(&pem(&[&der[..], &[0]].concat())).err(), Some(CertificateError::NotCertificate));
}

#[test]
fn a_body_with_the_same_sum_comes_under_the_old_transmission() {
    let good = Gate::sample(Paypal);
    let mut gate = good.clone();
    let prefix = sign::sample(Paypal)
        .replace("21.00", "99.00")
        .replace("\"id\":\"WH-", "\"id\":\"XX-");
    let before = prefix.strip_suffix('}').unwrap();
    gate.body = forged(format!("{before},\"x\":\"").as_bytes(), crc32(&good.body));
    assert_eq!(crc32(&gate.body), crc32(&good.body));
    // The signature fits, which is why it is not enough: the id of the transmission is the one that has run.
    assert_eq!(gate.reason(), Some(Reason::Unparsable), "verified");
    let mut json = good.clone();
    json.body.push(b' ');
    assert_eq!(json.reason(), Some(Reason::BadSignature));
    let event = good.event();
    assert!(event.id_mark().is_some() && event.body_mark().is_some());
    assert_eq!(event.event_id(), good.headers[ID].to_str().ok());
    // The same event under another transmission has the same body.
    let again = sign::sign(Paypal, &good.body, &key(replay::signing_key(Paypal)), NOW, None).unwrap();
    let time = again.headers[TIME].to_str().unwrap().to_owned();
    let other = over(
        good.clone().header(ID, "another-1"),
        &format!("another-1|{time}|{WEBHOOK}|{}", crc32(&good.body)),
    );
    assert_ne!(other.event().id_mark(), event.id_mark());
    assert_eq!(other.event().body_mark(), event.body_mark());
    assert_eq!(
        good.option("webhook_id", WEBHOOK).option("same_body", "run").event().body_mark(),
        None
    );
}

#[test]
fn an_event_has_its_name_its_resource_and_its_time() {
    let event = Gate::sample(Paypal).event();
    let read = activity(&event);
    assert_eq!(read["metadata"]["type"], "event");
    assert_eq!(read["metadata"]["event"], "PAYMENT.SALE.COMPLETED");
    assert_eq!(
        read["provider_ids"],
        json!({"workspace_id": WEBHOOK, "conversation_id": "80F85758S3080410K", "event_id": "WH-9UG43882HX7271132-6E0871324L7949614"})
    );
    assert_eq!(read["timestamp"], "2026-02-19T10:00:00+00:00");
    assert_eq!(read["channel_data"]["resource_type"], "sale");
    assert_eq!(read["channel_data"]["summary"], "Payment completed for $ 21.0 USD");
    assert_eq!(event.account(), Some(WEBHOOK), "what is signed, not what the body says");
    for odd in ["{}", "[]", "x", r#"{"event_type":""}"#] {
        assert_eq!(Gate::with(Paypal, odd.as_bytes()).reason(), Some(Reason::Unparsable), "{odd}");
    }
}

#[test]
fn a_fresh_event_has_a_fresh_id_in_both_places() {
    let fresh = |id| sign::sign(Paypal, sign::sample(Paypal).as_bytes(), &key(replay::signing_key(Paypal)), NOW, id).unwrap();
    let signed = fresh(Some("fresh-1"));
    let mut gate = Gate::sample(Paypal);
    (gate.headers, gate.body) = (signed.headers, signed.body);
    assert_eq!(gate.event().event_id(), Some("fresh-1"));
    assert_eq!(activity(&gate.event())["provider_ids"]["event_id"], "fresh-1");
    assert_ne!(gate.event().body_mark(), Gate::sample(Paypal).event().body_mark());
}

#[test]
fn real_events_fit() {
    let Some(folder) = shared("corpus/paypal") else { return };
    let mut events = 0;
    for path in std::fs::read_dir(folder).unwrap() {
        let path = path.unwrap().path();
        let event = Gate::with(Paypal, &std::fs::read(&path).unwrap()).event();
        assert_eq!(schema::wrong(&activity(&event)), Vec::<String>::new(), "{}", path.display());
        events += 1;
    }
    assert!(events > 0);
}
