//! `ontrace completions`: the completion script of a shell.

use crate::console::Console;
use crate::error::CommandResult;
use clap_complete::Shell;
use serde_json::json;

const EXAMPLES: &str = "\
Examples:
  ontrace completions bash > ~/.local/share/bash-completion/completions/ontrace
  ontrace completions zsh > ~/.zfunc/_ontrace";

/// The arguments of `ontrace completions`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Completions {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

impl Completions {
    /// Prints the script for this command.
    pub fn run(&self, mut program: clap::Command, console: &Console) -> CommandResult {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut program, "ontrace", &mut script);
        let script = String::from_utf8_lossy(&script);
        console.result(&script, json!({"schema": "ontrace.completions/1", "shell": self.shell.to_string(), "script": script}));
        Ok(())
    }
}
