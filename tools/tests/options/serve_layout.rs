//! `serve-layout`: entries of a Triton model repository, read back by a parser of protobuf's text format.

use super::program::{Folder, data};
use ontrace::{DType, Example, Result, Tensor, module, record};
use std::collections::BTreeMap;
use std::iter::Peekable;
use std::str::Chars;

/// A value of protobuf's text format; a field that occurs several times is a list.
#[derive(Clone, Debug, PartialEq)]
enum Value {
    Word(String),
    Text(String),
    Message(BTreeMap<String, Vec<Value>>),
}

/// A parser of <https://protobuf.dev/reference/protobuf/textformat-spec/>, as far as `config.pbtxt` goes.
struct Parser<'a>(Peekable<Chars<'a>>);

impl Parser<'_> {
    fn skip(&mut self) {
        while let Some(&c) = self.0.peek() {
            match c {
                '#' => while self.0.next().is_some_and(|c| c != '\n') {},
                c if c.is_whitespace() => drop(self.0.next()),
                _ => return,
            }
        }
    }

    fn take(&mut self, c: char) -> bool {
        self.skip();
        self.0.next_if_eq(&c).is_some()
    }

    fn word(&mut self) -> String {
        self.skip();
        let mut word = String::new();
        while let Some(c) = self.0.next_if(|c| c.is_alphanumeric() || "_-.+".contains(*c)) {
            word.push(c);
        }
        assert!(!word.is_empty(), "no word before {:?}", self.0.clone().take(20).collect::<String>());
        word
    }

    fn value(&mut self) -> Value {
        if self.take('{') {
            return Value::Message(self.message(Some('}')));
        }
        if !self.take('"') {
            return Value::Word(self.word());
        }
        let mut text = String::new();
        loop {
            match self.0.next().unwrap() {
                '"' => return Value::Text(text),
                '\\' => text.push(match self.0.next().unwrap() {
                    'n' => '\n',
                    c => c,
                }),
                c => text.push(c),
            }
        }
    }

    fn message(&mut self, end: Option<char>) -> BTreeMap<String, Vec<Value>> {
        let mut fields: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        loop {
            self.skip();
            match (self.0.peek(), end) {
                (None, None) => return fields,
                (Some(c), Some(end)) if *c == end => {
                    self.0.next();
                    return fields;
                }
                _ => {}
            }
            let name = self.word();
            self.take(':');
            let values = fields.entry(name).or_default();
            if self.take('[') {
                while !self.take(']') {
                    values.push(self.value());
                    self.take(',');
                }
            } else {
                values.push(self.value());
            }
            let _ = self.take(',') || self.take(';');
        }
    }
}

fn parsed(text: &str) -> BTreeMap<String, Vec<Value>> {
    Parser(text.chars().peekable()).message(None)
}

fn word(text: &str) -> Value {
    Value::Word(text.into())
}

/// The config without what the documentation's examples leave to Triton: instances and scheduling.
fn interface(text: &str) -> BTreeMap<String, Vec<Value>> {
    let mut config = parsed(text);
    for optional in ["instance_group", "dynamic_batching", "name"] {
        config.remove(optional);
    }
    config
}

fn config(folder: &Folder, name: &str) -> String {
    std::fs::read_to_string(folder.path("repo").join(name).join("config.pbtxt")).unwrap()
}

fn saved(
    folder: &Folder,
    name: &str,
    f: impl Fn(Tensor) -> Result<Tensor>,
    shape: &[usize],
    symbols: &[(i64, &str)],
    names: &[(&str, &str)],
) {
    let x = Tensor::zeros(shape.to_vec(), DType::F32).unwrap();
    let example = symbols.iter().fold(Example::of(&x), |example, (axis, symbol)| example.symbolic("x", *axis, symbol).unwrap());
    let model = record(&module::from_fn(f), example).unwrap().renamed(names).unwrap().to_model().unwrap();
    folder.save(name, model, |_| {});
}

