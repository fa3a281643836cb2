//! Where in the model and in the source the program is now, for the nodes that are recorded.

use crate::graph::SourceLocation;
use std::cell::RefCell;
use std::panic::Location;
use std::sync::Arc;

thread_local! {
    static HERE: RefCell<Here> = RefCell::default();
}

#[derive(Default)]
struct Here {
    scope: Vec<String>,
    lines: Vec<Arc<str>>,
    /// What was said last: most nodes are called in the scope of the one before, and a long graph would hold a copy for each.
    last: SourceLocation,
}

/// The text, shared with the last one where that is the same.
fn shared(last: &mut Arc<str>, text: &str) -> Arc<str> {
    if **last != *text {
        *last = text.into();
    }
    last.clone()
}

/// Leaves the scope when dropped, on return, `?` and panic alike.
#[must_use = "the scope is left when the guard is dropped"]
pub struct LocationGuard(Entered);

enum Entered {
    Scope(usize),
    /// The scope to come back to.
    Outer(Vec<String>),
    Line(usize),
}

/// Enters the module of this name: nodes recorded until the guard is dropped belong to it.
pub fn scope(name: &str) -> LocationGuard {
    HERE.with_borrow_mut(|here| {
        here.scope.push(name.to_string());
        LocationGuard(Entered::Scope(here.scope.len() - 1))
    })
}

/// Enters the module at this path from the top, wherever the program is now.
pub(crate) fn absolute_scope(path: &str) -> LocationGuard {
    HERE.with_borrow_mut(|here| {
        let outer = std::mem::replace(&mut here.scope, path.split('.').filter(|part| !part.is_empty()).map(str::to_string).collect());
        LocationGuard(Entered::Outer(outer))
    })
}

/// Says which line of an interpreted source is running; it wins over the line of the Rust caller.
pub fn line(line: impl AsRef<str>) -> LocationGuard {
    HERE.with_borrow_mut(|here| {
        let line = shared(&mut here.last.line, line.as_ref());
        here.lines.push(line);
        LocationGuard(Entered::Line(here.lines.len() - 1))
    })
}

impl Drop for LocationGuard {
    fn drop(&mut self) {
        HERE.with_borrow_mut(|here| match &mut self.0 {
            Entered::Scope(depth) => here.scope.truncate(*depth),
            Entered::Outer(outer) => here.scope = std::mem::take(outer),
            Entered::Line(depth) => here.lines.truncate(*depth),
        })
    }
}

/// The source location of a node that is added now. A node outside any scope belongs to the module whose parameter it takes.
pub(super) fn here(parameter: Option<&str>, caller: &Location) -> SourceLocation {
    HERE.with_borrow_mut(|here| {
        let scope = match (here.scope.is_empty(), parameter) {
            (true, Some(name)) => name.rsplit_once('.').map_or("", |(module, _)| module).to_string(),
            _ => here.scope.join("."),
        };
        let line = match here.lines.last() {
            Some(line) => line.clone(),
            // A method passed by name (`.map(Tensor::relu)`) reports the standard library: no line is better than that one.
            None if caller.file().starts_with("/rustc/") => Arc::default(),
            None => shared(&mut here.last.line, &format!("{}:{}:{}", caller.file(), caller.line(), caller.column())),
        };
        SourceLocation { scope: shared(&mut here.last.scope, &scope), line }
    })
}
