//! Tokens: what is accepted, and every way in which one is none.

use crate::gate::NOW;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use std::time::Duration;
use tollgate_config::manifest::Provider::Teams;
use tollgate_ingress::{
    UnixTime,
    jwt::{self, Algorithm, JwtError, KEYS_LIMIT, KeySet, KeySetError, Policy, Signer, TOKEN_LIMIT, Token},
    replay,
};

fn signer() -> Signer {
    Signer::from_pem(replay::signing_key(Teams).as_bytes()).unwrap()
}

fn keys() -> KeySet {
    KeySet::parse(signer().jwks(&["msteams"]).as_bytes()).unwrap()
}

fn policy() -> Policy {
    Policy {
        issuers: vec!["https://issuer.example".to_owned(), "https://other.example".to_owned()],
        audiences: Some(vec!["gate".to_owned()]),
        algorithms: Algorithm::ALL.to_vec(),
        leeway: Duration::from_secs(60),
        kid_required: false,
    }
}

fn claims() -> Value {
    json!({"iss": "https://issuer.example", "aud": "gate", "sub": "ada", "exp": NOW.0 + 100, "n": 12_345_678_901_234_567_890_u64, "groups": ["a", "b"]})
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

fn without(name: &str) -> Value {
    let mut claims = claims();
    claims.as_object_mut().unwrap().remove(name);
    claims
}

fn verify(token: &str) -> Result<Token, JwtError> {
    jwt::verify(token, &keys(), &policy(), NOW)
}

fn part(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

/// A token with exactly these parts, truly signed.
fn written(header: &str, claims: &str) -> String {
    let input = format!("{}.{}", part(header), part(claims));
    let signature = signer().sign(input.as_bytes()).unwrap();
    format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn header() -> String {
    json!({"alg": "RS256", "kid": signer().kid()}).to_string()
}

#[test]
fn a_good_token_gives_its_claims_digit_for_digit() {
    let token = verify(&signer().token(&claims()).unwrap()).unwrap();
    assert_eq!(token.text("sub"), Some("ada"));
    assert_eq!(token.claim("n").unwrap().get(), "12345678901234567890");
    assert_eq!(token.texts("groups").unwrap(), ["a", "b"]);
    assert_eq!(token.texts("sub").unwrap(), ["ada"]);
    assert_eq!(token.texts("n"), None);
    assert_eq!(token.expires(), Some(UnixTime(NOW.0 + 100)));
    assert_eq!((token.kid(), token.typ()), (Some(signer().kid().as_str()), Some("JWT")));
    assert_eq!(token.algorithm(), Algorithm::Rs256);
    assert_eq!(token.key().endorsements(), ["msteams"]);
    assert_eq!(token.claims().count(), 6);
}

#[test]
fn claims_must_fit_the_policy() {
    let reason = |claims: &Value| verify(&signer().token(claims).unwrap()).err();
    for (claims, error) in [
        (with("iss", json!("https://other.example")), None),
        (with("iss", json!("https://issuer.example/")), Some(JwtError::Issuer)),
        (with("iss", json!(["https://issuer.example"])), Some(JwtError::Issuer)),
        (without("iss"), Some(JwtError::Issuer)),
        (with("aud", json!(["x", "gate"])), None),
        (with("aud", json!("Gate")), Some(JwtError::Audience)),
        (with("aud", json!(["x"])), Some(JwtError::Audience)),
        (with("aud", json!(["gate", 1])), Some(JwtError::Audience)),
        (without("aud"), Some(JwtError::Audience)),
        (without("exp"), Some(JwtError::NoExpiry)),
        (with("exp", json!(NOW.0 - 59)), None),
        (with("exp", json!(NOW.0 - 60)), Some(JwtError::Expired)),
        (with("exp", json!(NOW.0 as f64 + 0.5)), None),
        (with("nbf", json!(NOW.0 + 60)), None),
        (with("nbf", json!(NOW.0 + 61)), Some(JwtError::NotYet)),
        (with("iat", json!(NOW.0 + 60)), None),
        (with("iat", json!(NOW.0 + 61)), Some(JwtError::NotYet)),
    ] {
        assert_eq!(reason(&claims), error, "{claims}");
    }
    for odd in [
        json!("1531420618"),
        json!(-1),
        json!(1e300),
        json!(null),
        json!(i64::MAX),
        json!(u64::MAX),
        json!({}),
    ] {
        assert!(matches!(reason(&with("exp", odd.clone())), Some(JwtError::Malformed(_))), "{odd}");
        assert!(matches!(reason(&with("nbf", odd.clone())), Some(JwtError::Malformed(_))), "{odd}");
    }
    let token = signer().token(&without("aud")).unwrap();
    let anyone = Policy {
        audiences: None,
        ..policy()
    };
    assert!(jwt::verify(&token, &keys(), &anyone, NOW).is_ok());
    let nobody = Policy {
        audiences: Some(Vec::new()),
        ..policy()
    };
    assert_eq!(jwt::verify(&token, &keys(), &nobody, NOW).err(), Some(JwtError::Audience));
}

#[test]
fn no_algorithm_and_a_secret_algorithm_open_nothing() {
    for name in ["none", "None", "NONE", "HS256", "HS384", "RS1", "RS384", "rs256", "ES384", ""] {
        let header = json!({"alg": name, "kid": signer().kid()});
        assert_eq!(
            verify(&signer().token_with(&header, &claims()).unwrap()).err(),
            Some(JwtError::Algorithm),
            "{name}"
        );
        let bare = format!("{}.{}.", part(&header.to_string()), part(&claims().to_string()));
        assert_eq!(verify(&bare).err(), Some(JwtError::Algorithm), "{name}");
    }
    assert_eq!(verify(&written("{}", &claims().to_string())).err(), Some(JwtError::Algorithm));
    let only = Policy {
        algorithms: vec![Algorithm::Es256],
        ..policy()
    };
    assert_eq!(
        jwt::verify(&signer().token(&claims()).unwrap(), &keys(), &only, NOW).err(),
        Some(JwtError::Algorithm)
    );
    // An RSA key verifies no other kind's signature, and RSA-PSS is not PKCS #1.
    for name in ["ES256", "EdDSA"] {
        let header = json!({"alg": name, "kid": signer().kid()});
        let token = signer().token_with(&header, &claims()).unwrap();
        assert!(matches!(verify(&token), Err(JwtError::UnknownKey { .. })), "{name}");
    }
    let header = json!({"alg": "PS256", "kid": signer().kid()});
    assert_eq!(
        verify(&signer().token_with(&header, &claims()).unwrap()).err(),
        Some(JwtError::Signature)
    );
}

#[test]
fn an_unknown_key_is_told_only_of_our_issuers_tokens() {
    let header = json!({"alg": "RS256", "kid": "new"});
    let unknown = |claims: &Value| verify(&signer().token_with(&header, claims).unwrap()).err();
    assert_eq!(
        unknown(&claims()),
        Some(JwtError::UnknownKey {
            issuer: "https://issuer.example".to_owned(),
            kid: Some("new".to_owned())
        })
    );
    assert_eq!(unknown(&with("iss", json!("https://evil.example"))), Some(JwtError::Issuer));
    assert_eq!(unknown(&with("aud", json!("other"))), Some(JwtError::Audience));
    assert_eq!(unknown(&with("exp", json!(1))), Some(JwtError::Expired));
    // Without a name all keys are tried, unless the policy wants one.
    let nameless = written(r#"{"alg":"RS256"}"#, &claims().to_string());
    assert!(verify(&nameless).is_ok());
    let strict = Policy {
        kid_required: true,
        ..policy()
    };
    assert_eq!(jwt::verify(&nameless, &keys(), &strict, NOW).err(), Some(JwtError::NoKid));
    for odd in ["", "\"\"", "5", "null", "[]"] {
        let header = format!(r#"{{"alg":"RS256","kid":{}}}"#, if odd.is_empty() { "{}" } else { odd });
        assert!(
            matches!(verify(&written(&header, &claims().to_string())), Err(JwtError::Malformed(_))),
            "{odd}"
        );
    }
    let long = json!({"alg": "RS256", "kid": "k".repeat(257)});
    assert!(matches!(
        verify(&signer().token_with(&long, &claims()).unwrap()),
        Err(JwtError::Malformed(_))
    ));
}

#[test]
fn anything_changed_is_refused() {
    let good = signer().token(&claims()).unwrap();
    let parts: Vec<&str> = good.split('.').collect();
    let other = part(&with("sub", json!("eve")).to_string());
    assert_eq!(
        verify(&format!("{}.{other}.{}", parts[0], parts[2])).err(),
        Some(JwtError::Signature)
    );
    assert_eq!(verify(&format!("{}.{}.", parts[0], parts[1])).err(), Some(JwtError::Signature));
    let last = if good.ends_with('A') { "Q" } else { "A" };
    for odd in [
        String::new(),
        ".".to_owned(),
        "..".to_owned(),
        format!("{}.{}", parts[0], parts[1]),
        format!("{good}.x"),
        format!("{good}="),
        format!("{good} "),
        format!("{good}\n"),
        format!("{}.{}=.{}", parts[0], parts[1], parts[2]),
        format!("+{good}"),
    ] {
        assert!(matches!(verify(&odd), Err(JwtError::Malformed(_))), "{odd}");
    }
    assert!(verify(&format!("{}{last}", &good[..good.len() - 1])).is_err());
    let long = with("x", json!("x".repeat(TOKEN_LIMIT)));
    assert_eq!(verify(&signer().token(&long).unwrap()).err(), Some(JwtError::TooLong));
}

#[test]
fn repeated_members_and_critical_headers_are_refused() {
    let claims = claims().to_string();
    for (header, claims) in [
        (header().replacen('{', r#"{"alg":"none","#, 1), claims.clone()),
        (header(), claims.replacen('{', r#"{"sub":"eve","#, 1)),
        (header(), claims.replacen('{', r#"{"s\u0075b":"eve","#, 1)),
        (header(), claims.replacen('{', r#"{"deep":[{"a":1,"a":2}],"#, 1)),
        (header(), "[]".to_owned()),
        (header(), "null".to_owned()),
        (header(), format!("{claims} {{}}")),
        (header(), format!("{{\"a\":{}{}}}", "[".repeat(5000), "]".repeat(5000))),
    ] {
        assert!(
            matches!(verify(&written(&header, &claims)), Err(JwtError::Malformed(_))),
            "{header} {claims}"
        );
    }
    for critical in [r#"{"crit":["b64"],"b64":false,"#, r#"{"crit":[],"#, r#"{"crit":null,"#] {
        let header = header().replacen('{', critical, 1);
        assert_eq!(verify(&written(&header, &claims)).err(), Some(JwtError::Critical), "{critical}");
    }
    // A key that the token brings is no key.
    let brought = header().replacen(
        '{',
        r#"{"jku":"https://evil.example/keys","jwk":{"kty":"oct","k":"AAAA"},"x5u":"https://evil.example","#,
        1,
    );
    assert!(verify(&written(&brought, &claims)).is_ok());
}

/// RFC 7515 A.3 and RFC 8037 A.4: the published keys and signatures, whose payloads have no times.
#[test]
fn published_signatures_reach_the_claims() {
    let es = r#"{"keys":[{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}"#;
    let token = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
    let policy = Policy {
        issuers: vec!["joe".to_owned()],
        audiences: None,
        ..policy()
    };
    let keys = KeySet::parse(es.as_bytes()).unwrap();
    let now = UnixTime(1_300_819_000);
    let read = jwt::verify(token, &keys, &policy, now).unwrap();
    assert_eq!((read.text("iss"), read.algorithm()), (Some("joe"), Algorithm::Es256));
    let broken = token.replace("DtEh", "DtEi");
    assert_eq!(jwt::verify(&broken, &keys, &policy, now).err(), Some(JwtError::Signature));
    // A signature of zeros, which broken verifiers took (CVE-2022-21449).
    let zeros = format!("{}.{}", token.rsplit_once('.').unwrap().0, URL_SAFE_NO_PAD.encode([0; 64]));
    assert_eq!(jwt::verify(&zeros, &keys, &policy, now).err(), Some(JwtError::Signature));
}

#[test]
fn ed25519_tokens_open_under_a_pem_key() {
    use ed25519_dalek::{Signer as _, SigningKey, pkcs8::EncodePublicKey as _, pkcs8::spki::der::pem::LineEnding};
    let key = SigningKey::from_bytes(&[7; 32]);
    let pem = key.verifying_key().to_public_key_pem(LineEnding::LF).unwrap();
    for name in ["EdDSA", "Ed25519"] {
        let input = format!(
            "{}.{}",
            part(&json!({"alg": name, "kid": "any"}).to_string()),
            part(&claims().to_string())
        );
        let token = format!("{input}.{}", URL_SAFE_NO_PAD.encode(key.sign(input.as_bytes()).to_bytes()));
        // A configured key without a name is tried for any; with one, for that one.
        for (kid, opens) in [(None, true), (Some("any"), true), (Some("other"), false)] {
            let keys = KeySet::from_pem(&pem, kid).unwrap();
            assert_eq!(jwt::verify(&token, &keys, &policy(), NOW).is_ok(), opens, "{name} {kid:?}");
        }
    }
    for odd in [
        "",
        "x",
        &pem.replace("PUBLIC", "PRIVATE"),
        &format!("{pem}{pem}"),
        &pem.replace("MCow", "MCoa"),
    ] {
        assert_eq!(KeySet::from_pem(odd, None).err(), Some(KeySetError::NotPem), "{odd}");
    }
}

#[test]
fn key_sets_keep_what_can_verify() {
    let good: Value = serde_json::from_str(&signer().jwks(&[])).unwrap();
    let good = &good["keys"][0];
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut key = good.clone();
        change(&mut key);
        key
    };
    let usable = |key: Value| {
        let set = KeySet::parse(json!({"keys": [key]}).to_string().as_bytes()).unwrap();
        assert_eq!(set.keys().len() + set.skipped(), 1);
        set.keys().len() == 1
    };
    assert!(usable(good.clone()));
    assert!(usable(changed(&|key| {
        key["use"].take();
        key.as_object_mut().unwrap().remove("use");
    })));
    assert!(usable(changed(&|key| key["key_ops"] = json!(["verify"]))));
    assert!(usable(changed(&|key| key["alg"] = json!("RS256"))));
    let short = URL_SAFE_NO_PAD.encode([0xff; 255]);
    for (what, key) in [
        ("another use", changed(&|key| key["use"] = json!("enc"))),
        ("another operation", changed(&|key| key["key_ops"] = json!(["encrypt"]))),
        ("another algorithm", changed(&|key| key["alg"] = json!("RS512"))),
        ("1024 to 2040 bits", changed(&|key| key["n"] = json!(short))),
        ("an exponent of 1", changed(&|key| key["e"] = json!("AQ"))),
        ("an even exponent", changed(&|key| key["e"] = json!("AA"))),
        ("padded", changed(&|key| key["e"] = json!("AQAB="))),
        ("no modulus", changed(&|key| key["n"] = json!(""))),
        ("a secret", json!({"kty": "oct", "k": "AAAA"})),
        ("another curve", json!({"kty": "EC", "crv": "P-384", "x": "AA", "y": "AA"})),
        (
            "a point of small order",
            json!({"kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode([0; 32])}),
        ),
        ("no kind", json!({})),
        ("no key", json!(5)),
    ] {
        assert!(!usable(key), "{what}");
    }
    for odd in ["", "[]", "{}", r#"{"keys":{}}"#, "x"] {
        assert_eq!(KeySet::parse(odd.as_bytes()).err(), Some(KeySetError::NotJwks), "{odd}");
    }
    let many = json!({"keys": vec![json!({}); KEYS_LIMIT + 1]}).to_string();
    assert_eq!(KeySet::parse(many.as_bytes()).err(), Some(KeySetError::TooMany));
    let long = " ".repeat(jwt::JWKS_LIMIT + 1);
    assert_eq!(KeySet::parse(long.as_bytes()).err(), Some(KeySetError::TooLong));
    // The algorithm that a key is for is the only one.
    let only = KeySet::parse(
        json!({"keys": [changed(&|key| key["alg"] = json!("PS256"))]})
            .to_string()
            .as_bytes(),
    )
    .unwrap();
    let token = signer().token(&claims()).unwrap();
    assert!(matches!(
        jwt::verify(&token, &only, &policy(), NOW),
        Err(JwtError::UnknownKey { .. })
    ));
    let joined = KeySet::joined([KeySet::default(), keys()]);
    assert!(jwt::verify(&token, &joined, &policy(), NOW).is_ok());
}
