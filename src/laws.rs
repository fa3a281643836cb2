//! The laws that every operator obeys, tried on every example: fixed, and with each axis symbolic.

#[cfg(feature = "tract")]
use crate::array::DType;
use crate::array::{Array, Tolerance, compare};
#[cfg(feature = "tract")]
use crate::coverage::{Coverage, Methods};
use crate::error::ErrorCode;
use crate::module::{DynModule, Example};
use crate::onnx::Model;
#[cfg(feature = "tract")]
use crate::ops::examples::Typed;
use crate::ops::examples::{Case, examples};
use crate::read::OnnxModule;
use crate::trace::record;
use crate::{Tensor, Traced, ops};
use rayon::prelude::*;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Operators that can be read but that no example writes, and why.
const UNWRITTEN: &[(&str, &str)] = &[
    ("Bernoulli", "read as a comparison with random samples"),
    ("CastLike", "read as Cast"),
    ("Celu", "read as an activation of its own, which no method of torch's spelling makes"),
    ("Constant", "read as the tensor that it holds"),
    ("Dropout", "read as Identity"),
    ("EyeLike", "read as ranges that are compared"),
    ("Flatten", "read as Reshape"),
    ("Gelu", "written as its formula: it is younger than the opset that is written"),
    ("GlobalAveragePool", "read as ReduceMean"),
    ("GlobalMaxPool", "read as ReduceMax"),
    ("MaxRoiPool", "read as the maxima of slices"),
    ("Multinomial", "read as running sums that are compared with random samples"),
    ("PRelu", "read as Where"),
    ("Size", "read as a size"),
    ("Sum", "read as Add"),
    ("Upsample", "read as Resize"),
];

/// What is read back right but not written again to the byte, and why.
const REWRITTEN: &[(&str, &str)] = &[
    ("arange_down", ORDER),
    ("eye", ORDER),
    ("hard_sigmoid_f64", ORDER),
    ("selu_f64", ORDER),
    ("scan", FEW),
    ("map", FEW),
    ("pad_wrap", "a Concat of slices says what an attribute said"),
    ("slice_step", "an end that is arithmetic is compared with the size of the axis once more"),
    ("slice_backwards", "an end that is arithmetic is compared with the size of the axis once more"),
    ("select", "a slice says that a symbolic axis has size 1"),
    ("adaptive_average_pool", COMPUTED),
    ("adaptive_average_pool_as_another", COMPUTED),
    ("adaptive_average_pool_uneven", COMPUTED),
    ("adaptive_max_pool", COMPUTED),
    ("adaptive_max_pool_indices", COMPUTED),
    ("adaptive_max_pool_uneven", COMPUTED),
    ("average_pool_ceil_counted", COMPUTED),
    ("average_pool_ceil_padding", COMPUTED),
    ("cummax", COMPUTED),
    ("cummin_i64", COMPUTED),
    ("cumprod", COMPUTED),
    ("diag_embed", COMPUTED),
    ("diagonal", COMPUTED),
    ("im2col", COMPUTED),
    ("im2col_strides", COMPUTED),
    ("irfft", COMPUTED),
    ("linspace", COMPUTED),
    ("logcumsumexp", COMPUTED),
    ("max_pool_ceil_dilations", COMPUTED),
    ("narrow_at_value", COMPUTED),
    ("roll", COMPUTED),
    ("roll_far", COMPUTED),
    ("select_scatter_at_value", COMPUTED),
    ("slice_between_values", COMPUTED),
];

const FEW: &str = "a few steps of known number are written out";

const COMPUTED: &str =
    "bounds and counts that are computed from sizes or values are read as arithmetic on sizes, and written in another order";

const ORDER: &str = "the constants of several nodes are written in another order";

/// Which axes of a case are symbolic: (input, axis) pairs that share one size.
type Axes = Vec<(usize, usize)>;

/// Nothing symbolic; each axis alone; and all axes of one size together.
fn variants(case: &Case) -> Vec<Axes> {
    let axes =
        || case.inputs.iter().enumerate().flat_map(|(i, input)| input.shape.iter().enumerate().map(move |(axis, &n)| (n, (i, axis))));
    let mut found = vec![vec![]];
    found.extend(axes().filter(|&(n, _)| n > 1).map(|(_, axis)| vec![axis]));
    let sizes: BTreeSet<usize> = axes().map(|axis| axis.0).filter(|&n| n > 1).collect();
    let together = sizes.into_iter().map(|n| axes().filter(|axis| axis.0 == n).map(|axis| axis.1).collect::<Axes>());
    found.extend(together.filter(|axes| axes.len() > 1));
    found
}

