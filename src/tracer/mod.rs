//! The public entry points of tracing: recording a module, and checking the trace against it.

mod jit;
mod methods;
mod test_vectors;

pub use jit::{Counts, Jit, jit};
pub use methods::Methods;

use crate::array::Tolerance;
use crate::check::{CheckOptions, Checker};
use crate::error::{Error, ErrorCode, Result};
use crate::module::{AsDynModule, DynModule, Example, from_fn};
use crate::tensor::Tensor;
use crate::trace::{DiagnosticKind, RandomMode, Recording, Traced};
use crate::tree::{Tree, TreeDef};
use std::collections::BTreeSet;

/// Traces a module: runs it on the example, records what it does, and checks that the trace does the same.
///
/// The check evaluates trace and module on the example, on random inputs, and with every symbolic axis at other
/// sizes. Where the example has [shapes only](Example::shapes_only) nothing is computed but what is constant, and there
/// is nothing to check; [`record`](crate::record) never checks. [`Tracer`] has the options.
///
/// # Errors
/// What the module fails with; [`Trace`](ErrorCode::Trace) where tensors cross the border of the trace; [`Size`](ErrorCode::Size) where the program
/// contradicts a declared size, with the line; [`Mismatch`](ErrorCode::Mismatch) where the trace does something else than the module, with
/// the first node that differs.
///
/// ```
/// use ontrace::{Tensor, trace_fn};
/// let x = Tensor::from(&[1.0f32, 2.0]);
/// let traced = trace_fn(|x: Tensor| 2.0 * &x, &x)?;
/// assert_eq!(traced.graph().nodes().len(), 1);
/// # Ok::<(), ontrace::Error>(())
/// ```
pub fn trace<K: ?Sized>(module: &(impl AsDynModule<K> + ?Sized), example: impl Into<Example>) -> Result<Traced> {
    Tracer::new().trace(module, example)
}

/// Traces a closure over a tensor or a tree of tensors.
///
/// # Errors
/// As [`trace`].
pub fn trace_fn<I: Tree, O: Tree>(f: impl Fn(I) -> Result<O>, example: impl Into<Example>) -> Result<Traced> {
    trace(&from_fn(f), example)
}

/// The options of a trace: those of `torch.jit.trace`, and what it has not.
///
/// ```
/// use ontrace::trace::DiagnosticKind;
/// use ontrace::{ErrorCode, Tensor, Tracer, module};
/// let x = Tensor::from(&[1.0f32, 2.0]);
/// let branches = module::from_fn(|x: Tensor| if x.sum(.., false)?.gt(0.0)?.is_true()? { x.relu() } else { Ok(x) });
/// let traced = Tracer::new().trace(&branches, &x)?;
/// assert_eq!(traced.guards().len(), 1);
/// assert_eq!(Tracer::new().strict().trace(&branches, &x).unwrap_err().code(), ErrorCode::Denied);
/// assert_eq!(Tracer::new().deny(DiagnosticKind::Guard).trace(&branches, &x).unwrap_err().code(), ErrorCode::Denied);
/// # Ok::<(), ontrace::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Tracer {
    recording: Recording,
    check: Option<CheckOptions>,
    inputs: Vec<(TreeDef, Vec<Tensor>)>,
    denied: BTreeSet<DiagnosticKind>,
    /// The inputs for whose values the trace may be specialized; all where this is absent.
    specialize: Option<BTreeSet<String>>,
}

impl Default for Tracer {
    fn default() -> Tracer {
        Tracer::new()
    }
}

impl Tracer {
    /// The default: checked with inputs that nobody supplied, and nothing refused that is right under its guards.
    pub fn new() -> Tracer {
        Tracer {
            recording: Recording::default(),
            check: Some(CheckOptions::default()),
            inputs: Vec::new(),
            denied: BTreeSet::new(),
            specialize: None,
        }
    }

    /// Refuses a program that reads a value out of a traced tensor or size, at the line where it does.
    #[must_use]
    pub fn strict(mut self) -> Tracer {
        self.recording.strict = true;
        self
    }

    /// Checks the trace in another way than the default.
    #[must_use]
    pub fn check(mut self, check: CheckOptions) -> Tracer {
        self.check = Some(check);
        self
    }

    /// Does not check the trace.
    #[must_use]
    pub fn unchecked(mut self) -> Tracer {
        self.check = None;
        self
    }

    /// Compares the trace with its module on these inputs too. They are built as the example is.
    #[must_use]
    pub fn check_inputs(mut self, inputs: &impl Tree) -> Tracer {
        let mut leaves = Vec::new();
        let structure = inputs.tree_flatten(&mut leaves);
        self.inputs.push((structure, leaves));
        self.check.get_or_insert_default();
        self
    }

    /// The tolerance of the check; by dtype and operator where it is not given.
    #[must_use]
    pub fn tolerance(mut self, tolerance: Tolerance) -> Tracer {
        self.check.get_or_insert_default().tolerance = Some(tolerance);
        self
    }

