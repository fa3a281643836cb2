//! `ontrace man`: manual pages in roff.

use crate::console::{Console, count};
use crate::error::CommandResult;
use crate::option_tables::tables;
use crate::suggestion::did_you_mean;
use clap_mangen::Man as Manual;
use ontrace::onnx::AtomicFile;
use ontrace::{Error, Result};
use serde_json::json;
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  ontrace man convert | man -l -
  ontrace man --to ~/.local/share/man/man1";

/// The arguments of `ontrace man`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Man {
    /// The command whose manual is printed; default: ontrace itself
    #[arg(conflicts_with = "to")]
    command: Option<String>,
    /// Write the manual of every command into this folder: ontrace.1, ontrace-convert.1 …
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
    /// Print the option tables of every command as Markdown
    #[arg(long, conflicts_with_all = ["command", "to"])]
    markdown: bool,
}

impl Man {
    /// Prints or writes the manual of this command.
    pub fn run(&self, program: clap::Command, console: &Console) -> CommandResult {
        let mut program = program.disable_help_subcommand(true);
        if self.markdown {
            let tables = tables(&program);
            console.result(&tables, json!({"schema": "ontrace.man/1", "markdown": tables}));
            return Ok(());
        }
        program.build();
        let subcommands = || program.get_subcommands().filter(|command| !command.is_hide_set()).cloned();
        if let Some(folder) = &self.to {
            if !folder.is_dir() {
                return Err(Error::write(format!("there is no folder {}", folder.display())).help("make it first").into());
            }
            let commands = std::iter::once(program.clone()).chain(subcommands());
            let written = commands.map(|command| write(&Manual::new(command), folder)).collect::<Result<Vec<String>>>()?;
            let text = format!("wrote       {} to {}", count(written.len(), "manual"), folder.display());
            console.result(&text, json!({"schema": "ontrace.man/1", "folder": folder.display().to_string(), "files": written}));
            return Ok(());
        }
        let command = match &self.command {
            None => program.clone(),
            Some(name) => subcommands().find(|command| command.get_name() == name).ok_or_else(|| {
                let names: Vec<String> = subcommands().map(|command| command.get_name().to_string()).collect();
                Error::argument(format!("no command `{name}`")).help(did_you_mean(name, &names, "commands"))
            })?,
        };
        let manual = Manual::new(command);
        let roff = String::from_utf8_lossy(&rendered(&manual)?).into_owned();
        console.result(&roff, json!({"schema": "ontrace.man/1", "file": manual.get_filename(), "roff": roff}));
        Ok(())
    }
}

fn rendered(manual: &Manual) -> Result<Vec<u8>> {
    let mut roff = Vec::new();
    manual.render(&mut roff).map_err(|error| Error::internal(error.to_string()).with_source(error))?;
    Ok(roff)
}

/// Writes a manual into a folder; gives the name of the file.
fn write(manual: &Manual, folder: &Path) -> Result<String> {
    let name = manual.get_filename();
    AtomicFile::save(&folder.join(&name), &rendered(manual)?)?;
    Ok(name)
}
