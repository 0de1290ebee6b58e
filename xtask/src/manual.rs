//! The manual pages of the program, and completions for shells.

use crate::shell::{self, Failure};

const FOLDER: &str = "target/manual";

pub(crate) fn run() -> Result<(), Failure> {
    shell::run(&format!("cargo run --quiet -p sse-cli --example manual -- {FOLDER}"))?;
    println!(
        "\n\
In {FOLDER}:
  man/           read them with `man -l {FOLDER}/man/sse.1`, or copy them to /usr/local/share/man/man1
  completions/   bash: sse.bash to ~/.local/share/bash-completion/completions/sse
                 zsh: _sse to a folder of $fpath
                 fish: sse.fish to ~/.config/fish/completions
                 elvish: sse.elv and PowerShell: _sse.ps1, to be read by the shell's profile"
    );
    Ok(())
}
