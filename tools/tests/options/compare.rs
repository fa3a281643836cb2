//! Two models on the same inputs: the verdict, and the node behind which they differ, also where one of them was simplified.

use super::program::{Folder, Ran};
use ontrace::onnx::Model;
use ontrace::ops::Window;
use ontrace::{Array, DType, Example, Result, Tensor, module, record};

const CHANNELS: usize = 4;

/// Weights of a convolution and the statistics of a batch norm.
#[derive(Clone)]
struct Layer {
    weight: Vec<f32>,
    scale: Vec<f32>,
    bias: Vec<f32>,
    mean: Vec<f32>,
    var: Vec<f32>,
    epsilon: f32,
}

fn noise(count: usize, seed: usize) -> Vec<f32> {
    (0..count).map(|i| ((i * 7919 + seed * 104_729) as f32 * 0.618_034).fract() - 0.5).collect()
}

fn layer(seed: usize) -> Layer {
    let positive = |seed| noise(CHANNELS, seed).into_iter().map(|x| x + 1.0).collect::<Vec<f32>>();
    Layer {
        weight: noise(CHANNELS * CHANNELS * 9, seed),
        scale: positive(seed + 1),
        bias: noise(CHANNELS, seed + 2),
        mean: noise(CHANNELS, seed + 3),
        var: positive(seed + 4),
        epsilon: 1e-5,
    }
}

impl Layer {
    fn run(&self, x: &Tensor, is_folded: bool) -> Result<Tensor> {
        let shape = [CHANNELS, CHANNELS, 3, 3];
        let channels = |values: &[f32]| Tensor::new([CHANNELS], values.to_vec());
        let window = Window::symmetric(&[1, 1], &[1, 1], &[1, 1]);
        if !is_folded {
            let y = x.conv(&Tensor::new(shape, self.weight.clone())?, None, window, 1)?;
            let (scale, bias) = (channels(&self.scale)?, channels(&self.bias)?);
            return y.batch_norm(Some(&scale), Some(&bias), &channels(&self.mean)?, &channels(&self.var)?, f64::from(self.epsilon));
        }
        let factor: Vec<f32> = self.scale.iter().zip(&self.var).map(|(scale, var)| scale / (var + self.epsilon).sqrt()).collect();
        let weight = self.weight.iter().enumerate().map(|(i, w)| w * factor[i / (CHANNELS * 9)]).collect::<Vec<f32>>();
        let shift: Vec<f32> = self.bias.iter().zip(&self.mean).zip(&factor).map(|((bias, mean), factor)| bias - mean * factor).collect();
        x.conv(&Tensor::new(shape, weight)?, Some(&channels(&shift)?), window, 1)
    }
}

/// Three layers with a residual connection; batch norms are folded into the convolutions where asked.
fn network(layers: &[Layer], is_folded: bool, input: &str) -> Model {
    let layers = layers.to_vec();
    let model = module::from_fn(move |x: Tensor| {
        let x = layers[0].run(&x, is_folded)?.relu()?;
        let y = layers[1].run(&x, is_folded)?.relu()?;
        layers[2].run(&y, is_folded)?.add(&x)?.relu()
    });
    let x = Tensor::zeros([1, CHANNELS, 6, 6], DType::F32).unwrap();
    record(&model, Example::new().input(input, &x)).unwrap().to_model().unwrap()
}

fn layers() -> Vec<Layer> {
    vec![layer(1), layer(20), layer(300)]
}

fn compared(folder: &Folder, exit: i32) -> (Ran, serde_json::Value) {
    let ran = folder.run(&["compare", "a.onnx", "b.onnx", "--json"]).exits(exit);
    let text = if exit == 0 { ran.text() } else { ran.stderr.clone() };
    let value = serde_json::from_str(&text).unwrap();
    (ran, value)
}

#[test]
fn a_folded_batch_norm_computes_the_same() {
    let folder = Folder::new();
    folder.save("a.onnx", network(&layers(), false, "x"), |_| {});
    folder.save("b.onnx", network(&layers(), true, "image"), |_| {});
    let (_, value) = compared(&folder, 0);
    assert_eq!((value["schema"].as_str(), value["ok"].as_bool()), (Some("ontrace.compare/1"), Some(true)), "{value}");
    assert!(value["first_difference"].is_null(), "{value}");
    let share = value["outputs"][0]["share"].as_f64().unwrap();
    assert!(share > 0.0 && share <= 1.0, "{value}");
}

