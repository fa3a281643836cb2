//! Operations one by one: what is traced of them, and that it gives the same values.

use super::harness::{check_module, check_sizes, check_trace, f32s, normal, ops, output_values, ramp, written};
use ontrace::nn::{Conv2d, ConvOptions, Linear, MaxPool2d, Weights};
use ontrace::ops::seeded;
use ontrace::trace::Diagnostic;
use ontrace::{Array, DType, DynModule, Example, Module, Result, Tensor, Tree, module, trace_fn};

#[test]
fn t001_a_hundred_and_thirty_rows_taken_apart_join_again() -> Result<()> {
    let x = normal(1, &[130, 4]);
    let apart = |x: Tensor| {
        let rows = (0..130).map(|i| x.select(0, i)?.mul(i).map(|row| row.unsqueeze(0))?).collect::<Result<Vec<_>>>()?;
        Tensor::cat(&rows.iter().collect::<Vec<_>>(), 0)
    };
    let traced = check_trace(apart, &x, &[normal(2, &[130, 4])])?;
    let y = output_values(&traced, &Tensor::ones([130, 4], DType::F32)?)?;
    assert_eq!(y, (0..130).flat_map(|i| [i as f32; 4]).collect::<Vec<_>>());
    Ok(())
}

#[test]
fn t002_a_tensor_made_inside_is_an_output_and_noted_as_always_the_same() -> Result<()> {
    let traced = check_trace(|x: Tensor| Ok((x.add(1)?, f32s(&[0.0]))), &f32s(&[2.0]), &[f32s(&[3.0])])?;
    let (y, zero): (Tensor, Tensor) = traced.call_tree(&f32s(&[5.0]))?;
    assert_eq!((y.to_vec::<f32>()?, zero.to_vec::<f32>()?), (vec![6.0], vec![0.0]));
    assert!(traced.notes().contains(&Diagnostic::ConstantOutput("y_1".to_string())), "{:?}", traced.notes());
    Ok(())
}

#[test]
fn t003_sigmoid_of_tanh_of_a_sum_of_products() -> Result<()> {
    let f = |(x, y): (Tensor, Tensor)| x.mul(x.add(&y)?)?.tanh()?.sigmoid();
    let traced = check_trace(f, &(f32s(&[0.4]), f32s(&[0.7])), &[(f32s(&[-1.0]), f32s(&[0.25]))])?;
    assert_eq!(ops(&traced), ["Add", "Mul", "Tanh", "Sigmoid"]);
    let y: Tensor = traced.call_tree(&(f32s(&[0.4]), f32s(&[0.7])))?;
    let expected = 1.0 / (1.0 + (-(0.4f64 * 1.1).tanh()).exp());
    assert!((f64::from(y.to_vec::<f32>()?[0]) - expected).abs() < 1e-6);
    Ok(())
}

#[test]
fn t010_how_many_are_the_largest_is_an_input() -> Result<()> {
    // The k largest are the first k of what is sorted; how many columns that leaves depends on the number that comes in.
    let largest = |(x, k): (Tensor, Tensor)| {
        let (values, _) = x.sort(1, true)?;
        let columns = Tensor::arange(0, &x.dim(1)?, 1, DType::I64)?;
        values.index_select(1, &columns.lt(&k)?.nonzero()?.reshape([-1])?)
    };
    let k = |k: i64| Tensor::from(Array::scalar(k));
    let x = Tensor::new([2, 4], vec![3f32, 9.0, 1.0, 5.0, 2.0, 8.0, 7.0, 4.0])?;
    let traced = check_trace(largest, &(x.clone(), k(2)), &[(x.clone(), k(3)), (x.clone(), k(1))])?;
    assert!(traced.guards().is_empty());
    let three: Tensor = traced.call_tree(&(x, k(3)))?;
    assert_eq!(three.to_vec::<f32>()?, [9.0, 5.0, 3.0, 8.0, 7.0, 4.0]);
    Ok(())
}

