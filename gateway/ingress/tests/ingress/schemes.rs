//! Every attack on every scheme. The table says which test refuses it; a test here runs over all providers, so a new one is in it from its first day.
//!
//! | attack | all schemes | and of its own |
//! |---|---|---|
//! | tampered body | `a_flipped_bit_anywhere_is_refused`, `bytes_before_and_behind_are_refused`, `properties::any_flipped_bit_…` | each provider's `tampered_…` |
//! | algorithm none, or another one | `no_algorithm_and_no_signature_are_refused` | `webex::the_old_header_counts_only_on_request_…`, `hmac::options_that_would_open_for_anyone_…` |
//! | HMAC with the public key | `what_everybody_knows_signs_nothing` | `standard_webhooks::one_kind_of_key_is_never_used_as_the_other` |
//! | moved boundary | `a_moved_boundary_is_refused_in_every_scheme_with_a_clock` | `discord`, `stripe`, `zoom`, `standard_webhooks`, `hmac`: `the_boundary_…`; `twilio::fields_cannot_be_moved_into_the_query` |
//! | malleable signature | `a_signature_has_one_spelling` | `discord::a_malleable_signature_is_refused`, `standard_webhooks::a_malleable_ed25519_signature_is_refused` |
//! | duplicate headers | `a_header_of_a_scheme_counts_once` | `gitea::names_of_one_delivery_must_be_the_same`, `stripe::a_second_time_is_refused_wherever_it_stands` |
//! | missing headers | `what_a_scheme_needs_cannot_be_left_out` | |
//! | unsigned-header swap | `no_unsigned_header_says_whose_it_is_or_makes_it_new` | `mismatch` |
//! | handshake as an oracle | `handshakes_are_answered_to_who_has_the_key_alone` | `zoom::a_validation_…`, `attacks::a_challenge_that_could_be_anything_else_…` |
//! | blank secret | `attacks::a_blank_secret_is_no_key_and_no_key_opens_nothing` | |
//! | encoded body | `attacks::an_encoded_body_is_refused` | |

use crate::gate::{Gate, activity};
use http::{HeaderName, HeaderValue};
use sha2::{Digest as _, Sha256};
use tollgate_config::manifest::Provider;
use tollgate_ingress::{Deliveries, Opened, Reason, Verified, provider, replay};

/// The headers that carry a proof, and the clocks and ids that are signed with it.
fn needed(provider: Provider) -> &'static [&'static str] {
    match provider {
        Provider::Slack => &["x-slack-signature", "x-slack-request-timestamp"],
        Provider::Telegram => &["x-telegram-bot-api-secret-token"],
        Provider::TeamsOutgoing | Provider::Webchat => &["authorization"],
        Provider::Webex => &["x-webex-signature"],
        Provider::Github => &["x-hub-signature-256"],
        Provider::Gitlab | Provider::StandardWebhooks => &["webhook-signature", "webhook-id", "webhook-timestamp"],
        Provider::Bitbucket => &["x-hub-signature"],
        Provider::Stripe => &["stripe-signature"],
        Provider::Shopify => &["x-shopify-hmac-sha256"],
        Provider::Twilio => &["x-twilio-signature"],
        Provider::Discord => &["x-signature-ed25519", "x-signature-timestamp"],
        Provider::Zoom => &["x-zm-signature", "x-zm-request-timestamp"],
        Provider::Linear => &["linear-signature"],
        Provider::Hmac => &["x-signature"],
        // Gitea has two names for one, of which either is enough; the rest have tests of their own.
        _ => &[],
    }
}

/// All but `webhook`, which has no scheme of its own: it takes another one's.
fn schemes() -> impl Iterator<Item = Provider> {
    Provider::ALL.into_iter().filter(|provider| *provider != Provider::Webhook)
}

/// The schemes whose proof covers every byte of the body: not a token's, which says only who sends, nor that of a form's fields, which may be
/// written in several ways.
fn covering() -> impl Iterator<Item = Provider> {
    let not = ["telegram", "twilio", "teams", "webchat"];
    schemes().filter(move |provider| !not.contains(&provider.as_str()))
}

