//! The comparison of two models whose nodes need not correspond, on the same inputs.

use super::alignment::{self, Evaluated, Parting};
use super::input_generation::InputGenerator;
use super::report::{Limit, OutputReport, WorstElement};
use super::{CheckOptions, MOST_CALLS, comparison, cost, tolerance, unread};
use crate::array::{Array, Tolerance, index};
use crate::error::{Error, ErrorCode, Result, ResultExt};
use crate::graph::{Graph, Node};
use crate::module::{Example, output_order};
use crate::trace::Traced;
use crate::work::Work;

/// What two models make of the same inputs.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ModelComparison {
    /// The calls that were compared.
    pub calls: Vec<String>,
    /// What the inputs were in these calls: `ids: indices 0 to 39 of a table of 40 rows`.
    pub inputs: Vec<String>,
    /// The largest differences of each output: `expected` is the first model's.
    pub outputs: Vec<OutputReport>,
    /// Where the two part, in the first call whose outputs differ.
    pub first: Option<FirstDifference>,
    /// How far each node's results are from the nearest values of the other model, in that call, in the order of the nodes of either model: empty
    /// where the outputs agree.
    pub nodes: (Vec<NodeDifference>, Vec<NodeDifference>),
    /// Outputs that contain NaN or infinity, and what else is odd.
    pub warnings: Vec<String>,
    /// How outputs were matched, where their names do not say, and inputs that kept one value.
    pub notes: Vec<String>,
}

impl ModelComparison {
    /// Whether no output has any element, so that nothing was compared.
    pub fn is_empty(&self) -> bool {
        self.outputs.iter().all(OutputReport::is_empty)
    }

    /// Whether all outputs agree.
    pub fn agrees(&self) -> bool {
        self.outputs.iter().all(OutputReport::agrees)
    }
}

/// The first node of each model behind which values differ.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FirstDifference {
    /// The call.
    pub call: String,
    /// The node of the first model; `None` where it has none there.
    pub first: Option<NodeSide>,
    /// The node of the second model.
    pub second: Option<NodeSide>,
    /// In what they differ: attributes, weights, values.
    pub differences: Vec<String>,
}

/// How far the first result of a node is from the other model's nearest value.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct NodeDifference {
    /// The operator.
    pub op: String,
    /// The path of the module.
    pub scope: String,
    /// The name of the node in its file, or the line of the source.
    pub line: String,
    /// In units of what rounding explains: 1 at the limit. `None` where the other model has no value of the same size.
    pub share: Option<f64>,
}

/// A node of one of two models.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct NodeSide {
    /// Its name, or its place in the source.
    pub name: String,
    /// Its operator.
    pub op: String,
    /// Its attributes.
    pub attributes: Vec<(String, String)>,
    /// Its constant operands: position and type.
    pub weights: Vec<(usize, String)>,
    /// The nodes that the other model has as one, where it was fused: operators and names.
    pub fused: Vec<String>,
}

