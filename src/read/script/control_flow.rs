//! Branches and loops of TorchScript that depend on the values or sizes of inputs.

use super::ast::{AstExpr, FunctionDef, LineNumber, Statement, StatementKind};
use super::branches::{Trips, is_raised, required};
use super::interpret::{Flow, Interpreter, Locals};
use super::side_effects::{MutableValues, ValueLayout, appended, number};
use crate::array::DType;
use crate::error::{Error, Result};
use crate::ops::Iteration;
use crate::read::aten::value::{Value, View};
use crate::tensor::Tensor;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

impl Interpreter<'_> {
    /// The iterations of a loop over a range whose end differs from call to call; `None` for any other.
    pub(super) fn counted<'b>(
        &mut self,
        target: &'b AstExpr,
        over: &AstExpr,
        locals: &mut Locals,
        function: &Arc<FunctionDef>,
    ) -> Result<Option<Trips<'b>>> {
        let AstExpr::Call(call) = over else { return Ok(None) };
        let (low, high) = match (&call.callee, call.positional.as_slice()) {
            (AstExpr::Name(name), [high]) if **name == *"range" => (&AstExpr::Int(0), high),
            (AstExpr::Name(name), [low, high]) if **name == *"range" => (low, high),
            _ => return Ok(None),
        };
        let (low, high) = (self.eval(low, locals, function)?, self.eval(high, locals, function)?);
        let varies = |value: &Value| match value {
            Value::Int(dim) => Ok::<_, Error>(dim.is_symbolic()),
            Value::Tensor(view) => Ok(view.read()?.is_traced()),
            _ => Ok(false),
        };
        if !varies(&low)? && !varies(&high)? {
            return Ok(None);
        }
        let of = |value: &Value| number(value).unwrap_or_else(|| Err(Error::argument("range expects numbers")))?.cast(DType::I64);
        let (start, end) = (of(&low)?, of(&high)?);
        Ok(Some(Trips::Count { limit: end.sub(&start)?, start, target }))
    }

    /// A branch on data: both blocks run on copies of the locals; what they leave in names, or changed in place, is chosen between.
    pub(super) fn branch(
        &mut self,
        condition: &Tensor,
        then: &[Statement],
        otherwise: &[Statement],
        locals: &mut Locals,
        function: &Arc<FunctionDef>,
    ) -> Result<Flow> {
        let stored = self.stored_count();
        let mut mutable = MutableValues::of(sorted(locals).into_iter().chain(self.assigned.values().flat_map(BTreeMap::values)))?;
        // What the sides leave shows once they ran; the first run only looks.
        let (mut sides, mut written) = (Vec::new(), BTreeSet::new());
        for block in [then, otherwise] {
            let mut own = locals.clone();
            let ran = crate::ops::cond(condition, || self.straight(block, &mut own, function).map(|()| vec![]), || Ok(vec![]));
            if self.restore_stored(stored)? {
                // Now that they are known, they are among what a block may change.
                mutable.restore(&mutable.changed())?;
                return self.branch(condition, then, otherwise, locals, function);
            }
            let changed = mutable.changed();
            if let Err(error) = ran {
                if !is_raised(&error) {
                    return Err(error);
                }
                // At these sizes this side is always an error of the program: a condition on its inputs.
                mutable.restore(&changed)?;
                let (is_then, line) = (sides.is_empty(), block.first().map_or(0, |statement| statement.line));
                required(condition, !is_then, error, &format!("{}:{line}", function.file))?;
                return self.block(if is_then { otherwise } else { then }, locals, function);
            }
            let held = changed.iter().map(|&i| Ok((i, mutable.now(i)?))).collect::<Result<BTreeMap<_, _>>>()?;
            mutable.restore(&changed)?;
            written.extend(changed);
            sides.push((own, held));
        }
        let mut locations: Vec<(ResultLocation, ValueLayout)> = Vec::new();
        for i in written.iter().copied() {
            let side = |n: usize| sides[n].1.get(&i).cloned().map_or_else(|| mutable.now(i), Ok);
            locations.push((ResultLocation::MutableValue(i), ValueLayout::of(&side(0)?, &side(1)?, true).ok_or_else(in_place)?));
        }
        for name in names_of(&[then, otherwise]) {
            match (sides[0].0.get(&name), sides[1].0.get(&name)) {
                (Some(a), Some(b)) if let Some(layout) = ValueLayout::of(a, b, true) => {
                    locations.push((ResultLocation::Name(name), layout))
                }
                // Nothing stands for both: who asks for it is told that there is no such name.
                _ => drop(locals.remove(&name)),
            }
        }
        let shared = RefCell::new((self, &mut mutable));
        let run = |block: &[Statement]| {
            let (interpreter, mutable) = &mut *shared.borrow_mut();
            let mut own = locals.clone();
            interpreter.straight(block, &mut own, function)?;
            let tensors = collect_tensors(&locations, mutable, &own)?;
            mutable.restore(&mutable.changed())?;
            Ok(tensors)
        };
        let chosen = crate::ops::cond(condition, || run(then), || run(otherwise))?;
        store_tensors(&locations, &mutable, locals, chosen)?;
        Ok(Flow::Next)
    }

    /// An expression on data: both sides are traced, and one is chosen at every call.
    pub(super) fn either(
        &mut self,
        condition: &Tensor,
        (then, otherwise): (&AstExpr, &AstExpr),
        locals: &mut Locals,
        function: &Arc<FunctionDef>,
    ) -> Result<Value> {
        let shared = RefCell::new((self, locals));
        let side = |expr: &AstExpr| {
            let (interpreter, locals) = &mut *shared.borrow_mut();
            let value = interpreter.eval(expr, locals, function)?;
            let other = || Error::unsupported("an expression that depends on the values of an input is neither a tensor nor a number");
            Ok(vec![number(&value).ok_or_else(other)??])
        };
        let chosen = crate::ops::cond(condition, || side(then), || side(otherwise))?;
        chosen.into_iter().next().map(Value::from).ok_or_else(|| Error::internal("a branch without a result"))
    }

    /// A loop on data or sizes: the names that its body assigns and that were there before, and what it changes in place, are its state. Lists that
    /// it only adds to get what its iterations add, stacked.
    pub(super) fn repeat(&mut self, trips: &Trips, body: &[Statement], locals: &mut Locals, function: &Arc<FunctionDef>) -> Result<()> {
        let stored = self.stored_count();
        let mut mutable = MutableValues::of(sorted(locals).into_iter().chain(self.assigned.values().flat_map(BTreeMap::values)))?;
        let mut own = locals.clone();
        let now = match trips {
            Trips::While(now, _) => now.clone(),
            Trips::Count { limit, start, target } => {
                self.assign(target, start.weakened().into(), &mut own, function)?;
                limit.gt(0)?
            }
        };
        crate::ops::cond(&now, || self.straight(body, &mut own, function).map(|()| vec![]), || Ok(vec![]))?;
        if self.restore_stored(stored)? {
            mutable.restore(&mutable.changed())?;
            return self.repeat(trips, body, locals, function);
        }
        let written = mutable.changed();
        let held = written.iter().map(|&i| Ok((i, mutable.now(i)?))).collect::<Result<Vec<_>>>()?;
        mutable.restore(&written)?;
        let mut locations: Vec<(ResultLocation, ValueLayout)> = Vec::new();
        let mut lists: Vec<Growing> = Vec::new();
        for (i, after) in held {
            let before = mutable.now(i)?;
            match appended(&before, &after) {
                Some(count) => lists.push(Growing { location: ResultLocation::MutableValue(i), before, count }),
                None => locations.push((ResultLocation::MutableValue(i), ValueLayout::of(&before, &after, false).ok_or_else(in_place)?)),
            }
        }
        for name in names_of(&[body]) {
            let (Some(before), Some(after)) = (locals.get(&name), own.get(&name)) else { continue };
            match (appended(before, after), ValueLayout::of(before, after, false)) {
                (Some(count), _) => lists.push(Growing { before: before.clone(), location: ResultLocation::Name(name), count }),
                (None, Some(layout)) => locations.push((ResultLocation::Name(name), layout)),
                (None, None) => drop(locals.remove(&name)),
            }
        }
        let state = collect_tensors(&locations, &mutable, locals)?;
        let around = locals.clone();
        let (limit, condition) = match trips {
            Trips::While(now, _) => (None, Some(now)),
            Trips::Count { limit, .. } => (Some(limit), None),
        };
        let (last, items) = crate::ops::repeat(limit, condition, state, &mut |iteration, state| {
            let mut own = around.clone();
            store_tensors(&locations, &mutable, &mut own, state.to_vec())?;
            lists.iter().try_for_each(|list| list.start(&mutable, &mut own))?;
            if let Trips::Count { start, target, .. } = trips {
                self.assign(target, start.add(iteration)?.weakened().into(), &mut own, function)?;
            }
            self.count_iteration()?;
            self.straight(body, &mut own, function)?;
            let on = match trips {
                Trips::While(_, condition) => {
                    let next = self.eval(condition, &mut own, function)?;
                    Some(number(&next).unwrap_or_else(|| Err(Error::unsupported("the loop bound is not a number")))?)
                }
                Trips::Count { .. } => None,
            };
            let changed = mutable.changed();
            if !changed.is_subset(&written) {
                return Err(in_place());
            }
            let state = collect_tensors(&locations, &mutable, &own)?;
            let items = lists.iter().map(|list| list.items(&mutable, &own)).collect::<Result<Vec<_>>>()?.concat();
            mutable.restore(&written)?;
            Ok(Iteration { on, state, items })
        })?;
        if let Trips::Count { target: AstExpr::Name(name), .. } = trips {
            locals.remove(name);
        }
        store_tensors(&locations, &mutable, locals, last)?;
        let mut items = items.into_iter();
        lists.iter().try_for_each(|list| list.finish(&mutable, locals, items.by_ref().take(list.count).collect()))
    }

    /// A block that is recorded and may not run: it has no way out.
    fn straight(&mut self, block: &[Statement], locals: &mut Locals, function: &Arc<FunctionDef>) -> Result<()> {
        let before = self.assignments;
        match self.block(block, locals, function)? {
            Flow::Next if self.assignments > before => Err(Error::unsupported(
                "assigning a module attribute in a branch or loop that depends on the values of an input is not supported",
            )),
            Flow::Next => Ok(()),
            _ => Err(Error::unsupported("return, break or continue that depends on the values of an input is not supported")),
        }
    }

    /// Requires that a condition on data or sizes is not the one under which a block raises an error.
    pub(super) fn require(
        &mut self,
        condition: &Tensor,
        holds: bool,
        raising: &[Statement],
        locals: &Locals,
        function: &Arc<FunctionDef>,
        line: LineNumber,
    ) -> Result<()> {
        let Err(error) = self.block(raising, &mut locals.clone(), function) else {
            return Err(Error::internal("a block that raises an error ended without one"));
        };
        required(condition, holds, error, &format!("{}:{line}", function.file))
    }
}

