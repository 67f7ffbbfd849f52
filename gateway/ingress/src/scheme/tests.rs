use super::*;
use std::sync::Arc;
use tollgate_config::Place;

fn scheme(provider: Provider, options: &[(&str, Scalar)]) -> Result<Scheme, Vec<String>> {
    let place = Place {
        file: Arc::new("t.yaml".into()),
        line: 1,
        column: 1,
    };
    let options = options
        .iter()
        .map(|(key, value)| {
            (
                (*key).to_owned(),
                OptionValue {
                    value: value.clone(),
                    place: place.clone(),
                },
            )
        })
        .collect();
    Scheme::new(provider, &options).map_err(|errors| errors.into_iter().map(|error| error.message).collect())
}

#[test]
fn options_are_checked_all_at_once() {
    let errors = scheme(
        Provider::Github,
        &[
            ("same-body", Scalar::Text("run".into())),
            ("raw", Scalar::Integer(1)),
            ("zzz", Scalar::Bool(true)),
            ("same_body", Scalar::Text("skip".into())),
        ],
    );
    assert_eq!(
        errors.err(),
        Some(vec![
            "`raw` is `true` or `false`, not `1`".to_owned(),
            "`github` has no option `same-body`, did you mean `same_body`? (accepted: `raw`, `same_body`)".to_owned(),
            "`same_body` is `drop` or `run`, not \"skip\"".to_owned(),
            "`github` has no option `zzz` (accepted: `raw`, `same_body`)".to_owned(),
        ])
    );
}

#[test]
fn every_option_that_is_published_is_taken_and_what_is_needed_is_asked_for() {
    for provider in Provider::ALL {
        let needed = || Scheme::example(provider).given;
        for spec in provider::facts(provider).options {
            let value = match spec.kind {
                OptionKind::Flag => Scalar::Bool(true),
                OptionKind::Text { example, .. } => Scalar::Text(example.to_owned()),
                OptionKind::Integer { most, .. } => Scalar::Integer(most),
                OptionKind::OneOf { of, .. } => Scalar::Text(of.last().copied().unwrap_or_default().to_owned()),
            };
            let mut given = needed();
            if provider == Provider::Hmac {
                // Some of its options ask for others.
                let text = |text: &str| Scalar::Text(text.to_owned());
                given.extend([("ts_header", text("x-timestamp")), ("template", text("{ts}.{body}"))]);
                given.insert("allow_sha1", Scalar::Bool(true));
            }
            if provider == Provider::HttpSignature && spec.key == "key_encoding" {
                given.insert("algorithm", Scalar::Text("hmac-sha256".to_owned()));
            }
            if provider == Provider::Webchat {
                given.insert("origins", Scalar::Text("https://a.example".to_owned()));
            }
            given.insert(spec.key, value);
            let all: Vec<_> = given.into_iter().collect();
            assert!(scheme(provider, &all).is_ok(), "{} {}", provider.as_str(), spec.key);
            if spec.required {
                let less: Vec<_> = needed().into_iter().filter(|(key, _)| *key != spec.key).collect();
                let errors = scheme(provider, &less).err().unwrap_or_default();
                assert_eq!(
                    errors,
                    [format!("`{}` needs `{}`: {}", provider.as_str(), spec.key, spec.accepts())]
                );
            }
        }
    }
}

#[test]
fn options_have_their_kinds_and_defaults() {
    let twilio = Scheme::example(Provider::Twilio);
    assert!(twilio.text("public_url").is_some() && !twilio.flag("raw"));
    let blank = scheme(Provider::Twilio, &[("public_url", Scalar::Text(" ".into()))]);
    assert_eq!(blank.err().map(|errors| errors.len()), Some(1));
    let hmac = |options: &[(&str, Scalar)]| {
        let header = ("header", Scalar::Text("x-signature".into()));
        scheme(Provider::Hmac, &[options, &[header]].concat())
    };
    assert_eq!(hmac(&[]).ok().and_then(|scheme| scheme.integer("tolerance")), Some(300));
    assert_eq!(
        hmac(&[("tolerance", Scalar::Integer(60))])
            .ok()
            .and_then(|scheme| scheme.integer("tolerance")),
        Some(60)
    );
    assert_eq!(
        hmac(&[("encoding", Scalar::Text("octal".into()))]).err(),
        Some(vec!["`encoding` is `hex`, `base64` or `base64url`, not \"octal\"".to_owned()])
    );
}

#[test]
fn an_unsigned_id_makes_the_body_count_unless_told_otherwise() {
    let same_body = |provider, options: &[(&str, Scalar)]| scheme(provider, options).map(|scheme| scheme.same_body());
    assert_eq!(same_body(Provider::Github, &[]), Ok(SameBody::Drop));
    assert_eq!(
        same_body(Provider::Github, &[("same_body", Scalar::Text("run".into()))]),
        Ok(SameBody::Run)
    );
    assert_eq!(same_body(Provider::Slack, &[]), Ok(SameBody::Run));
    assert!(
        scheme(Provider::StandardWebhooks, &[("same_body", Scalar::Text("run".into()))]).is_err(),
        "its id is always signed"
    );
}

#[test]
fn keys_that_could_never_open_are_found_before_the_gate_is() {
    let check = |provider, text: &str| {
        let scheme = scheme(provider, &[]).map_err(|_| KeyError("options"))?;
        scheme
            .check_key(&Key::new(text.into(), None).map_err(|_| KeyError("blank"))?)
            .map(|warning| warning.is_some())
    };
    assert_eq!(check(Provider::Slack, "anything"), Ok(false));
    assert_eq!(
        check(Provider::StandardWebhooks, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
        Ok(false)
    );
    assert_eq!(check(Provider::StandardWebhooks, "whsec_AAAA"), Ok(true), "short: a warning");
    for wrong in [
        "whsec_",
        "whsec_!",
        "whsk_AAAA",
        "whpk_AAAA",
        "whpk_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        "plain text",
    ] {
        let error = check(Provider::StandardWebhooks, wrong).err().map(|error| error.to_string());
        assert!(error.is_some_and(|error| !error.contains(wrong)), "{wrong}");
    }
}
