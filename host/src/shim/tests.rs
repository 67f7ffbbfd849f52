use super::*;
use crate::{Profile, WarmUp, snapshot};
use wasmtime::{
    Config, Engine, Store,
    component::{Component, Linker, TypedFunc},
};

/// What `wit-component` makes of a worker that says words by an import, and asks it for one: a shim, the worker, fixups. `run` says what the
/// host answers, then three words, and adds to the number how many have been said, and one; `greet` says its own word, which the host wrote into the worker's
/// memory, then what the host answers.
const SHIM: &str = r#"
    (core module $shim
        (type $say (func (param i32 i32)))
        (type $name (func (param i32)))
        (table (export "$imports") 3 3 funcref)
        (func (export "0") (type $say) local.get 0 local.get 1 i32.const 0 call_indirect (type $say))
        (func (export "1") (type $say) local.get 0 local.get 1 i32.const 1 call_indirect (type $say))
        (func (export "2") (type $name) local.get 0 i32.const 2 call_indirect (type $name)))"#;
const FIXUPS: &str = r#"
    (core module $fixups
        (import "" "0" (func $0 (param i32 i32)))
        (import "" "1" (func $1 (param i32 i32)))
        (import "" "2" (func $2 (param i32)))
        (import "" "$imports" (table 3 3 funcref))
        (elem (i32.const 0) func $0 $1 $2))"#;
const WORKER: &str = r#"
    (core module $worker
        (type $step (func (param i32) (result i32)))
        (import "host" "say" (func $say (param i32 i32)))
        (import "host" "count" (func $count (result i32)))
        (import "host" "shout" (func $shout (param i32 i32)))
        (import "host" "name" (func $name (param i32)))
        (memory (export "memory") 1)
        (table 3 3 funcref)
        (global $free (mut i32) (i32.const 1024))
        (elem (i32.const 1) func $step)
        (data (i32.const 16) "hello")
        (data $kept "kept")
        (func $step (type $step) local.get 0 i32.const 1 i32.add)
        (func $ask i32.const 0 call $name i32.const 0 i32.load i32.const 4 i32.load call $say)
        (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
            global.get $free
            global.get $free local.get 3 i32.add global.set $free)
        (func (export "greet") (param i32 i32) (result i32)
            local.get 0 local.get 1 call $say
            call $ask
            local.get 1)
        (func (export "run") (param i32) (result i32)
            call $ask
            i32.const 64 i32.const 0 i32.const 4 memory.init $kept
            i32.const 64 i32.const 4 call $say
            i32.const 16 i32.const 5 call $say
            i32.const 16 i32.const 4 call $shout
            call $count local.get 0 i32.add
            i32.const 1 call_indirect (type $step)))"#;
const WIRING: &str = r#"
    (core instance $s (instantiate $shim))
    (alias core export $s "0" (core func $s0))
    (alias core export $s "1" (core func $s1))
    (core func $count (canon lower (func $host "count")))
    (alias core export $s "2" (core func $s2))
    (core instance $args
        (export "say" (func $s0)) (export "count" (func $count)) (export "shout" (func $s1)) (export "name" (func $s2)))
    (core instance $w (instantiate $worker (with "host" (instance $args))))
    (alias core export $w "memory" (core memory $m))
    (alias core export $s "$imports" (core table $t))
    (core func $say (canon lower (func $host "say") (memory $m)))
    (core func $shout (canon lower (func $host "shout") (memory $m)))
    (alias core export $w "cabi_realloc" (core func $realloc))
    (core func $name (canon lower (func $host "name") (memory $m) (realloc $realloc)))
    (core instance $fill (export "$imports" (table $t)) (export "0" (func $say)) (export "1" (func $shout)) (export "2" (func $name)))
    (core instance (instantiate $fixups (with "" (instance $fill))))
    (func (export "greet") (param "who" string) (result s32) (canon lift (core func $w "greet") (memory $m) (realloc $realloc)))
    (func (export "run") (param "n" s32) (result s32) (canon lift (core func $w "run")))"#;
