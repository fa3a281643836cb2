//! What a traced graph takes for granted of a call, because the program read it and may have branched on it.

use super::{Graph, SourceLocation, ValueId};
use crate::array::{Array, Tolerance, compare};
use crate::dim::{Bindings, Constraint, Expr};
use crate::error::{Error, ErrorCode, Result};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// What the message of a refused call begins with; the condition follows.
pub(crate) const VALID_ONLY: &str = "the traced graph is valid only for ";

/// A condition under which a traced graph does what its module does, with the source location that made it one.
#[derive(Clone, Debug, PartialEq)]
pub struct Guard {
    /// What must hold.
    pub condition: Condition,
    /// Where the program read it.
    pub location: SourceLocation,
    /// The message of the error that the program raises unless the condition holds; `None` where the program only read the value.
    pub raises: Option<Arc<str>>,
    /// How a relation between sizes is shown, where its symbols stand for what users know by another name: elements of inputs.
    pub(crate) shown: Option<Constraint>,
}

/// What must hold in a call.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// A relation between sizes.
    Sizes(Constraint),
    /// A value is to the bit what it was in the example.
    Values(ValueId, Array),
}

impl Guard {
    /// A relation between sizes.
    pub fn sizes(constraint: Constraint, location: SourceLocation) -> Guard {
        Guard { condition: Condition::Sizes(constraint), location, raises: None, shown: None }
    }

    /// A value that has these values.
    pub fn values(value: ValueId, seen: Array, location: SourceLocation) -> Guard {
        Guard { condition: Condition::Values(value, seen), location, raises: None, shown: None }
    }

    /// Whether it is on sizes that are known only when a call runs.
    pub(crate) fn depends_on_data(&self) -> bool {
        match &self.condition {
            Condition::Sizes(Constraint::Related(left, _, right)) => left.depends_on_data() || right.depends_on_data(),
            Condition::Sizes(Constraint::Multiple(expr, _)) => expr.depends_on_data(),
            Condition::Values(..) => false,
        }
    }

    /// Refuses a call in which the relation between sizes does not hold; one whose sizes are not known yet passes.
    ///
    /// # Errors
    /// [`Guard`](ErrorCode::Guard) with the actual value and the source location.
    pub fn check_sizes(&self, bindings: &Bindings) -> Result<()> {
        match &self.condition {
            Condition::Sizes(constraint) if constraint.holds(bindings) == Some(false) => {
                let is = bindings.eval(constraint.left()).unwrap_or_default();
                Err(self.refused(&format!("`{}` is {is}", self.shown.as_ref().unwrap_or(constraint).left())))
            }
            _ => Ok(()),
        }
    }

    /// Refuses a call in which the value, given or computed by our kernels, is another one: in dtype, shape or any bit.
    ///
    /// # Errors
    /// [`Guard`](ErrorCode::Guard) with the actual value and the source location.
    pub fn check_values(&self, array: &Array) -> Result<()> {
        self.check(array, |seen| array.same_bytes(seen))
    }

    /// As [`check_values`](Guard::check_values), of a value that another runtime computed: it rounds floats in its own way, so that they are
    /// compared with the tolerance of their dtype. All other values must be the same.
    ///
    /// # Errors
    /// [`Guard`](ErrorCode::Guard) with the actual value and the source location.
    pub fn check_rounded(&self, array: &Array) -> Result<()> {
        self.check(array, |seen| compare(array, seen, Tolerance::of(seen.dtype())).is_ok_and(|found| found.agrees))
    }

    fn check(&self, array: &Array, agrees: impl FnOnce(&Array) -> bool) -> Result<()> {
        match &self.condition {
            Condition::Values(_, seen) if !agrees(seen) => Err(self.refused(&format!("it is {}", summary(array)))),
            _ => Ok(()),
        }
    }

    /// The condition with its source location.
    fn text(&self) -> String {
        let condition = match &self.condition {
            Condition::Sizes(constraint) => self.shown.as_ref().unwrap_or(constraint).to_string(),
            Condition::Values(_, seen) => format!("the value {}", summary(seen)),
        };
        format!("{condition}{}", self.location.suffix())
    }

    fn refused(&self, found: &str) -> Error {
        if let Some(message) = &self.raises {
            return Error::new(ErrorCode::Guard, message.to_string()).help(format!("the program requires {}", self.text()));
        }
        Error::new(ErrorCode::Guard, format!("{VALID_ONLY}{self}; in this call {found}"))
            .help("the program read this value while it was traced and may have branched on it: trace again with such inputs, or use cond, while_loop or scan")
    }
}

/// The values where they are few, otherwise their type.
fn summary(array: &Array) -> String {
    if array.len() <= 16 { array.to_string() } else { format!("{}{:?}", array.dtype(), array.shape()).replace(' ', "") }
}

impl fmt::Display for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())?;
        match &self.raises {
            Some(message) => write!(f, " (otherwise the program raises: {message})"),
            None => Ok(()),
        }
    }
}

impl Graph {
    /// The conditions under which the traced graph holds, in the order in which the program made them.
    pub fn guards(&self) -> &[Guard] {
        &self.guards
    }

    /// Adds a condition, unless it is there already.
    pub(crate) fn add_guard(&mut self, guard: Guard) {
        if !self.guards.iter().any(|known| known.condition == guard.condition) {
            self.guards.push(guard);
        }
    }

    /// Shows sizes in the conditions on them by other names, which `names` is asked for where there are such conditions.
    pub(crate) fn name_guards(&mut self, names: impl FnOnce(&Graph) -> BTreeMap<Arc<str>, Expr>) {
        if self.size_constraints().next().is_none() {
            return;
        }
        let names = names(self);
        for guard in &mut self.guards {
            if let Condition::Sizes(constraint) = &guard.condition
                && constraint.symbols().iter().any(|symbol| names.contains_key(symbol))
            {
                guard.shown = Some(constraint.substitute(&|symbol| names.get(symbol).cloned()));
            }
        }
    }

    /// The conditions on sizes.
    pub(crate) fn size_constraints(&self) -> impl Iterator<Item = &Constraint> {
        self.guards.iter().filter_map(|guard| match &guard.condition {
            Condition::Sizes(constraint) => Some(constraint),
            Condition::Values(..) => None,
        })
    }

    /// Keeps the conditions of which this is so.
    pub(crate) fn retain_guards(&mut self, keep: impl Fn(&Guard) -> bool) {
        self.guards.retain(keep);
    }

    /// The values that guards look at.
    pub(crate) fn guarded(&self) -> impl Iterator<Item = ValueId> {
        self.guards.iter().filter_map(|guard| match guard.condition {
            Condition::Values(id, _) => Some(id),
            Condition::Sizes(_) => None,
        })
    }
}
