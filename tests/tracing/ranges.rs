//! Symbolic sizes whose graph holds on a part of their range: the part becomes a guard, and every size in it is right.

use ontrace::check::CheckOptions;
use ontrace::module::from_fn;
use ontrace::ops::Window;
use ontrace::{DType, ErrorCode, Example, Result, Tensor, Traced, Tracer};

/// The tensor of this shape whose elements count up.
fn counting(shape: &[usize]) -> Tensor {
    Tensor::new(shape, (0..shape.iter().product::<usize>()).map(|i| i as f32 * 0.25 - 1.0).collect::<Vec<f32>>()).unwrap()
}

/// Traces with the axes symbolic, checks at other sizes, and compares the guards.
fn guards(f: impl Fn(Tensor) -> Result<Tensor>, shape: &[usize], axes: &[(i64, &str)], expected: &[&str]) -> Traced {
    let mut example = Example::of(&counting(shape));
    for (axis, symbol) in axes {
        example = example.symbolic("x", *axis, symbol).unwrap();
    }
    let traced = Tracer::new().check(CheckOptions::default()).trace(&from_fn(f), example).unwrap();
    let guards: Vec<String> =
        traced.guards().iter().map(|guard| guard.to_string().split(" at ").next().unwrap_or_default().to_string()).collect();
    assert_eq!(guards, expected);
    traced
}

#[test]
fn a_table_of_positions_is_cut_to_the_length() {
    let table = counting(&[64, 4]);
    let traced = guards(move |x| &x + &table.slice(0, ..x.dim(0)?)?, &[8, 4], &[(0, "seq")], &["seq <= 64"]);
    assert_eq!(traced.outputs()[0].1.shape.to_string(), "[seq,4]");
    let error = ontrace::DynModule::forward(&traced, &[counting(&[65, 4])]).unwrap_err();
    assert_eq!(error.code(), ErrorCode::Guard);
}

#[test]
fn a_causal_mask_is_cut_on_both_axes() {
    let mask = counting(&[1, 1, 32, 32]);
    guards(
        move |x| {
            let n = x.dim(2)?;
            &x + &mask.slice(2, ..&n)?.slice(3, ..&n)?
        },
        &[1, 2, 5, 5],
        &[(2, "seq"), (3, "seq")],
        &["seq <= 32"],
    );
}

#[test]
fn a_cut_of_fixed_size_needs_as_many_elements() {
    guards(|x| &x.slice(1, ..3)? + &counting(&[3]), &[2, 5], &[(1, "n")], &["n >= 3"]);
}

#[test]
fn a_reshape_with_an_inferred_size_needs_a_multiple() {
    let traced = guards(|x| x.reshape((x.dim(0)?, -1, 6)), &[2, 12], &[(0, "n"), (1, "a")], &["a % 6 == 0"]);
    assert_eq!(traced.outputs()[0].1.shape.to_string(), "[n,floor(a/6),6]");
}

#[test]
fn pairs_of_rows_need_an_even_number() {
    guards(|x| x.reshape((x.dim(0)? / 2, 2, -1)), &[6, 3], &[(0, "n")], &["n % 2 == 0"]);
}

#[test]
fn a_quotient_of_windows_is_exact_where_the_windows_are() {
    // Windows of 7 by 1 element, and 14 elements of each put together in pairs: 14·floor(n / 7) elements in rows of 2·floor(n / 7).
    guards(
        |x| {
            let windows = x.dim(0)? / 7;
            let doubled = Tensor::cat(&[&x, &x], 0)?.reshape((&windows, 14))?;
            doubled.reshape((&windows * 2, -1))
        },
        &[21],
        &[(0, "n")],
        &["n % 7 == 0"],
    );
}

#[test]
fn a_residual_branch_needs_a_multiple_of_its_strides() {
    // Halved by a stride, rounded up, and doubled again.
    guards(
        |x| {
            let halved = x.max_pool(&[1, 2], Window::symmetric(&[1, 2], &[0, 0], &[1, 1]), false)?;
            let doubled = Tensor::cat(&[&halved, &halved], 2)?;
            &doubled + &x
        },
        &[1, 1, 8],
        &[(2, "w")],
        &["w % 2 == 0"],
    );
}

#[test]
fn a_shifted_concatenation_needs_no_condition() {
    // x[:, :1] has min(1, n) elements, x[:, 1:] the n - min(1, n) others.
    guards(
        |x| {
            let (first, last) = (x.slice(1, ..1)?, x.slice(1, 1..)?);
            &Tensor::cat(&[&last, &first], 1)? - &x
        },
        &[2, 5],
        &[(1, "n")],
        &[],
    );
}

#[test]
fn windows_of_a_padded_picture_need_no_condition() {
    guards(
        |x| {
            let (n, w) = (x.dim(0)?, x.dim(1)?);
            let padding = (-&w) % 7;
            let padded = Tensor::cat(&[&x, &Tensor::zeros((&n, &padding), DType::F32)?], 1)?;
            let windows = padded.reshape((&n, (&w + &padding) / 7, 7))?.sum(2, false)?;
            let back = windows.unsqueeze(2)?.expand((&n, (&w + &padding) / 7, 7))?.reshape((&n, -1))?;
            &back.slice(1, ..&w)? + &x
        },
        &[2, 10],
        &[(1, "w")],
        &[],
    );
}

#[test]
fn one_size_alone_is_refused() {
    let example = Example::of(&counting(&[3])).symbolic("x", 0, "n").unwrap();
    let error = ontrace::trace(&from_fn(|x: Tensor| &x + &counting(&[3])), example).unwrap_err();
    assert_eq!(error.code(), ErrorCode::Size);
    assert!(error.to_string().contains("`n` and `3` at axis 0"), "{error}");
}

#[test]
fn a_declared_range_decides_what_it_can() {
    let table = counting(&[64, 4]);
    let example = Example::of(&counting(&[8, 4])).symbolic("x", 0, "seq").unwrap().range("seq", 1..=64).unwrap();
    let traced = ontrace::trace(&from_fn(move |x: Tensor| &x + &table.slice(0, ..x.dim(0)?)?), example).unwrap();
    let guards: Vec<String> = traced.guards().iter().map(ToString::to_string).collect();
    assert_eq!(guards, ["seq <= 64", "seq >= 1"]);
}
