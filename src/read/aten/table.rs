//! The table of torch operators, by name: which rows a name stands for, and the dispatch of a call to one of them.

use super::args::Args;
use super::complex_dispatch::Rules;
use super::row::{Row, Run};
use super::schema::Schema;
use super::upgraders::{UPGRADERS, Upgrader};
use super::value::{Value, write_out};
use super::{
    activation, alias, binary, complex, conv, create, fourier, gradient, histogram, index, linalg, linear, loss, norm, order, pool,
    promotion, random, recurrent, reduce, sample, scatter, shape, unary, view, vision,
};
use crate::error::{Error, ErrorCode, Result, ResultExt};
use crate::tensor::Tensor;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

/// The rows of every family; overloads of one name are tried in this order.
const FAMILIES: &[&[Row]] = &[
    activation::ROWS,
    binary::ROWS,
    complex::ROWS,
    conv::ROWS,
    create::ROWS,
    fourier::ROWS,
    gradient::ROWS,
    histogram::ROWS,
    index::ROWS,
    linalg::ROWS,
    linear::ROWS,
    loss::ROWS,
    norm::ROWS,
    order::ROWS,
    pool::ROWS,
    promotion::ROWS,
    random::ROWS,
    recurrent::ROWS,
    reduce::ROWS,
    sample::ROWS,
    scatter::ROWS,
    shape::ROWS,
    unary::METHODS,
    unary::ROWS,
    view::ROWS,
    vision::ROWS,
];

/// A row with its schema parsed.
struct Overload {
    schema: Schema,
    run: &'static Run,
}

/// The overloads of one operator, in the order in which they are tried.
struct Overloads {
    /// The operator's name in torch, for messages: `aten::relu`.
    full: String,
    rows: Vec<Overload>,
    complex: Rules,
}

/// How a name relates to the operator whose rows it uses.
#[derive(Clone, Copy)]
enum Form {
    /// The operator itself, or an alias.
    Plain,
    /// The in-place form, `relu_`: the result is written to the first operand.
    InPlace,
    /// The copying form of a view, `select_copy`: the result shares no storage.
    Copied,
}

/// A torch operator by one of its names, resolved: what a call site keeps, so that the name is looked up once.
pub(crate) struct AtenOperator {
    /// Its name in torch, for messages: `aten::relu_`.
    full: String,
    form: Form,
    overloads: Arc<Overloads>,
}

impl fmt::Debug for AtenOperator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.full)
    }
}

impl PartialEq for AtenOperator {
    fn eq(&self, other: &AtenOperator) -> bool {
        self.full == other.full
    }
}

/// The operators by each of their names.
fn table() -> &'static HashMap<String, AtenOperator> {
    static TABLE: OnceLock<HashMap<String, AtenOperator>> = OnceLock::new();
    TABLE.get_or_init(build)
}

fn build() -> HashMap<String, AtenOperator> {
    let mut rows: HashMap<String, Vec<Overload>> = HashMap::new();
    for row in FAMILIES.iter().flat_map(|family| family.iter()) {
        // A schema that does not parse is caught by a test; here it is as if it were not there.
        if let Ok(schema) = Schema::parse(row.schema) {
            rows.entry(schema.name.clone()).or_default().push(Overload { schema, run: &row.run });
        }
    }
    let mut names = Vec::with_capacity(rows.len());
    let mut plain: HashMap<String, Arc<Overloads>> = HashMap::new();
    for (name, rows) in rows {
        // The table lives as long as the process, and so do its names.
        let name: &'static str = name.leak();
        names.push(name);
        plain.insert(name.to_string(), Arc::new(Overloads { full: full(name), rows, complex: Rules::of(name) }));
    }
    let mut operators = HashMap::new();
    for name in names.iter().copied().chain(alias::names()) {
        for name in [name.to_string(), format!("{name}_"), format!("{name}_copy")] {
            if let Some((form, overloads)) = form_of(&plain, &name) {
                operators.insert(name.clone(), AtenOperator { full: full(&name), form, overloads });
            }
        }
    }
    operators
}

