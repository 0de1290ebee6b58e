//! The rules, on small trees of files.

use super::*;

const LAYOUT: Layout = Layout {
    name: "x",
    layers: "upper, side -> middle -> lower",
    pairs: &[("middle/builder.rs", "middle/built.rs")],
    pure: &["lower"],
};

/// Files that are as they should be.
const ALLOWED: [(&str, &str); 9] = [
    (
        "lib.rs",
        "mod lower; mod middle; mod side; mod upper;\npub use crate::upper::Upper;\npub const LIB: u8 = 0;",
    ),
    ("upper.rs", "mod one;\npub use self::one::Upper;"),
    ("upper/one.rs", "use crate::middle::Built;\npub struct Upper(Built, crate::lower::Lower);"),
    ("side/mod.rs", "mod part;\npub struct Side(part::Part);"),
    ("side/part.rs", "pub struct Part;"),
    ("middle.rs", "mod builder; mod built;\npub(crate) use self::built::Built;"),
    ("middle/builder.rs", "use super::built::Built;\npub struct Builder;"),
    ("middle/built.rs", "use super::builder::Builder;\npub struct Built;"),
    ("lower.rs", "pub struct Lower;"),
];

/// The faults of the allowed files with these in their place or beside them.
fn faults(files: &[(&str, &str)]) -> Vec<String> {
    let all = ALLOWED.iter().chain(files);
    LAYOUT.faults(&all.map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect())
}

/// Checks these faults, each by its beginning.
#[track_caller]
fn check(files: &[(&str, &str)], expected: &[&str]) {
    let faults = faults(files);
    assert_eq!(faults.len(), expected.len(), "{faults:#?}");
    for (fault, expected) in faults.iter().zip(expected) {
        assert!(fault.starts_with(expected), "{fault}\ndoes not begin with\n{expected}");
    }
}

#[test]
fn imports_to_the_right_and_within_a_layer_are_allowed() {
    check(&[], &[]);
}

#[test]
fn an_import_to_the_left_is_a_fault() {
    check(
        &[("lower.rs", "\nuse crate::middle::Built;\n")],
        &[
            "crates/x/src/lower.rs:2 imports `crate::middle::Built` from middle/built.rs: `middle` is to the left of \
           `lower` in the layers of x (upper, side -> middle -> lower), and a file imports only from its own folder \
           and from folders to its right; move what both need further to the right, or pass it as an argument",
        ],
    );
    check(
        &[("lower.rs", "fn f() -> u8 { crate::LIB }")],
        &["crates/x/src/lower.rs:1 imports `crate::LIB` from lib.rs: `lib` is to the left of `lower`"],
    );
}

#[test]
fn an_import_of_the_layer_beside_is_a_fault() {
    check(
        &[("side/part.rs", "use crate::Upper;\npub struct Part;")],
        &[
            "crates/x/src/side/part.rs:1 imports `crate::Upper` from upper/one.rs: `upper` stands beside `side`",
        ],
    );
}

#[test]
fn an_import_is_found_however_it_is_written() {
    for code in [
        "use super::Upper;",
        "use super::upper::one as other;",
        "use {crate::{upper::{self as first, Upper as Second}}};",
        "pub use crate::upper::Upper;",
        "pub(crate) use crate::upper::*;",
        "fn f(_: &[crate::upper::Upper]) {}",
        "fn f() { let _ = crate::upper::Upper::new(); }",
        "fn f() { use crate::upper::Upper; }",
        "fn f() { g!(a, [crate::upper::Upper]); }",
        "macro_rules! m { () => { $crate::upper::Upper } }",
        "impl From<crate::upper::Upper> for Lower { fn from(_: ()) -> Self { Self } }",
        "mod inner { use super::super::upper::Upper; }",
        "mod inner { use super::*; fn f(_: Upper) {} }\nuse crate::*;",
        "use crate as root;\nfn f(_: root::Upper) {}",
        "#[cfg(any(test, feature = \"f\"))] use crate::upper::Upper;",
        "#[cfg(not(test))] use crate::upper::Upper;",
    ] {
        let faults = faults(&[("lower.rs", code)]);
        let found = faults.iter().any(|fault| {
            fault.starts_with("crates/x/src/lower.rs:") && fault.contains("`upper` is to the left of `lower`")
        });
        assert!(found, "{code}\n{faults:#?}");
    }
}

