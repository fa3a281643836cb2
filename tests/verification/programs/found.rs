//! What random programs have found, as small as it is.

use ontrace::{Array, DType, Dim, DynModule, Example, Result, Tensor, module, record, trace_fn};

#[test]
fn an_output_may_be_given_twice() {
    let x = Tensor::from(&[1.0f32, -2.0]);
    let twice = |x: Tensor| -> Result<(Tensor, Tensor)> {
        let y = x.relu()?;
        Ok((y.clone(), y))
    };
    let model = trace_fn(twice, &x).unwrap().to_model().unwrap();
    let again = ontrace::read::OnnxModule::new(model).unwrap().forward(&[x]).unwrap();
    assert_eq!(again.iter().map(|y| y.to_vec::<f32>().unwrap()).collect::<Vec<_>>(), [[1.0, 0.0], [1.0, 0.0]]);
}

#[test]
fn sizes_divided_by_negative_values_are_rounded_down() {
    // Python: 5 // -2 == -3.
    let x = Tensor::from(&[0.0f32; 5]);
    let divided = module::from_fn(|x: Tensor| Tensor::from_dim(&x.dim(0)?).floor_divide(-2i64));
    let traced = record(&divided, Example::new().input("x", &x).symbolic("x", 0, "n").unwrap()).unwrap();
    assert_eq!(traced.call(&x).unwrap().to_vec::<i64>().unwrap(), [-3]);
    assert_eq!(traced.call(&Tensor::from(&[0.0f32; 8])).unwrap().to_vec::<i64>().unwrap(), [-4]);
}

#[test]
fn the_different_values_of_a_constant_are_known() {
    let x = Tensor::from(&[0.0f32]);
    let table = Tensor::from(&[3i64, 1, 3]);
    let traced = trace_fn(|x: Tensor| x.add(table.unique(None)?.0), &x).unwrap();
    assert_eq!(traced.outputs()[0].1.to_string(), "f32[2]");
    assert_eq!(traced.call(&x).unwrap().to_vec::<f32>().unwrap(), [1.0, 3.0]);
}

#[test]
fn integers_that_an_operator_of_onnx_does_not_take_are_cast() {
    let x = Tensor::new([2, 2], vec![3u8, 1, 2, 15]).unwrap();
    let powers = |x: Tensor| -> Result<Tensor> { x.pow(2i64)?.matmul(&x)?.relu() };
    let model = trace_fn(powers, &x).unwrap().to_model().unwrap();
    let nodes: Vec<String> = model.proto.graph.as_ref().unwrap().node.iter().map(|node| node.op_type.clone()).collect();
    assert_eq!(nodes, ["Cast", "Cast", "Pow", "Cast", "Cast", "Cast", "MatMul", "Cast", "Identity"]);
    // [[9, 1], [4, 225]] · [[3, 1], [2, 15]] = [[29, 24], [462, 3379]], modulo 256.
    let again = ontrace::read::OnnxModule::new(model).unwrap().call(&x).unwrap();
    assert_eq!(again.to_vec::<u8>().unwrap(), [29, 24, 206, 51]);
}

#[test]
fn windows_are_rounded_up_only_where_one_hangs_over() {
    // Windows of 1, two apart, over 4: the third would begin where nothing is left.
    let window = || ontrace::ops::Window::symmetric(&[2], &[0], &[1]);
    let x = Tensor::new([1, 1, 4], vec![1.0f32, 2.0, 3.0, 4.0]).unwrap();
    let ceil = |taps: usize, length: usize| {
        let x = x.narrow(2, 0, length).unwrap();
        let model = trace_fn(|x: Tensor| x.max_pool(&[taps], window(), true), &x).unwrap().to_model().unwrap();
        model.proto.graph.unwrap().node[0].attribute.iter().any(|attribute| attribute.name == "ceil_mode")
    };
    assert!(!ceil(1, 4) && !ceil(2, 4) && ceil(2, 3));
}