/// Compares two traced graphs that take the same inputs. The example is the first's; inputs without values are made up for its use of them. Outputs
/// are matched by name where both models have the same names, else by position.
///
/// Outputs agree where they are within a user's tolerance, else within what the observed rounding of both models explains: both are evaluated in
/// f64 and in working precision, on ontrace's kernels.
///
/// # Errors
/// Those of the kernels, and [`Input`](ErrorCode::Input) where the models take other inputs.
pub fn compare_models(a: &Traced, b: &Traced, example: &Example, options: &CheckOptions) -> Result<ModelComparison> {
    let generator = InputGenerator::of(example, a.graph())?.holding(&options.held);
    let order = arrangement(a, b)?;
    let (matched, note) = matched_outputs(a, b)?;
    let mut result = ModelComparison {
        outputs: a.outputs().into_iter().map(|output| OutputReport::new(output.0)).collect(),
        inputs: generator.described(),
        notes: note.into_iter().chain(generator.held_values()).collect(),
        ..ModelComparison::default()
    };
    let is_cheap = cost::work(a.graph(), &generator.example_sizes) <= cost::CHEAP;
    let most = if options.budget.is_infinite() { usize::MAX } else { MOST_CALLS.max(options.random_inputs) };
    let needed = generator.calls_to_cover().clamp(options.random_inputs, most) as u64;
    let own = generator.has_values().then(|| generator.example());
    let random = (1..=needed).map(|seed| generator.fresh(seed));
    for (i, spec) in own.into_iter().chain(random).enumerate() {
        let call = generator.generate(spec)?;
        let arranged = order.iter().map(|&i| call.inputs.get(i).cloned()).collect::<Option<Vec<_>>>().unwrap_or_default();
        let (inputs_a, inputs_b) = (complete(a, call.inputs)?, complete(b, arranged).at("the second model")?);
        let inputs = (&inputs_a[..], &inputs_b[..]);
        // Later calls of large models are compared in working precision, and looked at closely only where that is not enough.
        let is_near = i > 0 && !is_cheap && !options.has_tolerance() && near(a, b, inputs, &matched)?;
        if !is_near {
            compare_call((a, b, &matched), inputs, &call.what, options, &mut result).at(&call.what)?;
        }
        result.calls.push(call.what);
        Work::Calls.add(1);
        if !result.agrees() {
            break;
        }
    }
    let covered = generator.calls_to_cover();
    if covered > needed as usize {
        result.warnings.push(format!("not compared: {}", unread(needed as usize, covered)));
    }
    result.warnings.extend(result.outputs.iter().filter_map(OutputReport::warning));
    Ok(result)
}

/// Whether outputs in working precision are within the tolerance by dtype.
fn near(a: &Traced, b: &Traced, (inputs_a, inputs_b): (&[Array], &[Array]), matched: &[usize]) -> Result<bool> {
    let (expected, got) = (a.graph().replay(inputs_a)?, b.graph().replay(inputs_b)?);
    let one = |(got, expected): (&Array, &Array)| {
        let allowed = tolerance::allowed(expected, inputs_a).unwrap_or(Tolerance::EXACT);
        tolerance::apart(got, expected, allowed, false).is_none()
    };
    let got: Vec<&Array> = matched.iter().filter_map(|&j| got.get(j)).collect();
    Ok(got.len() == expected.len() && got.into_iter().zip(&expected).all(one))
}

/// For each output of the first model the position of that of the second, and how they were matched where their names do not say.
fn matched_outputs(a: &Traced, b: &Traced) -> Result<(Vec<usize>, Option<String>)> {
    let names = |traced: &Traced| traced.outputs().into_iter().map(|output| output.0).collect::<Vec<_>>();
    let (expected, got) = (names(a), names(b));
    if expected.len() != got.len() {
        return Err(Error::new(ErrorCode::Mismatch, format!("{} outputs, {} in the second model", expected.len(), got.len()))
            .help(format!("the outputs are {} and {}", expected.join(", "), got.join(", "))));
    }
    match output_order(&expected, &got) {
        Some(order) => Ok((order, None)),
        None => Ok(((0..got.len()).collect(), by_position(&expected, &got))),
    }
}

/// What is said where outputs are matched by position: nothing where there is only one.
pub fn by_position(expected: &[String], names: &[String]) -> Option<String> {
    let list = |names: &[String]| names.join(", ");
    (expected.len() > 1)
        .then(|| format!("outputs are matched by position, since their names differ: {} and {}", list(expected), list(names)))
}

/// For each input of the second model that input of the first with its name; where a name is unknown, that at its position.
fn arrangement(a: &Traced, b: &Traced) -> Result<Vec<usize>> {
    let (known, wanted) = (a.inputs(), b.inputs());
    let by_name = wanted.iter().map(|input| known.iter().position(|own| own.0 == input.0)).collect::<Option<Vec<_>>>();
    match by_name {
        Some(order) => Ok(order),
        None if known.len() == wanted.len() => Ok((0..known.len()).collect()),
        None => Err(Error::input(format!("the second model takes {} inputs, the first {}", wanted.len(), known.len()))),
    }
}

/// The inputs of a graph, those of its random operators among them.
fn complete(traced: &Traced, inputs: Vec<Array>) -> Result<Vec<Array>> {
    let noise = traced.noise(&inputs)?;
    Ok([inputs, noise].concat())
}

