//! Runs TorchScript with tensor methods. Under a trace this is the conversion.

use super::ast::{AstExpr, CallExpr, FunctionDef, Statement, StatementKind, dotted};
use super::branches::{RAISED, Trips, raises, required};
use super::objects;
use super::side_effects::MutableValues;
use super::{ScriptModule, builtin, constant_value};
use crate::dim::Dim;
use crate::error::{Error, Result, ResultExt};
use crate::ops::unjustified;
use crate::read::aten::{self, AtenOperator, value::Value};
use crate::tensor::guard::fixed_by_guards;
use crate::tensor::{Tensor, location, superseded};
use crate::work::{LoopBudget, Spent};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;
use std::sync::{Arc, OnceLock};

/// How deeply functions may call each other; torch's modules stay below 30.
const DEEPEST: usize = 200;
/// The iterations of loops that take as long as a node of a graph does.
const NODE: usize = 2;
/// The most iterations where no [budget](LoopBudget) is set: a program that is read is not trusted to end.
const MAX_ITERATIONS: usize = 1_000_000;
/// The iterations that a call of a function counts as.
const CALL: usize = 8;

/// How many elements of lists or letters of strings count as an iteration.
const ELEMENTS: usize = 32;

/// One run of a program.
pub(super) struct Interpreter<'a> {
    pub(super) script: &'a ScriptModule,
    depth: usize,
    iterations: usize,
    /// What the program assigned to the attributes of its modules, and the tensors and containers that it may have changed: there for this call,
    /// and for no other.
    pub(super) assigned: BTreeMap<usize, BTreeMap<Arc<str>, Value>>,
    /// How often it did.
    pub(super) assignments: usize,
    /// The attributes that it read as they are stored, with what can be changed in them, and how many there were before.
    stored: BTreeMap<(usize, Arc<str>), (usize, MutableValues)>,
    /// Those of them that it assigned to afterwards.
    replaced: BTreeSet<(usize, Arc<str>)>,
    /// Whether the program takes gradients here, as it may ask: what is fast only without them computes the same.
    is_grad_enabled: bool,
}

pub(super) type Locals = HashMap<Arc<str>, Value>;

/// What a block ended with.
pub(super) enum Flow {
    Next,
    Break,
    Continue,
    Return(Value),
}

