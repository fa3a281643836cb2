//! Branches and loops do what they do eagerly, whatever course the trace saw: replayed, in tract's plan, and in ONNX Runtime.

use crate::exported::save;
use ontrace::nn::{Linear, Weights};
use ontrace::{
    Array, DType, Dim, DynModule, ErrorCode, Example, Module, Outputs, Result, Tensor, Traced, cond, fori_loop, map, scan, trace,
    while_loop,
};

/// A function of tensors as a module.
struct Net<F>(F);

impl<F: Fn(&[Tensor]) -> Result<Vec<Tensor>>> DynModule for Net<F> {
    fn forward(&self, inputs: &[Tensor]) -> Result<Outputs> {
        (self.0)(inputs).map(Outputs::from)
    }
}

fn net<F: Fn(&[Tensor]) -> Result<Vec<Tensor>>>(f: F) -> Net<F> {
    Net(f)
}

/// Inputs `x0`, `x1` …, of which these axes have any size.
fn example(inputs: &[Array], symbolic: &[(usize, i64, &str)]) -> Example {
    let named = |i: usize| format!("x{i}");
    let all = inputs.iter().enumerate();
    let example = all.fold(Example::new(), |example, (i, x)| example.input(&named(i), &Tensor::from(x.clone())));
    symbolic.iter().fold(example, |example, &(i, axis, name)| example.symbolic(&named(i), axis, name).unwrap())
}

fn close(what: &str, got: &[Array], expected: &[Array]) {
    assert_eq!(got.len(), expected.len(), "{what}");
    for (got, expected) in got.iter().zip(expected) {
        assert_eq!((got.dtype(), got.shape()), (expected.dtype(), expected.shape()), "{what}");
        for (a, b) in got.to_f64s().unwrap().into_iter().zip(expected.to_f64s().unwrap()) {
            assert!((a - b).abs() <= 1e-4 + 1e-4 * b.abs(), "{what}: {got}, expected {expected}");
        }
    }
}

/// Traced on the first of these calls; every call is compared with its values: eager, replayed, in a session, read back. The files are left
/// for ONNX Runtime.
fn agrees(name: &str, module: &impl DynModule, symbolic: &[(usize, i64, &str)], calls: &[(Vec<Array>, Vec<Array>)]) -> Traced {
    let traced = trace(module, example(&calls[0].0, symbolic)).unwrap_or_else(|error| panic!("{name}: {error:?}"));
    let again = ontrace::read::OnnxModule::new(traced.to_model().unwrap()).unwrap();
    #[cfg(feature = "tract")]
    let session = traced.session().unwrap();
    for (i, (inputs, expected)) in calls.iter().enumerate() {
        let tensors: Vec<Tensor> = inputs.iter().cloned().map(Tensor::from).collect();
        let run = |what: &str, module: &dyn DynModule| {
            let what = format!("{name}, call {i}, {what}");
            let outputs = module.forward(&tensors).unwrap_or_else(|error| panic!("{what}: {error:?}"));
            close(&what, &outputs.iter().map(|x| x.to_array().unwrap()).collect::<Vec<_>>(), expected);
        };
        run("eager", module);
        run("replayed", &traced);
        run("read back", &again);
        #[cfg(feature = "tract")]
        run("in a session", &session);
        // ONNX Runtime refuses a Scan of no steps.
        let steps = |node: &ontrace::graph::Node| node.op.name() != "Scan" || !inputs[0].is_empty();
        if traced.graph().nodes().iter().all(steps) {
            save(&traced.to_model().unwrap(), &format!("flow_{name}.{i}"), inputs, expected);
        }
    }
    #[cfg(feature = "tract")]
    {
        let said = session.explain();
        let ours = |line: &String| line.contains("(If)") || line.contains("(Loop)") || line.contains("(Scan)");
        assert!(said.iter().any(ours), "{name}: {said:?}");
        assert!(!said.iter().any(|line| line.starts_with("all nodes")), "{name} is not in tract's plan: {said:?}");
    }
    traced
}

