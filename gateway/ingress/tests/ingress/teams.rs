//! The Bot Framework's connector: a token for one bot, one service address and the channels of its key; activities told apart.

use crate::{
    gate::{Gate, NOW, activity, shared},
    schema,
};
use serde_json::{Value, json};
use std::sync::Arc;
use tollgate_config::manifest::Provider::Teams;
use tollgate_ingress::{
    DropReason, Reason, Scheme, Wanted,
    jwt::{KeySet, Signer},
    replay, sign,
};

const AUTHORIZATION: &str = "authorization";
const APP: &str = "00000000-0000-4000-8000-000000000001";
const SERVICE: &str = "https://smba.trafficmanager.net/emea/";

fn signer() -> Signer {
    Signer::from_pem(replay::signing_key(Teams).as_bytes()).unwrap()
}

fn sample() -> Value {
    serde_json::from_str(sign::sample(Teams)).unwrap()
}

fn claims() -> Value {
    json!({"iss": "https://api.botframework.com", "aud": APP, "serviceurl": SERVICE, "nbf": NOW.0, "exp": NOW.0 + 3600})
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

fn without(name: &str) -> Value {
    let mut claims = claims();
    claims.as_object_mut().unwrap().remove(name);
    claims
}

fn shown(token: &str) -> Gate {
    Gate::sample(Teams).header(AUTHORIZATION, &format!("Bearer {token}"))
}

fn claiming(claims: &Value) -> Gate {
    shown(&signer().token(claims).unwrap())
}

fn body(body: &Value) -> Gate {
    Gate::with(Teams, body.to_string().as_bytes())
}

fn read(of: &Value) -> Value {
    let read = activity(&body(of).event());
    assert_eq!(schema::wrong(&read), Vec::<String>::new(), "{of}");
    read
}

#[test]
fn every_unverified_request_is_forbidden() {
    for gate in [
        Gate::sample(Teams).without(AUTHORIZATION),
        Gate::sample(Teams).header(AUTHORIZATION, "Bearer x"),
        claiming(&with("exp", json!(1))),
        shown(&signer().token_with(&json!({"alg": "RS256", "kid": "gone"}), &claims()).unwrap()),
    ] {
        assert!(gate.open().unwrap_err().forbidden);
    }
    let mut odd = Gate::sample(Teams);
    odd.body = b"{".to_vec();
    let refusal = odd.open().unwrap_err();
    assert_eq!((refusal.reason, refusal.forbidden), (Reason::Unparsable, false));
}

#[test]
fn only_the_bearer_scheme_opens() {
    let good = Gate::sample(Teams);
    let text = good.headers[AUTHORIZATION].to_str().unwrap().to_owned();
    let token = text.strip_prefix("Bearer ").unwrap();
    for wrong in [
        String::new(),
        token.to_owned(),
        format!("bearer {token}"),
        format!("Basic {token}"),
        format!("HMAC {token}"),
        format!("Bearer  {token}"),
        format!("Bearer {token} "),
        format!("Bearer {token}, Bearer {token}"),
        "Bearer".to_owned(),
        "Bearer ".to_owned(),
    ] {
        assert_eq!(
            good.clone().header(AUTHORIZATION, &wrong).reason(),
            Some(Reason::BadToken),
            "{wrong}"
        );
    }
    assert_eq!(good.clone().without(AUTHORIZATION).reason(), Some(Reason::MissingSignature));
    assert_eq!(good.more(AUTHORIZATION, &text).reason(), Some(Reason::DuplicateHeader));
}

#[test]
fn the_token_is_for_this_bot_and_this_service() {
    assert_eq!(claiming(&claims()).reason(), None);
    for (claims, reason) in [
        (with("iss", json!("https://api.botframework.us")), Reason::BadToken),
        (
            with("iss", json!("https://sts.windows.net/d6d49420-f39b-4df7-a1dc-d59a935871db/")),
            Reason::BadToken,
        ),
        (without("iss"), Reason::BadToken),
        (with("aud", json!("00000000-0000-4000-8000-000000000002")), Reason::BadToken),
        (without("aud"), Reason::BadToken),
        (with("exp", json!(NOW.0 - 299)), Reason::Unparsable),
        (with("exp", json!(NOW.0 - 300)), Reason::StaleTimestamp),
        (with("nbf", json!(NOW.0 + 301)), Reason::FutureTimestamp),
        (without("exp"), Reason::BadToken),
        (with("serviceurl", json!("https://evil.example/")), Reason::BadToken),
        (with("serviceurl", json!("https://smba.trafficmanager.net/emea")), Reason::BadToken),
        (without("serviceurl"), Reason::BadToken),
        (with("serviceurl", json!([SERVICE])), Reason::BadToken),
    ] {
        let expected = Some(reason).filter(|reason| *reason != Reason::Unparsable);
        assert_eq!(claiming(&claims).reason(), expected, "{claims}");
    }
    // What another reader might take for the address, or for the channel.
    for (twice, reason) in [
        (r#"{"serviceUrl":"https://evil.example/","#, Reason::BadToken),
        (r#"{"channelId":"webchat","#, Reason::NotEndorsed),
    ] {
        let text = sign::sample(Teams).replacen('{', twice, 1);
        let mut gate = claiming(&claims());
        gate.body = text.into_bytes();
        assert_eq!(gate.reason(), Some(reason), "{twice}");
    }
    for odd in [json!(null), json!(5), json!("https://evil.example/")] {
        let mut other = sample();
        other["serviceUrl"] = odd;
        let mut gate = claiming(&claims());
        gate.body = other.to_string().into_bytes();
        assert_eq!(gate.reason(), Some(Reason::BadToken));
    }
}

#[test]
fn only_rs256_by_a_published_key_opens() {
    let kid = signer().kid();
    for name in ["none", "HS256", "PS256", "ES256", "RS512"] {
        let token = signer().token_with(&json!({"alg": name, "kid": kid}), &claims()).unwrap();
        assert_eq!(shown(&token).reason(), Some(Reason::AlgorithmNotAllowed), "{name}");
    }
    assert_eq!(
        shown(&signer().token_with(&json!({"alg": "RS256"}), &claims()).unwrap()).reason(),
        Some(Reason::BadToken),
        "without kid"
    );
    let good = signer().token(&claims()).unwrap();
    let (input, signature) = good.rsplit_once('.').unwrap();
    let flipped = if signature.starts_with('A') { "B" } else { "A" };
    assert_eq!(
        shown(&format!("{input}.{flipped}{}", &signature[1..])).reason(),
        Some(Reason::BadSignature)
    );
}

#[test]
fn an_unknown_key_says_what_to_fetch_and_opens_once_it_is_there() {
    let token = signer().token_with(&json!({"alg": "RS256", "kid": "new"}), &claims()).unwrap();
    let refusal = shown(&token).open().unwrap_err();
    let wanted = Wanted::Key {
        issuer: "https://api.botframework.com".to_owned(),
        kid: Some("new".to_owned()),
    };
    assert_eq!((refusal.reason, refusal.wants), (Reason::UnknownKey, Some(wanted)));
    // Nothing fetched yet, and then fetched.
    let mut gate = Gate::sample(Teams);
    let issued = gate.keys.issued.take();
    assert!(matches!(gate.open().unwrap_err().wants, Some(Wanted::Key { .. })));
    gate.keys.issued = issued;
    assert_eq!(gate.reason(), None);
    // A stranger's token makes nobody fetch.
    let stranger = signer()
        .token_with(&json!({"alg": "RS256", "kid": "new"}), &with("iss", json!("https://evil.example")))
        .unwrap();
    assert_eq!(shown(&stranger).open().unwrap_err().wants, None);
}

#[test]
fn a_key_speaks_only_for_the_channels_that_it_is_endorsed_for() {
    for (endorsed, channel, reason) in [
        (&["msteams"][..], json!("msteams"), None),
        (&["webchat", "msteams"], json!("msteams"), None),
        (&["webchat"], json!("msteams"), Some(Reason::NotEndorsed)),
        (&[], json!("msteams"), Some(Reason::NotEndorsed)),
        (&["msteams"], json!("MSTEAMS"), Some(Reason::NotEndorsed)),
        (&["msteams"], json!("made-up"), Some(Reason::NotEndorsed)),
        (&["msteams"], json!(null), Some(Reason::NotEndorsed)),
        (&["msteams"], json!(["msteams"]), Some(Reason::NotEndorsed)),
    ] {
        let mut of = sample();
        of["channelId"] = channel.clone();
        let mut gate = body(&of);
        gate.keys.issued = Some(Arc::new(KeySet::parse(signer().jwks(endorsed).as_bytes()).unwrap()));
        assert_eq!(gate.reason(), reason, "{endorsed:?} {channel}");
    }
}

#[test]
fn the_government_has_an_issuer_and_keys_of_its_own() {
    let government = || Gate::sample(Teams).option("app_id", APP).option("cloud", "gov");
    assert_eq!(government().reason(), Some(Reason::BadToken));
    let token = signer().token(&with("iss", json!("https://api.botframework.us"))).unwrap();
    assert_eq!(government().header(AUTHORIZATION, &format!("Bearer {token}")).reason(), None);
    let url = |gate: &Gate| Scheme::new(Teams, &gate.options).unwrap().jwks_url().unwrap().to_owned();
    assert_eq!(url(&government()), "https://login.botframework.azure.us/v1/.well-known/keys");
    assert_eq!(
        url(&Gate::sample(Teams).option("app_id", APP)),
        "https://login.botframework.com/v1/.well-known/keys"
    );
    assert_eq!(
        url(&government().option("jwks_url", "https://keys.example/jwks")),
        "https://keys.example/jwks"
    );
}

#[test]
fn a_message_has_everything() {
    let mut of = sample();
    of["conversation"] = json!({"id": "19:gate@thread.tacv2;messageid=1771495200000", "isGroup": true, "conversationType": "channel"});
    of["text"] = json!("<at>Gate</at> see https://a.example/x.");
    of["entities"] =
        json!([{"type": "mention", "text": "<at>Gate</at>", "mentioned": {"id": "28:gate", "name": "Gate"}}, {"type": "clientInfo"}]);
    of["attachments"] = json!([
        {"contentType": "text/html", "content": "<p>see</p>"},
        {"contentType": "image/png", "contentUrl": "https://smba.example/1", "name": "a.png"},
    ]);
    let read = read(&of);
    assert_eq!(read["metadata"]["type"], "message");
    assert_eq!(
        read["session"]["key"],
        "acme:teams:19%3Agate@thread.tacv2;messageid=1771495200000:29%3A1a2b"
    );
    assert_eq!(read["provider_ids"]["channel_id"], "19:gate@thread.tacv2");
    assert_eq!(read["provider_ids"]["thread_id"], "19:gate@thread.tacv2;messageid=1771495200000");
    assert_eq!(read["provider_ids"]["workspace_id"], "7f8e9d0c-1b2a-4354-6758-9a0b1c2d3e4f");
    assert_eq!(read["provider_ids"]["event_id"], "1771495200000");
    assert_eq!(read["timestamp"], "2026-02-19T10:00:00+00:00");
    assert_eq!(read["locale"], "en-GB");
    assert_eq!(
        read["entities"],
        json!({"mentions": [{"id": "28:gate", "name": "Gate", "text": "<at>Gate</at>"}], "urls": ["https://a.example/x"]})
    );
    assert_eq!(read["attachments"].as_array().unwrap().len(), 1, "the HTML is the text once more");
    assert_eq!(read["channel_data"]["serviceUrl"], SERVICE);
    assert_eq!(read["channel_data"]["channelId"], "msteams");
}

#[test]
fn kinds_are_told_apart() {
    for (name, more, kind, shown) in [
        ("message", json!({}), "message", json!({})),
        (
            "messageUpdate",
            json!({"channelData": {"eventType": "editMessage"}}),
            "edit",
            json!({"eventType": "editMessage"}),
        ),
        (
            "messageDelete",
            json!({"channelData": {"eventType": "softDeleteMessage"}}),
            "deletion",
            json!({"eventType": "softDeleteMessage"}),
        ),
        (
            "messageReaction",
            json!({"reactionsAdded": [{"type": "like"}], "replyToId": "9"}),
            "reaction",
            json!({"reactionsAdded": ["like"], "replyToId": "9"}),
        ),
        (
            "conversationUpdate",
            json!({"membersAdded": [{"id": "29:b"}, {"id": "28:gate"}]}),
            "membership",
            json!({"membersAdded": ["29:b", "28:gate"]}),
        ),
        (
            "installationUpdate",
            json!({"action": "add"}),
            "membership",
            json!({"action": "add"}),
        ),
        (
            "invoke",
            json!({"name": "adaptiveCard/action", "value": {"verb": "ok"}}),
            "action",
            json!({"name": "adaptiveCard/action"}),
        ),
        (
            "event",
            json!({"name": "tokens/response"}),
            "event",
            json!({"name": "tokens/response"}),
        ),
        ("typing", json!({}), "event", json!({})),
        (
            "endOfConversation",
            json!({"code": "completedSuccessfully"}),
            "event",
            json!({"code": "completedSuccessfully"}),
        ),
    ] {
        let mut of = sample();
        of["type"] = json!(name);
        of.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let read = read(&of);
        assert_eq!(read["metadata"]["type"], kind, "{name}");
        assert_eq!(read["metadata"]["event"], name);
        for (member, value) in shown.as_object().unwrap() {
            assert_eq!(&read["channel_data"][member], value, "{name}");
        }
    }
    for odd in [json!(null), json!(""), json!(5)] {
        let mut of = sample();
        of["type"] = odd;
        assert_eq!(body(&of).reason(), Some(Reason::Unparsable));
    }
}

#[test]
fn own_messages_do_not_run() {
    let of = |kind: &str, from: Value| {
        let mut of = sample();
        of["type"] = json!(kind);
        of["from"] = from;
        body(&of)
    };
    let bot = || json!({"id": format!("28:{APP}")});
    for own in [
        of("message", bot()),
        of("messageUpdate", bot()),
        of("messageReaction", bot()),
        of("message", json!({"id": "x", "role": "bot"})),
    ] {
        assert_eq!(own.dropped(), DropReason::OwnMessage);
    }
    // That it was added is news, and other people's messages are too.
    assert!(of("conversationUpdate", bot()).event().event_id().is_some());
    assert!(of("message", json!({"id": "29:x", "role": "user"})).event().event_id().is_some());
}

#[test]
fn an_id_counts_within_its_conversation_and_type() {
    let mark = |change: &dyn Fn(&mut Value)| {
        let mut of = sample();
        change(&mut of);
        body(&of).event().id_mark().unwrap()
    };
    let first = mark(&|_| ());
    assert_eq!(first, mark(&|of| of["text"] = json!("the body is not signed")));
    assert_eq!(first, mark(&|of| of["timestamp"] = json!("2026-02-19T10:00:05Z")), "sent again");
    assert_ne!(first, mark(&|of| of["id"] = json!("2")));
    assert_ne!(first, mark(&|of| of["conversation"]["id"] = json!("b")));
    assert_ne!(first, mark(&|of| of["type"] = json!("typing")));
    let edit = |at: &str| {
        mark(&|of| {
            of["type"] = json!("messageUpdate");
            of["timestamp"] = json!(at);
        })
    };
    assert_eq!(edit("2026-02-19T10:00:05Z"), edit("2026-02-19T10:00:05Z"));
    assert_ne!(edit("2026-02-19T10:00:05Z"), edit("2026-02-19T10:00:06Z"), "edited twice");
    let event = Gate::sample(Teams).event();
    assert_eq!(event.account(), Some("7f8e9d0c-1b2a-4354-6758-9a0b1c2d3e4f"));
    assert_eq!(event.body_mark(), None);
}

#[test]
fn what_is_signed_here_is_for_the_endpoint() {
    let signed = |id| {
        sign::sign(
            Teams,
            sign::sample(Teams).as_bytes(),
            &crate::gate::key(replay::signing_key(Teams)),
            NOW,
            id,
        )
    };
    let mut gate = Gate::sample(Teams);
    let signed = signed(Some("17")).unwrap();
    (gate.headers, gate.body) = (signed.headers, signed.body);
    assert!(gate.event().event_id().unwrap().starts_with("17.message."));
    let wrong = sign::sign(Teams, b"{}", &crate::gate::key("secret"), NOW, None).unwrap_err();
    assert!(
        !wrong.to_string().contains("secret") && wrong.to_string().contains("PEM"),
        "{wrong}"
    );
}

#[test]
fn real_activities_fit() {
    let Some(folder) = shared("corpus/botframework") else { return };
    let (mut events, mut own, mut refused) = (0, 0, 0);
    for path in std::fs::read_dir(folder).unwrap() {
        let path = path.unwrap().path();
        let name = path.display();
        let mut of: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        // Some were recorded with a tool that calls a bot without the connector, some lost their address or channel on the way.
        let complete = ["serviceUrl", "channelId"].iter().all(|member| of.get(member).is_some());
        let reason = Gate::with(Teams, &std::fs::read(&path).unwrap()).reason();
        assert_eq!(reason.is_none_or(Reason::is_verified), complete, "{name}: {reason:?}");
        for (member, value) in [("serviceUrl", SERVICE), ("channelId", "msteams")] {
            of.as_object_mut().unwrap().entry(member).or_insert_with(|| json!(value));
        }
        let gate = body(&of);
        match gate.open() {
            Ok(tollgate_ingress::Opened::Deliveries(all)) => {
                own += all.dropped.len();
                for event in &all.events {
                    assert_eq!(schema::wrong(&activity(event)), Vec::<String>::new(), "{name}");
                    events += 1;
                }
            }
            Err(refusal) => {
                assert_eq!(refusal.reason, Reason::Unparsable, "{name}");
                assert!(of.get("type").is_none(), "{name}: {refusal}");
                refused += 1;
            }
            other => panic!("{name}: {other:?}"),
        }
    }
    assert!(events >= 50, "{events} {own} {refused}");
}
