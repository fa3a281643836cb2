//! Test vectors: inputs and expected outputs saved beside a model.

use crate::error::{Error, Result, ResultExt};
use crate::module::Example;
use crate::onnx::{DataSet, Saved};
use crate::ops::seeded;
use crate::tensor::Tensor;
use crate::trace::Traced;
use std::path::Path;

impl Traced {
    /// What the graph gives for an example with values.
    ///
    /// # Errors
    /// [`NoValue`](crate::ErrorCode::NoValue) for an example of shapes only; else as [`Module::forward`](crate::Module::forward).
    pub fn vectors(&self, example: &Example) -> Result<DataSet> {
        let example = example.clone().arranged(self)?;
        let given = example.tensors().iter().map(Tensor::to_array).collect::<Result<Vec<_>>>()?;
        let arrays = [given.clone(), self.noise(&given)?].concat();
        let outputs = seeded(0, || self.graph.replay(&arrays)).at(&self.name)?;
        let names = |names: Vec<(String, crate::Type)>, arrays| names.into_iter().map(|named| named.0).zip(arrays).collect();
        Ok(DataSet { inputs: names(self.inputs(), arrays), outputs: names(self.outputs(), outputs) })
    }

    /// Writes `model.onnx` into a folder, and a set of test vectors beside it for every example: `test_data_set_0` and so on, as ONNX's own
    /// tests have them. `ontrace check FOLDER` runs them, and so does ONNX's test runner.
    ///
    /// ```
    /// use ontrace::onnx::DataSet;
    /// use ontrace::{Example, Tensor, trace_fn};
    /// let x = Tensor::from(&[1.0f32, -2.0]);
    /// let folder = std::env::temp_dir().join("ontrace_vectors");
    /// trace_fn(|x: Tensor| x.relu(), &x)?.save_with_tests(&folder, &[Example::of(&x)])?;
    /// let sets = DataSet::beside(folder.join("model.onnx"))?;
    /// assert_eq!(sets[0].1.outputs[0].1.to_vec::<f32>()?, [1.0, 0.0]);
    /// # Ok::<(), ontrace::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Traced::vectors`] and [`Traced::save`].
    pub fn save_with_tests(&self, folder: impl AsRef<Path>, examples: &[Example]) -> Result<Saved> {
        let folder = folder.as_ref();
        let sets = examples.iter().map(|example| self.vectors(example)).collect::<Result<Vec<_>>>()?;
        let model = self.to_model()?;
        std::fs::create_dir_all(folder).map_err(|error| Error::write(error.to_string()).with_source(error)).at(folder.display())?;
        for (number, set) in sets.iter().enumerate() {
            set.save(folder, number)?;
        }
        model.save(folder.join("model.onnx"))
    }
}