/// The inputs with `more` added to the symbolic sizes.
fn inputs(case: &Case, axes: &Axes, more: usize) -> Vec<Array> {
    let sized = |(i, input): (usize, &ops::examples::Input)| {
        let mut shape = input.shape.clone();
        for &(_, axis) in axes.iter().filter(|axis| axis.0 == i) {
            shape[axis] += more;
        }
        input.sized(&shape)
    };
    case.inputs.iter().enumerate().map(sized).collect()
}

fn run(module: &dyn DynModule, inputs: &[Array]) -> crate::Result<Vec<Array>> {
    let tensors: Vec<Tensor> = inputs.iter().cloned().map(Tensor::from).collect();
    module.forward(&tensors)?.iter().map(Tensor::to_array).collect()
}

fn traced(case: &Case, axes: &Axes, inputs: &[Array]) -> crate::Result<Traced> {
    let mut example =
        inputs.iter().enumerate().fold(Example::new(), |example, (i, array)| example.input(&format!("x{i}"), &Tensor::from(array.clone())));
    for (i, axis) in axes {
        example = example.symbolic(&format!("x{i}"), *axis as i64, "n")?;
    }
    record(case, example)
}

/// What is wrong with an answer, if anything.
fn difference(got: crate::Result<Vec<Array>>, expected: &[Array]) -> Option<String> {
    let got = match got {
        Ok(got) => got,
        Err(error) => return Some(format!("{error:?}").lines().take(4).collect::<Vec<_>>().join(" ")),
    };
    if got.len() != expected.len() {
        return Some(format!("{} outputs, expected {}", got.len(), expected.len()));
    }
    got.iter().zip(expected).enumerate().find_map(|(i, (got, expected))| match compare(got, expected, Tolerance::of(expected.dtype())) {
        Ok(found) if found.agrees => None,
        Ok(found) => Some(format!("output {i} is off by {:e}, worst {:?}", found.max_abs, found.worst)),
        Err(error) => Some(format!("output {i}: {}", error.message())),
    })
}

/// What came of one example and one choice of symbolic sizes.
#[derive(Default)]
struct Found {
    broken: Vec<String>,
    /// Where tracing refused or a size was skipped: the example, what was not tried, and why.
    untried: Vec<(String, String, String)>,
    written: BTreeSet<String>,
    #[cfg(feature = "tract")]
    coverage: Coverage,
    /// Operators and reasons of the table of replacements, where tract alone does not do what ours does.
    #[cfg(feature = "tract")]
    justified: BTreeSet<(String, String)>,
}

/// Of the rows that apply to a model, those that it needs: without them tract fails or answers something else.
#[cfg(feature = "tract")]
fn justified(model: &Model, replaced: &[(String, String)], inputs: &[Array], expected: &[Array]) -> BTreeSet<(String, String)> {
    use crate::runtime::Session;
    if replaced.is_empty() || difference(Session::of_tract_alone(model, inputs), expected).is_none() {
        return BTreeSet::new();
    }
    let rows: BTreeSet<&(String, String)> = replaced.iter().collect();
    let needed = |row: &&(String, String)| difference(Session::without(model, (&row.0, &row.1), inputs), expected).is_some();
    rows.into_iter().filter(needed).cloned().collect()
}

