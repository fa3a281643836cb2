//! Metadata of an exported model: signature, guards, diagnostics, hashes, the verdict of the check.

use super::{Diagnostic, Traced};
use crate::error::{Error, Result};
use crate::graph::{SourceLocation, guards_entry};
use crate::module::Signature;
use crate::onnx::proto::StringStringEntryProto;
use crate::onnx::{Model, ModelFile, WEIGHTS_HASH_KEY};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What the keys of ours begin with.
pub(super) const OWN_PREFIX: &str = "ontrace.";
/// Model metadata: the structure of the inputs and outputs, as JSON.
const SIGNATURE_KEY: &str = "ontrace.signature";
/// Model metadata: sizes that were declared as different symbols and are equal, as JSON.
const SIZES_KEY: &str = "ontrace.sizes";
/// Model metadata: the methods that stand side by side in one graph, as JSON.
pub(crate) const METHODS_KEY: &str = "ontrace.methods";
/// Model metadata: what the check said.
const CHECK_KEY: &str = "ontrace.check";
/// Model metadata: what was verified and how, as JSON.
const EVIDENCE_KEY: &str = "ontrace.evidence";
/// Model metadata: the [hash of the graph](Model::graph_hash).
const GRAPH_KEY: &str = "ontrace.graph_blake3";

#[derive(Serialize, Deserialize)]
struct SavedSize {
    constraint: String,
    #[serde(default)]
    scope: String,
    #[serde(default)]
    line: String,
}

/// What a file of ours says of itself beside what it computes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provenance {
    /// What the check of the trace said.
    pub verdict: Option<String>,
    /// What was verified when the file was written, and how: JSON.
    pub evidence: Option<String>,
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
        Provenance::with_hashes(model, model.graph_hash(), model.weights_hash())
    }

    /// That of a file, whose nodes are read one at a time.
    ///
    /// # Errors
    /// As [`ModelFile::graph_hash`].
    pub fn of_file(file: &ModelFile) -> Result<Provenance> {
        let outline = file.outline();
        Ok(Provenance::with_hashes(outline, file.graph_hash()?, outline.weights_hash()))
    }

    fn with_hashes(model: &Model, graph: String, weights: String) -> Provenance {
        // A model that was not written yet says nothing of its weights.
        let said = entry(model, GRAPH_KEY).zip(entry(model, WEIGHTS_HASH_KEY).filter(|hash| !hash.is_empty()));
        let intact = said.map(|said| said == (graph.as_str(), weights.as_str()));
        let text = |key: &str| entry(model, key).map(str::to_string);
        Provenance { verdict: text(CHECK_KEY), evidence: text(EVIDENCE_KEY), graph, weights, intact }
    }

    /// Puts a verdict in one line, and as JSON what was verified and how, into the metadata of a model, in place of what is there. The hashes of
    /// graph and weights stay what they are.
    pub fn write_evidence(model: &mut Model, verdict: &str, evidence: &str) {
        let entries = &mut model.proto.metadata_props;
        entries.retain(|entry| entry.key != CHECK_KEY && entry.key != EVIDENCE_KEY);
        let new = [(CHECK_KEY, verdict), (EVIDENCE_KEY, evidence)];
        entries.extend(new.map(|(key, value)| StringStringEntryProto { key: key.to_string(), value: value.to_string() }));
        entries.sort_by(|a, b| a.key.cmp(&b.key));
    }
}

/// The signature of a traced graph that was written as this model.
pub(crate) fn signature_of(model: &Model) -> Option<Signature> {
    entry(model, SIGNATURE_KEY).and_then(|text| serde_json::from_str(text).ok())
}

/// The symbolic sizes in the example that a model was traced with.
pub(crate) fn example_sizes_of(model: &Model) -> BTreeMap<String, i64> {
    signature_of(model).map(|signature| signature.example_sizes().clone()).unwrap_or_default()
}

pub(crate) fn entry<'a>(model: &'a Model, key: &str) -> Option<&'a str> {
    model.proto.metadata_props.iter().find(|entry| entry.key == key).map(|entry| entry.value.as_str())
}

/// The metadata of a traced graph whose guarded values have these names in the model, by key.
pub(super) fn metadata(traced: &Traced, guarded: &[String]) -> Result<Vec<StringStringEntryProto>> {
    let json = |text: serde_json::Result<String>| text.map_err(|error| Error::internal(error.to_string()));
    let mut entries = traced.extra.clone();
    entries.insert(SIGNATURE_KEY.to_string(), json(serde_json::to_string(&traced.signature))?);
    if let Some((key, guards)) = guards_entry(traced.guards(), guarded)? {
        entries.insert(key.to_string(), guards);
    }
    let sizes = traced.notes.iter().filter_map(|note| match note {
        Diagnostic::Sizes { constraint, location } => {
            Some(SavedSize { constraint: constraint.clone(), scope: location.scope.to_string(), line: location.line.to_string() })
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

/// Adds the hashes to the metadata of a model, which stay in the order of their keys: that of the weights is put in as they are written.
pub(super) fn seal(model: &mut Model) {
    let hashes = [(GRAPH_KEY, model.graph_hash()), (WEIGHTS_HASH_KEY, String::new())];
    let entries = hashes.map(|(key, value)| StringStringEntryProto { key: key.to_string(), value });
    model.proto.metadata_props.extend(entries);
    model.proto.metadata_props.sort_by(|a, b| a.key.cmp(&b.key));
}

/// The metadata of a model that was exported from a traced graph.
pub(crate) struct RestoredMetadata {
    signature: Option<Signature>,
    notes: Vec<Diagnostic>,
    verdict: Option<String>,
    extra: BTreeMap<String, String>,
    name: Option<String>,
}

/// What the metadata of a model says.
pub(crate) fn restored(model: &Model) -> RestoredMetadata {
    let sizes: Vec<SavedSize> = entry(model, SIZES_KEY).and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let location = |size: &SavedSize| SourceLocation { scope: size.scope.as_str().into(), line: size.line.as_str().into() };
    let own = |entry: &&StringStringEntryProto| entry.key.starts_with(OWN_PREFIX);
    RestoredMetadata {
        signature: signature_of(model),
        notes: sizes.into_iter().map(|size| Diagnostic::Sizes { location: location(&size), constraint: size.constraint }).collect(),
        verdict: entry(model, CHECK_KEY).map(str::to_string),
        extra: model
            .proto
            .metadata_props
            .iter()
            .filter(|entry| !own(entry))
            .map(|entry| (entry.key.clone(), entry.value.clone()))
            .collect(),
        name: model.proto.graph.as_ref().map(|graph| graph.name.clone()).filter(|name| !name.is_empty()),
    }
}

impl RestoredMetadata {
    /// The traced graph with the metadata; a signature that does not fit it is left out.
    pub(crate) fn beside(self, traced: Traced) -> Traced {
        let fits = |signature: &Signature| {
            signature.inputs().leaf_count() == traced.inputs().len() && signature.outputs().leaf_count() == traced.outputs().len()
        };
        let signature = match self.signature.filter(fits) {
            Some(saved) => saved.with_names(traced.signature.output_names().to_vec()),
            None => traced.signature.clone(),
        };
        let name = self.name.unwrap_or(traced.name.clone());
        Traced { signature, notes: self.notes, extra: self.extra, verdict: self.verdict, name, ..traced }
    }
}
