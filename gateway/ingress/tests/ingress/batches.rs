//! What holds for every batch: each event once, in its order, with its own bytes and account.

use crate::gate::Gate;
use proptest::prelude::*;
use serde_json::{Value, json};
use tollgate_config::manifest::Provider::{self, Line, Messenger, Whatsapp};
use tollgate_ingress::{Opened, Verified};

/// Events of a request, which must be nothing else.
fn events(provider: Provider, body: &Value) -> Vec<Verified> {
    match Gate::with(provider, body.to_string().as_bytes()).open() {
        Ok(Opened::Deliveries(found)) if found.dropped.is_empty() => found.events,
        other => panic!("{other:?}"),
    }
}

/// Ids, accounts and bytes, as they came out and as they should.
fn same(found: &[Verified], wanted: &[(String, String, Value)]) {
    let found: Vec<_> = found
        .iter()
        .map(|event| {
            let id = event.event_id().unwrap().to_owned();
            (
                id,
                event.account().unwrap().to_owned(),
                serde_json::from_slice::<Value>(event.raw()).unwrap(),
            )
        })
        .collect();
    assert_eq!(found, wanted);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    /// How many messages each change of each entry has, and which number it is of.
    #[test]
    fn whatsapps_messages_come_out_one_by_one(entries in prop::collection::vec(prop::collection::vec((1..4_usize, 0..3_u8), 1..4), 1..4)) {
        let (mut wanted, mut count) = (Vec::new(), 0);
        let mut messages = |many: usize, number: u8| -> Vec<Value> {
            let one = |_| {
                count += 1;
                let message = json!({"from": "491", "id": format!("m{count}"), "type": "text", "text": {"body": "x"}});
                wanted.push((format!("m{count}"), format!("P{number}"), message.clone()));
                message
            };
            (0..many).map(one).collect()
        };
        let entries: Vec<_> = entries.into_iter().map(|changes| {
            let changes: Vec<_> = changes.into_iter().map(|(many, number)| {
                json!({"field": "messages", "value": {"metadata": {"phone_number_id": format!("P{number}")}, "messages": messages(many, number)}})
            }).collect();
            json!({"id": "waba", "changes": changes})
        }).collect();
        let body = json!({"object": "whatsapp_business_account", "entry": entries});
        same(&events(Whatsapp, &body), &wanted);
    }

    #[test]
    fn messengers_and_lines_events_come_out_one_by_one(pages in prop::collection::vec(1..5_usize, 1..5)) {
        let (mut wanted, mut entries) = (Vec::new(), Vec::new());
        for (page, many) in pages.iter().enumerate() {
            let items: Vec<_> = (0..*many).map(|index| json!({"sender": {"id": "ada"}, "recipient": {"id": format!("p{page}")}, "message": {"mid": format!("m{page}.{index}")}})).collect();
            wanted.extend(items.iter().map(|item| (item["message"]["mid"].as_str().unwrap().to_owned(), format!("p{page}"), item.clone())));
            entries.push(json!({"id": format!("p{page}"), "messaging": items}));
        }
        same(&events(Messenger, &json!({"object": "page", "entry": entries})), &wanted);

        let items: Vec<_> = pages.iter().enumerate().map(|(index, n)| json!({"type": "message", "webhookEventId": format!("e{index}"), "message": {"id": n}})).collect();
        let wanted: Vec<_> = items.iter().map(|item| (item["webhookEventId"].as_str().unwrap().to_owned(), "bot".to_owned(), item.clone())).collect();
        same(&events(Line, &json!({"destination": "bot", "events": items})), &wanted);
    }

    #[test]
    fn odd_ids_never_make_two_conversations_share_a_key(a in "[a%:/ é]{1,4}", b in "[a%:/ é]{1,4}", c in "[a%:/ é]{1,4}", d in "[a%:/ é]{1,4}") {
        let line = |chat: &str, user: &str| json!({"destination": "bot", "events": [{"type": "message", "source": {"groupId": chat, "userId": user}}]});
        let whatsapp = |chat: &str, user: &str| json!({"object": "whatsapp_business_account", "entry": [{"changes": [{"value": {"messages": [{"group_id": chat, "from": user, "type": "text"}]}}]}]});
        let key = |provider, body: &Value| events(provider, body)[0].session_key(&crate::gate::tenant());
        prop_assert_eq!(key(Line, &line(&a, &b)) == key(Line, &line(&c, &d)), (&a, &b) == (&c, &d));
        prop_assert_eq!(key(Whatsapp, &whatsapp(&a, &b)) == key(Whatsapp, &whatsapp(&c, &d)), (&a, &b) == (&c, &d));
    }

    /// Whatever stands where, there is an answer.
    #[test]
    fn any_signed_batch_gives_activities_or_a_reason(
        list in "messages|statuses|calls|errors|groups|contacts|message_echoes|user_preferences", member in "text|image|interactive|reaction|edit|system|context|message|postback|mention|source",
        value in r#""[ -!#-\[\]-~é]{0,8}"|-?[1-9][0-9]{0,30}|null|\{\}|\[\]|true|\[\{"id":1,"type":"text","message":\{"type":"image"\}\}\]|\{"type":"nfm_reply","id":"a","text":"b","mentionees":[1]\}"#,
    ) {
        let item = format!(r#"{{"id":{value},"type":"{member}","{member}":{value},"from":{value},"timestamp":{value},"sender":{value},"errors":{value}}}"#);
        for body in [
            format!(r#"{{"object":"whatsapp_business_account","entry":[{{"id":{value},"time":{value},"changes":[{{"field":{value},"value":{{"{list}":[{item}],"contacts":{value},"metadata":{value}}}}}]}}]}}"#),
            format!(r#"{{"object":"page","entry":[{{"id":{value},"messaging":[{item}],"standby":{value},"changes":[{{"field":{value},"value":{item}}}]}}]}}"#),
            format!(r#"{{"object":"instagram","entry":[{{"id":{value},"messaging":{value},"changes":[{{"field":{value},"value":{item}}}]}}]}}"#),
            format!(r#"{{"destination":{value},"events":[{item}]}}"#),
        ] {
            prop_assert_eq!(tollgate_ingress::replay::payload(body.as_bytes()), Ok(()));
        }
    }
}