/// The config that Triton's documentation gives for a model of two inputs and one output of 16 floats, in batches of 8, for ONNX Runtime:
/// <https://github.com/triton-inference-server/server/blob/main/docs/user_guide/model_configuration.md#minimal-model-configuration>.
const MINIMAL: &str = r#"
  platform: "onnxruntime_onnx"
  max_batch_size: 8
  input [
    { name: "input0" data_type: TYPE_FP32 dims: [ 16 ] },
    { name: "input1" data_type: TYPE_FP32 dims: [ 16 ] }
  ]
  output [
    { name: "output0" data_type: TYPE_FP32 dims: [ 16 ] }
  ]
"#;

#[test]
fn the_config_is_that_of_tritons_documentation() {
    let folder = Folder::new();
    let x = Tensor::zeros([2, 16], DType::F32).unwrap();
    let example = Example::new().input("input0", &x).input("input1", &x).symbolic("input0", 0, "batch").unwrap();
    let example = example.symbolic("input1", 0, "batch").unwrap();
    let sum = module::from_fn(|(a, b): (Tensor, Tensor)| a.add(&b));
    let model = record(&sum, example).unwrap().renamed(&[("y", "output0")]).unwrap().to_model().unwrap();
    folder.save("mymodel.onnx", model, |_| {});
    let ran = folder.run(&["serve-layout", "mymodel.onnx", "--repo", "repo", "--json"]).exits(0);
    let value: serde_json::Value = serde_json::from_slice(&ran.stdout).unwrap();
    assert_eq!((value["schema"].as_str(), value["version"].as_u64()), (Some("ontrace.serve-layout/1"), Some(1)));
    let text = config(&folder, "mymodel");
    assert_eq!(interface(&text), parsed(MINIMAL));
    let whole = parsed(&text);
    assert_eq!(whole["name"], [Value::Text("mymodel".into())]);
    let group = BTreeMap::from([("count".to_string(), vec![word("1")]), ("kind".to_string(), vec![word("KIND_CPU")])]);
    assert_eq!(whole["instance_group"], [Value::Message(group)]);
    assert_eq!(whole["dynamic_batching"], [Value::Message(BTreeMap::new())]);
    assert_eq!(std::fs::read(folder.path("mymodel.onnx")).unwrap(), std::fs::read(folder.path("repo/mymodel/1/model.onnx")).unwrap());
}

#[test]
fn free_sizes_are_minus_one_and_a_number_without_axes_has_a_reshape() {
    let folder = Folder::new();
    // The documentation: "the entire shape is specified by dims" where max_batch_size is 0, and -1 is a size of any length.
    saved(&folder, "m.onnx", |x| x.relu(), &[3, 5, 7], &[(1, "height"), (2, "width")], &[]);
    folder.run(&["serve-layout", "m.onnx", "--repo", "repo"]).exits(0);
    let expected = r#"platform: "onnxruntime_onnx" max_batch_size: 0
        input [ { name: "x" data_type: TYPE_FP32 dims: [ 3, -1, -1 ] } ]
        output [ { name: "y" data_type: TYPE_FP32 dims: [ 3, -1, -1 ] } ]"#;
    assert_eq!(interface(&config(&folder, "m")), parsed(expected));
    assert!(!config(&folder, "m").contains("dynamic_batching"));
    // The documentation, on reshape: "dims: [ 1 ] reshape: { shape: [ ] }" for inputs of shape [ batch-size ].
    saved(&folder, "rows.onnx", |x| x.sum(1, false), &[3, 5], &[(0, "batch")], &[]);
    folder.run(&["serve-layout", "rows.onnx", "--repo", "repo", "--max-batch", "4", "--instances", "2"]).exits(0);
    let expected = r#"platform: "onnxruntime_onnx" max_batch_size: 4
        input [ { name: "x" data_type: TYPE_FP32 dims: [ 5 ] } ]
        output [ { name: "y" data_type: TYPE_FP32 dims: [ 1 ] reshape: { shape: [ ] } } ]"#;
    assert_eq!(interface(&config(&folder, "rows")), parsed(expected));
    assert!(config(&folder, "rows").contains("count: 2"));
}

