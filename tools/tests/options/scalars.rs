//! Numbers among the inputs: indices out of range, and values that a check keeps.

use super::program::{Folder, data};
use ontrace::{Array, read};

fn recorded() -> read::Checkpoint {
    read::checkpoint(data("numbers.safetensors")).unwrap()
}

fn given(folder: &Folder, n: &str, step: &str) -> Vec<String> {
    let x = recorded().into_iter().find(|tensor| tensor.0 == "x").unwrap().1;
    folder.write("x.npy", &[("", x)]);
    ["-i", "x=@x.npy", "-i", n, "-i", "a=0.25", "-i", step].map(String::from).to_vec()
}

fn run(folder: &Folder, command: &[&str], inputs: &[String]) -> super::program::Ran {
    let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
    folder.run(&[command, &inputs].concat())
}

#[test]
fn a_program_of_scalars_gives_what_torch_gives() {
    let folder = Folder::new();
    let (model, inputs) = (data("numbers.pt"), given(&folder, "n=1", "step=2"));
    run(&folder, &["check", &model, "--against", &data("numbers.safetensors")], &inputs).exits(0);
    run(&folder, &["convert", &model, "-o", "out.onnx"], &inputs).exits(0);
    // The file takes other numbers than those that it was traced with.
    for (n, step, rows) in [("n=-3", "step=1", 5), ("n=3", "step=4", 2)] {
        let inputs = given(&folder, n, step);
        run(&folder, &["run", &model, "--backend", "eager", "--out", "eager.npz"], &inputs).exits(0);
        run(&folder, &["run", "out.onnx", "--out", "tract.npz"], &inputs).exits(0);
        let (eager, tract) = (folder.outputs("eager.npz"), folder.outputs("tract.npz"));
        let values = |arrays: &[Array]| arrays[..2].iter().map(|array| array.to_f64s().unwrap()).collect::<Vec<_>>();
        assert_eq!(values(&eager), values(&tract), "{n} {step}");
        assert_eq!(tract[1].shape(), [rows, 3]);
    }
}

#[test]
fn a_number_with_a_default_is_an_input_where_it_is_given() {
    let folder = Folder::new();
    let (model, inputs) = (data("numbers.pt"), given(&folder, "n=1", "step=2"));
    let first = |name: &str| folder.outputs(name)[0].to_f64s().unwrap();
    run(&folder, &["run", &model, "--backend", "eager", "--out", "default.npz"], &inputs).exits(0);
    run(&folder, &["run", &model, "--backend", "eager", "--out", "scaled.npz", "-i", "scale=3.0"], &inputs).exits(0);
    let scaled: Vec<f64> = first("default.npz").iter().map(|x| f64::from(3.0 * *x as f32)).collect();
    assert_eq!(first("scaled.npz"), scaled);
    // It is an input of the file then, and only then.
    run(&folder, &["convert", &model, "-o", "default.onnx"], &inputs).exits(0);
    run(&folder, &["run", "default.onnx", "-i", "scale=3.0"], &inputs).exits(2).says(&["no input `scale`"]);
    run(&folder, &["convert", &model, "-o", "scaled.onnx", "-i", "scale=3.0"], &inputs).exits(0);
    run(&folder, &["run", "scaled.onnx", "--out", "again.npz", "-i", "scale=1.0"], &inputs).exits(0);
    assert_eq!(first("again.npz"), first("default.npz"));
}

#[test]
fn an_index_out_of_range_is_an_error_with_its_input_and_range() {
    let folder = Folder::new();
    for n in ["n=4", "n=9", "n=-6", "n=-9"] {
        let inputs = given(&folder, n, "step=1");
        for command in [&["run"][..], &["run", "--backend", "eager"], &["check"], &["convert", "-o", "out.onnx"]] {
            let ran = run(&folder, &[command, &[data("numbers.pt").as_str()]].concat(), &inputs).exits(2);
            ran.says(&["input n: index", "is out of range", "-5 to 3"]);
        }
    }
    // The last row and the first are no two rows one after the other.
    let inputs = given(&folder, "n=-1", "step=1");
    run(&folder, &["run", "--backend", "eager", &data("numbers.pt")], &inputs).exits(2).says(&["2 indices from -1 on are out of range"]);
    assert_ne!(run(&folder, &["check", &data("numbers.pt")], &inputs).exit, 0);
}

#[test]
fn a_step_that_is_not_positive_is_refused_as_torch_refuses_it() {
    let folder = Folder::new();
    for step in ["step=-1", "step=-2", "step=0"] {
        let inputs = given(&folder, "n=1", step);
        for command in [&["run"][..], &["run", "--backend", "eager"], &["convert", "-o", "out.onnx"]] {
            let ran = run(&folder, &[command, &[data("numbers.pt").as_str()]].concat(), &inputs);
            assert!(ran.exit != 0 && !ran.stderr.contains("panic"), "{step}: {}", ran.stderr);
        }
    }
}

#[test]
fn a_float_that_is_given_as_a_number_keeps_its_value_in_a_check() {
    let folder = Folder::new();
    let ran = run(&folder, &["check", &data("numbers.pt")], &given(&folder, "n=1", "step=2")).exits(0);
    assert!(ran.text().contains("note: input `a` was 0.25 in every call"), "{}", ran.text());
    assert!(!ran.text().contains("valid only for") && ran.stderr.contains("random inputs"), "{}{}", ran.text(), ran.stderr);
    let ran = run(&folder, &["convert", &data("numbers.pt"), "-o", "out.onnx"], &given(&folder, "n=1", "step=2")).exits(0);
    ran.says(&["the exported graph is valid only for a = 0.25"]);
}