#[test]
fn t011_a_dtype_is_taken_from_another_tensor() -> Result<()> {
    let f = |(x, y): (Tensor, Tensor)| x.cast(y.dtype());
    let y = Tensor::from(&[0i64]);
    let traced = check_trace(f, &(f32s(&[1.75, -1.75]), y.clone()), &[(f32s(&[2.5, -0.5]), y.clone())])?;
    // As in torch, a float becomes a whole number towards zero.
    assert_eq!(traced.call_tree::<_, Tensor>(&(f32s(&[2.5, -0.5]), y))?.to_vec::<i64>()?, [2, 0]);
    Ok(())
}

#[test]
fn t012_rows_are_picked_by_an_index_tensor() -> Result<()> {
    let index = |i: &[i64]| Tensor::from(i);
    let f = |(x, i): (Tensor, Tensor)| x.index(&[Some(&i)]);
    let traced = check_trace(f, &(ramp(&[3, 2]), index(&[0, 2])), &[(ramp(&[3, 2]), index(&[1, 1]))])?;
    assert_eq!(traced.call_tree::<_, Tensor>(&(ramp(&[3, 2]), index(&[2, 1])))?.to_vec::<f32>()?, [4.0, 5.0, 2.0, 3.0]);
    Ok(())
}

#[test]
fn t013_a_constant_index_takes_one_row() -> Result<()> {
    let traced = check_trace(|x: Tensor| x.select(0, 0), &ramp(&[3, 2]), &[normal(1, &[3, 2])])?;
    assert_eq!(output_values(&traced, &ramp(&[3, 2]).add(7)?)?, [7.0, 8.0]);
    Ok(())
}

#[test]
fn t015_each_number_of_the_program_is_one_constant_of_the_file() -> Result<()> {
    let f = |x: Tensor| x.add(4)?.sub(1)?.mul(4)?.div(3)?.add(1);
    let traced = check_trace(f, &f32s(&[5.0]), &[f32s(&[-2.0])])?;
    let model = traced.to_model()?;
    let constants: Vec<f64> = model.initializers.iter().flat_map(|(_, array)| array.to_f64s().unwrap()).collect();
    // 4 and 1 are used twice, and stand there once.
    assert_eq!(constants, [4.0, 1.0, 3.0]);
    assert_eq!(output_values(&traced, &f32s(&[2.0]))?, [(2.0 + 4.0 - 1.0) * 4.0 / 3.0 + 1.0]);
    Ok(())
}

#[test]
fn t016_a_literal_inside_is_the_same_at_every_call() -> Result<()> {
    let f = |x: Tensor| x.matmul(&Tensor::new([2, 2], vec![2f32, 0.0, 0.0, 3.0])?);
    let traced = check_trace(f, &ramp(&[2, 2]), &[normal(3, &[2, 2])])?;
    assert_eq!(output_values(&traced, &Tensor::ones([2, 2], DType::F32)?)?, [2.0, 3.0, 2.0, 3.0]);
    assert!(
        matches!(&traced.notes()[..], [Diagnostic::ConstantFolded { bytes: 16, location, .. }] if location.line.starts_with("tests/tracing/tracer/values.rs:"))
    );
    Ok(())
}

#[test]
fn t017_a_double_number_leaves_single_precision_as_it_is() -> Result<()> {
    let f = |_: Tensor| Tensor::ones([1], DType::F32)?.mul(-10000.0);
    let traced = check_trace(f, &f32s(&[1.0]), &[])?;
    assert_eq!((traced.outputs()[0].1.dtype, output_values(&traced, &f32s(&[0.0]))?), (DType::F32, vec![-10000.0]));
    let half = check_trace(|x: Tensor| x.mul(0.1), &f32s(&[1.0]).cast(DType::F16)?, &[])?;
    assert_eq!(half.outputs()[0].1.dtype, DType::F16);
    Ok(())
}