#[test]
fn requests_are_not_joined_where_rows_depend_on_each_other() {
    let folder = Folder::new();
    saved(&folder, "m.onnx", |x| x.softmax(0), &[3, 5], &[(0, "batch")], &[]);
    folder.run(&["serve-layout", "m.onnx", "--repo", "repo"]).exits(0).says(&["no batching", "depends on the other rows"]);
    assert!(config(&folder, "m").contains("max_batch_size: 0"));
    folder.run(&["serve-layout", "m.onnx", "--repo", "repo", "--max-batch", "4"]).exits(3).says(&["depends on the other rows"]);
    saved(&folder, "fixed.onnx", |x| x.relu(), &[3, 5], &[], &[]);
    folder.run(&["serve-layout", "fixed.onnx", "--repo", "repo", "--max-batch", "4"]).exits(2).says(&["--dynamic x:0=batch"]);
}

#[test]
fn an_existing_model_gets_the_next_version_and_keeps_its_config() {
    let folder = Folder::new();
    saved(&folder, "m.onnx", |x| x.relu(), &[3, 5], &[(0, "batch")], &[]);
    let serve = |options: &[&str]| folder.run(&[&["serve-layout", "m.onnx", "--repo", "repo"], options].concat());
    serve(&[]).exits(0);
    let text = config(&folder, "m");
    std::fs::write(folder.path("repo/m/config.pbtxt"), format!("# tuned by hand\n{}", text.replace("\n    ", "\n\t"))).unwrap();
    serve(&[]).exits(0);
    assert!(folder.path("repo/m/2/model.onnx").exists() && config(&folder, "m").contains("tuned by hand"));
    std::fs::create_dir(folder.path("repo/m/7")).unwrap();
    std::fs::write(folder.path("repo/m/config.pbtxt"), text.replace("count: 1", "count: 4")).unwrap();
    serve(&[]).exits(2).says(&["says something else", "--config keep"]);
    assert!(!folder.path("repo/m/8").exists());
    serve(&["--config", "keep"]).exits(0);
    assert!(folder.path("repo/m/8/model.onnx").exists() && config(&folder, "m").contains("count: 4"));
    serve(&["--config", "replace"]).exits(0);
    assert!(folder.path("repo/m/9/model.onnx").exists() && config(&folder, "m").contains("count: 1"));
    let left: Vec<_> = std::fs::read_dir(folder.path("repo")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["m"], "nothing is left of what was staged");
}

#[test]
fn an_archive_is_converted_verified_and_described_for_kserve() {
    let folder = Folder::new();
    let model = data("mlp.pt");
    let arguments =
        ["serve-layout", &model, "--repo", "repo", "--name", "My.Net", "--dynamic", "input:0=batch:1..6", "--kserve", "s3://bucket/models"];
    let ran = folder.run(&arguments).exits(0);
    assert!(ran.text().contains("within rounding") && ran.text().contains("batches of up to 6"), "{}", ran.text());
    let yaml = std::fs::read_to_string(folder.path("repo/My.Net.inferenceservice.yaml")).unwrap();
    for line in [
        "kind: InferenceService",
        "  name: my-net",
        "      runtime: kserve-tritonserver",
        "      protocolVersion: v2",
        "      storageUri: \"s3://bucket/models\"",
    ] {
        assert!(yaml.lines().any(|other| other == line), "{line}: {yaml}");
    }
    folder.run(&["check", "repo/My.Net/1/model.onnx", "--against", &model]).exits(0);
    for (options, says) in [
        (&["--name", "../evil"][..], "no name for a model"),
        (&["--kserve", "here"], "no storage URI"),
        (&["-o", "x.onnx"], "--repo DIR"),
        (&["--instances", "0"], "--instances"),
    ] {
        folder.run(&[&["serve-layout", &model, "--repo", "other"], options].concat()).exits(2).says(&[says]);
    }
    assert!(!folder.path("x.onnx").exists() && !folder.path("evil").exists());
    folder.run(&["serve-layout", &model]).exits(2).says(&["--repo"]);
}
