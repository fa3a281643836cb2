//! What a file of ours says of a record besides the graph: signature, guards, notes, hashes, verdict; and the way back from the file.

use super::{Diagnostic, Signature, Traced, record};
use crate::array::{Array, DType};
use crate::dim::Constraint;
use crate::error::{At, Error, Result};
use crate::graph::{Condition, Place};
use crate::onnx::Model;
use crate::onnx::proto::StringStringEntryProto;
use crate::ops::OpRegistry;
use crate::read::OnnxModule;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What the keys of ours begin with.
pub(super) const OWN_PREFIX: &str = "ontrace.";
/// Model metadata: the structure of the inputs and outputs, as JSON.
const SIGNATURE_KEY: &str = "ontrace.signature";
/// Model metadata: the conditions under which the record holds, as JSON.
const GUARDS_KEY: &str = "ontrace.guards";
/// Model metadata: lengths that were declared apart and are equal, as JSON.
const SIZES_KEY: &str = "ontrace.sizes";
/// Model metadata: the methods that stand side by side in one graph, as JSON.
pub(super) const METHODS_KEY: &str = "ontrace.methods";
/// Model metadata: what the check said.
const CHECK_KEY: &str = "ontrace.check";
/// Model metadata: the [hash of the graph](Model::graph_hash).
const GRAPH_KEY: &str = "ontrace.graph_sha256";
/// Model metadata: the [hash of the weights](Model::weights_hash).
const WEIGHTS_KEY: &str = "ontrace.weights_sha256";

/// A guard as it stands in a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct SavedGuard {
    /// A relation between lengths.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lengths: Option<String>,
    /// The name of a value, and the numbers that it must have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    value: Option<SavedValue>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    scope: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    line: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct SavedValue {
    name: String,
    dtype: String,
    shape: Vec<usize>,
    /// The bytes in row-major order, little-endian, in hexadecimal.
    bytes: String,
}

#[derive(Serialize, Deserialize)]
struct SavedSize {
    constraint: String,
    #[serde(default)]
    scope: String,
    #[serde(default)]
    line: String,
}

/// A guard of a file: what it says of lengths, or of the value of a name.
#[derive(Clone, Debug)]
pub(crate) enum Saved {
    Lengths(Constraint),
    Numbers(String, Array),
}

impl SavedGuard {
    /// What it says, and where the program read it.
    ///
    /// # Errors
    /// [`Damaged`](crate::ErrorCode::Damaged) where it says nothing.
    fn read(&self) -> Result<(Saved, Place)> {
        let damaged = || Error::damaged("a guard that says nothing");
        let place = Place { scope: self.scope.as_str().into(), line: self.line.as_str().into() };
        let saved = match (&self.lengths, &self.value) {
            (Some(text), None) => Saved::Lengths(Constraint::parse(text).ok_or_else(damaged)?),
            (None, Some(value)) => Saved::Numbers(value.name.clone(), value.array().ok_or_else(damaged)?),
            _ => return Err(damaged()),
        };
        Ok((saved, place))
    }
}

impl SavedValue {
    fn array(&self) -> Option<Array> {
        let digit = |i: usize| u8::from_str_radix(self.bytes.get(i..i + 2)?, 16).ok();
        let bytes = (0..self.bytes.len()).step_by(2).map(digit).collect::<Option<Vec<u8>>>()?;
        Array::from_bytes(DType::parse(&self.dtype)?, bytes.into(), &self.shape, None, 0).ok()
    }
}

/// What a file of ours says of itself beside what it computes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provenance {
    /// What the check of the trace said.
    pub verdict: Option<String>,
    /// The [hash of the graph](Model::graph_hash).
    pub graph: String,
    /// The [hash of the weights](Model::weights_hash).
    pub weights: String,
    /// Whether the hashes are those that the file was written with; `None` where it says none.
    pub intact: Option<bool>,
}

impl Provenance {
    /// That of a model; the hashes are computed.
    pub fn of(model: &Model) -> Provenance {
        let (graph, weights) = (model.graph_hash(), model.weights_hash());
        let said = entry(model, GRAPH_KEY).zip(entry(model, WEIGHTS_KEY));
        let intact = said.map(|said| said == (graph.as_str(), weights.as_str()));
        Provenance { verdict: entry(model, CHECK_KEY).map(str::to_string), graph, weights, intact }
    }
}

/// The guards that a model of ours says it has.
///
/// # Errors
/// [`Damaged`](crate::ErrorCode::Damaged) where they are not to be read: a record without its guards is not trusted.
pub(crate) fn guards_of(model: &Model) -> Result<Vec<(Saved, Place)>> {
    let Some(text) = entry(model, GUARDS_KEY) else { return Ok(Vec::new()) };
    let saved: Vec<SavedGuard> = serde_json::from_str(text).map_err(|error| Error::damaged(error.to_string()).at(GUARDS_KEY))?;
    saved.iter().map(SavedGuard::read).collect::<Result<_>>().at(GUARDS_KEY)
}

