//! What Twilio's callbacks say: messages, calls, conversations, and what became of them.

use super::{FACTS, IDEMPOTENCY};
use crate::{
    Opened, Refusal,
    activity::{Attachment, Button, Kind},
    clock, entity, field,
    form::Form,
    json::Object,
    moment,
    provider::{Arrival, generic, kept},
    sign,
};
use serde_json::{Value, value::RawValue};

/// Fields that name what a callback is about, in the order in which they count.
pub(super) const IDS: [&str; 4] = ["MessageSid", "SmsSid", "CallSid", "ConversationSid"];

/// More than any message has; Twilio allows ten.
const MAX_MEDIA: usize = 32;

/// Fields that `channel_data` shows, as it names them.
const SHOWN: [(&str, &str); 10] = [
    ("profile_name", "ProfileName"),
    ("wa_id", "WaId"),
    ("status", "MessageStatus"),
    ("call_status", "CallStatus"),
    ("error_code", "ErrorCode"),
    ("direction", "Direction"),
    ("latitude", "Latitude"),
    ("longitude", "Longitude"),
    ("messaging_service", "MessagingServiceSid"),
    ("replied_to", "OriginalRepliedMessageSid"),
];

pub(super) fn read(arrival: &Arrival<'_>) -> Result<Opened, Refusal> {
    let request = arrival.request;
    let query = request.path_and_query.split_once('?').map_or("", |(_, query)| query);
    if request.method == http::Method::GET {
        return form(arrival, Form::read(query.as_bytes()));
    }
    if crate::field::media_type(request.headers).as_deref() == Some(sign::FORM) {
        return form(arrival, Form::read(request.body));
    }
    let raw = generic::valid(arrival)?;
    event(arrival, raw)
}

/// A JSON event, whose body the URL vouches for.
fn event(arrival: &Arrival<'_>, raw: &RawValue) -> Result<Opened, Refusal> {
    let own = |text: Option<std::borrow::Cow<'_, str>>| text.map(std::borrow::Cow::into_owned);
    let body = Object::read(raw).unwrap_or_default();
    let data = body.object("data").unwrap_or_default();
    let name = body.text("type").or_else(|| body.text("EventType"));
    let mut draft = generic::draft(arrival, &FACTS, Kind::Event, name.as_deref(), raw);
    if let Some(at) = body.text("time").and_then(|at| moment::read(&at)).and_then(clock::rfc3339) {
        draft.timestamp = at;
    }
    let account = ["AccountSid", "accountSid", "account_sid"]
        .into_iter()
        .find_map(|member| body.id(member).or_else(|| data.id(member)));
    let id = generic::signed("json", own(body.id("id"))).or_else(|| generic::unsigned("token", arrival, IDEMPOTENCY));
    generic::deliver(arrival, draft, id, own(account))
}

