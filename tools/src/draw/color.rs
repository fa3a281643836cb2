//! The colours of blocks: by the kind of their operator, or by a quantity.

use super::diagram::{Block, Kind};
use crate::console::bytes;

/// What colours mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Coloring {
    /// Kinds of operators
    Operator,
    /// Bytes of weights
    Size,
    /// Measured time, with --times
    Time,
    /// Distance from another model, with --differences
    Difference,
    /// All alike
    None,
}

/// A kind of operators: its name, its colour, and the operators.
struct Class(&'static str, &'static str, &'static [&'static str]);

const CLASSES: &[Class] = &[
    Class("convolution", "#3b6fb6", &["Conv", "ConvTranspose", "ConvInteger", "QLinearConv", "DeformConv", "Col2Im"]),
    Class(
        "matrix product",
        "#5a54a4",
        &["MatMul", "Gemm", "Einsum", "MatMulInteger", "QLinearMatMul", "Attention", "LinearAttention", "RotaryEmbedding"],
    ),
    Class("recurrence", "#8a4f9e", &["LSTM", "GRU", "RNN"]),
    Class(
        "activation",
        "#b5482f",
        &[
            "Relu",
            "LeakyRelu",
            "PRelu",
            "Elu",
            "Selu",
            "Celu",
            "Gelu",
            "Sigmoid",
            "HardSigmoid",
            "HardSwish",
            "Swish",
            "Mish",
            "Softplus",
            "Softsign",
            "Tanh",
            "Erf",
            "Softmax",
            "LogSoftmax",
            "Hardmax",
            "ThresholdedRelu",
            "Clip",
            "Shrink",
        ],
    ),
    Class(
        "normalisation",
        "#1f8a7a",
        &[
            "BatchNormalization",
            "LayerNormalization",
            "InstanceNormalization",
            "GroupNormalization",
            "RMSNormalization",
            "LpNormalization",
            "MeanVarianceNormalization",
            "LRN",
            "Dropout",
        ],
    ),
    Class(
        "pooling, reduction",
        "#4c8c2b",
        &[
            "MaxPool",
            "AveragePool",
            "LpPool",
            "GlobalAveragePool",
            "GlobalMaxPool",
            "GlobalLpPool",
            "MaxRoiPool",
            "RoiAlign",
            "Resize",
            "GridSample",
            "ArgMax",
            "ArgMin",
            "TopK",
            "CumSum",
        ],
    ),
    Class(
        "shape, indexing",
        "#8a7440",
        &[
            "Reshape",
            "Transpose",
            "Flatten",
            "Squeeze",
            "Unsqueeze",
            "Expand",
            "Concat",
            "Split",
            "Slice",
            "Gather",
            "GatherElements",
            "GatherND",
            "Scatter",
            "ScatterElements",
            "ScatterND",
            "Pad",
            "Tile",
            "Shape",
            "Size",
            "Range",
            "DepthToSpace",
            "SpaceToDepth",
            "ConstantOfShape",
            "NonZero",
            "OneHot",
            "ReverseSequence",
            "Trilu",
            "Compress",
            "CenterCropPad",
            "TensorScatter",
            "Identity",
            "Cast",
            "CastLike",
            "Constant",
        ],
    ),
    Class("control flow", "#333a45", &["If", "Loop", "Scan", "SequenceMap"]),
];

/// Operators that are in no class: arithmetic.
const OTHER: (&str, &str) = ("arithmetic, other", "#6b7785");

/// Inputs and outputs of the model, modules.
const INPUT: &str = "#2f3640";
const SCOPE: &str = "#4a5a78";
/// Where no quantity is known, or all are alike.
const PLAIN: &str = "#5b6673";

/// The class of an operator, and its colour.
fn class(operator: &str) -> (&'static str, &'static str) {
    let known = CLASSES.iter().find(|class| class.2.contains(&operator)).map(|class| (class.0, class.1));
    let reduction = || operator.starts_with("Reduce").then(|| CLASSES.iter().find(|class| class.0.contains("reduction"))).flatten();
    known.or_else(|| reduction().map(|class| (class.0, class.1))).unwrap_or(OTHER)
}

/// The colours of a picture.
pub struct Colors {
    coloring: Coloring,
    /// The largest quantity of a block.
    most: f64,
}

