//! Telegram: a bearer token, updates told apart, conversations kept apart.

use crate::gate::{Gate, NOW, activity, key, shared};
use crate::schema;
use serde_json::{Value, json};
use tollgate_config::manifest::Provider::Telegram;
use tollgate_ingress::{DropReason, Reason, replay, sign};

const TOKEN: &str = "x-telegram-bot-api-secret-token";

fn read(update: &Value) -> Value {
    let read = activity(&Gate::with(Telegram, update.to_string().as_bytes()).event());
    assert_eq!(schema::wrong(&read), Vec::<String>::new(), "{update}");
    read
}

/// An update of one event.
fn update(name: &str, event: &Value) -> Value {
    json!({"update_id": 7, name: event})
}

#[test]
fn only_the_token_itself_opens() {
    let good = replay::key(Telegram);
    assert_eq!(Gate::sample(Telegram).without(TOKEN).reason(), Some(Reason::MissingSignature));
    for wrong in [
        "",
        " ",
        "x",
        &good[1..],
        &format!("{good}x"),
        &good.to_uppercase(),
        &format!("Bearer {good}"),
    ] {
        assert_eq!(
            Gate::sample(Telegram).header(TOKEN, wrong).reason(),
            Some(Reason::BadToken),
            "{wrong:?}"
        );
    }
    assert_eq!(Gate::sample(Telegram).more(TOKEN, good).reason(), Some(Reason::DuplicateHeader));
    assert_eq!(
        Gate::sample(Telegram).header(TOKEN, "").more(TOKEN, good).reason(),
        Some(Reason::DuplicateHeader)
    );
    assert_eq!(Gate::sample(Telegram).keys(&[("other", None)]).reason(), Some(Reason::BadToken));
}

#[test]
fn of_two_tokens_each_opens_until_its_end() {
    let good = replay::key(Telegram);
    let keys = [("new", None), (good, Some(NOW.0))];
    assert_eq!(Gate::sample(Telegram).keys(&keys).at(NOW.0 - 1).event().matched_key(), 1);
    assert_eq!(Gate::sample(Telegram).keys(&keys).at(NOW.0 + 1).reason(), Some(Reason::BadToken));
}

#[test]
fn what_is_no_update_is_told() {
    for body in ["", "[]", "{", "{}", r#"{"message":{"message_id":1}}"#, r#"{"update_id":null}"#] {
        assert_eq!(Gate::with(Telegram, body.as_bytes()).reason(), Some(Reason::Unparsable), "{body}");
    }
}

