//! What users hold: a value, a type and where it came from.

mod account;
mod apply;
mod axes;
pub(crate) mod dim_tensor;
mod elements;
pub(crate) mod guard;
pub mod location;
pub(crate) mod observer;
mod operand;
mod recorder;
mod relation;
pub(crate) mod scalar_value;
mod scaled;
pub mod size;

pub(crate) use apply::apply_shared;
pub use apply::{apply, apply_one};
pub use axes::{Axes, AxisRange};
pub use operand::Operand;
pub use recorder::{Recorder, is_tracing, untraced};
pub(crate) use recorder::{fresh_symbol, superseded, visible};
pub(crate) use scaled::fraction;
pub use size::concrete;

use crate::array::{Array, DType, Element, PromotionPriority, Scalar};
use crate::dim::{Constraint, Dim, DimArray, Relation, Shape, Type};
use crate::error::{Error, Result};
use crate::graph::{Computed, Derivation};
use recorder::TracedRef;
use std::fmt;
use std::panic::Location;
use std::sync::Arc;

/// An immutable tensor: cheap to clone, usable from any thread.
///
/// Its value may be absent (inside a trace of shapes only) and its sizes may be symbolic. Every operation is a
/// method that returns a `Result`; `+ - * /` work on references, values, results and Rust numbers.
///
/// ```
/// use ontrace::Tensor;
/// let x = Tensor::from(&[1.0f32, -2.0, 3.0]);
/// let one = Tensor::from(&[1.0f32]);
/// let y = (2.0 * &x - &one)?.relu()?;
/// assert_eq!(y.to_vec::<f32>()?, [1.0, 0.0, 5.0]);
/// # Ok::<(), ontrace::Error>(())
/// ```
#[derive(Clone)]
pub struct Tensor(Arc<TensorData>);

#[derive(Clone)]
struct TensorData {
    ty: Type,
    value: Option<Arc<Array>>,
    /// The elements, where they are a few sizes.
    dims: Option<Box<DimArray>>,
    origin: Origin,
    /// Whether this is a Python number in a tensor's clothes, which has no say in the dtype of a result.
    weak: bool,
    /// Whether a traced tensor follows from constants alone.
    is_constant: bool,
}

/// Where a tensor came from.
#[derive(Clone, Debug)]
enum Origin {
    Literal,
    Parameter(Arc<str>),
    /// Computed from parameters, under this name where it has one.
    Derived(Box<(Option<Arc<str>>, Arc<Computed>)>),
    Traced(TracedRef),
}

impl Tensor {
    fn with(value: Option<Array>, ty: Type, origin: Origin) -> Tensor {
        let dims = value.as_ref().filter(|_| !matches!(origin, Origin::Traced(_))).and_then(DimArray::read).map(Box::new);
        Tensor(Arc::new(TensorData { ty, value: value.map(Arc::new), dims, origin, weak: false, is_constant: false }))
    }

    /// A tensor of this shape from its elements in row-major order.
    ///
    /// # Errors
    /// [`Shape`](crate::ErrorCode::Shape) where the number of elements differs, [`Size`](crate::ErrorCode::Size) for a symbolic shape.
    pub fn new<T: Element>(shape: impl Into<Shape>, elements: Vec<T>) -> Result<Tensor> {
        Array::new(&shape.into().to_fixed()?, elements).map(Tensor::from)
    }

    /// A tensor of which only the type is known: what a function is traced with when it need not run.
    pub fn of_type(ty: Type) -> Tensor {
        Tensor::with(None, ty, Origin::Literal)
    }

    /// A constant of a graph, with the name and the parameters behind it that it has there.
    pub(crate) fn of_constant(array: Array, name: Option<&Arc<str>>, derivation: Option<&Derivation>) -> Tensor {
        let origin = match (derivation, name) {
            (Some(Derivation::Computed(computed)), name) => Origin::Derived(Box::new((name.cloned(), computed.clone()))),
            (Some(Derivation::Parameter(name)), _) | (None, Some(name)) => Origin::Parameter(name.clone()),
            (None, None) => Origin::Literal,
        };
        let ty = Type::from(&array);
        Tensor::with(Some(array), ty, origin)
    }

    /// A parameter of this name, whose values a module has, too.
    pub(crate) fn of_parameter(name: &Arc<str>, array: &Arc<Array>) -> Tensor {
        let (dims, origin) = (DimArray::read(array).map(Box::new), Origin::Parameter(name.clone()));
        Tensor(Arc::new(TensorData { ty: Type::from(&**array), value: Some(array.clone()), dims, origin, weak: false, is_constant: false }))
    }

    /// A number whose dtype gives way to every other operand's, as a Python number's does.
    pub fn weak(number: impl Into<Scalar>) -> Tensor {
        let number = number.into();
        let value = match number {
            Scalar::Bool(x) => Array::scalar(x),
            Scalar::Int(x) => Array::scalar(x),
            Scalar::Float(x) => Array::scalar(x),
        };
        let tensor = Tensor::from(value);
        Tensor(Arc::new(TensorData { weak: true, ..(*tensor.0).clone() }))
    }

