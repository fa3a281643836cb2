//! The option tables of docs/cli.md, rendered from those that parse the command line.

use clap::{Arg, Command};

/// What stands before the tables in docs/cli.md.
const BEGIN: &str = "<!-- The options of every command: written by a test, ONTRACE_RENEW=1 renews them. -->";

/// What the table says of an option or argument: its spelling and its help.
fn row(argument: &Arg) -> String {
    let values: Vec<&str> = argument.get_value_names().into_iter().flatten().map(|name| name.as_str()).collect();
    let value = if argument.get_action().takes_values() { values.join(" ") } else { String::new() };
    let long = argument.get_long().map(|long| format!("--{long}"));
    let names: Vec<String> = argument.get_short().map(|short| format!("-{short}")).into_iter().chain(long).collect();
    let spelling = match (names.is_empty(), argument.is_required_set()) {
        (true, true) => value,
        (true, false) => format!("[{value}]"),
        _ => format!("{} {value}", names.join(", ")).trim_end().to_string(),
    };
    let possible: Vec<String> = argument.get_possible_values().iter().map(|value| format!("`{}`", value.get_name())).collect();
    let mut help = argument.get_help().map(ToString::to_string).unwrap_or_default();
    if argument.get_action().takes_values() && !possible.is_empty() {
        help.push_str(&format!(": {}", possible.join(", ")));
    }
    let default: Vec<String> = argument.get_default_values().iter().map(|value| format!("`{}`", value.to_string_lossy())).collect();
    if argument.get_action().takes_values() && !default.is_empty() {
        help.push_str(&format!(" (default {})", default.join(", ")));
    }
    format!("| `{}` | {} |\n", spelling.replace('|', "\\|"), help.replace('|', "\\|").replace('\n', " "))
}

fn table<'a>(arguments: impl Iterator<Item = &'a Arg>) -> String {
    let rows: String = arguments.filter(|argument| !argument.is_hide_set()).map(row).collect();
    if rows.is_empty() { String::new() } else { format!("| option | meaning |\n|---|---|\n{rows}\n") }
}

/// The tables of every command, in Markdown.
pub fn tables(program: &Command) -> String {
    let is_own = |argument: &&Arg| !argument.is_global_set() && !["help", "version"].contains(&argument.get_id().as_str());
    let mut text = format!("{BEGIN}\n\n## Options\n\nOptions of every command:\n\n");
    text.push_str(&table(program.get_arguments().filter(|argument| argument.is_global_set())));
    for command in program.get_subcommands().filter(|command| !command.is_hide_set() && command.get_name() != "help") {
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        text.push_str(&format!("### ontrace {}\n\n{about}.\n\n", command.get_name()));
        text.push_str(&table(command.get_arguments().filter(is_own)));
    }
    text.trim_end().to_string() + "\n"
}
