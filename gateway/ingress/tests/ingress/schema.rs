//! The published schema, and a check of values against it.

use crate::gate::{Gate, activity};
use serde_json::{Value, json};
use tollgate_config::manifest::Provider;
use tollgate_ingress::{activity::Kind, replay};

const SCHEMA: &str = include_str!("../../../../docs/schema/activity.json");

/// What is wrong with a value; nothing when it fits. Knows the keywords that our schema uses, and refuses others.
fn misfits(schema: &Value, value: &Value, at: &str, out: &mut Vec<String>) {
    for (keyword, rule) in schema.as_object().unwrap() {
        match keyword.as_str() {
            "$schema" | "$id" | "title" | "description" => {}
            "type" => {
                let names: Vec<_> = rule.as_array().map_or_else(|| vec![rule], |names| names.iter().collect());
                let is = match value {
                    Value::Null => "null",
                    Value::Bool(_) => "boolean",
                    Value::Number(number) if number.is_u64() || number.is_i64() => "integer",
                    Value::Number(_) => "number",
                    Value::String(_) => "string",
                    Value::Array(_) => "array",
                    Value::Object(_) => "object",
                };
                if !names.iter().any(|name| name.as_str() == Some(is)) {
                    out.push(format!("{at}: is {is}, not {rule}"));
                }
            }
            "enum" => {
                if !rule.as_array().unwrap().contains(value) {
                    out.push(format!("{at}: {value} is not one of {rule}"));
                }
            }
            "required" => {
                for name in rule.as_array().unwrap() {
                    if value.get(name.as_str().unwrap()).is_none() {
                        out.push(format!("{at}: no {name}"));
                    }
                }
            }
            "items" => value
                .as_array()
                .into_iter()
                .flatten()
                .for_each(|item| misfits(rule, item, &format!("{at}[]"), out)),
            "properties" => {
                for (name, member) in value.as_object().into_iter().flatten() {
                    if let Some(rule) = rule.get(name) {
                        misfits(rule, member, &format!("{at}.{name}"), out);
                    }
                }
            }
            "additionalProperties" => {
                for (name, member) in value.as_object().into_iter().flatten() {
                    if schema
                        .pointer(&format!("/properties/{}", name.replace('~', "~0").replace('/', "~1")))
                        .is_none()
                    {
                        match rule {
                            Value::Bool(false) => out.push(format!("{at}: unknown member {name}")),
                            rule => misfits(rule, member, &format!("{at}.{name}"), out),
                        }
                    }
                }
            }
            other => panic!("the schema uses `{other}`, which this check does not know"),
        }
    }
}

/// What is wrong with an activity by the published schema.
pub(crate) fn wrong(activity: &Value) -> Vec<String> {
    let mut out = Vec::new();
    misfits(&serde_json::from_str(SCHEMA).unwrap(), activity, "activity", &mut out);
    out
}

#[test]
fn samples_fit_and_everything_else_is_noticed() {
    for provider in Provider::ALL {
        let good = activity(&Gate::sample(provider).event());
        assert_eq!(wrong(&good), Vec::<String>::new(), "{}", provider.as_str());
        for member in replay::MEMBERS {
            let mut less = good.clone();
            less.as_object_mut().unwrap().remove(member);
            assert!(!wrong(&less).is_empty(), "without {member}");
        }
        for (pointer, odd) in [
            ("/text", json!(5)),
            ("/metadata", json!({})),
            ("/session/scopes", json!(["x"])),
            ("/provider_ids", json!({"x": "y"})),
            ("/buttons", json!([{"id": "a"}])),
            ("/metadata/raw_headers", json!({"a": 1})),
        ] {
            let mut other = good.clone();
            *other.pointer_mut(pointer).unwrap() = odd;
            assert!(!wrong(&other).is_empty(), "{pointer}");
        }
        let mut more = good.clone();
        more["extra"] = json!(1);
        assert!(!wrong(&more).is_empty());
    }
}

#[test]
fn the_schema_and_the_code_name_the_same_things() {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    let mut members: Vec<_> = schema["required"]
        .as_array()
        .unwrap()
        .iter()
        .map(|name| name.as_str().unwrap())
        .collect();
    members.sort_unstable();
    assert_eq!(members, replay::MEMBERS);
    assert_eq!(schema["properties"]["metadata"]["properties"]["type"]["enum"], json!(Kind::ALL));
    // Timers are the gateway's own: nobody sends their events.
    let providers: Vec<_> = Provider::ALL.into_iter().map(Provider::as_str).chain(["timer"]).collect();
    assert_eq!(schema["properties"]["provider"]["enum"], json!(providers));
}