fn signature_of(model: &Model) -> Option<Signature> {
    entry(model, SIGNATURE_KEY).and_then(|text| serde_json::from_str(text).ok())
}

/// What the symbolic lengths of a model of ours were in the example that it was traced with.
pub(crate) fn lengths_of(model: &Model) -> BTreeMap<String, i64> {
    signature_of(model).map(|signature| signature.lengths().clone()).unwrap_or_default()
}

pub(super) fn entry<'a>(model: &'a Model, key: &str) -> Option<&'a str> {
    model.proto.metadata_props.iter().find(|entry| entry.key == key).map(|entry| entry.value.as_str())
}

/// The metadata of a record whose guarded values have these names on the page, by key.
pub(super) fn metadata(traced: &Traced, guarded: &[String]) -> Result<Vec<StringStringEntryProto>> {
    let json = |text: serde_json::Result<String>| text.map_err(|error| Error::internal(error.to_string()));
    let mut entries = traced.extra.clone();
    entries.insert(SIGNATURE_KEY.to_string(), json(serde_json::to_string(&traced.signature))?);
    let mut names = guarded.iter();
    let saved = traced.guards().iter().map(|guard| {
        let (lengths, value) = match &guard.condition {
            Condition::Lengths(constraint) => (Some(constraint.to_string()), None),
            Condition::Numbers(_, seen) => {
                let bytes = seen.to_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
                let name = names.next().cloned().unwrap_or_default();
                (None, Some(SavedValue { name, dtype: seen.dtype().name().to_string(), shape: seen.shape().to_vec(), bytes }))
            }
        };
        SavedGuard { lengths, value, scope: guard.place.scope.to_string(), line: guard.place.line.to_string() }
    });
    let saved: Vec<SavedGuard> = saved.collect();
    if !saved.is_empty() {
        entries.insert(GUARDS_KEY.to_string(), json(serde_json::to_string(&saved))?);
    }
    let sizes = traced.notes.iter().filter_map(|note| match note {
        Diagnostic::Sizes { constraint, place } => {
            Some(SavedSize { constraint: constraint.clone(), scope: place.scope.to_string(), line: place.line.to_string() })
        }
        _ => None,
    });
    let sizes: Vec<SavedSize> = sizes.collect();
    if !sizes.is_empty() {
        entries.insert(SIZES_KEY.to_string(), json(serde_json::to_string(&sizes))?);
    }
    if let Some(verdict) = &traced.verdict {
        entries.insert(CHECK_KEY.to_string(), verdict.clone());
    }
    Ok(entries.into_iter().map(|(key, value)| StringStringEntryProto { key, value }).collect())
}

/// Adds the hashes to the metadata of a model, which stay in the order of their keys.
pub(super) fn seal(model: &mut Model) {
    let hashes = [(GRAPH_KEY, model.graph_hash()), (WEIGHTS_KEY, model.weights_hash())];
    let entries = hashes.map(|(key, value)| StringStringEntryProto { key: key.to_string(), value });
    model.proto.metadata_props.extend(entries);
    model.proto.metadata_props.sort_by(|a, b| a.key.cmp(&b.key));
}

/// The record of a model: its program is traced again with shapes only, and what its metadata says stands beside it.
pub(super) fn restore(model: Model, operators: &OpRegistry) -> Result<Traced> {
    let signature = signature_of(&model);
    let sizes: Vec<SavedSize> = entry(&model, SIZES_KEY).and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let verdict = entry(&model, CHECK_KEY).map(str::to_string);
    let own = |entry: &&StringStringEntryProto| entry.key.starts_with(OWN_PREFIX);
    let extra: BTreeMap<String, String> =
        model.proto.metadata_props.iter().filter(|entry| !own(entry)).map(|entry| (entry.key.clone(), entry.value.clone())).collect();
    let name = model.proto.graph.as_ref().map(|graph| graph.name.clone()).filter(|name| !name.is_empty());
    let module = OnnxModule::with(model, operators)?;
    let traced = record(&module, module.example().unwrap_or_default())?;
    let fits = |signature: &Signature| {
        signature.inputs().names().len() == traced.inputs().len() && signature.outputs().names().len() == traced.outputs().len()
    };
    let signature = match signature.filter(fits) {
        Some(saved) => saved.with_names(traced.signature.output_names().to_vec()),
        None => traced.signature.clone(),
    };
    let place = |size: &SavedSize| Place { scope: size.scope.as_str().into(), line: size.line.as_str().into() };
    let notes = sizes.into_iter().map(|size| Diagnostic::Sizes { place: place(&size), constraint: size.constraint }).collect();
    Ok(Traced { signature, notes, extra, verdict, name: name.unwrap_or(traced.name.clone()), ..traced })
}
