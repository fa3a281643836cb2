//! Every rule: fewer nodes, and the values of the graph before it.

use super::Simplification;
use crate::ops::{Padding, Window};
use crate::{Array, DType, DynModule, Example, Result, Tensor, Traced, module, record};

fn random(seed: u64, shape: &[usize]) -> Tensor {
    let mut random = crate::array::Random::new(seed);
    Tensor::from(random.array(DType::F32, shape, |random| random.normal()).unwrap())
}

fn named(seed: u64, shape: &[usize], name: &str) -> Tensor {
    random(seed, shape).named(name)
}

fn traced(f: impl Fn(Tensor) -> Result<Tensor>, example: impl Into<Example>) -> Traced {
    record(&module::from_fn(f), example.into()).unwrap()
}

fn operators(traced: &Traced) -> Vec<&'static str> {
    traced.graph().nodes().iter().map(|node| node.op.name()).collect()
}

/// The operators that are left of a function, whose results stay within 1e-5.
#[track_caller]
fn left(f: impl Fn(Tensor) -> Result<Tensor>, x: &Tensor) -> Vec<&'static str> {
    let before = traced(f, Example::of(x));
    let after = before.simplified(&[]).unwrap().traced;
    let values = |traced: &Traced| traced.call(x).unwrap().cast(DType::F64).unwrap().to_vec::<f64>().unwrap();
    let (a, b) = (values(&before), values(&after));
    assert_eq!(a.len(), b.len());
    for (a, b) in a.iter().zip(&b) {
        assert!((a - b).abs() <= 1e-5 * a.abs().max(1.0), "{a} {b}\n{after}");
    }
    operators(&after)
}

#[test]
fn a_batch_norm_becomes_part_of_the_convolution_before_it() {
    let norm = |x: Tensor, channels: usize| {
        let statistic = |seed| random(seed, &[channels]);
        x.batch_norm(Some(&statistic(3)), Some(&statistic(4)), &statistic(5), &statistic(6).abs()?.add(0.5)?, 1e-5)
    };
    let x = random(1, &[2, 4, 7, 7]);
    for groups in [1usize, 2] {
        let weight = random(2, &[6, 4 / groups, 3, 3]);
        let bias = random(7, &[6]);
        for bias in [None, Some(&bias)] {
            assert_eq!(left(|x| norm(x.conv(&weight, bias, Window::dense(2), groups)?, 6)?.relu(), &x), ["Conv", "Relu"], "{groups}");
        }
    }
    for groups in [1usize, 2] {
        let weight = random(2, &[4, 6 / groups, 3, 3]);
        assert_eq!(
            left(|x| norm(x.conv_transpose(&weight, None, Window::dense(2), groups, &[0, 0])?, 6), &x),
            ["ConvTranspose"],
            "{groups}"
        );
    }
    let (x, weight, bias) = (random(1, &[3, 4]), random(2, &[5, 4]), random(7, &[5]));
    assert_eq!(left(|x| norm(x.linear(&weight, Some(&bias))?, 5), &x), ["Gemm"]);
}

#[test]
fn arithmetic_with_a_constant_a_channel_becomes_part_of_the_weights() {
    let (x, weight) = (random(1, &[2, 4, 7, 7]), random(2, &[6, 4, 3, 3]));
    let conv = |x: &Tensor| x.conv(&weight, None, Window::dense(2), 1);
    let (channel, scalar) = (random(3, &[6, 1, 1]).abs().unwrap().add(0.5).unwrap(), 2.5);
    assert_eq!(left(|x| conv(&x)?.mul(&channel)?.add(&channel), &x), ["Conv"]);
    assert_eq!(left(|x| channel.mul(conv(&x)?)?.sub(&channel)?.div(scalar), &x), ["Conv"]);
    assert_eq!(left(|x| channel.sub(conv(&x)?), &x), ["Conv", "Sub"], "what is subtracted from is no shift");
    let pixels = random(4, &[5, 5]);
    assert_eq!(left(|x| conv(&x)?.mul(&pixels), &x), ["Conv", "Mul"], "one number a pixel is no channel");
    assert_eq!(left(|x| conv(&x)?.add(random(5, &[3, 1, 6, 1, 1])), &x), ["Conv", "Add"], "the result has another shape");
    assert_eq!(
        left(
            |x| {
                let y = conv(&x)?;
                y.mul(&channel)?.add(&y)
            },
            &x
        ),
        ["Conv", "Mul", "Add"],
        "others use the convolution"
    );
}

