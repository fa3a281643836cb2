//! Real torch archives, as torch wrote them, agree with the values that torch computed, or are rows of `tests/data/zoo.txt`.

use crate::exported::{path, save};
use crate::known_failures::KnownFailures;
use crate::{corpus, panics};
use ontrace::array::{Random, Tolerance, compare};
use ontrace::check::Checker;
use ontrace::{Array, DType, DynModule, Example, Tensor, read, record, trace};
use std::path::{Path, PathBuf};

/// Outputs that need another tolerance than their dtype has: model, output, tolerance, and why.
const TOLERANCES: &[(&str, usize, Tolerance, &str)] = &[
    (
        "grab_shape",
        42,
        Tolerance { abs: 4e-3, rel: 1e-3 },
        "distances of points to themselves, which torch computes by a product of matrices",
    ),
    ("dtype_f16", 4, F16, "an f16 cast to f32"),
    ("dtype_bf16", 4, BF16, "a bf16 cast to f32"),
];

const F16: Tolerance = Tolerance { abs: 5e-3, rel: 5e-3 };
const BF16: Tolerance = Tolerance { abs: 4e-2, rel: 4e-2 };

/// The tolerance of an output of a model, by its own dtype.
fn tolerance(model: &str, output: usize, dtype: DType) -> Tolerance {
    if let Some(&(.., tolerance, _)) = TOLERANCES.iter().find(|row| row.0 == model && row.1 == output) {
        return tolerance;
    }
    match dtype {
        DType::F16 => F16,
        DType::BF16 => BF16,
        _ => Tolerance { abs: 1e-4, rel: 1e-3 },
    }
}

/// The folder of the archives; `ONTRACE_ZOO` names another one, built alike.
fn zoo() -> Option<PathBuf> {
    corpus::folder("ONTRACE_ZOO", "../shared/zoo", ".")
}

/// The models of the corpus in order.
fn models(zoo: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(zoo).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| zoo.join(name).is_dir());
    names.sort();
    names
}

/// The arrays `in_0`, `in_1` … of a file.
fn arrays(path: &Path, prefix: &str) -> Vec<Array> {
    let all = read::checkpoint(path).unwrap();
    (0..).map_while(|i| all.get(&format!("{prefix}_{i}")).cloned()).collect()
}

/// The outputs of a model are the expected ones; buffers that the program wrote to may follow them.
fn agrees(model: &str, what: &str, got: &[Array], expected: &[Array]) {
    assert!(got.len() >= expected.len(), "{model} {what}: {} outputs, expected {}", got.len(), expected.len());
    for (i, (got, expected)) in got.iter().zip(expected).enumerate() {
        let found = compare(got, expected, tolerance(model, i, expected.dtype()));
        let found = found.unwrap_or_else(|error| panic!("{model} {what}: output {i}: {error}"));
        assert!(found.agrees, "{model} {what}: output {i} differs: {found:?}");
    }
}

fn run(module: &dyn DynModule, inputs: &[Array]) -> Vec<Array> {
    let inputs: Vec<Tensor> = inputs.iter().cloned().map(Tensor::from).collect();
    module.forward(&inputs).unwrap().iter().map(|tensor| tensor.to_array().unwrap()).collect()
}

/// One archive: eager, replayed, run by tract; the written file is left for ONNX Runtime.
fn agrees_with_torch(folder: &Path, name: &str, file: &str) {
    let model = read::open(folder.join(file)).unwrap_or_else(|error| panic!("{error:?}"));
    let (inputs, expected) = (arrays(&folder.join("inputs.safetensors"), "in"), arrays(&folder.join("outputs.safetensors"), "out"));
    agrees(name, "eager", &run(&model, &inputs), &expected);
    let names = model.input_names();
    let example = inputs
        .iter()
        .enumerate()
        .fold(Example::new(), |example, (i, array)| example.input(names.get(i).map_or("x", String::as_str), &Tensor::from(array.clone())));
    let traced = trace(&model, example.shapes_only()).unwrap_or_else(|error| panic!("{error:?}"));
    agrees(name, "replayed", &run(&traced, &inputs), &expected);
    #[cfg(feature = "tract")]
    {
        let session = traced.session().unwrap_or_else(|error| panic!("{error:?}"));
        agrees(name, "tract", &session.run(&inputs).unwrap_or_else(|error| panic!("{error:?}")), &expected);
    }
    // Other runtimes are compared with torch's values, and with ours where torch's are inexact or there are more.
    let ours = run(&model, &inputs);
    let inexact = |i: usize| i >= expected.len() || TOLERANCES.iter().any(|row| row.0 == name && row.1 == i);
    let expected: Vec<Array> = (0..ours.len()).map(|i| if inexact(i) { ours[i].clone() } else { expected[i].clone() }).collect();
    let left = format!("{name}.{}", file.split_once('.').unwrap().0);
    save(&traced.to_model().unwrap(), &left, &inputs, &expected);
    // The file that was written, read again.
    let again = read::open(path(&left)).unwrap_or_else(|error| panic!("{error:?}"));
    agrees(name, "read back", &run(&again, &inputs), &expected);
}

