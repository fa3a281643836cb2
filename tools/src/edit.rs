//! `ontrace edit`: a model with other names, sizes, bounds, opset, precision or metadata.

mod in_place;

use crate::console::{Console, count, printable};
use crate::convert::{Conversion, Convert, Step, Transformed, with_metadata};
use crate::error::{CommandError, CommandResult};
use ontrace::array::Tolerance;
use ontrace::check::fill_inputs;
use ontrace::onnx::{Model, verify};
use ontrace::read::{self, Format};
use ontrace::trace::{MixedPrecision, WideReason};
use ontrace::{Array, DType, Error, Example, Result, ResultExt, Tensor, Traced};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// The examples in the help.
pub const EXAMPLES: &str = "Examples:
  ontrace edit m.onnx -o batched.onnx --rename x=image --dim image:0=batch --opset 21
  ontrace edit m.onnx -o head.onnx --from /layer4/Relu_output_0 --to logits
  ontrace edit m.pt -o half.onnx --f16 --set author=me";

/// The arguments of `ontrace edit`.
#[derive(clap::Args)]
pub struct Edit {
    /// Give an input or output another name; repeated for several
    #[arg(long, value_name = "OLD=NEW", allow_hyphen_values = true)]
    rename: Vec<String>,
    /// Name the size of an axis of an input, or fix it; repeated for several. Inputs have the names that the model gives them
    #[arg(long, value_name = "INPUT:AXIS=NAME|SIZE", allow_hyphen_values = true)]
    dim: Vec<String>,
    /// Extract the part that begins at this value, which becomes an input, or with the module of this name; repeated for several
    #[arg(long, value_name = "VALUE", allow_hyphen_values = true)]
    from: Vec<String>,
    /// Extract the part that ends at this value, which becomes an output, or with the module of this name; repeated for several
    #[arg(long, value_name = "VALUE", allow_hyphen_values = true)]
    to: Vec<String>,
    /// Compute in f16 where values fit; nodes whose values do not stay in f32. Inputs and outputs stay f32
    #[arg(long)]
    f16: bool,
    /// With --f16: inputs and outputs are f16, too
    #[arg(long, requires = "f16")]
    io_f16: bool,
    /// Set a text of the metadata; repeated for several
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Remove a text of the metadata; repeated for several
    #[arg(long, value_name = "KEY")]
    unset: Vec<String>,
    // Behind its own options, of which the help tells first.
    #[command(flatten)]
    convert: Convert,
}

/// How many sets of random inputs, besides the example, say which values fit into f16.
const RUNS: u64 = 3;

impl Edit {
    /// Runs the command.
    pub fn run(&self, console: &Console) -> CommandResult {
        if !self.changes_something() {
            return Err(Error::argument("nothing is to be edited")
                .help("for example: --rename x=image, --dim x:0=batch, --opset 21, --f16, --from VALUE --to VALUE, --set key=value")
                .into());
        }
        let names = pairs(&self.rename, "--rename", "OLD=NEW")?;
        let texts = pairs(&self.set, "--set", "KEY=VALUE")?;
        if let Some(conversion) = self.in_place((&names, &texts), console)? {
            return conversion.show(console);
        }
        let mut convert = self.convert.clone();
        // Sizes are those of the inputs as the file names them; the names that --rename gives are understood, too.
        for spec in &self.dim {
            let old = |new: &str| names.iter().find(|pair| pair.1 == new).map(|pair| pair.0);
            let renamed = spec.split_once(':').and_then(|(input, rest)| Some(format!("{}:{rest}", old(input)?)));
            convert.inputs_mut().add_dim(renamed.as_deref().unwrap_or(spec))?;
        }
        let folder = tempfile::tempdir().map_err(|error| Error::write(format!("no temporary folder: {error}")))?;
        let is_part = !self.from.is_empty() || !self.to.is_empty();
        if is_part {
            let part = self.extracted(&convert, folder.path(), console)?;
            convert = convert.of_part(&part);
            for spec in &self.dim {
                convert.inputs_mut().add_dim(spec)?;
            }
        }
        let file = match Format::of_file(convert.model()) {
            Ok(Format::Onnx) => Some(Model::open(convert.model())?),
            _ => None,
        };
        let opset = file.as_ref().and_then(|file| file.opset(""));
        let apply = |traced: &Traced, example: &Example| self.edited((traced, file.as_ref()), example, (&names, &texts), console);
        let precision = self.f16.then_some(DType::F16);
        let output = self.convert.output_or(self.convert.model())?;
        let step = Step { schema: "ontrace.edit/1", output: Some(output), opset, precision, apply: Some(&apply) };
        convert.conversion(Some(&step), console)?.show(console)
    }

    fn changes_something(&self) -> bool {
        let lists = [&self.rename, &self.dim, &self.from, &self.to, &self.set, &self.unset];
        self.f16 || lists.iter().any(|list| !list.is_empty()) || self.convert.changes_the_model()
    }

    /// The edit of an ONNX file where only names and metadata change: what else the file has stays as it is. `None` for any other edit.
    fn in_place(&self, (names, texts): (&[Pair<'_>], &[Pair<'_>]), console: &Console) -> Result<Option<Conversion>, CommandError> {
        let path = self.convert.model();
        let is_of_names = !self.f16 && self.from.is_empty() && self.to.is_empty() && !self.convert.changes_the_model();
        if !is_of_names || !matches!(Format::of_file(path), Ok(Format::Onnx)) {
            return Ok(None);
        }
        let started = Instant::now();
        let model = Model::open(path)?;
        let edits = in_place::Edits { names, dims: &self.dim, set: texts, unset: &self.unset };
        let Some(edited) = in_place::edited(&model, &edits)? else { return Ok(None) };
        let output = self.convert.output_or(path)?;
        if verify(&model).into_result().is_ok() {
            verify(&edited).into_result()?;
        }
        console.progress("verified", "only names and metadata changed: every node, weight and size is the file's", started);
        Ok(Some(self.convert.write_unchanged((&output, &edited), "ontrace.edit/1")?))
    }