/// A list that every iteration of a loop adds so many elements to.
struct Growing {
    location: ResultLocation,
    /// The list before the loop.
    before: Value,
    count: usize,
}

impl Growing {
    fn store(&self, mutable: &MutableValues, locals: &mut Locals, elements: Vec<Value>) -> Result<()> {
        match &self.location {
            ResultLocation::Name(name) => drop(locals.insert(name.clone(), Value::list(elements))),
            ResultLocation::MutableValue(i) => mutable.set(*i, &Value::tuple(elements))?,
        }
        Ok(())
    }

    /// In an iteration, nobody knows what the others added.
    fn start(&self, mutable: &MutableValues, locals: &mut Locals) -> Result<()> {
        self.store(mutable, locals, vec![Value::Part(None)])
    }

    /// What an iteration added.
    fn items(&self, mutable: &MutableValues, locals: &Locals) -> Result<Vec<Tensor>> {
        let now = match &self.location {
            ResultLocation::Name(name) => locals.get(name).cloned().ok_or_else(|| super::unknown(name))?,
            ResultLocation::MutableValue(i) => mutable.now(*i)?,
        };
        match now.items()?.as_slice() {
            [Value::Part(None), added @ ..] if added.len() == self.count => {
                added.iter().map(|value| number(value).ok_or_else(in_place)?).collect()
            }
            _ => Err(in_place()),
        }
    }

