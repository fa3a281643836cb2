//! Each rule on a small network: what stands in the plan, and that it answers what the program does.

use crate::array::{Tolerance, compare};
use crate::ops::Window;
use crate::runtime::plan_counts::plan_counts;
use crate::runtime::{Session, noise};
use crate::{Array, Example, Result, Tensor, trace, trace_fn};

fn same(kernel: usize) -> Window {
    Window::symmetric(&[1, 1], &[kernel / 2, kernel / 2], &[1, 1])
}

/// How many operators of these names stand in the plan of a function.
fn counts<const N: usize>(f: impl Fn(Tensor) -> Result<Tensor>, x: &Tensor, names: [&str; N]) -> [usize; N] {
    plan_counts(f, x, Tolerance { abs: 1e-5, rel: 1e-5 }, names)
}

fn agree(session: &Session, f: &impl Fn(Tensor) -> Result<Tensor>, x: &Tensor) {
    let got = session.run(&[x.to_array().unwrap()]).unwrap();
    assert!(!session.runs_without_tract(), "{:?}", session.explain());
    let expected = f(x.clone()).unwrap().to_array().unwrap();
    let comparison = compare(&got[0], &expected, Tolerance { abs: 1e-5, rel: 1e-5 }).unwrap();
    assert!(comparison.agrees, "{comparison:?}");
}

fn batch_norm(x: &Tensor, channels: usize) -> Result<Tensor> {
    let variance = noise(&[channels], 23).mul(noise(&[channels], 23))?;
    x.batch_norm(Some(&noise(&[channels], 20)), Some(&noise(&[channels], 21)), &noise(&[channels], 22), &variance, 1e-3)
}

const WHAT: [&str; 4] = ["ontrace.Conv", "ontrace.Pool", "Move", "Add"];

#[test]
fn what_follows_a_convolution_becomes_part_of_it() {
    let (x, w, bias) = (noise(&[2, 3, 9, 8], 1), noise(&[6, 3, 3, 3], 2), noise(&[6], 3));
    let conv = |x: &Tensor| x.conv(&w, Some(&bias), same(3), 1);
    let only_conv = |f: &dyn Fn(Tensor) -> Result<Tensor>| counts(f, &x, ["ontrace.Conv", "Add", "Mul", "Max", "Sigmoid"]);
    assert_eq!(only_conv(&|x| conv(&x)), [1, 0, 0, 0, 0]);
    assert_eq!(only_conv(&|x| batch_norm(&conv(&x)?, 6)?.relu()), [1, 0, 0, 0, 0]);
    assert_eq!(only_conv(&|x| batch_norm(&conv(&x)?, 6)?.silu()), [1, 0, 0, 0, 0]);
    assert_eq!(only_conv(&|x| batch_norm(&x.conv(&w, None, same(3), 1)?, 6)?.hard_swish()), [1, 0, 0, 0, 0]);
    assert_eq!(only_conv(&|x| conv(&x)?.clamp(Some(0.0.into()), Some(6.0.into()))), [1, 0, 0, 0, 0]);
    assert_eq!(only_conv(&|x| conv(&x)?.leaky_relu(0.1)), [1, 0, 0, 0, 0]);
}

#[test]
fn a_residual_sum_is_added_before_the_activation() {
    let (x, w, v) = (noise(&[2, 6, 9, 8], 1), noise(&[6, 6, 3, 3], 2), noise(&[6, 6, 1, 1], 3));
    let block = |x: Tensor| {
        let y = x.conv(&w, None, same(3), 1)?.relu()?;
        y.conv(&w, None, same(3), 1)?.add(&x.conv(&v, None, Window::dense(2), 1)?)?.relu()
    };
    assert_eq!(counts(block, &x, ["ontrace.Conv", "Add", "Max"]), [3, 0, 0]);
    let plain = |x: Tensor| x.conv(&w, None, same(3), 1)?.add(&x);
    assert_eq!(counts(plain, &x, ["ontrace.Conv", "Add"]), [1, 0]);
}

#[test]
fn what_is_used_twice_is_no_part_of_a_convolution() {
    let (x, w) = (noise(&[1, 6, 5, 5], 1), noise(&[6, 6, 3, 3], 2));
    let twice = |x: Tensor| {
        let y = x.conv(&w, None, same(3), 1)?;
        y.relu()?.add(y.sigmoid()?)
    };
    assert_eq!(counts(twice, &x, ["ontrace.Conv", "Add"]), [1, 1]);
    let outputs = |x: Tensor| {
        let y = x.conv(&w, None, same(3), 1)?;
        Ok((y.clone(), y.relu()?))
    };
    let got = trace_fn(outputs, &x).unwrap().session().unwrap().run(&[x.to_array().unwrap()]).unwrap();
    assert!(got[0].to_vec::<f32>().unwrap().iter().any(|&y| y < 0.0) && got[1].to_vec::<f32>().unwrap().iter().all(|&y| y >= 0.0));
}