fn form(arrival: &Arrival<'_>, form: Option<Form>) -> Result<Opened, Refusal> {
    let form = form.ok_or_else(|| Refusal::unparsable("the form is not UTF-8, or has too many fields"))?;
    let own = |name: &str| form.id(name).map(str::to_owned);
    // No delimiter stands between the signed names and values. With the account, whose name is the first, where it belongs, none has moved before it.
    let account = form
        .id("AccountSid")
        .filter(|account| account.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    let account = account.ok_or_else(|| Refusal::unparsable("the form has no AccountSid of letters and digits"))?;
    let raw = kept(&form.raw())?;
    let (kind, name) = kind(&form);
    let mut draft = generic::draft(arrival, &FACTS, kind, Some(&name), &raw);

    let (ours, theirs) = sides(&form);
    let ids = &mut draft.ids;
    ids.conversation_id = own("ConversationSid");
    ids.channel_id = ours.map(str::to_owned);
    ids.user_id = own("Author").or_else(|| theirs.map(str::to_owned));
    ids.message_id = own("MessageSid").or_else(|| own("SmsSid"));
    // What became of a message is in the session of who got it, as an answer would be.
    draft.anchor = own("ConversationSid").or_else(|| ids.channel_id.clone()).unwrap_or_default();
    draft.user.clone_from(&ids.user_id);
    let text = ["Body", "SpeechResult"].into_iter().find_map(|name| form.id(name));
    draft.text = text.filter(|_| kind != Kind::Deletion).map(str::to_owned);
    draft.entities.urls = draft.text.as_deref().map(entity::urls).unwrap_or_default();
    draft.attachments = media(&form);
    draft.buttons = pressed(&form);
    // What came in by the API of a conversation was not written in a chat: it is the app's own.
    draft.metadata.bot = form.id("Source") == Some("API");
    if let Some(at) = ["DateUpdated", "DateCreated"]
        .into_iter()
        .find_map(|name| moment::rfc3339(form.id(name)?))
    {
        draft.timestamp = at;
    }
    let shown = SHOWN
        .into_iter()
        .filter_map(|(name, field)| Some((name.to_owned(), Value::from(form.id(field)?))));
    draft.channel_data.extend(shown);

    let id = generic::signed("sid", signed_id(&form, &name)).or_else(|| generic::unsigned("token", arrival, IDEMPOTENCY));
    let event = generic::finished(arrival, draft, id, Some(account.to_owned()), arrival.request.body.clone())?;
    // Fields may still have moved behind the account, under the same signature: it is the same event. A call comes by again with the same fields.
    let signature = field::optional(arrival.request.headers, super::SIGNATURE).filter(|_| !is_call(&form));
    Ok(generic::one(match signature {
        Some(signature) => event.known_by(signature.as_bytes()),
        None => event,
    }))
}

/// A call comes by at each of its steps.
fn is_call(form: &Form) -> bool {
    let other = ["EventType", "MessageSid", "SmsSid"];
    form.id("CallSid").is_some() && !other.into_iter().any(|name| form.id(name).is_some())
}

/// What happened to which thing. A call comes by again with the same fields at each of its steps, unless they are numbered: then only the unsigned
/// token tells a step from a repeat.
fn signed_id(form: &Form, name: &str) -> Option<String> {
    let sequence = form.id("SequenceNumber");
    let sid = if let Some(event) = form.id("EventType") {
        let message = form.id("MessageSid").or_else(|| form.id("ParticipantSid"))?;
        // An edit, or coming back, is another event of the same thing.
        return Some(
            [
                event,
                message,
                form.id("DateUpdated").or_else(|| form.id("DateCreated")).unwrap_or_default(),
            ]
            .join("."),
        );
    } else if let Some(sid) = form.id("MessageSid").or_else(|| form.id("SmsSid")) {
        sid
    } else {
        let sid = form.id("CallSid")?;
        sequence?;
        sid
    };
    Some([sid, name, sequence.unwrap_or_default()].join("."))
}

/// Our address and the other's: of what went out, the sender is ours.
fn sides(form: &Form) -> (Option<&str>, Option<&str>) {
    let (from, to) = (form.id("From"), form.id("To"));
    let sent = form.id("MessageStatus").or_else(|| form.id("SmsStatus"));
    let out = sent.is_some_and(|status| !matches!(status, "received" | "receiving"))
        || form.id("Direction").is_some_and(|direction| direction.starts_with("outbound"));
    if out { (from, to) } else { (to, from) }
}

fn kind(form: &Form) -> (Kind, String) {
    if let Some(event) = form.id("EventType") {
        let kind = match event {
            "onMessageAdded" | "onMessageAdd" => Kind::Message,
            "onMessageUpdated" | "onMessageUpdate" => Kind::Edit,
            "onMessageRemoved" | "onMessageRemove" => Kind::Deletion,
            _ if event.starts_with("onParticipant") => Kind::Membership,
            _ => Kind::Event,
        };
        return (kind, event.to_owned());
    }
    let status = form.id("MessageStatus").or_else(|| form.id("SmsStatus"));
    if form.id("MessageSid").or_else(|| form.id("SmsSid")).is_some() {
        let incoming = form.get("Body").is_some() || form.get("NumMedia").is_some();
        return match status {
            Some("received" | "receiving") | None if incoming && form.id("ButtonPayload").is_some() => {
                (Kind::Action, "message.button".to_owned())
            }
            Some("received" | "receiving") | None if incoming => (Kind::Message, "message.received".to_owned()),
            status => (Kind::Event, format!("message.{}", status.unwrap_or("unknown"))),
        };
    }
    if form.id("CallSid").is_some() {
        return if form.id("SpeechResult").is_some() {
            (Kind::Message, "call.speech".to_owned())
        } else if form.id("Digits").is_some() {
            (Kind::Action, "call.digits".to_owned())
        } else {
            (Kind::Event, format!("call.{}", form.id("CallStatus").unwrap_or("unknown")))
        };
    }
    (Kind::Event, "callback".to_owned())
}

fn media(form: &Form) -> Vec<Attachment> {
    let one = |index: usize| {
        let url = form.id(&format!("MediaUrl{index}"))?;
        let mime = form.id(&format!("MediaContentType{index}")).map(str::to_owned);
        Some(Attachment {
            url: Some(url.to_owned()),
            ..Attachment::of(mime)
        })
    };
    let recording = form.id("RecordingUrl").map(|url| Attachment {
        url: Some(url.to_owned()),
        ..Attachment::of_kind("audio")
    });
    (0..MAX_MEDIA).map_while(one).chain(recording).collect()
}

/// A quick reply, or the keys of a telephone.
fn pressed(form: &Form) -> Vec<Button> {
    let reply = form.id("ButtonPayload").map(|payload| Button {
        id: payload.to_owned(),
        title: form.id("ButtonText").unwrap_or(payload).to_owned(),
        payload: payload.to_owned(),
    });
    let keys = form.id("Digits").map(|digits| Button {
        id: "Digits".to_owned(),
        title: digits.to_owned(),
        payload: digits.to_owned(),
    });
    reply.into_iter().chain(keys).collect()
}
