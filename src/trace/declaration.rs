//! The declaration of a traced graph: its inputs and outputs in one line.

use super::Traced;
use std::fmt;

/// The declaration of a trace, `main(x: f32[batch,3]) -> (y: f32[batch])`: [`Traced::declaration`].
pub struct Declaration<'a>(&'a Traced);

impl Traced {
    /// Its inputs and outputs in one line.
    ///
    /// ```
    /// use ontrace::{Example, Tensor, module, record};
    /// let x = Tensor::new(&[2, 3], vec![0f32; 6])?;
    /// let traced = record(&module::from_fn(|x: Tensor| x.relu()), Example::of(&x).symbolic("x", 0, "batch")?)?;
    /// assert_eq!(traced.declaration().to_string(), "main(x: f32[batch,3]) -> (y: f32[batch,3])");
    /// # Ok::<(), ontrace::Error>(())
    /// ```
    pub fn declaration(&self) -> Declaration<'_> {
        Declaration(self)
    }
}

impl fmt::Display for Declaration<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list =
            |named: Vec<(String, crate::Type)>| named.iter().map(|(name, ty)| format!("{name}: {ty}")).collect::<Vec<_>>().join(", ");
        write!(f, "{}({}) -> ({})", self.0.name, list(self.0.inputs()), list(self.0.outputs()))
    }
}