fn try_case(folder: &Path, case: &Case, axes: &Axes) -> Found {
    let mut found = Found::default();
    let symbols: String = axes.iter().map(|(i, axis)| format!("_x{i}.{axis}")).collect();
    let what = format!("{}{symbols}", case.name);
    let first = inputs(case, axes, 0);
    let eager = match run(case, &first) {
        Ok(eager) => eager,
        Err(error) => {
            found.broken.push(format!("{what}: law 1, {error}"));
            return found;
        }
    };
    let traced = match traced(case, axes, &first) {
        Ok(traced) => traced,
        Err(error)
            if !axes.is_empty()
                && matches!(error.code(), ErrorCode::Size | ErrorCode::Unsupported | ErrorCode::Shape | ErrorCode::NoValue) =>
        {
            found.untried.push((what, "traced".to_string(), error.to_string()));
            return found;
        }
        Err(error) => {
            found.broken.push(format!("{what}: tracing, {error}"));
            return found;
        }
    };
    let bytes = match traced.to_bytes() {
        Ok(bytes) => bytes,
        Err(error) => {
            found.broken.push(format!("{what}: writing, {error}"));
            return found;
        }
    };
    std::fs::write(folder.join(format!("law_{what}.onnx")), &bytes).unwrap();
    let model = Model::load(bytes.clone().into(), None).unwrap();
    found.written.extend(model.proto.graph.iter().flat_map(|graph| &graph.node).map(|node| node.op_type.clone()));
    let mut broken = Vec::new();
    #[cfg(feature = "tract")]
    let session = crate::runtime::Session::new(&model);
    let read = OnnxModule::new(model);
    // The size of the trace first, then others that are even where it was odd.
    for more in if axes.is_empty() { vec![0] } else { vec![0, 1, 4] } {
        let inputs = inputs(case, axes, more);
        let expected = match more {
            0 => eager.clone(),
            _ => match run(case, &inputs) {
                Ok(expected) => expected,
                // What the program itself refuses at this size says nothing about the traced graph.
                Err(error) => {
                    found.untried.push((what.clone(), format!("+{more}"), error.to_string()));
                    continue;
                }
            },
        };
        let replayed = run(&traced, &inputs);
        if let Err(error) = &replayed
            && more != 0
            && error.code() == ErrorCode::Guard
        {
            // A condition on sizes: the program counted with the example's.
            found.untried.push((what.clone(), format!("+{more}"), error.message().to_string()));
            continue;
        }
        broken.extend(difference(replayed, &expected).map(|why| format!("law 4 at +{more}, {why}")));
        match &read {
            Ok(read) => broken.extend(difference(run(read, &inputs), &expected).map(|why| format!("law 3 at +{more}, {why}"))),
            Err(error) => broken.push(format!("law 3, {error}")),
        }
        #[cfg(feature = "tract")]
        match &session {
            Ok(session) => broken.extend(difference(session.run(&inputs), &expected).map(|why| format!("law 2 at +{more}, {why}"))),
            Err(error) => broken.push(format!("law 2, {error}")),
        }
    }
    if let Ok(read) = &read {
        let again = read
            .example()
            .ok_or_else(|| crate::Error::internal("no example"))
            .and_then(|example| record(read, example))
            .and_then(|traced| traced.to_bytes());
        match again {
            Ok(again) if again == bytes || REWRITTEN.iter().any(|row| row.0 == case.name) => {}
            Ok(again) => {
                // The hashes of the metadata say only that something differs.
                let text = |bytes: Vec<u8>| {
                    let model = Model::load(bytes.into(), None).map(|mut model| {
                        model.proto.metadata_props.clear();
                        model.to_string()
                    });
                    model.unwrap_or_default()
                };
                let (before, after) = (text(bytes.clone()), text(again));
                let line = before.lines().zip(after.lines()).find(|(before, after)| before != after);
                broken.push(format!("law 3, written again differs: {line:?}"));
            }
            Err(error) => broken.push(format!("law 3, written again: {error}")),
        }
    }
    #[cfg(feature = "tract")]
    if let (Ok(session), Ok(model)) = (&session, Model::load(bytes.into(), None)) {
        let replaced = session.fallbacks();
        found.justified = justified(&model, &replaced, &first, &eager);
        found.coverage.add_graph(traced.graph());
        found.coverage.add(&model, !axes.is_empty(), &replaced, session.runs_without_tract());
    }
    found.broken.extend(broken.into_iter().map(|why| format!("{what}: {why}")));
    found
}

/// Whether an example is one of several that differ in their values only: the plain one stands for all in other dtypes.
#[cfg(feature = "tract")]
fn is_plain(case: &Case) -> bool {
    let others = ["_f64", "_f16", "_rank_0", "_edges", "_negative", "_i64", "_i32", "_u8", "_bool"];
    !others.iter().any(|ending| case.name.ends_with(ending))
}

/// What is written although ONNX does not define it, because no dtype that it takes can represent all the values: other runtimes refuse it.
#[cfg(feature = "tract")]
const UNDEFINED: &[(&str, &[DType])] = &[("MaxPool", &[DType::I64, DType::U64])];

