//! Sizes that the program computes with: the traced graph follows them at every size.

use super::harness::{check_module, check_sizes, check_with, f32s, normal, output_values, ramp, written};
use ontrace::{DType, Dim, DynModule, ErrorCode, Example, Result, Tensor, Tracer, module};

#[test]
fn t021_an_empty_tensor_that_is_filled_follows_the_shape() -> Result<()> {
    let f = |x: Tensor| Tensor::full(x.shape(), 7, x.dtype());
    let traced = check_sizes(f, &ramp(&[10, 15]), &[ramp(&[9, 13])])?;
    assert_eq!(output_values(&traced, &ramp(&[2, 3]))?, [7.0; 6]);
    Ok(())
}

#[test]
fn t022_an_empty_tensor_that_is_zeroed_follows_the_shape() -> Result<()> {
    let f = |x: Tensor| Tensor::zeros(x.shape(), x.dtype());
    let traced = check_sizes(f, &ramp(&[10, 15]), &[ramp(&[9, 13])])?;
    assert_eq!(traced.call(&ramp(&[3, 0]))?.shape().example(), Some(vec![3, 0]));
    Ok(())
}

/// torch: `x.view(x.shape[1] * 2, x.size(0), 2)`.
fn viewed(x: &Tensor) -> Result<Tensor> {
    x.reshape(&[x.dim(1)? * 2, x.dim(0)?, Dim::from(2)])
}

#[test]
fn t023_a_view_of_sizes_that_are_computed() -> Result<()> {
    let x = ramp(&[5, 2, 4]);
    let example = Example::of(&x).symbolic("x", 0, "a")?.symbolic("x", 1, "b")?;
    let traced = check_module(&module::from_fn(|x: Tensor| viewed(&x)), example, &[ramp(&[9, 7, 4])])?;
    assert_eq!(traced.declaration().to_string(), "main(x: f32[a,b,4]) -> (y: f32[2*b,a,2])");
    assert_eq!(traced.call(&ramp(&[4, 5, 4]))?.shape().example(), Some(vec![10, 4, 2]));
    Ok(())
}

#[test]
fn t024_the_same_view_between_other_operations() -> Result<()> {
    let f = |x: Tensor| viewed(&x.mul(2)?)?.sum(0, false);
    let x = ramp(&[5, 2, 4]);
    let example = Example::of(&x).symbolic("x", 0, "a")?.symbolic("x", 1, "b")?;
    let traced = check_module(&module::from_fn(f), example, &[ramp(&[9, 7, 4])])?;
    // All values, twice.
    let y = output_values(&traced, &ramp(&[3, 2, 4]))?;
    assert_eq!((y.len(), y.iter().sum::<f32>()), (6, (0..24).sum::<i32>() as f32 * 2.0));
    Ok(())
}

#[test]
fn t025_the_number_of_elements_may_be_returned() -> Result<()> {
    let f = |x: Tensor| Ok((Tensor::from_dim(&x.numel()), x.mul(&x.numel())?));
    let traced = check_sizes(f, &ramp(&[2, 3]), &[ramp(&[4, 5]), ramp(&[0, 3])])?;
    let (count, scaled): (Tensor, Tensor) = traced.call_tree(&ramp(&[3, 2]))?;
    assert_eq!((count.rank(), count.to_vec::<i64>()?, scaled.to_vec::<f32>()?[1]), (0, vec![6], 6.0));
    Ok(())
}

#[test]
fn t026_ranges_over_sizes_values_and_inputs() -> Result<()> {
    let over_a_length = check_sizes(|x: Tensor| Tensor::arange(0, &x.dim(0)?, 1, DType::I64), &ramp(&[5, 3]), &[ramp(&[8, 2])])?;
    assert_eq!(over_a_length.call(&ramp(&[4, 1]))?.to_vec::<i64>()?, [0, 1, 2, 3]);
    let of_a_number = check_sizes(|_: Tensor| Tensor::arange(0, 12, 1, DType::I64), &ramp(&[5]), &[ramp(&[8])])?;
    assert_eq!(of_a_number.call(&ramp(&[1]))?.to_vec::<i64>()?, (0..12).collect::<Vec<i64>>());
    let shifted = |x: Tensor| Tensor::arange(&x.dim(0)?, &(x.dim(0)? + 5), 1, DType::I64);
    let from_a_length = check_sizes(shifted, &ramp(&[5]), &[ramp(&[8])])?;
    assert_eq!(from_a_length.call(&ramp(&[7]))?.to_vec::<i64>()?, [7, 8, 9, 10, 11]);
    Ok(())
}

#[test]
fn t027_a_range_over_a_size_meets_the_data() -> Result<()> {
    let f = |x: Tensor| x.mul(Tensor::arange(0, &x.dim(0)?, 1, DType::F32)?);
    let traced = check_sizes(f, &normal(1, &[5]), &[normal(2, &[9])])?;
    assert_eq!(output_values(&traced, &f32s(&[1.0, 1.0, 2.0]))?, [0.0, 1.0, 4.0]);
    Ok(())
}

