//! What a block of a program leaves behind that runs depending on data: names, and what it changed in place.

use super::builtin::is_number;
use crate::array::DType;
use crate::error::{Error, Result};
use crate::read::aten::value::{Value, View};
use crate::tensor::Tensor;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

/// Lists in lists that are looked into.
const DEEPEST: usize = 16;

/// A mutable value, and what it held.
enum MutableValue {
    Tensor(View, Tensor, u64),
    List(Rc<RefCell<Vec<Value>>>, Vec<Value>),
    Dict(Rc<RefCell<Vec<(Value, Value)>>>, Vec<(Value, Value)>),
}

/// The mutable values that a block can reach, what it may change for the program around it; and the addresses of the tensors among them.
pub(super) struct MutableValues(Vec<MutableValue>, BTreeSet<usize>);

impl MutableValues {
    /// Those that can be reached from these values.
    ///
    /// # Errors
    /// Where a tensor cannot be read.
    pub(super) fn of<'a>(values: impl IntoIterator<Item = &'a Value>) -> Result<MutableValues> {
        let mut cells = MutableValues(Vec::new(), BTreeSet::new());
        values.into_iter().try_for_each(|value| cells.add(value, 0))?;
        Ok(cells)
    }

    fn add(&mut self, value: &Value, depth: usize) -> Result<()> {
        if depth > DEEPEST {
            return Err(Error::too_deep("lists nested too deeply"));
        }
        match value {
            Value::Tensor(view) => {
                let root = view.root();
                if self.1.insert(root.address()) {
                    self.0.push(MutableValue::Tensor(root.clone(), root.read()?, root.writes()));
                }
            }
            Value::Complex(pair) => {
                self.add(&Value::Tensor(pair.re.clone()), depth + 1)?;
                self.add(&Value::Tensor(pair.im.clone()), depth + 1)?;
            }
            Value::Tuple(items) => items.iter().try_for_each(|item| self.add(item, depth + 1))?,
            Value::Part(Some(view)) => self.add(&Value::Tensor(view.clone()), depth + 1)?,
            Value::List(items) if !self.0.iter().any(|cell| matches!(cell, MutableValue::List(known, _) if Rc::ptr_eq(known, items))) => {
                let held = items.borrow().clone();
                self.0.push(MutableValue::List(items.clone(), held.clone()));
                held.iter().try_for_each(|item| self.add(item, depth + 1))?;
            }
            Value::Dict(entries) | Value::Instance(_, entries)
                if !self.0.iter().any(|cell| matches!(cell, MutableValue::Dict(known, _) if Rc::ptr_eq(known, entries))) =>
            {
                let held = entries.borrow().clone();
                self.0.push(MutableValue::Dict(entries.clone(), held.clone()));
                held.iter().try_for_each(|entry| self.add(&entry.1, depth + 1))?;
            }
            _ => {}
        }
        Ok(())
    }

    /// Those that hold something else by now.
    pub(super) fn changed(&self) -> BTreeSet<usize> {
        let differs = |cell: &MutableValue| match cell {
            MutableValue::Tensor(view, _, writes) => view.writes() != *writes,
            MutableValue::List(items, held) => {
                let now = items.borrow();
                now.len() != held.len() || !now.iter().zip(held).all(|(a, b)| same(a, b))
            }
            MutableValue::Dict(entries, held) => {
                let now = entries.borrow();
                now.len() != held.len() || !now.iter().zip(held).all(|(a, b)| same(&a.0, &b.0) && same(&a.1, &b.1))
            }
        };
        (0..self.0.len()).filter(|&i| differs(&self.0[i])).collect()
    }

    /// What a cell holds now, as a value.
    pub(super) fn now(&self, i: usize) -> Result<Value> {
        Ok(match &self.0[i] {
            MutableValue::Tensor(view, ..) => view.read()?.into(),
            MutableValue::List(items, _) => Value::tuple(items.borrow().clone()),
            MutableValue::Dict(entries, _) => Value::Dict(Rc::new(RefCell::new(entries.borrow().clone()))),
        })
    }

    /// Puts a value into a cell.
    pub(super) fn set(&self, i: usize, value: &Value) -> Result<()> {
        match (&self.0[i], value) {
            (MutableValue::Tensor(view, ..), Value::Tensor(new)) => view.write(new.read()?)?,
            (MutableValue::List(items, _), Value::Tuple(new)) => *items.borrow_mut() = new.to_vec(),
            (MutableValue::Dict(entries, _), Value::Dict(new)) => *entries.borrow_mut() = new.borrow().clone(),
            _ => return Err(Error::internal("a variable changes its type")),
        }
        Ok(())
    }

    /// Puts back what these cells held, and remembers that they are as they were.
    pub(super) fn restore(&mut self, changed: &BTreeSet<usize>) -> Result<()> {
        for &i in changed {
            match &mut self.0[i] {
                MutableValue::Tensor(view, held, writes) => {
                    view.write(held.clone())?;
                    *writes = view.writes();
                }
                MutableValue::List(items, held) => *items.borrow_mut() = held.clone(),
                MutableValue::Dict(entries, held) => *entries.borrow_mut() = held.clone(),
            }
        }
        Ok(())
    }
}