/// What came of an example in another dtype.
#[cfg(feature = "tract")]
struct InDType {
    found: Found,
    /// Why it is refused, where it is.
    refused: Option<ErrorCode>,
}

/// The laws with sizes fixed, in a dtype that an example was not made for.
#[cfg(feature = "tract")]
fn try_dtype(folder: &Path, case: &Case, dtype: DType) -> InDType {
    let typed = Typed::new(case, dtype);
    let mut found = Found::default();
    let inputs = typed.inputs();
    let what = format!("{}.{dtype}", case.name);
    let expected = match run(&typed, &inputs) {
        Ok(expected) => expected,
        Err(error) => return InDType { found, refused: Some(error.code()) },
    };
    let example =
        inputs.iter().enumerate().fold(Example::new(), |example, (i, array)| example.input(&format!("x{i}"), &Tensor::from(array.clone())));
    let written = record(&typed, example).and_then(|traced| {
        found.coverage.add_graph(traced.graph());
        traced.to_bytes()
    });
    let model = match written.and_then(|bytes| Ok((Model::load(bytes.clone().into(), None)?, bytes))) {
        Ok((model, bytes)) => {
            let nodes = || model.proto.graph.iter().flat_map(|graph| &graph.node);
            let undefined = UNDEFINED.iter().any(|row| row.1.contains(&dtype) && nodes().any(|node| node.op_type == row.0));
            if !undefined {
                std::fs::write(folder.join(format!("law_{what}.onnx")), bytes).unwrap();
            }
            model
        }
        // A loop may begin in one dtype and go on in another when it just runs.
        Err(error) if error.code() == ErrorCode::Argument => return InDType { found, refused: Some(error.code()) },
        Err(error) => {
            found.broken.push(format!("{what}: {error}"));
            return InDType { found, refused: None };
        }
    };
    let read = OnnxModule::new(model.clone()).and_then(|read| run(&read, &inputs));
    found.broken.extend(difference(read, &expected).map(|why| format!("{what}: law 3, {why}")));
    match crate::runtime::Session::new(&model) {
        Ok(session) => {
            found.broken.extend(difference(session.run(&inputs), &expected).map(|why| format!("{what}: law 2, {why}")));
            let replaced = session.fallbacks();
            found.justified = justified(&model, &replaced, &inputs, &expected);
            found.coverage.add(&model, false, &replaced, session.runs_without_tract());
        }
        Err(error) => found.broken.push(format!("{what}: law 2, {error}")),
    }
    InDType { found, refused: None }
}

/// Where tests leave the models that they write, for other runtimes to try.
fn folder() -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tmp/models");
    std::fs::create_dir_all(&folder).unwrap();
    for old in std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()) {
        if old.file_name().is_some_and(|name| name.to_string_lossy().starts_with("law_")) {
            std::fs::remove_file(old).unwrap();
        }
    }
    folder
}

/// What the laws do not try: `tests/data/laws.txt`, a line an example (`abs_x0.1` is `abs` with axis 1 of its first input symbolic), what of it is not
/// tried (`traced` at all, or run at a size `+1`), and the error that says why.
///
/// # Panics
/// Where the list differs; `ONTRACE_RENEW=1` rewrites it instead.
fn compare_untried(tried: usize, untried: &[&(String, String, String)]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/laws.txt");
    let lines: BTreeSet<String> =
        untried.iter().map(|(what, of, why)| format!("{what}\t{of}\t{}", why.lines().collect::<Vec<_>>().join(" "))).collect();
    println!("{tried} examples with their axes, {} of them not tried in some way", lines.len());
    let text = format!("# {tried} examples with their axes\n{}\n", lines.iter().map(String::as_str).collect::<Vec<_>>().join("\n"));
    if std::env::var_os("ONTRACE_RENEW").is_some() {
        return std::fs::write(path, text).unwrap();
    }
    let known = std::fs::read_to_string(path).unwrap_or_default();
    // The words of an error may change; what is not tried may not.
    let keys = |text: &str| -> BTreeSet<String> {
        text.lines().map(|line| line.rsplit_once('\t').map_or(line, |(key, _)| key).to_string()).collect()
    };
    let (known, text) = (keys(&known), keys(&text));
    let (new, gone): (Vec<_>, Vec<_>) = (text.difference(&known).collect(), known.difference(&text).collect());
    assert!(
        new.is_empty() && gone.is_empty(),
        "tests/data/laws.txt is missing or stale (ONTRACE_RENEW=1 writes it): new {new:#?}, gone {gone:#?}"
    );
}

