//! Example inputs for a trace: tensors, their names, and which of their sizes are symbolic.

use super::DynModule;
use crate::array::Array;
use crate::dim::{Bindings, Constraint, Dim, Expr, Relation, Shape, Type, is_reserved, is_symbol};
use crate::error::{Error, Result};
use crate::tensor::Tensor;
use crate::tree::{Tree, TreeDef};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::RangeInclusive;
use std::sync::Arc;

/// Example inputs for a trace: tensors, their names, and which of their sizes are symbolic, so that they may differ from call to call.
///
/// ```
/// use ontrace::{Example, Tensor};
/// let image = Tensor::new([2, 3], vec![0.0f32; 6])?;
/// let example = Example::new().input("image", &image).symbolic("image", 0, "batch")?.range("batch", 1..=64)?;
/// # Ok::<(), ontrace::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Example {
    /// Shared by copies of the example: a model may have a hundred thousand.
    inputs: Arc<Vec<(String, Tensor)>>,
    /// The structure around the inputs, where they were given as a tree.
    structure: Option<TreeDef>,
    /// Whether the user gave the names, so that the inputs are matched by name.
    named: bool,
    /// Symbols that the user did not declare: the trace may find that they have one size only.
    undeclared: BTreeSet<Arc<str>>,
    ranges: BTreeMap<Arc<str>, (i64, i64)>,
    /// The inputs whose values a trace takes for constants.
    specialized: BTreeSet<String>,
}

impl Example {
    /// No inputs yet.
    pub fn new() -> Example {
        Example::default()
    }

    /// The leaves of a tree as inputs, in order; a single tensor is `x`, others are named by their path.
    pub fn of(tree: &impl Tree) -> Example {
        let mut leaves = Vec::new();
        let structure = tree.tree_flatten(&mut leaves);
        let inputs = structure.leaf_names("x").into_iter().zip(leaves).collect();
        Example { inputs: Arc::new(inputs), structure: Some(structure), ..Example::default() }
    }

    /// An example that covers several calls: the tensors of the first, with each axis symbolic whose size differs between calls. Axes that
    /// differ in the same way have one symbol.
    ///
    /// ```
    /// use ontrace::{DType, Example, Tensor};
    /// let call = |n: usize| (Tensor::zeros([n, 8], DType::F32).unwrap(), Tensor::zeros([n], DType::I64).unwrap());
    /// let example = Example::observed(&[call(3), call(5)])?;
    /// let shapes: Vec<String> = example.inputs().iter().map(|input| input.1.shape().to_string()).collect();
    /// assert_eq!(shapes, ["[x_0_0,8]", "[x_0_0]"]);
    /// # Ok::<(), ontrace::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Input`](crate::ErrorCode::Input) where there is no call, or where two calls differ in structure, dtype or rank.
    pub fn observed(calls: &[impl Tree]) -> Result<Example> {
        let examples: Vec<Example> = calls.iter().map(Example::of).collect();
        let (first, rest) = examples.split_first().ok_or_else(|| Error::input("no call was observed: nothing to infer sizes from"))?;
        let mut example = first.clone();
        let mut symbols: BTreeMap<Vec<Option<i64>>, String> = BTreeMap::new();
        for (i, (name, tensor)) in first.inputs.iter().enumerate() {
            let mut seen: Vec<Vec<Option<i64>>> = tensor.shape().iter().map(|dim| vec![dim.example()]).collect();
            for other in rest {
                if let (Some(expected), Some(got)) = (&first.structure, &other.structure) {
                    expected.expect(got)?;
                }
                let ty = other.inputs[i].1.ty();
                if ty.dtype != tensor.dtype() || ty.rank() != tensor.rank() {
                    return Err(Error::input(format!("`{name}` is {} in one call and {ty} in another", tensor.ty())));
                }
                seen.iter_mut().zip(ty.shape.iter()).for_each(|(seen, dim)| seen.push(dim.example()));
            }
            for (axis, seen) in seen.into_iter().enumerate().filter(|(_, seen)| seen.iter().any(|n| *n != seen[0])) {
                let symbol = symbols.entry(seen).or_insert_with(|| symbol_of(name, axis)).clone();
                example = example.symbolic(name, axis as i64, &symbol)?;
            }
        }
        Ok(example)
    }