#[test]
fn the_node_behind_which_two_models_differ_is_named_on_both_sides() {
    let folder = Folder::new();
    folder.save("a.onnx", network(&layers(), false, "x"), |_| {});
    let mut wrong = layers();
    wrong[1].epsilon = 1e-3;
    folder.save("b.onnx", network(&wrong, false, "x"), |_| {});
    let (_, value) = compared(&folder, 3);
    let first = &value["first_difference"];
    assert_eq!((first["first"]["op"].as_str(), first["second"]["op"].as_str()), (Some("BatchNormalization"), Some("BatchNormalization")));
    let differences = first["differences"].to_string();
    assert!(differences.contains("epsilon") && differences.contains("values"), "{value}");
    let ran = folder.run(&["compare", "a.onnx", "b.onnx"]).exits(3);
    ran.says(&["a.onnx", "b.onnx", "of the limit", "BatchNormalization", "attribute epsilon"]);
}

/// The operator that a fault is in, and the fault.
type PlantedFault = (&'static str, fn(&mut Vec<Layer>));

#[test]
fn a_fault_is_found_behind_batch_norms_that_were_folded() {
    let faults: [PlantedFault; 3] = [
        ("BatchNormalization", |layers| layers[1].epsilon = 1e-2),
        ("BatchNormalization", |layers| layers[2].mean[1] += 0.1),
        ("Conv", |layers| layers[1].weight[40] *= 1.01),
    ];
    for (i, (op, fault)) in faults.into_iter().enumerate() {
        let folder = Folder::new();
        let mut wrong = layers();
        fault(&mut wrong);
        folder.save("a.onnx", network(&layers(), false, "x"), |_| {});
        folder.save("b.onnx", network(&wrong, true, "x"), |_| {});
        for is_swapped in [false, true] {
            if is_swapped {
                std::fs::rename(folder.path("a.onnx"), folder.path("c.onnx")).unwrap();
                std::fs::rename(folder.path("b.onnx"), folder.path("a.onnx")).unwrap();
                std::fs::rename(folder.path("c.onnx"), folder.path("b.onnx")).unwrap();
            }
            let (_, value) = compared(&folder, 3);
            let (whole, folded) = if is_swapped { ("second", "first") } else { ("first", "second") };
            let first = &value["first_difference"];
            assert_eq!((first[whole]["op"].as_str(), first[folded]["op"].as_str()), (Some(op), Some("Conv")), "{i}: {value}");
            assert_eq!(first[whole]["fused"].as_array().map(Vec::len), Some(2), "{i}: {value}");
        }
    }
}

#[test]
fn a_node_that_only_one_model_has_is_named() {
    let folder = Folder::new();
    let x = Tensor::zeros([2, 3], DType::F32).unwrap();
    let model = |f: fn(Tensor) -> Result<Tensor>| record(&module::from_fn(f), Example::of(&x)).unwrap().to_model().unwrap();
    folder.save("a.onnx", model(|x| x.sin()?.exp()?.mul(3.0)), |_| {});
    folder.save("b.onnx", model(|x| x.sin()?.tanh()?.exp()?.mul(3.0)), |_| {});
    let (_, value) = compared(&folder, 3);
    assert_eq!(value["first_difference"]["second"]["op"], "Tanh", "{value}");
}

#[test]
fn outputs_are_matched_by_name_and_else_by_position() {
    let folder = Folder::new();
    let x = Tensor::new([2, 3], noise(6, 1)).unwrap();
    let named = |names: [&str; 2], reversed: bool| {
        let function = module::from_fn(move |x: Tensor| if reversed { Ok((x.neg()?, x.relu()?)) } else { Ok((x.relu()?, x.neg()?)) });
        let mut model = record(&function, &x).unwrap().to_model().unwrap();
        let graph = model.proto.graph.as_mut().unwrap();
        for (i, name) in names.into_iter().enumerate() {
            let before = std::mem::replace(&mut graph.output[i].name, name.to_string());
            graph.node.iter_mut().flat_map(|node| &mut node.output).filter(|own| **own == before).for_each(|own| *own = name.to_string());
        }
        model
    };
    folder.save("a.onnx", named(["p", "q"], false), |_| {});
    folder.save("b.onnx", named(["q", "p"], true), |_| {});
    folder.save("c.onnx", named(["s", "t"], false), |_| {});
    for command in [&["compare", "a.onnx"][..], &["check", "--against", "a.onnx"]] {
        let ran = folder.run(&[command, &["b.onnx"]].concat()).exits(0);
        assert!(!(ran.text() + &ran.stderr).contains("position"));
        let ran = folder.run(&[command, &["c.onnx"]].concat()).exits(0);
        assert!((ran.text() + &ran.stderr).contains("outputs are matched by position, since their names differ: p, q and s, t"));
    }
    folder.save("d.onnx", named(["q", "p"], false), |_| {});
    folder.run(&["compare", "a.onnx", "d.onnx"]).exits(3);
    // What is expected is the reference's, in the message and in its help.
    let ran = folder.run(&["check", "d.onnx", "--against", "a.onnx"]).exits(3);
    let help = ran.stderr.lines().find(|line| line.starts_with("help: ")).unwrap();
    assert!(!help.contains("Relu, where the module has Relu"), "{help}");
}

#[test]
fn the_sides_of_a_difference_are_not_swapped() {
    let folder = Folder::new();
    let x = Tensor::new([2, 3], vec![1f32; 6]).unwrap();
    let model = |alpha: f32| record(&module::from_fn(move |x: Tensor| x.add(alpha)?.exp()), &x).unwrap().to_model().unwrap();
    folder.save("a.onnx", model(0.0), |_| {});
    folder.save("b.onnx", model(1.0), |_| {});
    let ran = folder.run(&["check", "b.onnx", "-i", "x=zeros", "--against", "a.onnx"]).exits(3);
    for line in ran.stderr.lines().filter(|line| line.contains("got ")) {
        let number = |after: &str| line.split(after).nth(1).and_then(|rest| rest.split([',', ';', ':', ' ']).next()?.parse::<f64>().ok());
        let (Some(expected), Some(got)) = (number("expected "), number("got ")) else { continue };
        assert!(expected < got, "{line}");
    }
}

#[test]
fn tolerances_decide_and_inputs_must_correspond() {
    let folder = Folder::new();
    let x = Tensor::zeros([2, 3], DType::F32).unwrap();
    let model = |factor: f64| record(&module::from_fn(move |x: Tensor| x.sin()?.mul(factor)), Example::of(&x)).unwrap().to_model().unwrap();
    folder.save("a.onnx", model(1.0), |_| {});
    folder.save("b.onnx", model(1.001), |_| {});
    for (options, exit) in
        [(&[][..], 3), (&["--rtol", "1e-2"], 0), (&["--atol", "1e-2"], 0), (&["--rtol", "1e-5"], 3), (&["--atol", "nan"], 2)]
    {
        folder.run(&[&["compare", "a.onnx", "b.onnx"], options].concat()).exits(exit);
    }
    folder.write("x.npy", &[("", Array::new(&[2, 3], vec![0f32; 6]).unwrap())]);
    folder.run(&["compare", "a.onnx", "b.onnx", "-i", "@x.npy"]).exits(3);
    let two = module::from_fn(|(x, y): (Tensor, Tensor)| x.add(&y));
    folder.save("c.onnx", record(&two, Example::of(&(x.clone(), x.clone()))).unwrap().to_model().unwrap(), |_| {});
    folder.run(&["compare", "a.onnx", "c.onnx"]).exits(2).says(&["2 inputs"]);
    folder.run(&["compare", "a.onnx"]).exits(2);
    let help = folder.run(&["compare", "--help"]).exits(0).text();
    assert_eq!(help.matches("  ontrace compare ").count(), 2, "{help}");
}

#[test]
fn the_smallest_part_is_written_also_behind_a_simplifier() {
    let mut wrong = layers();
    wrong[1].epsilon = 1e-2;
    for (fault_is_folded, nodes) in [(true, 1), (false, 2)] {
        let folder = Folder::new();
        folder.save("right.onnx", network(&layers(), !fault_is_folded, "x"), |_| {});
        folder.save("wrong.onnx", network(&wrong, fault_is_folded, "x"), |_| {});
        let ran = folder.run(&["check", "wrong.onnx", "--against", "right.onnx", "--repro", "part"]).exits(3);
        ran.says(&[if fault_is_folded { "Conv" } else { "BatchNormalization" }, "smallest failing subgraph"]);
        let part = Model::open(folder.path("part/model.onnx")).unwrap();
        assert_eq!(part.proto.graph.as_ref().unwrap().node.len(), nodes);
        assert!(folder.path("part/test_data_set_0/input_0.pb").exists());
        folder.run(&["check", "part/model.onnx"]).exits(3);
    }
}
