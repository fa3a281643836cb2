//! The worker: loads one model and answers calls until its pipe ends.

use super::message::{LoadRequest, LoadedNames, PipeMessage};
use super::process::{Limits, caught, end_with_parent, limit_memory, note_steps};
use super::system;
use crate::array::Array;
use crate::check::{check_memory, memory_limit};
use crate::dim::Type;
use crate::error::{Error, ErrorCode, Result};
use crate::module::Example;
use crate::read::{self, Format, LoadedModel};
use crate::runtime::Session;
use crate::tensor::Tensor;
use crate::trace::record;
use std::collections::BTreeSet;

/// Serves the program that started this process. It has no other task: where the pipe ends, it ends.
pub(super) fn serve() -> ! {
    end_with_parent();
    note_steps();
    crate::runtime::bound_threads();
    let (mut requests, mut answers) = (std::io::stdin().lock(), std::io::stdout().lock());
    let mut loaded: Option<ServedModel> = None;
    while let Ok(Some(message)) = PipeMessage::read(&mut requests) {
        let answer = caught(|| match (message, &mut loaded) {
            (PipeMessage::Load(request), loaded) => {
                let model = loaded.insert(ServedModel::load(&request)?);
                Ok(PipeMessage::Loaded(model.names()))
            }
            (PipeMessage::Arrays(inputs), Some(model)) => model.run(&inputs).map(PipeMessage::Arrays),
            _ => Err(Error::internal("no model was loaded")),
        });
        if answer.unwrap_or_else(PipeMessage::Failed).write(&mut answers).is_err() {
            break;
        }
    }
    system::exit(0)
}

struct ServedModel {
    model: LoadedModel,
    session: Session,
    /// The types of inputs for which the values of a run were counted.
    counted: BTreeSet<String>,
}

impl ServedModel {
    fn load(request: &LoadRequest) -> Result<ServedModel> {
        let LoadRequest { memory, cpu, .. } = *request;
        let limits = Limits { memory, cpu, ..Limits::new() };
        limits.limit_this_process();
        let model = read::open(&request.path)?;
        let builder = Session::builder().threads(request.threads);
        let session = if model.format == Format::Onnx {
            builder.open(&request.path)?
        } else {
            let example = model.example().cloned().ok_or_else(|| {
                let error = Error::new(ErrorCode::NoInputs, "the file was saved without example inputs");
                error.help("convert it first: ontrace convert, with -i for its inputs")
            })?;
            builder.build_traced(&record(&model, example.shapes_only())?)?
        };
        Ok(ServedModel { model, session, counted: BTreeSet::new() })
    }

    fn names(&self) -> LoadedNames {
        let names = |values: &[(String, Type)]| values.iter().map(|value| value.0.clone()).collect();
        LoadedNames { inputs: names(self.session.inputs()), outputs: names(self.session.outputs()) }
    }

    fn run(&mut self, inputs: &[Array]) -> Result<Vec<Array>> {
        self.count(inputs)?;
        self.session.run(inputs)
    }

    /// Counts the values of a run on inputs of these types, the first time they come: what is refused is refused with its node.
    fn count(&mut self, inputs: &[Array]) -> Result<()> {
        let types: Vec<Type> = inputs.iter().map(Type::from).collect();
        let text: Vec<String> = types.iter().map(ToString::to_string).collect();
        if types.len() != self.session.inputs().len() || !self.counted.insert(text.join(" ")) {
            return Ok(());
        }
        let named = self.session.inputs().iter().zip(types);
        let example = named.fold(Example::new(), |example, (input, ty)| example.input(&input.0, &Tensor::of_type(ty)));
        // A graph that needs values has its sizes from them: the limit of the process is what it has.
        let Ok(traced) = record(&self.model, example) else { return Ok(()) };
        let names: Vec<String> = traced.inputs().into_iter().map(|input| input.0).collect();
        check_memory(&traced, self.model.size, &names)?;
        limit_memory(memory_limit(&traced, self.model.size, &names));
        Ok(())
    }
}