    /// Refuses a trace with a diagnostic of this kind.
    #[must_use]
    pub fn deny(mut self, kind: DiagnosticKind) -> Tracer {
        self.denied.insert(kind);
        self
    }

    /// Accepts that the program reads the values of these inputs, and of no others: the trace is [specialized](Traced::specialized) for those
    /// of the example, which an exported file cannot check. Without this option every value may be read, since a [`Traced`] and its sessions
    /// check its guards at every call.
    ///
    /// ```
    /// use ontrace::{ErrorCode, Example, Tensor, Tracer, module};
    /// let (x, n) = (Tensor::from(&[1.0f32, 2.0]), Tensor::from(&[2i64]));
    /// let model = module::from_fn(|(x, n): (Tensor, Tensor)| x.mul(n.item()?));
    /// let example = Example::new().input("x", &x).input("n", &n);
    /// assert_eq!(Tracer::new().specialize([]).trace(&model, example.clone()).unwrap_err().code(), ErrorCode::Denied);
    /// assert!(Tracer::new().specialize(["n"]).trace(&model, example).is_ok());
    /// # Ok::<(), ontrace::Error>(())
    /// ```
    #[must_use]
    pub fn specialize<'a>(mut self, inputs: impl IntoIterator<Item = &'a str>) -> Tracer {
        self.specialize.get_or_insert_default().extend(inputs.into_iter().map(str::to_string));
        self
    }

    /// Accepts diagnostics of this kind again.
    #[must_use]
    pub fn allow(mut self, kind: DiagnosticKind) -> Tracer {
        self.denied.remove(&kind);
        self
    }

    /// How random samples are exported.
    #[must_use]
    pub fn random_mode(mut self, random_mode: RandomMode) -> Tracer {
        self.recording.random_mode = random_mode;
        self
    }

    /// The name of the trace, and of the graph in the file.
    #[must_use]
    pub fn name(mut self, name: &str) -> Tracer {
        self.recording.name = name.to_string();
        self
    }

    /// Traces a closure over a tensor or a tree of tensors.
    ///
    /// # Errors
    /// As [`trace`](crate::trace()).
    pub fn trace_fn<I: Tree, O: Tree>(&self, f: impl Fn(I) -> Result<O>, example: impl Into<Example>) -> Result<Traced> {
        self.trace(&from_fn(f), example)
    }

    /// Traces a module.
    ///
    /// # Errors
    /// As [`trace`](crate::trace()), and [`Denied`](ErrorCode::Denied) for what these options refuse.
    pub fn trace<K: ?Sized>(&self, module: &(impl AsDynModule<K> + ?Sized), example: impl Into<Example>) -> Result<Traced> {
        let example = example.into();
        let module = &*module.as_dyn(example.structure());
        let (mut traced, example) = self.recording.record(module, example.arranged(module)?)?;
        let denied: Vec<String> =
            traced.notes().iter().filter(|note| self.denied.contains(&note.kind())).map(|note| format!("\n   {note}")).collect();
        if !denied.is_empty() {
            return Err(Error::new(ErrorCode::Denied, format!("{} denied diagnostics:{}", denied.len(), denied.concat())));
        }
        if let Some(inputs) = &self.specialize {
            let refused = traced.specialized().into_iter().filter(|value| !value.inputs.iter().all(|name| inputs.contains(name)));
            let refused: Vec<String> = refused.map(|value| format!("\n   {value}")).collect();
            if !refused.is_empty() {
                let error =
                    Error::new(ErrorCode::Denied, format!("the model reads {} values of its inputs:{}", refused.len(), refused.concat()));
                return Err(error.help("keep the value a tensor or a Dim (Tensor::to_dim), or name its inputs in Tracer::specialize"));
            }
        }
        if let Some(check) = &self.check {
            traced.verdict = self.checked(module, &traced, &example, check)?;
        }
        Ok(traced)
    }

    /// Compares the trace with its module; gives the verdict in one line.
    fn checked(&self, module: &dyn DynModule, traced: &Traced, example: &Example, options: &CheckOptions) -> Result<Option<String>> {
        let known = example.inputs().iter().all(|(_, tensor)| !tensor.is_type_only());
        let mut calls = Vec::new();
        if known {
            calls.extend(Checker::new(module, traced, example).options(options.clone()).run()?.calls);
        }
        for (structure, leaves) in &self.inputs {
            traced.signature().inputs().expect(structure)?;
            let arrays = leaves.iter().map(Tensor::to_array).collect::<Result<Vec<_>>>()?;
            let given = example.with(&arrays)?;
            let once = options.clone().random_inputs(0).sizes(false);
            let report = Checker::new(module, traced, &given).options(once).run()?;
            calls.extend(report.calls.into_iter().map(|_| "given inputs".to_string()));
        }
        Ok((!calls.is_empty()).then(|| format!("the traced graph agrees with its module: {}", calls.join(" · "))))
    }
}