const HOST: &str = r#"
    (import "host" (instance $host
        (export "say" (func (param "word" string)))
        (export "count" (func (result s32)))
        (export "shout" (func (param "word" string)))
        (export "name" (func (result string)))))"#;

fn component(parts: &[&str]) -> Vec<u8> {
    wat::parse_str(format!("(component {HOST} {})", parts.concat())).expect("a component")
}

/// What it says, and what it answers.
fn run(component: &[u8]) -> (Vec<String>, i32) {
    let mut config = Config::new();
    config.concurrency_support(false);
    let engine = Engine::new(&config).expect("an engine");
    let component = Component::from_binary(&engine, component).expect("it is valid");
    let mut linker = Linker::<Vec<String>>::new(&engine);
    let mut host = linker.instance("host").expect("an instance");
    host.func_wrap("say", |mut store, (word,): (String,)| {
        store.data_mut().push(word);
        Ok(())
    })
    .expect("a function");
    host.func_wrap("shout", |mut store, (word,): (String,)| {
        store.data_mut().push(word.to_uppercase());
        Ok(())
    })
    .expect("a function");
    host.func_wrap("name", |_, (): ()| Ok(("tollgate".to_owned(),)))
        .expect("a function");
    host.func_wrap("count", |store, (): ()| Ok((store.data().len() as i32,)))
        .expect("a function");
    let mut store = Store::new(&engine, Vec::new());
    let instance = linker.instantiate(&mut store, &component).expect("an instance");
    let greet: TypedFunc<(&str,), (i32,)> = instance.get_typed_func(&mut store, "greet").expect("an export");
    let (length,) = greet.call(&mut store, ("world",)).expect("an answer");
    let run: TypedFunc<(i32,), (i32,)> = instance.get_typed_func(&mut store, "run").expect("an export");
    let (answer,) = run.call(&mut store, (length,)).expect("an answer");
    (store.into_data(), answer)
}

fn instances(component: &[u8]) -> usize {
    let sections = sections(component).expect("a component");
    let made = sections.into_iter().filter_map(|section| match section {
        Payload::InstanceSection(instances) => Some(instances),
        _ => None,
    });
    made.flatten()
        .filter(|instance| matches!(instance, Ok(Instance::Instantiate { .. })))
        .count()
}

fn empty_modules(component: &[u8]) -> usize {
    let sections = sections(component).expect("a component");
    let modules = sections.into_iter().filter_map(|section| match section {
        Payload::ModuleSection { unchecked_range, .. } => component.get(unchecked_range),
        _ => None,
    });
    modules.filter(|module| **module == Module::HEADER).count()
}

#[test]
fn a_worker_without_its_shim_does_the_same() {
    let whole = component(&[SHIM, WORKER, FIXUPS, WIRING]);
    let no_table = WORKER
        .replace("(table 3 3 funcref)", "")
        .replace("(elem (i32.const 1) func $step)", "")
        .replace("i32.const 1 call_indirect (type $step)", "call $step");
    let asking = WORKER.replace(
        "local.get 0 i32.add",
        "local.get 0 i32.add table.size 0 i32.add i32.const 3 i32.sub",
    );
    let growing = WORKER.replace("(table 3 3 funcref)", "(table 3 funcref)");
    for (what, component) in [
        ("as wit-component writes it", whole),
        ("no table of its own", component(&[SHIM, &no_table, FIXUPS, WIRING])),
        (
            "a worker that asks how long its table is",
            component(&[SHIM, &asking, FIXUPS, WIRING]),
        ),
        ("a table that may grow", component(&[SHIM, &growing, FIXUPS, WIRING])),
        ("modules in another order", component(&[FIXUPS, SHIM, WORKER, WIRING])),
    ] {
        let inlined = inlined(&component).expect(what);
        assert_eq!((instances(&component), instances(&inlined)), (3, 2), "{what}");
        assert_eq!((empty_modules(&component), empty_modules(&inlined)), (0, 1), "{what}");
        let said = ["world", "tollgate", "tollgate", "kept", "hello", "HELL"].map(str::to_owned);
        let expected = (said.to_vec(), 12);
        assert_eq!(run(&component), expected, "{what}");
        assert_eq!(run(&inlined), expected, "{what}");
    }
}

