//! `apply`, the one entry point of operations: infers the type, evaluates the kernel where values are known, and adds a node where a trace is active.

use super::{Origin, Tensor, TensorData, location, observer, recorder};
use crate::array::{Array, DType};
use crate::dim::{Constraints, Dim, DimArray, MOST_AXES, Sizes, Type, too_many_axes};
use crate::error::{Error, ErrorCode, Result, ResultExt};
use crate::graph::{Agreement, Computed, Derivation, Inputs, Operator};
use crate::work::{self, LoopBudget};
use std::panic::Location;
use std::sync::Arc;

/// What a constant operation may grow to before it becomes a node instead of being computed: an `expand` stays an `expand`.
const FOLDED: usize = 1 << 16;

/// Applies an operator that has one output.
///
/// # Errors
/// As [`apply`].
#[track_caller]
pub fn apply_one(op: impl Operator, inputs: &[&Tensor]) -> Result<Tensor> {
    let inputs: Vec<_> = inputs.iter().map(|tensor| Some(*tensor)).collect();
    apply(op, &inputs)?.into_iter().next().ok_or_else(|| Error::internal("the operator has no output"))
}

/// Applies an operator; optional inputs may be absent.
///
/// # Errors
/// Where the inputs do not fit the operator, where its kernel fails, and where an input belongs to another trace.
#[track_caller]
pub fn apply(op: impl Operator, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>> {
    let caller = Location::caller();
    dispatch(Arc::new(op), inputs, caller)
}

/// As [`apply`], for an operator that a graph has.
#[track_caller]
pub(crate) fn apply_shared(op: Arc<dyn Operator>, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>> {
    dispatch(op, inputs, Location::caller())
}

fn dispatch(op: Arc<dyn Operator>, inputs: &[Option<&Tensor>], caller: &Location) -> Result<Vec<Tensor>> {
    let _step = work::step(|f| write!(f, "{}\0{}", op.name(), location::here(None, caller)));
    let types: Vec<Option<&Type>> = inputs.iter().map(|input| input.map(Tensor::ty)).collect();
    let constraints = recorder::constraints();
    let inferred = op.infer(&Inputs::new(&types).under(&constraints)).map(|types| simplified(types, &constraints));
    let known_sizes = size_values(&*op, inputs, &constraints).or_else(|| rounded(&*op, inputs, inferred.as_deref().ok()?));
    recorder::constrain(constraints.into_found(), || location::here(None, caller));
    let types = inferred.at(op.name()).map_err(|error| match error.code() {
        // A declared size is reported with the line that contradicts it.
        ErrorCode::Size => error.at(location::here(None, caller)),
        _ => error,
    })?;
    if let Some(ty) = types.iter().find(|ty| ty.rank() > MOST_AXES) {
        return Err(too_many_axes(ty.rank()).at(op.name()));
    }
    if let [ty] = types.as_slice()
        && let Some(dims) = known_sizes
    {
        return Ok(vec![Tensor::from_dim_array(dims, ty.dtype)]);
    }
    let attribute_dims = op.dims();
    let symbolic = attribute_dims.iter().any(Dim::is_symbolic);
    let mut recorded = recorder::is_recorded(inputs, symbolic).map_err(|error| error.at(location::here(None, caller)))?;
    if !recorded && recorder::is_tracing() {
        // A random sample is no constant.
        recorded = op.agreement() == Agreement::Random || grows(&types, inputs);
    }
    let is_constant = inputs.iter().flatten().all(|tensor| tensor.is_constant());
    let of_data = || {
        let arrays: Vec<Option<&Array>> = inputs.iter().map(|input| input.and_then(Tensor::value)).collect();
        op.bound_of_data(&Inputs::new(&arrays))
    };
    let allowed = !is_constant || recorder::with_account(|account| account.allows(&types, of_data)).unwrap_or(true);
    // What the account does not allow to compute stays a node without a value.
    recorded |= !allowed;
    let values = match allowed {
        true => evaluate(&*op, inputs, &types, &attribute_dims).at(op.name())?,
        false => vec![None; types.len()],
    };
    if is_constant {
        let arrays: Vec<Option<&Array>> = inputs.iter().map(|input| input.and_then(Tensor::value)).collect();
        recorder::with_account(|account| account.spend(&values, &arrays));
    }
    let repeated = match recorded && types.iter().any(|ty| ty.shape.iter().any(Dim::is_unnamed)) {
        true => recorder::repeated(&*op, inputs)?,
        false => None,
    };
    // A size that has got its name may be granted to be one number.
    let types = simplified(repeated.unwrap_or_else(|| named(types, &values, recorded)), &recorder::constraints());
    let parameter = inputs.iter().flatten().find_map(|tensor| tensor.parameter());
    observer::notify(&op, &values, parameter.map(|name| &**name), caller);
    let traced_refs = match recorded {
        true => recorder::record(op.clone(), inputs, (&types, &values), location::here(parameter.map(|name| &**name), caller))?
            .into_iter()
            .map(Some)
            .collect(),
        false => vec![None; types.len()],
    };
    let name: Option<Arc<str>> = match (inputs, parameter, types.len()) {
        ([Some(_)], Some(name), 1) => Some(format!("{name}.{}", op.name().to_lowercase()).into()),
        _ => None,
    };
    let tensor = |(output, ((ty, value), traced_ref)): (usize, ((Type, Option<Array>), Option<_>))| match traced_ref {
        Some(traced_ref) => {
            let origin = Origin::Traced(traced_ref);
            Tensor(Arc::new(TensorData { ty, value: value.map(Arc::new), dims: None, origin, weak: false, is_constant }))
        }
        None => Tensor::with(value, ty, derived(&op, inputs, output, &name)),
    };
    Ok(types.into_iter().zip(values).zip(traced_refs).enumerate().map(tensor).collect())
}

/// Where a constant output comes from: from parameters, where one is behind an input. Outside a trace, where a tensor may as well be an input of the program,
/// only what is computed of parameters and numbers: a run would keep all of its values otherwise.
fn derived(op: &Arc<dyn Operator>, inputs: &[Option<&Tensor>], output: usize, name: &Option<Arc<str>>) -> Origin {
    let Some(depth) = inputs.iter().flatten().filter_map(|tensor| Some(tensor.derivation()?.depth() + 1)).max() else {
        return Origin::Literal;
    };
    let is_fixed = |tensor: &&Tensor| tensor.rank() == 0 || tensor.derivation().is_some();
    if depth > Derivation::MOST_DEEP || !recorder::is_tracing() && !inputs.iter().flatten().all(is_fixed) {
        return Origin::Literal;
    }
    let input = |tensor: &Tensor| Some((tensor.value()?.clone(), tensor.derivation()));
    match inputs.iter().map(|tensor| tensor.map(|tensor| input(tensor).ok_or(())).transpose()).collect::<Result<Vec<_>, ()>>() {
        Ok(inputs) => Origin::Derived(Box::new((name.clone(), Arc::new(Computed { op: op.clone(), inputs, output, depth })))),
        Err(()) => Origin::Literal,
    }
}

/// Sizes that depend on data: fixed ones, unless the traced graph is to be right at others; then symbols of their own.
fn named(mut types: Vec<Type>, values: &[Option<Array>], recorded: bool) -> Vec<Type> {
    let mut names: Vec<(Dim, Dim)> = Vec::new();
    for (ty, value) in types.iter_mut().zip(values) {
        if !ty.shape.iter().any(Dim::is_unnamed) {
            continue;
        }
        let dims = ty.shape.iter().enumerate().map(|(axis, dim)| {
            if !dim.is_unnamed() {
                return dim.clone();
            }
            if let Some((_, name)) = names.iter().find(|(unnamed, _)| unnamed == dim) {
                return name.clone();
            }
            let seen = value.as_ref().map(|array| array.shape()[axis] as i64).or(dim.example());
            let name = match (recorded, seen) {
                (false, Some(n)) => Dim::from(n),
                (true, seen) => Dim::new(recorder::fresh_symbol(), seen),
                (false, None) => dim.clone(),
            };
            names.push((dim.clone(), name.clone()));
            name
        });
        *ty = Type::new(ty.dtype, dims.collect::<Vec<_>>());
    }
    types
}

/// The bytes of a value of this type in the example; 0 where a size is not known.
fn example_bytes(ty: &Type) -> u64 {
    ty.shape.numel().example().map_or(0, |n| (n.max(0) as u64).saturating_mul(ty.dtype.size() as u64))
}

/// Whether computing a constant would turn a small one into a large one.
fn grows(types: &[Type], inputs: &[Option<&Tensor>]) -> bool {
    // A size that follows from the values is at most what they are.
    let bytes = |ty: &Type| ty.shape.numel().example().map_or(0, |n| (n.max(0) as usize).saturating_mul(ty.dtype.size()));
    let total = |types: &mut dyn Iterator<Item = &Type>| types.map(bytes).fold(0, usize::saturating_add);
    let (made, taken) = (total(&mut types.iter()), total(&mut inputs.iter().flatten().map(|tensor| tensor.ty())));
    made > FOLDED && made / 4 > taken
}

/// The types with every size simplified by what is granted.
fn simplified(types: Vec<Type>, constraints: &Constraints) -> Vec<Type> {
    types.into_iter().map(|ty| Type::new(ty.dtype, constraints.simplify_shape(ty.shape))).collect()
}

/// The elements of the output as symbolic expressions, where those of all inputs are known and the operator has a rule for them.
fn size_values(op: &dyn Operator, inputs: &[Option<&Tensor>], constraints: &Constraints) -> Option<DimArray> {
    let known: Vec<Option<&DimArray>> =
        inputs.iter().map(|input| input.map(|tensor| tensor.symbolic_values().ok_or(())).transpose()).collect::<Result<_, _>>().ok()?;
    // Known values alone are computed like any other constant.
    let dims = known.iter().flatten().any(|dims| dims.is_symbolic()).then(|| op.of_dims(&Inputs::new(&known))).flatten()?;
    Some(DimArray { dims: dims.dims.iter().map(|dim| constraints.simplify(dim)).collect(), ..dims })
}

/// The integers that a cast makes of floats that follow from sizes.
fn rounded(op: &dyn Operator, inputs: &[Option<&Tensor>], types: &[Type]) -> Option<DimArray> {
    match (op.name(), inputs, types) {
        ("Cast", [Some(x)], [ty]) if matches!(ty.dtype, DType::I64 | DType::I32) && matches!(x.dtype(), DType::F32 | DType::F64) => {
            super::scaled::sizes(x.traced_ref()?)
        }
        _ => None,
    }
}

/// The outputs where the values of every input and the sizes among the attributes are known, compared with the inferred types.
fn evaluate(op: &dyn Operator, inputs: &[Option<&Tensor>], types: &[Type], attribute_dims: &[Dim]) -> Result<Vec<Option<Array>>> {
    let absent = || vec![None; types.len()];
    let Some(arrays) = inputs.iter().map(|input| input.map(|tensor| tensor.value().ok_or(())).transpose().ok()).collect::<Option<Vec<_>>>()
    else {
        return Ok(absent());
    };
    if attribute_dims.iter().any(|dim| dim.example().is_none()) {
        return Ok(absent());
    }
    LoopBudget::allow(|| types.iter().map(example_bytes).fold(0, u64::saturating_add))?;
    let values = op.eval(&Inputs::new(&arrays), Sizes::Example)?;
    if values.len() != types.len() {
        return Err(Error::internal(format!("infer gives {} outputs, the kernel {}", types.len(), values.len())));
    }
    for (ty, value) in types.iter().zip(&values) {
        let fits = ty.dtype == value.dtype()
            && ty.rank() == value.rank()
            // What a size that depends on data probably is, the kernel knows better.
            && ty.shape.iter().zip(value.shape()).all(|(dim, &n)| dim.is_unnamed() || dim.example().is_none_or(|seen| seen == n as i64));
        if !fits {
            return Err(Error::internal(format!("infer gives {ty}, the kernel {}{:?}", value.dtype(), value.shape())));
        }
    }
    Ok(values.into_iter().map(Some).collect())
}
