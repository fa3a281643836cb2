//! What stands beside and inside a written file: test vectors, hashes, and the same bytes wherever and whenever it is written.

use ontrace::nn::{Linear, Weights};
use ontrace::onnx::{DataSet, Model};
use ontrace::trace::{ExportOptions, Provenance, RandomMode};
use ontrace::{Array, DType, DynModule, Example, Module, Result, Tensor, Traced, Tracer, module, read};
use std::path::Path;
use std::process::Command;

/// Two layers of two parts each, a branch on data, and sizes that may be any.
fn net() -> (Traced, Example) {
    let weights = Weights::seeded(11);
    let part = |i: usize, name: &str| Linear::new(&weights.at("layers").at(i).at(name), 4, 4).unwrap();
    let layers: Vec<[Linear; 2]> = (0..2).map(|i| [part(i, "in"), part(i, "out")]).collect();
    let x = Tensor::new([2, 4], (0..8).map(|i| i as f32 / 8.0).collect()).unwrap();
    let f = move |x: Tensor| {
        let y = layers.iter().try_fold(x, |x, [inner, outer]| outer.forward(&inner.forward(&x)?)?.relu())?;
        if y.dtype() == DType::F32 && y.sum(.., false)?.gt(-1.0)?.is_true()? { y.add(1.0) } else { Ok(y) }
    };
    let example = Example::of(&x).symbolic("x", 0, "batch").unwrap();
    (Tracer::new().trace(&module::from_fn(f), example.clone()).unwrap(), example)
}

#[test]
fn vectors_beside_a_model_are_what_it_computes() {
    let (traced, example) = net();
    let folder = tempfile::tempdir().unwrap();
    let other = Example::new().input("x", &Tensor::ones([5, 4], DType::F32).unwrap());
    traced.save_with_tests(folder.path().join("net"), &[example, other]).unwrap();
    let model = folder.path().join("net/model.onnx");
    let sets = DataSet::beside(&model).unwrap();
    assert_eq!(sets.iter().map(|set| set.0.as_str()).collect::<Vec<_>>(), ["test_data_set_0", "test_data_set_1"]);
    let opened = read::open(&model).unwrap();
    for (_, set) in sets {
        assert_eq!((set.inputs[0].0.as_str(), set.outputs[0].0.as_str()), ("x", "y"));
        let inputs: Vec<Tensor> = set.inputs.into_iter().map(|input| Tensor::from(input.1)).collect();
        assert_eq!(opened.forward(&inputs).unwrap()[0].to_array().unwrap(), set.outputs[0].1);
    }
}

#[test]
fn what_is_sampled_is_among_the_vectors_where_it_is_an_input() {
    let x = Tensor::ones([3], DType::F32).unwrap();
    let noisy = Tracer::new().random_mode(RandomMode::AsInput).trace_fn(|x: Tensor| x.add(Tensor::rand([3], DType::F32)?), &x).unwrap();
    let set = noisy.vectors(&Example::of(&x)).unwrap();
    assert_eq!(set.inputs.iter().map(|input| input.0.as_str()).collect::<Vec<_>>(), ["x", "random_0"]);
    let sum = |i: usize| 1.0 + set.inputs[1].1.to_vec::<f32>().unwrap()[i];
    assert_eq!(set.outputs[0].1.to_vec::<f32>().unwrap(), [sum(0), sum(1), sum(2)]);
}

#[test]
fn an_example_of_shapes_only_has_no_vectors() {
    let (traced, example) = net();
    assert_eq!(traced.vectors(&example.shapes_only()).unwrap_err().code(), ontrace::ErrorCode::NoValue);
}

#[test]
fn a_file_knows_whether_it_was_changed() {
    let (traced, _) = net();
    for functions in [false, true] {
        let model = traced.to_model_as(ExportOptions { functions, ..ExportOptions::default() }).unwrap();
        assert_eq!(Provenance::of(&model).intact, None);
        let mut model = Model::load(model.to_bytes().unwrap().into(), None).unwrap();
        let known = Provenance::of(&model);
        assert_eq!(known.intact, Some(true));
        assert!(known.verdict.unwrap().starts_with("the traced graph agrees with its module"));
        model.initializers[0].1 = Array::full(DType::F32, model.initializers[0].1.shape(), 0.5.into());
        let changed = Provenance::of(&model);
        assert_eq!((changed.intact, changed.graph == known.graph, changed.weights == known.weights), (Some(false), true, false));
        model.strip();
        let bare = Provenance::of(&model);
        assert_eq!((bare.intact, bare.verdict, bare.graph), (None, None, known.graph));
        let text = String::from_utf8_lossy(&model.to_bytes().unwrap()).into_owned();
        assert!(!text.contains("tests/tracing/vectors.rs") && !text.contains("ontrace.scope") && !text.contains("ontrace.guards"));
    }
}

/// The environment variable that names the file which the process is to write.
const OUT: &str = "ONTRACE_TEST_OUT";

/// Does nothing but in a process that the next test starts.
#[test]
fn writes_where_it_is_told() -> Result<()> {
    let Some(path) = std::env::var_os(OUT) else { return Ok(()) };
    let (traced, example) = net();
    traced.save_with_tests(&path, &[example])?;
    traced.to_model_as(ExportOptions { functions: true, ..ExportOptions::default() })?.save(Path::new(&path).join("functions.onnx"))?;
    Ok(())
}

#[test]
fn every_process_directory_and_number_of_threads_writes_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, threads: &str| {
        let (home, out) = (folder.path().join(name), folder.path().join(format!("out_{name}")));
        std::fs::create_dir(&home).unwrap();
        let process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "vectors::writes_where_it_is_told", "--test-threads", threads])
            .current_dir(&home)
            .env(OUT, &out)
            .env("RAYON_NUM_THREADS", threads)
            .output()
            .unwrap();
        assert!(process.status.success(), "{}", String::from_utf8_lossy(&process.stdout));
        let read = |name: &str| std::fs::read(out.join(name)).unwrap();
        ["model.onnx", "functions.onnx", "test_data_set_0/input_0.pb", "test_data_set_0/output_0.pb"].map(read)
    };
    let (first, second) = (write("here", "1"), write("there", "4"));
    assert!(first == second);
    assert!(Model::load(first[1].clone().into(), None).unwrap().proto.functions.len() == 1);
    let text = String::from_utf8_lossy(&first[0]).into_owned();
    assert!(!text.contains(folder.path().to_str().unwrap()));
}