fn f32s(shape: &[usize], values: Vec<f32>) -> Array {
    Array::new(shape, values).unwrap()
}

/// Values between −1 and 1 that repeat late.
fn wave(shape: &[usize]) -> Array {
    f32s(shape, (0..shape.iter().product::<usize>()).map(|i| (i as f32 * 0.7).sin()).collect())
}

#[test]
fn a_branch_that_the_trace_did_not_take_is_right() {
    let f = net(|inputs| {
        let x = &inputs[0];
        cond(&x.sum(.., false)?.gt(10.0)?, || Ok(vec![x.mul(0.5)?]), || Ok(vec![x.add(1.0)?]))
    });
    let call = |x: [f32; 2], y: [f32; 2]| (vec![f32s(&[2], x.to_vec())], vec![f32s(&[2], y.to_vec())]);
    agrees("cond", &f, &[], &[call([1.0, 2.0], [2.0, 3.0]), call([30.0, 4.0], [15.0, 2.0]), call([5.0, 5.0], [6.0, 6.0])]);
}

#[test]
fn branches_of_other_sizes_give_a_size_that_depends_on_data() {
    let f = net(|inputs| {
        let x = &inputs[0];
        let chosen = cond(&x.sum(.., false)?.gt(0.0)?, || Ok(vec![x.clone()]), || Ok(vec![Tensor::cat(&[x, x], 0)?]))?;
        Ok(vec![chosen[0].mul(2.0)?, chosen[0].sum(.., false)?])
    });
    let call =
        |x: &[f32], y: &[f32], sum: f32| (vec![f32s(&[x.len()], x.to_vec())], vec![f32s(&[y.len()], y.to_vec()), f32s(&[], vec![sum])]);
    let calls = [
        call(&[1.0, 2.0], &[2.0, 4.0], 3.0),
        call(&[-1.0, -2.0], &[-2.0, -4.0, -2.0, -4.0], -6.0),
        call(&[-1.0, 0.5, 0.0], &[-2.0, 1.0, 0.0, -2.0, 1.0, 0.0], -1.0),
    ];
    agrees("cond_lengths", &f, &[(0, 0, "n")], &calls);
}

/// h ← h / 2 + x, and all of them.
fn smoothed(rows: &[Vec<f32>], width: usize) -> (Vec<f32>, Vec<f32>) {
    let (mut h, mut all) = (vec![0f32; width], vec![]);
    for row in rows {
        h.iter_mut().zip(row).for_each(|(h, x)| *h = *h / 2.0 + x);
        all.extend_from_slice(&h);
    }
    (h, all)
}

fn rows(x: &Array) -> Vec<Vec<f32>> {
    let width = x.shape()[1];
    x.to_vec::<f32>().unwrap().chunks(width.max(1)).map(<[f32]>::to_vec).collect()
}

#[test]
fn a_scan_does_as_many_steps_as_there_are() {
    let f = net(|inputs| {
        let zero = Tensor::zeros([2], DType::F32)?;
        let (last, all) = scan(vec![zero], &inputs[..1], |h, x| {
            let h = h[0].mul(0.5)?.add(&x[0])?;
            Ok((vec![h.clone()], vec![h]))
        })?;
        Ok(vec![last[0].clone(), all[0].clone()])
    });
    let call = |steps: usize| {
        let x = wave(&[steps, 2]);
        let (last, all) = smoothed(&rows(&x), 2);
        (vec![x], vec![f32s(&[2], last), f32s(&[steps, 2], all)])
    };
    let traced = agrees("scan", &f, &[(0, 0, "steps")], &[3, 1, 9, 200, 0].map(call));
    assert_eq!(traced.graph().nodes().iter().map(|node| node.op.name()).collect::<Vec<_>>(), ["Scan"]);
}