#[test]
fn the_update_id_is_the_mark_and_keeps_its_digits() {
    let event = Gate::with(Telegram, br#"{"update_id":9007199254740993,"poll":{"id":"1"}}"#).event();
    assert_eq!(event.event_id(), Some("9007199254740993"));
    let other = Gate::with(Telegram, br#"{"update_id":9007199254740992,"poll":{"id":"1"}}"#).event();
    assert_ne!(event.id_mark(), other.id_mark());
    // Even where known bodies are dropped: the token vouches for the id.
    let event = Gate::sample(Telegram).option("same_body", "drop").event();
    assert!(event.id_mark().is_some() && event.body_mark().is_none());
    assert_eq!(event.account(), None);
}

#[test]
fn a_fresh_id_is_a_number() {
    let send = |id| {
        let signed = sign::sign(
            Telegram,
            br#"{ "update_id" : 1, "poll":{"update_id":2} }"#,
            &key("t"),
            NOW,
            Some(id),
        )
        .unwrap();
        String::from_utf8(signed.body).unwrap()
    };
    assert_eq!(send("42"), r#"{ "update_id" : 42, "poll":{"update_id":2} }"#);
    for odd in ["007", "fresh-1", "", "12345678901234567890", "\"},"] {
        let body: Value = serde_json::from_str(&send(odd)).unwrap();
        assert!(body["update_id"].as_u64().unwrap() < 1 << 53, "{odd:?}");
        assert_ne!(send(odd), send("other"));
        assert_eq!(send(odd), send(odd));
    }
    let put_in = sign::sign(Telegram, b"{}", &key("t"), NOW, Some("5")).unwrap();
    assert_eq!(put_in.body, br#"{"update_id":5}"#);
    assert!(sign::sign(Telegram, b"[]", &key("t"), NOW, Some("5")).is_err());
}

#[test]
fn a_message_has_everything() {
    let read = read(&update(
        "message",
        &json!({
            "message_id": 17, "message_thread_id": 5, "date": 1_771_495_200,
            "from": {"id": 583_231, "is_bot": false, "first_name": "Ada", "language_code": "de"},
            "chat": {"id": -1_001_293_752_024_i64, "type": "supergroup"},
            "reply_to_message": {"message_id": 16},
            "caption": "😂 @bob Carol see example.org or here",
            "caption_entities": [
                {"type": "mention", "offset": 3, "length": 4},
                {"type": "text_mention", "offset": 8, "length": 5, "user": {"id": 99, "first_name": "Carol"}},
                {"type": "url", "offset": 18, "length": 11},
                {"type": "text_link", "offset": 33, "length": 4, "url": "https://a.example/"},
                {"type": "url", "offset": 1, "length": 9999},
                {"type": "url", "offset": 1, "length": 2},
                {"type": "url", "offset": -1, "length": i64::MAX},
            ],
            "photo": [{"file_id": "small", "file_size": 1}, {"file_id": "large", "file_size": 489_108}],
            "reply_markup": {"inline_keyboard": [[{"text": "Open", "callback_data": "open"}], [{"text": "Read", "url": "https://b.example"}]]}
        }),
    ));
    assert_eq!(read["metadata"]["type"], "message");
    assert_eq!(read["metadata"]["event"], "message");
    assert_eq!(read["session"]["key"], "acme:telegram:-1001293752024%2F5:583231");
    assert_eq!(read["session"]["scopes"], json!(["chat", "attachments", "buttons"]));
    assert_eq!(
        read["provider_ids"],
        json!({"conversation_id": "-1001293752024/5", "thread_id": "5", "channel_id": "-1001293752024", "user_id": "583231", "message_id": "17", "event_id": "7"})
    );
    assert_eq!(read["timestamp"], "2026-02-19T10:00:00+00:00");
    assert_eq!(read["locale"], "de");
    assert_eq!(
        read["entities"],
        json!({
            "mentions": [{"id": "@bob", "name": "bob", "text": "@bob"}, {"id": "99", "name": "Carol", "text": "Carol"}],
            "urls": ["http://example.org", "https://a.example/"]
        })
    );
    assert_eq!(
        read["attachments"],
        json!([{"type": "image", "name": null, "mime": "image/jpeg", "size": 489_108, "url": null, "data_inline_b64": null}])
    );
    assert_eq!(read["channel_data"]["file_ids"], json!(["large"]));
    assert_eq!(read["channel_data"]["reply_to_message_id"], "16");
    assert_eq!(
        read["buttons"],
        json!([{"id": "open", "title": "Open", "payload": "open"}, {"id": "", "title": "Read", "payload": "https://b.example"}])
    );
}

#[test]
fn kinds_are_told_apart() {
    let chat = json!({"id": 5, "type": "private"});
    let message = |more: Value| {
        let mut message = json!({"message_id": 1, "date": 1_771_495_200, "chat": chat, "from": {"id": 9}});
        message.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        message
    };
    for (name, event, kind) in [
        ("message", message(json!({"text": "hi"})), "message"),
        ("message", message(json!({"new_chat_members": [{"id": 1}]})), "membership"),
        ("message", message(json!({"left_chat_member": {"id": 1}})), "membership"),
        ("message", message(json!({"pinned_message": {"message_id": 0}})), "event"),
        // A library that writes what is not there.
        (
            "message",
            message(json!({"text": "hi", "new_chat_members": null, "migrate_to_chat_id": 0, "delete_chat_photo": false})),
            "message",
        ),
        ("edited_message", message(json!({"text": "hi"})), "edit"),
        ("channel_post", message(json!({})), "message"),
        ("edited_channel_post", message(json!({})), "edit"),
        ("business_message", message(json!({})), "message"),
        (
            "deleted_business_messages",
            json!({"chat": chat, "message_ids": [1, 2]}),
            "deletion",
        ),
        (
            "message_reaction",
            json!({"chat": chat, "message_id": 3, "new_reaction": []}),
            "reaction",
        ),
        ("message_reaction_count", json!({"chat": chat}), "reaction"),
        ("callback_query", json!({"id": "1", "from": {"id": 9}, "data": "x"}), "action"),
        ("inline_query", json!({"id": "1", "from": {"id": 9}, "query": "q"}), "options"),
        ("chosen_inline_result", json!({"result_id": "1", "from": {"id": 9}}), "action"),
        ("my_chat_member", json!({"chat": chat, "from": {"id": 9}}), "membership"),
        ("chat_member", json!({"chat": chat, "from": {"id": 9}}), "membership"),
        ("chat_join_request", json!({"chat": chat, "from": {"id": 9}}), "membership"),
        ("poll", json!({"id": "1"}), "event"),
        ("of_tomorrow", json!({"id": "1"}), "event"),
    ] {
        let read = read(&update(name, &event));
        assert_eq!(read["metadata"]["type"], kind, "{name}");
        let known = if name == "of_tomorrow" { Value::Null } else { json!(name) };
        assert_eq!(read["metadata"]["event"], known);
        assert_eq!(read["provider_ids"]["event_id"], "7");
    }
}

#[test]
fn a_press_names_its_button_and_its_thread() {
    let read = read(&update(
        "callback_query",
        &json!({
            "id": "4382", "from": {"id": 9, "language_code": "en"}, "data": "no", "chat_instance": "-3",
            "message": {
                "message_id": 3, "message_thread_id": 8, "date": 1, "chat": {"id": -5, "type": "supergroup"}, "text": "Sure?", "from": {"id": 1, "is_bot": true},
                "reply_markup": {"inline_keyboard": [[{"text": "Yes", "callback_data": "yes"}, {"text": "No", "callback_data": "no"}]]}
            }
        }),
    ));
    assert_eq!(read["session"]["key"], "acme:telegram:-5%2F8:9");
    assert_eq!(read["buttons"], json!([{"id": "no", "title": "No", "payload": "no"}]));
    assert_eq!(read["text"], "Sure?");
    assert_eq!(read["channel_data"]["callback_query_id"], "4382");
    assert_eq!(read["metadata"]["bot"], false, "the presser is no bot, the message's writer is");
    assert_eq!(
        read["timestamp"], "2018-07-12T18:36:58+00:00",
        "when it arrived, not when the message was written"
    );
}

#[test]
fn reactions_and_members_are_shown() {
    let reaction = read(&update(
        "message_reaction",
        &json!({"chat": {"id": 5}, "message_id": 3, "user": {"id": 9}, "date": 1_771_495_200,
            "old_reaction": [], "new_reaction": [{"type": "emoji", "emoji": "👍"}, {"type": "custom_emoji", "custom_emoji_id": "5"}, {"type": "paid"}]}),
    ));
    assert_eq!(reaction["channel_data"]["new_reaction"], json!(["👍", "5", "paid"]));
    assert_eq!(reaction["channel_data"]["old_reaction"], json!([]));
    assert_eq!(reaction["session"]["key"], "acme:telegram:5:9");
    assert_eq!(reaction["provider_ids"]["message_id"], "3");
    let member = read(&update(
        "my_chat_member",
        &json!({"chat": {"id": 5}, "from": {"id": 9}, "date": 1_771_495_200,
            "old_chat_member": {"status": "member", "user": {"id": 1}}, "new_chat_member": {"status": "kicked", "user": {"id": 1}}}),
    ));
    for (name, value) in [("old_status", "member"), ("new_status", "kicked"), ("member_id", "1")] {
        assert_eq!(member["channel_data"][name], value);
    }
    assert_eq!(member["channel_data"].get("service"), None);
}

#[test]
fn conversations_are_kept_apart() {
    let key = |event: Value| read(&update("message", &event))["session"]["key"].as_str().unwrap().to_owned();
    let from = json!({"id": 9});
    let keys = [
        key(json!({"message_id": 1, "from": from, "chat": {"id": 5}})),
        key(json!({"message_id": 1, "from": from, "chat": {"id": 5}, "message_thread_id": 1})),
        key(json!({"message_id": 1, "from": from, "chat": {"id": 51}})),
        // Two businesses that the same customer writes to.
        key(json!({"message_id": 1, "from": from, "chat": {"id": 5}, "business_connection_id": "a"})),
        key(json!({"message_id": 1, "from": from, "chat": {"id": 5}, "business_connection_id": "b"})),
        key(json!({"message_id": 1, "chat": {"id": 5}})),
    ];
    for (index, key) in keys.iter().enumerate() {
        assert!(!keys[index + 1..].contains(key), "{key}");
    }
    let inline = read(&update(
        "inline_query",
        &json!({"id": "1", "from": {"id": 9}, "query": "q", "offset": ""}),
    ));
    assert_eq!(inline["session"]["key"], "acme:telegram:9:9");
    assert_eq!(
        (&inline["text"], &inline["channel_data"]["inline_query_id"]),
        (&json!("q"), &json!("1"))
    );
    assert_eq!(read(&update("poll", &json!({"id": "1"})))["session"]["key"], "acme:telegram:7:user");
}

#[test]
fn bots_are_marked_and_people_behind_a_chat_are_not() {
    for (more, bot) in [
        (json!({"from": {"id": 1, "is_bot": true}}), true),
        (json!({"from": {"id": 1, "is_bot": false}}), false),
        (
            json!({"from": {"id": 1_087_968_824, "is_bot": true}, "sender_chat": {"id": -5}}),
            false,
        ),
        (json!({"from": {"id": 2}, "via_bot": {"id": 1, "is_bot": true}}), true),
    ] {
        let mut message = json!({"message_id": 1, "chat": {"id": 5}});
        message.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        assert_eq!(read(&update("message", &message))["metadata"]["bot"], bot, "{more}");
    }
}

#[test]
fn what_the_bot_wrote_in_the_name_of_its_business_is_dropped() {
    let message = json!({"message_id": 1, "chat": {"id": 5}, "from": {"id": 2}, "business_connection_id": "b", "sender_business_bot": {"id": 1, "is_bot": true}});
    for name in ["business_message", "edited_business_message"] {
        let gate = Gate::with(Telegram, update(name, &message).to_string().as_bytes());
        assert_eq!(gate.dropped(), DropReason::OwnMessage, "{name}");
    }
    let mut theirs = message;
    theirs.as_object_mut().unwrap().remove("sender_business_bot");
    assert_eq!(read(&update("business_message", &theirs))["metadata"]["type"], "message");
}

#[test]
fn files_are_told_apart() {
    for (member, file, kind, mime, name) in [
        (
            "document",
            json!({"file_id": "f", "file_name": "a.pdf", "mime_type": "application/pdf"}),
            "file",
            json!("application/pdf"),
            json!("a.pdf"),
        ),
        ("video", json!({"file_id": "f"}), "video", json!("video/mp4"), Value::Null),
        ("video_note", json!({"file_id": "f"}), "video", json!("video/mp4"), Value::Null),
        ("audio", json!({"file_id": "f"}), "audio", Value::Null, Value::Null),
        (
            "voice",
            json!({"file_id": "f", "mime_type": "audio/ogg"}),
            "audio",
            json!("audio/ogg"),
            Value::Null,
        ),
        ("sticker", json!({"file_id": "f"}), "image", json!("image/webp"), Value::Null),
        (
            "sticker",
            json!({"file_id": "f", "is_video": true}),
            "video",
            json!("video/webm"),
            Value::Null,
        ),
        (
            "sticker",
            json!({"file_id": "f", "is_animated": true}),
            "file",
            json!("application/x-tgsticker"),
            Value::Null,
        ),
    ] {
        let read = read(&update("message", &json!({"message_id": 1, "chat": {"id": 5}, member: file})));
        let found = &read["attachments"][0];
        assert_eq!(
            (&found["type"], &found["mime"], &found["name"]),
            (&json!(kind), &mime, &name),
            "{member}"
        );
    }
    // An animation stands under `document` too: one file, not two.
    let gif = json!({"file_id": "f", "mime_type": "video/mp4"});
    let read = read(&update(
        "message",
        &json!({"message_id": 1, "chat": {"id": 5}, "animation": gif, "document": gif}),
    ));
    assert_eq!(read["attachments"].as_array().unwrap().len(), 1);
}

#[test]
fn a_command_is_named_where_it_begins_the_text() {
    let command = |text: &str, offset: u8| {
        let entities = json!([{"type": "bot_command", "offset": offset, "length": 6}]);
        read(&update(
            "message",
            &json!({"message_id": 1, "chat": {"id": 5}, "text": text, "entities": entities}),
        ))["channel_data"]
            .get("command")
            .cloned()
    };
    assert_eq!(command("/start now", 0), Some(json!("/start")));
    assert_eq!(command("say /start", 4), None);
}

#[test]
fn payloads_of_the_corpus() {
    let Some(folder) = shared("corpus/telegram") else { return };
    let mut count = 0;
    for path in std::fs::read_dir(folder).unwrap() {
        let path = path.unwrap().path();
        let read = activity(&Gate::with(Telegram, &std::fs::read(&path).unwrap()).event());
        assert_eq!(schema::wrong(&read), Vec::<String>::new(), "{}", path.display());
        assert!(
            read["metadata"]["event"].is_string() && read["provider_ids"]["event_id"].is_string(),
            "{}",
            path.display()
        );
        count += 1;
    }
    assert!(count >= 30, "{count}");
}
