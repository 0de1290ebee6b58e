//! The manual pages and the completions, as `cargo xtask manual` makes them.

use std::fs;
use std::process::{Command, Output};

/// Everything, in a folder of its own.
fn manual() -> tempfile::TempDir {
    let program = test_support::programs::build("sse-cli", &["--example", "manual"]).join("examples/manual");
    let folder = tempfile::tempdir().unwrap();
    assert!(Command::new(program).arg(folder.path()).status().unwrap().success());
    folder
}

#[test]
fn every_flag_stands_in_its_manual_page() {
    let folder = manual();
    let page = |name: &str| fs::read_to_string(folder.path().join("man").join(name)).unwrap();
    let command = sse_cli::command();
    let overview = page("sse.1");
    for command in command.get_subcommands() {
        let name = command.get_name();
        assert!(overview.contains(&format!("sse\\-{name}(1)")), "{name} is not in {overview}");
        let page = page(&format!("sse-{name}.1"));
        for flag in command.get_arguments().filter_map(clap::Arg::get_long) {
            let flag = format!("\\-\\-{}", flag.replace('-', "\\-"));
            assert!(page.contains(&flag), "{flag} is not in {page}");
        }
    }
    assert!(overview.contains("Exit codes: 0 done;"), "{overview}");
    assert!(page("sse-serve.1").contains("SSE_MAX_BODY"));
    for name in ["bench", "listen", "publish"] {
        assert!(page(&format!("sse-{name}.1")).contains("SSE_TOKEN"), "{name}");
    }
}

#[test]
fn a_shell_completes_commands_and_flags() {
    #[track_caller]
    fn check(script: &str, words: &[&str], expected: &str) {
        let index = words.len() - 1;
        let (words, last, before) = (words.join(" "), words[index], words[index - 1]);
        let run = format!(
            "source {script}; COMP_WORDS=({words}); COMP_CWORD={index}; _sse sse '{last}' '{before}'; echo ${{COMPREPLY[@]}}"
        );
        let Output { stdout, stderr, .. } = Command::new("bash").args(["-c", &run]).output().unwrap();
        assert_eq!(
            String::from_utf8(stdout).unwrap().trim_end(),
            expected,
            "{}",
            String::from_utf8(stderr).unwrap()
        );
    }

    let folder = manual();
    let completions = folder.path().join("completions");
    for file in ["_sse", "_sse.ps1", "sse.bash", "sse.elv", "sse.fish"] {
        assert!(fs::read_to_string(completions.join(file)).unwrap().contains("max-body"), "{file}");
    }
    let script = completions.join("sse.bash");
    check(script.to_str().unwrap(), &["sse", "li"], "listen");
    check(script.to_str().unwrap(), &["sse", "serve", "--max-b"], "--max-body");
}