#[test]
fn a_map_takes_as_many_rows_as_there_are() {
    let f = net(|inputs| {
        let scale = &inputs[1];
        map(&inputs[..1], |row| Ok(vec![row[0].mul(scale)?.sum(.., false)?]))
    });
    let call = |steps: usize| {
        let x = wave(&[steps, 3]);
        let sums = rows(&x).iter().map(|row| row.iter().sum::<f32>() * 2.0).collect();
        (vec![x, f32s(&[], vec![2.0])], vec![f32s(&[steps], sums)])
    };
    agrees("map", &f, &[(0, 0, "rows")], &[3, 1, 9, 200, 0].map(call));
}

#[test]
fn a_loop_iterates_as_often_as_the_data_says() {
    let f = net(|inputs| {
        let (n, x) = (&inputs[0], &inputs[1]);
        let zero = Tensor::from(Array::scalar(0i64));
        let state = while_loop(&zero.lt(n)?, vec![zero, x.clone()], |state| {
            let i = state[0].add(1)?;
            Ok((i.lt(n)?, vec![i, state[1].mul(0.5)?.add(1.0)?]))
        })?;
        Ok(vec![state[1].clone()])
    });
    // x ← x / 2 + 1 has the fixed point 2.
    let call = |n: i64| {
        let y = |x: f64| ((x - 2.0) * 0.5f64.powi(n as i32) + 2.0) as f32;
        (vec![Array::scalar(n), f32s(&[2], vec![10.0, -3.0])], vec![f32s(&[2], vec![y(10.0), y(-3.0)])])
    };
    agrees("while", &f, &[], &[3, 1, 9, 200, 0].map(call));
}

#[test]
fn a_counted_loop_iterates_as_often_as_a_tensor_or_a_size_says() {
    let f = net(|inputs| {
        let one = || vec![Tensor::from(Array::scalar(1.0f32))];
        let product = |i: &Tensor, state: &[Tensor]| Ok(vec![state[0].mul(i.add(1)?.cast(DType::F32)?)?]);
        let (by_tensor, by_length) = (fori_loop(&inputs[0], one(), product)?, fori_loop(&inputs[1].dim(0)?, one(), product)?);
        Ok(vec![by_tensor[0].clone(), by_length[0].clone()])
    });
    let factorial = |n: i64| Array::scalar((1..=n).map(|i| i as f32).product::<f32>());
    let call = |(n, length): (i64, usize)| (vec![Array::scalar(n), wave(&[length, 2])], vec![factorial(n), factorial(length as i64)]);
    agrees("fori", &f, &[(1, 0, "n")], &[(3, 2), (0, 1), (9, 5), (-4, 0)].map(call));
}

#[test]
fn a_state_may_grow_from_iteration_to_iteration() {
    let f = net(|inputs| {
        let (n, x) = (&inputs[0], &inputs[1]);
        let grown = fori_loop(n, vec![x.clone()], |i, state| {
            let next = state[0].narrow(0, state[0].dim(0)? - 1i64, 1i64)?.add(i.cast(DType::F32)?)?;
            Ok(vec![Tensor::cat(&[&state[0], &next], 0)?])
        })?;
        Ok(vec![grown[0].mul(2.0)?])
    });
    let call = |n: i64| {
        let mut values = vec![1.0f32, 5.0];
        for i in 0..n {
            values.push(values[values.len() - 1] + i as f32);
        }
        let doubled: Vec<f32> = values.iter().map(|x| 2.0 * x).collect();
        (vec![Array::scalar(n), f32s(&[2], vec![1.0, 5.0])], vec![f32s(&[doubled.len()], doubled)])
    };
    agrees("grow", &f, &[], &[3, 1, 9, 200, 0].map(call));
}

#[test]
fn a_carry_of_a_scan_may_grow_too() {
    let f = net(|inputs| {
        let (all, sums) = scan(vec![inputs[1].clone()], &inputs[..1], |seen, x| {
            let seen = Tensor::cat(&[&seen[0], &x[0].reshape([1])?], 0)?;
            Ok((vec![seen.clone()], vec![seen.sum(.., false)?]))
        })?;
        Ok(vec![all[0].clone(), sums[0].clone()])
    });
    let call = |n: usize| {
        let x = wave(&[n]);
        let mut all = vec![0.5f32];
        all.extend(x.to_vec::<f32>().unwrap());
        let sums = (1..=n).map(|i| all[..=i].iter().sum()).collect();
        (vec![x, f32s(&[1], vec![0.5])], vec![f32s(&[n + 1], all), f32s(&[n], sums)])
    };
    agrees("scan_grow", &f, &[(0, 0, "n")], &[3, 1, 9, 0].map(call));
}

