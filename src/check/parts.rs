//! Sizes that the module itself refuses, because its file fixes them: what the candidate makes of a batch of `k·n` rows is compared with what the
//! module makes of `k` parts of `n` rows, one after the other. Where they are the same, rows do not depend on each other, and it is for the user
//! to say that this is enough.

use super::comparison::{add, count_special};
use super::input_generation::Call;
use super::tolerance;
use super::{CheckRun, answers};
use crate::array::Array;
use crate::dim::Shape;
use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// The most parts of one call.
const MOST_PARTS: i64 = 16;

impl CheckRun<'_> {
    /// Compares the outputs of a call with those of the module for the parts of its inputs; `None` where there are no such parts, or the module
    /// refuses them too.
    ///
    /// # Errors
    /// Where the outputs differ, or do not consist of parts: nothing is then known.
    pub(super) fn compare_in_parts(&mut self, call: &Call, got: &[Array]) -> Option<Result<()>> {
        let (symbol, size, count) = self.parts_of(call)?;
        let parts = (0..count).map(|k| self.part(call, &symbol, k, size)).collect::<Option<Vec<_>>>()?;
        let outputs = parts.iter().map(|inputs| answers(self.module, inputs)).collect::<Result<Vec<_>>>().ok()?;
        Some(self.joined(&symbol, &outputs).and_then(|expected| self.compare_joined(call, got, &expected)))
    }

    /// The only symbol that differs from the example, its size there, and how many times that it is.
    fn parts_of(&self, call: &Call) -> Option<(String, i64, i64)> {
        let example = &self.generator.example_sizes;
        let mut changed = call.sizes.iter().filter(|(symbol, n)| example.get(symbol) != Some(*n));
        let ((symbol, n), None) = (changed.next()?, changed.next()) else { return None };
        let size = example.get(symbol).filter(|size| *size > 0)?;
        (n % size == 0 && (2..=MOST_PARTS).contains(&(n / size))).then(|| (symbol.to_string(), size, n / size))
    }

    /// The inputs of one part; `None` where an input has no such part.
    fn part(&self, call: &Call, symbol: &str, k: i64, size: i64) -> Option<Vec<Tensor>> {
        let tensors = self.example.tensors();
        let one = |(array, example): (&Array, &Tensor)| match axis_of(example.shape(), symbol)? {
            None => Some(Tensor::from(array.clone())),
            Some((axis, times)) => {
                let length = times * size;
                let part = array.slice(axis, usize::try_from(k * length).ok()?, usize::try_from(length).ok()?, 1).ok()?;
                Some(Tensor::from(part))
            }
        };
        call.inputs.iter().zip(&tensors).map(one).collect()
    }

    /// The outputs of the parts one after the other, along the axis that has the symbol.
    fn joined(&self, symbol: &str, parts: &[Vec<Array>]) -> Result<Vec<Array>> {
        let types = self.traced.outputs();
        let whole = || Error::input("an output does not consist of the parts' outputs");
        let one = |(i, (name, ty)): (usize, &(String, crate::dim::Type))| {
            let arrays = parts.iter().map(|outputs| outputs.get(i).cloned()).collect::<Option<Vec<Array>>>().ok_or_else(whole)?;
            let tensors: Vec<Tensor> = arrays.iter().cloned().map(Tensor::from).collect();
            match axis_of(&ty.shape, symbol) {
                Some(Some((axis, _))) => Tensor::cat(&tensors.iter().collect::<Vec<_>>(), axis as i64)?.to_array(),
                Some(None) if arrays.iter().all(|array| array.same_bytes(&arrays[0])) => Ok(arrays[0].clone()),
                _ => Err(whole().at(format!("output {name}"))),
            }
        };
        types.iter().enumerate().map(one).collect()
    }

    /// Compares outputs within the tolerance by dtype, and adds the differences to the report where all agree.
    fn compare_joined(&mut self, call: &Call, got: &[Array], expected: &[Array]) -> Result<()> {
        let mut differences = Vec::new();
        for (i, expected) in expected.iter().enumerate() {
            let tolerance = match self.options.tolerance_for(expected) {
                Some(tolerance) => tolerance,
                None => tolerance::allowed(expected, &call.inputs)?,
            };
            let got = got.get(i).ok_or_else(|| Error::input("an output is missing"))?;
            let difference = tolerance::difference(got, expected, tolerance, false);
            if let Some(words) = &difference.words {
                return Err(Error::input(words.clone()).at(format!("output {}", self.report.outputs[i].name)));
            }
            differences.push((difference, tolerance));
        }
        for ((report, (difference, tolerance)), expected) in self.report.outputs.iter_mut().zip(&differences).zip(expected) {
            count_special(report, expected)?;
            add(report, call, difference, *tolerance);
        }
        Ok(())
    }
}

/// The axis of a shape whose size is a multiple of the symbol, and which multiple: `None` where there are several, or the size is another function
/// of it, and `Some(None)` where the shape does not have the symbol.
fn axis_of(shape: &Shape, symbol: &str) -> Option<Option<(usize, i64)>> {
    let mut axes = shape.iter().enumerate().filter(|(_, dim)| dim.expr().symbols().iter().any(|own| **own == *symbol));
    let Some((axis, dim)) = axes.next() else { return Some(None) };
    let at = |n: i64| dim.expr().eval(&|own| (*own == *symbol).then_some(n));
    let times = at(1)?;
    let is_multiple = times > 0 && [0, 2, 3, 1000].iter().all(|&n| at(n) == Some(times * n));
    (is_multiple && axes.next().is_none()).then_some(Some((axis, times)))
}