#[test]
fn operators_between_convolutions_need_no_transposition() {
    let (x, w, v) = (noise(&[2, 3, 12, 12], 1), noise(&[8, 3, 3, 3], 2), noise(&[4, 8, 1, 1], 3));
    let depthwise = noise(&[8, 1, 3, 3], 4);
    let network = |x: Tensor| {
        let y = x.conv(&w, None, same(3), 1)?.max_pool(&[3, 3], Window::symmetric(&[2, 2], &[1, 1], &[1, 1]), false)?;
        let gate = y.mean([2, 3], true)?.sigmoid()?;
        let y = y.mul(gate)?.conv(&depthwise, None, same(3), 8)?.mul(noise(&[8, 1, 1], 5))?;
        let (a, b) = (y.conv(&v, None, Window::dense(2), 1)?, y.conv(&v, None, Window::dense(2), 1)?.tanh()?);
        Tensor::cat(&[&a, &b], 1)?.mean([2, 3], false)
    };
    let [convolutions, pools, moves, _] = counts(network, &x, WHAT);
    assert_eq!((convolutions, pools), (4, 1));
    // The image, and the means.
    assert!(moves <= 3, "{moves} axes are moved");
}

#[test]
fn a_gate_of_each_channel_is_one_product() {
    let (x, w, v) = (noise(&[2, 3, 6, 7], 1), noise(&[20, 3, 3, 3], 2), noise(&[20, 20, 1, 1], 3));
    let squeeze = |x: Tensor| {
        let y = x.conv(&w, None, same(3), 1)?;
        y.mul(y.mean([2, 3], true)?.conv(&v, None, Window::dense(2), 1)?.sigmoid()?)
    };
    assert_eq!(counts(squeeze, &x, ["ontrace.Conv", "ontrace.Scale"]), [2, 1]);
}

#[test]
fn what_is_left_of_each_channel_is_reduced_where_it_lies() {
    let (x, w) = (noise(&[2, 3, 9, 70], 1), noise(&[37, 3, 1, 1], 2));
    let conv = |x: &Tensor| x.conv(&w, None, Window::dense(2), 1);
    let left = |f: &dyn Fn(&Tensor) -> Result<Tensor>| counts(|x| f(&conv(&x)?), &x, ["ontrace.Reduce", "Reduce<"]);
    for kept in [false, true] {
        assert_eq!(left(&|y| y.mean([2, 3], kept)), [1, 0]);
        assert_eq!(left(&|y| y.sum([-1, -2], kept)), [1, 0]);
        assert_eq!(left(&|y| y.norm(2.0, [2, 3], kept)), [1, 0]);
    }
    assert_eq!(left(&|y| y.adaptive_average_pool([1, 1])), [1, 0]);
    // One axis is another matter, and so are the channels.
    assert_eq!(left(&|y| y.mean([2], true))[0], 0);
    assert_eq!(left(&|y| y.mean([1, 2, 3], true))[0], 0);
    let traced = trace_fn(|x: Tensor| conv(&x)?.mean([2, 3], false), &noise(&[2, 3, 60, 60], 1)).unwrap();
    let (one, two) = (traced.session().unwrap(), Session::builder().threads(2).build_traced(&traced).unwrap());
    let x = noise(&[2, 3, 60, 60], 5).to_array().unwrap();
    assert_eq!(one.run(std::slice::from_ref(&x)).unwrap(), two.run(&[x]).unwrap());
}

#[test]
fn pools_of_every_kind_agree() {
    let (x, w) = (noise(&[2, 3, 11, 10], 1), noise(&[37, 3, 1, 1], 2));
    let window = Window::symmetric(&[2, 3], &[1, 1], &[1, 1]);
    for ceil in [false, true] {
        let f = |x: Tensor| x.conv(&w, None, Window::dense(2), 1)?.max_pool(&[3, 3], window.clone(), ceil);
        assert_eq!(counts(f, &x, ["ontrace.Conv", "ontrace.Pool"]), [1, 1]);
    }
    for padding in [false, true] {
        let f = |x: Tensor| x.conv(&w, None, Window::dense(2), 1)?.average_pool(&[3, 3], window.clone(), false, padding);
        assert_eq!(counts(f, &x, ["ontrace.Conv", "ontrace.Pool"]), [1, 1]);
    }
}