    /// One input more.
    pub fn input(mut self, name: &str, tensor: &Tensor) -> Example {
        self.named = true;
        self.inputs_mut().push((name.to_string(), tensor.clone()));
        self
    }

    /// Gives the inputs these names, in order; where there are fewer names the rest keep theirs.
    pub fn named<S: AsRef<str>>(mut self, names: &[S]) -> Example {
        for (input, name) in self.inputs_mut().iter_mut().zip(names) {
            input.0 = name.as_ref().to_string();
        }
        self
    }

    /// The inputs in the order of the module's: inputs with names that the user gave are matched by name, others keep their position and get
    /// the names of the module.
    ///
    /// # Errors
    /// [`Input`](crate::ErrorCode::Input) where a name is unknown, given twice or missing; the names are listed.
    pub(crate) fn arranged(mut self, module: &dyn DynModule) -> Result<Example> {
        let names = module.input_names();
        let valid = || format!("the inputs are: {}", names.join(", "));
        let mut seen = HashSet::new();
        if let Some((name, _)) = self.inputs.iter().find(|(name, _)| !seen.insert(name)) {
            return Err(Error::input(format!("the input `{name}` is given twice")));
        }
        if let (Some(expected), Some(got)) = (module.input_structure(), &self.structure) {
            expected.expect(got)?;
        }
        if names.is_empty() {
            return Ok(self);
        }
        if !self.named {
            return Ok(self.named(&names));
        }
        // A program that was read may take lists, whose elements are inputs, and its last arguments may have defaults: it knows itself.
        let of_file = module.input_structure().is_none();
        let element = |name: &String| names.iter().enumerate().find_map(|(i, list)| Some((i, element(name, list)?)));
        let known: HashMap<&String, usize> = names.iter().enumerate().rev().map(|(i, name)| (name, i)).collect();
        let position = |name: &String| {
            let own = known.get(name).map(|&i| (i, 0));
            own.or_else(|| element(name).filter(|_| of_file))
        };
        let mut given = HashSet::new();
        for (name, _) in self.inputs() {
            let Some((i, _)) = position(name) else {
                return Err(Error::input(format!("there is no input `{name}`")).help(valid()));
            };
            given.insert(i);
        }
        let last = given.iter().max().map_or(0, |last| last + 1);
        let wanted = if of_file { last } else { names.len() };
        if let Some(missing) = (0..wanted).find(|i| !given.contains(i)) {
            return Err(Error::input(format!("the input `{}` is missing", names[missing])).help(valid()));
        }
        if !self.inputs.is_sorted_by_key(|(name, _)| position(name)) {
            self.inputs_mut().sort_by_cached_key(|(name, _)| position(name));
        }
        Ok(self)
    }

    /// The size that an axis without a name of its own takes where others are given: that of the same axis of a given input that has no name
    /// either, and had the same size. The two are a batch, say.
    fn size_of_unnamed(&self, symbol: &str, size: i64, given: &[(String, Tensor)]) -> Option<i64> {
        let unnamed = |name: &str, axis: usize, dim: &Dim| dim.expr().as_symbol().is_some_and(|symbol| **symbol == *symbol_of(name, axis));
        let axes =
            self.inputs.iter().flat_map(|(name, tensor)| tensor.shape().iter().enumerate().map(move |(axis, dim)| (name, axis, dim)));
        let mut own = axes.clone().filter(|(_, _, dim)| dim.expr().as_symbol().is_some_and(|other| **other == *symbol));
        let axis = own.find(|(name, axis, dim)| unnamed(name, *axis, dim))?.1;
        let mut same = axes.filter(|(name, other, dim)| *other == axis && dim.example() == Some(size) && unnamed(name, *other, dim));
        same.find_map(|(name, ..)| given.iter().find(|given| given.0 == *name)?.1.shape().get(axis)?.example())
    }

    /// The inputs but for this one.
    #[must_use]
    pub fn without(mut self, input: &str) -> Example {
        self.inputs_mut().retain(|(name, _)| name != input);
        self.structure = None;
        self
    }

