//! Branches whose course is chosen at every call, and work on several threads.

use super::harness::{check_sizes, check_trace, f32s, ops, output_values, ramp};
use ontrace::{Array, ErrorCode, Result, Tensor, cond, ops as operations, trace_fn};

/// torch: `if flag: return x else: return torch.zeros_like(x)`, scripted.
fn kept_if(flag: &Tensor, x: &Tensor) -> Result<Tensor> {
    Ok(cond(flag, || Ok(vec![x.clone()]), || Ok(vec![Tensor::zeros(x.shape(), x.dtype())?]))?.remove(0))
}

#[test]
fn t006_a_flag_that_comes_in_chooses_the_branch_at_every_call() -> Result<()> {
    let flag = |truth: bool| Tensor::from(Array::scalar(truth));
    let f = |(x, flag): (Tensor, Tensor)| kept_if(&flag, &x)?.mul(2);
    let traced = check_trace(f, &(f32s(&[1.5, 2.0]), flag(true)), &[(f32s(&[1.5, 2.0]), flag(false)), (f32s(&[0.0, -1.0]), flag(true))])?;
    assert_eq!((ops(&traced), traced.guards().len()), (vec!["If", "Mul"], 0));
    let call = |truth| traced.call_tree::<_, Tensor>(&(f32s(&[3.0, 4.0]), flag(truth)))?.to_vec::<f32>();
    assert_eq!((call(true)?, call(false)?), (vec![6.0, 8.0], vec![0.0, 0.0]));
    Ok(())
}

#[test]
fn t116_work_that_is_forked_and_joined_is_recorded() -> Result<()> {
    let weight = f32s(&[3.0]);
    let scaled = |x: &Tensor| x.mul(&weight);
    let f = |x: Tensor| {
        let (a, (b, c)) = operations::join(|| scaled(&x), || operations::join(|| x.neg(), || x.add(1)));
        a?.add(b?)?.add(c?)
    };
    let traced = check_trace(f, &f32s(&[2.0]), &[f32s(&[5.0])])?;
    // 3x − x + x + 1
    assert_eq!(output_values(&traced, &f32s(&[7.0]))?, [22.0]);
    // A thread of one's own is refused: torch's traced graph loses what is done there.
    let elsewhere = |x: Tensor| std::thread::scope(|scope| scope.spawn(|| x.square()).join().expect("the thread ends"));
    assert_eq!(trace_fn(elsewhere, &f32s(&[3.0])).unwrap_err().code(), ErrorCode::Trace);
    Ok(())
}

#[test]
fn t134_a_branch_on_data_is_kept_and_the_shape_is_known_behind_it() -> Result<()> {
    let f = |x: Tensor| {
        let large = x.sum(.., false)?.gt(10)?;
        let y = cond(&large, || Ok(vec![x.add(1)?]), || Ok(vec![x.sub(1)?]))?.remove(0);
        y.reshape(&[y.dim(0)? * y.dim(1)?])
    };
    let traced = check_sizes(f, &ramp(&[2, 3]), &[ramp(&[2, 2]), ramp(&[3, 4])])?;
    assert_eq!(traced.outputs()[0].1.to_string(), "f32[x_0*x_1]");
    assert_eq!(output_values(&traced, &ramp(&[2, 2]))?, [-1.0, 0.0, 1.0, 2.0]);
    assert_eq!(output_values(&traced, &ramp(&[2, 3]))?, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    Ok(())
}
