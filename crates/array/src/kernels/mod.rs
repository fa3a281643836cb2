//! Numeric kernels over arrays: dense loops that know no operator, graph or file. The crates above use them, nobody else.
//!
//! A kernel takes and gives an [`Array`](crate::Array), never panics on what it is given, and splits its work between threads only by
//! independent elements of the result, so that results do not depend on the number of threads. It is compiled for few element types:
//! what only moves elements works on words of 1, 2, 4 and 8 bytes ([`Array::move_elements`](crate::Array)), what computes on i64, u64,
//! f32 and f64 ([`number::in_wide`]); the parallel loop ([`fill`]) and the strided loop are compiled once.

pub mod activation;
pub mod attention;
pub mod binary;
pub mod broadcast;
pub mod channel_selection;
pub mod channels_last;
pub mod comparison;
pub mod conv;
mod conv_layer;
mod conv_transpose;
pub mod create;
mod depthwise;
mod direct;
pub mod elementwise;
mod fast_math_f32;
mod fill;
pub mod fold_unfold;
pub mod fused_activation;
pub mod gather;
pub mod grid;
mod half_precision;
mod im2col;
pub mod join;
mod lanes;
pub mod matmul;
pub mod nan;
pub mod nms;
pub mod norm;
pub mod number;
pub mod packed_conv;
pub mod packed_gemm;
pub mod packed_recurrent;
pub mod pool;
mod product;
pub mod real;
pub mod recurrent;
pub mod reduce;
pub mod resize;
pub mod roi;
mod room;
pub mod scan;
pub mod scatter;
pub mod sort;
mod take;
pub mod threads;
pub mod unary;
pub mod vector;
mod window;
mod winograd;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Array, DType, ErrorCode, Result};

    /// Results that threads share out: one a kind of loop.
    fn results() -> Vec<Array> {
        let n = 1 << 16;
        let x = Array::new(&[256, n / 256], (0..n).map(|i| (i as f32 * 0.37).sin()).collect()).unwrap();
        let transposed = x.permute(&[1, 0]).unwrap();
        let (values, indices) = sort::topk(&x, 200, 0, true).unwrap();
        let all = [
            elementwise::real(&x, real::Real::exp, real::Real::exp),
            elementwise::zip(&x, &transposed, |a: f32, b: f32| a * b),
            reduce::sum(&x, &[0], false),
            norm::softmax(&x, 0),
            norm::layer_norm(&transposed, None, None, 1, 1e-5),
            gather::gather(&x, &Array::vector((0..256i64).rev().collect()), 1),
            Ok(values),
            Ok(indices),
        ];
        all.into_iter().collect::<Result<_>>().unwrap()
    }

    #[test]
    fn results_do_not_depend_on_the_thread_count() {
        let with = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(results);
        let one = with(1);
        assert_eq!(with(3), one);
        assert_eq!(with(8), one);
    }

    #[test]
    fn what_does_not_fit_into_memory_is_an_error() {
        let huge = Array::full(DType::F32, &[2, 1 << 57], 1.0.into());
        let hollow = Array::new::<f32>(&[1 << 57, 0], vec![]).unwrap();
        let index = Array::new(&[1, 1], vec![0i64]).unwrap();
        let outcomes = [
            reduce::sum(&huge, &[1], false),
            reduce::max(&huge, &[0], false),
            norm::softmax(&huge, 0),
            norm::layer_norm(&huge, None, None, 1, 0.0),
            gather::gather_nd(&huge, &index, 0),
            scatter::scatter_elements(&huge, &index, &Array::scalar(1f32).reshape(&[1, 1]).unwrap(), 0, scatter::Reduction::Add),
            join::concat(&[&huge, &huge], 0),
            join::pad(&huge, &[1, 0], &[0, 0], join::Padding::Edge),
            join::trilu(&huge, 0, true),
            scan::cumsum(&huge, 1, false, true),
            sort::topk(&huge, 1, 0, true).map(|top| top.0),
            huge.reshape(&[1 << 58]),
            join::tile(&Array::vector(vec![1f32, 2.0]), &[1 << 57]),
            join::pad(&index, &[0, 1 << 57], &[0, 0], join::Padding::Wrap),
            sort::unique(&hollow, Some(0), true).map(|unique| unique.values),
            gather::gather_nd(&index, &hollow.cast(DType::I64).unwrap(), 0),
            gather::gather(&index, &Array::full(DType::I64, &[1 << 57], 0.into()), 0),
            create::range(DType::I64, 0.into(), (1i64 << 57).into(), 1.into()),
        ];
        for (i, outcome) in outcomes.into_iter().enumerate() {
            assert_eq!(outcome.unwrap_err().code(), ErrorCode::TooBig, "{i}");
        }
    }
}
