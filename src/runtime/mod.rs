//! ONNX run by tract: the only folder that names tract's types.
//!
//! tract gets a copy of the graph made for it. An operator that it lacks or gets wrong is renamed and runs on our kernel,
//! as one node inside tract's plan; [`replace`](self) says which and why. Where tract refuses a whole graph (or fails while it runs it),
//! all of it runs on our kernels: no model that can be written is ever "unsupported".

mod activation_op;
mod activation_patterns;
mod attention_op;
mod broadcast_op;
mod call;
mod channels_last;
mod channels_last_op;
mod conversion;
mod fallback_op;
mod fallback_table;
mod formulas;
mod guards;
mod keep_nan;
mod kernel_nodes;
mod packed_matmul;
mod panic;
#[cfg(test)]
mod plan_counts;
mod planned;
mod profile;
mod recurrent_op;
mod row_op;
mod runnable;
mod specialise;
mod symbols;
mod unoptimized;

pub use crate::kernels::threads::bound_threads;
pub use call::NamedOutputs;
pub(crate) use panic::TractPanic;
pub use profile::NodeTime;

use crate::array::Array;
use crate::dim::{Bindings, Type};
use crate::error::{Error, ErrorCode, Result, ResultExt};
use crate::kernels::threads::{self, Pool};
use crate::module::{DynModule, Outputs, Signature};
use crate::onnx::proto::{self, ModelProto};
use crate::onnx::{Model, verify};
use crate::ops::OpRegistry;
use crate::read::OnnxModule;
use crate::tensor::Tensor;
use crate::trace::{ExportOptions, Traced, signature_of};
use crate::tree::TreeDef;
use crate::work;
use fallback_table::{FALLBACK_TABLE, Fallback, FallbackRow};
use guards::Conditions;
use kernel_nodes::Kernels;
use planned::WholeModel;
use prost::Message;
use runnable::Runnable;
use specialise::SpecialisedSession;
use std::collections::{BTreeSet, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use tract_onnx::prelude::{Framework, InferenceModelExt, IntoRunnable, TractResult};
use tract_onnx::tract_hir::infer::{InferenceFact, InferenceModel};

/// How many plans a session keeps, where its options do not say: one for each combination of input shapes that was run lately.
const CACHED_PLANS: usize = 8;

/// A model compiled for this machine; one session serves many threads.
///
/// A plan is made for each combination of input shapes on first use, because one that is right at every size is up to
/// seven times slower.
///
/// ```
/// use ontrace::{Array, Tensor, trace_fn};
/// let x = Tensor::from(&[1.0f32, 2.0]);
/// let session = trace_fn(|x: Tensor| x.add(1.0), &x)?.session()?;
/// assert_eq!(session.run(&[Array::vector(vec![5.0f32, 6.0])])?[0].to_vec::<f32>()?, [6.0, 7.0]);
/// # Ok::<(), ontrace::Error>(())
/// ```
pub struct Session {
    inputs: Vec<(String, Type)>,
    outputs: Vec<(String, Type)>,
    /// The structure of inputs and outputs, where the model says it.
    signature: Option<Signature>,
    /// Whether the rank of an input is declared.
    ranked: Vec<bool>,
    /// Empty where tract plans none of it: the module is enough, and takes a tenth.
    model: Model,
    /// The rest of it, where it is empty.
    rest: Option<Box<WholeModel>>,
    operators: OpRegistry,
    rows: Vec<FallbackRow>,
    /// Why tract plans none of it, where it has too many nodes.
    refusal: Option<Error>,
    /// The model as it is, for tract: made when it is needed.
    direct: OnceLock<Result<Direct>>,
    /// The model for our kernels: made when it is needed.
    module: OnceLock<Result<Arc<OnnxModule>>>,
    /// The inputs whose values operators need when a plan is made.
    steering: Vec<usize>,
    /// The threads of a call; `None` for the caller's alone.
    pool: Option<Arc<Pool>>,
    /// How many plans are kept.
    cached_plans: usize,
    /// The plan used last stands last.
    plans: Mutex<Vec<CachedPlan>>,
    made: AtomicUsize,
    hits: AtomicUsize,
}

/// A model as tract reads it.
struct Direct {
    /// tract's reading, or why it has none.
    tract_model: Result<InferenceModel>,
    conditions: Conditions,
    fallbacks: Vec<Fallback>,
}

/// How a session came by its plans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlanCounts {
    /// Plans that were made, each for a combination of input shapes, and of the values of inputs that are sizes, axes and the like.
    pub made: usize,
    /// Calls that a kept plan was there for.
    pub hits: usize,
}