#[test]
fn folded_parameters_keep_their_names() {
    let x = random(1, &[1, 4, 5, 5]);
    let (weight, scale) = (named(2, &[6, 4, 3, 3], "conv.weight"), random(3, &[6]).abs().unwrap());
    let mean = random(4, &[6]);
    let f = |x: Tensor| x.conv(&weight, None, Window::dense(2), 1)?.batch_norm(None, None, &mean, &scale, 1e-5);
    let simple = traced(f, &x).simplified(&[]).unwrap();
    let names: Vec<&str> = simple.traced.parameters().into_iter().map(|parameter| parameter.0).collect();
    assert_eq!(names, ["conv.weight", "conv.bias"]);
    assert_eq!(simple.applied.get(&Simplification::BatchNorm), Some(&1));
}

#[test]
fn a_weight_that_others_use_is_not_stored_twice() {
    let (x, weight) = (random(1, &[3, 4]), random(2, &[4, 4]));
    let f = |x: Tensor| x.matmul(&weight)?.mul(2.0)?.relu()?.matmul(&weight);
    assert_eq!(left(f, &x), ["MatMul", "Mul", "Relu", "MatMul"]);
}

#[test]
fn a_product_and_a_sum_are_one_gemm_of_matrices_alone() {
    let (weight, bias) = (random(2, &[4, 5]), random(3, &[5]));
    let f = |x: Tensor| x.matmul(&weight)?.add(&bias)?.relu();
    assert_eq!(left(f, &random(1, &[3, 4])), ["Gemm", "Relu"]);
    assert_eq!(left(f, &random(1, &[2, 3, 4])), ["MatMul", "Add", "Relu"]);
    let rows = random(4, &[2, 3, 5]);
    assert_eq!(left(|x| x.matmul(&weight)?.add(&rows), &random(1, &[3, 4])), ["MatMul", "Add"]);
}

#[test]
fn a_written_out_layer_norm_is_one_node_with_its_scale_and_bias() {
    let x = random(1, &[2, 3, 8]);
    let (scale, bias) = (named(2, &[8], "norm.weight"), named(3, &[8], "norm.bias"));
    let centred = |x: &Tensor| x.sub(x.mean(-1, true)?);
    let powers: [fn(&Tensor) -> Result<Tensor>; 2] = [|d| d.pow(2.0), |d| d.mul(d)];
    for square in powers {
        let root = |d: &Tensor| square(d)?.mean(-1, true)?.add(1e-5)?.sqrt();
        let plain = |x: Tensor| {
            let d = centred(&x)?;
            d.div(root(&d)?)
        };
        assert_eq!(left(plain, &x), ["LayerNormalization"]);
        assert_eq!(left(|x| plain(x)?.mul(&scale)?.add(&bias), &x), ["LayerNormalization"]);
        assert_eq!(left(|x| scale.mul(plain(x)?)?.relu(), &x), ["LayerNormalization", "Relu"]);
        let inverse = |x: Tensor| {
            let d = centred(&x)?;
            d.mul(root(&d)?.reciprocal()?)?.mul(&scale)
        };
        assert_eq!(left(inverse, &x), ["LayerNormalization"]);
    }
    let f = |x: Tensor| {
        let d = centred(&x)?;
        d.div(d.mul(&d)?.mean(-1, true)?.add(1e-5)?.sqrt()?)?.mul(&scale)?.add(&bias)
    };
    let simple = traced(f, &x).simplified(&[]).unwrap();
    let names: Vec<&str> = simple.traced.parameters().into_iter().map(|parameter| parameter.0).collect();
    assert_eq!(names, ["norm.weight", "norm.bias"]);
    assert_eq!(operators(&traced(f, &x).simplified(&[Simplification::LayerNorm]).unwrap().traced).len(), 9, "the rule can be left out");
}

