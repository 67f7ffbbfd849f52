//! Opening a webhook: verification of a real payload, and the canonical activity in JSON.
#![expect(clippy::expect_used, reason = "a benchmark fails by panicking")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use tollgate_config::{TenantId, manifest::Provider};
use tollgate_ingress::{Deliveries, Key, Keys, Opened, Scheme, open, recorded::Recorded, replay, sign};

fn opening(criterion: &mut Criterion) {
    let tenant = TenantId::new("acme").expect("an id");
    for provider in Provider::ALL {
        let scheme = Scheme::example(provider);
        let key = Key::new(replay::key(provider).into(), None).expect("a key");
        let signing = Key::new(replay::signing_key(provider).into(), None).expect("a key");
        let signed = sign::sign(provider, sign::sample(provider).as_bytes(), &signing, replay::NOW, Some("msg_1")).expect("a payload");
        let recorded = Recorded::made(&signed);
        let keys = Keys::signed_by(vec![key]);
        let mut group = criterion.benchmark_group(provider.as_str());
        group.throughput(Throughput::Bytes(recorded.body.len() as u64));
        group.bench_function("open", |bencher| {
            bencher.iter(|| open(&scheme, black_box(&recorded.request()), &keys, replay::NOW).expect("verified"))
        });
        let Opened::Deliveries(Deliveries { events, .. }) = open(&scheme, &recorded.request(), &keys, replay::NOW).expect("verified")
        else {
            continue;
        };
        let Some(event) = events.first() else { continue };
        group.bench_function("activity", |bencher| {
            bencher.iter(|| serde_json::to_vec(&black_box(event).activity(&tenant)).expect("JSON"))
        });
        group.finish();
    }
}

criterion_group!(benches, opening);
criterion_main!(benches);
