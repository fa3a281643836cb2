//! Small archives of torch whose results have sizes of their own: packed sequences, the boxes that a detector keeps. The values are torch's,
//! and what was traced at one set of inputs is right at others.

use ontrace::array::{Tolerance, compare};
use ontrace::{Array, DynModule, Example, Result, Tensor, read, record};
use std::path::{Path, PathBuf};

/// What torch's own values are compared with.
const TORCH: Tolerance = Tolerance { abs: 1e-5, rel: 1e-4 };

/// The archives, each with two sets of inputs and outputs beside it; `ONTRACE_ARCHIVES` names a folder of others, built alike.
fn archives() -> Vec<PathBuf> {
    let Some(folder) = std::env::var_os("ONTRACE_ARCHIVES") else {
        let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
        return ["packed.pt", "boxes.pt", "boxes_scripted.pt", "managers.pt"].map(|name| data.join(name)).to_vec();
    };
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "pt" || extension == "pt2"));
    paths.sort();
    paths
}

/// The arrays `in_0`, `in_1` … of a file.
fn arrays(path: &Path, prefix: &str) -> Vec<Array> {
    let all = read::checkpoint(path).unwrap();
    (0..).map_while(|i| all.get(&format!("{prefix}_{i}")).cloned()).collect()
}

fn run(module: &impl DynModule, inputs: &[Array]) -> Result<Vec<Array>> {
    let inputs: Vec<Tensor> = inputs.iter().cloned().map(Tensor::from).collect();
    module.forward(&inputs)?.iter().map(Tensor::to_array).collect()
}

fn difference(got: Result<Vec<Array>>, expected: &[Array]) -> Option<String> {
    let got = match got {
        Ok(got) => got,
        Err(error) => return Some(error.to_string()),
    };
    let wrong = |(i, (got, expected)): (usize, (&Array, &Array))| match compare(got, expected, TORCH) {
        Err(error) => Some(format!("output {i}: {}", error.message())),
        Ok(found) if !found.agrees => Some(format!("output {i}: {found:?}")),
        Ok(_) => None,
    };
    if got.len() != expected.len() {
        return Some(format!("{} outputs, expected {}", got.len(), expected.len()));
    }
    got.iter().zip(expected).enumerate().find_map(wrong)
}

#[test]
fn what_was_recorded_at_one_set_of_inputs_agrees_with_torch_at_others() {
    let mut failures = Vec::new();
    for path in archives() {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let model = read::open(&path).unwrap();
        let sets: Vec<(Vec<Array>, Vec<Array>)> = ["0", "1"]
            .iter()
            .map(|set| path.with_extension(format!("{set}.safetensors")))
            .filter(|path| path.is_file())
            .map(|path| (arrays(&path, "in"), arrays(&path, "out")))
            .collect();
        let mut fails = |how: &str, difference: Option<String>| failures.extend(difference.map(|why| format!("{name} {how}: {why}")));
        let (inputs, others) = (&sets[0].0, &sets[sets.len() - 1].0);
        let mut names = model.input_names();
        if names.len() < inputs.len() {
            // The elements of a list.
            names = (0..inputs.len()).map(|i| format!("{}_{i}", names[0])).collect();
        }
        let given = |example: Example, (i, array): (usize, &Array)| example.input(&names[i], &Tensor::from(array.clone()));
        let mut example = inputs.iter().enumerate().fold(Example::new(), given);
        // A size that differs between the two sets is symbolic: one symbol for what is equal in both.
        for (i, (input, other)) in inputs.iter().zip(others).enumerate() {
            for (axis, (a, b)) in input.shape().iter().zip(other.shape()).enumerate() {
                if a != b {
                    example = example.symbolic(&names[i], axis as i64, &format!("n{a}_{b}")).unwrap();
                }
            }
        }
        for (i, (inputs, expected)) in sets.iter().enumerate() {
            fails(&format!("eager {i}"), difference(run(&model, inputs), expected));
        }
        match record(&model, example) {
            Err(error) => fails("recorded", Some(error.to_string())),
            Ok(traced) => {
                for (i, (inputs, expected)) in sets.iter().enumerate() {
                    fails(&format!("replayed {i}"), difference(run(&traced, inputs), expected));
                    #[cfg(feature = "tract")]
                    fails(&format!("in a session {i}"), difference(traced.session().and_then(|session| session.run(inputs)), expected));
                }
                let recurrent = traced.graph().nodes().iter().filter(|node| matches!(node.op.name(), "LSTM" | "GRU" | "RNN")).count();
                println!("{name}: {} nodes, {recurrent} of them recurrent, {} guards", traced.graph().nodes().len(), traced.guards().len());
            }
        }
    }
    assert!(failures.is_empty(), "{} fail\n{}", failures.len(), failures.join("\n"));
}