    /// The list after the loop: what was there before, and what all iterations added, in order.
    fn finish(&self, mutable: &MutableValues, locals: &mut Locals, added: Vec<Tensor>) -> Result<()> {
        let part = match added.as_slice() {
            [one] => one.clone(),
            several => Tensor::stack(&several.iter().collect::<Vec<_>>(), 1)?.flatten(0, 1)?,
        };
        let mut elements = self.before.items()?;
        elements.push(Value::Part(Some(View::new(part))));
        self.store(mutable, locals, elements)
    }
}

/// The location of a result of a block: a name, or a mutable value that was there before.
enum ResultLocation {
    Name(Arc<str>),
    MutableValue(usize),
}

/// The tensors in these locations now.
fn collect_tensors(locations: &[(ResultLocation, ValueLayout)], mutable: &MutableValues, locals: &Locals) -> Result<Vec<Tensor>> {
    let mut tensors = Vec::new();
    for (location, layout) in locations {
        match location {
            ResultLocation::Name(name) => layout.collect(locals.get(name).ok_or_else(|| super::unknown(name))?, &mut tensors)?,
            ResultLocation::MutableValue(i) => layout.collect(&mutable.now(*i)?, &mut tensors)?,
        }
    }
    Ok(tensors)
}

/// Puts tensors into these locations.
fn store_tensors(
    locations: &[(ResultLocation, ValueLayout)],
    mutable: &MutableValues,
    locals: &mut Locals,
    tensors: Vec<Tensor>,
) -> Result<()> {
    let mut tensors = tensors.into_iter();
    for (location, layout) in locations {
        let value = layout.build(&mut tensors)?;
        match location {
            ResultLocation::Name(name) => drop(locals.insert(name.clone(), value)),
            ResultLocation::MutableValue(i) => mutable.set(*i, &value)?,
        }
    }
    Ok(())
}