    /// Sizes as an i64 tensor of rank 1: what `shape` is in torch.
    pub fn from_dims(dims: impl Into<Shape>) -> Tensor {
        Tensor::from_dim_array(DimArray::vector(dims.into().to_vec()), DType::I64)
    }

    /// A size as an i64 tensor of rank 0.
    pub fn from_dim(dim: &Dim) -> Tensor {
        Tensor::from_dim_array(DimArray::scalar(dim.clone()), DType::I64)
    }

    pub(crate) fn from_dim_array(dims: DimArray, dtype: DType) -> Tensor {
        let constraints = recorder::constraints();
        let dims = DimArray { dims: dims.dims.iter().map(|dim| constraints.simplify(dim)).collect(), ..dims };
        // A few elements always fit into memory; without a value the tensor would still be right.
        let value = dims.example().and_then(|array| array.cast(dtype).ok()).map(Arc::new);
        let ty = Type::new(dtype, dims.shape());
        Tensor(Arc::new(TensorData { ty, value, dims: Some(Box::new(dims)), origin: Origin::Literal, weak: false, is_constant: false }))
    }

    /// The same value as a parameter of this name, which the traced graph keeps.
    pub fn named(&self, name: &str) -> Tensor {
        match self.0.origin {
            Origin::Traced(_) => self.clone(),
            _ => Tensor(Arc::new(TensorData { origin: Origin::Parameter(name.into()), ..(*self.0).clone() })),
        }
    }

    /// The same number, giving way to the dtype of every other operand.
    pub(crate) fn weakened(&self) -> Tensor {
        Tensor(Arc::new(TensorData { weak: true, ..(*self.0).clone() }))
    }

    /// The same number as an ordinary tensor.
    pub(crate) fn strengthened(&self) -> Tensor {
        Tensor(Arc::new(TensorData { weak: false, ..(*self.0).clone() }))
    }

    fn traced(&self, ty: Type, traced_ref: TracedRef) -> Tensor {
        Tensor(Arc::new(TensorData {
            ty,
            value: self.0.value.clone(),
            dims: None,
            origin: Origin::Traced(traced_ref),
            weak: false,
            is_constant: false,
        }))
    }

    /// Whether it is a constant or, in a trace, follows from constants alone.
    fn is_constant(&self) -> bool {
        self.0.is_constant || self.traced_ref().is_none()
    }

    /// The same value under a type that knows more of the sizes.
    pub(crate) fn retyped(&self, ty: Type) -> Tensor {
        Tensor(Arc::new(TensorData { ty, ..(*self.0).clone() }))
    }

    /// The dtype and the shape.
    pub fn ty(&self) -> &Type {
        &self.0.ty
    }

    /// The element type.
    pub fn dtype(&self) -> DType {
        self.0.ty.dtype
    }

    /// The size of each axis, as a slice.
    pub fn dims(&self) -> &[Dim] {
        self.shape()
    }

    /// The size of each axis; symbolic sizes stay symbolic.
    pub fn shape(&self) -> &Shape {
        &self.0.ty.shape
    }

    /// The number of axes.
    pub fn rank(&self) -> usize {
        self.0.ty.rank()
    }

    /// The size of an axis, counted from the end where negative.
    ///
    /// # Errors
    /// [`Argument`](crate::ErrorCode::Argument) where there is no such axis.
    pub fn dim(&self, axis: i64) -> Result<Dim> {
        Ok(self.shape()[self.shape().axis(axis)?].clone())
    }

    /// The number of elements.
    pub fn numel(&self) -> Dim {
        self.shape().numel()
    }

    /// Whether only the type is known, not the value.
    pub fn is_type_only(&self) -> bool {
        self.value().is_none()
    }

    /// Whether the tensor is a value of a trace: its elements differ from call to call.
    pub fn is_traced(&self) -> bool {
        self.traced_ref().is_some()
    }

    fn traced_ref(&self) -> Option<TracedRef> {
        match self.0.origin {
            Origin::Traced(traced_ref) => Some(traced_ref),
            _ => None,
        }
    }

    /// The name, if this is a parameter.
    pub fn parameter(&self) -> Option<&Arc<str>> {
        match &self.0.origin {
            Origin::Parameter(name) => Some(name),
            Origin::Derived(derived) => derived.0.as_ref(),
            Origin::Literal | Origin::Traced(_) => None,
        }
    }

    /// How the value is computed from parameters, where it is.
    fn derivation(&self) -> Option<Derivation> {
        match &self.0.origin {
            Origin::Parameter(name) => Some(Derivation::Parameter(name.clone())),
            Origin::Derived(derived) => Some(Derivation::Computed(derived.1.clone())),
            _ => None,
        }
    }