/// Whether two values are one: the same tensor, not equal elements in two.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::None, Value::None) | (Value::Device, Value::Device) => true,
        (Value::Bool(a), Value::Bool(b)) => a == b,
        (Value::Int(a), Value::Int(b)) => a == b,
        (Value::Float(a), Value::Float(b)) => a.to_bits() == b.to_bits(),
        (Value::Str(a), Value::Str(b)) => a == b,
        (Value::Tensor(a), Value::Tensor(b)) => a.is_same(b),
        (Value::Complex(a), Value::Complex(b)) => a.re.is_same(&b.re) && a.im.is_same(&b.im),
        (Value::List(a), Value::List(b)) => Rc::ptr_eq(a, b),
        (Value::Tuple(a), Value::Tuple(b)) => a.len() == b.len() && a.iter().zip(b.iter()).all(|(a, b)| same(a, b)),
        (Value::Dict(a), Value::Dict(b)) => Rc::ptr_eq(a, b),
        (Value::Object(a), Value::Object(b)) => a == b,
        (Value::Instance(_, a), Value::Instance(_, b)) => Rc::ptr_eq(a, b),
        (Value::Function(a), Value::Function(b)) => a == b,
        (Value::Part(a), Value::Part(b)) => match (a, b) {
            (Some(a), Some(b)) => a.is_same(b),
            (a, b) => a.is_none() && b.is_none(),
        },
        _ => false,
    }
}

/// How a value that depends on the branch taken is built of tensors that do, and of what is the same in every branch.
pub(super) enum ValueLayout {
    Same(Value),
    Leaf,
    /// A tensor of rank 0 that is a number in the program.
    Number,
    List(Vec<ValueLayout>),
    Tuple(Vec<ValueLayout>),
    Dict(Vec<(Value, ValueLayout)>),
}

impl ValueLayout {
    /// The layout of what two branches leave in one location; `None` where no tensors can represent it.
    ///
    /// `fixed` says whether a number that both have is the same in every branch: in a branch it is, in a loop other iterations may have others.
    pub(super) fn of(a: &Value, b: &Value, fixed: bool) -> Option<ValueLayout> {
        let plans = |a: &[Value], b: &[Value]| {
            let plans = (a.len() == b.len()).then(|| a.iter().zip(b).map(|(a, b)| ValueLayout::of(a, b, fixed)));
            plans.and_then(Iterator::collect::<Option<Vec<_>>>)
        };
        let counts = matches!(a, Value::Bool(_) | Value::Int(_) | Value::Float(_));
        if same(a, b) && (fixed || !counts) {
            return Some(ValueLayout::Same(a.clone()));
        }
        match (a, b) {
            (Value::List(a), Value::List(b)) => plans(&a.borrow(), &b.borrow()).map(ValueLayout::List),
            (Value::Tuple(a), Value::Tuple(b)) => plans(a, b).map(ValueLayout::Tuple),
            (Value::Dict(a), Value::Dict(b)) => {
                let (a, b) = (a.borrow(), b.borrow());
                if a.len() != b.len() || !a.iter().zip(b.iter()).all(|(a, b)| same(&a.0, &b.0)) {
                    return None;
                }
                let entry = |(a, b): (&(Value, Value), &(Value, Value))| Some((a.0.clone(), ValueLayout::of(&a.1, &b.1, fixed)?));
                a.iter().zip(b.iter()).map(entry).collect::<Option<_>>().map(ValueLayout::Dict)
            }
            _ if number(a).is_none() || number(b).is_none() => None,
            _ if is_number(a) && is_number(b) => Some(ValueLayout::Number),
            _ => Some(ValueLayout::Leaf),
        }
    }