fn not_verified(gate: &Gate, what: &str) {
    match gate.open() {
        Err(refusal) if !refusal.reason.is_verified() => {}
        Err(refusal) => panic!("{} {what}: verified, {refusal}", gate.provider.as_str()),
        Ok(_) => panic!("{} {what}: opened", gate.provider.as_str()),
    }
}

/// The sample, with one signature where the provider writes several, each of which would do.
fn signed_once(provider: Provider) -> Gate {
    let gate = Gate::sample(provider);
    if provider != Provider::Webex {
        return gate;
    }
    let name = needed(provider)[0];
    let one = written(&gate, name).split(',').next().unwrap().to_owned();
    gate.header(name, &one)
}

fn set(gate: &Gate, name: &'static str, value: &[u8]) -> Gate {
    let mut gate = gate.clone();
    let value = HeaderValue::from_bytes(value).unwrap();
    gate.headers.insert(HeaderName::from_static(name), value);
    gate
}

/// The value of a header of the sample.
fn written(gate: &Gate, name: &str) -> String {
    gate.headers[name].to_str().unwrap().to_owned()
}

#[test]
fn a_flipped_bit_anywhere_is_refused() {
    for provider in covering() {
        let gate = Gate::sample(provider);
        for at in 0..gate.body.len() {
            let mut other = gate.clone();
            other.body[at] ^= 1 << (at % 8);
            not_verified(&other, "flipped");
        }
    }
}

#[test]
fn bytes_before_and_behind_are_refused() {
    for provider in covering() {
        let gate = Gate::sample(provider);
        for (before, behind) in [
            ("", "\n"),
            ("", "\0"),
            ("", "\r\n"),
            (" ", ""),
            ("\u{feff}", ""),
            ("", "{}"),
            ("{}", ""),
            ("0", ""),
        ] {
            let mut other = gate.clone();
            other.body = [before.as_bytes(), &gate.body, behind.as_bytes()].concat();
            not_verified(&other, &format!("{before:?} {behind:?}"));
        }
        for (start, end) in [(0, gate.body.len() - 1), (1, gate.body.len()), (0, 0)] {
            let mut other = gate.clone();
            other.body = gate.body[start..end].to_vec();
            not_verified(&other, "cut");
        }
    }
}

#[test]
fn a_twilio_form_in_which_any_bit_differs_says_the_same_or_is_refused() {
    let gate = Gate::sample(Provider::Twilio);
    let says = |event: &Verified| activity(event)["raw"].clone();
    let original = says(&gate.event());
    for at in 0..gate.body.len() * 8 {
        let mut other = gate.clone();
        other.body[at / 8] ^= 1 << (at % 8);
        if other.open().is_ok() {
            assert_eq!(says(&other.event()), original, "bit {at}");
        }
    }
}

#[test]
fn a_header_of_a_scheme_counts_once() {
    for provider in schemes() {
        let gate = Gate::sample(provider);
        let of_scheme = provider::facts(provider).scheme_headers.iter().chain(needed(provider)).copied();
        let present: Vec<_> = of_scheme.filter(|name| gate.headers.contains_key(*name)).collect();
        assert!(
            !present.is_empty(),
            "{}: no header of the scheme in its own sample",
            provider.as_str()
        );
        for name in present {
            for second in [written(&gate, name).as_str(), "x", ""] {
                let reason = gate.clone().more(name, second).reason();
                assert_eq!(reason, Some(Reason::DuplicateHeader), "{} {name} {second:?}", provider.as_str());
            }
        }
    }
}

#[test]
fn what_a_scheme_needs_cannot_be_left_out() {
    for provider in schemes() {
        let gate = Gate::sample(provider);
        for name in needed(provider) {
            let missing = gate.clone().without(name).reason();
            assert!(
                matches!(missing, Some(Reason::MissingSignature | Reason::MissingTimestamp | Reason::BadId)),
                "{} {name}: {missing:?}",
                provider.as_str()
            );
            for blank in ["", " ", "\t", "\u{e9}"] {
                not_verified(&set(&gate, name, blank.as_bytes()), &format!("{name} {blank:?}"));
            }
        }
        // Whatever they are called: without any header of its scheme, no request opens.
        let mut bare = gate.clone();
        bare.headers.clear();
        not_verified(&bare, "without headers");
    }
}

