//! The operators of torch (`aten::`, and a few of other libraries): rows that say what each computes, by name.
//!
//! A row is a schema in torch's own notation and a call of [`Tensor`](crate::Tensor) methods that takes its arguments by name. Both torch
//! readers resolve an operator once and call it many times. From bottom to top: scalar types, schemas, values, arguments and rows; the
//! families of rows, a file each; the table of all of them.

mod activation;
mod alias;
mod aliasing;
mod args;
mod binary;
pub(crate) mod complex;
mod complex_dispatch;
mod conv;
mod create;
#[cfg(test)]
mod edge_cases;
mod fourier;
mod gradient;
mod histogram;
mod index;
mod layout;
mod linalg;
mod linear;
mod loss;
#[cfg(test)]
mod names;
mod norm;
mod order;
mod pool;
#[cfg(test)]
mod programs;
mod promotion;
mod random;
mod recurrent;
mod reduce;
mod row;
mod sample;
mod scalar_type;
mod scatter;
pub mod schema;
mod sequence;
mod shape;
mod table;
mod unary;
mod upgraders;
pub(crate) mod value;
mod view;
mod vision;

pub(crate) use scalar_type::{scalar_type, scalar_type_number};
#[cfg(all(test, feature = "tract"))]
pub(crate) use table::readable;
pub(crate) use table::{AtenOperator, call, full, resolve, resolve_at, unknown};
pub(crate) use unary::number_of;