    /// The same inputs in the order of these keys; those of one key stay in their order.
    pub(crate) fn sorted_by<K: Ord>(mut self, key: impl Fn(&str) -> K) -> Example {
        self.inputs_mut().sort_by_key(|(name, _)| key(name));
        self
    }

    /// The same inputs, some of them with other tensors. An axis that is symbolic stays so, at the size that it has in its tensor; the other inputs take
    /// the sizes that follow, and lose their values where their shape changes.
    ///
    /// ```
    /// use ontrace::{DType, Example, Tensor};
    /// let zeros = |shape: [usize; 2]| Tensor::zeros(shape, DType::F32).unwrap();
    /// let example = Example::new().input("x", &zeros([2, 3])).input("y", &zeros([2, 4])).symbolic("x", 0, "n")?.symbolic("y", 0, "n")?;
    /// let example = example.with_given(&[("x".to_string(), zeros([5, 3]))])?;
    /// assert_eq!(example.inputs()[1].1.shape().example(), Some(vec![5, 4]));
    /// # Ok::<(), ontrace::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Input`](crate::ErrorCode::Input) for an unknown name, [`Size`](crate::ErrorCode::Size) where a symbolic size would have two values.
    pub fn with_given(mut self, given: &[(String, Tensor)]) -> Result<Example> {
        if given.is_empty() {
            return Ok(self);
        }
        let mut sizes = Bindings::new();
        for (name, tensor) in given {
            let before = self.inputs.iter().find(|input| input.0 == *name).map(|input| input.1.shape());
            let before = before.ok_or_else(|| Error::input(format!("there is no input `{name}`")))?;
            for (dim, new) in before.iter().zip(tensor.shape().iter()).filter(|_| before.rank() == tensor.rank()) {
                if let (Some(symbol), Some(n)) = (dim.expr().as_symbol(), new.example()) {
                    sizes.bind(symbol, n).map_err(|error| error.at(format!("input {name}")))?;
                }
            }
        }
        for (symbol, n) in self.symbols() {
            if sizes.get(&symbol).is_none() {
                let n = self.size_of_unnamed(&symbol, n, given).unwrap_or(n);
                sizes.bind(&symbol, n)?;
            }
        }
        for (name, tensor) in self.inputs_mut() {
            let replaced = given.iter().find(|given| given.0 == *name).map(|given| &given.1);
            if replaced.is_none() && !tensor.shape().is_symbolic() {
                continue;
            }
            let fits = replaced.is_none_or(|new| new.rank() == tensor.rank());
            let sized = |(axis, dim): (usize, &Dim)| match (dim.is_symbolic(), replaced) {
                (true, None) => Dim::new(dim.expr(), sizes.eval(&dim.expr()).or(dim.example())),
                (true, Some(new)) => Dim::new(dim.expr(), new.shape()[axis].example()),
                (false, Some(new)) => new.shape()[axis].clone(),
                (false, None) => dim.clone(),
            };
            let shape: Shape = match fits {
                true => tensor.shape().iter().enumerate().map(sized).collect(),
                false => replaced.map_or_else(|| tensor.shape().clone(), |new| new.shape().clone()),
            };
            let new = replaced.unwrap_or(tensor);
            let ty = Type::new(new.dtype(), shape);
            let is_same = new.shape().example() == ty.shape.example();
            *tensor = if is_same { new.retyped(ty) } else { Tensor::of_type(ty) };
        }
        Ok(self)
    }

    /// The same inputs with values for some of them, which have the sizes that the inputs have in the example.
    pub(crate) fn with_given_values(mut self, values: &[(String, Tensor)]) -> Example {
        for (name, tensor) in self.inputs_mut() {
            if let Some((_, new)) = values.iter().find(|value| value.0 == *name) {
                *tensor = new.retyped(tensor.ty().clone());
            }
        }
        self
    }

