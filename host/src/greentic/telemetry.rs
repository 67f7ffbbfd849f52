//! `greentic:telemetry/logger-api`: lines in the gate's log, beside those of stdout and under a cap of their own of the same size.

use super::{
    Refused, agreed,
    bindings::greentic::interfaces_types::types::{SpanContext, TenantCtx},
    logger_api::{Host, HostError, OpAck},
    of,
};
use crate::{
    guest::Guest,
    log::{Output, escaped},
};
use std::fmt::Write as _;

impl From<Refused> for HostError {
    fn from(Refused { code, message }: Refused) -> Self {
        Self {
            code: code.to_owned(),
            message,
        }
    }
}

/// One line: where it happened, then the fields. A line break within a value is escaped, so that no field is taken for a line of its own.
/// At most about `room` bytes of it: a guest may hand over megabytes, of which the log takes what is left of its cap.
fn line(span: &SpanContext, fields: &[(String, String)], room: usize) -> String {
    let cut = |text: &str| escaped(text.as_bytes().get(..room).unwrap_or(text.as_bytes()));
    let place = [
        ("flow", Some(&span.flow_id)),
        ("node", span.node_id.as_ref()),
        ("provider", Some(&span.provider)),
    ];
    let place = place.into_iter().filter_map(|(name, value)| Some((name, value?.as_str())));
    let fields = fields.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let mut line = String::new();
    for (name, value) in place.filter(|(_, value)| !value.is_empty()).chain(fields) {
        let gap = if line.is_empty() { "" } else { " " };
        // Writing to a string does not fail.
        let _ = write!(line, "{gap}{}={}", cut(name), cut(value));
        if line.len() > room {
            break;
        }
    }
    line.push('\n');
    line
}

impl Host for &mut Guest {
    fn log(
        &mut self,
        span: SpanContext,
        fields: Vec<(String, String)>,
        ctx: Option<TenantCtx>,
    ) -> wasmtime::Result<Result<OpAck, HostError>> {
        let tenant = self.revision.tenant.tenant_id.as_str();
        let agreed = agreed(&self.revision, ctx.as_ref()).and_then(|()| of("tenant", &span.tenant, tenant));
        if let Err(refused) = agreed {
            return Ok(Err(refused.into()));
        }
        let revision = &self.revision;
        let lines = self.telemetry.get_or_insert_with(|| Output::stdout(revision).lines());
        // One more than there is room for, so that what is cut is counted.
        lines.take(line(&span, &fields, lines.room() + 1).as_bytes());
        Ok(Ok(OpAck::Ok))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_one_line_whatever_is_in_it() {
        let span = SpanContext {
            tenant: "acme".to_owned(),
            session_id: None,
            flow_id: "welcome".to_owned(),
            node_id: Some("ask\u{1b}[2J".to_owned()),
            provider: String::new(),
            start_ms: None,
            end_ms: None,
        };
        let fields = [("level".to_owned(), "info".to_owned()), ("text".to_owned(), "a\nb".to_owned())];
        assert_eq!(
            line(&span, &fields, 1_000),
            "flow=welcome node=ask\\u{1b}[2J level=info text=a\\nb\n"
        );
        let long = [("text".to_owned(), "x".repeat(1_000)), ("more".to_owned(), "y".repeat(1_000))];
        let cut = line(&span, &long, 100);
        assert!(cut.contains(&"x".repeat(100)) && !cut.contains('y') && cut.len() < 200, "{cut}");
    }
}
