//! What an attacker or a broken client sends, each with its name.

use crate::gate::{Gate, NOW, activity, tenant};
use tollgate_config::manifest::Provider::{self, Github, Slack, StandardWebhooks};
use tollgate_ingress::{Key, Opened, Reason, replay};

const SIGNATURES: [(Provider, &str); 3] = [
    (Slack, "x-slack-signature"),
    (Github, "x-hub-signature-256"),
    (StandardWebhooks, "webhook-signature"),
];
const CLOCKS: [(Provider, &str); 2] = [(Slack, "x-slack-request-timestamp"), (StandardWebhooks, "webhook-timestamp")];

#[test]
fn samples_open() {
    for provider in Provider::ALL {
        assert_eq!(Gate::sample(provider).event().matched_key(), 0, "{}", provider.as_str());
    }
}

#[test]
fn a_tampered_body_is_refused() {
    // Telegram's token, the Bot Framework's and web chat's say only who sends.
    let signing = |provider: &Provider| !matches!(provider, Provider::Telegram | Provider::Teams | Provider::Webchat);
    for provider in Provider::ALL.into_iter().filter(signing) {
        for change in [
            |body: &mut Vec<u8>| body.push(b' '),
            |body: &mut Vec<u8>| body.clear(),
            |body: &mut Vec<u8>| body[10] ^= 1,
        ] {
            let mut gate = Gate::sample(provider);
            change(&mut gate.body);
            assert_eq!(gate.reason(), Some(Reason::BadSignature), "{}", provider.as_str());
        }
    }
}