    /// The part between the values that the options name, as a file in a folder.
    fn extracted(&self, convert: &Convert, folder: &Path, console: &Console) -> std::result::Result<PathBuf, CommandError> {
        let model = convert.model();
        let mut whole = model.to_path_buf();
        if Format::of_file(model)? != Format::Onnx {
            // The names are those of the ONNX file that `convert` writes.
            whole = folder.join("whole.onnx");
            let quiet = Console { quiet: true, ..*console };
            let _: Conversion = convert.unchecked(model, &whole).conversion(None, &quiet)?;
        }
        let part = read::extract(&Model::open(&whole)?, &self.from, &self.to).at(model.display())?;
        let path = folder.join(model.file_name().unwrap_or(model.as_os_str())).with_extension("onnx");
        part.save(&path)?;
        let nodes = part.proto.graph.as_ref().map_or(0, |graph| graph.node.len());
        console.note(&format!("the part has {}; it is compared with itself as it was extracted", count(nodes, "node")));
        Ok(path)
    }

    /// The edited graph.
    fn edited(
        &self,
        (traced, file): (&Traced, Option<&Model>),
        example: &Example,
        (names, texts): (&[Pair<'_>], &[Pair<'_>]),
        console: &Console,
    ) -> Result<Transformed> {
        let mut edited = with_metadata(traced.renamed(names)?, file)?;
        for key in &self.unset {
            edited = edited.without_extra(key).map_err(|error| match key.starts_with("ontrace.") {
                true => Error::argument(format!("the metadata key `{key}` is ontrace's own")).help("`ontrace strip` removes all of them"),
                false => error,
            })?;
        }
        for (key, value) in texts {
            edited = edited.with_extra(key, value)?;
        }
        let mut written = None;
        let mut report = (String::new(), json!({}));
        if self.f16 {
            let runs = runs(traced, example)?;
            let mixed = edited.to_mixed_precision(&runs, false)?;
            report = mixed_report(&mixed);
            if self.io_f16 {
                console
                    .note("verified with inputs and outputs of f32, which are cast inside; the file that is written takes and gives f16");
                written = Some(edited.to_mixed_precision(&runs, true)?.traced);
            }
            edited = mixed.traced;
        }
        Ok(Transformed { traced: edited, written, report: Box::new(move |_| report.clone()) })
    }
}

/// What stands on both sides of a `=`.
type Pair<'a> = (&'a str, &'a str);

/// The inputs of the example and random ones: what is measured to see which values fit into f16.
fn runs(traced: &Traced, example: &Example) -> Result<Vec<Vec<Array>>> {
    let mut runs = Vec::new();
    for seed in 0..=RUNS {
        let (filled, _) = fill_inputs(&if seed == 0 { example.clone() } else { example.clone().shapes_only() }, Some(traced), seed)?;
        runs.push(filled.tensors().iter().map(Tensor::to_array).collect::<Result<Vec<Array>>>()?);
    }
    Ok(runs)
}

/// Which nodes compute in which precision: a table by operator and reason.
fn mixed_report(mixed: &MixedPrecision) -> (String, Value) {
    let mut groups: BTreeMap<(String, &str), (usize, String)> = BTreeMap::new();
    for (op, location, reason) in &mixed.wide {
        let kind = match reason {
            WideReason::TooLarge(_) => "large values",
            WideReason::TooSmall(_) => "a small constant",
            _ => "not defined for f16",
        };
        let group = groups.entry((op.clone(), kind)).or_insert_with(|| (0, format!("{reason}, first at {location}")));
        group.0 += 1;
    }
    let rel = Tolerance::of(DType::F16).rel;
    let limit = format!(
        "compared with f32 within {rel:e} of an element and of its array's root mean square, unless --atol or --rtol says otherwise"
    );
    let mut text = format!("precision   {} in f16, {} in f32; {limit}\n", count(mixed.half, "node"), mixed.wide.len());
    for ((op, _), (n, reason)) in &groups {
        text.push_str(&printable(&format!("   f32      {n} × {op}: {}\n", reason.trim_end_matches(", first at "))));
    }
    let wide: Vec<Value> = mixed
        .wide
        .iter()
        .map(|(op, location, reason)| json!({"operator": op, "location": location, "reason": reason.to_string()}))
        .collect();
    (text, json!({"precision": {"f16": mixed.half, "f32": mixed.wide.len(), "wide": wide}}))
}

/// Pairs of texts around the first `=`.
fn pairs<'a>(list: &'a [String], option: &str, form: &str) -> Result<Vec<(&'a str, &'a str)>> {
    let pair = |text: &'a String| {
        text.split_once('=').filter(|pair| !pair.0.is_empty()).ok_or_else(|| {
            Error::argument(format!("`{}`: expected {form}", text.escape_debug()))
                .help(format!("for example: {option} {}", form.to_lowercase()))
        })
    };
    list.iter().map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_split_at_the_first_sign() {
        let list = ["a=b=c".to_string(), "key=".to_string()];
        assert_eq!(pairs(&list, "--set", "KEY=VALUE").unwrap(), [("a", "b=c"), ("key", "")]);
        assert!(pairs(&["=x".to_string()], "--set", "KEY=VALUE").is_err() && pairs(&["x".to_string()], "--set", "KEY=VALUE").is_err());
    }
}