#[test]
fn what_is_no_layer_norm_stays() {
    let x = random(1, &[2, 3, 8]);
    let middle = |x: Tensor| {
        let d = x.sub(x.mean(1, true)?)?;
        d.div(d.mul(&d)?.mean(1, true)?.add(1e-5)?.sqrt()?)
    };
    assert_eq!(left(middle, &x).len(), 7, "not the last axes");
    let other = |x: Tensor| {
        let d = x.sub(x.mean(-1, true)?)?;
        d.div(x.mul(&x)?.mean(-1, true)?.add(1e-5)?.sqrt()?)
    };
    assert_eq!(left(other, &x).len(), 7, "not the variance");
    let absolute = |x: Tensor| {
        let d = x.sub(x.mean(-1, true)?)?;
        d.div(d.mul(&d)?.mean(-1, true)?.add(1e-5)?.sqrt()?)?.add(&d)
    };
    assert_eq!(left(absolute, &x).len(), 8, "others use the centred values");
    let f64s = |x: Tensor| {
        let x = x.cast(DType::F64)?;
        let d = x.sub(x.mean(-1, true)?)?;
        d.div(d.mul(&d)?.mean(-1, true)?.add(1e-5)?.sqrt()?)
    };
    assert_eq!(left(f64s, &x).len(), 8, "1e-5 is no f32");
    let position = random(2, &[3, 8]);
    let by_position = |x: Tensor| {
        let d = x.sub(x.mean(-1, true)?)?;
        d.div(d.mul(&d)?.mean(-1, true)?.add(1e-5)?.sqrt()?)?.mul(&position)
    };
    assert_eq!(left(by_position, &x), ["LayerNormalization", "Mul"], "not one factor for each normalised element");
}

#[test]
fn a_written_out_gelu_is_one_node_in_every_order() {
    let x = random(1, &[2, 3, 8]);
    let (root, angle) = (std::f64::consts::SQRT_2, std::f64::consts::FRAC_2_PI.sqrt());
    assert_eq!(left(|x| x.mul(x.div(root)?.erf()?.add(1.0)?)?.mul(0.5), &x), ["Gelu"]);
    assert_eq!(left(|x| x.mul(0.5)?.mul(x.mul(1.0 / root)?.erf()?.add(1.0)?), &x), ["Gelu"]);
    assert_eq!(left(|x| x.mul(x.div(root)?.erf()?.add(1.0)?.mul(0.5)?), &x), ["Gelu"]);
    assert_eq!(left(|x| x.mul(x.div(root)?.erf()?.mul(0.5)?.add(0.5)?), &x), ["Gelu"]);
    let cube = |x: &Tensor| x.add(x.pow(3.0)?.mul(0.044715)?)?.mul(angle)?.tanh()?.add(1.0);
    assert_eq!(left(|x| x.mul(0.5)?.mul(cube(&x)?), &x), ["Gelu"]);
    let factored = |x: &Tensor| x.mul(angle)?.mul(x.mul(x)?.mul(0.044715)?.add(1.0)?)?.tanh()?.add(1.0);
    assert_eq!(left(|x| factored(&x)?.mul(x)?.mul(0.5), &x), ["Gelu"]);
    let behind = random(2, &[8]);
    assert_eq!(left(|x| x.add(&behind)?.mul(0.5)?.mul(x.add(&behind)?.div(root)?.erf()?.add(1.0)?), &x), ["Add", "Gelu"]);
}