/// A plan for one combination of input dtypes and shapes: inputs that match it were checked before.
#[derive(Clone)]
struct CachedPlan {
    shapes: Vec<Vec<usize>>,
    /// The inputs, by their indices, for whose values alone it is.
    fixed: Vec<(usize, Array)>,
    engine: Engine,
}

impl CachedPlan {
    fn is_for_the_same_as(&self, other: &CachedPlan) -> bool {
        let same = |((i, a), (j, b)): (&(usize, Array), &(usize, Array))| i == j && a.same_bytes(b);
        self.shapes == other.shapes && self.fixed.len() == other.fixed.len() && self.fixed.iter().zip(&other.fixed).all(same)
    }

    fn fits(&self, inputs: &[Array]) -> bool {
        self.shapes.iter().zip(inputs).all(|(shape, array)| shape == array.shape())
            && self.fixed.iter().all(|(i, array)| inputs[*i].same_bytes(array))
    }
}

/// What runs a plan.
#[derive(Clone)]
enum Engine {
    Tract(Arc<Runnable>),
    /// A session of the model traced once more, for the sizes of a call.
    Specialised(SpecialisedSession),
    /// Our readers and kernels, node by node, and what tract said.
    Fallback(Arc<OnnxModule>, Error),
}

/// The options of a [`Session`].
///
/// ```
/// use ontrace::{Array, Tensor, runtime::Session, trace_fn};
/// let x = Tensor::from(&[1.0f32, 2.0]);
/// let traced = trace_fn(|x: Tensor| x.add(1.0), &x)?;
/// let session = Session::builder().threads(2).cached_plans(4).build(&traced.to_model()?)?;
/// assert_eq!(session.run(&[Array::vector(vec![5.0f32, 6.0])])?[0].to_vec::<f32>()?, [6.0, 7.0]);
/// # Ok::<(), ontrace::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct SessionBuilder {
    threads: usize,
    cached_plans: usize,
    operators: OpRegistry,
}

impl Default for SessionBuilder {
    fn default() -> SessionBuilder {
        SessionBuilder { threads: 1, cached_plans: CACHED_PLANS, operators: OpRegistry::new() }
    }
}

impl SessionBuilder {
    /// The number of threads that one call runs on, at most one a core. Calls from several threads at once need no threads here.
    #[must_use]
    pub fn threads(mut self, threads: usize) -> SessionBuilder {
        self.threads = threads.max(1);
        self
    }

    /// The number of plans that are kept, one for each combination of input shapes; at least one.
    #[must_use]
    pub fn cached_plans(mut self, plans: usize) -> SessionBuilder {
        self.cached_plans = plans.max(1);
        self
    }

    /// Custom operators that the model may use.
    #[must_use]
    pub fn operators(mut self, operators: &OpRegistry) -> SessionBuilder {
        self.operators = operators.clone();
        self
    }

    /// Prepares the model. A plan is compiled on the first call with each combination of input shapes.
    ///
    /// # Errors
    /// [`Damaged`](crate::ErrorCode::Damaged) where the model is not valid.
    pub fn build(&self, model: &Model) -> Result<Session> {
        Session::with_rows(model.clone(), self, FALLBACK_TABLE)
    }

    /// Opens an ONNX file and prepares it.
    ///
    /// # Errors
    /// Those of [`Model::open`] and [`SessionBuilder::build`].
    pub fn open(&self, path: impl AsRef<std::path::Path>) -> Result<Session> {
        Session::with_rows(Model::open(path.as_ref())?, self, FALLBACK_TABLE)
    }

    /// Prepares a traced graph, with its custom operators.
    ///
    /// # Errors
    /// As [`SessionBuilder::build`].
    pub fn build_traced(&self, traced: &Traced) -> Result<Session> {
        let options = self.clone().operators(&traced.operators());
        let refusal = |nodes: usize| planned::refusal(nodes, traced.graph().outputs().len());
        if refusal(traced.graph().nodes().len()).is_some() {
            let model = traced.to_terse_model()?;
            if refusal(model.proto.graph.as_ref().map_or(0, |graph| graph.node.len())).is_some() {
                return Session::with_rows(model, &options, FALLBACK_TABLE);
            }
        }
        Session::with_rows(traced.to_unhashed_model(ExportOptions::default())?, &options, FALLBACK_TABLE)
    }
}

