//! Distances between the nodes of two models, as `ontrace compare --json` writes them.

use super::diagram::Diagram;
use crate::convert::same_file;
use ontrace::{Error, Result};
use serde_json::Value;
use std::collections::{HashMap, VecDeque};
use std::path::Path;

/// An operator by one name of those under which it is written.
fn written_as(operator: &str) -> &str {
    if matches!(operator, "Squeeze" | "Unsqueeze" | "Flatten") { "Reshape" } else { operator }
}

/// Gives the nodes of a model their distances from the other model that it was compared with; how many have one.
///
/// # Errors
/// Where the file cannot be read, or is of other models.
pub fn add(diagram: &mut Diagram, path: &Path, model: &Path) -> Result<usize> {
    let wrong = |what: &str| {
        let help = "write it with: ontrace compare A B --json 2> compare.json, where A or B is the model that is drawn (a difference is an error: its report is on stderr)";
        Error::argument(format!("{what}: expected the result of a comparison")).help(help).at(path.display())
    };
    let text = std::fs::read_to_string(path).map_err(|error| Error::read(error.to_string()).at(path.display()))?;
    let value: Value = serde_json::from_str(&text).map_err(|error| wrong(&error.to_string()))?;
    let side = ["first", "second"]
        .into_iter()
        .find(|side| value[side].as_str().is_some_and(|file| same_file(Path::new(file), model)))
        .ok_or_else(|| wrong(&format!("{} is neither of the models", model.display())))?;
    let rows = value["node_differences"][side].as_array().ok_or_else(|| wrong("no differences by node"))?;
    // Nodes of one operator, module and line come in the order of the graph. Another tool's file has no module, and the name of the node as its line.
    let mut by_line: HashMap<[&str; 3], VecDeque<Option<f64>>> = HashMap::new();
    let mut by_name: HashMap<[&str; 2], Option<f64>> = HashMap::new();
    for row in rows {
        let text = |key: &str| row[key].as_str().unwrap_or_default();
        let (op, line, difference) = (written_as(text("op")), text("line"), row["difference"].as_f64());
        by_line.entry([op, text("scope"), line]).or_default().push_back(difference);
        by_name.insert([op, line], difference);
    }
    let mut count = 0;
    for block in diagram.blocks.iter_mut().filter(|block| block.operators > 0) {
        let (op, scope) = (written_as(&block.operator), block.scopes.last().map_or("", String::as_str));
        let found = by_line.get_mut(&[op, scope, &block.line]).and_then(VecDeque::pop_front);
        block.difference = found.or_else(|| by_name.get(&[op, block.name.as_str()]).copied()).flatten();
        count += usize::from(block.difference.is_some());
    }
    Ok(count)
}