#[cfg(feature = "tract")]
fn in_a_session(f: impl Fn(Tensor) -> Result<Tensor>, x: &Tensor) -> Vec<f64> {
    trace_fn(f, x).unwrap().session().unwrap().call(x).unwrap().to_array().unwrap().to_f64s().unwrap()
}

#[cfg(feature = "tract")]
#[test]
fn what_is_far_from_0_stays_finite_in_a_session() {
    let x = Tensor::from(&[0.0f32, 496.0]);
    assert_eq!(in_a_session(|x| x.log_softmax(0), &x), [-496.0, 0.0]);
    let y = in_a_session(|x| x.softplus(1.0, 20.0), &x);
    assert!((y[0] - std::f64::consts::LN_2).abs() < 1e-6 && y[1] == 496.0, "{y:?}");
}

#[cfg(feature = "tract")]
#[test]
fn a_softmax_is_taken_before_values_of_it_are_skipped() {
    let x = Tensor::from(&[-0.5f32, 1.0, 0.0]);
    let example = Example::new().input("x", &x).symbolic("x", 0, "n").unwrap();
    let every_other = module::from_fn(|x: Tensor| x.softmax(0)?.slice_step(0, .., -2));
    let y = record(&every_other, example).unwrap().session().unwrap().call(&x).unwrap().to_vec::<f32>().unwrap();
    // exp(0) and exp(-0.5) over the sum of all three.
    let sum = 1f32.exp() + 1.0 + (-0.5f32).exp();
    assert!((y[0] - 1.0 / sum).abs() < 1e-6 && (y[1] - (-0.5f32).exp() / sum).abs() < 1e-6, "{y:?}");
}

#[cfg(feature = "tract")]
#[test]
fn doubles_stay_doubles_in_a_session() {
    let values: Vec<f64> = (0..6).map(|i| 0.1 * f64::from(i * i)).collect();
    let x = Tensor::from(Array::new(&[1, 2, 3], values).unwrap());
    let to_8: &dyn Fn(Tensor) -> Result<Tensor> = &|x| x.upsample(&[Dim::Fixed(8)], "linear", true, &[]);
    let normal: &dyn Fn(Tensor) -> Result<Tensor> = &|x| x.instance_norm(None, None, 0.01);
    let variance: &dyn Fn(Tensor) -> Result<Tensor> = &|x| x.var(.., 0.0, false);
    for f in [to_8, normal, variance] {
        let expected = f(x.clone()).unwrap().to_array().unwrap().to_f64s().unwrap();
        for (got, expected) in in_a_session(f, &x).iter().zip(&expected) {
            assert!((got - expected).abs() < 1e-12, "{got}, expected {expected}");
        }
    }
}

#[cfg(feature = "tract")]
#[test]
fn a_sum_of_halves_is_rounded_once_in_a_session() {
    // 2048 and 1: a half has no 2049, so that a sum in halves never leaves 2048.
    let values: Vec<f64> = (0..65).map(|i| if i == 0 { 2048.0 } else { 1.0 }).collect();
    let x = Tensor::from(Array::vector(values)).cast(DType::F16).unwrap();
    assert_eq!(in_a_session(|x| x.sum(.., false), &x), [2112.0]);
}

#[cfg(feature = "tract")]
#[test]
fn a_slice_backwards_to_an_index_that_depends_on_data_ends_there() {
    let every_other = module::from_fn(|x: Tensor| {
        let (_, _, counts) = x.unique(None)?;
        counts.slice_step(0, counts.dim(0)? - 1i64..Dim::from(0), -2)
    });
    let example = Example::new().input("x", &Tensor::from(&[9i64, 0, 7, -9, 6, -1])).symbolic("x", 0, "n").unwrap();
    let session = record(&every_other, example).unwrap().session().unwrap();
    for (x, expected) in [(&[9i64, 0, 7, -9, 6, -1][..], 3), (&[-7, -5, 4], 1)] {
        assert_eq!(session.run(&[Array::vector(x.to_vec())]).unwrap()[0].shape(), [expected]);
    }
    assert!(session.explain().iter().all(|line| !line.contains("all nodes")), "{:?}", session.explain());
}