#[test]
fn a_signature_has_one_spelling() {
    for provider in schemes() {
        let Some(name) = needed(provider).first().copied() else { continue };
        let gate = signed_once(provider);
        let good = written(&gate, name);
        let mut others = vec![
            format!("{good}0"),
            format!("{good}="),
            format!("\"{good}\""),
            good[1..].to_owned(),
            good[..good.len() - 1].to_owned(),
            good[..good.len() / 2].to_owned(),
            good.to_uppercase(),
            good.to_lowercase(),
            good.replace('=', ""),
            good.replace('+', "-").replace('/', "_"),
            good.replace('+', " "),
            format!("%{:02X}{}", good.as_bytes()[0], &good[1..]),
        ];
        // Lists have blanks between their parts, and may hold what nobody knows beside what fits.
        let list = ["stripe", "webex", "standard-webhooks", "gitlab"].contains(&provider.as_str());
        if !list {
            others.extend([format!("{good},{good}"), format!(" {good}"), format!("{good}\t")]);
        }
        if provider == Provider::Webex {
            // Its label may be written either way, its digits may not.
            others.retain(|other| *other != good.to_lowercase());
        }
        others.retain(|other| *other != good);
        for other in others {
            not_verified(&set(&gate, name, other.as_bytes()), &format!("{name}: {other:?}"));
        }
    }
}

#[test]
fn no_algorithm_and_no_signature_are_refused() {
    for provider in schemes() {
        let Some(name) = needed(provider).first().copied() else { continue };
        let gate = signed_once(provider);
        let good = written(&gate, name);
        let (label, rest) = good.split_at(good.find(['=', ',', ' ']).map_or(0, |at| at + 1));
        for none in ["none", "null", "undefined", "0", "true", "*", "[object Object]"] {
            not_verified(&set(&gate, name, none.as_bytes()), none);
            not_verified(&set(&gate, name, format!("{label}{none}").as_bytes()), none);
        }
        for other in [
            "none=", "none,", "sha1=", "md5=", "sha256=", "sha512=", "v1=", "v2=", "v0=", "v2,", "v1a,", "v0,", "HMAC ", "Bearer ",
            "Basic ", "SHA-1=", "SHA1=",
        ] {
            if !label.eq_ignore_ascii_case(other) {
                not_verified(&set(&gate, name, format!("{other}{rest}").as_bytes()), other);
                not_verified(&set(&gate, name, other.as_bytes()), other);
            }
        }
        // A header that would choose the algorithm chooses none.
        let mut chosen = gate.without(name);
        for choice in ["alg", "algorithm", "x-signature-algorithm", "x-hub-signature-algorithm"] {
            chosen = chosen.header(choice, "none");
        }
        not_verified(&chosen, "chosen");
    }
}

#[test]
fn what_everybody_knows_signs_nothing() {
    for provider in schemes() {
        let Some(name) = needed(provider).first().copied() else { continue };
        let gate = signed_once(provider);
        // The body's plain hash, and the public key itself, in each way to write them.
        let hash = sha(&gate.body);
        let public = replay::key(provider).as_bytes();
        let label = written(&gate, name);
        let (label, _) = label.split_at(label.find(['=', ',', ' ']).map_or(0, |at| at + 1));
        if provider == Provider::Telegram {
            continue; // its key is what it shows
        }
        for known in [&hash[..], public] {
            for text in [data_encoding::HEXLOWER.encode(known), data_encoding::BASE64.encode(known)] {
                not_verified(&set(&gate, name, format!("{label}{text}").as_bytes()), &text);
                not_verified(&set(&gate, name, text.as_bytes()), &text);
            }
        }
    }
}

fn sha(body: &[u8]) -> Vec<u8> {
    Sha256::digest(body).to_vec()
}

#[test]
fn a_moved_boundary_is_refused_in_every_scheme_with_a_clock() {
    for (provider, clock) in [
        (Provider::Slack, "x-slack-request-timestamp"),
        (Provider::Zoom, "x-zm-request-timestamp"),
        (Provider::Discord, "x-signature-timestamp"),
        (Provider::StandardWebhooks, "webhook-timestamp"),
        (Provider::Gitlab, "webhook-timestamp"),
    ] {
        let gate = Gate::sample(provider);
        let time = written(&gate, clock);
        // The time's last digits to the body, the body's first byte to the time.
        for keep in 1..time.len() {
            let mut moved = set(&gate, clock, &time.as_bytes()[..keep]);
            moved.body = [&time.as_bytes()[keep..], &gate.body].concat();
            not_verified(&moved, &time[..keep]);
        }
        for take in 1..4 {
            let mut moved = set(&gate, clock, &[time.as_bytes(), &gate.body[..take]].concat());
            moved.body = gate.body[take..].to_vec();
            not_verified(&moved, "body to time");
        }
    }
}

