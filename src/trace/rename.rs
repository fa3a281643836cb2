//! Other names and other texts for a traced graph.

use super::Traced;
use crate::error::{Error, Result};
use std::collections::{BTreeMap, BTreeSet};

impl Traced {
    /// The traced graph with other names for some inputs and outputs: pairs of the old and the new name.
    ///
    /// ```
    /// use ontrace::{Tensor, trace_fn};
    /// let x = Tensor::from(&[1.0f32]);
    /// let traced = trace_fn(|x: Tensor| x.relu(), &x)?.renamed(&[("x", "image"), ("y", "scores")])?;
    /// assert_eq!((traced.inputs()[0].0.as_str(), traced.outputs()[0].0.as_str()), ("image", "scores"));
    /// # Ok::<(), ontrace::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Argument`](crate::ErrorCode::Argument) for a name that is none, and where two inputs or outputs would have one name.
    pub fn renamed(&self, names: &[(&str, &str)]) -> Result<Traced> {
        let list = |names: Vec<String>| names.join(", ");
        let known = || self.inputs().into_iter().map(|input| input.0).chain(self.signature.output_names().iter().cloned());
        let mut new: BTreeMap<&str, &str> = BTreeMap::new();
        for (old, name) in names {
            if !known().any(|known| known == *old) {
                return Err(Error::argument(format!("there is no input or output `{old}`"))
                    .help(format!("the inputs and outputs are: {}", list(known().collect()))));
            }
            if name.is_empty() {
                return Err(Error::argument(format!("`{old}` cannot have an empty name")));
            }
            if new.insert(old, name).is_some() {
                return Err(Error::argument(format!("`{old}` is renamed twice")));
            }
        }
        let rename = |old: &str| new.get(old).map_or_else(|| old.to_string(), |name| name.to_string());
        let mut taken = BTreeSet::new();
        for name in known().map(|name| rename(&name)) {
            if !taken.insert(name.clone()) {
                return Err(Error::argument(format!("two inputs or outputs would be called `{name}`")));
            }
        }
        let mut graph = self.graph.clone();
        graph.rename_inputs(rename);
        let outputs = self.signature.output_names().iter().map(|name| rename(name)).collect();
        Ok(Traced { graph, signature: self.signature.clone().with_names(outputs), ..self.clone() })
    }

    /// The traced graph without a text that was kept with it.
    ///
    /// # Errors
    /// [`Argument`](crate::ErrorCode::Argument) where there is no such key; those that there are are listed.
    pub fn without_extra(mut self, key: &str) -> Result<Traced> {
        if self.extra.remove(key).is_none() {
            let keys = self.extra.keys().cloned().collect::<Vec<_>>().join(", ");
            let help = if keys.is_empty() { "there are none".to_string() } else { format!("the keys are: {keys}") };
            return Err(Error::argument(format!("there is no metadata key `{key}`")).help(help));
        }
        Ok(self)
    }
}