fn compare_call(
    (a, b, matched): (&Traced, &Traced, &[usize]),
    call: (&[Array], &[Array]),
    what: &str,
    options: &CheckOptions,
    result: &mut ModelComparison,
) -> Result<()> {
    let (inputs_a, inputs_b) = call;
    let first = Evaluated::new(a.graph(), inputs_a)?;
    let second = Evaluated::new(b.graph(), inputs_b).at("the second model")?;
    let mut differing = Vec::new();
    for ((i, report), &j) in result.outputs.iter_mut().enumerate().zip(matched) {
        let (expected, got) = (&first.outputs()[i], &second.outputs()[j]);
        comparison::count_special(report, expected)?;
        if expected.shape() != got.shape() || expected.dtype().is_float() != got.dtype().is_float() {
            let ty = |array: &Array| format!("{}{:?}", array.dtype(), array.shape());
            result.warnings.push(format!("output {} is {}, and {} in the second model", report.name, ty(expected), ty(got)));
            (report.share, report.max_abs) = (f64::INFINITY, f64::INFINITY);
            differing.push((i, j));
            continue;
        }
        let got = &if expected.dtype().is_float() { got.cast(expected.dtype())? } else { got.clone() };
        let tolerance = options.tolerance_for(expected);
        let found = tolerance::difference(got, expected, tolerance.unwrap_or(Tolerance::EXACT), false);
        report.max_abs = report.max_abs.max(found.max_abs);
        report.max_rel = report.max_rel.max(found.max_rel);
        let worst = |(at, got, expected): (Vec<usize>, f64, f64), limit: f64| WorstElement {
            call: what.to_string(),
            index: at,
            got,
            expected,
            limit,
        };
        let share = match tolerance {
            Some(tolerance) => {
                (report.limit, report.tolerance) = (Limit::Tolerance, tolerance);
                if found.share >= report.share {
                    report.worst = found.element.map(|element| {
                        let limit = tolerance.abs + tolerance.rel * element.2.abs();
                        worst(element, limit)
                    });
                }
                if found.words.is_some() { found.share.max(1.0 + f64::EPSILON) } else { found.share }
            }
            None if !expected.dtype().is_float() => {
                if found.share >= report.share {
                    report.worst = found.element.map(|element| worst(element, 0.0));
                }
                found.share
            }
            None => {
                let nearness = first.output_nearness(&second, (i, j))?;
                report.limit = Limit::Rounding;
                if nearness.share >= report.share && nearness.share > 0.0 {
                    let element = |array: &Array| array.double_at(nearness.element).ok().flatten().unwrap_or(f64::NAN);
                    report.worst =
                        Some(worst((index(expected.shape(), nearness.element), element(got), element(expected)), nearness.limit));
                }
                nearness.share
            }
        };
        report.share = report.share.max(share);
        if share > 1.0 {
            differing.push((i, j));
        }
    }
    if !differing.is_empty() {
        let of = |graph: &Graph, shares: Vec<Option<f64>>| {
            let one = |(node, share): (&Node, Option<f64>)| NodeDifference {
                op: node.op.name().to_string(),
                scope: node.location.scope.to_string(),
                line: node.location.line.to_string(),
                share,
            };
            graph.nodes().iter().zip(shares).map(one).collect()
        };
        result.nodes = (of(a.graph(), first.shares(&second)), of(b.graph(), second.shares(&first)));
    }
    if !differing.is_empty()
        && let Some(parting) = alignment::parting(&first, &second, &differing, (inputs_a, inputs_b))
    {
        result.first = Some(describe((a.graph(), b.graph()), &parting, (inputs_a, inputs_b), what));
    }
    Ok(())
}

