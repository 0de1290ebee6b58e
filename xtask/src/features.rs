//! The lints of the libraries with their features one by one, and in combinations.
//!
//! Without `cargo hack`, whose installation takes longer than most of these checks.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::shell::{self, Failure};

/// Libraries that are checked without features, and with each feature alone. The workspace is checked with all features
/// at once elsewhere.
const ALONE: [&str; 4] = ["sse-server", "sse-testing", "sse-disk", "sse-redis"];

/// Libraries that are checked with each combination of their features, except for these features.
const COMBINED: [(&str, &[&str]); 2] = [
    ("sse-codec", &["default"]),
    // The last three only turn on features of reqwest's.
    ("sse-client", &["default", "default-tls", "http2", "system-proxy"]),
];

/// The features of a package, and what each of them turns on.
type Features<'m> = BTreeMap<&'m str, Vec<&'m str>>;

pub(crate) fn lints() -> Result<(), Failure> {
    let metadata = shell::metadata()?;
    for (package, without) in COMBINED {
        let mut features = features(&metadata, package)?;
        features.retain(|name, _| !without.contains(name));
        combinations(&features).iter().try_for_each(|set| lint(package, set))?;
    }
    for package in ALONE {
        let features = features(&metadata, package)?;
        lint(package, &BTreeSet::new())?;
        features.keys().try_for_each(|feature| lint(package, &BTreeSet::from([*feature])))?;
    }
    Ok(())
}

/// Checks a library alone: its dependencies have the features that it asks for, and not those that another crate of the
/// workspace asks for.
fn lint(package: &str, features: &BTreeSet<&str>) -> Result<(), Failure> {
    let names: Vec<&str> = features.iter().copied().collect();
    let chosen = if names.is_empty() { String::new() } else { format!(" --features {}", names.join(",")) };
    shell::run(&format!("cargo clippy -p {package} --no-default-features{chosen} -- -D warnings"))
}

fn features<'m>(metadata: &'m Value, name: &str) -> Result<Features<'m>, Failure> {
    let mut packages = metadata["packages"].as_array().into_iter().flatten();
    let package = packages.find(|package| package["name"] == name);
    let features = package.and_then(|package| package["features"].as_object());
    let features = features.ok_or_else(|| Failure::new(format!("there is no package `{name}`")))?;
    let turned_on =
        |value: &'m Value| value.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    Ok(features.iter().map(|(name, value)| (name.as_str(), turned_on(value))).collect())
}

/// Returns each combination of features, and the empty one. A feature that another one of the same combination turns on
/// is left out, so no two combinations are the same build.
fn combinations<'m>(features: &Features<'m>) -> BTreeSet<BTreeSet<&'m str>> {
    let mut combinations = BTreeSet::from([BTreeSet::new()]);
    for name in features.keys() {
        let with = combinations.iter().map(|set| set.iter().copied().chain([*name]).collect());
        let with: Vec<BTreeSet<&str>> = with.collect();
        combinations.extend(with);
    }
    combinations.into_iter().map(|set| without_implied(features, set)).collect()
}

fn without_implied<'m>(features: &Features<'m>, set: BTreeSet<&'m str>) -> BTreeSet<&'m str> {
    let implied: BTreeSet<&str> = set.iter().flat_map(|name| all_turned_on(features, name)).collect();
    set.into_iter().filter(|name| !implied.contains(name)).collect()
}

/// Returns what a feature turns on, and what those features turn on.
fn all_turned_on<'m>(features: &Features<'m>, name: &str) -> BTreeSet<&'m str> {
    let mut found = BTreeSet::new();
    let mut open = features.get(name).cloned().unwrap_or_default();
    while let Some(name) = open.pop() {
        if found.insert(name) {
            open.extend(features.get(name).into_iter().flatten());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(features: &[(&'static str, &[&'static str])], expected: &[&str]) {
        let features = features.iter().map(|(name, turned_on)| (*name, turned_on.to_vec())).collect();
        let found = combinations(&features);
        let found: Vec<String> =
            found.into_iter().map(|set| set.into_iter().collect::<Vec<_>>().join(",")).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn each_combination_is_one_build() {
        check(&[], &[""]);
        check(&[("a", &["dep:x"]), ("b", &["x/y"])], &["", "a", "a,b", "b"]);
        // `b` and `c` turn on `a`, the latter by `b`.
        check(&[("a", &[]), ("b", &["a"]), ("c", &["b"])], &["", "a", "b", "c"]);
        check(&[("a", &[]), ("b", &["a"]), ("c", &[])], &["", "a", "a,c", "b", "b,c", "c"]);
    }

    #[test]
    fn features_are_read_from_metadata() {
        let metadata = r#"{"packages": [{"name": "p", "features": {"a": ["b", "dep:x"], "b": []}}]}"#;
        let metadata: Value = serde_json::from_str(metadata).unwrap();
        let expected = Features::from([("a", vec!["b", "dep:x"]), ("b", vec![])]);
        assert_eq!(features(&metadata, "p").unwrap(), expected);
        assert!(features(&metadata, "q").is_err());
    }
}
