//! Triton's `config.pbtxt`: <https://github.com/triton-inference-server/server/blob/main/docs/user_guide/model_configuration.md>.

use super::interface::{Interface, Port, Size};
use std::fmt;

/// The configuration of a model.
pub struct Config {
    /// The name, which is that of its folder.
    pub name: String,
    /// The most rows of a batch; 0 where the server does not join requests.
    pub max_batch: u32,
    /// How many instances run on the CPU.
    pub instances: u32,
    /// What it takes and gives.
    pub interface: Interface,
}

impl Config {
    /// One line about it.
    pub fn summary(&self) -> String {
        match self.max_batch {
            0 => "onnxruntime_onnx, no batching".to_string(),
            n => format!("onnxruntime_onnx, batches of up to {n}"),
        }
    }

    fn port(&self, port: &Port) -> String {
        let sizes = if self.max_batch > 0 { &port.sizes[1..] } else { &port.sizes };
        let dims: Vec<String> = sizes
            .iter()
            .map(|size| match size {
                Size::Fixed(n) => n.to_string(),
                Size::Named(_) | Size::Any => "-1".to_string(),
            })
            .collect();
        // Triton has no tensor without an axis: one of size 1 stands for it outside.
        let (dims, reshape) = match dims.is_empty() {
            true => ("1".to_string(), "\n    reshape: { shape: [ ] }"),
            false => (dims.join(", "), ""),
        };
        format!("  {{\n    name: {}\n    data_type: {}\n    dims: [ {dims} ]{reshape}\n  }}", quoted(&port.name), port.ty)
    }
}

impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ports = |ports: &[Port]| ports.iter().map(|port| self.port(port)).collect::<Vec<_>>().join(",\n");
        writeln!(f, "name: {}\nplatform: \"onnxruntime_onnx\"\nmax_batch_size: {}", quoted(&self.name), self.max_batch)?;
        for (what, list) in [("input", &self.interface.inputs), ("output", &self.interface.outputs)] {
            if !list.is_empty() {
                writeln!(f, "{what} [\n{}\n]", ports(list))?;
            }
        }
        writeln!(f, "instance_group [\n  {{\n    count: {}\n    kind: KIND_CPU\n  }}\n]", self.instances)?;
        if self.max_batch > 0 {
            writeln!(f, "dynamic_batching {{ }}")?;
        }
        Ok(())
    }
}

/// A string of protobuf's text format: <https://protobuf.dev/reference/protobuf/textformat-spec/#string>.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            c if c.is_control() => c.to_string().bytes().for_each(|byte| quoted.push_str(&format!("\\{byte:03o}"))),
            c => quoted.push(c),
        }
    }
    quoted + "\""
}

/// Whether two configs say the same but for white space, commas and comments.
pub fn is_same(a: &str, b: &str) -> bool {
    let words = |text: &str| {
        let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default().to_string());
        lines.collect::<String>().chars().filter(|c| !c.is_whitespace() && *c != ',').collect::<String>()
    };
    words(a) == words(b)
}

/// The manifest of a KServe service that runs the repository at a URI on Triton.
pub fn inference_service(name: &str, uri: &str) -> String {
    // A name of Kubernetes: RFC 1123 labels.
    let label: String = name.to_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let label: String = label.trim_matches('-').chars().take(63).collect();
    let uri = serde_json::Value::from(uri);
    format!(
        "apiVersion: serving.kserve.io/v1beta1\nkind: InferenceService\nmetadata:\n  name: {label}\nspec:\n  predictor:\n    model:\n      \
         modelFormat:\n        name: onnx\n      runtime: kserve-tritonserver\n      protocolVersion: v2\n      storageUri: {uri}\n"
    )
}
