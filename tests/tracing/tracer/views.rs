//! Writes into parts of a tensor, which make another tensor, and parts read from its end.

use super::harness::{check_given_sizes, check_sizes, check_trace, f32s, normal, ops, output_values, ramp};
use ontrace::ops::Reduction;
use ontrace::{DType, DynModule, ErrorCode, Result, Tensor, concrete};

#[test]
fn t014_a_mask_says_where_values_are_written() -> Result<()> {
    let f = |(target, mask, values): (Tensor, Tensor, Tensor)| target.index_put(&[Some(&mask)], &values, Reduction::Replace);
    let mask = |bits: [bool; 4]| Tensor::from(&bits);
    let zeros = Tensor::zeros([4], DType::F32)?;
    let example = (zeros.clone(), mask([true, false, true, false]), f32s(&[5.0, 6.0]));
    let other = (ramp(&[4]), mask([false, true, false, true]), f32s(&[7.0, 8.0]));
    let traced = check_trace(f, &example, &[other])?;
    let y: Tensor = traced.call_tree(&(zeros, mask([false, false, true, true]), f32s(&[1.0, 2.0])))?;
    assert_eq!(y.to_vec::<f32>()?, [0.0, 0.0, 1.0, 2.0]);
    // torch: x[mask] = x[mask] * 2, where other calls name more elements, or none; and rows at once.
    let doubled = |(x, mask): (Tensor, Tensor)| x.index_put(&[Some(&mask)], &x.masked_select(&mask)?.mul(2)?, Reduction::Replace);
    let others = [(ramp(&[4]), mask([true; 4])), (ramp(&[4]), mask([false; 4]))];
    let traced = check_trace(doubled, &(ramp(&[4]), mask([true, false, true, false])), &others)?;
    assert_eq!(traced.call_tree::<_, Tensor>(&(ramp(&[4]), mask([false, true, true, true])))?.to_vec::<f32>()?, [0.0, 2.0, 4.0, 6.0]);
    let rows = |(x, mask): (Tensor, Tensor)| x.index_put(&[Some(&mask)], &f32s(&[8.0, 9.0]).unsqueeze(0)?, Reduction::Replace);
    let traced = check_trace(rows, &(ramp(&[4, 2]), mask([true, false, true, false])), &[(ramp(&[4, 2]), mask([false; 4]))])?;
    let y: Tensor = traced.call_tree(&(ramp(&[4, 2]), mask([false, true, false, true])))?;
    assert_eq!(y.to_vec::<f32>()?, [0.0, 1.0, 8.0, 9.0, 4.0, 5.0, 8.0, 9.0]);
    Ok(())
}

#[test]
fn t029_a_column_is_written_at_every_size() -> Result<()> {
    let f = |(x, y): (Tensor, Tensor)| x.select_scatter(1, 2, y.add(1)?);
    let traced = check_given_sizes(f, &(ramp(&[3, 4]), ramp(&[3])), &[(ramp(&[5, 6]), ramp(&[5])), (ramp(&[1, 3]), ramp(&[1]))])?;
    let y: Tensor = traced.call_tree(&(Tensor::zeros([2, 4], DType::F32)?, f32s(&[7.0, 8.0])))?;
    assert_eq!(y.to_vec::<f32>()?, [0.0, 0.0, 8.0, 0.0, 0.0, 0.0, 9.0, 0.0]);
    // There is no column 2 of two.
    let refused = traced.call_tree::<_, Tensor>(&(ramp(&[3, 2]), ramp(&[3]))).unwrap_err();
    assert!(
        refused.code() == ErrorCode::Argument && refused.locations().any(|location| location.starts_with("tests/tracing/tracer/views.rs:")),
        "{refused}"
    );
    Ok(())
}