impl Session {
    /// A session of a model with the default options: one thread. [`Session::builder`] takes options.
    ///
    /// # Errors
    /// As [`SessionBuilder::build`].
    pub fn new(model: &Model) -> Result<Session> {
        Session::builder().build(model)
    }

    /// The options of a session.
    pub fn builder() -> SessionBuilder {
        SessionBuilder::default()
    }

    /// A session in which the operators of these rows run on our kernels.
    fn with_rows(model: Model, options: &SessionBuilder, rows: &[FallbackRow]) -> Result<Session> {
        let SessionBuilder { threads, cached_plans, operators } = options;
        verify(&model).into_result()?;
        let graph = model.proto.graph.as_ref().ok_or_else(|| Error::damaged("the model has no graph"))?;
        let declared = |infos: &[&proto::ValueInfoProto]| {
            infos.iter().map(|info| Ok((info.name.clone(), conversion::value_type(info).at(&info.name)?))).collect::<Result<Vec<_>>>()
        };
        let initializers: HashSet<&str> = model.initializers.iter().map(|(name, _)| name.as_str()).collect();
        let given: Vec<&proto::ValueInfoProto> = graph.input.iter().filter(|info| !initializers.contains(info.name.as_str())).collect();
        let (inputs, outputs) = (declared(&given)?, declared(&graph.output.iter().collect::<Vec<_>>())?);
        // Samples that are inputs of the file are no inputs of the traced module.
        let fits =
            |signature: &Signature| (signature.inputs().leaf_count(), signature.outputs().leaf_count()) == (inputs.len(), outputs.len());
        let signature = signature_of(&model).filter(fits);
        let mut session = Session {
            ranked: given.iter().map(|info| conversion::is_ranked(info)).collect(),
            steering: specialise::steering(graph, &inputs),
            refusal: planned::refusal(graph.node.len(), outputs.len()),
            inputs,
            outputs,
            signature,
            rest: None,
            model,
            operators: operators.clone(),
            rows: rows.to_vec(),
            direct: OnceLock::new(),
            module: OnceLock::new(),
            pool: Pool::new(*threads)?.map(Arc::new),
            cached_plans: *cached_plans,
            plans: Mutex::default(),
            made: AtomicUsize::new(0),
            hits: AtomicUsize::new(0),
        };
        if session.refusal.is_some() {
            let (module, rest) = OnnxModule::split(std::mem::take(&mut session.model), operators)?;
            (session.module, session.rest) = (OnceLock::from(Ok(Arc::new(module))), Some(Box::new(WholeModel::of(rest))));
        } else if session.is_ours() {
            session.direct()?;
        } else {
            session.module()?;
        }
        Ok(session)
    }

    /// Whether the model was written by this crate: then it has the forms that tract takes, and is not traced once more.
    fn is_ours(&self) -> bool {
        self.model.proto.producer_name == env!("CARGO_PKG_NAME")
    }

    /// Whether tract may plan the model as it is.
    fn is_planned_directly(&self) -> bool {
        self.is_ours() && self.refusal.is_none()
    }

    /// The model as it is, for tract.
    fn direct(&self) -> Result<&Direct> {
        let make = || {
            // What is not planned is not read, either: it would take many times the memory of the model.
            self.refusal.clone().map_or(Ok(()), Err)?;
            let flat = without_functions(&self.model, &self.operators);
            let written = flat.as_ref().unwrap_or(&self.model);
            let kept = guards::values_of(written)?;
            let outputs = written.proto.graph.iter().flat_map(|graph| &graph.output).map(|info| info.name.as_str());
            let kept = kept.iter().map(String::as_str).chain(outputs).collect();
            let (ours, mut kernels) = self.with_kernels(written, &kept)?;
            let replaced = std::mem::take(&mut kernels.replaced);
            let mut fallbacks: Vec<Fallback> = replaced.iter().map(|(name, op)| Fallback::slower(name, op)).collect();
            let (mut lowered, others) = fallback_table::for_tract(ours.as_ref().unwrap_or(written), &self.rows, &self.operators)?;
            let conditions = Conditions::of(written, &self.inputs, lowered.graph.get_or_insert_default())?;
            // What tract cannot do first.
            fallbacks.extend(others);
            fallbacks.sort_by_key(Fallback::is_for_speed);
            let tract_model = parse(&lowered, &self.operators, kernels);
            Ok(Direct { tract_model, conditions, fallbacks })
        };
        self.direct.get_or_init(make).as_ref().map_err(Clone::clone)
    }

