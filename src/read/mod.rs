//! Files read as modules: a file is recognised by what is in it, and becomes something that can be called.

pub mod aten;
mod budget;
mod checkpoint;
mod export;
mod file_version;
mod format;
mod legacy;
#[cfg(test)]
mod mutations;
pub mod numpy;
mod onnx;
mod options;
mod other_files;
mod pickle;
mod safetensors;
#[cfg(test)]
mod sample;
mod script;
mod state_dict;
mod storage;
mod zip;

pub use checkpoint::{checkpoint, describe_checkpoint};
pub use export::ExportedProgram;
pub use format::Format;
#[cfg(feature = "tract")]
pub(crate) use onnx::{ModelRest, NodeOperand, NodeProgram};
pub use onnx::{OnnxModule, Value, extract};
pub use options::LoadOptions;
pub use script::ScriptModule;
pub use state_dict::Checkpoint;

use crate::array::map_file;
use crate::error::{Error, ErrorCode, Result, ResultExt};
use crate::module::{DynModule, Example, Outputs};
use crate::onnx::{Model, refuse_misread};
use crate::ops::OpRegistry;
use crate::tensor::Tensor;
use crate::work::LoopBudget;
use std::path::Path;

/// A file that can be called. Threads may share one: a call changes nothing of it.
pub struct LoadedModel {
    /// What it was.
    pub format: Format,
    /// Its size in bytes.
    pub size: usize,
    program: LoadedProgram,
    example: Option<Example>,
}

/// The reader of each format.
enum LoadedProgram {
    Script(Box<ScriptModule>),
    Exported(Box<ExportedProgram>),
    Onnx(Box<OnnxModule>),
}

impl LoadedModel {
    /// The inputs that the file was saved with, or (where it declares them) inputs of its types.
    pub fn example(&self) -> Option<&Example> {
        self.example.as_ref()
    }

    /// The inputs that a call may leave out: arguments with a default, and optional values of ONNX.
    pub fn optional_inputs(&self) -> Vec<String> {
        match &self.program {
            LoadedProgram::Script(script) => script.optional_inputs(),
            LoadedProgram::Exported(_) => Vec::new(),
            LoadedProgram::Onnx(onnx) => onnx.optional_inputs(),
        }
    }

    /// The inputs that take several tensors, and so have members: lists, tuples and dictionaries whose sizes or keys the file does not say.
    pub fn open_inputs(&self) -> Vec<String> {
        match &self.program {
            LoadedProgram::Script(script) => script.open_inputs(),
            LoadedProgram::Exported(_) => Vec::new(),
            LoadedProgram::Onnx(onnx) => onnx.open_inputs(),
        }
    }

    /// The inputs with their types as the file declares them: those of TorchScript (`int`, `List[Tensor]`), none for other formats, whose example says
    /// more.
    pub fn input_types(&self) -> Vec<(String, String)> {
        match &self.program {
            LoadedProgram::Script(script) => script.input_types(),
            LoadedProgram::Exported(_) | LoadedProgram::Onnx(_) => Vec::new(),
        }
    }

    /// The model as a function of the inputs of this example, in their order. Members of lists and dictionaries are named by their path (`xs.0`,
    /// `inputs.ids`); [optional inputs](LoadedModel::optional_inputs) that are not in it are left out. An axis that an ONNX file declares with
    /// a fixed size and the example with a symbolic one becomes free, as far as the graph allows it.
    ///
    /// ```
    /// use ontrace::{DType, DynModule, Example, Tensor, read};
    /// let model = read::open("tests/data/mlp.pt")?;
    /// let x = Tensor::ones([1, 16], DType::F32)?;
    /// assert_eq!(model.with_inputs(&Example::new().input("input", &x))?.input_names(), ["input"]);
    /// # Ok::<(), ontrace::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Input`](ErrorCode::Input) where an input is unknown, missing or of another type than declared.
    pub fn with_inputs(self, example: &Example) -> Result<LoadedModel> {
        let (program, example) = match self.program {
            LoadedProgram::Script(script) => {
                let script = script.with_inputs(example)?;
                let example = script.example().cloned();
                (LoadedProgram::Script(Box::new(script)), example)
            }
            LoadedProgram::Onnx(onnx) => {
                let onnx = onnx.with_inputs(example)?;
                let example = example.clone().arranged(&onnx)?;
                (LoadedProgram::Onnx(Box::new(onnx)), Some(example))
            }
            LoadedProgram::Exported(exported) => {
                let example = example.clone().arranged(&*exported)?;
                (LoadedProgram::Exported(exported), Some(example))
            }
        };
        Ok(LoadedModel { program, example, ..self })
    }