#[test]
fn t018_two_additions_one_after_the_other_stay_two_in_their_order() -> Result<()> {
    let f = |x: Tensor| {
        let mut y = x.clone();
        y = y.add(2)?;
        y = y.add(3)?;
        Ok(y)
    };
    let traced = check_trace(f, &f32s(&[0.0]), &[f32s(&[1.0])])?;
    assert_eq!(ops(&traced), ["Add", "Add"]);
    let second = |i: usize| traced.graph().label(traced.graph().nodes()[i].inputs[1].expect("an operand"));
    assert_eq!((second(0), second(1)), ("2.0".to_string(), "3.0".to_string()));
    Ok(())
}

#[test]
fn t032_casts_that_change_nothing_leave_nothing_behind() -> Result<()> {
    let none = check_trace(|x: Tensor| x.cast(DType::F32)?.cast(x.dtype()), &f32s(&[1.5]), &[])?;
    assert_eq!(ops(&none), [""; 0]);
    let bytes = check_trace(|x: Tensor| x.cast(DType::U8), &f32s(&[1.5, 255.0]), &[f32s(&[3.0, 7.9])])?;
    assert_eq!((ops(&bytes), bytes.call(&f32s(&[3.0, 7.9]))?.to_vec::<u8>()?), (vec!["Cast"], vec![3, 7]));
    let there_and_back = check_trace(|x: Tensor| x.cast(DType::I32)?.cast(DType::F32), &f32s(&[1.5]), &[f32s(&[-2.5])])?;
    assert_eq!((ops(&there_and_back), output_values(&there_and_back, &f32s(&[-2.5]))?), (vec!["Cast", "Cast"], vec![-2.0]));
    Ok(())
}

#[test]
fn t035_random_values_follow_the_shape_and_are_those_of_the_program() -> Result<()> {
    let noisy = |x: Tensor| Tensor::randn(x.shape(), DType::F32)?.mul(2.0)?.add(10.0);
    let x = Tensor::zeros([100, 20], DType::F32)?;
    let example = Example::of(&x).symbolic("x", 0, "n")?;
    let traced = ontrace::trace(&module::from_fn(noisy), example)?;
    let other = Tensor::zeros([400, 20], DType::F32)?;
    let sampled = output_values(&traced, &other)?;
    assert_eq!(sampled, seeded(0, || noisy(other))?.to_vec::<f32>()?);
    let count = sampled.len() as f64;
    let mean = sampled.iter().map(|&x| f64::from(x)).sum::<f64>() / count;
    let variance = sampled.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / count;
    // Eight thousand values around 10 with deviation 2: both are this near but once in a million times.
    assert!(count == 8000.0 && (mean - 10.0).abs() < 0.11 && (variance - 4.0).abs() < 0.32, "{mean} {variance}");
    assert!(matches!(traced.notes()[..], [Diagnostic::Random { .. }]));
    Ok(())
}

#[test]
fn t036_ones_of_a_size_that_may_differ_are_made_at_every_call() -> Result<()> {
    let f = |x: Tensor| Tensor::ones(x.shape(), DType::F32)?.add(&x);
    let any = check_sizes(f, &ramp(&[2, 2]), &[ramp(&[3, 5])])?;
    assert!(written(&any)?.contains(&"ConstantOfShape".to_string()));
    assert_eq!(output_values(&any, &ramp(&[1, 3]))?, [1.0, 2.0, 3.0]);
    // Of one size they are values like any others.
    let fixed = check_trace(f, &ramp(&[2, 2]), &[])?;
    assert_eq!(written(&fixed)?, ["Add"]);
    Ok(())
}

