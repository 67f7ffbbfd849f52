//! W3C trace context: continue the caller's trace, or begin one.
//!
//! Source: W3C Trace Context, Recommendation of 23 November 2021, section 3.

use crate::request_id;
use http::{HeaderMap, HeaderName, HeaderValue};

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// Length of a `traceparent` of version 00.
const LEN: usize = 55;

/// Where this request stands in a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Trace {
    /// Shared by all spans of the trace.
    pub(crate) trace_id: u128,
    /// The gateway's own span: the worker's parent.
    pub(crate) span_id: u64,
    /// As the caller set them; only the lowest bit (sampled) has a meaning.
    flags: u8,
}

impl Trace {
    /// Continues the trace in these headers with a new span, or begins one with this id; what the worker shall see takes the place of
    /// what came in.
    pub(crate) fn enter(headers: &mut HeaderMap, fresh: u128) -> Self {
        let trace = match parent(headers) {
            Some((trace_id, flags)) => Self {
                trace_id,
                span_id: request_id::draw_half(),
                flags,
            },
            None => {
                // 3.3: without a valid traceparent, tracestate must not be used.
                headers.remove(TRACESTATE);
                Self {
                    trace_id: fresh,
                    span_id: request_id::draw_half(),
                    flags: 0,
                }
            }
        };
        headers.insert(TRACEPARENT, trace.header());
        trace
    }

    fn header(self) -> HeaderValue {
        let mut text = [b'-'; LEN];
        let (version, rest) = text.split_at_mut(3);
        let (trace, rest) = rest.split_at_mut(33);
        let (span, flags) = rest.split_at_mut(17);
        for (place, digits) in [
            (version, &request_id::hex::<2>(0)[..]),
            (trace, &request_id::hex::<32>(self.trace_id)),
            (span, &request_id::hex::<16>(self.span_id.into())),
            (flags, &request_id::hex::<2>((self.flags & 1).into())),
        ] {
            // All but the last end with the dash that stands there already.
            for (byte, digit) in place.iter_mut().zip(digits) {
                *byte = *digit;
            }
        }
        HeaderValue::from_bytes(&text).unwrap_or_else(|_| HeaderValue::from_static(""))
    }
}

/// Trace id and flags of the one valid `traceparent`. Two of them are none.
fn parent(headers: &HeaderMap) -> Option<(u128, u8)> {
    let mut all = headers.get_all(TRACEPARENT).iter();
    let (first, None) = (all.next()?, all.next()) else { return None };
    parse(first.to_str().ok()?)
}

/// Section 3.2: `version "-" trace-id "-" parent-id "-" flags`, lower-case hex; version ff and ids of zero are invalid; a later
/// version may go on after another dash.
fn parse(text: &str) -> Option<(u128, u8)> {
    let known = text.get(..LEN)?;
    let rest = text.get(LEN..)?;
    let mut parts = known.split('-');
    let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || [version.len(), trace.len(), span.len(), flags.len()] != [2, 32, 16, 2] {
        return None;
    }
    let hex = |part: &str| part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if ![version, trace, span, flags].into_iter().all(hex) {
        return None;
    }
    let fits = match version {
        "ff" => false,
        "00" => rest.is_empty(),
        _ => rest.is_empty() || rest.starts_with('-'),
    };
    let trace = u128::from_str_radix(trace, 16).ok()?;
    let span = u64::from_str_radix(span, 16).ok()?;
    (fits && trace != 0 && span != 0).then_some((trace, u8::from_str_radix(flags, 16).ok()?))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    const VALID: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn only_a_valid_traceparent_is_continued() {
        for (text, valid) in [
            (VALID.to_owned(), true),
            (VALID.to_uppercase(), false),
            (format!("{VALID}-x"), false),
            (VALID.replacen("00", "01", 1), true),
            (format!("{}-what.comes", VALID.replacen("00", "01", 1)), true),
            (format!("{}x", VALID.replacen("00", "01", 1)), false),
            (VALID.replacen("00", "ff", 1), false),
            ("00-00000000000000000000000000000000-00f067aa0ba902b7-01".to_owned(), false),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01".to_owned(), false),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7".to_owned(), false),
            ("é".repeat(40), false),
            (String::new(), false),
        ] {
            assert_eq!(parse(&text).is_some(), valid, "{text:?}");
        }
    }

    #[test]
    fn a_continued_trace_keeps_its_id_and_state_under_a_new_span() {
        let mut headers = HeaderMap::new();
        headers.insert(TRACEPARENT, HeaderValue::from_static(VALID));
        headers.insert(TRACESTATE, HeaderValue::from_static("a=b"));
        let trace = Trace::enter(&mut headers, 7);
        assert_eq!(trace.trace_id, 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736);
        let out = headers.get(TRACEPARENT).unwrap().to_str().unwrap();
        assert!(
            out.starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-") && out.ends_with("-01") && out != VALID,
            "{out}"
        );
        assert!(headers.contains_key(TRACESTATE));
    }

    #[test]
    fn two_traceparents_are_none_and_lose_their_state() {
        let mut headers = HeaderMap::new();
        headers.append(TRACEPARENT, HeaderValue::from_static(VALID));
        headers.append(TRACEPARENT, HeaderValue::from_static(VALID));
        headers.insert(TRACESTATE, HeaderValue::from_static("a=b"));
        assert_eq!(Trace::enter(&mut headers, 7).trace_id, 7);
        assert_eq!(headers.get_all(TRACEPARENT).iter().count(), 1);
        assert!(!headers.contains_key(TRACESTATE));
    }
}