    /// The model with nodes of ours where these are faster, and their kernels; `None` for the model as it is. The values of these names stay.
    fn with_kernels(&self, model: &Model, kept: &BTreeSet<&str>) -> Result<(Option<Model>, Kernels)> {
        let mut kernels = Kernels::default();
        if self.rows.is_empty() {
            return Ok((None, kernels));
        }
        let mut new = activation_patterns::with_activations(model, kept);
        if let Some(attentive) = attention_op::with_attention(new.as_ref().unwrap_or(model), kept, &mut kernels) {
            new = Some(attentive);
        }
        if let Some(layered) = channels_last::channels_last(new.as_ref().unwrap_or(model), kept, &mut kernels)? {
            new = Some(layered);
        }
        if let Some(products) = packed_matmul::with_products(new.as_ref().unwrap_or(model), kept, &self.operators, &mut kernels)? {
            new = Some(products);
        }
        if let Some(networks) = recurrent_op::with_recurrent(new.as_ref().unwrap_or(model), &self.operators, &mut kernels)? {
            new = Some(networks);
        }
        Ok((new, kernels))
    }

    /// The model for our kernels.
    fn module(&self) -> Result<Arc<OnnxModule>> {
        self.module.get_or_init(|| OnnxModule::of_model(&self.model, &self.operators).map(Arc::new)).clone()
    }

    /// The inputs: name and type.
    pub fn inputs(&self) -> &[(String, Type)] {
        &self.inputs
    }

    /// The outputs: name and type.
    pub fn outputs(&self) -> &[(String, Type)] {
        &self.outputs
    }

    /// How many plans were made so far, and how many calls found one.
    pub fn plan_counts(&self) -> PlanCounts {
        PlanCounts { made: self.made.load(Ordering::Relaxed), hits: self.hits.load(Ordering::Relaxed) }
    }

    /// What runs on our kernels and why: nodes inside tract's plans, and the plans made so far that tract refused as a whole.
    pub fn explain(&self) -> Vec<String> {
        let plans = self.plans.lock().map(|plans| plans.clone()).unwrap_or_default();
        let by_plan = plans.iter().flat_map(|plan| match &plan.engine {
            Engine::Fallback(_, error) => {
                vec![format!("all nodes run on ontrace's kernels for inputs of shapes {:?}: {}", plan.shapes, error.message())]
            }
            Engine::Specialised(plan) => plan.session.explain(),
            Engine::Tract(_) => Vec::new(),
        });
        let mut lines: Vec<String> = self.known_fallbacks().iter().map(Fallback::to_string).collect();
        for line in by_plan {
            if !lines.contains(&line) {
                lines.push(line);
            }
        }
        lines
    }

    /// The nodes that run on our kernels in plans of the model as it is.
    fn known_fallbacks(&self) -> &[Fallback] {
        self.direct.get().and_then(|direct| direct.as_ref().ok()).map_or(&[], |direct| &direct.fallbacks)
    }

    /// The operators that run on our kernels inside tract's plans, and why.
    #[cfg(test)]
    pub(crate) fn fallbacks(&self) -> Vec<(String, String)> {
        self.known_fallbacks().iter().map(|fallbacks| (fallbacks.op.clone(), fallbacks.why.to_string())).collect()
    }

    /// What tract alone answers, without a kernel of ours.
    ///
    /// # Errors
    /// Where it fails.
    #[cfg(test)]
    pub(crate) fn of_tract_alone(model: &Model, inputs: &[Array]) -> Result<Vec<Array>> {
        let session = Session::with_rows(model.clone(), &Session::builder(), &[])?;
        let runnable = session.compile(&shapes(inputs))?;
        session.by_tract(&runnable, inputs)
    }

    /// The rows of the table that are about what comes out: operator and reason.
    #[cfg(test)]
    pub(crate) fn rows() -> impl Iterator<Item = (&'static str, &'static str)> {
        FALLBACK_TABLE.iter().map(|row| (row.0, row.2)).filter(|row| row.1 != fallback_table::SLOWER)
    }

    /// Whether a plan that was made runs on our kernels alone.
    #[cfg(test)]
    pub(crate) fn runs_without_tract(&self) -> bool {
        let without = |plan: &CachedPlan| match &plan.engine {
            Engine::Fallback(..) => true,
            Engine::Specialised(plan) => plan.session.runs_without_tract(),
            Engine::Tract(_) => false,
        };
        self.plans.lock().is_ok_and(|plans| plans.iter().any(without))
    }

