//! Workers in other languages than Rust, from their makers' own tools.

use crate::harness::{Gateway, SECRET, deployment, get, manifest, samples, send_h1, slack};
use serde_json::json;
use tokio::net::TcpStream;

/// The samples, and the engine that each says that it wants.
const NAMES: [(&str, &str); 3] = [("js", "large"), ("python", "large"), ("c", "default")];

/// Whether the sample could be built on this machine. `cargo xtask samples` fails in CI when one cannot.
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn built(name: &str) -> bool {
    let built = samples().join(format!("{name}.gtpack")).is_file();
    assert!(built || std::env::var_os("CI").is_none(), "{name}.gtpack is missing in CI");
    if !built {
        eprintln!("skipped: no {name}.gtpack; `cargo xtask samples` says why");
    }
    built
}

#[tokio::test]
async fn a_worker_in_each_language_answers_a_signed_webhook() {
    let names: Vec<_> = NAMES.into_iter().filter(|(name, _)| built(name)).collect();
    let folder = tempfile::tempdir().unwrap();
    let mut manifest = manifest(folder.path(), &[]);
    let secret = folder.path().join("slack.secret");
    assert_eq!(std::fs::read_to_string(&secret).unwrap().trim(), SECRET);
    for (name, _) in &names {
        let mut deployment = deployment(name);
        // An interpreter in code that other tests compile beside it; what is proven here is no limit.
        deployment["limits"] = json!({ "memory": "64MiB", "cpu": "2s", "wall": "60s" });
        manifest["deployments"].as_array_mut().unwrap().push(deployment);
        manifest["endpoints"].as_array_mut().unwrap().push(json!({
            "id": format!("slack-{name}"), "tenant": "acme", "provider": "slack", "path": format!("/slack/{name}"),
            "deployment": name, "secrets": { "signing": [format!("file://{}", secret.display())] },
        }));
    }
    let gateway = Gateway::start(folder, &manifest).await;
    for (name, engine) in names {
        let answer = gateway.send(slack(name, "Ev-1")).await;
        assert_eq!(answer.status, 200, "{name}: {}", answer.text);
        let told = answer.json();
        assert_eq!(told["endpoint"], format!("slack-{name}"), "{name}");
        let activity = &told["activity"];
        assert_eq!(
            (&activity["text"], &activity["session"]["key"]),
            (&json!("hi"), &json!("acme:slack:C1:U1")),
            "{name}"
        );
        let answer = gateway.send(get(&format!("{name}.localhost"), "/a?b=c")).await;
        assert_eq!((answer.status, answer.text.as_str()), (200, "hello /a?b=c"), "{name}");
        // A forged one starts none.
        let mut forged = slack(name, "Ev-2");
        *forged.body_mut() = forged.body().replace("hi", "ho");
        assert_eq!(gateway.send(forged).await.status, 401, "{name}");
        assert_eq!(
            gateway
                .metric("tollgate_worker_calls_total", &[&format!("deployment=\"{name}\"")])
                .await,
            2,
            "{name}"
        );
        // The engine has started, and nothing is left of the calls.
        gateway.until("tollgate_pool_instances", 0).await;
        let metrics = send_h1(
            TcpStream::connect(gateway.running.admin).await.unwrap(),
            get("localhost", "/metrics"),
        )
        .await;
        let gauge = format!("tollgate_engine_instances{{engine=\"{engine}\"}} 0");
        assert!(metrics.text.contains(&gauge), "{name}: no {gauge}");
    }
}