#[test]
fn what_is_no_gelu_stays() {
    let x = random(1, &[2, 3, 8]);
    assert_eq!(left(|x| x.mul(x.div(1.4)?.erf()?.add(1.0)?)?.mul(0.5), &x), ["Div", "Erf", "Add", "Mul", "Mul"]);
    assert_eq!(left(|x| x.mul(x.div(std::f64::consts::SQRT_2)?.erf()?.add(1.0)?)?.mul(0.4), &x), ["Div", "Erf", "Add", "Mul", "Mul"]);
    assert_eq!(left(|x| x.mul(x.tanh()?.add(1.0)?)?.mul(0.5), &x), ["Tanh", "Add", "Mul", "Mul"]);
    let other = random(2, &[2, 3, 8]);
    let two = |x: Tensor| x.mul(0.5)?.mul(other.add(&x)?.div(std::f64::consts::SQRT_2)?.erf()?.add(1.0)?);
    assert_eq!(left(two, &x).len(), 6, "of two values");
}

#[test]
fn layers_on_tensors_are_gemms_where_reshapes_leave_fewer_nodes() {
    let x = random(1, &[2, 3, 8]);
    let layer = |x: &Tensor, seed: u64| x.matmul(&random(seed, &[8, 8]))?.add(random(seed + 1, &[8]));
    let heads = |x: &Tensor, seed: u64| layer(x, seed)?.reshape([2, 3, 4, 2]);
    let sums = |x: Tensor| heads(&x, 2)?.add(heads(&x, 4)?)?.add(heads(&x, 6)?);
    let of = |names: &[&'static str], name: &str| names.iter().filter(|other| **other == name).count();
    let names = left(sums, &x);
    assert_eq!((of(&names, "Gemm"), of(&names, "Reshape"), of(&names, "Add"), names.len()), (3, 4, 2, 9), "{names:?}");
    let rows = |x: Tensor| layer(&x.reshape([3, 2, 8])?, 2)?.reshape([6, 2, 4]);
    assert_eq!(left(rows, &x), ["Reshape", "Gemm", "Reshape"]);
    assert_eq!(left(|x| layer(&x, 2), &x), ["MatMul", "Add"], "three nodes are no fewer");
    assert_eq!(left(|x| layer(&x, 2)?.add(heads(&x, 4)?.reshape([2, 3, 8])?), &x), ["MatMul", "Add", "MatMul", "Add", "Add"]);
    assert_eq!(
        left(|x| x.reshape([3, 2, 8])?.matmul(&random(2, &[8, 8]))?.add(random(3, &[3, 2, 8]))?.reshape([6, 8]), &x).len(),
        4,
        "no vector"
    );
}

#[test]
fn layers_with_a_symbolic_batch_are_gemms_too() {
    let layer = |x: &Tensor, seed: u64| x.matmul(&random(seed, &[8, 8]))?.add(random(seed + 1, &[8]));
    let f = |x: Tensor| {
        let batch = x.dim(0)?;
        let heads = |seed: u64| layer(&x, seed)?.reshape(&[batch.clone(), 3.into(), 4.into(), 2.into()]);
        heads(2)?.add(heads(4)?)?.mul(heads(6)?)
    };
    let before = traced(f, Example::of(&random(1, &[2, 3, 8])).symbolic("x", 0, "n").unwrap());
    let after = before.simplified(&[]).unwrap().traced;
    assert_eq!(operators(&after).iter().filter(|name| **name == "Gemm").count(), 3);
    let x = random(5, &[7, 3, 8]).to_array().unwrap();
    let values = |traced: &Traced| traced.graph().replay(std::slice::from_ref(&x)).unwrap()[0].to_vec::<f32>().unwrap();
    assert!(values(&before).iter().zip(values(&after)).all(|(a, b)| (a - b).abs() < 1e-4));
    after.to_model().unwrap();
}

#[test]
fn a_bias_of_zeros_goes_where_the_sign_of_a_zero_is_not_defined() {
    let (x, weight, zeros) = (random(1, &[2, 3, 4]), random(2, &[4, 5]), Tensor::zeros([5], DType::F32).unwrap());
    assert_eq!(left(|x| zeros.add(x.matmul(&weight)?)?.relu(), &x), ["MatMul", "Relu"]);
    assert_eq!(left(|x| x.matmul(&weight)?.transpose(1, 2)?.add(0.0), &x), ["MatMul", "Transpose"]);
    assert_eq!(left(|x| x.matmul(&weight)?.mul(0.5)?.add(zeros.expand([2, 3, 5])?), &x), ["MatMul"], "a mask of zeros");
    assert_eq!(left(|x| x.relu()?.add(0.0), &x), ["Relu", "Add"]);
    assert_eq!(left(|x| x.matmul(&weight)?.add(random(2, &[1, 2, 3, 5]).mul(0.0)?), &x), ["MatMul", "Add"], "the rank grows");
}

#[test]
fn a_factor_behind_a_transpose_becomes_part_of_the_weights() {
    let (x, weight, bias) = (random(1, &[2, 3, 3, 4]), named(2, &[4, 5], "fc.weight"), named(3, &[5], "fc.bias"));
    let (factor, other) = (random(4, &[5, 1, 1]), random(5, &[3]));
    let f = |x: Tensor| x.matmul(&weight)?.add(&bias)?.permute(&[0, 3, 1, 2])?.mul(&factor)?.relu();
    assert_eq!(left(f, &x), ["MatMul", "Add", "Transpose", "Relu"]);
    let simple = traced(f, &x).simplified(&[]).unwrap().traced;
    let mut names: Vec<&str> = simple.parameters().into_iter().map(|parameter| parameter.0).collect();
    names.sort_unstable();
    assert_eq!(names, ["fc.bias", "fc.weight"]);
    assert_eq!(left(|x| x.matmul(&weight)?.add(&bias)?.div(random(4, &[5]).abs()?.add(1.0)?), &x), ["MatMul", "Add"]);
    assert_eq!(left(|x| x.matmul(&weight)?.permute(&[0, 3, 1, 2])?.mul(&other), &x), ["MatMul", "Transpose", "Mul"], "another axis");
    assert_eq!(left(|x| x.relu()?.permute(&[0, 3, 1, 2])?.mul(random(4, &[4, 1, 1])), &x), ["Relu", "Transpose", "Mul"], "no weights");
}

#[test]
fn graphs_inside_nodes_are_simplified() {
    let x = random(1, &[3, 4]);
    let (weight, bias) = (random(2, &[4, 4]), random(3, &[4]));
    let layer = |x: &Tensor| x.matmul(&weight)?.add(&bias)?.transpose(0, 1)?.transpose(0, 1);
    let inside = |traced: &Traced| -> Vec<Vec<&'static str>> {
        let graphs = traced.graph().nodes().iter().flat_map(|node| node.op.graphs());
        graphs.map(|graph| graph.nodes().iter().map(|node| node.op.name()).collect()).collect()
    };
    let branch = |x: Tensor| {
        let large = x.sum(.., false)?.gt(0.0)?;
        Ok(crate::cond(&large, || Ok(vec![layer(&x)?]), || Ok(vec![x.mul(1.0)?.relu()?]))?.remove(0))
    };
    let steps = |x: Tensor| {
        let below = |x: &Tensor| x.sum(.., false)?.lt(-1e9);
        Ok(crate::while_loop(&below(&x)?, vec![x], |state| Ok((below(&state[0])?, vec![layer(&state[0])?.mul(1.0)?])))?.remove(0))
    };
    let before = traced(branch, &x);
    let after = before.simplified(&[]).unwrap();
    assert_eq!(inside(&after.traced), [vec!["Gemm"], vec!["Relu"]]);
    assert!(after.applied.contains_key(&Simplification::Gemm));
    for sign in [1.0, -1.0] {
        let x = x.mul(x.sum(.., false).unwrap().to_vec::<f32>().unwrap()[0].signum() as f64 * sign).unwrap();
        let values = |traced: &Traced| traced.call(&x).unwrap().to_vec::<f32>().unwrap();
        assert!(values(&before).iter().zip(values(&after.traced)).all(|(a, b)| (a - b).abs() < 1e-5));
    }
    let looped = traced(steps, &x).simplified(&[]).unwrap().traced;
    assert!(inside(&looped).iter().all(|names| !names.contains(&"Transpose") && names.contains(&"Gemm")), "{looped}");
    looped.to_model().unwrap();
}