    /// The outputs for these inputs.
    ///
    /// # Errors
    /// [`Input`](crate::ErrorCode::Input) where an input is missing, left over, or has the wrong dtype or shape;
    /// [`Guard`](crate::ErrorCode::Guard) where a guard does not hold; [`Runtime`](crate::ErrorCode::Runtime) where tract fails.
    pub fn run(&self, inputs: &[Array]) -> Result<Vec<Array>> {
        let engine = self.engine(inputs)?;
        match &engine {
            // It has the guards of the model as well.
            Engine::Specialised(plan) => plan.session.run(&plan.inputs(inputs)),
            Engine::Fallback(module, _) => self.on_threads(|| run_fallback(module, inputs)),
            Engine::Tract(runnable) => {
                self.direct()?.conditions.check_inputs(inputs)?;
                self.on_threads_of(runnable, || self.by_tract(runnable, inputs)).or_else(|error| {
                    if error.code() == ErrorCode::Guard {
                        return Err(error);
                    }
                    // What fails here fails at every call with these shapes.
                    let module = self.fall_back(error)?;
                    let outputs = self.on_threads(|| run_fallback(&module.0, inputs)).map_err(|error| match error.code() {
                        // A guard that does not hold is why the plan failed.
                        ErrorCode::Guard => error,
                        _ => module.1.clone(),
                    })?;
                    self.keep(CachedPlan { shapes: shapes(inputs), fixed: vec![], engine: Engine::Fallback(module.0, module.1) })?;
                    Ok(outputs)
                })
            }
        }
    }

    /// Compares inputs with what the model declares.
    fn admit(&self, inputs: &[Array]) -> Result<()> {
        if inputs.len() != self.inputs.len() {
            let names: Vec<&str> = self.inputs.iter().map(|input| input.0.as_str()).collect();
            return Err(Error::input(format!("expected {} inputs ({}), got {}", names.len(), names.join(", "), inputs.len())));
        }
        for ((name, ty), array) in self.inputs.iter().zip(inputs) {
            if array.dtype() != ty.dtype {
                return Err(Error::input(format!("expected {ty}, got {}{:?}", array.dtype(), array.shape())).at(format!("input {name}")));
            }
        }
        let ranked = self.inputs.iter().zip(inputs).zip(&self.ranked).filter(|input| *input.1);
        let bindings = Bindings::of(ranked.map(|(((name, ty), array), _)| (name.as_str(), &ty.shape, array.shape())))?;
        if self.is_planned_directly() { self.direct()?.conditions.check_sizes(&bindings) } else { Ok(()) }
    }

    /// Runs on the threads of this session: our kernels divide their work between them, tract's stay on one.
    fn on_threads<R: Send>(&self, run: impl FnOnce() -> R + Send) -> R {
        match &self.pool {
            Some(pool) => pool.run(run),
            None => threads::alone(run),
        }
    }

    /// As [`Session::on_threads`], or on the caller's alone where that is quicker.
    fn on_threads_of<R: Send>(&self, runnable: &Runnable, run: impl FnOnce() -> R + Send) -> R {
        match &self.pool {
            Some(pool) => runnable.threads.run(pool, run),
            None => threads::alone(run),
        }
    }

    fn by_tract(&self, runnable: &Runnable, inputs: &[Array]) -> Result<Vec<Array>> {
        let tensors = inputs.iter().map(|array| conversion::to_tract(array).map(Into::into)).collect::<Result<_>>()?;
        let outputs = panic::guarded(|| runnable.run(tensors))?;
        self.direct()?.conditions.check_values(outputs.iter().skip(self.outputs.len()).cloned())?;
        // Results that are collected do not know how many they will be: the room for them would grow step by step.
        let mut arrays = Vec::with_capacity(self.outputs.len());
        for (tensor, (name, ty)) in outputs.into_iter().zip(&self.outputs) {
            arrays.push(conversion::from_tract(tensor, ty.dtype).at(std::fmt::from_fn(|f| write!(f, "output {name}")))?);
        }
        Ok(arrays)
    }

    /// The model as our reader has it, with tract's error; that alone where the reader refuses it too.
    fn fall_back(&self, error: Error) -> Result<(Arc<OnnxModule>, Error)> {
        match self.module() {
            Ok(module) => Ok((module, error)),
            Err(_) => Err(error),
        }
    }

