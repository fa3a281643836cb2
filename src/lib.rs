//! ontrace traces functions on tensors, exports the traced graph as ONNX, executes it with tract, and verifies that the exported model
//! computes what the function computes.
//!
//! Everything that can be called is a module. A network of [`nn`] layers is a [`Module`]; a closure becomes one by
//! [`module::from_fn`]. What comes from a file ([`read::open`]), a traced graph and a compiled [`Session`](runtime::Session)
//! are [`DynModule`]s, whose inputs are known at run time only. [`trace()`] takes a module and gives a [`Traced`];
//! [`check::Checker`] compares two modules.
//!
//! # A closure becomes ONNX
//!
//! ```
//! use ontrace::{Tensor, trace_fn};
//! let x = Tensor::new([2, 2], vec![1.0f32, -2.0, 3.0, -4.0])?;
//! let traced = trace_fn(|x: Tensor| (2.0 * &x + &x)?.relu(), &x)?;
//! assert_eq!(traced.graph().nodes().len(), 3);
//! let onnx: Vec<u8> = traced.to_bytes()?;
//! assert!(!onnx.is_empty());
//! # Ok::<(), ontrace::Error>(())
//! ```
//!
//! # A file becomes checked ONNX
//!
//! ```
//! use ontrace::check::Checker;
//! use ontrace::{read, trace};
//! let model = read::open("tests/data/mlp.pt")?;
//! let example = model.example().cloned().unwrap_or_default().symbolic("input", 0, "batch")?;
//! let traced = trace(&model, example.clone().shapes_only())?;
//! let session = traced.session()?;
//! let report = Checker::new(&model, &traced, &example).candidate(&session).run()?;
//! assert!(report.calls.iter().any(|call| call == "batch = 5"));
//! # Ok::<(), ontrace::Error>(())
//! ```
//!
//! # Sizes
//!
//! An axis that is declared [symbolic](Example::symbolic) may have any size in the result; arithmetic on sizes
//! ([`Dim`]) stays symbolic. Reading a value out of a traced tensor is the only way to branch on it, and is recorded as a
//! [guard](Traced::guards), which is checked at every call. The [guide] has the rules, with an example for each.
//!
//! # Branches and loops
//!
//! [`cond`], [`scan`], [`map`], [`while_loop`] and [`fori_loop`] just run where everything is known. In a trace both branches, or
//! the body, are traced once, and each call of the result takes the branch that its inputs select. Closures may capture any tensor, parameter or size.
//!
//! ```
//! use ontrace::{Array, Tensor, cond, trace_fn};
//! let x = Tensor::from(&[1.0f32, -4.0]);
//! let f = |x: Tensor| Ok(cond(&x.sum(.., false)?.gt(0.0)?, || Ok(vec![x.clone()]), || Ok(vec![x.neg()?]))?.remove(0));
//! let traced = trace_fn(f, &x)?; // sees the second branch only
//! assert_eq!(traced.graph().replay(&[Array::vector(vec![2.0f32, 3.0])])?[0].to_vec::<f32>()?, [2.0, 3.0]);
//! # Ok::<(), ontrace::Error>(())
//! ```
//!
//! # Features
//!
//! `tract` (default): the runtime. Without it models are still traced, read, written, replayed and checked against the replay.

pub mod array;
pub mod check;
#[cfg(test)]
#[cfg(feature = "tract")]
mod coverage;
pub mod dim;
pub mod graph;
#[cfg(feature = "tract")]
pub mod isolation;
#[cfg(test)]
mod laws;
pub mod module;
pub mod nn;
pub mod onnx;
pub mod ops;
pub mod read;
#[cfg(feature = "tract")]
pub mod runtime;
pub mod tensor;
pub mod trace;
pub mod tracer;
pub mod tree;
pub mod work;

pub use ontrace_array::error;
pub(crate) use ontrace_array::kernels;

pub use array::{Array, DType, Scalar};
pub use dim::{Dim, Shape, Type};
pub use error::{Error, ErrorCode, Result, ResultExt};
pub use module::{DynModule, Example, Module, Outputs};
pub use ops::{cond, fori_loop, map, scan, while_loop};
pub use tensor::{Tensor, concrete, size};
pub use trace::{Traced, record};
pub use tracer::{Methods, Tracer, jit, trace, trace_fn};
pub use tree::{Static, Tree};

/// The guide, with pages for users of other crates and for deployment.
pub mod guide {
    #![doc = include_str!("../docs/guide.md")]

    #[cfg(any(not(doctest), feature = "tract"))]
    pub mod coming_from {
        #![doc = include_str!("../docs/coming-from.md")]
    }

    pub use ontrace_array::error_codes;

    #[cfg(any(not(doctest), feature = "tract"))]
    pub mod deploying {
        #![doc = include_str!("../docs/deploying.md")]
    }
}

/// The examples of the error codes are compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../crates/array/src/error_codes.md")]
pub struct ErrorCodes;

/// The README's example is compiled and run.
#[cfg(all(doctest, feature = "tract"))]
#[doc = include_str!("../README.md")]
pub struct Readme;