/// The form that a name is, and the rows that it uses.
fn form_of(plain: &HashMap<String, Arc<Overloads>>, name: &str) -> Option<(Form, Arc<Overloads>)> {
    let name = alias::of(name);
    let rows = |name: &str| plain.get(alias::of(name)).cloned();
    if let Some(rows) = plain.get(name) {
        return Some((Form::Plain, rows.clone()));
    }
    let in_place = name.strip_suffix('_').filter(|plain| !plain.is_empty() && !plain.ends_with('_')).and_then(rows);
    let copied = || name.strip_suffix("_copy").and_then(rows);
    in_place.map(|rows| (Form::InPlace, rows)).or_else(|| copied().map(|rows| (Form::Copied, rows)))
}

/// An operator as archives of before a version mean it.
struct Historic {
    name: &'static str,
    changed_in: u32,
    operator: AtenOperator,
}

/// The operators that a version of TorchScript's file format changed, as they were before.
fn historic() -> &'static [Historic] {
    static HISTORIC: OnceLock<Vec<Historic>> = OnceLock::new();
    HISTORIC.get_or_init(|| {
        let of_today = || FAMILIES.iter().flat_map(|family| family.iter());
        let overloads = |upgrader: &Upgrader| {
            let name = upgrader.name.trim_end_matches('_');
            let rest = of_today().filter(|row| upgrader.others && row.schema.strip_prefix(name).is_some_and(|rest| rest.starts_with('(')));
            let rows = upgrader.rows.iter().chain(rest);
            let rows = rows.filter_map(|row| Some(Overload { schema: Schema::parse(row.schema).ok()?, run: &row.run }));
            Overloads { full: full(name), rows: rows.collect(), complex: Rules::of(name) }
        };
        let entry = |upgrader: &Upgrader| Historic {
            name: upgrader.name,
            changed_in: upgrader.changed_in,
            operator: AtenOperator {
                full: full(upgrader.name),
                form: if upgrader.name.ends_with('_') { Form::InPlace } else { Form::Plain },
                overloads: Arc::new(overloads(upgrader)),
            },
        };
        UPGRADERS.iter().map(entry).collect()
    })
}

/// The operator that a name stands for in a TorchScript archive of this version of the file format.
pub(crate) fn resolve_at(name: &str, version: u32) -> Option<&'static AtenOperator> {
    let old = historic().iter().find(|historic| historic.name == name && version < historic.changed_in);
    old.map_or_else(|| resolve(name), |historic| Some(&historic.operator))
}

/// The name of an operator as torch writes it: `aten::relu`, `torchvision::nms`.
pub(crate) fn full(name: &str) -> String {
    match name.split_once('.') {
        Some((space, name)) => format!("{space}::{name}"),
        None => format!("aten::{name}"),
    }
}

/// The operator of this name; `None` where no row serves for it.
///
/// One that is not aten's own has its namespace and a dot before its name: `torchvision.nms`. Aliases, in-place forms (`relu_`) and copying
/// forms of views (`select_copy`) are names too.
pub(crate) fn resolve(name: &str) -> Option<&'static AtenOperator> {
    table().get(name)
}

/// Every operator that has rows of its own, by name.
#[cfg(all(test, feature = "tract"))]
pub(crate) fn readable() -> Vec<&'static str> {
    let own = table().iter().filter(|(name, operator)| operator.overloads.complex.name() == name.as_str());
    let mut names: Vec<_> = own.map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    names
}

/// The error of an operator that has no row.
pub(crate) fn unknown(name: &str) -> Error {
    Error::new(ErrorCode::UnknownOperators, format!("{} has no translation", full(name)))
}

/// Calls an operator by name: [`resolve`] and [`AtenOperator::call`].
pub(crate) fn call(name: &str, positional: &[Value], named: &[(String, Value)]) -> Result<Value> {
    resolve(name).ok_or_else(|| unknown(name))?.call(positional, named)
}

