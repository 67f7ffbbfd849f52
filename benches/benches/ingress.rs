//! Opening a webhook, scheme by scheme: verification alone, the primitive that it stands on over the same bytes, the whole opening, and the
//! canonical activity in JSON. Bodies have 1 KiB where a scheme lets them be filled up.
#![expect(clippy::expect_used, reason = "a benchmark fails by panicking")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use tollgate_benches::{Primitive, case};
use tollgate_config::{TenantId, manifest::Provider};
use tollgate_ingress::{Deliveries, Opened, open, replay, verify};

fn schemes(criterion: &mut Criterion) {
    let tenant = TenantId::new("acme").expect("an id");
    for provider in Provider::ALL {
        let case = case(provider);
        let opened = open(&case.scheme, &case.recorded.request(), &case.keys, replay::NOW).expect("verified");
        let mut group = criterion.benchmark_group(provider.as_str());
        group.throughput(Throughput::Bytes(case.recorded.body.len() as u64));
        if let Some(primitive) = Primitive::of(provider) {
            let prepared = primitive.prepare(&case.recorded.body);
            group.bench_function(format!("primitive/{}", primitive.name()), |bencher| bencher.iter(|| prepared.run()));
        }
        group.bench_function("verify", |bencher| {
            bencher.iter(|| verify(&case.scheme, black_box(&case.recorded.request()), &case.keys, replay::NOW).expect("verified"))
        });
        group.bench_function("open", |bencher| {
            bencher.iter(|| open(&case.scheme, black_box(&case.recorded.request()), &case.keys, replay::NOW).expect("verified"))
        });
        if let Opened::Deliveries(Deliveries { events, .. }) = opened
            && let Some(event) = events.first()
        {
            group.bench_function("activity", |bencher| {
                bencher.iter(|| serde_json::to_vec(&black_box(event).activity(&tenant)).expect("JSON"))
            });
        }
        group.finish();
    }
}

fn primitives(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("primitive");
    let body = vec![b' '; tollgate_benches::BODY];
    group.throughput(Throughput::Bytes(body.len() as u64));
    for primitive in Primitive::ALL {
        let prepared = primitive.prepare(&body);
        group.bench_function(primitive.name(), |bencher| bencher.iter(|| prepared.run()));
    }
    group.finish();
}

criterion_group!(benches, primitives, schemes);
criterion_main!(benches);