    /// What runs the plan for the shapes of these inputs: a kept one, or a new one in place of that used longest ago.
    ///
    /// Inputs that a plan was kept for are not held against the declaration again.
    fn engine(&self, inputs: &[Array]) -> Result<Engine> {
        {
            let mut plans = self.plans.lock().map_err(poisoned)?;
            let typed = inputs.len() == self.inputs.len() && self.inputs.iter().zip(inputs).all(|((_, ty), x)| ty.dtype == x.dtype());
            if typed && let Some(i) = plans.iter().rposition(|plan| plan.fits(inputs)) {
                plans[i..].rotate_left(1);
                self.hits.fetch_add(1, Ordering::Relaxed);
                return Ok(plans[plans.len() - 1].engine.clone());
            }
        }
        self.admit(inputs)?;
        self.made.fetch_add(1, Ordering::Relaxed);
        let (fixed, engine) = self.new_engine(inputs)?;
        let fixed = fixed.into_iter().map(|i| (i, inputs[i].clone())).collect();
        self.keep(CachedPlan { engine: engine.clone(), fixed, shapes: shapes(inputs) })?;
        Ok(engine)
    }

    /// What runs these inputs, and for the values of which of them alone.
    ///
    /// Our own model is planned as it is, unless operators need the values of inputs. Any other is traced once more for the sizes of the call, so
    /// that tract gets a graph with constants folded and in the forms that we write. Where neither is to be had, our kernels run it.
    fn new_engine(&self, inputs: &[Array]) -> Result<(Vec<usize>, Engine)> {
        if let Some(refusal) = &self.refusal {
            let (module, refusal) = self.fall_back(refusal.clone())?;
            return Ok((vec![], Engine::Fallback(module, refusal)));
        }
        let small = |i: &usize| inputs[*i].len() <= specialise::SMALL;
        let steering: Vec<usize> = self.steering.iter().copied().filter(small).collect();
        // Where values differ at every call, a plan for each would be made and thrown away.
        let attempts = if self.is_crowded(inputs)? {
            vec![vec![]]
        } else {
            // What the table of operators does not foresee: everything that may be a size, an axis or a scale.
            let may_steer = |i: &usize| small(i) && (*i > 0 || !inputs[*i].dtype().is_float());
            let mut attempts = vec![steering, (0..inputs.len()).filter(may_steer).collect()];
            attempts.dedup();
            attempts
        };
        let mut refusal = None;
        let direct_first = self.is_ours() && attempts[0].is_empty();
        if direct_first {
            match self.compile(&shapes(inputs)) {
                Ok(runnable) => return Ok((vec![], Engine::Tract(runnable))),
                Err(error) => refusal = Some(error),
            }
        }
        for fixed in attempts {
            match self.specialised(inputs, &fixed) {
                Ok(session) => return Ok((fixed, Engine::Specialised(session))),
                Err(error) if error.code() == ErrorCode::Guard => return Err(error),
                Err(error) => drop(refusal.get_or_insert(error)),
            }
        }
        if self.is_ours()
            && !direct_first
            && let Ok(runnable) = self.compile(&shapes(inputs))
        {
            return Ok((vec![], Engine::Tract(runnable)));
        }
        let refusal = refusal.unwrap_or_else(|| Error::runtime("no plan"));
        let (module, refusal) = self.fall_back(refusal)?;
        Ok((vec![], Engine::Fallback(module, refusal)))
    }

    /// Whether at least half of the plans that are kept are for inputs of these shapes with other values.
    fn is_crowded(&self, inputs: &[Array]) -> Result<bool> {
        let shapes = shapes(inputs);
        let plans = self.plans.lock().map_err(poisoned)?;
        let others = plans.iter().filter(|plan| !plan.fixed.is_empty() && plan.shapes == shapes).count();
        Ok(others > 0 && others >= self.cached_plans.div_ceil(2))
    }

    /// Makes tract's plan for these inputs and keeps it.
    fn planned_by_tract(&self, inputs: &[Array]) -> Result<()> {
        let engine = Engine::Tract(self.compile(&shapes(inputs))?);
        self.keep(CachedPlan { engine, fixed: vec![], shapes: shapes(inputs) })
    }

    /// Keeps a plan in place of one for the same shapes, or of that used longest ago.
    fn keep(&self, plan: CachedPlan) -> Result<()> {
        let mut plans = self.plans.lock().map_err(poisoned)?;
        plans.retain(|other| !other.is_for_the_same_as(&plan));
        if plans.len() >= self.cached_plans {
            plans.remove(0);
        }
        plans.push(plan);
        Ok(())
    }

    fn compile(&self, shapes: &[Vec<usize>]) -> Result<Arc<Runnable>> {
        let _step = work::step(|f| f.write_str("tract's plan"));
        self.planned(shapes, |model| {
            let mut model = model.into_typed()?;
            model.declutter()?;
            keep_nan::keep_nan_in_bodies(&mut model)?;
            model.optimize()?;
            keep_nan::keep_nan(&mut model)?;
            Runnable::new(model.into_runnable()?).map(Arc::new)
        })
    }

