//! Everything that can be called: a closure, a network, a file, a session.

use crate::dim::{Dim, Shape, Type};
use crate::error::{Error, Result};
use crate::tensor::Tensor;
use crate::tree::Tree;

/// Something that turns tensors into tensors.
pub trait Module {
    /// The outputs for these inputs.
    ///
    /// # Errors
    /// Where the inputs do not fit, or an operation fails.
    fn forward(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>>;

    /// The output for this input, of a module that takes and gives one tensor.
    ///
    /// # Errors
    /// As [`Module::forward`], and [`Input`](crate::Code::Input) where it takes or gives more.
    fn call(&self, input: &Tensor) -> Result<Tensor> {
        let outputs = self.forward(std::slice::from_ref(input))?;
        let count = outputs.len();
        outputs
            .into_iter()
            .next()
            .filter(|_| count == 1)
            .ok_or_else(|| Error::input(format!("expected a module of one output, got {count}")))
    }

    /// The names of the inputs, where it has some.
    fn input_names(&self) -> Vec<String> {
        Vec::new()
    }

    /// The names of the outputs, where it has some; known at the latest after a call.
    fn output_names(&self) -> Vec<String> {
        Vec::new()
    }
}

/// The only input of a module that takes one.
///
/// # Errors
/// [`Input`](crate::Code::Input) where there is none, or more than one.
pub fn only(inputs: &[Tensor]) -> Result<&Tensor> {
    match inputs {
        [input] => Ok(input),
        _ => Err(Error::input(format!("expected one input, got {}", inputs.len()))),
    }
}

impl<M: Module + ?Sized> Module for &M {
    fn forward(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        (**self).forward(inputs)
    }

    fn input_names(&self) -> Vec<String> {
        (**self).input_names()
    }

    fn output_names(&self) -> Vec<String> {
        (**self).output_names()
    }
}

impl<M: Module + ?Sized> Module for Box<M> {
    fn forward(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        (**self).forward(inputs)
    }

    fn input_names(&self) -> Vec<String> {
        (**self).input_names()
    }

    fn output_names(&self) -> Vec<String> {
        (**self).output_names()
    }
}

/// A closure over trees of tensors as a [`Module`]: `function(|(x, y): (Tensor, Tensor)| &x + &y, &example)`.
pub struct Function<F, I, O> {
    f: F,
    structure: I,
    result: std::marker::PhantomData<fn() -> O>,
}

/// A closure as a module; the example gives the structure of its argument.
pub fn function<F, I, O>(f: F, structure: &I) -> Function<F, I, O>
where
    F: Fn(I) -> Result<O>,
    I: Tree + Clone,
    O: Tree,
{
    Function { f, structure: structure.clone(), result: std::marker::PhantomData }
}

impl<F, I, O> Module for Function<F, I, O>
where
    F: Fn(I) -> Result<O>,
    I: Tree,
    O: Tree,
{
    fn forward(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        let mut leaves = inputs.iter().cloned();
        let argument = self.structure.rebuild(&mut leaves)?;
        match leaves.count() {
            0 => Ok((self.f)(argument)?.leaves()),
            more => Err(Error::input(format!("{more} inputs too many"))),
        }
    }
}

/// A module of which some inputs are always the same: [`fixed`].
pub struct Fixed<M> {
    module: M,
    inputs: Vec<(usize, Tensor)>,
}

/// The module with these of its inputs (by place) given once and for all: what steers its shapes, say. Its record knows their numbers.
///
/// ```
/// use ontrace::{Module, Tensor, module};
/// let x = Tensor::from(&[1.0f32, 2.0, 3.0, 4.0]);
/// let reshape = module::function(|(x, shape): (Tensor, Tensor)| x.reshape(&[shape.to_vec::<i64>()?[0], -1]), &(x.clone(), x.clone()));
/// let halved = module::fixed(reshape, vec![(1, Tensor::from(&[2i64]))]);
/// assert_eq!(halved.call(&x)?.shape().to_string(), "[2,2]");
/// # Ok::<(), ontrace::Error>(())
/// ```
pub fn fixed<M: Module>(module: M, mut inputs: Vec<(usize, Tensor)>) -> Fixed<M> {
    inputs.sort_by_key(|input| input.0);
    Fixed { module, inputs }
}

impl<M: Module> Module for Fixed<M> {
    fn forward(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        let mut all = inputs.to_vec();
        for (place, tensor) in &self.inputs {
            if *place > all.len() {
                return Err(crate::Error::input(format!("an input too few: {} and {} fixed ones", inputs.len(), self.inputs.len())));
            }
            all.insert(*place, tensor.clone());
        }
        self.module.forward(&all)
    }

