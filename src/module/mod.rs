//! Everything that can be called: a closure, a network, a file, a session.

mod example;
mod signature;

pub use example::{Example, element};
pub use signature::Signature;

use crate::error::{Error, Result};
use crate::tensor::Tensor;
use crate::tree::{Structure, Tree};
use std::marker::PhantomData;
use std::sync::{Mutex, PoisonError};

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
    /// As [`Module::forward`], and [`Input`](crate::ErrorCode::Input) where it takes or gives more.
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

    /// How its inputs are built, where they are more than a list of tensors.
    fn input_structure(&self) -> Option<Structure> {
        None
    }

    /// How its outputs are built, where they are more than a list of tensors; known at the latest after a call.
    fn output_structure(&self) -> Option<Structure> {
        None
    }
}

/// The only input of a module that takes one.
///
/// # Errors
/// [`Input`](crate::ErrorCode::Input) where there is none, or more than one.
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

    fn input_structure(&self) -> Option<Structure> {
        (**self).input_structure()
    }

    fn output_structure(&self) -> Option<Structure> {
        (**self).output_structure()
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

    fn input_structure(&self) -> Option<Structure> {
        (**self).input_structure()
    }

    fn output_structure(&self) -> Option<Structure> {
        (**self).output_structure()
    }
}

/// A closure over trees of tensors as a [`Module`]: `function(|(x, y): (Tensor, Tensor)| &x + &y, &example)`.
pub struct Function<F, I, O> {
    f: F,
    structure: Structure,
    /// That of the last call's result.
    result: Mutex<Option<Structure>>,
    types: PhantomData<fn(I) -> O>,
}

/// A closure as a module; the example gives the structure of its argument.
pub fn function<F, I, O>(f: F, example: &I) -> Function<F, I, O>
where
    F: Fn(I) -> Result<O>,
    I: Tree,
    O: Tree,
{
    Function { f, structure: example.structure(), result: Mutex::default(), types: PhantomData }
}

impl<F, I, O> Module for Function<F, I, O>
where
    F: Fn(I) -> Result<O>,
    I: Tree,
    O: Tree,
{
    fn forward(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        let mut leaves = inputs.iter().cloned();
        let argument = I::assemble(&self.structure, &mut leaves)?;
        match leaves.count() {
            0 => {}
            more => return Err(Error::input(format!("{more} inputs more than expected"))),
        }
        let mut outputs = Vec::new();
        let structure = (self.f)(argument)?.take_apart(&mut outputs);
        *self.result.lock().unwrap_or_else(PoisonError::into_inner) = Some(structure);
        Ok(outputs)
    }

    fn output_names(&self) -> Vec<String> {
        self.output_structure().map(|structure| leaf_names(&structure, "y")).unwrap_or_default()
    }

    fn input_structure(&self) -> Option<Structure> {
        Some(self.structure.clone())
    }

    fn output_structure(&self) -> Option<Structure> {
        self.result.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The names of the tensors of a tree, as inputs or outputs have them: a tensor alone has the name that is given, and a path that
/// begins with a number is put behind it.
pub fn leaf_names(structure: &Structure, alone: &str) -> Vec<String> {
    let name = |path: String| match path.as_str() {
        "" => alone.to_string(),
        path if path.starts_with(|c: char| c.is_ascii_digit()) => format!("{alone}_{path}"),
        _ => path,
    };
    structure.names().into_iter().map(name).collect()
}

/// A module whose inputs and outputs have other names: [`named`].
pub struct Named<M> {
    module: M,
    inputs: Vec<String>,
    outputs: Vec<String>,
}

/// The module with these names for its inputs and outputs, in order; where a list is empty it keeps its own. What is named so may be given
/// by name in an [`Example`], in any order.
///
/// ```
/// use ontrace::{Example, Tensor, module, record};
/// let x = Tensor::from(&[1.0f32]);
/// let scaled = module::function(|(x, by): (Tensor, Tensor)| x.mul(&by), &(x.clone(), x.clone()));
/// let scaled = module::named(scaled, &["signal", "gain"], &["louder"]);
/// let traced = record(&scaled, Example::new().input("gain", &x).input("signal", &x))?;
/// assert_eq!(traced.inputs()[0].0, "signal");
/// # Ok::<(), ontrace::Error>(())
/// ```
pub fn named<M: Module>(module: M, inputs: &[&str], outputs: &[&str]) -> Named<M> {
    let strings = |names: &[&str]| names.iter().map(|name| name.to_string()).collect();
    Named { module, inputs: strings(inputs), outputs: strings(outputs) }
}

impl<M: Module> Module for Named<M> {
    fn forward(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        self.module.forward(inputs)
    }

    fn input_names(&self) -> Vec<String> {
        if self.inputs.is_empty() { self.module.input_names() } else { self.inputs.clone() }
    }

    fn output_names(&self) -> Vec<String> {
        if self.outputs.is_empty() { self.module.output_names() } else { self.outputs.clone() }
    }

    fn input_structure(&self) -> Option<Structure> {
        self.module.input_structure()
    }

    fn output_structure(&self) -> Option<Structure> {
        self.module.output_structure()
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
                return Err(crate::Error::input(format!("too few inputs: {} given and {} bound", inputs.len(), self.inputs.len())));
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
