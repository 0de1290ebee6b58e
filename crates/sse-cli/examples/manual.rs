//! Writes the manual pages of `sse`, and the completions for shells, into a folder.
//!
//! ```sh
//! cargo run -p sse-cli --example manual -- target/manual
//! ```

use std::error::Error;
use std::fs;
use std::path::Path;

use clap_complete::Shell;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args_os().nth(1).ok_or("name a folder to write to")?;
    let (pages, completions) = (Path::new(&folder).join("man"), Path::new(&folder).join("completions"));
    fs::create_dir_all(&pages)?;
    fs::create_dir_all(&completions)?;
    // A page for the program, and one for each of its commands.
    clap_mangen::generate_to(sse_cli::command(), &pages)?;
    for shell in [Shell::Bash, Shell::Elvish, Shell::Fish, Shell::PowerShell, Shell::Zsh] {
        clap_complete::generate_to(shell, &mut sse_cli::command(), "sse", &completions)?;
    }
    Ok(())
}