#[test]
fn a_shim_that_makes_one_more_instance_stays_for_it() {
    let again = WIRING.to_owned() + "(core instance (instantiate $shim))";
    let component = component(&[SHIM, WORKER, FIXUPS, &again]);
    let inlined = inlined(&component).expect("a shim");
    assert_eq!((instances(&component), instances(&inlined)), (4, 3));
    assert_eq!(empty_modules(&inlined), 0);
    assert_eq!(run(&inlined), run(&component));
}

#[test]
fn another_form_stays_as_it_is() {
    let worker = |from: &str, to: &str| WORKER.replace(from, to);
    let shim = |from: &str, to: &str| SHIM.replace(from, to);
    let fixups = |from: &str, to: &str| FIXUPS.replace(from, to);
    let wiring = |from: &str, to: &str| WIRING.replace(from, to);
    let twice = wiring(
        "(alias core export $w \"memory\"",
        "(core instance (instantiate $worker (with \"host\" (instance $args)))) (alias core export $w \"memory\"",
    );
    let other = "(core module $other (import \"host\" \"say\" (func (param i32 i32))))";
    let shared = wiring(
        "(core instance $w ",
        "(core instance (instantiate $other (with \"host\" (instance $args)))) (core instance $w ",
    );
    for (why, parts) in [
        (
            "it has no shim",
            [
                shim("i32.const 0 call_indirect", "drop i32.const 7 i32.const 0 call_indirect"),
                worker("", ""),
                fixups("", ""),
                wiring("", ""),
            ],
        ),
        (
            "it has no shim",
            [
                shim("(table (export", "(memory 1) (table (export"),
                worker("", ""),
                fixups("", ""),
                wiring("", ""),
            ],
        ),
        (
            "its shim serves none or more than one module",
            [shim("", ""), worker("", "") + other, fixups("", ""), shared],
        ),
        (
            "its shim serves none or more than one module",
            [shim("", ""), worker("", ""), fixups("", ""), twice],
        ),
        (
            "its modules are used in more than one place",
            [
                shim("", ""),
                worker("", "") + "(component $within (alias outer 1 $worker (core module $again)))",
                fixups("", ""),
                wiring("", ""),
            ],
        ),
        (
            "its worker has more than one table",
            [
                shim("", ""),
                worker("(table 3", "(table 1 funcref) (table $t 3"),
                fixups("", ""),
                wiring("", ""),
            ],
        ),
        (
            "its worker has an export of the table's new name",
            [
                shim("", ""),
                worker("(export \"run\")", "(export \"run\") (export \"tollgate:imports\")"),
                fixups("", ""),
                wiring("", ""),
            ],
        ),
    ] {
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let component = component(&parts);
        assert_eq!(inlined(&component), Err(Unfit::new(why)), "{why}");
    }
    // The same but for a type: were it not looked at before, what comes out would be valid.
    let other_type = WORKER.replace("(func $shout (param i32 i32))", "(func $shout (param i32 i64))");
    let other_type = other_type.replace("i32.const 16 i32.const 4 call $shout", "i32.const 16 i64.const 4 call $shout");
    let invalid = component(&[SHIM, &other_type, FIXUPS, WIRING]);
    assert!(inlined(&invalid).is_err_and(|why| why.0.contains("type mismatch")));
    let cut = component(&[SHIM, WORKER, FIXUPS, WIRING]);
    for end in 0..cut.len() {
        let cut = cut.get(..end).expect("a part");
        drop(inlined(cut));
    }
}

#[test]
fn a_sample_loses_its_shim_before_and_after_its_warm_up() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/samples/hello.wasm");
    let signed = std::fs::read(path).expect("a sample; run `cargo xtask samples` first");
    let warm = snapshot::take(&signed, Profile::Default, &WarmUp::default()).expect("a snapshot");
    for component in [signed, warm] {
        let inlined = inlined(&component).expect("it has a shim");
        assert_eq!(instances(&inlined), instances(&component) - 1);
    }
}
