//! What holds for every request, not only for the ones that somebody thought of.

use crate::gate::Gate;
use proptest::prelude::*;
use serde_json::{Value, json};
use tollgate_config::manifest::Provider;
use tollgate_ingress::{Reason, recorded::Recorded, replay};

fn provider() -> impl Strategy<Value = Provider> {
    // Telegram's token, the Bot Framework's and web chat's say only who sends. Twilio signs a form's fields, which may be written in several ways.
    let signing = Provider::ALL.into_iter().filter(|provider| {
        !matches!(
            provider,
            Provider::Telegram | Provider::Teams | Provider::Webchat | Provider::Twilio
        )
    });
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
    fn odd_ids_never_make_two_conversations_share_a_key(provider in 0..CHATS.len(), a in "[a%:/ é]{1,4}", b in "[a%:/ é]{1,4}", c in "[a%:/ é]{1,4}", d in "[a%:/ é]{1,4}") {
        let (provider, body) = CHATS[provider];
        let key = |channel: &str, user: &str| {
            let gate = Gate::with(provider, body(channel, user).to_string().as_bytes());
            gate.event().session_key(&crate::gate::tenant())
        };
        let (one, other) = (key(&a, &b), key(&c, &d));
        prop_assert_eq!(one == other, (&a, &b) == (&c, &d), "{} {} {}", provider.as_str(), one, other);
        prop_assert_eq!(one.split(':').count(), 4);
    }

    #[test]
    fn a_thread_and_a_channel_of_the_same_odd_name_are_two_conversations(a in "[a%:/]{1,4}", b in "[a%:/]{1,4}", c in "[a%:/]{1,4}", d in "[a%:/]{1,4}") {
        // Telegram's threads are counted within their chats, so both stand in the key.
        let key = |chat: &str, thread: &str| {
            let message = json!({"message_id": 1, "chat": {"id": chat}, "message_thread_id": thread, "from": {"id": 1}});
            let body = json!({"update_id": 1, "message": message}).to_string();
            Gate::with(Provider::Telegram, body.as_bytes()).event().session_key(&crate::gate::tenant())
        };
        prop_assert_eq!(key(&a, &b) == key(&c, &d), (&a, &b) == (&c, &d));
    }
}

/// A message of a channel and a user, as each chat provider has it.
type Message = fn(&str, &str) -> Value;
const CHATS: [(Provider, Message); 6] = [
    (
        Provider::Slack,
        |channel, user| json!({"type": "event_callback", "event": {"type": "message", "channel": channel, "user": user}}),
    ),
    (
        Provider::Telegram,
        |chat, user| json!({"update_id": 1, "message": {"message_id": 1, "chat": {"id": chat}, "from": {"id": user}}}),
    ),
    (
        Provider::TeamsOutgoing,
        |conversation, user| json!({"type": "message", "id": "1", "conversation": {"id": conversation}, "from": {"id": user}}),
    ),
    (
        Provider::Webex,
        |room, user| json!({"resource": "messages", "event": "created", "actorId": user, "data": {"id": "1", "roomId": room}}),
    ),
    (
        Provider::Discord,
        |channel, user| json!({"type": 2, "id": "1", "channel_id": channel, "user": {"id": user}, "data": {"type": 1}}),
    ),
    (
        Provider::Zoom,
        |channel, user| json!({"event": "chat_message.sent", "event_ts": 1_531_420_618_000_i64, "payload": {"account_id": "a", "operator_id": user, "object": {"id": "1", "channel_id": channel}}}),
    ),
];