#[test]
fn a_wrong_secret_is_refused() {
    for (provider, other) in [
        (Slack, "other"),
        (Github, "It's a Secret to Everybod"),
        (StandardWebhooks, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSx"),
    ] {
        assert_eq!(Gate::sample(provider).keys(&[(other, None)]).reason(), Some(Reason::BadSignature));
    }
}

#[test]
fn a_blank_secret_is_no_key_and_no_key_opens_nothing() {
    for blank in ["", " ", "\n\t "] {
        assert!(Key::new(blank.into(), None).is_err(), "{blank:?}");
    }
    for provider in Provider::ALL.into_iter().filter(|provider| provider.needs_signing()) {
        assert_eq!(Gate::sample(provider).keys(&[]).reason(), Some(Reason::NoLiveKey));
    }
    // A prefix with nothing after it is a valid HMAC key of no bytes.
    for nothing in ["whsec_", "whsec_=", "whpk_", "whsec_!!", "not base64 at all"] {
        assert_eq!(
            Gate::sample(StandardWebhooks).keys(&[(nothing, None)]).reason(),
            Some(Reason::BadSignature),
            "{nothing}"
        );
    }
}

#[test]
fn stale_and_future_requests_are_refused_and_the_edges_are_not() {
    for (provider, _) in CLOCKS {
        for (shift, reason) in [
            (300, None),
            (301, Some(Reason::StaleTimestamp)),
            (-300, None),
            (-301, Some(Reason::FutureTimestamp)),
            (i64::MAX - NOW.0, Some(Reason::StaleTimestamp)),
        ] {
            assert_eq!(
                Gate::sample(provider).at(NOW.0 + shift).reason(),
                reason,
                "{} {shift}",
                provider.as_str()
            );
        }
    }
}

#[test]
fn missing_headers_are_named() {
    for (provider, name) in SIGNATURES {
        assert_eq!(
            Gate::sample(provider).without(name).reason(),
            Some(Reason::MissingSignature),
            "{name}"
        );
    }
    for (provider, name) in CLOCKS {
        assert_eq!(
            Gate::sample(provider).without(name).reason(),
            Some(Reason::MissingTimestamp),
            "{name}"
        );
    }
    assert_eq!(Gate::sample(StandardWebhooks).without("webhook-id").reason(), Some(Reason::BadId));
}

#[test]
fn junk_clocks_are_refused() {
    for (provider, name) in CLOCKS {
        for junk in [
            "",
            "1e9",
            "+1",
            "-1531420618",
            "1531420618.0",
            "1531420618,1531420618",
            "15314206180",
            "0x5b47a30a",
            "now",
            "\u{ff11}531420618",
        ] {
            assert_eq!(
                Gate::sample(provider).header(name, junk).reason(),
                Some(Reason::BadTimestamp),
                "{name} {junk:?}"
            );
        }
    }
}

#[test]
fn a_clock_that_was_not_signed_is_refused() {
    for (provider, name) in CLOCKS {
        assert_eq!(
            Gate::sample(provider).header(name, "1531420619").reason(),
            Some(Reason::BadSignature),
            "{name}"
        );
    }
}

#[test]
fn a_second_header_of_the_scheme_is_refused_even_when_it_is_equal() {
    let ids = [
        (Github, "x-github-delivery"),
        (Github, "x-github-event"),
        (StandardWebhooks, "webhook-id"),
    ];
    for (provider, name) in SIGNATURES.into_iter().chain(CLOCKS).chain(ids) {
        let gate = Gate::sample(provider);
        let value = gate.headers[name].to_str().unwrap().to_owned();
        assert_eq!(gate.clone().more(name, &value).reason(), Some(Reason::DuplicateHeader), "{name}");
        assert_eq!(gate.more(name, "x").reason(), Some(Reason::DuplicateHeader), "{name}");
    }
}

#[test]
fn an_encoded_body_is_refused() {
    for provider in Provider::ALL {
        for encoding in ["gzip", "br", "identity, gzip", "x"] {
            assert_eq!(
                Gate::sample(provider).header("content-encoding", encoding).reason(),
                Some(Reason::UnsupportedEncoding),
                "{encoding}"
            );
        }
        assert_eq!(Gate::sample(provider).header("content-encoding", "identity").reason(), None);
    }
}

#[test]
fn a_signature_in_another_spelling_is_refused() {
    for (provider, name) in SIGNATURES {
        let gate = Gate::sample(provider);
        let good = gate.headers[name].to_str().unwrap().to_owned();
        let (prefix, rest) = good.split_at(good.find(['=', ',']).unwrap() + 1);
        let half = &rest[..rest.len() / 2];
        for bad in [
            format!("{}{rest}", prefix.to_uppercase()),
            rest.to_owned(),
            prefix.to_owned(),
            format!("{prefix}{half}"),
            format!("{good}00"),
            format!("{prefix} {rest}"),
            format!("{good},{good}"),
            String::new(),
        ] {
            assert_eq!(gate.clone().header(name, &bad).reason(), Some(Reason::BadSignature), "{name} {bad}");
        }
        if provider != StandardWebhooks {
            assert_eq!(
                gate.header(name, &format!("{prefix}{}", rest.to_uppercase())).reason(),
                Some(Reason::BadSignature),
                "{name}"
            );
        }
    }
    // The older SHA-1 header opens nothing.
    let sha1 = Gate::sample(Github)
        .without("x-hub-signature-256")
        .header("x-hub-signature", "sha1=d03207e4b030cf234e3447bac4d93add4c6643d8");
    assert_eq!(sha1.reason(), Some(Reason::MissingSignature));
}

#[test]
fn a_key_past_its_end_no_longer_opens_and_the_one_that_did_is_told() {
    for provider in Provider::ALL.into_iter().filter(|provider| provider.needs_signing()) {
        let refused = if provider == Provider::Telegram {
            Reason::BadToken
        } else {
            Reason::BadSignature
        };
        let old = replay::key(provider);
        let new = if matches!(provider, StandardWebhooks | Provider::Gitlab) {
            "whsec_bmV3bmV3bmV3bmV3bmV3bmV3bmV3"
        } else {
            "new"
        };
        assert_eq!(
            Gate::sample(provider)
                .keys(&[(new, None), (old, Some(NOW.0))])
                .event()
                .matched_key(),
            1
        );
        assert_eq!(
            Gate::sample(provider).keys(&[(new, None), (old, Some(NOW.0 - 1))]).reason(),
            Some(refused)
        );
        assert_eq!(
            Gate::sample(provider).keys(&[(old, Some(NOW.0 - 1))]).reason(),
            Some(Reason::NoLiveKey)
        );
    }
}

#[test]
fn an_unsigned_challenge_is_not_answered() {
    let challenge = "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P";
    let gate = Gate::with(
        Slack,
        format!(r#"{{"type":"url_verification","challenge":"{challenge}"}}"#).as_bytes(),
    );
    assert_eq!(gate.clone().without("x-slack-signature").reason(), Some(Reason::MissingSignature));
    assert_eq!(gate.clone().keys(&[("other", None)]).reason(), Some(Reason::BadSignature));
    match gate.open() {
        Ok(Opened::Handshake(answer)) => {
            assert_eq!((answer.status, answer.body.as_ref()), (200, challenge.as_bytes()));
            assert!(answer.content_type.unwrap().starts_with("text/plain"));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_challenge_that_could_be_anything_else_is_not_sent_back() {
    for bad in ["", "<script>", "a b", "a.b", "é", &"x".repeat(257)] {
        let body = format!("{{\"type\":\"url_verification\",\"challenge\":\"{bad}\"}}");
        assert_eq!(Gate::with(Slack, body.as_bytes()).reason(), Some(Reason::Unparsable), "{bad}");
    }
    assert_eq!(
        Gate::with(Slack, br#"{"type":"url_verification","challenge":5}"#).reason(),
        Some(Reason::Unparsable)
    );
    assert!(matches!(
        Gate::with(
            Slack,
            format!("{{\"type\":\"url_verification\",\"challenge\":\"{}\"}}", "x".repeat(256)).as_bytes()
        )
        .open(),
        Ok(Opened::Handshake(_))
    ));
}

#[test]
fn probes_and_pings_are_handshakes_only_when_they_are_signed_and_look_it() {
    assert!(
        matches!(Gate::with(Slack, b"ssl_check=1&token=x").open(), Ok(Opened::Handshake(answer)) if answer.status == 200 && answer.body.is_empty())
    );
    let ping = Gate::with(Github, br#"{"zen":"x","hook_id":1}"#);
    assert!(matches!(ping.open(), Ok(Opened::Handshake(answer)) if answer.status == 200 && answer.body.is_empty()));
    assert_eq!(ping.clone().keys(&[("other", None)]).reason(), Some(Reason::BadSignature));
    // The event's name is not signed: it alone silences no event, and an event's name does not hide a ping's body.
    assert!(Gate::sample(Github).header("x-github-event", "ping").event().id_mark().is_some());
    assert!(ping.header("x-github-event", "push").event().id_mark().is_some());
}

#[test]
fn a_new_delivery_id_does_not_make_a_known_github_body_new() {
    let first = Gate::sample(Github).header("x-github-delivery", "a").event();
    let second = Gate::sample(Github).header("x-github-delivery", "b").event();
    assert_ne!(first.id_mark(), second.id_mark());
    assert!(first.body_mark().is_some());
    assert_eq!(first.body_mark(), second.body_mark());
    // Nor does leaving it out.
    let third = Gate::sample(Github).without("x-github-delivery").event();
    assert_eq!((third.id_mark(), third.body_mark()), (None, first.body_mark()));
    // Unless the operator wants it so.
    let run = Gate::sample(Github).option("same_body", "run").event();
    assert!(run.id_mark().is_some() && run.body_mark().is_none());
}

#[test]
fn signed_ids_are_the_only_mark() {
    for gate in [Gate::sample(Slack).option("same_body", "drop"), Gate::sample(StandardWebhooks)] {
        let event = gate.event();
        assert!(
            event.id_mark().is_some() && event.body_mark().is_none(),
            "{}",
            gate.provider.as_str()
        );
    }
    // An event without an id runs each time, unless told otherwise.
    let nameless = Gate::with(
        Slack,
        br#"{"type":"app_rate_limited","team_id":"T1","minute_rate_limited":1518467820}"#,
    );
    assert_eq!((nameless.event().id_mark(), nameless.event().body_mark()), (None, None));
    assert!(nameless.option("same_body", "drop").event().body_mark().is_some());
}

#[test]
fn verified_is_not_parsable() {
    for (provider, body) in [
        (Slack, &b""[..]),
        (Slack, b"  "),
        (Slack, b"{}"),
        (Slack, b"{\"type\":\"event_callback\"}"),
        (Slack, b"{\"type\":\"event_callback\",\"event\":5}"),
        (Slack, b"[]"),
        (Slack, b"a=%ff"),
        (Slack, b"payload=notjson"),
        (Slack, b"payload={}"),
        (Slack, b"a=b"),
        (Slack, b"\xef\xbb\xbf{\"type\":\"x\"}"),
        (Github, b""),
        (Github, b"Hello, World!"),
        (Github, b"[]"),
        (Github, b"payload=x"),
        (StandardWebhooks, b"{"),
    ] {
        let refusal = Gate::with(provider, body).open().unwrap_err();
        assert_eq!(refusal.reason, Reason::Unparsable, "{} {body:?}", provider.as_str());
        assert!(refusal.reason.is_verified());
    }
    // An id that no store would take.
    let long = format!(
        r#"{{"type":"event_callback","event":{{"type":"message","channel":"{}"}}}}"#,
        "C".repeat(257)
    );
    assert_eq!(Gate::with(Slack, long.as_bytes()).reason(), Some(Reason::Unparsable));
}

#[test]
fn no_refusal_tells_a_secret_or_an_expected_signature() {
    for (provider, _) in SIGNATURES {
        let gate = Gate::sample(provider);
        let good: Vec<_> = SIGNATURES
            .iter()
            .filter_map(|(_, name)| gate.headers.get(*name)?.to_str().ok()?.split(['=', ',']).nth(1).map(str::to_owned))
            .collect();
        let mut tampered = gate.clone();
        tampered.headers = Gate::with(provider, b"other").headers;
        let text = format!("{:?} {:?}", tampered.open(), gate.keys);
        assert!(
            !good.is_empty() && good.iter().all(|signature| !text.contains(signature.as_str())) && !text.contains(replay::key(provider)),
            "{text}"
        );
    }
}

#[test]
fn tenants_and_headers_do_not_mix() {
    // What the activity says of ids comes out of the signed body; headers are shown only where they are on the list, and never the signature.
    let event = Gate::sample(Slack)
        .header("x-slack-retry-num", "1")
        .header("x-evil", "T999")
        .event();
    assert_eq!(event.account(), Some("T024BE7LD"));
    let shown = activity(&event)["metadata"]["raw_headers"].clone();
    assert_eq!(shown["x-slack-retry-num"], "1");
    assert!(shown.get("x-evil").is_none() && shown.get("x-slack-signature").is_none(), "{shown}");
    assert_eq!(event.session_key(&tenant()), "acme:slack:C024BE91L:U024BE7LH");
}
