//! The blocks of code in `docs/frameworks.md` are code that is tested.

use std::fs;

const PAGE: &str = include_str!("../../../../docs/frameworks.md");

/// Tested by sse-server itself.
const EXAMPLE: &str = include_str!("../../../../crates/sse-server/examples/hyper.rs");

#[test]
fn each_file_is_a_block_and_each_block_is_tested() {
    let blocks = PAGE.split("```rust\n").skip(1);
    let mut blocks: Vec<&str> = blocks.map(|rest| rest.split_once("```").expect("a block ends").0).collect();
    for file in fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src")).unwrap() {
        let path = file.unwrap().path();
        if path.ends_with("lib.rs") {
            continue;
        }
        let code = fs::read_to_string(&path).unwrap();
        let block = blocks.iter().position(|block| *block == code);
        let block = block.unwrap_or_else(|| panic!("copy {} to docs/frameworks.md", path.display()));
        blocks.swap_remove(block);
    }
    for block in blocks {
        assert!(EXAMPLE.contains(block), "this is in no tested file:\n{block}");
    }
}