#[test]
fn a_weight_of_two_branches_is_not_stored_twice() {
    let (x, weight) = (random(1, &[3, 4]), random(2, &[4, 4]));
    let f = |x: Tensor| {
        let large = x.sum(.., false)?.gt(0.0)?;
        Ok(crate::cond(&large, || Ok(vec![x.matmul(&weight)?.mul(2.0)?]), || Ok(vec![x.matmul(&weight)?]))?.remove(0))
    };
    let simple = traced(f, &x).simplified(&[]).unwrap().traced;
    let graphs = simple.graph().nodes().iter().flat_map(|node| node.op.graphs());
    let counts: Vec<usize> = graphs.map(|graph| graph.nodes().len()).collect();
    assert_eq!(counts, [2, 1]);
}

#[test]
fn reductions_along_several_axes_are_one() {
    let x = random(1, &[2, 3, 4, 5]);
    assert_eq!(left(|x| x.mean(2, true)?.mean(3, true), &x), ["ReduceMean"]);
    assert_eq!(left(|x| x.adaptive_average_pool([1, 1])?.reshape([2, 3]), &x), ["ReduceMean"], "a global pooling and its flattening");
    assert_eq!(left(|x| x.amax(3, true)?.amax(1, true)?.reshape([2, 4]), &x), ["ReduceMax"]);
    assert_eq!(left(|x| x.mean(2, true)?.amax(3, true), &x), ["ReduceMean", "ReduceMax"]);
    assert_eq!(left(|x| x.mean(3, true)?.reshape([6, 4]), &x), ["ReduceMean", "Reshape"], "not the shape without the axis");
    let several = |x: Tensor| {
        let y = x.mean(2, true)?;
        y.mean(3, true)?.add(&y)
    };
    assert_eq!(left(several, &x), ["ReduceMean", "ReduceMean", "Add"], "others use the first");
}