fn in_place() -> Error {
    Error::unsupported("a branch or loop that depends on the values of an input changes the length or element types of a list")
        .help("elements of a list may be replaced, not added or removed")
}

/// The values by name, so that a program is traced in the same order every time.
fn sorted(locals: &Locals) -> Vec<&Value> {
    let ordered: BTreeMap<&Arc<str>, &Value> = locals.iter().collect();
    ordered.into_values().collect()
}

/// The names that blocks give values to, each once.
fn names_of(blocks: &[&[Statement]]) -> BTreeSet<Arc<str>> {
    let mut names = Vec::new();
    blocks.iter().for_each(|block| assigned(block, &mut names));
    names.into_iter().collect()
}

/// The names that statements give values to.
fn assigned(statements: &[Statement], names: &mut Vec<Arc<str>>) {
    fn target(expr: &AstExpr, names: &mut Vec<Arc<str>>) {
        match expr {
            AstExpr::Name(name) => names.push(name.clone()),
            AstExpr::Tuple(items) | AstExpr::List(items) => items.iter().for_each(|item| target(item, names)),
            _ => {}
        }
    }
    for statement in statements {
        match &statement.kind {
            StatementKind::Assign(to, _) => target(to, names),
            StatementKind::If(_, then, otherwise) => {
                assigned(then, names);
                assigned(otherwise, names);
            }
            StatementKind::While(_, body) => assigned(body, names),
            StatementKind::For(to, _, body) => {
                target(to, names);
                assigned(body, names);
            }
            StatementKind::With(_, to, body) => {
                to.iter().for_each(|to| target(to, names));
                assigned(body, names);
            }
            _ => {}
        }
    }
}