    /// What is made of tract's model for inputs of these shapes.
    fn planned<R: Send>(&self, shapes: &[Vec<usize>], plan: impl FnOnce(InferenceModel) -> TractResult<R> + Send) -> Result<R> {
        let model = self.direct()?.tract_model.as_ref().map_err(Clone::clone)?;
        panic::on_a_deep_stack(|| {
            let mut model = model.clone();
            for (i, (shape, (_, ty))) in shapes.iter().zip(&self.inputs).enumerate() {
                let datum = conversion::datum_type(ty.dtype).map_err(panic::from_ours)?;
                model.set_input_fact(i, InferenceFact::dt_shape(datum, shape.as_slice()))?;
            }
            plan(model)
        })
    }
}

/// Whether a pool has a kernel of more elements than images of networks have: nothing may look at each of them.
fn is_vast_pool(node: &proto::NodeProto) -> bool {
    const MOST: i64 = 1 << 16;
    let kernel = node.attribute.iter().find(|attribute| attribute.name == "kernel_shape");
    kernel.is_some_and(|kernel| kernel.ints.iter().fold(1i64, |all, &n| all.saturating_mul(n)) > MOST)
}

fn shapes(inputs: &[Array]) -> Vec<Vec<usize>> {
    inputs.iter().map(|array| array.shape().to_vec()).collect()
}

fn poisoned<T>(_: T) -> Error {
    Error::internal("another thread panicked while compiling a plan")
}

/// Runs a model on our kernels.
fn run_fallback(module: &OnnxModule, inputs: &[Array]) -> Result<Vec<Array>> {
    let tensors: Vec<Tensor> = inputs.iter().cloned().map(Tensor::from).collect();
    module.forward(&tensors)?.iter().map(Tensor::to_array).collect()
}

/// The model with the bodies of its functions in place of their calls, which tract does not follow: its program is traced once more.
/// `None` where there is nothing to do, and where that cannot be done with shapes only.
fn without_functions(model: &Model, operators: &OpRegistry) -> Option<Model> {
    if model.proto.functions.is_empty() {
        return None;
    }
    Traced::from_model_with(model.clone(), operators).and_then(|traced| traced.to_unhashed_model(ExportOptions::default())).ok()
}

/// Parses a model with tract.
fn parse(model: &ModelProto, operators: &OpRegistry, kernels: Kernels) -> Result<InferenceModel> {
    let _step = work::step(|f| f.write_str("tract's reading of the model"));
    let bytes = model.encode_to_vec();
    panic::on_a_deep_stack(move || {
        let model = tract_onnx::pb::ModelProto::decode(bytes.as_slice())?;
        let mut onnx = tract_onnx::onnx().with_ignore_value_info(true);
        fallback_op::register(&mut onnx, &model);
        kernel_nodes::knowing(kernels, || fallback_op::knowing(operators, || onnx.model_for_proto_model(&model)))
    })
}

impl DynModule for Session {
    fn forward(&self, inputs: &[Tensor]) -> Result<Outputs> {
        let arrays = inputs.iter().map(Tensor::to_array).collect::<Result<Vec<_>>>()?;
        let outputs: Vec<Tensor> = self.run(&arrays)?.into_iter().map(Tensor::from).collect();
        let outputs = Outputs::from(outputs).with_names(self.outputs.iter().map(|output| output.0.as_str()));
        match &self.signature {
            Some(signature) => outputs.with_structure(signature.outputs().clone()),
            None => Ok(outputs),
        }
    }

    fn input_names(&self) -> Vec<String> {
        self.inputs.iter().map(|input| input.0.clone()).collect()
    }

    fn output_names(&self) -> Vec<String> {
        self.outputs.iter().map(|output| output.0.clone()).collect()
    }

    fn input_structure(&self) -> Option<TreeDef> {
        self.signature.as_ref().map(|signature| signature.inputs().clone())
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("inputs", &self.inputs).field("outputs", &self.outputs).finish_non_exhaustive()
    }
}

impl Traced {
    /// A session of the traced graph with the default options: one thread. [`SessionBuilder::build_traced`] takes options.
    ///
    /// # Errors
    /// As [`SessionBuilder::build`].
    pub fn session(&self) -> Result<Session> {
        Session::builder().build_traced(self)
    }
}

