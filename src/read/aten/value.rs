//! Values of torch programs: tensors that can be views of others, symbolic sizes, lists, dictionaries.

use super::layout;
use super::scalar_type::COMPLEX_TYPES;
use super::sequence::Packed;
use crate::array::{DType, Scalar};
use crate::dim::Dim;
use crate::error::{Error, Result};
use crate::ops::fourier::Complex;
use crate::tensor::{Tensor, size};
use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

/// A value of a torch program.
#[derive(Clone)]
pub(crate) enum Value {
    None,
    Bool(bool),
    /// An integer, which may be a symbolic size.
    Int(Dim),
    Float(f64),
    Str(Arc<str>),
    /// A device; there is only one.
    Device,
    Tensor(View),
    /// A complex tensor.
    Complex(Pair),
    List(Rc<RefCell<Vec<Value>>>),
    Tuple(Rc<[Value]>),
    /// In the order of insertion.
    Dict(Rc<RefCell<Vec<(Value, Value)>>>),
    /// Something of the reader's own: a module of the program.
    Object(usize),
    /// An instance of a class of the program: its class, and its attributes by name.
    Instance(Arc<str>, Rc<RefCell<Vec<(Value, Value)>>>),
    /// A function of the program, by its full name.
    Function(Arc<str>),
    /// Elements of a list whose number differs from call to call: the slices of a tensor along its first axis. `None` in the loop that adds them,
    /// where nobody knows the others. Stands in lists only.
    Part(Option<View>),
}

impl Value {
    /// A list.
    pub(crate) fn list(values: Vec<Value>) -> Value {
        Value::List(Rc::new(RefCell::new(values)))
    }

    /// A list of tensors.
    pub(crate) fn tensors(tensors: Vec<Tensor>) -> Value {
        Value::list(tensors.into_iter().map(Value::from).collect())
    }

    /// A tuple.
    pub(crate) fn tuple(values: Vec<Value>) -> Value {
        Value::Tuple(values.into())
    }