/// What a delivery is known by.
type Known = (Option<String>, Option<[u8; 32]>, Option<[u8; 32]>, String);

fn known(gate: &Gate) -> Option<Known> {
    match gate.open() {
        Ok(Opened::Deliveries(Deliveries { mut events, .. })) => {
            let event = events.pop()?;
            let activity = activity(&event);
            let ids = &activity["provider_ids"];
            let said = [
                &activity["metadata"]["type"],
                &activity["text"],
                &ids["channel_id"],
                &ids["user_id"],
            ];
            Some((
                event.account().map(str::to_owned),
                event.id_mark(),
                event.body_mark(),
                format!("{said:?}"),
            ))
        }
        Ok(Opened::Handshake(answer)) => panic!("{}: a header made a handshake: {answer:?}", gate.provider.as_str()),
        Err(_) => None,
    }
}

#[test]
fn no_unsigned_header_says_whose_it_is_or_makes_it_new() {
    for provider in schemes() {
        let gate = Gate::sample(provider);
        let (account, id, body, said) = known(&gate).unwrap_or_else(|| panic!("{}: {:?}", provider.as_str(), gate.open()));
        let facts = provider::facts(provider);
        let names = facts.scheme_headers.iter().chain(facts.shown_headers).copied();
        let values = ["1", "other", "acme", "ping", "push", "shop/redact", "evil.myshopify.com"];
        let swaps = names.flat_map(|name| values.map(|value| (name, Some(value))).into_iter().chain([(name, None)]));
        for (name, value) in swaps {
            // What the body is read as follows its type; where that is unsigned, the body's own shape decides.
            if name == "content-type" {
                continue;
            }
            let swapped = match value {
                Some(value) => set(&gate, name, value.as_bytes()),
                None => gate.clone().without(name),
            };
            let Some(seen) = known(&swapped) else { continue };
            let what = format!("{} {name}: {value:?}", provider.as_str());
            assert_eq!(seen.0, account, "{what}: another account");
            assert_eq!(seen.3, said, "{what}: another activity");
            if id.is_some() || body.is_some() {
                assert!(
                    (id.is_some() && seen.1 == id) || (body.is_some() && seen.2 == body),
                    "{what}: a known delivery looks new"
                );
            }
        }
    }
}

#[test]
fn handshakes_are_answered_to_who_has_the_key_alone() {
    for (provider, body) in [
        (Provider::Slack, &br#"{"type":"url_verification","challenge":"abc"}"#[..]),
        (Provider::Slack, b"ssl_check=1&token=x"),
        (Provider::Discord, br#"{"type":1,"id":"1","token":"t"}"#),
        (Provider::Discord, br#"{"version":1,"application_id":"1","type":0}"#),
        (
            Provider::Zoom,
            br#"{"event":"endpoint.url_validation","payload":{"plainToken":"qgg8vlvZRS6UYooatFL8Aw"},"event_ts":1654503849680}"#,
        ),
        (Provider::Github, br#"{"zen":"x","hook_id":1}"#),
        (Provider::Bitbucket, br#"{"test":true}"#),
    ] {
        let mut gate = Gate::with(provider, body);
        if provider == Provider::Bitbucket {
            gate = gate.header("x-event-key", "diagnostics:ping");
        }
        assert!(matches!(gate.open(), Ok(Opened::Handshake(_))), "{}", provider.as_str());
        for name in needed(provider) {
            not_verified(&gate.clone().without(name), name);
        }
        let mut bare = gate.clone();
        bare.headers.clear();
        not_verified(&bare, "bare");
        let other = match provider {
            Provider::Discord => "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            _ => "another secret",
        };
        not_verified(&gate.keys(&[(other, None)]), "another key");
    }
}