impl Colors {
    /// Colours for these blocks.
    pub fn new<'a>(coloring: Coloring, blocks: impl Iterator<Item = &'a Block>) -> Colors {
        let most = blocks.filter_map(|block| quantity(coloring, block)).fold(0.0, f64::max);
        Colors { coloring, most }
    }

    /// The colour of a block's header, dark enough for white text.
    pub fn of(&self, block: &Block) -> String {
        match (block.kind, self.coloring) {
            (Kind::Input | Kind::Output, _) => INPUT.to_string(),
            (Kind::Scope, Coloring::Operator | Coloring::None) => SCOPE.to_string(),
            (_, Coloring::None) => PLAIN.to_string(),
            (_, Coloring::Operator) => class(&block.operator).1.to_string(),
            (_, Coloring::Difference) => block.difference.map_or_else(|| PLAIN.to_string(), |share| ramp(of_difference(share))),
            _ => match quantity(self.coloring, block) {
                Some(x) if self.most > 0.0 => ramp(x / self.most),
                _ => PLAIN.to_string(),
            },
        }
    }

    /// What the colours mean: text and colour. Classes that no block has are left out.
    pub fn legend<'a>(&self, blocks: impl Iterator<Item = &'a Block>) -> Vec<(String, String)> {
        match self.coloring {
            Coloring::None => Vec::new(),
            Coloring::Operator => {
                let used: Vec<&str> = blocks.filter(|block| block.kind == Kind::Operator).map(|block| class(&block.operator).0).collect();
                let classes = CLASSES.iter().map(|class| (class.0, class.1)).chain([OTHER]).filter(|class| used.contains(&class.0));
                classes.map(|(name, color)| (name.to_string(), color.to_string())).collect()
            }
            Coloring::Difference => {
                let text = |(share, text): (f64, &str)| (text.to_string(), ramp(of_difference(share)));
                let scale = if self.most > 0.0 {
                    &[(0.0, "equal"), (1.0, "at the limit of rounding"), (1000.0, "1000 times the limit, or more")][..]
                } else {
                    &[]
                };
                scale.iter().copied().map(text).collect()
            }
            Coloring::Size | Coloring::Time => {
                let text = |share: f64| match self.coloring {
                    Coloring::Size => bytes((share * self.most) as u64),
                    _ => format!("{:.3} ms", share * self.most * 1e3),
                };
                let scale = if self.most > 0.0 { &[0.0, 0.25, 0.5, 1.0][..] } else { &[] };
                scale.iter().map(|&share| (text(share), ramp(share))).collect()
            }
        }
    }
}

/// What is coloured by, where it is a quantity.
fn quantity(coloring: Coloring, block: &Block) -> Option<f64> {
    match coloring {
        Coloring::Size => Some(block.bytes as f64),
        Coloring::Time => block.seconds,
        Coloring::Difference => block.difference,
        Coloring::Operator | Coloring::None => None,
    }
}

/// A difference in units of what rounding explains between 0 and 1: a third at the limit, 1 at a thousand times it. The ramp takes a root, which is undone.
fn of_difference(share: f64) -> f64 {
    let x = if share <= 1.0 { share.max(0.0) / 3.0 } else { ((1.0 + share.log10() * 2.0 / 3.0) / 3.0).min(1.0) };
    x * x
}

/// From grey-blue to red, for 0 to 1; the root spreads the small ones.
fn ramp(share: f64) -> String {
    const STOPS: [[f64; 3]; 4] = [[108.0, 122.0, 137.0], [60.0, 110.0, 150.0], [176.0, 98.0, 36.0], [178.0, 32.0, 32.0]];
    let x = share.clamp(0.0, 1.0).sqrt() * (STOPS.len() - 1) as f64;
    let at = (x as usize).min(STOPS.len() - 2);
    let mixed = [0, 1, 2].map(|i| (STOPS[at][i] + (STOPS[at + 1][i] - STOPS[at][i]) * (x - at as f64)).round() as u8);
    format!("#{:02x}{:02x}{:02x}", mixed[0], mixed[1], mixed[2])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_operator_is_in_two_classes() {
        let mut all: Vec<&str> = CLASSES.iter().flat_map(|class| class.2).copied().collect();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
        assert_eq!((class("ReduceMean").0, class("Foo").0), ("pooling, reduction", OTHER.0));
    }

    #[test]
    fn differences_beyond_rounding_stand_out() {
        assert_eq!((of_difference(0.0), of_difference(1e9)), (0.0, 1.0));
        assert!((of_difference(1.0) - 1.0 / 9.0).abs() < 1e-12 && (of_difference(1000.0) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn quantities_have_colours_from_end_to_end() {
        assert_eq!((ramp(0.0).as_str(), ramp(1.0).as_str()), ("#6c7a89", "#b22020"));
    }
}