#[test]
fn t054_a_convolution_with_its_parameters() -> Result<()> {
    let weights = Weights::from_map([
        ("conv.weight", Array::full(DType::F32, &[5, 3, 3, 3], 0.5.into())),
        ("conv.bias", Array::vector(vec![0f32, 1.0, 2.0, 3.0, 4.0])),
    ]);
    let conv = Conv2d::new(&weights.at("conv"), 3, 5, [3, 3], ConvOptions::default())?;
    let traced = check_module(&conv, Example::of(&normal(1, &[2, 3, 8, 8])), &[normal(2, &[2, 3, 8, 8])])?;
    assert_eq!((ops(&traced), traced.parameters().len()), (vec!["Conv"], 2));
    // Of ones: half of 3 · 3 · 3, and the bias of the channel.
    let y = traced.call(&Tensor::ones([2, 3, 8, 8], DType::F32)?)?;
    assert_eq!(y.shape().example(), Some(vec![2, 5, 6, 6]));
    assert_eq!(y.select(0, 1)?.select(1, 5)?.select(1, 5)?.to_vec::<f32>()?, [13.5, 14.5, 15.5, 16.5, 17.5]);
    Ok(())
}

#[test]
fn t055_the_largest_of_each_window_and_two() -> Result<()> {
    let f = |x: Tensor| MaxPool2d::new([2, 2]).forward(&x)?.add(2);
    let traced = check_trace(f, &normal(1, &[1, 3, 4, 4]), &[normal(2, &[1, 3, 4, 4])])?;
    let y = output_values(&traced, &ramp(&[1, 3, 4, 4]))?;
    assert_eq!(y[..4], [7.0, 9.0, 15.0, 17.0]);
    Ok(())
}

#[test]
fn t057_one_tensor_given_twice_is_two_inputs() -> Result<()> {
    let x = f32s(&[1.0, 2.0]);
    let traced = check_trace(|(a, b): (Tensor, Tensor)| a.add(b.mul(10)?), &(x.clone(), x.clone()), &[(f32s(&[3.0, 4.0]), x.clone())])?;
    assert_eq!(traced.inputs().len(), 2);
    assert_eq!(traced.call_tree::<_, Tensor>(&(x, f32s(&[5.0, 6.0])))?.to_vec::<f32>()?, [51.0, 62.0]);
    Ok(())
}

#[test]
fn t058_one_value_given_twice_is_two_outputs() -> Result<()> {
    let f = |x: Tensor| {
        let z = x.add(1)?;
        Ok((z.clone(), z))
    };
    let traced = check_trace(f, &f32s(&[1.0]), &[f32s(&[2.0])])?;
    assert_eq!(ops(&traced), ["Add"]);
    let names: Vec<String> = traced.to_model()?.proto.graph.unwrap_or_default().output.into_iter().map(|output| output.name).collect();
    assert_eq!(names, ["y_0", "y_1"]);
    Ok(())
}

#[test]
fn t063_inputs_given_back_in_another_order_and_some_not_at_all() -> Result<()> {
    type Four = (Tensor, Tensor, Tensor, Tensor);
    let f = |(a, b, c, _): Four| Ok((b.clone(), a, c.mul(2)?, b));
    let four = |n: f32| (f32s(&[n]), f32s(&[n + 1.0]), f32s(&[n + 2.0]), f32s(&[n + 3.0]));
    let traced = check_trace(f, &four(0.0), &[four(10.0)])?;
    let out: Four = traced.call_tree(&four(20.0))?;
    let values = out.leaves().iter().map(Tensor::to_vec::<f32>).collect::<Result<Vec<_>>>()?;
    assert_eq!(values, [[21.0], [20.0], [44.0], [21.0]]);
    assert!(traced.notes().contains(&Diagnostic::UnusedInput("x_3".to_string())));
    Ok(())
}

#[cfg(feature = "tract")]
#[test]
fn t064_the_optimiser_keeps_swapped_and_unused_inputs_apart() -> Result<()> {
    let f = |(a, b, _): (Tensor, Tensor, Tensor)| Ok((b.add(0)?, a.mul(1)?, a.mul(&b)?.sub(a.mul(&b)?)?.add(&a)?));
    let three = |n: f32| (f32s(&[n, n]), f32s(&[n + 1.0, n]), f32s(&[n]));
    let traced = check_trace(f, &three(0.0), &[three(10.0)])?;
    let session = traced.session()?;
    let (a, b) = (Array::vector(vec![7f32, 8.0]), Array::vector(vec![5f32, 6.0]));
    let out = session.run(&[a, b, Array::vector(vec![1f32])])?;
    assert_eq!(out.iter().map(|y| y.to_vec::<f32>()).collect::<Result<Vec<_>>>()?, [[5.0, 6.0], [7.0, 8.0], [7.0, 8.0]]);
    Ok(())
}

