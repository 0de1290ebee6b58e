//! The rules, on small pages.

use std::collections::BTreeMap;

use serde_json::json;

use super::links::Repository;
use super::markdown::Page;
use super::package::{self, Package};

/// Checks the faults of a page that is alone in its repository.
#[track_caller]
fn check(page: &str, expected: &[&str]) {
    let faults: Vec<_> = Page::parse(page).faults().collect();
    check_faults(&faults, expected);
}

/// Checks faults, each by its beginning.
#[track_caller]
fn check_faults(faults: &[String], expected: &[&str]) {
    assert_eq!(faults.len(), expected.len(), "{faults:#?}");
    for (fault, expected) in faults.iter().zip(expected) {
        assert!(fault.starts_with(expected), "{fault}\ndoes not begin with\n{expected}");
    }
}

#[test]
fn a_page_shows_its_text_as_it_stands() {
    check(
        "# Title\n\n```rust\n#[test]\nfn f() {}\n```\n\n`[0]`, \\[0\\], [a](b.md) and [b].\n\n[b]: c.md\n",
        &[],
    );
    check(
        "```rust\n# fn main() {\n#\nlet x = 1;\n# }\n```\n",
        &["2 `# fn main() {` is hidden", "3 `#`", "5 `# }`"],
    );
    check("text\n\n```no_run\n  # hidden\n```\n", &["4 `# hidden`"]);
    check("```sh\n# a comment\n```\n", &[]);
    check("a\n\n```\nx\n```\n", &["3 this block names no language"]);
    check("a\n\n    x\n", &["3 this block names no language"]);
    check(
        "one\n[`Decoder`] and [`Message`][m]\n",
        &["2 `[`Decoder`]` has no target", "2 `[m]` has no target"],
    );
}

/// Checks the links of `docs/a.md`, which has this text, beside a few other files.
#[track_caller]
fn check_links(text: &str, expected: &[&str]) {
    let texts = [
        ("docs/a.md", text),
        ("docs/guide/b.md", "# Two words, *and* `code`\n\n## Same\n\n## Same\n\n<a id=\"own\"></a>\n"),
    ];
    let texts: BTreeMap<_, _> = texts.map(|(path, text)| (path.to_owned(), text.to_owned())).into();
    let repository = Repository::new(&texts, |path| ["src/lib.rs", "docs", ""].contains(&path));
    let page = repository.page("docs/a.md").expect("it is there");
    check_faults(&repository.broken_links("docs/a.md", page).collect::<Vec<_>>(), expected);
}

#[test]
fn a_link_goes_to_a_file_or_a_heading() {
    for target in [
        "https://example.com/x",
        "#here",
        "a.md#here",
        "guide/b.md",
        "guide/../guide/b.md",
        "guide/b.md#two-words-and-code",
        "guide/b.md#same",
        "guide/b.md#same-1",
        "guide/b.md#own",
        "../src/lib.rs",
        "../src/lib.rs#L7",
        "..",
        ".",
    ] {
        check_links(&format!("# Here\n\n[x]({target})\n"), &[]);
    }
    for (target, fault) in [
        ("gone.md", "1 the link to `gone.md` goes to no file"),
        ("#there", "1 the link to `#there` names no heading of docs/a.md"),
        ("guide/b.md#same-2", "1 the link to `guide/b.md#same-2` names no heading of docs/guide/b.md"),
        ("Decoder::next", "1 the link to `Decoder::next` goes to no file; only rustdoc finds names of items"),
        ("struct@Event", "1 the link to `struct@Event` goes to no file; only rustdoc"),
        ("../../x.md", "1 the link to `../../x.md` leaves the repository"),
        ("/docs/a.md", "1 the link to `/docs/a.md` leaves the repository"),
    ] {
        check_links(&format!("[x]({target})\n"), &[fault]);
        check_links(&format!("![x]({target})\n"), &[fault]);
        check_links(&format!("[x]\n\n[x]: {target}\n"), &[fault]);
    }
}