    /// Makes the size of an axis symbolic. `size` is its name; axes with the same name have the same size.
    ///
    /// # Errors
    /// [`Input`](crate::ErrorCode::Input) where there is no such input, [`Argument`](crate::ErrorCode::Argument) where it has no such
    /// axis or the name is not an identifier, [`Size`](crate::ErrorCode::Size) where axes of this name differ in size in the example.
    pub fn symbolic(mut self, input: &str, axis: i64, size: &str) -> Result<Example> {
        let index = self.inputs.iter().position(|known| known.0 == input).ok_or_else(|| {
            let names: Vec<&str> = self.inputs.iter().map(|known| known.0.as_str()).collect();
            Error::input(format!("there is no input `{input}`")).help(format!("the inputs are: {}", names.join(", ")))
        })?;
        let tensor = &self.inputs[index].1;
        let axis = tensor.shape().axis(axis)?;
        let same = |dim: &&Dim| dim.expr().as_symbol().is_some_and(|symbol| **symbol == *size);
        let elsewhere = self.inputs.iter().flat_map(|(_, tensor)| tensor.shape().iter()).find(same);
        let mut dims = tensor.shape().to_vec();
        dims[axis] = symbolic_dim((input, axis), &dims[axis], size, elsewhere)?;
        let tensor = tensor.retyped(Type::new(tensor.dtype(), Shape::new(dims)));
        self.inputs_mut()[index].1 = tensor;
        Ok(self)
    }

    /// Makes the size of every axis symbolic, each with a symbol of its own. The trace then finds what the program requires of them: that two are equal, or
    /// that one is 3.
    ///
    /// # Errors
    /// [`Size`](crate::ErrorCode::Size) where a size is not known.
    pub fn symbolic_wherever_possible(mut self) -> Result<Example> {
        let dims = self.inputs.iter().flat_map(|(_, tensor)| tensor.shape().iter());
        let mut known: HashMap<Arc<str>, Dim> = dims.filter_map(|dim| Some((dim.expr().as_symbol()?.clone(), dim.clone()))).collect();
        let mut undeclared = std::mem::take(&mut self.undeclared);
        for (name, tensor) in self.inputs_mut() {
            let mut dims = tensor.shape().to_vec();
            for (axis, dim) in dims.iter_mut().enumerate().filter(|(_, dim)| !dim.is_symbolic()) {
                let symbol: Arc<str> = symbol_of(name, axis).into();
                *dim = symbolic_dim((name, axis), dim, &symbol, known.get(&symbol))?;
                known.insert(symbol.clone(), dim.clone());
                undeclared.insert(symbol);
            }
            *tensor = tensor.retyped(Type::new(tensor.dtype(), Shape::new(dims)));
        }
        self.undeclared = undeclared;
        Ok(self)
    }

    /// Declares the range of a symbolic size; `usize::MAX` is no greatest size. It becomes a guard of the traced graph, and the check stays
    /// within it.
    ///
    /// # Errors
    /// [`Input`](crate::ErrorCode::Input) where no axis has this symbolic size, [`Argument`](crate::ErrorCode::Argument) where the range is empty,
    /// [`Size`](crate::ErrorCode::Size) where the example's is outside the range.
    pub fn range(mut self, size: &str, range: RangeInclusive<usize>) -> Result<Example> {
        let seen = self.symbols().into_iter().find(|(symbol, _)| **symbol == *size);
        let seen =
            seen.ok_or_else(|| Error::input(format!("no axis has the symbolic size `{size}`")).help("declare it with symbolic first"))?.1;
        let end = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        let (least, greatest) = (end(*range.start()), end(*range.end()));
        if least > greatest {
            return Err(Error::argument(format!("the range {least}..={greatest} of `{size}` is empty")).help("the smaller end comes first"));
        }
        if !(least..=greatest).contains(&seen) {
            return Err(Error::size(format!("`{size}` is {seen} in the example, which is not in {least}..={greatest}")));
        }
        self.ranges.insert(size.into(), (least, greatest));
        Ok(self)
    }