#[test]
fn nodes_that_return_their_input_go() {
    let x = random(1, &[2, 3, 4]);
    assert_eq!(left(|x| x.transpose(0, 2)?.transpose(0, 2)?.relu(), &x), ["Relu"]);
    assert_eq!(left(|x| x.reshape([6, 4])?.reshape([2, 3, 4])?.relu(), &x), ["Relu"]);
    assert_eq!(left(|x| x.cast(DType::F64)?.cast(DType::F32)?.relu(), &x), ["Relu"]);
    assert_eq!(left(|x| x.cast(DType::F16)?.cast(DType::F32)?.relu(), &x), ["Cast", "Cast", "Relu"], "f16 loses digits");
    assert_eq!(left(|x| x.mul(1.0)?.div(1.0)?.sub(0.0)?.relu(), &x), ["Relu"]);
    assert_eq!(left(|x| x.mul(random(1, &[1, 1, 1, 1]).mul(0.0)?.add(1.0)?)?.relu(), &x), ["Mul", "Relu"], "the rank grows");
    assert_eq!(left(|x| x.pad([0, 0], Padding::Edge)?.relu(), &x), ["Relu"]);
    let minus = traced(|x| x.add(0.0), &x).simplified(&[]).unwrap().traced;
    let zero = minus.call(&Tensor::full([2, 3, 4], -0.0, DType::F32).unwrap()).unwrap().to_vec::<f32>().unwrap();
    assert!(zero.iter().all(|x| x.to_bits() == 0), "−0 + 0 is +0");
}