/// The package that the READMEs below are of.
fn package() -> Package {
    Package::new(&json!({
        "name": "x",
        "version": "0.1.2",
        "publish": null,
        "features": { "default": [], "json": [], "tls": [] },
        "targets": [
            { "kind": ["lib"], "name": "x", "src_path": "lib.rs" },
            { "kind": ["example"], "name": "one" },
            { "kind": ["example"], "name": "two" },
        ],
    }))
}

const README: &str = "\
```toml
[dependencies]
x = \"0.1\"
```

```rust
fn main() {

    x::run();
}
```

| feature | brings |
|---|---|
| `json` (default) | `serde` |
| `tls` | TLS |

- `one`: the first one
- [`two`](examples/two.rs): the other one
";

const FRONT: &str = "\
//! A crate.
//!
//! ```
//! # use x::hidden;
//! fn main() {
//!
//!     x::run();
//! # x::hidden();
//! }
//! ```

#[cfg(doctest)]
#[doc = include_str!(\"../README.md\")]
struct Readme;
";

/// Checks the README, or the front page, with one text in the place of another.
#[track_caller]
fn check_readme((old, new): (&str, &str), expected: &[&str]) {
    assert!(README.contains(old) || FRONT.contains(old), "{old}");
    let (readme, front) = (README.replace(old, new), FRONT.replace(old, new));
    let page = Page::parse(&readme);
    let mut faults = package().faults(&page, &front);
    faults.extend(package::wrong_dependencies(&page, &[package()]));
    check_faults(&faults, expected);
}

#[test]
fn the_readme_of_a_library_says_how_to_use_it() {
    let commands = "| example | shows |\n|---|---|\n| `cargo run --example one` | a |\n| `two` | b |\n";
    for change in [
        ("", ""),
        ("x = \"0.1\"", "x = \"0.1.2\""),
        ("x = \"0.1\"", "x = { version = \"0.1\", features = [\"json\", \"tls\"] }"),
        ("- `one`: the first one\n- [`two`](examples/two.rs): the other one\n", commands),
    ] {
        check_readme(change, &[]);
    }
    for (change, fault) in [
        (("x = \"0.1\"", "y = \"0.1\""), " has no toml block with the line `x = …`"),
        (("```toml", "```text"), " has no toml block"),
        (("x = \"0.1\"", "x = \"0.2\""), "3 `0.2` does not fit x 0.1.2"),
        (("x = \"0.1\"", "x = \"0.1.20\""), "3 `0.1.20` does not fit x 0.1.2"),
        (("x = \"0.1\"", "x = { path = \"x\" }"), "3 `` does not fit x 0.1.2"),
        (("x = \"0.1\"", "x = { version = \"0.1\", features = [\"gz\"] }"), "3 `gz` is no feature of x"),
        (("| `tls` | TLS |\n", ""), " has no row for `tls`"),
        (("`tls`", "`tls`, `gzip`"), " has a row for `gzip`, which is no feature of x"),
        (("- `one`", "- one"), " does not name the example `one`"),
        (("- [`two`]", "- the other one: [two]"), " does not name the example `two`"),
    ] {
        check_readme(change, &[fault]);
    }
}

#[test]
fn the_first_example_is_that_of_the_front_page() {
    for (change, fault) in [
        (
            ("//!     x::run();", "//!     x::walk();"),
            ":6 the first example is not that of the front page in lib.rs: line 3 of it is `x::run();` here, and `x::walk();` there",
        ),
        (
            ("//! }\n", ""),
            ":6 the first example is not that of the front page in lib.rs: line 4 of it is `}` here, and its end there",
        ),
        (("//! ```\n//! #", "//! ```text\n//! #"), " or the front page in lib.rs has no example"),
        (("#[doc = include_str!", "#![doc = include_str!"), " is compiled by nothing"),
    ] {
        check_readme(change, &[fault]);
    }
}

#[test]
fn a_program_is_no_library() {
    let program = Package::new(&json!({
        "name": "p",
        "version": "0.1.0",
        "publish": [],
        "features": {},
        "targets": [{ "kind": ["lib"], "src_path": "lib.rs" }, { "kind": ["bin"] }],
    }));
    assert_eq!(program.source(), None);
    assert!(!program.is_published());
    assert!(package().is_published());
    assert!(package().source().is_some());
}