#[test]
fn t069_a_cast_says_a_dtype_and_no_device() -> Result<()> {
    let traced = check_trace(|x: Tensor| x.cast(DType::F16), &f32s(&[1.0, 1e6]), &[f32s(&[0.1, 2.0])])?;
    let node = traced.to_model()?.proto.graph.unwrap_or_default().node.remove(0);
    assert_eq!(node.attribute.iter().map(|attribute| attribute.name.as_str()).collect::<Vec<_>>(), ["to"]);
    // The largest half is 65504.
    let y = traced.call(&f32s(&[1.0, 1e6]))?;
    assert_eq!((y.dtype(), y.to_array()?.to_f64s().unwrap()), (DType::F16, vec![1.0, f64::INFINITY]));
    Ok(())
}

#[test]
fn t077_what_is_only_handed_on_leaves_no_node() -> Result<()> {
    let traced = check_trace(|x: Tensor| x.clone().add(x.clone()), &f32s(&[1.0]), &[f32s(&[4.0])])?;
    assert_eq!(written(&traced)?, ["Add"]);
    Ok(())
}

#[test]
fn t089_a_program_without_inputs() -> Result<()> {
    let traced = check_trace(|(): ()| Tensor::arange(0, 5, 1, DType::F32), &(), &[()])?;
    assert_eq!((traced.inputs().len(), traced.forward(&[])?[0].to_vec::<f32>()?), (0, vec![0.0, 1.0, 2.0, 3.0, 4.0]));
    Ok(())
}

#[test]
fn t112_memory_order_is_no_part_of_a_traced_graph() -> Result<()> {
    // An array that is transposed in memory only, and a program that transposes.
    let x = ramp(&[2, 3]);
    let transposed = x.transpose(0, 1)?;
    let traced = check_trace(|x: Tensor| x.transpose(0, 1)?.reshape([-1]), &x, &[normal(1, &[2, 3])])?;
    assert_eq!(output_values(&traced, &x)?, [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
    let plain = check_trace(|x: Tensor| x.add(0), &transposed, &[ramp(&[3, 2])])?;
    assert_eq!(output_values(&plain, &transposed)?, [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
    Ok(())
}

#[test]
fn t114_the_complement_of_bytes_and_of_truth() -> Result<()> {
    let bytes = |values: &[u8]| Tensor::from(values);
    let traced = check_sizes(|x: Tensor| x.bitwise_not(), &bytes(&[0, 1, 250]), &[bytes(&[255, 3])])?;
    assert_eq!((ops(&traced), traced.call(&bytes(&[255, 3]))?.to_vec::<u8>()?), (vec!["BitwiseNot"], vec![0, 252]));
    let truth = check_trace(|x: Tensor| x.bitwise_not(), &Tensor::from(&[true, false]), &[Tensor::from(&[true, true])])?;
    assert_eq!(ops(&truth), ["Not"]);
    Ok(())
}

#[test]
fn t150_a_linear_layer_is_one_node() -> Result<()> {
    let weights = Weights::from_map([
        ("weight", Array::new(&[2, 3], (0..6).map(|n| n as f32).collect())?),
        ("bias", Array::vector(vec![10f32, 20.0])),
    ]);
    let linear = Linear::new(&weights, 3, 2)?;
    let traced = check_module(&linear, Example::of(&normal(1, &[4, 3])), &[normal(2, &[4, 3])])?;
    assert_eq!(written(&traced)?, ["Gemm"]);
    let fixed = trace_fn(|x: Tensor| linear.forward(&x), &ramp(&[1, 3]))?;
    assert_eq!(output_values(&fixed, &f32s(&[1.0, 1.0, 1.0]).unsqueeze(0)?)?, [13.0, 32.0]);
    Ok(())
}