    /// Takes the value of an input for a constant: what the program decides by it is decided by this value, and the trace is
    /// [specialized](crate::Traced::specialized) for it.
    ///
    /// ```
    /// use ontrace::{Example, Tensor, module::from_fn, trace::record};
    /// let model = from_fn(|(x, n): (Tensor, Tensor)| x.mul(n.add(1i64)?));
    /// let example = Example::new().input("x", &Tensor::from(&[1.0f32, 2.0])).input("n", &Tensor::from(&[2i64]));
    /// let traced = record(&model, example.specialize("n")?.shapes_only())?;
    /// assert_eq!((traced.specialized()[0].inputs[0].as_str(), traced.graph().nodes().len()), ("n", 1));
    /// # Ok::<(), ontrace::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Input`](crate::ErrorCode::Input) where there is no such input, or it has no value.
    pub fn specialize(mut self, name: &str) -> Result<Example> {
        match self.inputs.iter().find(|input| input.0 == name) {
            None => Err(Error::input(format!("there is no input `{name}`"))),
            Some((_, tensor)) if tensor.is_type_only() => Err(Error::input(format!("input `{name}` has no value to specialize for"))),
            Some(_) => {
                self.specialized.insert(name.to_string());
                Ok(self)
            }
        }
    }

    /// Whether a trace takes the value of this input for a constant.
    pub(crate) fn is_specialized(&self, name: &str) -> bool {
        self.specialized.contains(name)
    }

    /// Drops the values, but for those that the trace is specialized for: the module is then traced with shapes only, and nothing is computed.
    pub fn shapes_only(mut self) -> Example {
        let is_bare = |tensor: &Tensor| tensor.is_type_only() && tensor.symbolic_values().is_none();
        let has_value = |input: &(String, Tensor)| !self.specialized.contains(&input.0) && !is_bare(&input.1);
        if self.inputs.iter().any(has_value) {
            let bare = |input: &(String, Tensor)| match has_value(input) {
                true => (input.0.clone(), Tensor::of_type(input.1.ty().clone())),
                false => input.clone(),
            };
            self.inputs = Arc::new(self.inputs.iter().map(bare).collect());
        }
        self
    }

    /// The same names and symbols with other values, which must have the same types as far as these are fixed.
    ///
    /// # Errors
    /// [`Input`](crate::ErrorCode::Input) where there are more or fewer, or the dtype or rank of one differs; [`Size`](crate::ErrorCode::Size) where a
    /// symbol would have two sizes.
    pub(crate) fn with(&self, arrays: &[Array]) -> Result<Example> {
        if arrays.len() != self.inputs.len() {
            return Err(Error::input(format!("expected {} inputs, got {}", self.inputs.len(), arrays.len())));
        }
        let shapes = self.inputs.iter().zip(arrays).map(|((name, tensor), array)| (name.as_str(), tensor.shape(), array.shape()));
        let bindings = crate::dim::Bindings::of(shapes)?;
        let mut example = self.clone();
        for ((name, tensor), array) in example.inputs_mut().iter_mut().zip(arrays) {
            if tensor.dtype() != array.dtype() {
                return Err(Error::input(format!("expected {}, got {}{:?}", tensor.ty(), array.dtype(), array.shape())).at(&*name));
            }
            let dims = tensor.shape().iter().map(|dim| Dim::new(dim.expr(), bindings.eval(&dim.expr())));
            *tensor = Tensor::from(array.clone()).retyped(Type::new(array.dtype(), dims.collect::<Shape>()));
        }
        Ok(example)
    }

    /// The same inputs at other sizes: of each symbol its new size, where there is one. Tensors whose shape changes lose their values.
    #[must_use]
    pub fn with_sizes(mut self, of: &dyn Fn(&str) -> Option<i64>) -> Example {
        let seen: BTreeMap<Arc<str>, i64> = self.symbols().into_iter().collect();
        let size = |symbol: &str| of(symbol).or_else(|| seen.get(symbol).copied());
        for (_, tensor) in self.inputs_mut() {
            let sized = |dim: &Dim| if dim.is_symbolic() { Dim::new(dim.expr(), dim.expr().eval(&size)) } else { dim.clone() };
            let shape: Shape = tensor.shape().iter().map(sized).collect();
            if shape.example() != tensor.shape().example() {
                *tensor = Tensor::of_type(Type::new(tensor.dtype(), shape));
            }
        }
        self
    }

