//! Attacks on the one scheme with a text of three parts, two kinds of keys and two names for its headers.

use crate::gate::{Gate, NOW, key};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use tollgate_config::manifest::Provider::{Slack, StandardWebhooks};
use tollgate_ingress::{Reason, sign};

#[test]
fn the_boundary_between_id_time_and_body_cannot_be_moved() {
    let gate = Gate::sample(StandardWebhooks);
    let value = |name: &str| gate.headers[name].to_str().unwrap().to_owned();
    let (id, time, body) = (value("webhook-id"), value("webhook-timestamp"), gate.body.clone());
    // All of these sign the same text.
    let mut moved = gate.clone().header("webhook-id", &format!("{id}.{time}"));
    moved.body = body[body.iter().position(|byte| *byte == b'.').unwrap() + 1..].to_vec();
    assert_eq!(moved.reason(), Some(Reason::BadId));
    let mut longer = gate.clone().header("webhook-timestamp", &format!("{time}.{}", "x"));
    longer.body.clone_from(&body);
    assert_eq!(longer.reason(), Some(Reason::BadTimestamp));
    for id in ["", " ", "a b", "a.b", "\u{e9}", &"x".repeat(257)] {
        assert_eq!(gate.clone().header("webhook-id", id).reason(), Some(Reason::BadId), "{id:?}");
    }
    // Slack's text has a fixed time and a colon: a byte of the body cannot become one of the time.
    let mut slack = Gate::sample(Slack).header("x-slack-request-timestamp", "15314206181");
    slack.body.remove(0);
    assert_eq!(slack.reason(), Some(Reason::BadTimestamp));
}

#[test]
fn base64_that_is_not_canonical_is_refused() {
    let gate = Gate::sample(StandardWebhooks);
    let good = gate.headers["webhook-signature"].to_str().unwrap().to_owned();
    // 32 bytes end in two spare bits: four texts decode to the same bytes where a decoder is lax.
    let last = good.as_bytes()[good.len() - 2];
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let at = alphabet.iter().position(|letter| *letter == last).unwrap();
    for spare in 1..4 {
        let bad = format!("{}{}=", &good[..good.len() - 2], char::from(alphabet[at + spare]));
        assert_eq!(
            gate.clone().header("webhook-signature", &bad).reason(),
            Some(Reason::BadSignature),
            "{bad}"
        );
    }
    for bad in [
        good.trim_end_matches('=').to_owned(),
        format!("{good}="),
        good.replace("v1,", "v1,\t"),
        good.replace(['+', '/'], "-"),
    ] {
        if bad != good {
            assert_eq!(
                gate.clone().header("webhook-signature", &bad).reason(),
                Some(Reason::BadSignature),
                "{bad}"
            );
        }
    }
    // A malformed one does not spoil the good one beside it, and an unknown version is passed over.
    assert_eq!(
        gate.clone().header("webhook-signature", &format!("v1,x v9,{good} {good}")).reason(),
        None
    );
    assert_eq!(
        gate.header("webhook-signature", &vec![good; 17].join(" ")).reason(),
        Some(Reason::BadSignature)
    );
}

/// Svix's published pair.
const PRIVATE: &str = "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg==";
const PUBLIC: &str = "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=";

fn asymmetric() -> Gate {
    let mut gate = Gate::sample(StandardWebhooks).keys(&[(PUBLIC, None)]);
    gate.headers = sign::sign(StandardWebhooks, &gate.body, &key(PRIVATE), NOW, Some("msg_1"))
        .unwrap()
        .headers;
    gate
}

#[test]
fn a_malleable_ed25519_signature_is_refused() {
    let gate = asymmetric();
    assert_eq!(gate.reason(), None);
    let good = STANDARD
        .decode(gate.headers["webhook-signature"].to_str().unwrap().strip_prefix("v1a,").unwrap())
        .unwrap();
    // RFC 8032 5.1.7: S + L fits the same equation, and must be refused.
    let order = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        0, 0, 0, 0x10,
    ];
    let (mut other, mut carry) = (good, 0u16);
    for (byte, add) in other[32..].iter_mut().zip(order) {
        let sum = u16::from(*byte) + add + carry;
        *byte = u8::try_from(sum & 0xff).unwrap();
        carry = sum >> 8;
    }
    assert_eq!(
        gate.header("webhook-signature", &format!("v1a,{}", STANDARD.encode(other)))
            .reason(),
        Some(Reason::BadSignature)
    );
}

#[test]
fn one_kind_of_key_is_never_used_as_the_other() {
    // HMAC under the text or the bytes of the public key.
    let gate = asymmetric();
    let public = PUBLIC.replace("whpk_", "whsec_");
    let forged = sign::sign(StandardWebhooks, &gate.body, &key(&public), NOW, Some("msg_1")).unwrap();
    let mut confused = gate.clone();
    confused.headers = forged.headers;
    assert_eq!(confused.reason(), Some(Reason::BadSignature));
    // A private key at the gate opens nothing, and a key of small order fits no signature.
    let zero = format!("whpk_{}", STANDARD.encode([0u8; 32]));
    let one = format!("whpk_{}", STANDARD.encode([&[1u8][..], &[0; 31]].concat()));
    for odd in [PRIVATE, &zero, &one] {
        assert_eq!(gate.clone().keys(&[(odd, None)]).reason(), Some(Reason::BadSignature), "{odd}");
    }
}

#[test]
fn both_names_of_the_standard_headers_must_say_the_same() {
    let gate = Gate::sample(StandardWebhooks);
    let mut twins = gate.clone();
    for (ours, theirs) in [
        ("webhook-id", "svix-id"),
        ("webhook-timestamp", "svix-timestamp"),
        ("webhook-signature", "svix-signature"),
    ] {
        let value = gate.headers[ours].to_str().unwrap().to_owned();
        assert_eq!(
            twins.clone().header(theirs, "other").reason(),
            Some(Reason::DuplicateHeader),
            "{theirs}"
        );
        twins = twins.header(theirs, &value);
    }
    assert_eq!(twins.reason(), None);
    assert_eq!(twins.event().event_id(), gate.event().event_id());
    let svix = twins
        .without("webhook-id")
        .without("webhook-timestamp")
        .without("webhook-signature");
    assert_eq!(svix.reason(), None);
}
