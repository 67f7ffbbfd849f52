//! Twilio: a URL that no header tells, fields without delimiters, and bodies that only their hash vouches for.

use crate::gate::{Gate, NOW, activity, key};
use crate::{corpus, schema};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderName, Method};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tollgate_config::manifest::Provider::Twilio;
use tollgate_ingress::{Deliveries, Keys, Opened, Reason, Refusal, Request, Scheme, replay, sign};

const SIGNATURE: &str = "x-twilio-signature";
const FORM: &str = "application/x-www-form-urlencoded";
const MESSAGE: &str = "AccountSid=AC1&MessageSid=SM1&SmsStatus=received&From=%2B1&To=%2B2&Body=hi&NumMedia=0";

/// A request at any path, signed over any text.
struct Call {
    public_url: &'static str,
    method: Method,
    path: String,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Call {
    fn new(public_url: &'static str, path: &str, body: &str, signed: &str) -> Self {
        use hmac::{Hmac, Mac};
        let mut mac = Hmac::<sha1::Sha1>::new_from_slice(b"12345").unwrap();
        mac.update(signed.as_bytes());
        let signature = STANDARD.encode(mac.finalize().into_bytes());
        let headers = [(SIGNATURE, signature.as_str()), ("content-type", FORM)];
        Self {
            public_url,
            method: Method::POST,
            path: path.to_owned(),
            headers: headers
                .into_iter()
                .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()))
                .collect(),
            body: body.as_bytes().to_vec(),
        }
    }

    fn json(mut self) -> Self {
        self.headers.insert("content-type", "application/json".parse().unwrap());
        self
    }

    fn open(&self) -> Result<Opened, Refusal> {
        let options = Gate::sample(Twilio).option("public_url", self.public_url).options;
        let keys = Keys::signed_by(vec![key("12345")]);
        let body = self.body.clone().into();
        let request = Request {
            method: &self.method,
            path_and_query: &self.path,
            headers: &self.headers,
            body: &body,
        };
        tollgate_ingress::open(&Scheme::new(Twilio, &options).unwrap(), &request, &keys, NOW)
    }

    fn reason(&self) -> Option<Reason> {
        self.open().err().map(|refusal| refusal.reason)
    }

    fn seen(&self) -> Value {
        match self.open() {
            Ok(Opened::Deliveries(Deliveries { events, .. })) => activity(&events[0]),
            other => panic!("{other:?}"),
        }
    }
}

fn seen(form: &str) -> Value {
    let seen = activity(&Gate::with(Twilio, form.as_bytes()).event());
    assert_eq!(schema::wrong(&seen), Vec::<String>::new());
    seen
}

#[derive(Deserialize)]
struct Vector {
    id: String,
    url: String,
    headers: BTreeMap<String, String>,
    body_b64: String,
    expect: String,
}

