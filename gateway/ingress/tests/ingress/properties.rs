//! What holds for every request, not only for the ones that somebody thought of.

use crate::gate::Gate;
use proptest::prelude::*;
use tollgate_config::manifest::Provider;
use tollgate_ingress::{Reason, recorded::Recorded, replay};

fn provider() -> impl Strategy<Value = Provider> {
    // Telegram and web chat sign nothing: a token says only who sends. Twilio signs a form's fields, which may be written in several ways.
    let signing = Provider::ALL
        .into_iter()
        .filter(|provider| !matches!(provider, Provider::Telegram | Provider::Webchat | Provider::Twilio));
    prop::sample::select(signing.collect::<Vec<_>>())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_flipped_bit_of_an_accepted_body_is_refused(provider in provider(), body in prop::collection::vec(any::<u8>(), 1..200), at in any::<prop::sample::Index>(), bit in 0..8u32) {
        // Linear's clock needs an object to stand in.
        let body = if provider == Provider::Linear {
            serde_json::json!({ "data": body }).to_string().into_bytes()
        } else {
            body
        };
        let mut gate = Gate::with(provider, &body);
        prop_assert!(gate.open().map_or_else(|refusal| refusal.reason.is_verified(), |_| true));
        let at = at.index(gate.body.len());
        gate.body[at] ^= 1 << bit;
        prop_assert_eq!(gate.reason(), Some(Reason::BadSignature));
    }

    #[test]
    fn any_changed_byte_of_a_signature_is_refused(provider in prop::sample::select(vec![Provider::Slack, Provider::Github, Provider::StandardWebhooks]), at in any::<prop::sample::Index>(), byte in b'!'..=b'~') {
        let name = match provider {
            Provider::Slack => "x-slack-signature",
            Provider::Github => "x-hub-signature-256",
            _ => "webhook-signature",
        };
        let gate = Gate::sample(provider);
        let mut signature = gate.headers[name].as_bytes().to_vec();
        let at = at.index(signature.len());
        prop_assume!(signature[at] != byte);
        signature[at] = byte;
        prop_assert_eq!(gate.header(name, std::str::from_utf8(&signature).unwrap()).reason(), Some(Reason::BadSignature));
    }

    #[test]
    fn any_payload_that_is_signed_gives_an_activity_or_a_reason(body in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert_eq!(replay::payload(&body), Ok(()));
    }

    #[test]
    fn any_envelope_that_is_signed_gives_an_activity_or_a_reason(
        kind in "event_callback|block_actions|view_closed|x|", event in "message|reaction_added|app_mention|", subtype in "message_changed|message_deleted|bot_message|",
        value in r#""[ -!#-\[\]-~é]{0,8}"|-?[1-9][0-9]{0,30}|null|\{\}|\[\]|true"#, text in "[ -!#-\\[\\]-~]{0,40}",
    ) {
        let body = format!(r#"{{"type":"{kind}","team_id":{value},"event_id":{value},"trigger_id":{value},"user":{value},"actions":[{{"value":{value}}}],
            "event":{{"type":"{event}","subtype":"{subtype}","ts":{value},"thread_ts":{value},"channel":{value},"user":{value},"text":"{text}","message":{value},"files":[{value},{{"size":{value}}}],"blocks":[{{"elements":[{value}]}}]}}}}"#);
        prop_assert_eq!(replay::payload(body.as_bytes()), Ok(()));
    }

    #[test]
    fn any_file_is_a_recording_or_an_error(file in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = Recorded::parse(&file);
        for provider in Provider::ALL {
            prop_assert_eq!(replay::request(provider, &file), Ok(()));
        }
    }

    #[test]
    fn odd_ids_never_make_two_conversations_share_a_key(a in "[a%:/ é]{1,4}", b in "[a%:/ é]{1,4}", c in "[a%:/ é]{1,4}", d in "[a%:/ é]{1,4}") {
        let key = |channel: &str, user: &str| {
            let body = serde_json::json!({"type": "event_callback", "event": {"type": "message", "channel": channel, "user": user}});
            Gate::with(Provider::Slack, body.to_string().as_bytes()).event().session_key(&crate::gate::tenant())
        };
        prop_assert_eq!(key(&a, &b) == key(&c, &d), (&a, &b) == (&c, &d));
    }
}
