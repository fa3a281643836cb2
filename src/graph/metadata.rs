//! Guards in the metadata of an ONNX model, as JSON.

use super::{Condition, Guard, SourceLocation};
use crate::array::{Array, DType};
use crate::dim::Constraint;
use crate::error::{Error, Result, ResultExt};
use crate::onnx::Model;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Model metadata: the conditions under which the traced graph holds, as JSON.
const GUARDS_KEY: &str = "ontrace.guards";

/// A guard as it stands in the metadata.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct GuardEntry {
    /// A relation between sizes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sizes: Option<String>,
    /// The name of a value, and the values that it must have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    value: Option<ValueEntry>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    scope: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    line: String,
    /// The message of the error that the program raises otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    raises: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct ValueEntry {
    name: String,
    dtype: String,
    shape: Vec<usize>,
    /// The bytes in row-major order, little-endian, in hexadecimal.
    bytes: String,
}

/// A guard of a file.
#[derive(Clone, Debug)]
pub(crate) struct SavedGuard {
    pub(crate) condition: SavedCondition,
    /// Where the program read it.
    pub(crate) location: SourceLocation,
    /// The message of the error that the program raises otherwise.
    pub(crate) raises: Option<Arc<str>>,
}

/// What a guard of a file says of sizes, or of the value of a name.
#[derive(Clone, Debug)]
pub(crate) enum SavedCondition {
    Sizes(Constraint),
    Values(String, Array),
}

impl GuardEntry {
    /// What it says, and where the program read it.
    ///
    /// # Errors
    /// [`Damaged`](crate::ErrorCode::Damaged) where it says nothing.
    fn read(&self) -> Result<SavedGuard> {
        let damaged = || Error::damaged("an empty guard");
        let location = SourceLocation { scope: self.scope.as_str().into(), line: self.line.as_str().into() };
        let condition = match (&self.sizes, &self.value) {
            (Some(text), None) => SavedCondition::Sizes(Constraint::parse(text).ok_or_else(damaged)?),
            (None, Some(value)) => SavedCondition::Values(value.name.clone(), value.array().ok_or_else(damaged)?),
            _ => return Err(damaged()),
        };
        Ok(SavedGuard { condition, location, raises: self.raises.as_deref().map(Arc::from) })
    }
}

impl ValueEntry {
    fn array(&self) -> Option<Array> {
        let digit = |i: usize| u8::from_str_radix(self.bytes.get(i..i + 2)?, 16).ok();
        let bytes = (0..self.bytes.len()).step_by(2).map(digit).collect::<Option<Vec<u8>>>()?;
        Array::from_bytes(DType::parse(&self.dtype)?, bytes.into(), &self.shape, None, 0).ok()
    }
}

/// The guards that a model of ours says it has.
///
/// # Errors
/// [`Damaged`](crate::ErrorCode::Damaged) where they are not to be read: a traced graph without its guards is not trusted.
pub(crate) fn guards_of(model: &Model) -> Result<Vec<SavedGuard>> {
    let text = model.proto.metadata_props.iter().find(|entry| entry.key == GUARDS_KEY).map(|entry| entry.value.as_str());
    let Some(text) = text else { return Ok(Vec::new()) };
    let saved: Vec<GuardEntry> =
        serde_json::from_str(text).map_err(|error| Error::damaged(error.to_string()).with_source(error).at(GUARDS_KEY))?;
    saved.iter().map(GuardEntry::read).collect::<Result<_>>().at(GUARDS_KEY)
}

/// The metadata entry of these guards, `None` where there are none: the key and the JSON. The guarded values have these names in the model.
///
/// # Errors
/// [`Internal`](crate::ErrorCode::Internal) where they cannot be written as JSON.
pub(crate) fn guards_entry(guards: &[Guard], guarded: &[String]) -> Result<Option<(&'static str, String)>> {
    let mut names = guarded.iter();
    let entry = |guard: &Guard| -> Result<GuardEntry> {
        let (sizes, value) = match &guard.condition {
            Condition::Sizes(constraint) => (Some(constraint.to_string()), None),
            Condition::Values(_, seen) => {
                let bytes = seen.to_bytes()?.iter().map(|byte| format!("{byte:02x}")).collect();
                let name = names.next().cloned().unwrap_or_default();
                (None, Some(ValueEntry { name, dtype: seen.dtype().name().to_string(), shape: seen.shape().to_vec(), bytes }))
            }
        };
        let (scope, line) = (guard.location.scope.to_string(), guard.location.line.to_string());
        Ok(GuardEntry { sizes, value, scope, line, raises: guard.raises.as_deref().map(str::to_string) })
    };
    let saved = guards.iter().map(entry).collect::<Result<Vec<GuardEntry>>>()?;
    if saved.is_empty() {
        return Ok(None);
    }
    let text = serde_json::to_string(&saved).map_err(|error| Error::internal(error.to_string()).with_source(error))?;
    Ok(Some((GUARDS_KEY, text)))
}
