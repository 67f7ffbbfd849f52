//! Slash commands.

use super::{anchor, content, metadata, signed_at};
use crate::{
    Refusal, Verified,
    activity::{Draft, Kind, ProviderIds},
    entity,
    form::Form,
    provider::{Arrival, kept},
    verified::EventId,
};
use serde_json::{Map, Value};

/// The provider's name of the event, which a form has no member for.
const NAME: &str = "slash_command";

/// Members that a worker needs for its answer, shown in `channel_data` where they are present.
const SHOWN: [&str; 3] = ["command", "trigger_id", "response_url"];

pub(super) fn read(arrival: &Arrival<'_>, form: &Form) -> Result<Verified, Refusal> {
    let own = |member: &str| form.id(member).map(str::to_owned);
    let (channel, user, trigger) = (own("channel_id"), own("user_id"), own("trigger_id"));
    let workspace = own("team_id").or_else(|| own("enterprise_id"));
    // Slack offers no commands in threads today; where one is named it is the conversation.
    let thread = own("thread_ts");
    let text = form.get("text").map(str::to_owned);
    let mut channel_data = Map::from_iter([("type".to_owned(), Value::from(NAME))]);
    channel_data.extend(
        SHOWN
            .iter()
            .filter_map(|member| Some(((*member).to_owned(), Value::from(form.id(member)?)))),
    );
    let draft = Draft {
        anchor: anchor(
            arrival,
            [thread.as_deref(), channel.as_deref(), user.as_deref(), trigger.as_deref()],
        ),
        user: user.clone(),
        timestamp: content::timestamp([Some(signed_at(arrival)), None, None]),
        locale: None,
        attachments: Vec::new(),
        buttons: Vec::new(),
        entities: text.as_deref().map(entity::slack).unwrap_or_default(),
        metadata: metadata(arrival, Kind::Command, NAME, false),
        channel_data,
        ids: ProviderIds {
            workspace_id: workspace.clone(),
            conversation_id: thread.clone().or_else(|| channel.clone()),
            thread_id: thread,
            channel_id: channel,
            user_id: user,
            event_id: trigger.clone(),
            ..ProviderIds::default()
        },
        text,
        raw: kept(&form.raw())?,
    };
    Verified::new(
        arrival,
        draft,
        trigger.map(|text| EventId {
            kind: "trigger",
            text,
            signed: true,
        }),
        workspace,
        arrival.request.body.clone(),
    )
}