    fn module(&self) -> &dyn DynModule {
        match &self.program {
            LoadedProgram::Script(script) => &**script,
            LoadedProgram::Exported(exported) => &**exported,
            LoadedProgram::Onnx(onnx) => &**onnx,
        }
    }
}

impl DynModule for LoadedModel {
    fn forward(&self, inputs: &[Tensor]) -> Result<Outputs> {
        let _budget = LoopBudget::of_file(self.size);
        self.module().forward(inputs)
    }

    fn input_names(&self) -> Vec<String> {
        self.module().input_names()
    }

    fn output_names(&self) -> Vec<String> {
        self.module().output_names()
    }

    fn file_size(&self) -> Option<usize> {
        Some(self.size)
    }
}

/// Reads a model as a module. The file is mapped: its weights stay where they are. [`LoadOptions`] takes options.
///
/// # Errors
/// [`Read`](ErrorCode::Read); [`NotAModel`](ErrorCode::NotAModel); [`Checkpoint`](ErrorCode::Checkpoint) where there is no program in it;
/// [`UnknownOperators`](ErrorCode::UnknownOperators) with all that have no translation.
///
/// ```
/// use ontrace::{DynModule, Tensor, read};
/// let model = read::open("tests/data/mlp.pt")?;
/// let x = Tensor::new([1, 16], vec![0.5f32; 16])?;
/// assert_eq!(model.call(&x)?.shape().to_string(), "[1,10]");
/// # Ok::<(), ontrace::Error>(())
/// ```
pub fn open(path: impl AsRef<Path>) -> Result<LoadedModel> {
    LoadOptions::new().open(path)
}

fn open_file(path: &Path, operators: &OpRegistry) -> Result<LoadedModel> {
    let location = path.display();
    let bytes = format::mapped(path)?;
    let size = bytes.len();
    let format = Format::of(&bytes).at(&location)?;
    let (program, example) = match format {
        Format::TorchScript => {
            let script = ScriptModule::open(&zip::Archive::open(bytes).at(&location)?).at(&location)?;
            let example = script.example().cloned();
            (LoadedProgram::Script(Box::new(script)), example)
        }
        Format::Onnx => {
            let read = |model| refuse_misread(&model).and_then(|()| OnnxModule::with_operators(model, operators));
            let model = Model::load(bytes, path.parent()).and_then(read).at(&location)?;
            let example = model.example();
            (LoadedProgram::Onnx(Box::new(model)), example)
        }
        Format::ExportedProgram => {
            let export = ExportedProgram::open(&zip::Archive::open(bytes).at(&location)?).at(&location)?;
            let example = Some(export.example().clone());
            (LoadedProgram::Exported(Box::new(export)), example)
        }
        Format::Checkpoint | Format::Safetensors => {
            let (what, help) = checkpoint::described(&bytes, format);
            return Err(Error::new(ErrorCode::Checkpoint, what).at(&location).help(help));
        }
    };
    Ok(LoadedModel { format, size, program, example })
}

/// Reads a torch archive whole and tries the checksum of everything in it. [`open`] tries those of programs only, because tensors
/// are not read before they are used; other formats have no checksums.
///
/// # Errors
/// [`Read`](ErrorCode::Read); [`Damaged`](ErrorCode::Damaged) where a checksum is wrong.
pub fn verify(path: impl AsRef<Path>) -> Result<()> {
    let path = path.as_ref();
    let bytes = map_file(path)?;
    if !bytes.starts_with(b"PK") {
        return Ok(());
    }
    zip::Archive::open(bytes).and_then(|archive| archive.verify()).at(path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_share_one_loaded_model() {
        fn shared<T: Send + Sync>(_: &T) {}
        for file in ["mlp.pt", "rotary.pt", "resnet_tiny.pt", "while_loop.pt2", "scan.pt2"] {
            let model = open(Path::new("tests/data").join(file)).unwrap();
            shared(&model);
            let inputs: Vec<Tensor> = model
                .example()
                .unwrap()
                .inputs()
                .iter()
                .map(|(_, tensor)| {
                    let shape = tensor.shape().example().unwrap().to_vec();
                    let values = (0..shape.iter().product::<usize>()).map(|i: usize| (i % 7) as f32 * 0.25).collect::<Vec<f32>>();
                    Tensor::new(shape, values).unwrap().cast(tensor.dtype()).unwrap()
                })
                .collect();
            let bytes =
                || model.forward(&inputs).unwrap().iter().map(|y| y.to_array().unwrap().to_bytes().unwrap().to_vec()).collect::<Vec<_>>();
            let expected = bytes();
            std::thread::scope(|scope| {
                let calls: Vec<_> = (0..8).map(|_| scope.spawn(bytes)).collect();
                for call in calls {
                    assert!(call.join().unwrap() == expected, "{file}");
                }
            });
        }
    }
}