    /// Whether two names stand for one tensor.
    pub(crate) fn is_same(&self, other: &Tensor) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// The elements as symbolic expressions, where this is a small integer tensor (rank 0 or 1) whose elements follow from sizes.
    pub fn symbolic_values(&self) -> Option<&DimArray> {
        self.0.dims.as_deref()
    }

    /// Whether the value differs from call to call: it is traced, or it consists of sizes that do.
    pub(crate) fn varies(&self) -> bool {
        self.is_traced() || self.symbolic_values().is_some_and(DimArray::is_symbolic)
    }

    /// How much the dtype counts when this meets other tensors.
    pub fn strength(&self) -> PromotionPriority {
        match (self.0.weak, self.rank()) {
            (true, _) => PromotionPriority::Weak,
            (false, 0) => PromotionPriority::Scalar,
            _ => PromotionPriority::Strong,
        }
    }

    /// The value, without a guard: for the crate's own bookkeeping.
    pub(crate) fn value(&self) -> Option<&Array> {
        self.0.value.as_deref()
    }

    /// The value where it is the same at every call.
    pub(crate) fn constant(&self) -> Option<&Array> {
        self.value().filter(|_| !self.varies())
    }

    fn array(&self) -> Result<&Arc<Array>> {
        self.0.value.as_ref().ok_or_else(|| {
            Error::no_value(format!("only the type {} of this tensor is known, not its values", self.ty()))
                .help("trace with an example that has values, or keep the computation on tensors")
        })
    }

    /// The value. Inside a trace this is the example's, so that it records a guard: the traced graph is valid only where it is the same.
    ///
    /// # Errors
    /// [`NoValue`](crate::ErrorCode::NoValue) where only the type is known; [`Trace`](crate::ErrorCode::Trace) in the body of a traced branch or loop,
    /// for what is made there; [`Denied`](crate::ErrorCode::Denied) in a strict trace.
    #[track_caller]
    pub fn to_array(&self) -> Result<Array> {
        let array = self.array()?;
        let caller = Location::caller();
        if let Some(traced_ref) = self.traced_ref() {
            recorder::guard_values(traced_ref, array, || location::here(None, caller), None)?;
        }
        if self.symbolic_values().is_some_and(|dims| dims.dims.iter().any(Dim::depends_on_values)) {
            recorder::guard_computed(self, array, || location::here(None, caller))?;
            return Ok(Array::clone(array));
        }
        for dim in self.symbolic_values().into_iter().flat_map(|dims| &dims.dims).filter(|dim| dim.is_symbolic()) {
            if let Some(seen) = dim.example() {
                let fixed = Constraint::Related(dim.expr(), Relation::Equal, seen.into());
                recorder::guard_sizes(fixed, location::here(None, caller))?;
            }
        }
        Ok(Array::clone(array))
    }

    /// The elements in row-major order. Inside a trace this records a guard.
    ///
    /// # Errors
    /// [`NoValue`](crate::ErrorCode::NoValue) where only the type is known, [`DType`](crate::ErrorCode::DType) where `T` is not the element type.
    #[track_caller]
    pub fn to_vec<T: Element>(&self) -> Result<Vec<T>> {
        self.to_array()?.to_vec()
    }

    /// Whether the only element is true, or not zero: the way to branch on data, where a guard on the outcome is what is wanted.
    ///
    /// # Errors
    /// As [`Tensor::item`].
    #[track_caller]
    pub fn is_true(&self) -> Result<bool> {
        let truth = self.cast(DType::Bool)?;
        Ok(truth.item()?.to_f64() != 0.0)
    }

    /// The only element. Inside a trace this records a guard.
    ///
    /// # Errors
    /// [`NoValue`](crate::ErrorCode::NoValue) where only the type is known, [`Shape`](crate::ErrorCode::Shape) unless there is exactly one element.
    #[track_caller]
    pub fn item(&self) -> Result<Scalar> {
        self.to_array()?.item()
    }
}

impl From<Array> for Tensor {
    fn from(array: Array) -> Tensor {
        let ty = Type::from(&array);
        Tensor::with(Some(array), ty, Origin::Literal)
    }
}

impl<T: Element> From<&[T]> for Tensor {
    fn from(elements: &[T]) -> Tensor {
        Tensor::from(Array::vector(elements.to_vec()))
    }
}

impl<T: Element, const N: usize> From<&[T; N]> for Tensor {
    fn from(elements: &[T; N]) -> Tensor {
        Tensor::from(elements.as_slice())
    }
}

impl<T: Element, D: ndarray::Dimension> From<ndarray::Array<T, D>> for Tensor {
    fn from(array: ndarray::Array<T, D>) -> Tensor {
        Tensor::from(Array::from(array))
    }
}

impl fmt::Display for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.value() {
            Some(array) if !self.is_traced() => fmt::Display::fmt(array, f),
            _ => fmt::Display::fmt(self.ty(), f),
        }
    }
}

impl fmt::Debug for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