/// Arrays for the tests of this folder.
#[cfg(test)]
fn noise(shape: &[usize], seed: u64) -> Tensor {
    use crate::array::{DType, Random};
    Random::new(seed).array(DType::F32, shape, Random::normal).unwrap().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::DType;
    use crate::dim::Dim;
    use crate::{Example, trace, trace_fn};

    fn one(array: &Array) -> Vec<f32> {
        array.to_vec().unwrap()
    }

    #[test]
    fn one_session_serves_every_batch_and_many_threads() {
        let x = Tensor::new([2, 3], vec![1.0f32; 6]).unwrap();
        let w = Tensor::new([4, 3], (0..12).map(|i| i as f32).collect()).unwrap();
        let module = crate::module::from_fn(|x: Tensor| x.linear(&w, None)?.relu());
        let example = Example::new().input("x", &x).symbolic("x", 0, "batch").unwrap();
        let session = trace(&module, example).unwrap().session().unwrap();
        std::thread::scope(|scope| {
            for batch in [1usize, 2, 5] {
                let session = &session;
                scope.spawn(move || {
                    let y = session.run(&[Array::full(DType::F32, &[batch, 3], 1.into())]).unwrap();
                    assert_eq!(y[0].shape(), [batch, 4]);
                    assert_eq!(one(&y[0])[..4], [3.0, 12.0, 21.0, 30.0]);
                });
            }
        });
        for batch in 1..40 {
            session.run(&[Array::full(DType::F32, &[batch, 3], 1.into())]).unwrap();
        }
        assert!(session.plans.lock().unwrap().len() <= CACHED_PLANS);
        let before = session.plan_counts();
        session.run(&[Array::full(DType::F32, &[39, 3], 1.into())]).unwrap();
        assert_eq!(session.plan_counts(), PlanCounts { hits: before.hits + 1, ..before });
    }

    #[test]
    fn what_tract_lacks_runs_on_our_kernel_inside_its_plan() {
        let x = Tensor::from(&[true, false, true]);
        let traced = trace_fn(|x: Tensor| x.eq(Tensor::from(&[true, true, false])), &x).unwrap();
        let session = traced.session().unwrap();
        assert_eq!(session.explain().len(), 1, "{:?}", session.explain());
        let y = session.run(&[Array::vector(vec![false, true, false])]).unwrap();
        assert_eq!(y[0].to_vec::<bool>().unwrap(), [false, true, true]);
    }

    #[test]
    fn wrong_inputs_are_named() {
        let x = Tensor::new([2, 3], vec![1.0f32; 6]).unwrap();
        let session = trace_fn(|x: Tensor| x.relu(), &x).unwrap().session().unwrap();
        let shape = |shape: &[usize]| Array::full(DType::F32, shape, 1.into());
        assert!(session.run(&[]).unwrap_err().message().contains("(x)"));
        for wrong in [shape(&[2, 4]), shape(&[2]), Array::full(DType::F64, &[2, 3], 1.into())] {
            let error = session.run(&[wrong]).unwrap_err();
            assert_eq!((error.code(), error.locations().next()), (crate::ErrorCode::Input, Some("input x")));
        }
        assert!(session.run(&[shape(&[2, 3])]).is_ok(), "a refused call leaves the session as it was");
    }

    #[test]
    fn a_panic_inside_tract_is_an_error() {
        let x = Tensor::new([2, 3], vec![1.0f32; 6]).unwrap();
        let mut model = trace_fn(|x: Tensor| x.transpose(0, 1), &x).unwrap().to_model().unwrap();
        model.proto.graph.as_mut().unwrap().node[0].attribute[0].ints = vec![7, 0];
        let failed = Session::new(&model).and_then(|session| session.run(&[x.to_array().unwrap()]));
        // Our own kernels, which are asked next, say what is wrong with the node.
        assert_eq!(failed.unwrap_err().code(), crate::ErrorCode::Argument);
    }

    #[test]
    fn sizes_come_back_as_integers() {
        let x = Tensor::new([2, 3], vec![1.0f32; 6]).unwrap();
        let module = crate::module::from_fn(|x: Tensor| Ok(Tensor::from_dims(&[x.dim(0)? * 2, Dim::Fixed(7)])));
        let example = Example::new().input("x", &x).symbolic("x", 0, "n").unwrap();
        let session = trace(&module, example).unwrap().session().unwrap();
        let y = session.run(&[Array::full(DType::F32, &[5, 3], 1.into())]).unwrap();
        assert_eq!(y[0].to_vec::<i64>().unwrap(), [10, 7]);
    }
}