#[test]
fn loops_hold_branches_and_branches_hold_loops() {
    // Halved while above 1, for each row on its own; negative rows are scaled.
    let f = net(|inputs| {
        map(&inputs[..1], |row| {
            let x = &row[0];
            cond(
                &x.gt(0.0)?,
                || {
                    let state = while_loop(&x.gt(1.0)?, vec![x.clone()], |state| {
                        let half = state[0].mul(0.5)?;
                        Ok((half.gt(1.0)?, vec![half]))
                    })?;
                    Ok(vec![state[0].clone()])
                },
                || Ok(vec![x.mul(&inputs[1])?]),
            )
        })
    });
    let call = |x: &[f32]| {
        let halved =
            |&x: &f32| if x > 0.0 { std::iter::successors(Some(x), |x| Some(x / 2.0)).find(|x| *x <= 1.0).unwrap() } else { 3.0 * x };
        (vec![f32s(&[x.len()], x.to_vec()), f32s(&[], vec![3.0])], vec![f32s(&[x.len()], x.iter().map(halved).collect())])
    };
    let calls = [call(&[3.0, -1.0, 0.25]), call(&[-7.0]), call(&[1000.0, 5.0, -5.0, 1.5, 1.0, 64.0])];
    agrees("nested", &f, &[(0, 0, "rows")], &calls);
}

#[test]
fn a_body_uses_parameters_modules_and_sizes_from_outside() {
    let weights = Weights::seeded(3);
    let (inner, outer) = (Linear::new(&weights.at("cell"), 4, 4).unwrap(), Linear::new(&weights.at("head"), 4, 2).unwrap());
    // Steps, batch, width: the batch is an outer size that the state has too.
    let f = net(move |inputs| {
        let x = &inputs[0];
        let batch = x.dim(1)?;
        let start = Tensor::zeros([batch.clone(), Dim::Fixed(4)], DType::F32)?;
        let (last, _) = scan(vec![start], &inputs[..1], |h, x| {
            let bias = Tensor::ones([batch.clone(), Dim::Fixed(1)], DType::F32)?;
            Ok((vec![inner.forward(&h[0].add(&x[0])?)?.add(&bias)?.tanh()?], vec![]))
        })?;
        Ok(vec![outer.forward(&last[0])?])
    });
    // The recurrence written out on rows, with the layers' own values.
    let values = |name: &str| {
        let seeded = Weights::seeded(3);
        let (layer, leaf) = name.split_once('.').unwrap();
        let rows = if layer == "cell" { 4 } else { 2 };
        let layer = Linear::new(&seeded.at(layer), 4, rows).unwrap();
        let zero = layer.forward(&Tensor::zeros([1, 4], DType::F32).unwrap()).unwrap().to_vec::<f32>().unwrap();
        if leaf == "bias" {
            return zero;
        }
        // Column i of the matrix is what the i-th unit vector gives beyond the bias.
        let units: Vec<f32> = (0..16).map(|i| if i % 5 == 0 { 1.0 } else { 0.0 }).collect();
        let images = layer.forward(&Tensor::new([4, 4], units).unwrap()).unwrap().to_vec::<f32>().unwrap();
        images.iter().enumerate().map(|(i, y)| y - zero[i % zero.len()]).collect()
    };
    let (w, b, v, c) = (values("cell.weight"), values("cell.bias"), values("head.weight"), values("head.bias"));
    let linear = |x: &[f32], w: &[f32], b: &[f32]| -> Vec<f32> {
        (0..b.len()).map(|j| b[j] + (0..4).map(|i| x[i] * w[i * b.len() + j]).sum::<f32>()).collect()
    };
    let call = |(steps, batch): (usize, usize)| {
        let x = wave(&[steps, batch, 4]);
        let flat = x.to_vec::<f32>().unwrap();
        let row = |n: usize| {
            let mut h = vec![0f32; 4];
            for step in 0..steps {
                let sum: Vec<f32> = (0..4).map(|i| h[i] + flat[(step * batch + n) * 4 + i]).collect();
                h = linear(&sum, &w, &b).iter().map(|y| (y + 1.0).tanh()).collect();
            }
            linear(&h, &v, &c)
        };
        let y = (0..batch).flat_map(row).collect();
        (vec![x], vec![f32s(&[batch, 2], y)])
    };
    let traced = agrees("module", &f, &[(0, 0, "steps"), (0, 1, "batch")], &[(3, 2), (1, 1), (9, 5), (200, 3)].map(call));
    let parameters: Vec<&str> = traced.parameters().iter().map(|parameter| parameter.0).collect();
    assert!(parameters.contains(&"head.bias") && parameters.contains(&"cell.weight"), "{parameters:?}");
    let model = traced.to_model().unwrap();
    assert!(model.initializer("cell.weight").is_some(), "{model}");
}