    /// The example with a symbolic size fixed: at this size, else at the one that it has in the example.
    ///
    /// # Errors
    /// [`Input`](crate::ErrorCode::Input) where no axis has this symbolic size.
    pub fn fixed(self, size: &str, at: Option<usize>) -> Result<Example> {
        let symbols = self.symbols();
        let seen = symbols.iter().find(|(symbol, _)| **symbol == *size).map(|symbol| symbol.1).ok_or_else(|| {
            let known: Vec<&str> = symbols.iter().map(|(symbol, _)| &**symbol).collect();
            Error::input(format!("no axis has the symbolic size `{size}`")).help(format!("the symbolic sizes are: {}", known.join(", ")))
        })?;
        let n = at.map_or(seen, |at| at as i64);
        let of = |symbol: &str| (*symbol == *size).then_some(n);
        Ok(self.with_sizes(&of).substituted(&|symbol| of(symbol).map(Expr::from)))
    }

    /// The same with other expressions for symbols.
    pub(crate) fn substituted(mut self, of: &dyn Fn(&str) -> Option<Expr>) -> Example {
        for (_, tensor) in self.inputs_mut() {
            let dims = tensor.shape().iter().map(|dim| Dim::new(dim.expr().substitute(of), dim.example()));
            *tensor = tensor.retyped(Type::new(tensor.dtype(), dims.collect::<Shape>()));
        }
        self
    }

    /// Whether the user declared the symbol, rather than asking for all that can be. Nobody declares what stands for a value of the graph.
    pub(crate) fn declares(&self, symbol: &str) -> bool {
        !self.undeclared.contains(symbol) && !crate::dim::is_reserved(symbol)
    }

    /// Whether some symbols were not declared.
    pub(crate) fn leaves_open(&self) -> bool {
        !self.undeclared.is_empty()
    }

    /// The symbols in the order of the inputs, with their sizes in the example.
    pub fn symbols(&self) -> Vec<(Arc<str>, i64)> {
        let mut known = HashSet::new();
        let dims = self.inputs.iter().flat_map(|(_, tensor)| tensor.shape().iter()).filter(|dim| dim.is_symbolic());
        let sizes = dims.filter_map(|dim| Some((dim.expr().as_symbol()?.clone(), dim.example()?)));
        sizes.filter(|(symbol, _)| known.insert(symbol.clone())).collect()
    }

    /// Where each symbol stands among [those](Example::symbols) of the example.
    pub(crate) fn positions(&self) -> HashMap<Arc<str>, usize> {
        self.symbols().into_iter().enumerate().map(|(i, (symbol, _))| (symbol, i)).collect()
    }

    /// The symbols with what they are in the example.
    ///
    /// # Errors
    /// [`Size`](crate::ErrorCode::Size) where one has two sizes.
    pub(crate) fn bindings(&self) -> Result<Bindings> {
        let mut bindings = Bindings::new();
        self.symbols().iter().try_for_each(|(symbol, seen)| bindings.bind(symbol, *seen))?;
        Ok(bindings)
    }

    /// The declared ranges of its symbols as conditions.
    pub(crate) fn ranges(&self) -> Vec<Constraint> {
        let bounds = |(symbol, &(least, greatest)): (&Arc<str>, &(i64, i64))| {
            let of = |relation, n: i64| Constraint::Related(Expr::symbol(symbol), relation, n.into());
            let least = (least > 0).then(|| of(Relation::AtLeast, least));
            least.into_iter().chain((greatest < i64::MAX).then(|| of(Relation::AtMost, greatest)))
        };
        let symbols: HashSet<Arc<str>> = self.symbols().into_iter().map(|(symbol, _)| symbol).collect();
        self.ranges.iter().filter(|(symbol, _)| symbols.contains(*symbol)).flat_map(bounds).collect()
    }

    /// The structure around the inputs, where they came as a tree.
    pub fn structure(&self) -> Option<&TreeDef> {
        self.structure.as_ref()
    }

    /// The inputs in order, with their names.
    pub fn inputs(&self) -> &[(String, Tensor)] {
        &self.inputs
    }

    fn inputs_mut(&mut self) -> &mut Vec<(String, Tensor)> {
        Arc::make_mut(&mut self.inputs)
    }