#[test]
fn what_only_looks_like_an_import_is_allowed() {
    check(
        &[(
            "lower.rs",
            "//! [`Upper`](crate::upper::Upper)\n
            use std::upper::Upper; use ::side::Side;
            #[doc = \"crate::upper::Upper\"]
            pub(in crate::lower) struct Lower;
            fn f(upper: u8) -> u8 { upper + g!(upper, \"crate::upper::Upper\") }",
        )],
        &[],
    );
    // A variable with the name of a module.
    check(&[("middle.rs", "mod builder; mod built;\nfn f(builder: u8) { g(builder) }")], &[]);
}

#[test]
fn tests_may_import_anything() {
    check(
        &[(
            "lower.rs",
            "#[cfg(test)] use crate::upper::Upper;
            #[cfg(all(test, model))] mod without_file;
            #[cfg(test)] mod tests { use crate::upper::Upper; use tokio::time; }
            struct Lower { #[cfg(test)] field: crate::upper::Upper }
            impl Lower { #[cfg(test)] fn f(_: crate::upper::Upper) {} }",
        )],
        &[],
    );
}

#[test]
fn files_that_import_each_other_are_a_fault() {
    check(
        &[
            ("lower.rs", "mod a; mod b; mod c;"),
            ("lower/a.rs", "use super::b::B;\npub struct A;"),
            ("lower/b.rs", "\nuse super::c::C;\npub struct B;"),
            ("lower/c.rs", "\n\nuse super::a::A;\npub struct C;"),
        ],
        &["files import each other in a cycle: crates/x/src/lower/a.rs:1 imports lower/b.rs, \
           crates/x/src/lower/b.rs:2 imports lower/c.rs, crates/x/src/lower/c.rs:3 imports lower/a.rs; move what \
           they share into a file that imports none of them"],
    );
    // A third file is in a cycle with one of the two.
    check(
        &[
            ("lower.rs", "mod a; mod b; mod c;"),
            ("lower/a.rs", "use super::b::B;\npub struct A;"),
            ("lower/b.rs", "use super::{a::A, c::C};\npub struct B;"),
            ("lower/c.rs", "use super::b::B;\npub struct C;"),
        ],
        &["files import each other in a cycle: crates/x/src/lower/a.rs:1 imports lower/b.rs, \
           crates/x/src/lower/b.rs:1 imports lower/a.rs (these files are in a cycle with them: lower/c.rs)"],
    );
}

#[test]
fn a_reexport_is_an_import_only_if_it_is_used() {
    let child = ("lower/a.rs", "use super::Lower;\npub struct A;");
    check(&[("lower.rs", "mod a;\npub use self::a::A;\npub struct Lower;"), child], &[]);
    check(
        &[("lower.rs", "mod a;\npub use self::a::A;\npub struct Lower(A);"), child],
        &["files import each other in a cycle: crates/x/src/lower.rs:3 imports lower/a.rs, \
           crates/x/src/lower/a.rs:1 imports lower.rs"],
    );
}

#[test]
fn a_builder_and_its_type_count_as_one_file() {
    check(
        &[
            ("middle.rs", "mod builder; mod built; mod other;\npub(crate) use self::built::Built;"),
            ("middle/builder.rs", "use super::{built::Built, other::Other};\npub struct Builder;"),
            ("middle/other.rs", "use super::built::Built;\npub struct Other;"),
        ],
        &["files import each other in a cycle: crates/x/src/middle/builder.rs:1 imports middle/other.rs, \
           crates/x/src/middle/other.rs:1 imports middle/built.rs"],
    );
    check(
        &[("middle/built.rs", "pub struct Built;")],
        &[
            "middle/builder.rs and middle/built.rs of crates/x/src do not import each other any more: remove the pair",
        ],
    );
}

#[test]
fn pure_code_names_nothing_impure() {
    for (word, code) in [
        ("tokio", "use tokio::time::Duration;"),
        ("tokio", "fn f() { tokio::select! {} }"),
        ("hyper", "use hyper_util::rt;"),
        ("reqwest", "struct S(Option<reqwest::Client>);"),
        ("fastrand", "fn f() { g!(fastrand::f64()); }"),
        ("SystemTime::now", "use std::time::{Duration, SystemTime};\nfn f() { SystemTime::now(); }"),
        ("Instant::now", "use std::time;\nfn f() { time::Instant::now(); }"),
        ("Instant::now", "fn f() { let now = Instant::now; }"),
        (".elapsed", "fn f() { start.elapsed(); }"),
        ("platform::now", "use super::platform::{Instant, now};"),
    ] {
        let line = code.lines().count();
        let code = format!("mod part {{ {code} }}");
        check(
            &[("lower.rs", &code)],
            &[&format!("crates/x/src/lower.rs:{line} names `{word}`, but `lower` is pure: it does not wait")],
        );
    }
}

#[test]
fn pure_code_takes_time_as_an_argument() {
    let code =
        "/// tokio\nfn f(now: Instant, at: SystemTime, elapsed: Duration) { g(now, at, elapsed, \"tokio\") }";
    check(&[("lower.rs", code)], &[]);
    check(&[("side/part.rs", "use tokio::time;\npub struct Part;")], &[]);
}

#[test]
fn each_file_belongs_to_a_layer_and_each_layer_exists() {
    check(
        &[("lib.rs", "mod lower; mod middle; mod side; mod upper; mod extra;"), ("extra.rs", "")],
        &[
            "crates/x/src/extra.rs belongs to no layer: move it into a folder, or list `extra` as a layer of x in \
           xtask/src/layout.rs",
        ],
    );
    let files = Files::from([("lib.rs".to_owned(), String::new()), ("side.rs".to_owned(), String::new())]);
    assert_eq!(
        LAYOUT.faults(&files),
        [
            "crates/x/src has no folder and no file for `upper`, `middle`, `lower`, which xtask/src/layout.rs lists as \
         layers of x: move the files there, or change the list"
        ]
    );
}

#[test]
fn what_can_not_be_read_is_a_fault() {
    check(&[("lower.rs", "\nfn (")], &["crates/x/src/lower.rs:2 can't be parsed: "]);
    check(
        &[("lower.rs", "mod part;")],
        &["crates/x/src/lower.rs has the module `part`, but there is no lower/part.rs or lower/part/mod.rs"],
    );
    check(&[("lower.rs", "#[path = \"side/part.rs\"] mod part;")], &[]);
}
