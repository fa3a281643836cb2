//! Wrong options: exit code 2, and what is wrong with them.

use super::program::{Folder, data};
use ontrace::{Array, DType, Example, Tensor, module, record};

fn saved(folder: &Folder) {
    let model = module::from_fn(|(x, y): (Tensor, Tensor)| x.add(&y));
    let zeros = |shape: [usize; 2]| Tensor::zeros(shape, DType::F32).unwrap();
    let example = Example::new().input("x", &zeros([2, 3])).input("y", &zeros([2, 3]));
    folder.save("m.onnx", record(&model, example).unwrap().to_model().unwrap(), |_| {});
}

#[test]
fn a_wrong_option_is_a_usage_error_in_every_command() {
    let folder = Folder::new();
    saved(&folder);
    folder.write("y.npz", &[("y", Array::new(&[2, 3], vec![0f32; 6]).unwrap())]);
    let convert = |options: &[&'static str]| [&["convert", "m.onnx", "-o", "out.onnx"], options].concat();
    for (arguments, says) in [
        (convert(&["--opset", "99"]), "cannot write opset 99 (13 to 26)"),
        (convert(&["--opset", "0"]), "cannot write opset 0 (13 to 26)"),
        (convert(&["--dynamic", "x:0=n:5..2"]), "the range 5..=2 of `n` is empty"),
        (convert(&["--dynamic", "x:0=n:5..9"]), "`n` is 2 in the example, which is not in 5..=9"),
        (convert(&["--dynamic", "x:0=n:a..9"]), "expected INPUT:AXIS=NAME"),
        (convert(&["--dynamic", "x:0=n", "--dynamic", "x:1=n"]), "`n` is 2 elsewhere in the example and 3 in `x`"),
        (convert(&["--dynamic", "x:0=n", "--dynamic", "x:-2=m"]), "axis 0 of input `x` is named twice"),
        (convert(&["--dynamic", "z:0=n"]), "there is no input `z`"),
        (convert(&["--fixed", "n=1"]), "no axis has the symbolic size `n`"),
        (convert(&["--specialize", "z"]), "there is no input `z`"),
        (vec!["check", "m.onnx", "--against", "y.npz"], "input `x` has no values"),
        (vec!["check", "m.onnx", "-i", "x=ones", "--against", "y.npz"], "input `y` not given"),
        (vec!["run", "m.onnx", "-i", "x=ones", "-i", "y=ones", "-i", "x=zeros"], "input `x` is given twice"),
        (vec!["compare", "m.onnx", "m.onnx", "-i", "x=ones", "-i", "x:2,3"], "input `x` is given twice"),
        (vec!["check", "m.onnx", "-i", "x=none", "-i", "x=ones"], "input `x` is given twice"),
        (vec!["run", "m.onnx", "-i", "x=int(5,2)"], "invalid shape or source after `x`"),
        (vec!["run", "m.onnx", "-i", "x=uniform(nan,2)"], "invalid shape or source after `x`"),
        (vec!["run", "m.onnx", "-i", "@y.npz", "-i", "y=ones"], "input `y` is given twice"),
        (vec!["run", "m.onnx", "--out", "y.foo"], "unknown array file format"),
        (vec!["strip", "-o", "out.onnx", &data("mlp.pt")], "not ONNX"),
    ] {
        let ran = folder.run(&arguments).exits(2).says(&[says]);
        assert!(ran.stdout.is_empty() && !folder.path("out.onnx").exists(), "{arguments:?}");
    }
}

#[test]
fn axes_that_follow_a_named_one_are_named_in_a_note() {
    let folder = Folder::new();
    saved(&folder);
    let note = "axes of the same size in the example are fixed: --dynamic y:0=n";
    folder.run(&["convert", "m.onnx", "-o", "out.onnx", "--dynamic", "x:0=n"]).exits(1).says(&[note, "`n` and `2` at axis 0"]);
    folder.run(&["inspect", "m.onnx", "--dynamic", "x:0=n", "--dynamic", "y:0=n"]).exits(0);
}

#[test]
fn what_is_no_model_is_named_by_every_command() {
    let folder = Folder::new();
    let html = b"<!DOCTYPE html>\n<html><body>Not found</body></html>";
    std::fs::write(folder.path("page.onnx"), html).unwrap();
    std::fs::write(folder.path("lfs.pt"), "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n").unwrap();
    std::fs::write(folder.path("empty.pt2"), "").unwrap();
    std::fs::write(folder.path("keras.onnx"), b"\x89HDF\r\n\x1a\n").unwrap();
    std::fs::create_dir(folder.path("folder")).unwrap();
    for (file, what) in
        [("page.onnx", "HTML"), ("lfs.pt", "Git LFS"), ("empty.pt2", "empty"), ("keras.onnx", "HDF5"), ("folder", "a folder")]
    {
        for command in ["inspect", "convert", "check", "run", "compare", "strip"] {
            let more: &[&str] = match command {
                "compare" => &["other.onnx"],
                "strip" => &["-o", "out.onnx"],
                _ => &[],
            };
            let ran = folder.run(&[&[command, file], more].concat()).exits(1);
            ran.says(&[if file == "folder" { "error[E0601]" } else { "error[E0301]" }, file, what, "help: "]);
        }
    }
}

#[test]
fn the_help_for_an_input_fits_its_type() {
    let folder = Folder::new();
    let ran = folder.run(&["run", &data("numbers.pt")]).exits(2);
    ran.says(&["-i x:1,3,224,224 -i n=5 -i a=0.5 -i step=5"]);
    folder.run(&["run", &data("numbers.pt"), "-i", "x:5,3", "-i", "n:i64"]).exits(2).says(&["give it: -i n=5"]);
    for wrong in ["n=2.5", "n:1,3,224,224", "n:f32", "a:2"] {
        let help = if wrong.starts_with('n') { "-i n=5" } else { "-i a=0.5" };
        folder.run(&["run", &data("numbers.pt"), "-i", "x:5,3", "-i", wrong]).exits(2).says(&["help: give it: ", help]);
    }
    folder.run(&["run", &data("numbers.pt"), "-i", "x:5,3", "-i", "n=1", "-i", "a=1", "-i", "step=2"]).exits(0);
    folder.run(&["run", &data("members.pt")]).exits(2).says(&[".0:1,3,224,224"]);
    let scalars = ["-i", "x:5,3", "-i", "n:[]:i64", "-i", "a=0.5", "-i", "step=2"];
    folder.run(&[&["convert", &data("numbers.pt"), "-o", "out.onnx"], &scalars[..]].concat()).exits(0);
}

#[test]
fn notes_of_one_kind_are_one_line_unless_all_are_asked_for() {
    let folder = Folder::new();
    saved(&folder);
    let notes = |options: &[&str]| {
        let ran = folder.run(&[&["convert", &data("spectral.pt2"), "-o", "out.onnx"], options].concat()).exits(0);
        (ran.stderr.lines().filter(|line| line.starts_with("note")).count(), ran.stderr)
    };
    let (few, text) = notes(&[]);
    let (all, _) = notes(&["-v"]);
    assert!(text.contains("12 constants (1.6 kB) folded into the graph; -v lists them") && all >= few + 11, "{few} {all} {text}");
    folder.run(&["run", "m.onnx", "-v", "-q"]).exits(2).says(&["--quiet"]);
    // No progress where stderr is no terminal.
    assert!(!text.contains('\r') && !text.contains("tracing"), "{text}");
}
