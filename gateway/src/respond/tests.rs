#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
use super::*;
use http_body_util::BodyExt;
use std::collections::BTreeSet;

fn all() -> Vec<(Refused, u16)> {
    let call = Refused::Call;
    let secret = || "a secret detail".to_owned();
    let mut all = vec![
        (Refused::BadTarget("x"), 400),
        (Refused::BadHost("x"), 400),
        (Refused::Misdirected, 421),
        (Refused::HeadersTooLarge, 431),
        (Refused::UriTooLong, 414),
        (Refused::NotRouted, 404),
        (Refused::NoToken, 401),
        (Refused::InvalidToken(secret()), 401),
        (Refused::NotForTenant(TenantId::new("acme").unwrap()), 403),
        (Refused::NoKeys(secret()), 503),
        (Refused::UnknownTenant(secret()), 404),
        (Refused::WrongTenant(TenantId::new("acme").unwrap()), 404),
        (
            Refused::WrongMethod {
                allow: HeaderValue::from_static("GET, POST"),
            },
            405,
        ),
        (Refused::BodyTooLarge, 413),
        (Refused::BodySlow, 408),
        (Refused::BuffersFull, 503),
        (Refused::BodyBroken(secret()), 400),
        (Refused::Replayed, 401),
        (Refused::AddressNotAllowed, 403),
        (Refused::RateLimited(Duration::from_millis(1)), 429),
        (
            Refused::Batch {
                failed: 1,
                of: 2,
                reason: "cpu",
            },
            503,
        ),
        (Refused::DedupeFull, 503),
        (Refused::DedupeShareFull, 503),
        (Refused::Journal(secret()), 503),
        (Refused::FirstStillRuns, 503),
        (Refused::NotReady, 503),
        (call(CallError::Saturated("the pool")), 503),
        (
            call(CallError::Cold {
                reason: secret(),
                again_in: Duration::from_secs(5),
            }),
            503,
        ),
        (call(CallError::Cpu), 504),
        (call(CallError::Wall), 504),
        (call(CallError::FirstByte), 504),
        (call(CallError::Stall), 504),
        (call(CallError::Resting(Duration::from_secs(3))), 503),
        (call(CallError::Trap(secret())), 502),
        (call(CallError::NoAnswer), 502),
        (call(CallError::ErrorCode(secret())), 502),
        (call(CallError::Headers(secret())), 502),
        (call(CallError::Host(secret())), 503),
        (Refused::AnswerTooLarge, 502),
        (Refused::AnswerStatus(101), 502),
    ];
    for reason in Reason::ALL {
        let status = match reason {
            Reason::DuplicateHeader | Reason::Unparsable => 400,
            Reason::UnsupportedEncoding => 415,
            Reason::BadHandshake => 403,
            _ => 401,
        };
        for forbidden in [false, true] {
            let status = if forbidden && status == 401 { 403 } else { status };
            let refusal = Refusal {
                reason,
                detail: secret(),
                wants: None,
                forbidden,
            };
            all.push((Refused::Ingress(refusal), status));
        }
    }
    all
}

#[tokio::test]
async fn every_refusal_has_its_status_and_tells_nothing_else() {
    let id = RequestId::from_number(7);
    for (refusal, status) in all() {
        let response = refused(&refusal, &id);
        assert_eq!(response.status().as_u16(), status, "{refusal:?}");
        assert_eq!(
            response.headers().contains_key(RETRY_AFTER),
            matches!(status, 429 | 503),
            "{refusal:?}"
        );
        assert_eq!(response.headers().contains_key(ALLOW), status == 405, "{refusal:?}");
        let by_token = matches!(refusal, Refused::NoToken | Refused::InvalidToken(_) | Refused::NotForTenant(_));
        assert_eq!(response.headers().contains_key(WWW_AUTHENTICATE), by_token, "{refusal:?}");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        let words = StatusCode::from_u16(status)
            .unwrap()
            .canonical_reason()
            .unwrap()
            .to_lowercase()
            .replace([' ', '-'], "_");
        assert_eq!(body, serde_json::json!({"error": words, "request_id": id.as_str()}), "{refusal:?}");
    }
}

#[test]
fn codes_are_stable_words_that_no_two_refusals_share() {
    // One code, whether the provider's protocol calls it forbidden or unauthorized.
    let forbidden = |refusal: &Refused| matches!(refusal, Refused::Ingress(Refusal { forbidden: true, .. }));
    let all = all();
    let codes: Vec<_> = all
        .iter()
        .filter(|(refusal, _)| !forbidden(refusal))
        .map(|(refusal, _)| refusal.code())
        .collect();
    let different: BTreeSet<_> = codes.iter().copied().collect();
    assert_eq!(different.len(), codes.len(), "{codes:?}");
    for code in different {
        assert!(code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{code}");
    }
}

#[test]
fn the_same_fault_has_one_code_wherever_it_is_found() {
    for (one, other) in [
        (Refused::BodyTooLarge, Refused::Call(CallError::BodyTooLarge)),
        (Refused::BodySlow, Refused::Call(CallError::BodyTooSlow)),
        (Refused::Call(CallError::Wall), Refused::AnswerBroken(CallError::Wall)),
    ] {
        assert_eq!((one.status(), one.code()), (other.status(), other.code()));
    }
}

#[tokio::test]
async fn a_proxys_request_id_cannot_break_the_json() {
    let id = RequestId::from_proxy(&HeaderValue::from_static(r#"a"b\c"#)).unwrap();
    let body = refused(&Refused::NotRouted, &id).into_body().collect().await.unwrap().to_bytes();
    let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(body.get("request_id").unwrap(), r#"a"b\c"#);
}