/// Whether tract needs a row of the fallback table on other machines only: with AVX-512 it computes these in f32.
#[cfg(feature = "tract")]
fn is_idle_here(row: &(&str, &str)) -> bool {
    #[cfg(target_arch = "x86_64")]
    let has_avx512 = std::arch::is_x86_feature_detected!("avx512f");
    #[cfg(not(target_arch = "x86_64"))]
    let has_avx512 = false;
    has_avx512 && *row == ("Tanh", "approximates with a quotient of f16 polynomials")
}

#[test]
fn every_operator_obeys_the_laws() {
    let folder = folder();
    let tried: Vec<(Case, Axes)> =
        examples().into_iter().flat_map(|case| variants(&case).into_iter().map(move |axes| (case.clone(), axes))).collect();
    let found: Vec<Found> = tried.par_iter().map(|(case, axes)| try_case(&folder, case, axes)).collect();
    #[cfg(feature = "tract")]
    let (found, methods) = {
        let plain: Vec<Case> = examples().into_iter().filter(is_plain).collect();
        let other = |case: &Case, dtype: DType| case.inputs.first().is_some_and(|input| input.dtype != dtype);
        let typed: Vec<(&Case, DType)> =
            plain.iter().flat_map(|case| DType::ALL.iter().filter(|&&dtype| other(case, dtype)).map(move |&dtype| (case, dtype))).collect();
        let results: Vec<InDType> = typed.par_iter().map(|(case, dtype)| try_dtype(&folder, case, *dtype)).collect();
        let mut methods = Methods::default();
        plain.iter().filter_map(|case| Some((&case.name, case.inputs.first()?.dtype))).for_each(|(name, own)| methods.add(name, own, None));
        typed.iter().zip(&results).for_each(|((case, dtype), result)| methods.add(&case.name, *dtype, result.refused));
        (found.into_iter().chain(results.into_iter().map(|result| result.found)).collect::<Vec<Found>>(), methods)
    };
    let untried: Vec<&(String, String, String)> = found.iter().flat_map(|found| &found.untried).collect();
    let written: BTreeSet<&str> = found.iter().flat_map(|found| &found.written).map(String::as_str).collect();
    let unread: Vec<&str> = ops::readable()
        .into_iter()
        .filter(|name| !written.contains(name) && !ops::is_composite(name) && !UNWRITTEN.iter().any(|row| row.0 == *name))
        .collect();
    let broken: Vec<&str> = found.iter().flat_map(|found| &found.broken).map(String::as_str).collect();
    assert!(broken.is_empty(), "{} of {} break a law\n{}", broken.len(), tried.len(), broken.join("\n"));
    assert!(unread.is_empty(), "no example writes {unread:?}");
    // The list is of a build with the runtime, which tries every dtype too.
    if cfg!(feature = "tract") {
        compare_untried(tried.len(), &untried);
    }
    #[cfg(feature = "tract")]
    {
        let rows: Vec<_> = crate::runtime::Session::rows().collect();
        let justified = |row: &(&str, &str)| found.iter().any(|found| found.justified.contains(&(row.0.to_string(), row.1.to_string())));
        let needed: Vec<_> = crate::runtime::Session::needed().collect();
        let idle: Vec<_> = rows.iter().filter(|row| !justified(row) && !needed.contains(row) && !is_idle_here(row)).collect();
        assert!(idle.is_empty(), "no example and no model of src/runtime/fallback_table/needed.rs needs these rows: {idle:?}");
        let gone: Vec<_> = needed.iter().filter(|row| !rows.contains(row)).collect();
        assert!(gone.is_empty(), "these rows are gone: {gone:?}");
    }
    #[cfg(feature = "tract")]
    found
        .into_iter()
        .fold(Coverage::default(), |mut all, found| {
            all.extend(found.coverage);
            all
        })
        .is_up_to_date(UNWRITTEN, &methods);
}

#[test]
fn example_names_are_unique() {
    let names: Vec<String> = examples().into_iter().map(|case| case.name).collect();
    let twice: Vec<&String> = names.iter().enumerate().filter(|(i, name)| names[..*i].contains(name)).map(|row| row.1).collect();
    assert!(twice.is_empty(), "{twice:?}");
}