    /// Adds the tensors of a value that is made to this plan.
    pub(super) fn collect(&self, value: &Value, tensors: &mut Vec<Tensor>) -> Result<()> {
        let other = || Error::unsupported("a variable has different types after the branches of the program");
        let each = |plans: &[ValueLayout], items: &[Value], tensors: &mut Vec<Tensor>| {
            if plans.len() != items.len() {
                return Err(other());
            }
            plans.iter().zip(items).try_for_each(|(plan, item)| plan.collect(item, tensors))
        };
        match (self, value) {
            (ValueLayout::Same(known), value) if same(known, value) => Ok(()),
            (ValueLayout::Leaf | ValueLayout::Number, value) => {
                tensors.push(number(value).ok_or_else(other)??);
                Ok(())
            }
            (ValueLayout::List(plans), Value::List(items)) => each(plans, &items.borrow(), tensors),
            (ValueLayout::Tuple(plans), Value::Tuple(items)) => each(plans, items, tensors),
            (ValueLayout::Dict(plans), Value::Dict(entries)) => {
                let entries = entries.borrow();
                if plans.len() != entries.len() {
                    return Err(other());
                }
                plans.iter().zip(entries.iter()).try_for_each(|(plan, entry)| plan.1.collect(&entry.1, tensors))
            }
            _ => Err(other()),
        }
    }

    /// The value that consists of these tensors.
    pub(super) fn build(&self, tensors: &mut impl Iterator<Item = Tensor>) -> Result<Value> {
        Ok(match self {
            ValueLayout::Same(value) => value.clone(),
            ValueLayout::Leaf => tensors.next().ok_or_else(|| Error::internal("too few tensors"))?.into(),
            ValueLayout::Number => tensors.next().ok_or_else(|| Error::internal("too few tensors"))?.weakened().into(),
            ValueLayout::List(plans) => Value::list(plans.iter().map(|plan| plan.build(tensors)).collect::<Result<_>>()?),
            ValueLayout::Tuple(plans) => Value::tuple(plans.iter().map(|plan| plan.build(tensors)).collect::<Result<_>>()?),
            ValueLayout::Dict(plans) => {
                let entries = plans.iter().map(|(key, plan)| Ok((key.clone(), plan.build(tensors)?)));
                Value::Dict(Rc::new(RefCell::new(entries.collect::<Result<_>>()?)))
            }
        })
    }
}

/// How many tensors one list has that stand behind all elements of the other; `None` where the two are not such lists.
pub(super) fn appended(before: &Value, after: &Value) -> Option<usize> {
    let (before, after) = (before.items().ok()?, after.items().ok()?);
    let (kept, added) = after.split_at_checked(before.len())?;
    let grows = !added.is_empty() && before.iter().zip(kept).all(|(a, b)| same(a, b)) && added.iter().all(|value| number(value).is_some());
    grows.then_some(added.len())
}

/// A value as a tensor, where it is one or a number.
pub(super) fn number(value: &Value) -> Option<Result<Tensor>> {
    Some(match value {
        // A float of the program is one of 32 bits where it leaves the code that computes it.
        Value::Tensor(view) if is_number(value) => {
            view.read().and_then(|tensor| if tensor.dtype() == DType::F64 { tensor.cast(DType::F32) } else { Ok(tensor) })
        }
        Value::Tensor(view) => view.read(),
        Value::Int(dim) => Ok(Tensor::from_dim(dim)),
        Value::Float(x) => Ok(Tensor::from(crate::Array::scalar(*x as f32))),
        Value::Bool(x) => Ok(Tensor::from(crate::Array::scalar(*x))),
        _ => return None,
    })
}