    fn input_names(&self) -> Vec<String> {
        let names = self.module.input_names().into_iter().enumerate();
        names.filter(|(place, _)| self.inputs.iter().all(|input| input.0 != *place)).map(|input| input.1).collect()
    }

    fn output_names(&self) -> Vec<String> {
        self.module.output_names()
    }
}

/// What a module is traced with: tensors, their names, and which of their lengths may differ from call to call.
///
/// ```
/// use ontrace::{Example, Tensor};
/// let image = Tensor::new(&[2, 3], vec![0.0f32; 6])?;
/// let example = Example::new().input("image", &image).symbolic("image", 0, "batch")?;
/// # Ok::<(), ontrace::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Example {
    inputs: Vec<(String, Tensor)>,
}

impl Example {
    /// No inputs yet.
    pub fn new() -> Example {
        Example::default()
    }

    /// The leaves of a tree as inputs; a single tensor is `x`, others are named by their path.
    pub fn of(tree: &impl Tree) -> Example {
        let mut leaves = Vec::new();
        tree.flatten("", &mut leaves);
        let name = |path: String| match path.as_str() {
            "" => "x".to_string(),
            path if path.starts_with(|c: char| c.is_ascii_digit()) => format!("x{path}"),
            _ => path,
        };
        Example { inputs: leaves.into_iter().map(|(path, tensor)| (name(path), tensor)).collect() }
    }

    /// One input more.
    pub fn input(mut self, name: &str, tensor: &Tensor) -> Example {
        self.inputs.push((name.to_string(), tensor.clone()));
        self
    }

    /// Gives the inputs these names, in order; where there are fewer names the rest keep theirs.
    pub fn named<S: AsRef<str>>(mut self, names: &[S]) -> Example {
        for (input, name) in self.inputs.iter_mut().zip(names) {
            input.0 = name.as_ref().to_string();
        }
        self
    }

    /// Makes an axis of an input symbolic: `length` is a name, which stands for the same number wherever it is given.
    ///
    /// # Errors
    /// [`Input`](crate::Code::Input) where there is no such input, [`Argument`](crate::Code::Argument) where it has no such
    /// axis or the name is no identifier, [`Size`](crate::Code::Size) where the name stands for two numbers in the example.
    pub fn symbolic(mut self, input: &str, axis: i64, length: &str) -> Result<Example> {
        let names: Vec<String> = self.inputs.iter().map(|input| input.0.clone()).collect();
        let index = names
            .iter()
            .position(|name| name == input)
            .ok_or_else(|| Error::input(format!("there is no input `{input}`")).help(format!("the inputs are: {}", names.join(", "))))?;
        let identifier = length.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && length.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !identifier {
            return Err(Error::argument(format!("`{length}` is no name for a length")).help("use letters, digits and _"));
        }
        let tensor = &self.inputs[index].1;
        let axis = tensor.shape().axis(axis)?;
        let seen =
            tensor.shape()[axis].seen().ok_or_else(|| Error::size(format!("the length of axis {axis} of `{input}` is not known")))?;
        let same = |dim: &Dim| dim.expr().as_symbol().is_some_and(|symbol| **symbol == *length);
        if let Some(other) = self.inputs.iter().flat_map(|(_, tensor)| tensor.shape().to_vec()).find(same)
            && other.seen() != Some(seen)
        {
            return Err(Error::size(format!("`{length}` is {other:?} elsewhere in the example and {seen} in `{input}`")));
        }
        let mut dims = tensor.shape().to_vec();
        dims[axis] = Dim::symbol(length, seen as usize);
        self.inputs[index].1 = tensor.retyped(Type::new(tensor.dtype(), Shape::new(dims)));
        Ok(self)
    }

    /// Forgets the numbers: the module is then traced with shapes only, and does not run.
    pub fn shapes_only(mut self) -> Example {
        for input in &mut self.inputs {
            input.1 = Tensor::of_type(input.1.ty().clone());
        }
        self
    }

    /// The inputs in order, with their names.
    pub fn inputs(&self) -> &[(String, Tensor)] {
        &self.inputs
    }

    /// The tensors in order, with the lengths of the example.
    pub fn tensors(&self) -> Vec<Tensor> {
        self.inputs.iter().map(|input| input.1.clone()).collect()
    }
}

impl<T: Tree> From<&T> for Example {
    fn from(tree: &T) -> Example {
        Example::of(tree)
    }
}
