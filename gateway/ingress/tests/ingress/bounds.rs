//! What a signed body can make the gate do: whoever holds an endpoint's secret signs what he likes, and the gate is not his alone.

use crate::gate::{Gate, activity};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tollgate_config::manifest::Provider::{self, Github, Line, Messenger, Sendgrid, Slack, Telegram, Webchat, Whatsapp};
use tollgate_ingress::{Opened, Reason};

/// A thousand times what the work takes if it grows with the body, and far less than if it grows with its square.
const PATIENCE: Duration = Duration::from_secs(20);

fn read(provider: Provider, body: &Value) -> Value {
    let begun = Instant::now();
    let read = activity(&Gate::with(provider, body.to_string().as_bytes()).event());
    assert!(begun.elapsed() < PATIENCE, "{} took {:?}", provider.as_str(), begun.elapsed());
    read
}

fn count(read: &Value, list: &str) -> usize {
    read["entities"][list].as_array().unwrap().len()
}

fn issue(text: String) -> Value {
    json!({"action": "created", "issue": {"id": 1, "number": 1}, "comment": {"id": 2, "body": text}})
}

#[test]
fn a_text_of_addresses_is_read_once() {
    let addresses: String = (0..100_000).map(|n| format!("http://{n} ")).collect();
    assert_eq!(count(&read(Github, &issue(addresses.clone())), "urls"), 4096);
    let page = json!({"type": "message", "text": addresses.get(..200_000).unwrap()});
    assert_eq!(count(&read(Webchat, &page), "urls"), 4096);
    assert_eq!(count(&read(Github, &issue("http://a http://b ".repeat(100_000))), "urls"), 2);
}

#[test]
fn a_text_of_mentions_is_read_once() {
    let names: String = (0..100_000).map(|n| format!("@u{n} ")).collect();
    assert_eq!(count(&read(Github, &issue(names)), "mentions"), 4096);
    assert_eq!(count(&read(Github, &issue("@{".repeat(1 << 20))), "mentions"), 0);
    let event = |text: String| json!({"event_id": "Ev1", "event": {"type": "message", "channel": "C1", "text": text}});
    assert_eq!(count(&read(Slack, &event(format!("{}>", "<".repeat(200_000)))), "mentions"), 0);
    let names: String = (0..20_000).map(|n| format!("<@U{n}>")).collect();
    assert_eq!(count(&read(Slack, &event(names)), "mentions"), 4096);
}

#[test]
fn mentions_that_overlap_are_no_longer_than_the_text() {
    let text = "a".repeat(50_000);
    let entities: Vec<_> = (0..1000)
        .map(|n| json!({"type": "mention", "offset": n, "length": 40_000}))
        .collect();
    let update = json!({"update_id": 1, "message": {"message_id": 1, "chat": {"id": 1}, "text": text, "entities": entities}});
    assert_eq!(count(&read(Telegram, &update), "mentions"), 1);
    let mentionees: Vec<_> = (0..1000).map(|n| json!({"index": n, "length": 40_000, "userId": "u"})).collect();
    let event = json!({"type": "message", "message": {"type": "text", "text": text, "mention": {"mentionees": mentionees}}});
    assert_eq!(count(&read(Line, &json!({"destination": "bot", "events": [event]})), "mentions"), 1);
}

#[test]
fn what_all_events_of_a_batch_repeat_is_short() {
    let long = "x".repeat(5000);
    let whatsapp = |id: &str, field: &str, number: &str, contact: &str| {
        let value = json!({"metadata": {"display_phone_number": number, "phone_number_id": "P"}, "contacts": [{"wa_id": "491", "profile": {"name": contact}}],
            "messages": [{"from": "491", "id": "m", "type": "text", "text": {"body": "x"}}]});
        json!({"object": "whatsapp_business_account", "entry": [{"id": id, "changes": [{"field": field, "value": value}]}]})
    };
    let page = |id: &str, time: &str| json!({"object": "page", "entry": [{"id": id, "time": time, "messaging": [{"message": {"is_echo": true}}]}]});
    let reason = |provider, body: &Value| Gate::with(provider, body.to_string().as_bytes()).reason();
    assert_eq!(reason(Whatsapp, &whatsapp("waba", "messages", "4930", "Ada")), None);
    assert_eq!(reason(Messenger, &page("p", "1771495200100")), None);
    for (provider, body) in [
        (Whatsapp, whatsapp(&long, "messages", "4930", "Ada")),
        (Whatsapp, whatsapp("waba", &long, "4930", "Ada")),
        (Whatsapp, whatsapp("waba", "messages", &long, "Ada")),
        (Whatsapp, whatsapp("waba", "messages", "4930", &long)),
        (Messenger, page(&long, "1771495200100")),
        (Messenger, page("p", &long)),
    ] {
        assert_eq!(reason(provider, &body), Some(Reason::Unparsable), "{}", provider.as_str());
    }
    let mut many = whatsapp("waba", "messages", "4930", "Ada");
    many["entry"][0]["changes"][0]["value"]["contacts"] = vec![json!({}); 4097].into();
    assert_eq!(reason(Whatsapp, &many), Some(Reason::Unparsable), "contacts");
}

#[test]
fn a_long_header_is_not_copied_into_each_event() {
    let read = activity(&Gate::sample(Line).header("user-agent", &"x".repeat(1025)).event());
    assert_eq!(read["metadata"]["raw_headers"].get("user-agent"), None);
    let read = activity(&Gate::sample(Line).header("user-agent", &"x".repeat(1024)).event());
    assert!(read["metadata"]["raw_headers"].get("user-agent").is_some());
}

#[test]
fn a_list_of_events_has_an_end() {
    let list = |many: usize| format!("[{}]", vec![r#"{"event":"open"}"#; many].join(","));
    assert_eq!(Gate::with(Sendgrid, list(4097).as_bytes()).reason(), Some(Reason::Unparsable));
    match Gate::with(Sendgrid, list(4096).as_bytes()).open() {
        Ok(Opened::Deliveries(found)) => assert_eq!(found.events.len(), 4096),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_form_of_fields_and_a_release_of_files_have_an_end() {
    let form = |more: usize| format!("payload={{}}{}", "&a".repeat(more));
    assert_eq!(Gate::with(Github, form(4095).as_bytes()).reason(), None);
    assert_eq!(Gate::with(Github, form(4096).as_bytes()).reason(), Some(Reason::Unparsable));
    let release = json!({"action": "published", "release": {"id": 1, "assets": vec![json!({}); 1001]}});
    assert_eq!(read(Github, &release)["attachments"].as_array().unwrap().len(), 1000);
}
