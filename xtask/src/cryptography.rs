//! One library of cryptography for the whole workspace: ring.
//!
//! A second one would add the longest step of a build: the C code of aws-lc takes longer than all the rest of `sse-client`,
//! and it needs a C compiler for each target.

use crate::shell::{self, Failure};

/// The libraries that rustls and other crates can use, by their packages.
const LIBRARIES: [&str; 8] =
    ["aws-lc-rs", "aws-lc-sys", "boring-sys", "graviola", "mbedtls", "native-tls", "openssl-sys", "ring"];

/// Fails if the workspace depends on another library than ring, in any package and with any feature.
pub(crate) fn run() -> Result<(), Failure> {
    let tree =
        shell::output("cargo tree --workspace --all-features --target all --prefix none --format {p}")?;
    match &others(&tree)[..] {
        [] => Ok(()),
        others => Err(Failure::new(format!(
            "the workspace depends on {} in addition to ring: `cargo tree --all-features -i {}` shows why",
            others.join(", "),
            others[0]
        ))),
    }
}

/// The libraries in the output of `cargo tree`, except for ring.
fn others(tree: &str) -> Vec<&str> {
    let packages = tree.lines().filter_map(|line| line.split(' ').next());
    let mut found: Vec<_> =
        packages.filter(|package| *package != "ring" && LIBRARIES.contains(package)).collect();
    found.sort_unstable();
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_other_than_ring_are_found() {
        for (tree, expected) in [
            ("", &[][..]),
            ("sse-client v0.1.0 (/work)\nring v0.17.14\nrustls v0.23.0\nopenssl-probe v0.2.0", &[]),
            (
                "ring v0.17.14\naws-lc-rs v1.0.0\naws-lc-sys v0.30.0\naws-lc-rs v1.0.0 (*)",
                &["aws-lc-rs", "aws-lc-sys"],
            ),
            ("native-tls v0.2.0", &["native-tls"]),
        ] {
            assert_eq!(others(tree), expected, "{tree}");
        }
    }
}
