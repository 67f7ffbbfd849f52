//! What WhatsApp, Messenger and Instagram share: the signature over raw bytes, the challenge by GET.

use crate::gate::{Gate, key};
use http::{HeaderMap, Method};
use tollgate_config::manifest::Provider::{self, Instagram, Messenger, Whatsapp};
use tollgate_ingress::{Key, Keys, Opened, Reason, Request, Scheme, open, replay};

const SIGNATURE: &str = "x-hub-signature-256";
const ALL: [Provider; 3] = [Whatsapp, Messenger, Instagram];

/// As Meta writes what is not ASCII, and slashes; the MACs are by another implementation (Python's `hmac`).
const ESCAPED: &[u8] = br#"{"object":"page","entry":[{"id":"1","time":1771495200000,"messaging":[{"sender":{"id":"2"},"recipient":{"id":"1"},"timestamp":1771495200000,"message":{"mid":"m_1","text":"\u00e4 \ud83d\ude00 https:\/\/a.example\/x"}}]}]}"#;
const ESCAPED_SHA256: &str = "c7d6dcccc9dbf460d7caae037f562de5bc5cd80e3874261361f42c8dda6d9312";
const ESCAPED_SHA1: &str = "a02f5f8830ba66931e7c6ab669cecc50f5f2acc5";

/// What a GET with this query gives: the challenge sent back, or the reason.
fn get(provider: Provider, query: &str, verify: Option<&str>) -> Result<String, Reason> {
    let keys = Keys {
        verify: verify.map(key),
        ..Keys::signed_by(vec![key("secret")])
    };
    let request = Request {
        method: &Method::GET,
        path_and_query: &format!("/hook{query}"),
        headers: &HeaderMap::new(),
        body: &Default::default(),
    };
    match open(&Scheme::example(provider), &request, &keys, replay::NOW) {
        Ok(Opened::Handshake(answer)) => {
            assert_eq!((answer.status, answer.content_type), (200, Some("text/plain; charset=utf-8")));
            Ok(String::from_utf8(answer.body.to_vec()).unwrap())
        }
        Ok(other) => panic!("no handshake: {other:?}"),
        Err(refusal) => Err(refusal.reason),
    }
}

#[test]
fn the_right_token_is_answered_with_the_challenge() {
    for provider in ALL {
        for query in [
            "?hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=v-token",
            "?hub.verify_token=v%2Dtoken&x=y&hub.challenge=1158201444&hub.mode=subscribe",
        ] {
            assert_eq!(get(provider, query, Some("v-token")).as_deref(), Ok("1158201444"), "{query}");
        }
    }
}

#[test]
fn any_other_challenge_is_refused() {
    let long = format!("?hub.mode=subscribe&hub.verify_token=v-token&hub.challenge={}", "1".repeat(257));
    for provider in ALL {
        for query in [
            "",
            "?",
            "?hub.mode=subscribe&hub.challenge=1",
            "?hub.mode=subscribe&hub.challenge=1&hub.verify_token=",
            "?hub.mode=subscribe&hub.challenge=1&hub.verify_token=v-toke",
            "?hub.mode=subscribe&hub.challenge=1&hub.verify_token=V-token",
            "?hub.mode=subscribe&hub.challenge=1&hub.verify_token=v-token%20",
            "?hub.mode=unsubscribe&hub.challenge=1&hub.verify_token=v-token",
            "?hub.challenge=1&hub.verify_token=v-token",
            // No challenge, or one that a browser would run.
            "?hub.mode=subscribe&hub.verify_token=v-token",
            "?hub.mode=subscribe&hub.verify_token=v-token&hub.challenge=",
            "?hub.mode=subscribe&hub.verify_token=v-token&hub.challenge=%3Cscript%3E",
            "?hub.mode=subscribe&hub.verify_token=v-token&hub.challenge=a%0D%0Ab",
            "?hub.mode=subscribe&hub.verify_token=v-token&hub.challenge=%FF",
            // Two of one name: a proxy and we may take different ones.
            "?hub.mode=subscribe&hub.challenge=1&hub.verify_token=v-token&hub.verify_token=x",
            "?hub.mode=subscribe&hub.challenge=1&hub.challenge=2&hub.verify_token=v-token",
            &long,
        ] {
            assert_eq!(get(provider, query, Some("v-token")), Err(Reason::BadHandshake), "{query}");
        }
        // Nobody has set a token: nothing fits, an empty one neither.
        for token in ["", "v-token"] {
            let query = format!("?hub.mode=subscribe&hub.challenge=1&hub.verify_token={token}");
            assert_eq!(get(provider, &query, None), Err(Reason::BadHandshake), "{token}");
        }
    }
    assert!(Key::new(b" ".to_vec(), None).is_err());
}

#[test]
fn a_token_for_the_handshake_opens_no_delivery() {
    for provider in ALL {
        let mut gate = Gate::sample(provider);
        gate.keys.verify = Some(key("v-token"));
        assert_eq!(gate.reason(), None);
        let gate = gate.without(SIGNATURE);
        assert_eq!(gate.reason(), Some(Reason::MissingSignature));
        let query = "/?hub.mode=subscribe&hub.challenge=1&hub.verify_token=v-token";
        let request = Request {
            method: &Method::POST,
            path_and_query: query,
            headers: &gate.headers,
            body: &gate.body.clone().into(),
        };
        let opened = open(&Scheme::example(provider), &request, &gate.keys, gate.now);
        assert_eq!(opened.err().map(|refusal| refusal.reason), Some(Reason::MissingSignature));
    }
}