    /// What the value is, in torch's words.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Value::None => "None",
            Value::Bool(_) => "bool",
            Value::Int(_) => "int",
            Value::Float(_) => "float",
            Value::Str(_) => "str",
            Value::Device => "Device",
            Value::Tensor(_) => "Tensor",
            Value::Complex(_) => "complex Tensor",
            Value::List(_) => "List",
            Value::Tuple(_) => "Tuple",
            Value::Dict(_) => "Dict",
            Value::Object(_) => "Module",
            Value::Instance(..) => "object",
            Value::Function(_) => "function",
            Value::Part(_) => "part of a List whose length differs between calls",
        }
    }

    /// The tensor.
    pub(crate) fn view(&self) -> Result<&View> {
        match self {
            Value::Tensor(view) => Ok(view),
            other => Err(Error::argument(format!("expected a Tensor, got {}", other.kind()))),
        }
    }

    /// The elements of a list or tuple.
    ///
    /// # Errors
    /// [`Size`](crate::ErrorCode::Size) where their number differs from call to call.
    pub(crate) fn elements(&self) -> Result<Vec<Value>> {
        let items = self.items()?;
        match items.iter().any(|item| matches!(item, Value::Part(_))) {
            true => Err(Error::size("the number of elements of this list differs between calls")
                .help("give the axis that it follows from a fixed size, or use stack, cat, len, an index or a loop on the list")),
            false => Ok(items),
        }
    }

    /// The elements of a list or tuple, parts of unknown length among them.
    pub(crate) fn items(&self) -> Result<Vec<Value>> {
        match self {
            Value::List(values) => Ok(values.borrow().clone()),
            Value::Tuple(values) => Ok(values.to_vec()),
            other => Err(Error::argument(format!("expected a list, got {}", other.kind()))),
        }
    }

    /// The number, where its value is known.
    pub(crate) fn number(&self) -> Result<Scalar> {
        match self {
            Value::Bool(x) => Ok(Scalar::Bool(*x)),
            Value::Float(x) => Ok(Scalar::Float(*x)),
            // In a trace that is right for this value alone, which is recorded.
            Value::Int(dim) if dim.depends_on_values() => size::integer(dim).map(Scalar::Int),
            Value::Int(dim) => {
                dim.fixed().map(Scalar::Int).ok_or_else(|| Error::size(format!("expected a fixed number, got the symbolic size `{dim}`")))
            }
            Value::Tensor(view) => view.read()?.item(),
            other => Err(Error::argument(format!("expected a number, got {}", other.kind()))),
        }
    }

    /// Writes the result of an in-place operation to its operand, cast and broadcast to it.
    pub(crate) fn assign(&self, result: &Value) -> Result<()> {
        let Value::Complex(target) = self else { return self.view()?.assign(&result.view()?.read()?) };
        let result = match result {
            Value::Complex(pair) => pair.read()?,
            other => {
                let re = other.view()?.read()?;
                Complex { im: Tensor::zeros(re.shape(), re.dtype())?, re }
            }
        };
        target.re.assign(&result.re)?;
        target.im.assign(&result.im)
    }

    /// The same elements in tensors of their own, which no write to another tensor reaches.
    pub(crate) fn detached(self) -> Result<Value> {
        Ok(match self {
            Value::Tensor(view) => view.read()?.into(),
            Value::Complex(pair) => pair.read()?.into(),
            Value::List(values) => Value::list(values.borrow().iter().cloned().map(Value::detached).collect::<Result<_>>()?),
            Value::Tuple(values) => Value::tuple(values.iter().cloned().map(Value::detached).collect::<Result<_>>()?),
            other => other,
        })
    }

    /// The integer, which may be a symbolic size; a tensor of one integer counts, and what it is at a call stays symbolic.
    pub(crate) fn dim(&self) -> Result<Dim> {
        match self {
            Value::Int(dim) => Ok(dim.clone()),
            Value::Bool(x) => Ok(Dim::Fixed(i64::from(*x))),
            Value::Tensor(view) => {
                let tensor = view.read()?;
                match tensor.dtype() {
                    dtype if dtype.is_int() => tensor.to_dim(),
                    // A float that follows from sizes is one once it is an integer.
                    dtype if dtype.is_float() && tensor.is_traced() => match tensor.cast(DType::I64)?.symbolic_values() {
                        Some(dims) if dims.dims.len() == 1 => Ok(dims.dims[0].clone()),
                        _ => Ok(Dim::Fixed(tensor.item()?.to_i64())),
                    },
                    _ => Ok(Dim::Fixed(tensor.item()?.to_i64())),
                }
            }
            Value::Float(x) => Ok(Dim::Fixed(*x as i64)),
            other => Err(Error::argument(format!("expected an int, got {}", other.kind()))),
        }
    }
}

impl From<Tensor> for Value {
    fn from(tensor: Tensor) -> Value {
        Value::Tensor(View::new(tensor))
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::None => f.write_str("None"),
            Value::Bool(x) => write!(f, "{x}"),
            Value::Int(x) => write!(f, "{x}"),
            Value::Float(x) => write!(f, "{x:?}"),
            Value::Str(x) => write!(f, "{x:?}"),
            Value::Tensor(view) => match view.read() {
                Ok(tensor) => write!(f, "{}", tensor.ty()),
                Err(error) => write!(f, "{error}"),
            },
            Value::List(values) => values.borrow().fmt(f),
            Value::Tuple(values) => values.fmt(f),
            Value::Dict(entries) => entries.borrow().fmt(f),
            // There is only one.
            Value::Device => f.write_str("cpu"),
            Value::Object(_) | Value::Instance(..) | Value::Function(_) | Value::Complex(_) | Value::Part(_) => f.write_str(self.kind()),
        }
    }
}

/// A complex tensor: the cells of its parts, each perhaps a view of another, so that writes reach what they reach in torch.
#[derive(Clone)]
pub(crate) struct Pair {
    pub(crate) re: View,
    pub(crate) im: View,
}

