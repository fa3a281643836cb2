//! For the tests of this folder: what stands in the plan of a function, and that it answers what the function does.

use super::{Session, shapes};
use crate::array::{Tolerance, compare};
use crate::{Result, Tensor, trace_fn};

/// How many operators whose names contain these stand in the plan of a function, which answers what the function does within the tolerance, and to
/// the bit the same on two threads.
pub(super) fn plan_counts<const N: usize>(
    f: impl Fn(Tensor) -> Result<Tensor>,
    x: &Tensor,
    tolerance: Tolerance,
    names: [&str; N],
) -> [usize; N] {
    let traced = trace_fn(&f, x).unwrap();
    let (one, two) = (traced.session().unwrap(), Session::builder().threads(2).build_traced(&traced).unwrap());
    let inputs = [x.to_array().unwrap()];
    let operators = one.compile(&shapes(&inputs)).unwrap().operators();
    let (got, expected) = (one.run(&inputs).unwrap(), f(x.clone()).unwrap().to_array().unwrap());
    assert!(!one.runs_without_tract(), "{:?}", one.explain());
    let comparison = compare(&got[0], &expected, tolerance).unwrap();
    assert!(comparison.agrees, "{comparison:?}");
    assert_eq!(two.run(&inputs).unwrap(), got);
    names.map(|name| operators.iter().filter(|operator| operator.contains(name)).count())
}
