//! What was said in each conversation, for pages to read: in memory, bounded, gone with the process. The time is an argument.

use bytes::Bytes;
use serde_json::{Map, Value, json};
use std::collections::{HashMap, VecDeque};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use tollgate_ingress::UnixTime;

/// Conversations of one endpoint; the one that was silent for longest goes. With all full, 256 MiB.
const MAX_CONVERSATIONS: usize = 2000;
/// Activities of a conversation; the oldest goes. A page that asks each second misses none.
const MAX_ACTIVITIES: usize = 200;
/// Bytes of a conversation; the oldest activities go.
const MAX_BYTES: usize = 128 * 1024;
/// Activities of one answer; a worker that says more says it to nobody.
const MAX_ANSWERS: usize = 20;
/// How long a conversation is kept in which nothing is said, in seconds: twice a token's life.
const KEPT: i64 = 3600;

/// All conversations of an endpoint.
#[derive(Debug, Default)]
pub(super) struct Transcripts(HashMap<String, Transcript>);

#[derive(Debug, Default)]
struct Transcript {
    /// Activities that there ever were.
    said: u64,
    /// As text: what it is read into takes many times as much.
    kept: VecDeque<Box<str>>,
    bytes: usize,
    touched: i64,
}

impl Transcripts {
    /// Adds what a user said and what the worker answered; the id of the first.
    pub(super) fn add(&mut self, (conversation, user): (&str, &str), activity: &[u8], answer: &Bytes, now: UnixTime) -> String {
        self.make_room(conversation, now);
        let transcript = self.0.entry(conversation.to_owned()).or_default();
        transcript.touched = now.0;
        let said = serde_json::from_slice::<Map<String, Value>>(activity).unwrap_or_default();
        let id = transcript.push(said, conversation, json!({ "id": user, "role": "user" }), None, now);
        for mut answer in answers(answer) {
            let name = answer
                .get("from")
                .and_then(|from| from.get("id"))
                .and_then(Value::as_str)
                .unwrap_or("bot");
            let from = json!({ "id": name, "role": "bot" });
            answer.entry("type").or_insert_with(|| Value::from("message"));
            transcript.push(answer, conversation, from, Some(&id), now);
        }
        id
    }

