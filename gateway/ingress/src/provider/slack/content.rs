//! Files, buttons and times in Slack's messages.

use crate::{
    UnixTime,
    activity::{Attachment, Button},
    clock,
    json::Object,
};
use std::borrow::Cow;

/// What a button without a text is called.
const UNTITLED: &str = "Button";

/// `files[]`.
pub(super) fn attachments(message: &Object<'_>) -> Vec<Attachment> {
    let own = |text: Option<Cow<'_, str>>| text.map(Cow::into_owned);
    let file = |file: Object<'_>| Attachment {
        name: own(file.text("name")),
        size: file.size("size"),
        url: own(file.text("url_private")),
        ..Attachment::of(own(file.text("mimetype")))
    };
    message.objects("files").map(file).collect()
}

/// Buttons that a message offers: in blocks, beside a section, and in legacy attachments.
pub(super) fn buttons(message: &Object<'_>) -> Vec<Button> {
    let mut found = Vec::new();
    for block in message.objects("blocks") {
        found.extend(
            block
                .object("accessory")
                .into_iter()
                .chain(block.objects("elements"))
                .filter(is_button)
                .map(|element| offered(&element)),
        );
    }
    for attachment in message.objects("attachments") {
        found.extend(attachment.objects("actions").filter(is_button).map(|action| offered(&action)));
    }
    found
}

fn is_button(element: &Object<'_>) -> bool {
    element.text("type").as_deref() == Some("button")
}

fn offered(element: &Object<'_>) -> Button {
    Button {
        id: name(element),
        title: title(element),
        payload: element.text("value").map(Cow::into_owned).unwrap_or_default(),
    }
}

/// The controls that an action used, with what they hold now.
pub(super) fn used(payload: &Object<'_>) -> Vec<Button> {
    payload
        .objects("actions")
        .map(|action| Button {
            id: name(&action),
            title: title(&action),
            payload: held(&action),
        })
        .collect()
}

/// `action_id`; legacy actions have a `name`.
fn name(element: &Object<'_>) -> String {
    element
        .text("action_id")
        .or_else(|| element.text("name"))
        .map(Cow::into_owned)
        .unwrap_or_default()
}

/// `text.text`; in legacy actions the text itself.
fn title(element: &Object<'_>) -> String {
    let text = element
        .object("text")
        .and_then(|text| text.text("text"))
        .or_else(|| element.text("text"));
    text.filter(|text| !text.is_empty())
        .map_or_else(|| UNTITLED.to_owned(), Cow::into_owned)
}

/// The value of whichever control it is; several are joined by commas.
fn held(action: &Object<'_>) -> String {
    const ONE: [&str; 9] = [
        "value",
        "selected_date",
        "selected_time",
        "selected_date_time",
        "selected_user",
        "selected_channel",
        "selected_conversation",
        "selected_button_value",
        "rich_text_value",
    ];
    const MANY: [&str; 4] = ["selected_users", "selected_channels", "selected_conversations", "selected_files"];
    if let Some(value) = ONE.iter().find_map(|name| action.id(name)) {
        return value.into_owned();
    }
    if let Some(value) = action.object("selected_option").and_then(|option| option.id("value")) {
        return value.into_owned();
    }
    let options = action.objects("selected_options").filter_map(|option| option.id("value"));
    let plain = MANY.iter().flat_map(|name| action.list(name)).filter_map(crate::json::id);
    options.chain(plain).collect::<Vec<_>>().join(",")
}

/// The seconds of a message's `ts`; what follows the point is a counter, not a fraction.
pub(super) fn ts(text: &str) -> Option<UnixTime> {
    text.split('.').next()?.parse().ok().map(UnixTime)
}

/// The first of the times that can be written.
pub(super) fn timestamp(candidates: [Option<UnixTime>; 3]) -> String {
    candidates.into_iter().flatten().find_map(clock::rfc3339).unwrap_or_default()
}