#[test]
fn every_archive_agrees_with_torch() {
    let Some(zoo) = zoo() else { return };
    let mut verdicts = Vec::new();
    for name in models(&zoo) {
        for file in ["traced.pt", "frozen.pt", "scripted.pt", "exported.pt2"] {
            let folder = zoo.join(&name);
            if folder.join(file).is_file() {
                // An archive that is listed fails by its values, and that is no panic of the library.
                let verdict = panics::caught(|| agrees_with_torch(&folder, &name, file)).err();
                verdicts.push((format!("{name}/{file}"), verdict));
            }
        }
    }
    KnownFailures::of("zoo").compare("torch", std::env::var_os("ONTRACE_ZOO").is_none(), &verdicts);
}

/// Archives whose first axis may have any size.
const DYNAMIC: &[&str] = &["resnet_tiny", "mobilenet_tiny", "vit_tiny", "gpt_tiny", "tv_resnet18"];

#[test]
fn one_file_is_right_at_every_batch() {
    let Some(zoo) = zoo() else { return };
    for name in DYNAMIC {
        let model = read::open(zoo.join(name).join("traced.pt")).unwrap();
        let example = model.example().unwrap().clone();
        let (input, tensor) = example.inputs()[0].clone();
        let traced = trace(&model, example.symbolic(&input, 0, "batch").unwrap().shapes_only()).unwrap();
        let mut random = Random::new(7);
        #[cfg(feature = "tract")]
        let session = traced.session().unwrap();
        for batch in [1, 2, 5] {
            let mut shape = tensor.shape().example().unwrap();
            shape[0] = batch;
            let x = match tensor.dtype() {
                DType::I64 => random.array(DType::I64, &shape, |random| random.integer(0, 49) as f64).unwrap(),
                dtype => random.array(dtype, &shape, Random::normal).unwrap(),
            };
            let inputs = [x];
            let expected = run(&model, &inputs);
            agrees(name, &format!("at batch {batch}, replayed"), &run(&traced, &inputs), &expected);
            #[cfg(feature = "tract")]
            agrees(name, &format!("at batch {batch}, tract"), &session.run(&inputs).unwrap(), &expected);
            save(&traced.to_model().unwrap(), &format!("{name}.batch{batch}"), &inputs, &expected);
        }
    }
}

/// Archives whose operators some opset lacks: archive, the first opset that has them.
const LATE: &[(&str, i64)] = &[("dtype_int", 18), ("grab_compare", 18), ("grab_embed", 16), ("grab_grid", 18), ("grab_index", 16)];

#[test]
fn every_archive_can_be_written_for_other_opsets() {
    let Some(zoo) = zoo() else { return };
    let mut failures = Vec::new();
    for name in &models(&zoo) {
        let folder = zoo.join(name);
        if !folder.join("traced.pt").is_file() {
            continue;
        }
        let model = read::open(folder.join("traced.pt")).unwrap();
        let inputs = arrays(&folder.join("inputs.safetensors"), "in");
        let wanted = model.input_names();
        let example = inputs.iter().enumerate().fold(Example::new(), |example, (i, array)| {
            example.input(wanted.get(i).map_or("x", String::as_str), &Tensor::from(array.clone()))
        });
        let traced = record(&model, example.shapes_only()).unwrap();
        for opset in [13, 17, 21] {
            let first = LATE.iter().find(|row| row.0 == name).map_or(0, |row| row.1);
            match traced.to_model_at(opset) {
                Ok(model) if opset >= first => drop(model.save(path(&format!("{name}.opset{opset}"))).unwrap()),
                Ok(_) => failures.push(format!("{name} can be written for opset {opset} by now")),
                Err(error) if opset < first => assert_eq!(error.code(), ontrace::ErrorCode::Unsupported, "{error}"),
                Err(error) => failures.push(format!("{name}: {error}")),
            }
        }
    }
    assert!(failures.is_empty(), "{} fail\n{}", failures.len(), failures.join("\n"));
}

/// The program traced with its steps symbolic does as many as there are.
fn steps_of_any_number(name: &str, model: &dyn DynModule) {
    let example = read::open(format!("tests/data/{name}.pt2")).unwrap().example().unwrap().clone();
    let (input, tensor) = example.inputs()[0].clone();
    let rest: Vec<Array> =
        example.inputs()[1..].iter().map(|(_, x)| Array::full(x.dtype(), &x.shape().example().unwrap(), 1.into())).collect();
    let traced = trace(&model, example.symbolic(&input, 0, "steps").unwrap().shapes_only()).unwrap();
    assert!(traced.graph().nodes().iter().any(|node| node.op.name() == "Scan"), "{traced}");
    for steps in [1, 9, 200] {
        let mut shape = tensor.shape().example().unwrap();
        shape[0] = steps;
        let inputs = [vec![Random::new(steps as u64).array(tensor.dtype(), &shape, Random::normal).unwrap()], rest.clone()].concat();
        agrees(name, &format!("of {steps} steps"), &run(&traced, &inputs), &run(model, &inputs));
    }
}