impl Pair {
    /// The current values.
    pub(crate) fn read(&self) -> Result<Complex> {
        Ok(Complex { re: self.re.read()?, im: self.im.read()? })
    }

    /// torch's number of the dtype: complex32, complex64 or complex128.
    pub(crate) fn dtype_number(&self) -> Result<i64> {
        let dtype = self.re.read()?.dtype();
        Ok(COMPLEX_TYPES.iter().find(|row| row.1 == dtype).map_or(-1, |row| row.0))
    }
}

impl From<Complex> for Value {
    fn from(x: Complex) -> Value {
        Value::Complex(Pair { re: View::new(x.re), im: View::new(x.im) })
    }
}

/// How a view is computed from its base, and how a write to it changes the base.
pub(crate) struct ViewStep {
    /// The view of a base.
    pub(crate) apply: Box<dyn Fn(&Tensor) -> Result<Tensor>>,
    /// The base after these values were written to the view.
    pub(crate) write: Box<dyn Fn(&Tensor, &Tensor) -> Result<Tensor>>,
}

/// A tensor of a torch program: a cell that can be written to, or a view of one.
///
/// A write to a view rebuilds its base; every other view of that base, and the base itself, then reads the new values.
#[derive(Clone)]
pub(crate) struct View(Rc<ViewData>);

struct ViewData {
    /// What this reads as, if nothing was written since.
    cached: RefCell<(u64, Tensor)>,
    /// How often the base of the chain was written to.
    writes: Rc<Cell<u64>>,
    /// The strides in the storage of the root: whether `reshape` copies depends on them.
    strides: Vec<Dim>,
    base: Option<(View, ViewStep)>,
    sequence: Option<Sequence>,
}

/// What a tensor is to a packed sequence.
pub(crate) enum Sequence {
    /// Its elements, step by step.
    Data(Rc<Packed>),
    /// How many sequences reach each step.
    Sizes(Rc<Packed>),
}

impl View {
    /// A tensor with storage of its own, contiguous.
    pub(crate) fn new(tensor: Tensor) -> View {
        let strides = layout::contiguous(tensor.shape());
        View::laid_out(tensor, strides)
    }

    /// A tensor that was stored with strides of its own.
    pub(crate) fn stored(tensor: Tensor) -> View {
        match tensor.constant().map(|array| array.strides().iter().map(|&stride| Dim::Fixed(stride as i64)).collect()) {
            Some(strides) => View::laid_out(tensor, strides),
            None => View::new(tensor),
        }
    }

    fn laid_out(tensor: Tensor, strides: Vec<Dim>) -> View {
        View(Rc::new(ViewData { cached: RefCell::new((0, tensor)), writes: Rc::default(), strides, base: None, sequence: None }))
    }

    /// A tensor of its own that is a part of a packed sequence.
    pub(crate) fn sequenced(tensor: Tensor, sequence: Sequence) -> View {
        let strides = layout::contiguous(tensor.shape());
        let cached = RefCell::new((0, tensor));
        View(Rc::new(ViewData { cached, writes: Rc::default(), strides, base: None, sequence: Some(sequence) }))
    }

    /// The packed sequence that this is a part of, as long as nothing was written to it.
    pub(crate) fn sequence(&self) -> Option<&Sequence> {
        self.0.sequence.as_ref().filter(|_| !self.is_written())
    }

    /// A view of this, whose axes have these strides.
    pub(crate) fn step(&self, step: ViewStep, strides: Vec<Dim>) -> Result<View> {
        let tensor = (step.apply)(&self.read()?)?;
        let writes = self.0.writes.clone();
        let cached = RefCell::new((writes.get(), tensor));
        Ok(View(Rc::new(ViewData { cached, writes, strides, base: Some((self.clone(), step)), sequence: None })))
    }

    /// Whether this, or a view of it, was written to.
    pub(crate) fn is_written(&self) -> bool {
        self.writes() > 0
    }