/// Both nodes beside each other.
fn describe((a, b): (&Graph, &Graph), parting: &Parting, inputs: (&[Array], &[Array]), call: &str) -> FirstDifference {
    let side = |graph: &Graph, node: Option<usize>, run: &[usize]| {
        let i = node?;
        let node = &graph.nodes()[i];
        let name = |&i: &usize| format!("{} {}", graph.nodes()[i].op.name(), alignment::node_name(graph, i));
        Some(NodeSide {
            name: alignment::node_name(graph, i),
            op: node.op.name().to_string(),
            attributes: node.op.attributes().iter().map(|(name, value)| (name.to_string(), value.to_string())).collect(),
            weights: alignment::constants(graph, i)
                .into_iter()
                .map(|(k, array)| (k, format!("{}{:?}", array.dtype(), array.shape())))
                .collect(),
            fused: if run.len() > 1 { run.iter().map(name).collect() } else { Vec::new() },
        })
    };
    let first = side(a, parting.nodes.0, &parting.runs.0);
    let second = side(b, parting.nodes.1, &parting.runs.1);
    FirstDifference { call: call.to_string(), differences: differences((a, b), parting, inputs), first, second }
}

/// What the difference of two operators begins with.
pub(super) const OPERATOR: &str = "operator: ";

/// Attributes, weights and values that differ between the two nodes.
pub(super) fn differences((a, b): (&Graph, &Graph), parting: &Parting, inputs: (&[Array], &[Array])) -> Vec<String> {
    let mut found = Vec::new();
    if let (Some(i), Some(j)) = parting.nodes {
        let (x, y) = (&a.nodes()[i], &b.nodes()[j]);
        if parting.runs.0.len() != parting.runs.1.len() {
            // A fused node and one of those that were fused have other attributes by nature.
        } else if x.op.name() != y.op.name() {
            found.push(format!("{OPERATOR}expected {}, got {}", x.op.name(), y.op.name()));
        } else {
            let (mine, theirs) = (x.op.attributes(), y.op.attributes());
            let text = |value: Option<&crate::graph::Attribute>| value.map_or_else(|| "nothing".to_string(), ToString::to_string);
            let names = mine.iter().chain(theirs.iter().filter(|(name, _)| mine.get(name).is_none())).map(|(name, _)| name.to_string());
            for name in names.filter(|name| mine.get(name) != theirs.get(name)) {
                found.push(format!("attribute {name}: expected {}, got {}", text(mine.get(&name)), text(theirs.get(&name))));
            }
        }
        if parting.runs.0.len() == parting.runs.1.len() {
            found.extend(constants_apart((a, i), (b, j)));
        }
    }
    let end = |graph: &Graph, run: &[usize], inputs: &[Array]| alignment::computed(graph, *run.last()?, inputs);
    if let (Some(x), Some(y)) = (end(a, &parting.runs.0, inputs.0), end(b, &parting.runs.1, inputs.1)) {
        match y.cast(x.dtype()).map(|y| tolerance::apart(&y, &x, Tolerance::EXACT, false)) {
            Ok(Some(words)) => found.push(format!("values: {words}")),
            // Values that are the same, which only their order tells apart.
            Ok(None) => found.push("values: equal there, in another place of the graph".to_string()),
            Err(_) => found.push(format!("values: expected {}{:?}, got {}{:?}", x.dtype(), x.shape(), y.dtype(), y.shape())),
        }
    }
    found
}

/// The constant operands that differ, in place and value.
fn constants_apart((a, i): (&Graph, usize), (b, j): (&Graph, usize)) -> Vec<String> {
    let (mine, theirs) = (alignment::constants(a, i), alignment::constants(b, j));
    let mut found = Vec::new();
    for (k, array) in &mine {
        let Some((_, other)) = theirs.iter().find(|other| other.0 == *k) else {
            found.push(format!("operand {k}: expected a constant, got a computed value"));
            continue;
        };
        if array.dtype() != other.dtype() || array.shape() != other.shape() {
            found.push(format!("operand {k}: expected {}{:?}, got {}{:?}", array.dtype(), array.shape(), other.dtype(), other.shape()));
        } else if let Some(words) = tolerance::apart(other, array, Tolerance::EXACT, false) {
            found.push(format!("operand {k}: {words}"));
        }
    }
    found.extend(
        theirs
            .iter()
            .filter(|(k, _)| !mine.iter().any(|own| own.0 == *k))
            .map(|(k, _)| format!("operand {k}: expected a computed value, got a constant")),
    );
    found
}