#[test]
fn published_vectors_behave_as_their_sources_say() {
    let vectors: Vec<Vector> = serde_json::from_str(include_str!("../vectors/twilio.json")).unwrap();
    assert_eq!(vectors.len(), 17);
    for vector in vectors {
        let path = vector.url.split_once("://").unwrap().1;
        let mut call = Call::new("https://x.example", &path[path.find('/').unwrap()..], "", "");
        call.public_url = vector.url.clone().leak();
        for (name, value) in &vector.headers {
            call.headers
                .insert(HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
        }
        call.body = STANDARD.decode(&vector.body_b64).unwrap();
        // The examples have no account, so they are verified and no events.
        let accepted = call.reason().is_none_or(Reason::is_verified);
        assert_eq!(accepted, vector.expect == "accept", "{}: {:?}", vector.id, call.reason());
    }
}

#[test]
fn tampered_and_doubled_requests_are_refused() {
    let gate = Gate::with(Twilio, MESSAGE.as_bytes());
    let mut tampered = gate.clone();
    tampered.body.extend(b"&Extra=1");
    let signature = gate.headers[SIGNATURE].to_str().unwrap().to_owned();
    for (name, gate, reason) in [
        ("as it is", gate.clone(), None),
        ("tampered", tampered, Some(Reason::BadSignature)),
        ("wrong secret", gate.clone().keys(&[("other", None)]), Some(Reason::BadSignature)),
        ("no signature", gate.clone().without(SIGNATURE), Some(Reason::MissingSignature)),
        (
            "two signatures",
            gate.clone().more(SIGNATURE, &signature),
            Some(Reason::DuplicateHeader),
        ),
        (
            "two tokens",
            gate.clone()
                .more("i-twilio-idempotency-token", "a")
                .more("i-twilio-idempotency-token", "b"),
            Some(Reason::DuplicateHeader),
        ),
        (
            "no padding",
            gate.clone().header(SIGNATURE, signature.trim_end_matches('=')),
            Some(Reason::BadSignature),
        ),
        (
            "not base64",
            gate.clone().header(SIGNATURE, "WRONG_SIGNATURE"),
            Some(Reason::BadSignature),
        ),
        (
            "another URL",
            gate.clone().option("public_url", "https://other.example/twilio"),
            Some(Reason::BadSignature),
        ),
        (
            "host header",
            gate.clone()
                .header("host", "other.example")
                .header("x-forwarded-host", "other.example"),
            None,
        ),
        (
            "not a form",
            gate.clone().header("content-type", "text/plain"),
            Some(Reason::UnauthenticatedBody),
        ),
    ] {
        assert_eq!(gate.reason(), reason, "{name}");
    }
}

#[test]
fn a_body_that_is_no_form_needs_its_hash_in_the_url() {
    let (base, body) = ("https://gate.example/t", r#"{"id":"1"}"#);
    let hash = "ef30ae89a9be0e5af8a9de5cb8a5f7f0e8ea4b6b0b9d4d8ba3ba4c4cf6ccb9e4";
    assert_eq!(Call::new(base, "/t", body, base).json().reason(), Some(Reason::UnauthenticatedBody));
    let wrong = format!("?bodySHA256={hash}");
    assert_eq!(
        Call::new(base, &format!("/t{wrong}"), body, &format!("{base}{wrong}"))
            .json()
            .reason(),
        Some(Reason::BadSignature)
    );
    let right = format!(
        "?a=1&bodySHA256={}",
        data_encoding::HEXLOWER.encode(&<sha2::Sha256 as sha2::Digest>::digest(body))
    );
    let good = Call::new(base, &format!("/t{right}"), body, &format!("{base}{right}")).json();
    assert_eq!(good.seen()["provider_ids"]["event_id"], "1");
    // A hash vouches for no other body, a form's or none.
    let mut form = Call::new(base, &format!("/t{right}"), MESSAGE, &format!("{base}{right}"));
    assert_eq!(form.reason(), Some(Reason::BadSignature));
    form.body.clear();
    assert_eq!(form.reason(), Some(Reason::BadSignature));
}

#[test]
fn fields_cannot_be_moved_into_the_query() {
    // All of these sign the same text as the first.
    let base = "https://gate.example/t";
    let signed = format!("{base}?a=1AccountSidAC1Bodyhi&bodySHA256=x&y=From+1MessageSidSM1");
    let whole = "AccountSid=AC1&Body=hi%26bodySHA256%3Dx%26y%3D&From=%2B1&MessageSid=SM1";
    assert_eq!(Call::new(base, "/t?a=1", whole, &signed).reason(), None);
    for (query, body) in [
        ("a=1AccountSidAC1Bodyhi&bodySHA256=x&y=", "From=%2B1&MessageSid=SM1"),
        ("a=1AccountSidAC1Bodyhi&bodySHA256=x&y=From+1MessageSidSM1", ""),
    ] {
        assert_eq!(
            Call::new(base, &format!("/t?{query}"), body, &signed).reason(),
            Some(Reason::BadSignature),
            "{query}"
        );
    }
    // Nor from one name into another: without its account a form is no event.
    assert_eq!(
        Call::new(
            base,
            "/t?a=1",
            "AccountSidAC1=Bodyhi%26bodySHA256%3Dx%26y%3D&From=%2B1&MessageSid=SM1",
            &signed
        )
        .reason(),
        Some(Reason::Unparsable)
    );
}

#[test]
fn the_query_is_the_requests_and_the_rest_is_the_operators() {
    let signed = |url: &str| format!("{url}AccountSidAC1MessageSidSM1");
    let body = "AccountSid=AC1&MessageSid=SM1";
    for (public_url, path, url, fine) in [
        ("https://gate.example/t", "/elsewhere?x=%31", "https://gate.example/t?x=%31", true),
        ("https://gate.example/t", "/t?x=%31", "https://gate.example/t?x=1", false),
        ("https://gate.example/t?y=2", "/t?x=1", "https://gate.example/t?x=1", true),
        ("https://gate.example/t#rc=2", "/t", "https://gate.example/t", true),
        ("https://gate.example", "/t/sms?x=1", "https://gate.example/t/sms?x=1", true),
        ("https://gate.example:8443/t", "/t", "https://gate.example/t", true),
        ("https://gate.example/t", "/t", "https://gate.example:443/t", true),
        ("https://gate.example/t", "/t", "https://gate.example:80/t", false),
        ("https://gate.example/t", "/t", "http://gate.example/t", false),
        ("https://u:p@gate.example/t", "/t", "https://u:p@gate.example:443/t", true),
        ("https://gate.example/t", "/t?q=It's", "https://gate.example/t?q=It%27s", true),
        ("https://gate.example/t", "/t?q=It%27s", "https://gate.example/t?q=It's", true),
    ] {
        let reason = Call::new(public_url, path, body, &signed(url)).reason();
        assert_eq!(reason, (!fine).then_some(Reason::BadSignature), "{public_url} {path} {url}");
    }
}

#[test]
fn the_public_url_is_checked_before_the_gate_opens() {
    for bad in ["gate.example/t", "/t", "ftp://gate.example/", "https://", "https:///t", "not a url"] {
        let options = Gate::sample(Twilio).option("public_url", bad).options;
        let errors = Scheme::new(Twilio, &options).unwrap_err();
        assert!(errors.len() == 1 && errors[0].message.contains("absolute URL"), "{bad}: {errors:?}");
    }
}

#[test]
fn a_get_has_its_fields_in_the_query() {
    let base = "https://gate.example/t";
    let mut call = Call::new(base, &format!("/t?{MESSAGE}"), "", &format!("{base}?{MESSAGE}"));
    // As a POST without a body it is signed, too, and no event.
    assert_eq!(call.reason(), Some(Reason::Unparsable));
    call.method = Method::GET;
    let seen = call.seen();
    assert_eq!(
        (&seen["text"], &seen["session"]["key"]),
        (&json!("hi"), &json!("acme:twilio:+2:+1"))
    );
    assert_eq!(seen["raw"]["form"]["Body"], "hi");
}

#[test]
fn messages_and_what_became_of_them_are_one_session() {
    let body = "AccountSid=AC1&MessageSid=SM1&SmsStatus=received&From=whatsapp%3A%2B1&To=whatsapp%3A%2B2&Body=see+https%3A%2F%2Fa.example.&NumMedia=1&MediaUrl0=https%3A%2F%2Fm.example%2F0&MediaContentType0=image%2Fpng&ProfileName=Zo%C3%AB";
    let message = seen(body);
    assert_eq!(
        message["provider_ids"],
        json!({"workspace_id": "AC1", "channel_id": "whatsapp:+2", "user_id": "whatsapp:+1", "message_id": "SM1", "event_id": "SM1.message.received."})
    );
    assert_eq!(
        message["session"],
        json!({"key": "acme:twilio:whatsapp%3A+2:whatsapp%3A+1", "scopes": ["chat", "attachments"]})
    );
    assert_eq!(
        (&message["text"], &message["entities"]["urls"]),
        (&json!("see https://a.example."), &json!(["https://a.example"]))
    );
    assert_eq!(
        message["attachments"],
        json!([{"type": "image", "name": null, "mime": "image/png", "size": 0, "url": "https://m.example/0", "data_inline_b64": null}])
    );
    assert_eq!(message["channel_data"], json!({"type": "message.received", "profile_name": "Zoë"}));
    let status = seen("AccountSid=AC1&MessageSid=SM2&MessageStatus=delivered&From=whatsapp%3A%2B2&To=whatsapp%3A%2B1");
    assert_eq!(
        (&status["session"]["key"], &status["metadata"]["type"], &status["metadata"]["event"]),
        (&message["session"]["key"], &json!("event"), &json!("message.delivered"))
    );
}

#[test]
fn kinds_are_told_apart() {
    for (fields, kind, event) in [
        ("MessageSid=S&Body=", "message", "message.received"),
        ("MessageSid=S&Body=Yes&ButtonPayload=y&ButtonText=Yes", "action", "message.button"),
        ("MessageSid=S&MessageStatus=failed", "event", "message.failed"),
        ("CallSid=C&CallStatus=ringing", "event", "call.ringing"),
        ("CallSid=C&CallStatus=in-progress&Digits=1", "action", "call.digits"),
        ("CallSid=C&CallStatus=in-progress&SpeechResult=open", "message", "call.speech"),
        (
            "EventType=onMessageAdded&ConversationSid=CH1&MessageSid=IM1&Body=x&Author=a",
            "message",
            "onMessageAdded",
        ),
        (
            "EventType=onMessageUpdated&ConversationSid=CH1&MessageSid=IM1&Body=x",
            "edit",
            "onMessageUpdated",
        ),
        (
            "EventType=onMessageRemoved&ConversationSid=CH1&MessageSid=IM1&Body=x",
            "deletion",
            "onMessageRemoved",
        ),
        (
            "EventType=onParticipantAdded&ConversationSid=CH1&ParticipantSid=MB1",
            "membership",
            "onParticipantAdded",
        ),
        ("X=1", "event", "callback"),
    ] {
        let seen = seen(&format!("AccountSid=AC1&{fields}"));
        assert_eq!(
            (&seen["metadata"]["type"], &seen["metadata"]["event"]),
            (&json!(kind), &json!(event)),
            "{fields}"
        );
        assert!(kind != "deletion" || seen["text"].is_null());
    }
    let own = seen(
        "AccountSid=AC1&EventType=onMessageAdded&ConversationSid=CH1&MessageSid=IM1&Body=x&Author=a&Source=API&DateCreated=2026-02-19T10%3A00%3A00.000Z",
    );
    assert_eq!(
        (&own["metadata"]["bot"], &own["session"]["key"], &own["timestamp"]),
        (&json!(true), &json!("acme:twilio:CH1:a"), &json!("2026-02-19T10:00:00+00:00"))
    );
    let keys = seen("AccountSid=AC1&CallSid=C&Digits=42");
    assert_eq!(keys["buttons"], json!([{"id": "Digits", "title": "42", "payload": "42"}]));
}

#[test]
fn signed_ids_are_the_mark_and_a_calls_next_step_is_no_repeat() {
    let event = |form: &str, token: &str| {
        Gate::with(Twilio, form.as_bytes())
            .header("i-twilio-idempotency-token", token)
            .event()
    };
    let (one, two) = (event(MESSAGE, "a"), event(MESSAGE, "b"));
    assert!(one.id_mark().is_some() && one.id_mark() == two.id_mark());
    assert_eq!(one.account(), Some("AC1"));
    let status = |status: &str| event(&format!("AccountSid=AC1&MessageSid=SM1&MessageStatus={status}"), "a").id_mark();
    assert_ne!(status("sent"), status("delivered"));
    let step = "AccountSid=AC1&CallSid=CA1&CallStatus=in-progress&Digits=1";
    assert_ne!(event(step, "a").id_mark(), event(step, "b").id_mark());
    assert_eq!(event(step, "a").id_mark(), event(step, "a").id_mark());
    assert_eq!(event(step, "a").body_mark(), None);
    let numbered = |number: u8| event(&format!("{step}&SequenceNumber={number}"), "a").id_mark();
    assert_eq!(numbered(1), event(&format!("{step}&SequenceNumber=1"), "b").id_mark());
    assert_ne!(numbered(1), numbered(2));
}

#[test]
fn one_signature_is_one_event_however_its_fields_are_split() {
    let signed = "https://gate.example/hookAccountSidAC1From+1MessageSidSM1To+2";
    let split = |body: &str| {
        let call = Call::new("https://gate.example/hook", "/hook", body, signed);
        match call.open() {
            Ok(Opened::Deliveries(Deliveries { events, .. })) => events[0].body_mark(),
            other => panic!("{body}: {other:?}"),
        }
    };
    let true_one = split("AccountSid=AC1&From=%2B1&MessageSid=SM1&To=%2B2");
    assert!(true_one.is_some());
    for moved in [
        "AccountSid=AC1&From=%2B1&MessageSid=SM1T&o=%2B2",
        "AccountSid=AC1&From=%2B1MessageSidSM1&To=%2B2",
    ] {
        assert_eq!(split(moved), true_one, "{moved}");
    }
}

#[test]
fn a_fresh_id_is_the_messages_or_the_calls() {
    let body = |payload: &str| {
        let signed = sign::sign(Twilio, payload.as_bytes(), &key(replay::key(Twilio)), NOW, Some("fresh-1")).unwrap();
        String::from_utf8(signed.body).unwrap()
    };
    assert_eq!(body(MESSAGE), MESSAGE.replace("SM1", "fresh-1"));
    assert_eq!(body("AccountSid=AC1&CallSid=CA1"), "AccountSid=AC1&CallSid=fresh-1");
    assert_eq!(body("AccountSid=AC1"), "AccountSid=AC1&MessageSid=fresh-1");
    assert!(sign::sign(Twilio, b"{}", &key("k"), NOW, None).is_err());
}

#[test]
fn a_form_without_an_account_is_no_event() {
    for form in ["", "a=b", "AccountSid=&Body=x", "AccountSid=AC1%20x&Body=x"] {
        assert_eq!(Gate::with(Twilio, form.as_bytes()).reason(), Some(Reason::Unparsable), "{form}");
    }
    // What is no UTF-8 is no form, so nothing vouches for it.
    let mut odd = Gate::with(Twilio, MESSAGE.as_bytes());
    odd.body = b"AccountSid=AC1&Body=%ff".to_vec();
    assert_eq!(odd.reason(), Some(Reason::UnauthenticatedBody));
}

#[test]
fn recorded_payloads() {
    // Two of the recordings are objects of a library, not what Twilio sends; they are no forms, and cannot be signed.
    let (activities, _, refused) = corpus::run(Twilio, "twilio", "derived.");
    assert!(activities <= 1 && refused.is_empty(), "{activities} {refused:?}");
}