    /// How often this, or a view of it, was written to.
    pub(crate) fn writes(&self) -> u64 {
        self.0.writes.get()
    }

    /// The strides of the axes in the storage.
    pub(crate) fn strides(&self) -> &[Dim] {
        &self.0.strides
    }

    /// The tensor of which this is a view, or itself.
    pub(crate) fn root(&self) -> View {
        let mut view = self;
        while let Some((base, _)) = &view.0.base {
            view = base;
        }
        view.clone()
    }

    /// What is the same for two values that are the same tensor, as long as they are there.
    pub(crate) fn address(&self) -> usize {
        Rc::as_ptr(&self.0).addr()
    }

    /// Whether two values are the same tensor.
    pub(crate) fn is_same(&self, other: &View) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }

    /// The current values.
    pub(crate) fn read(&self) -> Result<Tensor> {
        let (seen, tensor) = self.0.cached.borrow().clone();
        let writes = self.0.writes.get();
        match &self.0.base {
            Some((base, step)) if seen != writes => {
                let tensor = (step.apply)(&base.read()?)?;
                *self.0.cached.borrow_mut() = (writes, tensor.clone());
                Ok(tensor)
            }
            _ => Ok(tensor),
        }
    }

    /// Writes values of the same shape and dtype to this, and with it to its base and all views of that.
    pub(crate) fn write(&self, tensor: Tensor) -> Result<()> {
        match &self.0.base {
            Some((base, step)) => {
                let whole = (step.write)(&base.read()?, &tensor)?;
                base.write(whole)
            }
            None => {
                self.0.writes.set(self.0.writes.get() + 1);
                *self.0.cached.borrow_mut() = (self.0.writes.get(), tensor);
                Ok(())
            }
        }
    }

    /// Writes a tensor, cast to the dtype of this and broadcast to its shape.
    pub(crate) fn assign(&self, tensor: &Tensor) -> Result<()> {
        self.write(like(&self.read()?, tensor)?)
    }
}

/// Writes a result to the tensor that a call gives as `out`: cast to its dtype; it takes the shape of the result, as in torch.
///
/// # Errors
/// [`DType`](crate::ErrorCode::DType) where torch refuses the cast: floats to integers, and anything but truth values to those.
pub(super) fn write_out(out: &Value, result: &Tensor) -> Result<Value> {
    let (view, from) = (out.view()?, result.dtype());
    let to = view.read()?.dtype();
    if from.is_float() && !to.is_float() || from != DType::Bool && to == DType::Bool {
        return Err(Error::dtype(format!("a result of {from} cannot be cast to the {to} of `out`")));
    }
    view.write(result.cast(to)?)?;
    Ok(out.clone())
}

/// A tensor cast to the dtype of another and broadcast to its shape.
pub(super) fn like(target: &Tensor, tensor: &Tensor) -> Result<Tensor> {
    tensor.cast(target.dtype())?.expand(target.shape())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_through_a_view_reaches_the_base_and_its_other_views() {
        let base = View::new(Tensor::new([2, 2], vec![1.0f32, 2.0, 3.0, 4.0]).unwrap());
        let transposed =
            base.step(ViewStep { apply: Box::new(|x| x.transpose(0, 1)), write: Box::new(|_, new| new.transpose(0, 1)) }, vec![]).unwrap();
        let flat = transposed
            .step(ViewStep { apply: Box::new(|x| x.reshape([4])), write: Box::new(|base, new| new.reshape(base.shape())) }, vec![])
            .unwrap();
        flat.write(Tensor::from(&[10.0f32, 20.0, 30.0, 40.0])).unwrap();
        assert_eq!(base.read().unwrap().to_vec::<f32>().unwrap(), [10.0, 30.0, 20.0, 40.0]);
        assert_eq!(transposed.read().unwrap().to_vec::<f32>().unwrap(), [10.0, 20.0, 30.0, 40.0]);
    }
}