#[test]
fn signatures_are_exact() {
    for provider in ALL {
        let good = Gate::sample(provider);
        let text = good.headers[SIGNATURE].to_str().unwrap().to_owned();
        for wrong in [
            String::new(),
            "sha256=".to_owned(),
            text.replace("sha256=", ""),
            text.replace("sha256=", "SHA256="),
            text.replace("sha256=", "sha1="),
            text.to_uppercase().replace("SHA256=", "sha256="),
            format!("{text}00"),
            format!(" {text}"),
            text[..text.len() - 2].to_owned(),
            format!("sha256={}", "0".repeat(64)),
        ] {
            assert_eq!(
                good.clone().header(SIGNATURE, &wrong).reason(),
                Some(Reason::BadSignature),
                "{wrong}"
            );
        }
        assert_eq!(good.clone().more(SIGNATURE, &text).reason(), Some(Reason::DuplicateHeader));
        assert_eq!(good.clone().keys(&[("other", None)]).reason(), Some(Reason::BadSignature));
        assert_eq!(good.clone().keys(&[("old", Some(1))]).reason(), Some(Reason::NoLiveKey));
        let both = good.keys(&[("new", None), (replay::key(provider), None)]);
        assert_eq!(both.event().matched_key(), 1);
    }
}

#[test]
fn the_bytes_are_verified_as_meta_escapes_them() {
    let mut gate = Gate::with(Messenger, ESCAPED).header(SIGNATURE, &format!("sha256={ESCAPED_SHA256}"));
    let seen = crate::gate::activity(&gate.event());
    assert_eq!(seen["text"], "\u{e4} \u{1f600} https://a.example/x");
    // The same JSON, written another way, is not what was signed.
    let again: serde_json::Value = serde_json::from_slice(ESCAPED).unwrap();
    gate.body = again.to_string().into_bytes();
    assert_eq!(gate.reason(), Some(Reason::BadSignature));
}

#[test]
fn the_old_signature_never_counts() {
    let old = format!("sha1={ESCAPED_SHA1}");
    let gate = Gate::with(Messenger, ESCAPED).header("x-hub-signature", &old);
    assert_eq!(gate.reason(), None);
    assert_eq!(gate.clone().without(SIGNATURE).reason(), Some(Reason::MissingSignature));
    assert_eq!(gate.header(SIGNATURE, &old).reason(), Some(Reason::BadSignature));
}

#[test]
fn what_is_no_body_of_the_provider_is_told() {
    for body in [
        "{",
        "[]",
        "{}",
        r#"{"object":"other","entry":[{"id":"1","messaging":[{}],"changes":[{}]}]}"#,
        r#"{"entry":[{"id":"1"}]}"#,
        r#"{"object":"OBJECT"}"#,
        r#"{"object":"OBJECT","entry":{}}"#,
        r#"{"object":"OBJECT","entry":[]}"#,
        r#"{"object":"OBJECT","entry":[1]}"#,
        r#"{"object":"OBJECT","entry":[{"id":"1","messaging":[],"changes":[]}]}"#,
        r#"{"object":"OBJECT","entry":[{"id":"1","messaging":[],"changes":[null]}]}"#,
        r#"{"object":"OBJECT","entry":[{"id":"1","messaging":{},"changes":{}}]}"#,
    ] {
        for (provider, object) in [
            (Whatsapp, "whatsapp_business_account"),
            (Messenger, "page"),
            (Instagram, "instagram"),
        ] {
            let body = body.replace("OBJECT", object);
            assert_eq!(Gate::with(provider, body.as_bytes()).reason(), Some(Reason::Unparsable), "{body}");
        }
    }
}

#[test]
fn more_events_than_the_limit_are_refused_and_as_many_are_not() {
    let body = |count: usize| {
        let items = vec!["{}"; count].join(",");
        format!(r#"{{"object":"page","entry":[{{"id":"1","messaging":[{items}]}}]}}"#)
    };
    // In two lists: the sum counts, not only each list.
    let two = |count: usize| {
        let (one, items) = (["{}"; 10].join(","), vec!["{}"; count].join(","));
        format!(r#"{{"object":"page","entry":[{{"id":"1","messaging":[{one}]}},{{"id":"1","messaging":[{items}]}}]}}"#)
    };
    let events = |body: String| match Gate::with(Messenger, body.as_bytes()).open() {
        Ok(Opened::Deliveries(found)) => Ok(found.events.len()),
        Ok(other) => panic!("{other:?}"),
        Err(refusal) => Err(refusal.reason),
    };
    assert_eq!(events(body(4096)), Ok(4096));
    assert_eq!(events(body(4097)), Err(Reason::Unparsable));
    assert_eq!(events(two(4086)), Ok(4096));
    assert_eq!(events(two(4087)), Err(Reason::Unparsable));
}
