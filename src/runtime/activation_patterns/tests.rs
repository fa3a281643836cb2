//! Formulas as exporters write them: one node of the plan each, that answers what the formula does.

use crate::array::Tolerance;
use crate::ops::Window;
use crate::runtime::noise;
use crate::runtime::plan_counts::plan_counts;
use crate::{Result, Tensor};
use std::f64::consts::{FRAC_1_SQRT_2, PI, SQRT_2};

/// How many operators of these names stand in the plan of a function.
fn counts<const N: usize>(f: impl Fn(Tensor) -> Result<Tensor>, x: &Tensor, names: [&str; N]) -> [usize; N] {
    plan_counts(f, x, Tolerance { abs: 1e-6, rel: 1e-5 }, names)
}

fn is_one_node(f: impl Fn(Tensor) -> Result<Tensor>) -> bool {
    let left = counts(f, &noise(&[3, 50], 1), ["ontrace.Activation", "Mul", "Add", "Erf", "Tanh", "Sigmoid", "Silu", "Gelu"]);
    left == [1, 0, 0, 0, 0, 0, 0, 0]
}

fn tanh_of(x: &Tensor) -> Result<Tensor> {
    x.add(x.mul(x)?.mul(x)?.mul(0.044715)?)?.mul((2.0 / PI).sqrt())?.tanh()
}

#[test]
fn gelu_is_one_node_however_it_is_written() {
    assert!(is_one_node(|x| x.gelu(false)));
    assert!(is_one_node(|x| x.mul(x.div(SQRT_2)?.erf()?.add(1.0)?)?.mul(0.5)));
    assert!(is_one_node(|x| x.mul(x.mul(FRAC_1_SQRT_2)?.erf()?.add(1.0)?.mul(0.5)?)));
    assert!(is_one_node(|x| x.mul(FRAC_1_SQRT_2)?.erf()?.add(1.0)?.mul(x.mul(0.5)?)));
}

#[test]
fn gelu_by_tanh_is_one_node_however_it_is_written() {
    assert!(is_one_node(|x| x.gelu(true)));
    assert!(is_one_node(|x| x.mul(0.5)?.mul(tanh_of(&x)?.add(1.0)?)));
    assert!(is_one_node(|x| x.mul(0.5)?.mul(x.add(x.pow(3.0)?.mul(0.044715)?)?.mul((2.0 / PI).sqrt())?.tanh()?.add(1.0)?)));
    assert!(is_one_node(|x| {
        let inner = x.mul(0.797_884_56)?.mul(x.mul(0.044715)?.mul(&x)?.add(1.0)?)?;
        x.mul(0.5)?.mul(inner.tanh()?.add(1.0)?)
    }));
}

#[test]
fn the_formula_of_a_scalar_is_one_node_that_hands_nan_on() {
    let scalar = noise(&[], 1);
    assert_eq!(counts(|x| x.gelu(true), &scalar, ["ontrace.Activation", "Tanh", "Mul"]), [1, 0, 0]);
    // torch: gelu(−∞) is −∞ · 0.
    let traced = crate::trace::record(&crate::module::from_fn(|x: Tensor| x.gelu(true)), crate::Example::from(&scalar)).unwrap();
    let y = traced.session().unwrap().run(&[crate::Array::scalar(f32::NEG_INFINITY)]).unwrap();
    assert!(y[0].to_vec::<f32>().unwrap()[0].is_nan());
}

#[test]
fn a_value_times_its_sigmoid_is_one_node() {
    assert!(is_one_node(|x| x.silu()));
    assert!(is_one_node(|x| x.sigmoid()?.mul(&x)));
    assert!(!is_one_node(|x| x.mul(1.702)?.sigmoid()?.mul(&x)));
}

#[test]
fn a_formula_with_another_number_stays() {
    let erf = |x: &Tensor, scale: f64, half: f64, one: f64| x.mul(half)?.mul(x.mul(scale)?.erf()?.add(one)?);
    assert!(is_one_node(|x| erf(&x, FRAC_1_SQRT_2, 0.5, 1.0)));
    assert!(!is_one_node(|x| erf(&x, 0.7, 0.5, 1.0)));
    assert!(!is_one_node(|x| erf(&x, FRAC_1_SQRT_2, 0.25, 1.0)));
    assert!(!is_one_node(|x| erf(&x, FRAC_1_SQRT_2, 0.5, 1.5)));
    assert!(!is_one_node(|x| x.mul(0.5)?.mul(x.add(1.0)?.mul(FRAC_1_SQRT_2)?.erf()?.add(1.0)?)));
}

#[test]
fn a_step_that_something_else_uses_stays_as_well() {
    let x = noise(&[3, 50], 1);
    let f = |x: Tensor| {
        let erf = x.mul(FRAC_1_SQRT_2)?.erf()?;
        x.mul(0.5)?.mul(erf.add(1.0)?)?.add(erf)
    };
    assert_eq!(counts(f, &x, ["ontrace.Activation"]), [0]);
}

#[test]
fn an_activation_becomes_part_of_the_product_or_the_convolution_before_it() {
    let (x, w, bias) = (noise(&[5, 20], 1), noise(&[20, 70], 2), noise(&[70], 3));
    let left = |f: &dyn Fn(&Tensor) -> Result<Tensor>| {
        counts(|x| f(&x.matmul(&w)?.add(&bias)?), &x, ["ontrace.Product", "ontrace.Activation", "Add", "Mul"])
    };
    assert_eq!(left(&|y| y.gelu(false)), [1, 0, 0, 0]);
    assert_eq!(left(&|y| y.gelu(true)), [1, 0, 0, 0]);
    assert_eq!(left(&|y| y.silu()), [1, 0, 0, 0]);
    // What is added after it is no bias.
    assert_eq!(left(&|y| y.gelu(false)?.add(&bias)), [1, 0, 1, 0]);
    let (x, w) = (noise(&[2, 3, 9, 8], 1), noise(&[6, 3, 3, 3], 2));
    let conv = |x: Tensor| x.conv(&w, None, Window::symmetric(&[1, 1], &[1, 1], &[1, 1]), 1)?.gelu(false);
    assert_eq!(counts(conv, &x, ["ontrace.Conv", "ontrace.Activation", "Mul"]), [1, 0, 0]);
}