#[test]
fn layouts_follow_each_other_as_one() {
    let x = random(1, &[2, 3, 4]);
    assert_eq!(left(|x| x.permute(&[1, 0, 2])?.permute(&[2, 0, 1])?.relu(), &x), ["Transpose", "Relu"]);
    assert_eq!(left(|x| x.reshape([6, 4])?.reshape([3, 8])?.relu(), &x), ["Reshape", "Relu"]);
    let one = random(2, &[5, 1, 3, 4]);
    assert_eq!(left(|x| x.permute(&[0, 2, 1, 3])?.reshape([5, 3, 4])?.relu(), &one), ["Reshape", "Relu"], "an axis of size 1 moves");
    assert_eq!(left(|x| x.unsqueeze(0)?.permute(&[1, 0, 2, 3, 4])?.relu(), &one), ["Reshape", "Relu"]);
    assert_eq!(left(|x| x.permute(&[2, 1, 0, 3])?.reshape([3, 5, 4])?.relu(), &one), ["Transpose", "Reshape", "Relu"], "others, too");
    assert_eq!(left(|x| x.cast(DType::F64)?.cast(DType::I64), &x), ["Cast"]);
    assert_eq!(left(|x| Tensor::cat(&[&Tensor::cat(&[&x, &x], 1)?, &x], 1), &x), ["Concat"]);
    assert_eq!(left(|x| x.mul(x.slice(0, ..1)?.expand([2, 3, 4])?), &x), ["Slice", "Mul"]);
}

#[test]
fn zeros_around_a_convolution_are_its_padding() {
    let (x, weight) = (random(1, &[1, 4, 7, 7]), random(2, &[6, 4, 3, 3]));
    let widths = [1, 2, 0, 1].map(crate::Dim::from);
    let conv = |x: Tensor, fill: f64| x.pad(&widths, Padding::Constant(fill.into()))?.conv(&weight, None, Window::dense(2), 1);
    assert_eq!(left(|x| conv(x, 0.0), &x), ["Conv"]);
    assert_eq!(left(|x| conv(x, 1.0), &x), ["Pad", "Conv"]);
}

#[test]
fn what_is_computed_twice_is_computed_once_unless_it_is_random() {
    let x = random(1, &[2, 3]);
    assert_eq!(left(|x| x.exp()?.add(x.exp()?)?.mul(x.exp()?), &x), ["Exp", "Add", "Mul"]);
    let two = |x: Tensor| Tensor::rand([2, 3], DType::F32)?.sub(Tensor::rand([2, 3], DType::F32)?)?.add(x);
    let before = traced(two, &x);
    assert_eq!(operators(&before.simplified(&[]).unwrap().traced), operators(&before));
}

#[test]
fn a_graph_with_a_symbolic_size_is_right_at_every_size() {
    let weight = random(2, &[4, 4]);
    let f = |x: Tensor| {
        let rows = x.dim(0)?;
        x.reshape(&[&rows * 2, 2.into()])?.reshape(&[rows, 4.into()])?.matmul(&weight)?.add(1.0)?.transpose(0, 1)?.transpose(0, 1)
    };
    let before = traced(f, Example::of(&random(1, &[3, 4])).symbolic("x", 0, "n").unwrap());
    let after = before.simplified(&[]).unwrap().traced;
    assert_eq!(operators(&after), ["Gemm"]);
    let x = random(5, &[7, 4]).to_array().unwrap();
    let values = |traced: &Traced| traced.graph().replay(std::slice::from_ref(&x)).unwrap()[0].to_vec::<f32>().unwrap();
    for (a, b) in values(&before).iter().zip(values(&after)) {
        assert!((a - b).abs() < 1e-5, "{a} {b}");
    }
}

#[test]
fn guards_on_values_stay() {
    let x = Tensor::from(Array::vector(vec![1.0f32, 2.0]));
    let f = |x: Tensor| {
        let twice = x.transpose(0, 0)?.mul(1.0)?;
        if twice.sum(.., false)?.item()?.to_f64() > 0.0 { twice.relu() } else { twice.neg() }
    };
    let simple = traced(f, &x).simplified(&[]).unwrap().traced;
    assert_eq!(simple.guards().len(), 1);
    assert_eq!(simple.call(&Tensor::from(&[5.0f32, 5.0])).unwrap_err().code(), crate::ErrorCode::Guard);
}