#[test]
fn programs_whose_graphs_hold_graphs_agree_with_torch() {
    for name in ["while_loop", "map", "scan"] {
        let (model, recorded) =
            (read::open(format!("tests/data/{name}.pt2")).unwrap(), PathBuf::from(format!("tests/data/{name}.safetensors")));
        let (inputs, expected) = (arrays(&recorded, "in"), arrays(&recorded, "out"));
        agrees(name, "eager", &run(&model, &inputs), &expected);
        let example = model.example().unwrap().clone();
        let traced = trace(&model, example.shapes_only()).unwrap();
        agrees(name, "replayed", &run(&traced, &inputs), &expected);
        #[cfg(feature = "tract")]
        agrees(name, "in a session", &traced.session().unwrap().run(&inputs).unwrap(), &expected);
        save(&traced.to_model().unwrap(), name, &inputs, &expected);
        if name != "while_loop" {
            steps_of_any_number(name, &model);
        } else {
            for counts in [[0i64, 0], [1, 8]] {
                let inputs = [inputs[0].clone(), Array::vector(counts.to_vec())];
                agrees(name, &format!("of {counts:?} iterations"), &run(&traced, &inputs), &run(&model, &inputs));
            }
        }
    }
}

#[test]
fn programs_of_complex_values_agree_with_torch() {
    for name in ["rotary.pt", "spectral.pt2"] {
        let path = Path::new("tests/data").join(name);
        let (model, recorded) = (read::open(&path).unwrap(), path.with_extension("safetensors"));
        let (inputs, expected) = (arrays(&recorded, "in"), arrays(&recorded, "out"));
        agrees(name, "eager", &run(&model, &inputs), &expected);
        let traced = trace(&model, model.example().unwrap().clone().shapes_only()).unwrap();
        agrees(name, "replayed", &run(&traced, &inputs), &expected);
        #[cfg(feature = "tract")]
        agrees(name, "in a session", &traced.session().unwrap().run(&inputs).unwrap(), &expected);
        save(&traced.to_model().unwrap(), name.split_once('.').unwrap().0, &inputs, &expected);
    }
}

#[test]
fn the_same_archive_gives_the_same_bytes() {
    let model = || read::open("tests/data/resnet_tiny.pt").unwrap();
    let bytes = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let model = model();
            let example = model.example().unwrap().clone().symbolic("x", 0, "batch").unwrap();
            trace(&model, example.shapes_only()).unwrap().to_bytes().unwrap()
        })
    };
    assert_eq!(bytes(1), bytes(2));
}

#[test]
fn names_of_parameters_and_scopes_survive() {
    let model = read::open("tests/data/resnet_tiny.pt").unwrap();
    let traced = trace(&model, model.example().unwrap().clone().shapes_only()).unwrap();
    let names: Vec<&str> = traced.parameters().iter().map(|parameter| parameter.0).collect();
    assert!(names.contains(&"conv1.weight") && names.contains(&"fc.bias"), "{names:?}");
    let model = traced.to_model().unwrap();
    let conv = &model.proto.graph.unwrap().node[0];
    assert_eq!((conv.name.as_str(), conv.op_type.as_str()), ("conv1.Conv", "Conv"));
    assert!(conv.metadata_props.iter().any(|entry| entry.value.starts_with("code/__torch__/")), "{:?}", conv.metadata_props);
}

#[test]
fn a_traced_graph_that_folds_a_size_in_is_caught_and_located() {
    let x = Tensor::new([2, 3], vec![1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0]).unwrap();
    let module = ontrace::module::from_fn(|x: Tensor| {
        // The size in the example, without a guard.
        let rows = x.dim(0)?.example().unwrap_or_default();
        x.mul(rows)
    });
    let example = Example::new().input("x", &x).symbolic("x", 0, "batch").unwrap();
    let traced = record(&module, example.clone()).unwrap();
    assert!(traced.guards().is_empty());
    assert_eq!(trace(&module, example.clone()).unwrap_err().code(), ontrace::ErrorCode::Mismatch, "the check is on by default");
    let error = Checker::new(&module, &traced, &example).run().unwrap_err();
    assert_eq!(error.code(), ontrace::ErrorCode::Mismatch);
    assert!(error.to_string().contains("output y") && error.message().contains("expected"), "{error}");
    assert!(error.help_line().unwrap().contains("Mul") && error.help_line().unwrap().contains("zoo.rs"), "{:?}", error.help_line());
}