#[test]
fn t028_a_shape_is_handed_on_to_what_fills_it() -> Result<()> {
    let f = |x: Tensor| Tensor::full(x.shape(), 2.0, DType::F32)?.add(&x);
    let traced = check_sizes(f, &ramp(&[2, 2]), &[ramp(&[3, 5])])?;
    let written = written(&traced)?;
    assert!(written.contains(&"ConstantOfShape".to_string()) && written.contains(&"Shape".to_string()), "{written:?}");
    assert_eq!(output_values(&traced, &ramp(&[1, 3]))?, [2.0, 3.0, 4.0]);
    Ok(())
}

/// torch: `x[:size - i, i:size, i:3]` for i from 0 to 3.
fn corners(x: &Tensor) -> Result<(Tensor, Tensor, Tensor, Tensor)> {
    let size = x.dim(0)?;
    let corner = |i: i64| {
        let x = x.slice(0, ..&size - i)?.slice(1, Dim::from(i)..size.clone())?;
        x.slice(2, i..3)
    };
    Ok((corner(0)?, corner(1)?, corner(2)?, corner(3)?))
}

#[test]
fn t030_slices_whose_ends_are_computed_from_sizes() -> Result<()> {
    type Four = (Tensor, Tensor, Tensor, Tensor);
    let x = ramp(&[5, 6, 7]);
    let example = Example::of(&x).symbolic("x", 0, "size")?;
    let module = module::from_fn(|x: Tensor| corners(&x));
    // Where size - 3 is negative Python counts from the end: that is another program, and refused.
    let traced = check_with(&Tracer::new().unchecked(), &module, example, &[ramp(&[3, 6, 7]), ramp(&[6, 6, 7])])?;
    assert_eq!(traced.call(&ramp(&[2, 6, 7])).unwrap_err().code(), ErrorCode::Guard);
    let out: Four = traced.call_tree(&ramp(&[4, 6, 7]))?;
    let shapes = [&out.0, &out.1, &out.2, &out.3].map(|y| y.shape().example().unwrap_or_default());
    assert_eq!(shapes, [vec![4, 4, 3], vec![3, 3, 2], vec![2, 2, 1], vec![1, 1, 0]]);
    // Index (0, 2, 2) of a tensor whose rows have 6 · 7 values.
    assert_eq!(out.2.to_vec::<f32>()?[0], 16.0);
    Ok(())
}

#[test]
fn t031_what_is_cut_out_is_computed_with() -> Result<()> {
    let f = |x: Tensor| {
        let (a, b, c, _) = corners(&x)?;
        a.sum(.., false)?.add(b.sum(.., false)?)?.add(c.amax(.., false)?)
    };
    let x = normal(1, &[5, 6, 7]);
    let example = Example::of(&x).symbolic("x", 0, "size")?;
    let traced = check_with(&Tracer::new().unchecked(), &module::from_fn(f), example, &[normal(2, &[6, 6, 7])])?;
    // Of ones: 4·4·3, 3·3·2 and 1.
    assert_eq!(output_values(&traced, &Tensor::ones([4, 6, 7], DType::F32)?)?, [67.0]);
    Ok(())
}

#[test]
fn t087_a_shape_read_in_a_function_that_is_called_stays_a_shape() -> Result<()> {
    let shape_of = |x: &Tensor| Tensor::from_dims(x.shape());
    let traced = check_sizes(|x: Tensor| shape_of(&x).mul(2), &ramp(&[2, 3]), &[ramp(&[5, 4])])?;
    assert_eq!(traced.call(&ramp(&[7, 1]))?.to_vec::<i64>()?, [14, 2]);
    Ok(())
}

#[test]
fn t095_an_image_enlarged_by_a_factor_and_not_to_a_size() -> Result<()> {
    let f = |x: Tensor| x.upsample(&[x.dim(2)? * 3, x.dim(3)? * 3], "nearest", false, &[Some(3.0), Some(3.0)]);
    let x = normal(1, &[1, 3, 28, 28]);
    let example = Example::of(&x).symbolic("x", 2, "height")?.symbolic("x", 3, "width")?;
    let traced = check_module(&module::from_fn(f), example, &[normal(2, &[1, 3, 14, 14]), normal(3, &[1, 3, 5, 9])])?;
    let y = output_values(&traced, &ramp(&[1, 3, 1, 2]))?;
    assert_eq!(y[..6], [0.0, 0.0, 0.0, 1.0, 1.0, 1.0]);
    assert!(written(&traced)?.contains(&"Resize".to_string()));
    Ok(())
}

#[test]
fn t148_a_traced_graph_of_empty_tensors_holds_for_others() -> Result<()> {
    let f = |(boxes, scores): (Tensor, Tensor)| Ok((boxes.mul(scores.unsqueeze(1)?)?, Tensor::cat(&[&scores, &scores], 0)?));
    let of = |n: usize| (ramp(&[n, 4]), ramp(&[n]));
    let example = Example::of(&of(0)).symbolic("x_0", 0, "n")?.symbolic("x_1", 0, "n")?;
    let traced = check_module(&module::from_fn(f), example, &[of(1), of(3)])?;
    let (scaled, twice): (Tensor, Tensor) = traced.call_tree(&of(2))?;
    assert_eq!((scaled.to_vec::<f32>()?, twice.to_vec::<f32>()?), (vec![0.0, 0.0, 0.0, 0.0, 4.0, 5.0, 6.0, 7.0], vec![0.0, 1.0, 0.0, 1.0]));
    Ok(())
}