    /// What a page does not have yet, as Direct Line answers it. An unknown conversation is one in which nothing was said.
    pub(super) fn read(&self, conversation: &str, watermark: u64, now: UnixTime) -> String {
        let known = self
            .0
            .get(conversation)
            .filter(|transcript| now.0.saturating_sub(transcript.touched) <= KEPT);
        let Some(transcript) = known else {
            return r#"{"activities":[],"watermark":"0"}"#.to_owned();
        };
        let first = transcript.said - transcript.kept.len() as u64;
        // A watermark from before a restart is ahead of what there is: then all of it is new.
        let has = if watermark > transcript.said { 0 } else { watermark };
        let skip = usize::try_from(has.saturating_sub(first)).unwrap_or(usize::MAX);
        let activities: Vec<&str> = transcript.kept.iter().skip(skip).map(AsRef::as_ref).collect();
        // Each is JSON already.
        format!(r#"{{"activities":[{}],"watermark":"{}"}}"#, activities.join(","), transcript.said)
    }

    fn make_room(&mut self, conversation: &str, now: UnixTime) {
        if self.0.len() < MAX_CONVERSATIONS || self.0.contains_key(conversation) {
            return;
        }
        self.0.retain(|_, transcript| now.0.saturating_sub(transcript.touched) <= KEPT);
        while self.0.len() >= MAX_CONVERSATIONS {
            let Some(oldest) = self
                .0
                .iter()
                .min_by_key(|(_, transcript)| transcript.touched)
                .map(|(id, _)| id.clone())
            else {
                return;
            };
            self.0.remove(&oldest);
        }
    }
}

impl Transcript {
    fn push(&mut self, mut activity: Map<String, Value>, conversation: &str, from: Value, reply_to: Option<&str>, now: UnixTime) -> String {
        self.said += 1;
        let id = format!("{conversation}|{:07}", self.said);
        // What is the gateway's to say, whatever the activity says.
        activity.insert("id".to_owned(), Value::from(id.as_str()));
        activity.insert("channelId".to_owned(), Value::from("webchat"));
        activity.insert("conversation".to_owned(), json!({ "id": conversation }));
        activity.insert("from".to_owned(), from);
        let at = OffsetDateTime::from_unix_timestamp(now.0)
            .ok()
            .and_then(|at| at.format(&Rfc3339).ok());
        activity.insert("timestamp".to_owned(), at.into());
        if let Some(reply_to) = reply_to {
            activity.insert("replyToId".to_owned(), Value::from(reply_to));
        }
        let activity = Value::Object(activity).to_string().into_boxed_str();
        self.bytes += activity.len();
        self.kept.push_back(activity);
        while self.kept.len() > MAX_ACTIVITIES || self.bytes > MAX_BYTES {
            let Some(oldest) = self.kept.pop_front() else { break };
            self.bytes -= oldest.len();
        }
        id
    }
}

/// The activities of a worker's answer: an activity, a list of them, or `{"activities": […]}`; anything else says nothing.
fn answers(body: &[u8]) -> Vec<Map<String, Value>> {
    let list = match serde_json::from_slice(body) {
        Ok(Value::Array(list)) => list,
        Ok(Value::Object(mut one)) => match one.remove("activities") {
            Some(Value::Array(list)) => list,
            Some(_) => Vec::new(),
            None if one.contains_key("type") || one.contains_key("text") || one.contains_key("attachments") => vec![Value::Object(one)],
            None => Vec::new(),
        },
        _ => Vec::new(),
    };
    let activity = |value| match value {
        Value::Object(activity) => Some(activity),
        _ => None,
    };
    list.into_iter().filter_map(activity).take(MAX_ANSWERS).collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
    use super::*;

    const NOW: UnixTime = UnixTime(1_795_219_200);

    fn add(transcripts: &mut Transcripts, conversation: &str, answer: &str, now: i64) -> String {
        transcripts.add(
            (conversation, "dl_ada"),
            br#"{"type":"message","text":"hi","from":{"id":"evil"}}"#,
            &Bytes::from(answer.to_owned()),
            UnixTime(now),
        )
    }

    fn page(transcripts: &Transcripts, conversation: &str, watermark: u64, now: UnixTime) -> Value {
        serde_json::from_str(&transcripts.read(conversation, watermark, now)).unwrap()
    }

    fn texts(read: &Value) -> Vec<&str> {
        read["activities"]
            .as_array()
            .unwrap()
            .iter()
            .map(|activity| activity["text"].as_str().unwrap())
            .collect()
    }

    #[test]
    fn what_is_said_and_answered_is_read_by_its_watermark() {
        let mut transcripts = Transcripts::default();
        assert_eq!(page(&transcripts, "c", 0, NOW), json!({ "activities": [], "watermark": "0" }));
        let id = add(
            &mut transcripts,
            "c",
            r#"[{"text":"one","from":{"id":"gate","role":"user"}},{"type":"typing","text":"two"}]"#,
            NOW.0,
        );
        assert_eq!(id, "c|0000001");
        let read = page(&transcripts, "c", 0, NOW);
        assert_eq!((texts(&read), &read["watermark"]), (vec!["hi", "one", "two"], &json!("3")));
        assert_eq!(read["activities"][0]["from"], json!({ "id": "dl_ada", "role": "user" }));
        assert_eq!(
            read["activities"][1],
            json!({ "type": "message", "text": "one", "from": { "id": "gate", "role": "bot" }, "id": "c|0000002", "channelId": "webchat",
                "conversation": { "id": "c" }, "timestamp": "2026-11-21T00:00:00Z", "replyToId": "c|0000001" })
        );
        assert_eq!(texts(&page(&transcripts, "c", 1, NOW)), ["one", "two"]);
        assert!(texts(&page(&transcripts, "c", 3, NOW)).is_empty());
        // Ahead of all that there is: from before a restart.
        assert_eq!(texts(&page(&transcripts, "c", 9, NOW)).len(), 3);
        assert!(texts(&page(&transcripts, "other", 0, NOW)).is_empty());
    }

    #[test]
    fn answers_have_three_forms_and_everything_else_says_nothing() {
        for (answer, count) in [
            (r#"{"text":"a"}"#, 1),
            (r#"{"type":"typing"}"#, 1),
            (r#"[{"text":"a"},7,{"text":"b"}]"#, 2),
            (r#"{"activities":[{"text":"a"}]}"#, 1),
            (r#"{"activities":7}"#, 0),
            (r#"{"method":"POST"}"#, 0),
            ("hello", 0),
            ("", 0),
            ("[]", 0),
        ] {
            assert_eq!(answers(answer.as_bytes()).len(), count, "{answer}");
        }
        let many = json!(vec![json!({ "text": "a" }); 50]).to_string();
        assert_eq!(answers(many.as_bytes()).len(), MAX_ANSWERS);
    }

    #[test]
    fn a_conversation_keeps_its_newest() {
        let mut transcripts = Transcripts::default();
        for _ in 0..MAX_ACTIVITIES {
            add(&mut transcripts, "c", r#"{"text":"a"}"#, NOW.0);
        }
        let read = page(&transcripts, "c", 0, NOW);
        assert_eq!((texts(&read).len(), &read["watermark"]), (MAX_ACTIVITIES, &json!("400")));
        assert_eq!(texts(&page(&transcripts, "c", 399, NOW)), ["a"]);
        let long = json!({ "text": "x".repeat(MAX_BYTES / 3) }).to_string();
        for _ in 0..5 {
            add(&mut transcripts, "c", &long, NOW.0);
        }
        assert!(transcripts.0["c"].bytes <= MAX_BYTES && transcripts.0["c"].kept.len() < 6);
    }

    #[test]
    fn silent_conversations_make_room_and_old_ones_are_gone() {
        let mut transcripts = Transcripts::default();
        for number in 0..=MAX_CONVERSATIONS {
            add(&mut transcripts, &number.to_string(), "", NOW.0 + i64::try_from(number).unwrap());
        }
        assert_eq!(transcripts.0.len(), MAX_CONVERSATIONS);
        assert!(!transcripts.0.contains_key("0") && transcripts.0.contains_key("1"));
        let later = UnixTime(NOW.0 + 1 + KEPT);
        assert_eq!(texts(&page(&transcripts, "1", 0, later)).len(), 1);
        assert!(texts(&page(&transcripts, "1", 0, UnixTime(later.0 + 1))).is_empty());
    }
}