#[test]
fn a_network_that_moves_its_channels_itself_is_not_moved_again() {
    let (x, depthwise, w) = (noise(&[1, 8, 6, 6], 1), noise(&[8, 1, 7, 7], 2), noise(&[8, 8], 3));
    let block = |x: Tensor| {
        let y = x.conv(&depthwise, None, same(7), 8)?.permute(&[0, 2, 3, 1])?.matmul(&w)?;
        x.add(y.permute(&[0, 3, 1, 2])?)?.conv(&depthwise, None, same(7), 8)
    };
    let [convolutions, _, moves, _] = counts(block, &x, WHAT);
    assert_eq!(convolutions, 2);
    assert!(moves <= 2, "{moves} axes are moved");
}

#[test]
fn channels_that_are_divided_shuffled_and_joined_are_moved_once() {
    let (x, w, v) = (noise(&[2, 3, 9, 8], 1), noise(&[12, 3, 3, 3], 2), noise(&[6, 6, 1, 1], 3));
    let shuffle = |x: &Tensor, groups: usize| {
        let [n, c, h, w] = [0, 1, 2, 3].map(|axis| x.dims()[axis].clone());
        let divided = x.reshape(&[n.clone(), groups.into(), (12 / groups).into(), h.clone(), w.clone()])?;
        divided.transpose(1, 2)?.reshape(&[n, c, h, w])
    };
    let half = |x: Tensor| Ok::<_, crate::Error>((x.narrow(1, 0, 6)?, x.narrow(1, 6, 6)?));
    let unit = |x: Tensor, groups: usize| {
        let (a, b) = half(x)?;
        shuffle(&Tensor::cat(&[&a, &b.conv(&v, None, Window::dense(2), 1)?], 1)?, groups)
    };
    let names = ["ontrace.SelectChannels", "Concat", "Move", "Slice"];
    let shuffled = |x: Tensor| unit(unit(x.conv(&w, None, same(3), 1)?, 2)?, 3)?.conv(&noise(&[4, 12, 1, 1], 4), None, Window::dense(2), 1);
    let [selections, joined, moves, slices] = counts(shuffled, &x, names);
    assert_eq!((selections, joined, slices), (3, 0, 0));
    // The result.
    assert!(moves <= 1, "{moves} axes are moved");
    // A network that hands everything on: what grows is read as a whole, and an activation is part of a normalisation.
    let dense = |x: Tensor| {
        let mut all = vec![x.conv(&w, None, same(3), 1)?];
        for i in 0..3 {
            let joined = Tensor::cat(&all.iter().collect::<Vec<_>>(), 1)?;
            let channels = 12 + 5 * i;
            let y = batch_norm(&joined, channels)?.relu()?;
            all.push(y.conv(&noise(&[5, channels, 1, 1], 30 + i as u64), None, Window::dense(2), 1)?);
        }
        Tensor::cat(&all.iter().collect::<Vec<_>>(), 1)
    };
    assert_eq!(counts(dense, &x, ["ontrace.SelectChannels", "ontrace.Normalise", "Max"]), [3, 3, 0]);
    // What is divided and joined again was never moved.
    let same_again = |x: Tensor| {
        let (a, b) = half(x.conv(&w, None, same(3), 1)?)?;
        Tensor::cat(&[&a, &b], 1)?.conv(&noise(&[4, 12, 1, 1], 4), None, Window::dense(2), 1)
    };
    assert_eq!(counts(same_again, &x, names)[..2], [0, 0]);
}