    /// The tensors in order.
    pub fn tensors(&self) -> Vec<Tensor> {
        self.inputs.iter().map(|input| input.1.clone()).collect()
    }
}

/// The size of an axis of an input, made symbolic under this name; `elsewhere` is another of the same name, which has the same size.
fn symbolic_dim((input, axis): (&str, usize), dim: &Dim, name: &str, elsewhere: Option<&Dim>) -> Result<Dim> {
    if !is_symbol(name) {
        return Err(Error::argument(format!("`{name}` is not a valid dimension name")).help("use letters, digits and _"));
    }
    if is_reserved(name) {
        return Err(Error::argument(format!("`{name}` is the name of a size that depends on data")).help("use another name"));
    }
    let seen = dim.example().ok_or_else(|| Error::size(format!("the size of axis {axis} of `{input}` is not known")))?;
    if let Some(other) = elsewhere.filter(|other| other.example() != Some(seen)) {
        let elsewhere = other.example().map_or_else(|| other.to_string(), |n| n.to_string());
        return Err(Error::size(format!("`{name}` is {elsewhere} elsewhere in the example and {seen} in `{input}`")));
    }
    Ok(Dim::symbol(name, seen as usize))
}

/// The index of an element of a list input, by its name: 1 for `images_1` in `images`.
pub fn element(name: &str, list: &str) -> Option<usize> {
    name.strip_prefix(list)?.strip_prefix('_')?.parse().ok()
}

/// The symbol of an axis that nobody named.
pub(crate) fn symbol_of(input: &str, axis: usize) -> String {
    let name: String = input.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    let name = if name.starts_with(|c: char| c.is_ascii_digit()) { format!("x{name}") } else { name };
    format!("{name}_{axis}")
}

impl<T: Tree> From<&T> for Example {
    fn from(tree: &T) -> Example {
        Example::of(tree)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DType, module::AsDynModule, module::from_fn};

    #[test]
    fn names_of_sizes_that_depend_on_data_are_no_names_of_axes() {
        let example = Example::new().input("x", &Tensor::ones([2, 3], DType::F32).unwrap());
        for name in ["data0", "value12"] {
            let error = example.clone().symbolic("x", 0, name).unwrap_err();
            assert_eq!(error.message(), format!("`{name}` is the name of a size that depends on data"));
        }
        assert!(example.symbolic("x", 0, "data").is_ok());
    }

    #[test]
    fn inputs_are_matched_by_name() {
        let x = |n: usize| Tensor::zeros([n], DType::F32).unwrap();
        let module = crate::module::named(from_fn(|(a, b): (Tensor, Tensor)| Tensor::cat(&[&a, &b], 0)), &["a", "b"], &[]);
        let module = &*module.as_dyn(None);
        let given = |names: [&str; 2]| Example::new().input(names[0], &x(2)).input(names[1], &x(1));
        let arranged = given(["b", "a"]).arranged(module).unwrap();
        assert_eq!(arranged.inputs().iter().map(|input| input.1.shape().to_string()).collect::<Vec<_>>(), ["[1]", "[2]"]);
        let error = given(["b", "c"]).arranged(module).unwrap_err();
        assert_eq!((error.message(), error.help_line()), ("there is no input `c`", Some("the inputs are: a, b")));
        assert_eq!(Example::new().input("a", &x(1)).arranged(module).unwrap_err().message(), "the input `b` is missing");
        assert_eq!(given(["a", "a"]).arranged(module).unwrap_err().message(), "the input `a` is given twice");
    }

    #[test]
    fn a_range_must_contain_the_example() {
        let example = Example::of(&Tensor::zeros([3], DType::F32).unwrap()).symbolic("x", 0, "n").unwrap();
        assert_eq!(example.clone().range("n", 1..=8).unwrap().ranges()[1].to_string(), "n <= 8");
        assert_eq!(example.clone().range("n", 4..=8).unwrap_err().code(), crate::ErrorCode::Size);
        assert_eq!(example.range("m", 1..=8).unwrap_err().code(), crate::ErrorCode::Input);
    }
}