#[test]
fn a_state_that_changes_its_kind_is_refused_with_its_line() {
    let f = net(|inputs| fori_loop(&inputs[0], vec![inputs[1].clone()], |_, state| Ok(vec![state[0].cast(DType::F64)?])));
    let error = trace(&f, example(&[Array::scalar(2i64), f32s(&[2], vec![1.0, 2.0])], &[])).unwrap_err();
    assert_eq!(error.code(), ErrorCode::Argument);
    assert!(error.message().contains("is initially f32[2] and later f64[2]"), "{error}");
    assert!(format!("{error}").contains("control_flow.rs"), "{error}");
    let f = net(|inputs| {
        let x = &inputs[0];
        cond(&x.sum(.., false)?.gt(0.0)?, || Ok(vec![x.clone()]), || Ok(vec![x.cast(DType::I64)?]))
    });
    let error = trace(&f, example(&[f32s(&[2], vec![1.0, 2.0])], &[])).unwrap_err();
    assert!(format!("{error}").contains("control_flow.rs") && error.message().contains("and i64[2]"), "{error}");
}

#[test]
fn a_number_that_a_body_reads_is_a_guard() {
    let f = net(|inputs| {
        let (scale, x) = (&inputs[0], &inputs[1]);
        scan(vec![x.clone()], &inputs[1..], |carry, _| {
            let constant = scale.item()?.to_f64();
            Ok((vec![carry[0].mul(constant)?], vec![]))
        })
        .map(|(carry, _)| carry)
    });
    let traced = ontrace::record(&f, example(&[Array::scalar(2.0f32), f32s(&[2], vec![1.0, 2.0])], &[])).unwrap();
    assert_eq!(traced.guards().len(), 1, "{:?}", traced.guards());
    assert!(traced.guards()[0].to_string().contains("control_flow.rs"), "{}", traced.guards()[0]);
}

#[test]
#[cfg(feature = "tract")]
fn many_threads_run_loops_of_one_session() {
    let f = net(|inputs| {
        let zero = Tensor::zeros([2], DType::F32)?;
        scan(vec![zero], &inputs[..1], |h, x| Ok((vec![h[0].mul(0.5)?.add(&x[0])?], vec![]))).map(|(carry, _)| carry)
    });
    let traced = trace(&f, example(&[wave(&[3, 2])], &[(0, 0, "steps")])).unwrap();
    for threads in [1, 2] {
        let session = ontrace::runtime::Session::builder().threads(threads).build(&traced.to_model().unwrap()).unwrap();
        std::thread::scope(|scope| {
            for steps in [1usize, 9, 200] {
                let session = &session;
                scope.spawn(move || {
                    for _ in 0..20 {
                        let x = wave(&[steps, 2]);
                        let (last, _) = smoothed(&rows(&x), 2);
                        close("threads", &session.run(&[x]).unwrap(), &[f32s(&[2], last)]);
                    }
                });
            }
        });
    }
}