#[test]
fn every_size_of_window_groups_and_axes_agrees() {
    let window = |strides: [usize; 2], pads: [usize; 2], dilations: [usize; 2]| Window::symmetric(&strides, &pads, &dilations);
    for (i, (weight, window, groups)) in [
        ([5, 4, 3, 3], window([2, 1], [0, 2], [1, 2]), 1),
        ([8, 1, 5, 3], window([1, 2], [2, 1], [1, 1]), 4),
        ([4, 1, 3, 3], window([2, 2], [1, 1], [2, 1]), 4),
        ([12, 4, 1, 1], window([2, 2], [0, 0], [1, 1]), 1),
        ([70, 4, 2, 2], window([1, 1], [1, 1], [3, 3]), 1),
        ([4, 1, 7, 7], window([1, 1], [6, 6], [1, 1]), 4),
        // The last elements are seen by no window: with the zeros before them an image is as large as without.
        ([5, 4, 3, 4], window([4, 3], [1, 0], [1, 1]), 1),
        ([8, 2, 3, 4], window([4, 3], [1, 0], [1, 1]), 2),
    ]
    .into_iter()
    .enumerate()
    {
        let (x, w) = (noise(&[3, 4, 11, 10], 10 + i as u64), noise(&weight, 20 + i as u64));
        let f = |x: Tensor| x.conv(&w, None, window.clone(), groups);
        agree(&trace_fn(f, &x).unwrap().session().unwrap(), &f, &x);
    }
    let (x, w) = (noise(&[2, 16, 30], 1), noise(&[16, 8, 3], 2));
    let f = |x: Tensor| x.conv(&w, None, Window::symmetric(&[1], &[1], &[1]), 2);
    assert_eq!(counts(f, &x, ["ontrace.Conv"]), [1]);
    let (x, w) = (noise(&[1, 3, 4, 5, 6], 1), noise(&[4, 3, 2, 3, 2], 2));
    let f = |x: Tensor| x.conv(&w, None, Window::symmetric(&[1, 2, 1], &[1, 0, 1], &[1, 1, 2]), 1);
    assert_eq!(counts(f, &x, ["ontrace.Conv"]), [1]);
}

#[test]
fn one_model_takes_images_of_every_size() {
    let w = noise(&[6, 3, 3, 3], 2);
    let f = |x: Tensor| x.conv(&w, None, same(3), 1)?.relu();
    let x = noise(&[2, 3, 8, 8], 1);
    let example =
        Example::new().input("x", &x).symbolic("x", 0, "n").unwrap().symbolic("x", 2, "h").unwrap().symbolic("x", 3, "w").unwrap();
    let session = trace(&crate::module::from_fn(f), example).unwrap().session().unwrap();
    for size in [[1, 3, 8, 8], [2, 3, 5, 17], [4, 3, 1, 1]] {
        agree(&session, &f, &noise(&size, 7));
    }
}

#[test]
fn nan_and_threads_do_not_get_lost() {
    let (w, depthwise) = (noise(&[40, 16, 3, 3], 2), noise(&[40, 1, 3, 3], 3));
    let f =
        |x: Tensor| x.conv(&w, None, same(3), 1)?.relu()?.conv(&depthwise, None, same(3), 40)?.clamp(Some(0.0.into()), Some(6.0.into()));
    let x = noise(&[2, 16, 64, 60], 1);
    let traced = trace_fn(f, &x).unwrap();
    let (one, two) = (traced.session().unwrap(), Session::builder().threads(2).build_traced(&traced).unwrap());
    let x = x.to_array().unwrap();
    assert_eq!(one.run(std::slice::from_ref(&x)).unwrap(), two.run(&[x]).unwrap());
    let nan = Array::full(crate::DType::F32, &[2, 16, 64, 60], f64::NAN.into());
    assert!(one.run(&[nan]).unwrap()[0].to_vec::<f32>().unwrap().iter().all(|y| y.is_nan()));
}

#[test]
fn a_convolution_by_transformed_filters_keeps_what_is_infinite_where_it_stands() {
    let (w, bias) = (noise(&[40, 33, 3, 3], 2), noise(&[40], 3));
    let f = |x: Tensor| x.conv(&w, Some(&bias), same(3), 1)?.add(&x.narrow(1, 0, 1)?)?.silu();
    let x = noise(&[2, 33, 15, 14], 1);
    let session = trace_fn(f, &x).unwrap().session().unwrap();
    let mut values = x.to_array().unwrap().to_vec::<f32>().unwrap();
    for strange in [0.5, f32::NAN, f32::INFINITY] {
        values[7000] = strange;
        let x = Array::new(&[2, 33, 15, 14], values.clone()).unwrap();
        let expected = f(Tensor::from(x.clone())).unwrap().to_array().unwrap();
        let got = session.run(&[x]).unwrap();
        let finite = expected.to_vec::<f32>().unwrap().iter().filter(|y| y.is_finite()).count();
        assert_eq!(finite == expected.len(), strange == 0.5);
        // 297 products of numbers around 1 in f32, in another order.
        let comparison = compare(&got[0], &expected, Tolerance { abs: 297.0 * 4e-7, rel: 0.0 }).unwrap();
        assert!(comparison.agrees, "{strange}: {comparison:?}");
    }
}