impl AtenOperator {
    /// Runs the operator: the first overload whose schema the arguments fit.
    ///
    /// # Errors
    ///
    /// Where no overload fits, and the errors of the operator; both say the operator's name.
    pub(crate) fn call(&self, positional: &[Value], named: &[(String, Value)]) -> Result<Value> {
        let run = || self.overloads.run(positional, named);
        let result = match self.form {
            Form::Plain if let Some(out) = self.overloads.out(named) => {
                let rest: Vec<_> = named.iter().filter(|argument| argument.0 != "out").cloned().collect();
                self.overloads.run(positional, &rest).and_then(|result| write_out(out, &result.view()?.read()?))
            }
            Form::Plain => run(),
            Form::Copied => run().and_then(Value::detached),
            Form::InPlace => in_place(positional, run),
        };
        result.map_err(|error| error.at(&self.full))
    }
}

fn in_place(positional: &[Value], run: impl FnOnce() -> Result<Value>) -> Result<Value> {
    let target = positional.first().ok_or_else(|| Error::argument("an in-place operation without a tensor"))?;
    target.assign(&run()?)?;
    Ok(target.clone())
}

impl Overloads {
    fn run(&self, positional: &[Value], named: &[(String, Value)]) -> Result<Value> {
        self.dispatch(positional, named).at(&self.full)
    }

    /// The form of an operator that writes its one result to a tensor of the caller, which torch has of nearly every operator; `None` for
    /// a call that gives no such tensor, or to an operator whose schema names it.
    fn out<'a>(&self, named: &'a [(String, Value)]) -> Option<&'a Value> {
        let out = named.iter().find(|argument| argument.0 == "out")?;
        let has_own = self.rows.iter().any(|row| row.schema.arguments.iter().any(|argument| argument.name == "out"));
        (!has_own).then_some(&out.1)
    }

    fn dispatch(&self, positional: &[Value], named: &[(String, Value)]) -> Result<Value> {
        if let Some(result) = self.complex.make(call, positional, named) {
            return result;
        }
        let bound =
            |positional: &[Value]| self.rows.iter().find_map(|row| Args::bind(&row.schema, positional, named).map(|args| (row, args)));
        // A decomposed program may have a number in front where the operator wants a tensor: `sub(1, x)`.
        let raised = || match positional {
            [first @ (Value::Int(_) | Value::Float(_)), rest @ ..] => {
                let first = match first {
                    Value::Int(dim) => Tensor::from_dim(dim).weakened(),
                    other => Tensor::weak(other.number().ok()?),
                };
                bound(&[&[first.into()], rest].concat())
            }
            _ => None,
        };
        let Some((row, args)) = bound(positional).or_else(raised) else {
            return self.complex.run(call, positional, named).unwrap_or_else(|| Err(self.no_overload(positional, named)));
        };
        match row.run {
            Run::One(f) => f(&args).map(Value::from),
            Run::Tuple(f) => f(&args).map(|tensors| Value::tuple(tensors.into_iter().map(Value::from).collect())),
            Run::Any(f) => f(&args),
        }
    }

    fn no_overload(&self, positional: &[Value], named: &[(String, Value)]) -> Error {
        let named = named.iter().map(|(name, value)| format!("{name}={}", value.kind()));
        let kinds: Vec<String> = positional.iter().map(|value| value.kind().to_string()).chain(named).collect();
        Error::unsupported(format!("no supported overload of {} takes ({})", self.full, kinds.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_schema_of_the_table_parses() {
        for row in FAMILIES.iter().flat_map(|family| family.iter()) {
            assert!(Schema::parse(row.schema).is_ok(), "{}: {:?}", row.schema, Schema::parse(row.schema));
        }
    }

    #[test]
    fn in_place_spellings_write_to_their_operand() {
        let x: Value = Tensor::from(&[-1.0f32, 2.0]).into();
        let y = call("relu_", std::slice::from_ref(&x), &[]).unwrap();
        for value in [x, y] {
            assert_eq!(value.view().unwrap().read().unwrap().to_vec::<f32>().unwrap(), [0.0, 2.0]);
        }
    }

    #[test]
    fn an_unknown_operator_says_its_name() {
        let error = call("frobnicate", &[], &[]).unwrap_err();
        assert_eq!((error.code(), error.message().contains("aten::frobnicate")), (ErrorCode::UnknownOperators, true));
    }

    #[test]
    fn every_alias_has_rows() {
        assert!(alias::names().all(|name| resolve(name).is_some()), "{:?}", alias::names().find(|name| resolve(name).is_none()));
    }
}