impl<'a> Interpreter<'a> {
    pub(super) fn new(script: &'a ScriptModule) -> Interpreter<'a> {
        Interpreter {
            script,
            depth: 0,
            iterations: 0,
            assigned: BTreeMap::new(),
            assignments: 0,
            stored: BTreeMap::new(),
            replaced: BTreeSet::new(),
            is_grad_enabled: true,
        }
    }

    /// The attributes that the program read and has changed since: the next call of the source reads what this one left.
    pub(super) fn state(&self) -> Vec<String> {
        let changed = self.stored.iter().filter(|(key, (_, held))| self.replaced.contains(key) || !held.changed().is_empty());
        changed.map(|((id, name), _)| objects::join(self.script.objects.path(*id), name)).collect()
    }

    /// How many attributes have been read as they are stored.
    pub(super) fn stored_count(&self) -> usize {
        self.stored.len()
    }

    /// Puts back what was changed in attributes that were not among the first so many to be read; whether there was any.
    pub(super) fn restore_stored(&mut self, since: usize) -> Result<bool> {
        let mut found = false;
        for (_, held) in self.stored.values_mut().filter(|(order, _)| *order >= since) {
            let changed = held.changed();
            found |= !changed.is_empty();
            held.restore(&changed)?;
        }
        Ok(found)
    }

    /// Calls a function; a method gets its object first.
    pub(super) fn call(
        &mut self,
        function: &Arc<FunctionDef>,
        object: Option<Value>,
        positional: &[Value],
        named: &[(String, Value)],
    ) -> Result<Value> {
        if self.depth >= DEEPEST {
            return Err(Error::too_deep(format!("function calls nested {DEEPEST} deep")));
        }
        self.count_work(CALL)?;
        let mut locals = Locals::new();
        let given = object.into_iter().chain(positional.iter().cloned());
        let mut count = 0;
        for (parameter, value) in function.parameters.iter().zip(given) {
            locals.insert(parameter.name.clone(), value);
            count += 1;
        }
        if count < positional.len() {
            return Err(Error::input(format!("{} takes {} inputs, got {}", function.name, function.parameters.len(), positional.len())));
        }
        for (name, value) in named {
            locals.insert(name.as_str().into(), value.clone());
        }
        for parameter in &function.parameters {
            if !locals.contains_key(&parameter.name) {
                let default = parameter.default.as_ref().ok_or_else(|| Error::input(format!("`{}` is missing", parameter.name)))?;
                let value = self.eval(default, &mut Locals::new(), function)?;
                locals.insert(parameter.name.clone(), value);
            }
        }
        self.depth += 1;
        let flow = self.block(&function.body, &mut locals, function);
        self.depth -= 1;
        match flow? {
            Flow::Return(value) => Ok(value),
            _ => Ok(Value::None),
        }
    }

    pub(super) fn block(&mut self, statements: &[Statement], locals: &mut Locals, function: &Arc<FunctionDef>) -> Result<Flow> {
        for statement in statements {
            let flow = self.statement(statement, locals, function)?;
            if !matches!(flow, Flow::Next) {
                return Ok(flow);
            }
        }
        Ok(Flow::Next)
    }

    fn statement(&mut self, statement: &Statement, locals: &mut Locals, function: &Arc<FunctionDef>) -> Result<Flow> {
        superseded()?;
        match &statement.kind {
            StatementKind::Assign(target, value) => {
                let value = self.eval(value, locals, function)?;
                self.assign(target, value, locals, function)?;
            }
            StatementKind::Expr(value) => drop(self.eval(value, locals, function)?),
            StatementKind::Return(value) => {
                let value = value.as_ref().map_or(Ok(Value::None), |value| self.eval(value, locals, function))?;
                return Ok(Flow::Return(value));
            }
            StatementKind::If(condition, then, otherwise) => {
                return match self.decided(condition, locals, function)? {
                    Decision::Known(taken) => self.block(if taken { then } else { otherwise }, locals, function),
                    // A side that only raises an error is a condition on the inputs of the program.
                    Decision::Traced(condition) => match (raises(then), raises(otherwise)) {
                        (true, false) => {
                            self.require(&condition, false, then, locals, function, statement.line)?;
                            self.block(otherwise, locals, function)
                        }
                        (false, true) => {
                            self.require(&condition, true, otherwise, locals, function, statement.line)?;
                            self.block(then, locals, function)
                        }
                        _ => self.branch(&condition, then, otherwise, locals, function),
                    },
                };
            }
            StatementKind::While(condition, body) => loop {
                match self.decided(condition, locals, function)? {
                    Decision::Known(false) => break,
                    Decision::Known(true) => {}
                    Decision::Traced(now) => {
                        self.repeat(&Trips::While(now, condition), body, locals, function)?;
                        break;
                    }
                }
                self.count_iteration()?;
                match self.block(body, locals, function)? {
                    Flow::Break => break,
                    Flow::Return(value) => return Ok(Flow::Return(value)),
                    _ => {}
                }
            },
            StatementKind::For(target, over, body) => {
                if let Some(trips) = self.counted(target, over, locals, function)? {
                    self.repeat(&trips, body, locals, function)?;
                    return Ok(Flow::Next);
                }
                for value in self.eval(over, locals, function)?.elements()? {
                    self.count_iteration()?;
                    self.assign(target, value, locals, function)?;
                    match self.block(body, locals, function)? {
                        Flow::Break => break,
                        Flow::Return(value) => return Ok(Flow::Return(value)),
                        _ => {}
                    }
                }
            }
            StatementKind::With(manager, target, body) => {
                let manager = self.eval(manager, locals, function)?;
                let entered = self.call_of_manager(&manager, "__enter__", 0, statement.line, function)?;
                if let Some(target) = target {
                    self.assign(target, entered, locals, function)?;
                }
                let flow = self.block(body, locals, function)?;
                // The type of an exception, the exception and its traceback: an error ends the program.
                self.call_of_manager(&manager, "__exit__", 3, statement.line, function)?;
                return Ok(flow);
            }
            StatementKind::Assert(condition, message) => {
                let failed = |interpreter: &mut Self, locals: &mut Locals| {
                    let message = message.as_ref().map(|message| interpreter.eval(message, locals, function)).transpose()?;
                    Ok(Error::argument(format!("an assertion of the program does not hold: {message:?}")))
                };
                match self.decided(condition, locals, function)? {
                    Decision::Known(true) => {}
                    Decision::Known(false) => return Err(failed(self, locals)?),
                    Decision::Traced(condition) => {
                        let error = failed(self, locals)?;
                        required(&condition, true, error, &format!("{}:{}", function.file, statement.line))?;
                    }
                }
            }
            StatementKind::Raise(value) => {
                let value = value.as_ref().map(|value| self.eval(value, locals, function)).transpose()?;
                return Err(Error::argument(format!("{RAISED}{value:?}")));
            }
            StatementKind::Break => return Ok(Flow::Break),
            StatementKind::Continue => return Ok(Flow::Continue),
            StatementKind::Pass | StatementKind::Declare => {}
        }
        Ok(Flow::Next)
    }

    /// Calls a method of a context manager with as many arguments that are `None`.
    fn call_of_manager(&mut self, manager: &Value, method: &str, count: usize, line: u32, function: &Arc<FunctionDef>) -> Result<Value> {
        let name: Arc<str> = "manager".into();
        let callee = AstExpr::Attribute(Box::new(AstExpr::Name(name.clone())), method.into());
        let call = CallExpr { callee, positional: vec![AstExpr::None; count], named: Vec::new(), line, operator: OnceLock::new() };
        let mut locals = Locals::from([(name, manager.clone())]);
        self.eval(&AstExpr::Call(Box::new(call)), &mut locals, function)
    }

    pub(super) fn count_iteration(&mut self) -> Result<()> {
        self.count_work(1)
    }

    fn count_work(&mut self, iterations: usize) -> Result<()> {
        let nodes = self.iterations / NODE;
        self.iterations += iterations;
        match LoopBudget::spend((self.iterations / NODE - nodes) as u64) {
            Spent::No => Err(unjustified()),
            Spent::Unlimited if self.iterations > MAX_ITERATIONS => Err(Error::too_big(format!(
                "more than {MAX_ITERATIONS} iterations of loops, or {} calls of functions",
                MAX_ITERATIONS / CALL
            ))),
            Spent::Yes | Spent::Unlimited => Ok(()),
        }
    }

    /// Counts what is read of lists and strings: most of what is done to one looks at all of it.
    fn count_elements(&mut self, operands: &[Value]) -> Result<()> {
        let length = |value: &Value| match value {
            Value::List(values) => values.borrow().len(),
            Value::Tuple(values) => values.len(),
            Value::Dict(entries) => entries.borrow().len(),
            Value::Str(text) => text.len(),
            _ => 0,
        };
        self.count_work(operands.iter().map(length).sum::<usize>() / ELEMENTS)
    }

    /// What a condition comes to.
    pub(super) fn decided(&mut self, condition: &AstExpr, locals: &mut Locals, function: &Arc<FunctionDef>) -> Result<Decision> {
        let value = self.eval(condition, locals, function)?;
        Ok(Decision::Known(match &value {
            Value::Tensor(view) => {
                let tensor = view.read()?;
                match fixed_by_guards(&tensor) {
                    Some(known) => known.item()?.to_f64() != 0.0,
                    None if tensor.is_traced() => return Ok(Decision::Traced(tensor)),
                    None => tensor.item()?.to_f64() != 0.0,
                }
            }
            Value::None => false,
            Value::Str(text) => !text.is_empty(),
            Value::List(_) | Value::Tuple(_) => !value.elements()?.is_empty(),
            other => other.number()?.to_f64() != 0.0,
        }))
    }

    pub(super) fn assign(&mut self, target: &AstExpr, value: Value, locals: &mut Locals, function: &Arc<FunctionDef>) -> Result<()> {
        match target {
            AstExpr::Name(name) => drop(locals.insert(name.clone(), value)),
            AstExpr::Tuple(targets) | AstExpr::List(targets) => {
                let values = value.elements()?;
                if values.len() != targets.len() {
                    return Err(Error::damaged(format!("{} names for {} values", targets.len(), values.len())));
                }
                for (target, value) in targets.iter().zip(values) {
                    self.assign(target, value, locals, function)?;
                }
            }
            AstExpr::Index(container, index) => {
                let (container, index) = (self.eval(container, locals, function)?, self.eval(index, locals, function)?);
                builtin::set_item(&container, &index, value)?;
            }
            AstExpr::Attribute(base, name) => match self.eval(base, locals, function)? {
                Value::Instance(_, attributes) => {
                    builtin::set_item(&Value::Dict(attributes), &Value::Str(name.clone()), value)?;
                }
                Value::Object(id) => {
                    if self.stored.contains_key(&(id, name.clone())) {
                        self.replaced.insert((id, name.clone()));
                    }
                    self.assigned.entry(id).or_default().insert(name.clone(), value);
                    self.assignments += 1;
                }
                other => return Err(Error::unsupported(format!("cannot assign to an attribute of a {}", other.kind()))),
            },
            _ => return Err(Error::damaged("a target that cannot be assigned to")),
        }
        Ok(())
    }

    pub(super) fn eval(&mut self, expr: &AstExpr, locals: &mut Locals, function: &Arc<FunctionDef>) -> Result<Value> {
        Ok(match expr {
            AstExpr::Name(name) => locals.get(name).cloned().ok_or_else(|| super::unknown(name))?,
            AstExpr::None => Value::None,
            AstExpr::Bool(x) => Value::Bool(*x),
            AstExpr::Int(x) => Value::Int(Dim::Fixed(*x)),
            AstExpr::Float(x) => Value::Float(*x),
            AstExpr::Imaginary(x) => crate::read::aten::complex::number(0.0, *x),
            AstExpr::Str(x) => Value::Str(x.clone()),
            AstExpr::List(items) => Value::list(self.all(items, locals, function)?),
            AstExpr::Tuple(items) => Value::tuple(self.all(items, locals, function)?),
            AstExpr::Dict(entries) => {
                let entries =
                    entries.iter().map(|(key, value)| Ok((self.eval(key, locals, function)?, self.eval(value, locals, function)?)));
                Value::Dict(Rc::new(std::cell::RefCell::new(entries.collect::<Result<_>>()?)))
            }
            AstExpr::Fields(_) => return Err(Error::unsupported("a type is no value")),
            AstExpr::Attribute(base, name) => match dotted(expr).filter(|path| self.script.program.functions.contains_key(path)) {
                Some(path) => Value::Function(path.into()),
                None if let Some(member) = self.member(base, name) => self.eval(&member, &mut Locals::new(), function)?,
                None => self.attribute(base, name, locals, function)?,
            },
            AstExpr::Index(base, index) => {
                let (base, index) = (self.eval(base, locals, function)?, self.eval(index, locals, function)?);
                self.count_elements(std::slice::from_ref(&base))?;
                builtin::get_item(&base, &index)?
            }
            AstExpr::Call(call) => self.apply(call, locals, function).at(format!("{}:{}", function.file, call.line))?,
            AstExpr::Unary(op, operand) => builtin::unary(op, &self.eval(operand, locals, function)?)?,
            AstExpr::Binary(op, sides) => {
                let left = self.eval(&sides.0, locals, function)?;
                // Whether the right side runs at all depends on the left one.
                if matches!(*op, "and" | "or") && matches!(left, Value::Bool(_)) {
                    let decided = matches!((*op, &left), ("and", Value::Bool(false)) | ("or", Value::Bool(true)));
                    return if decided { Ok(left) } else { self.eval(&sides.1, locals, function) };
                }
                let right = self.eval(&sides.1, locals, function)?;
                match *op {
                    "/" if [&left, &right].into_iter().any(|side| matches!(side, Value::Tensor(_))) => {
                        let operator = aten::resolve_at("div", self.script.version).ok_or_else(|| aten::unknown("div"))?;
                        operator.call(&[left, right], &[])?
                    }
                    op => {
                        self.count_elements(std::slice::from_ref(&left))?;
                        self.count_elements(std::slice::from_ref(&right))?;
                        builtin::binary(op, &left, &right)?
                    }
                }
            }
            AstExpr::Either(parts) => match self.decided(&parts.0, locals, function)? {
                Decision::Known(taken) => self.eval(if taken { &parts.1 } else { &parts.2 }, locals, function)?,
                Decision::Traced(condition) => self.either(&condition, (&parts.1, &parts.2), locals, function)?,
            },
        })
    }

    /// The value of a member of an enumeration of the program.
    fn member(&self, class: &AstExpr, name: &str) -> Option<AstExpr> {
        let members = &self.script.program.classes.get(&dotted(class)?)?.members;
        members.iter().find(|member| *member.0 == *name).map(|member| member.1.clone())
    }

    fn all(&mut self, items: &[AstExpr], locals: &mut Locals, function: &Arc<FunctionDef>) -> Result<Vec<Value>> {
        items.iter().map(|item| self.eval(item, locals, function)).collect()
    }

    fn attribute(&mut self, base: &AstExpr, name: &str, locals: &mut Locals, function: &Arc<FunctionDef>) -> Result<Value> {
        if let AstExpr::Name(base) = base
            && **base == *"CONSTANTS"
        {
            let index = name.strip_prefix('c').and_then(|digits| digits.parse::<usize>().ok());
            let constant = index.and_then(|i| self.script.constants.get(i)).ok_or_else(|| super::unknown(&format!("CONSTANTS.{name}")))?;
            return constant_value(constant, &format!("constants.{name}"));
        }
        match self.eval(base, locals, function)? {
            Value::Object(id) => match self.assigned.get(&id).and_then(|own| own.get(name)) {
                Some(value) => Ok(value.clone()),
                None => {
                    let value = self.script.objects.attribute(id, name)?;
                    if !matches!(value, Value::Object(_)) {
                        let held = (self.stored.len(), MutableValues::of([&value])?);
                        self.stored.insert((id, name.into()), held);
                    }
                    if matches!(value, Value::List(_) | Value::Dict(_) | Value::Tensor(_) | Value::Complex(_)) {
                        self.assigned.entry(id).or_default().insert(name.into(), value.clone());
                    }
                    Ok(value)
                }
            },
            Value::Instance(class, attributes) => {
                let attributes = attributes.borrow();
                let found = attributes.iter().find(|entry| matches!(&entry.0, Value::Str(key) if **key == *name));
                found.map(|entry| entry.1.clone()).ok_or_else(|| super::unknown(&format!("{class}.{name}")))
            }
            Value::Tensor(view) => builtin::tensor_attribute(&view.read()?, name),
            Value::Complex(pair) if name == "dtype" => Ok(Value::Int(pair.dtype_number()?.into())),
            Value::Complex(pair) => builtin::tensor_attribute(&pair.re.read()?, name),
            other => Err(Error::unsupported(format!("attribute {name} of a {} is not supported", other.kind()))),
        }
    }

    fn apply(&mut self, call: &CallExpr, locals: &mut Locals, function: &Arc<FunctionDef>) -> Result<Value> {
        // Types among the arguments are no values: they are left out before anything is evaluated.
        if let AstExpr::Name(name) = &call.callee {
            match (&**name, call.positional.as_slice()) {
                ("annotate" | "unchecked_cast", [_, value]) => return self.eval(value, locals, function),
                ("uninitialized", _) => return Ok(Value::None),
                ("isinstance", [value, kind]) => {
                    let value = self.eval(value, locals, function)?;
                    return Ok(Value::Bool(is_instance(&value, kind)?));
                }
                ("getattr", [object, AstExpr::Str(name)]) => return self.attribute(object, name, locals, function),
                _ => {}
            }
        }
        let path = dotted(&call.callee);
        if let Some(class) = path.as_ref().and_then(|path| path.strip_suffix(".__new__")) {
            return Ok(Value::Instance(class.into(), Rc::default()));
        }
        let local = match &path {
            Some(path) => locals.contains_key(path.split('.').next().unwrap_or(path)),
            None => true,
        };
        let positional = self.all(&call.positional, locals, function)?;
        let named = call
            .named
            .iter()
            .map(|(name, value)| Ok((name.to_string(), self.eval(value, locals, function)?)))
            .collect::<Result<Vec<_>>>()?;
        match path.filter(|_| !local) {
            Some(path) => self.free(&path, &positional, &named, function, (call, &call.operator)),
            None => {
                if let AstExpr::Name(name) = &call.callee
                    && let Some(Value::Function(path)) = locals.get(name)
                {
                    let path = path.clone();
                    return self.free(&path, &positional, &named, function, (call, &OnceLock::new()));
                }
                let AstExpr::Attribute(base, method) = &call.callee else {
                    return Err(Error::unsupported("calling a computed function is not supported"));
                };
                match self.eval(base, locals, function)? {
                    Value::Object(id) => {
                        let called = self.script.program.method(self.script.objects.class(id), method)?;
                        let _scope = location::absolute_scope(self.script.objects.path(id));
                        self.call(&called, Some(Value::Object(id)), &positional, &named)
                    }
                    Value::Instance(class, attributes) => {
                        let called = self.script.program.method(&class, method)?;
                        self.call(&called, Some(Value::Instance(class, attributes)), &positional, &named)
                    }
                    _ => Err(Error::unsupported(format!("method {method} is not supported"))),
                }
            }
        }
    }

    /// A call of a function by its full name; the call site keeps the operator of torch that the name stands for.
    fn free(
        &mut self,
        path: &str,
        positional: &[Value],
        named: &[(String, Value)],
        function: &Arc<FunctionDef>,
        (call, operator): (&CallExpr, &OnceLock<Option<&'static AtenOperator>>),
    ) -> Result<Value> {
        if let Some(called) = self.script.program.functions.get(path) {
            let called = called.clone();
            return self.call(&called, None, positional, named);
        }
        if self.script.program.classes.contains_key(path) {
            // A class that is called is a named tuple: any other is made by `__new__`.
            return Ok(Value::tuple(positional.iter().cloned().chain(named.iter().map(|(_, value)| value.clone())).collect()));
        }
        match (path, positional) {
            ("torch.is_grad_enabled", []) => return Ok(Value::Bool(self.is_grad_enabled)),
            ("torch.set_grad_enabled", [Value::Bool(enabled)]) => {
                self.is_grad_enabled = *enabled;
                return Ok(Value::None);
            }
            _ => {}
        }
        self.count_elements(positional)?;
        if let Some(result) = builtin::call(path, positional, named) {
            return result;
        }
        let _line = location::line(format!("{}:{}", function.file, call.line));
        let name = path.strip_prefix("torch.").or_else(|| path.strip_prefix("ops.")).unwrap_or(path);
        let operator = operator.get_or_init(|| aten::resolve_at(name, self.script.version)).ok_or_else(|| aten::unknown(name))?;
        // A script gives `full` a truth value as an integer, where torch.export keeps it.
        let number = |value: &Value| if let Value::Bool(x) = value { Value::Int(Dim::Fixed(i64::from(*x))) } else { value.clone() };
        if name == "full" {
            return operator.call(&positional.iter().map(number).collect::<Vec<_>>(), named);
        }
        operator.call(positional, named)
    }
}

/// Whether a value is of a type, or of one of several.
fn is_instance(value: &Value, kind: &AstExpr) -> Result<bool> {
    let (name, inner) = match kind {
        AstExpr::Tuple(kinds) | AstExpr::List(kinds) => {
            return kinds.iter().try_fold(false, |found, kind| Ok(found || is_instance(value, kind)?));
        }
        AstExpr::Name(name) => (name, None),
        AstExpr::Index(name, inner) => match &**name {
            AstExpr::Name(name) => (name, Some(&**inner)),
            _ => return Err(Error::unsupported("expected a type name")),
        },
        AstExpr::None => return Ok(matches!(value, Value::None)),
        _ => return Err(Error::unsupported("expected a type name")),
    };
    // An empty list is of every type.
    let all = |items: &[Value]| items.iter().try_fold(true, |all, item| Ok(all && inner.map_or(Ok(true), |kind| is_instance(item, kind))?));
    Ok(match (&**name, value) {
        ("Tensor", Value::Tensor(_) | Value::Complex(_))
        | ("int" | "number", Value::Int(_))
        | ("float" | "number", Value::Float(_))
        | ("bool", Value::Bool(_))
        | ("str", Value::Str(_))
        | ("Device", Value::Device)
        | ("NoneType", Value::None)
        | ("Dict", Value::Dict(_))
        | ("Any", _) => true,
        ("List", Value::List(items)) => all(&items.borrow())?,
        ("Tuple", Value::Tuple(items)) => match inner {
            Some(AstExpr::Tuple(kinds)) => {
                kinds.len() == items.len()
                    && kinds.iter().zip(items.iter()).try_fold(true, |all, (kind, item)| Ok::<_, Error>(all && is_instance(item, kind)?))?
            }
            _ => all(items)?,
        },
        ("Optional", Value::None) => true,
        ("Optional" | "Union", value) => inner.map_or(Ok(true), |kind| is_instance(value, kind))?,
        _ => false,
    })
}

/// A condition, once its expression ran.
pub(super) enum Decision {
    Known(bool),
    /// It depends on the values of an input.
    Traced(Tensor),
}