#[test]
fn skipped_rules_leave_their_nodes() {
    let x = random(1, &[3, 4]);
    let before = traced(|x| x.matmul(&random(2, &[4, 5]))?.add(random(3, &[5])), &x);
    let skipped = [Simplification::Gemm, Simplification::BatchNorm];
    assert_eq!(operators(&before.simplified(&skipped).unwrap().traced), ["MatMul", "Add"]);
}

#[test]
fn what_depends_on_constants_alone_is_computed_where_it_is_small() {
    // A mask of two vectors: larger than its operands.
    let mask = |n: i64| {
        let i = Tensor::from(crate::Array::vector((0..n).map(|i| i as f32).collect::<Vec<_>>()));
        i.reshape([-1, 1])?.expand([n, n])?.sub(i.reshape([1, -1])?)?.abs()?.sqrt()
    };
    assert_eq!(left(|x| x.mul(mask(64)?), &random(1, &[64, 64])), ["Mul"]);
    assert_ne!(left(|x| x.sum(.., false)?.add(mask(1 << 10)?.sum(.., false)?), &random(1, &[2])).len(), 0);
}

#[test]
fn three_products_of_one_value_become_one_and_a_split() {
    let weights: Vec<Tensor> = (0..3).map(|i| named(i, &[8, [4, 4, 6][i as usize]], &format!("w{i}"))).collect();
    let products = |x: Tensor| {
        let parts: Vec<Tensor> = weights.iter().map(|weight| x.matmul(weight)).collect::<Result<_>>()?;
        parts[0].tanh()?.add(&parts[1])?.sum(-1, true)?.add(parts[2].sum(-1, true)?)
    };
    let x = random(7, &[2, 5, 8]);
    let all = left(products, &x);
    assert_eq!(all.iter().filter(|name| ["MatMul", "Split"].contains(name)).count(), 2, "{all:?}");
    // Two products are as few nodes as a product and a Split.
    assert!(!left(|x| x.matmul(&weights[0])?.sub(x.matmul(&weights[1])?), &x).contains(&"Split"));
}

#[test]
fn reshapes_around_a_function_of_single_elements_go() {
    let x = random(1, &[2, 3, 4]);
    assert_eq!(left(|x| x.reshape([6, 4])?.tanh()?.reshape([2, 3, 4])?.exp(), &x), ["Tanh", "Exp"]);
    let weight = random(2, &[4, 6]);
    let split = |x: Tensor| {
        let parts = x.reshape([6, 4])?.matmul(&weight)?.reshape([2, 3, 6])?.split_with_sizes([2, 4], -1)?;
        parts[0].reshape([3, 4])?.sum(.., false)?.add(parts[1].reshape([6, 4])?.sum(.., false)?)
    };
    let all = left(split, &x);
    // The second part has its shape already.
    assert_eq!(all, ["Reshape", "MatMul", "Split", "Reshape", "ReduceSum", "ReduceSum", "Add"]);
}

#[test]
fn zeros_that_only_sums_of_products_use_are_not_added() {
    let (weight, zeros) = (random(2, &[4, 4]), Tensor::zeros([4], DType::F32).unwrap());
    let x = random(1, &[3, 4]);
    assert_eq!(left(|x| x.add(&zeros)?.matmul(&weight), &x), ["MatMul"]);
    assert_eq!(left(|x| x.tanh()?.add(&zeros)?.add(&x)?.matmul(&weight), &x), ["Tanh", "Add", "MatMul"]);
    // 1 / -0 is not 1 / (-0 + 0).
    assert_eq!(left(|x| x.tanh()?.add(&zeros)?.reciprocal(), &x), ["Tanh", "Add", "Reciprocal"]);
}