#[test]
fn t037_a_row_is_written() -> Result<()> {
    let f = |(x, y): (Tensor, Tensor)| x.select_scatter(0, 0, &y);
    let x = ramp(&[2, 3]);
    let traced = check_trace(f, &(x.clone(), f32s(&[7.0, 8.0, 9.0])), &[(normal(1, &[2, 3]), f32s(&[1.0, 2.0, 3.0]))])?;
    let y: Tensor = traced.call_tree(&(x.clone(), f32s(&[7.0, 8.0, 9.0])))?;
    assert_eq!(y.to_vec::<f32>()?, [7.0, 8.0, 9.0, 3.0, 4.0, 5.0]);
    assert_eq!(x.to_vec::<f32>()?, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
    Ok(())
}

#[test]
fn t056_a_threshold_is_a_choice() -> Result<()> {
    // What torch writes in place: where x is not above 0 it becomes 20.
    let f = |x: Tensor| x.masked_fill(&x.le(0)?, 20);
    let traced = check_trace(f, &normal(1, &[2, 2]), &[normal(2, &[2, 2])])?;
    assert!(ops(&traced).contains(&"Where"));
    assert_eq!(output_values(&traced, &Tensor::new([2, 2], vec![-1f32, 0.0, 0.5, 3.0])?)?, [20.0, 20.0, 0.5, 3.0]);
    Ok(())
}

#[test]
fn t059_zeros_of_a_shape_into_which_all_is_copied_are_a_copy() -> Result<()> {
    let f = |x: Tensor| Tensor::zeros(x.shape(), x.dtype())?.slice_scatter(0, .., 1, &x);
    let traced = check_sizes(f, &ramp(&[4]), &[ramp(&[7])])?;
    assert_eq!(ops(&traced), [""; 0]);
    assert_eq!(output_values(&traced, &f32s(&[3.0, 1.0]))?, [3.0, 1.0]);
    Ok(())
}

#[test]
fn t060_what_is_copied_into_more_positions_is_expanded() -> Result<()> {
    let f = |(x, y): (Tensor, Tensor)| Tensor::zeros(x.shape(), x.dtype())?.slice_scatter(0, .., 1, &y);
    let traced = check_sizes(f, &(ramp(&[2, 3]), ramp(&[1, 3])), &[(ramp(&[5, 3]), ramp(&[1, 3]))])?;
    assert_eq!(ops(&traced), ["Expand"]);
    let y: Tensor = traced.call_tree(&(ramp(&[2, 3]), f32s(&[7.0, 8.0, 9.0]).unsqueeze(0)?))?;
    assert_eq!(y.to_vec::<f32>()?, [7.0, 8.0, 9.0, 7.0, 8.0, 9.0]);
    Ok(())
}

#[test]
fn t078_an_end_that_is_the_size_of_the_example_stays_a_number() -> Result<()> {
    let f = |x: Tensor| x.slice(0, 0..5)?.select(1, 0);
    let example = ontrace::Example::of(&ramp(&[5, 2])).symbolic("x", 0, "n")?;
    let traced = ontrace::trace(&ontrace::module::from_fn(f), example)?;
    assert_eq!(output_values(&traced, &ramp(&[6, 2]))?, [0.0, 2.0, 4.0, 6.0, 8.0]);
    Ok(())
}

#[test]
fn t100_values_with_more_axes_than_the_location_are_fitted() -> Result<()> {
    // torch: target[index] = values, where the values are one row of a matrix.
    let f =
        |(target, index, values): (Tensor, Tensor, Tensor)| target.index_put(&[Some(&index)], &values.reshape([-1])?, Reduction::Replace);
    let index = |i: &[i64]| Tensor::from(i);
    let example = (ramp(&[4]), index(&[0, 2]), Tensor::new([1, 2], vec![10f32, 11.0])?);
    let other = (normal(1, &[4]), index(&[3, 1]), Tensor::new([1, 2], vec![20f32, 21.0])?);
    let traced = check_trace(f, &example, &[other])?;
    assert_eq!(ops(&traced).iter().filter(|op| **op == "Reshape").count(), 2);
    assert_eq!(traced.call_tree::<_, Tensor>(&example)?.to_vec::<f32>()?, [10.0, 1.0, 11.0, 3.0]);
    Ok(())
}

#[test]
fn t101_values_that_fit_are_not_reshaped() -> Result<()> {
    let f = |(target, index, values): (Tensor, Tensor, Tensor)| target.index_put(&[Some(&index)], &values, Reduction::Replace);
    let example = (ramp(&[4]), Tensor::from(&[0i64, -2]), f32s(&[10.0, 11.0]));
    let traced = check_trace(f, &example, &[(normal(1, &[4]), Tensor::from(&[1i64, 3]), f32s(&[5.0, 6.0]))])?;
    // One row for each index, and no other view: one node less than where the values have an axis more.
    assert_eq!(ops(&traced), ["Less", "Add", "Where", "Reshape", "ScatterND"]);
    assert_eq!(traced.call_tree::<_, Tensor>(&example)?.to_vec::<f32>()?, [10.0, 1.0, 11.0, 3.0]);
    Ok(())
}

#[test]
fn t105_a_loop_that_writes_row_after_row() -> Result<()> {
    let f = |x: Tensor| {
        let mut x = x;
        for i in 0..concrete(&x.dim(0)?)? {
            x = x.select_scatter(0, i as i64, Tensor::zeros([4], DType::F32)?)?;
        }
        Ok(x)
    };
    let traced = check_trace(f, &normal(1, &[3, 4]), &[normal(2, &[3, 4])])?;
    assert_eq!(output_values(&traced, &normal(3, &[3, 4]))?, [0.0; 12]);
    Ok(())
}

#[test]
fn t106_a_write_to_all_of_a_view_is_a_write_to_its_base() -> Result<()> {
    // torch: x.view(-1).add_(-x.view(-1)), which its trace gets wrong once writes are taken out.
    let f = |x: Tensor| {
        let view = x.reshape([-1])?;
        view.add(view.neg()?)?.reshape(x.shape())
    };
    let traced = check_trace(f, &normal(1, &[3, 4]), &[normal(2, &[3, 4])])?;
    assert_eq!(output_values(&traced, &normal(3, &[3, 4]))?, [0.0; 12]);
    Ok(())
}

#[test]
fn t107_one_number_is_written() -> Result<()> {
    let f = |x: Tensor| x.select_scatter(0, 0, x.select(0, 0)?.select_scatter(0, 1, 4)?);
    let traced = check_trace(f, &Tensor::ones([2, 2], DType::F32)?, &[normal(1, &[2, 2])])?;
    assert_eq!(output_values(&traced, &Tensor::ones([2, 2], DType::F32)?)?, [1.0, 4.0, 1.0, 1.0]);
    Ok(())
}

#[test]
fn t108_everything_is_written_and_what_is_written_broadcasts() -> Result<()> {
    let f = |(y, x): (Tensor, Tensor)| x.expand(y.shape());
    let traced = check_trace(f, &(ramp(&[3, 4]), f32s(&[1.0])), &[(ramp(&[3, 4]), f32s(&[9.0]))])?;
    assert_eq!(traced.call_tree::<_, Tensor>(&(ramp(&[3, 4]), f32s(&[2.5])))?.to_vec::<f32>()?, [2.5; 12]);
    Ok(())
}

#[test]
fn t109_a_write_to_a_column_reaches_the_base_and_its_other_views() -> Result<()> {
    // torch: y = x[:, 1]; y.add_(10); x.sum(0), about which its trace warns.
    let f = |x: Tensor| {
        let x = x.select_scatter(1, 1, x.select(1, 1)?.add(10)?)?;
        Ok((x.sum(0, false)?, x.select(1, 1)?))
    };
    let traced = check_trace(f, &ramp(&[2, 3]), &[normal(1, &[2, 3])])?;
    let (sums, column): (Tensor, Tensor) = traced.call_tree(&ramp(&[2, 3]))?;
    assert_eq!((sums.to_vec::<f32>()?, column.to_vec::<f32>()?), (vec![3.0, 25.0, 7.0], vec![11.0, 14.0]));
    Ok(())
}

#[test]
fn t136_bounds_counted_from_the_end_are_so_at_every_size() -> Result<()> {
    let f = |x: Tensor| x.slice(0, -5..-3);
    let traced = check_given_sizes(f, &ramp(&[10]), &[ramp(&[17]), ramp(&[5])])?;
    assert_eq!(output_values(&traced, &ramp(&[20]))?, [15.0, 16.0]);
    // As in the example, there are five.
    assert_eq!(traced.call(&ramp(&[4])).unwrap_err().code(), ErrorCode::Guard);
    Ok(())
}

#[test]
fn t137_an_index_counted_from_the_end_is_so_at_every_size() -> Result<()> {
    let traced = check_given_sizes(|x: Tensor| x.select(0, -2), &ramp(&[10]), &[ramp(&[3])])?;
    assert_eq!(output_values(&traced, &ramp(&[20]))?, [18.0]);
    Ok(())
}
