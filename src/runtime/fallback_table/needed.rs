//! Models that need a row of the fallback table: without it tract fails or computes something else. One for each row that no example of the laws needs.

use super::{FALLBACK_TABLE, FallbackRow, SQUARED_ROOT};
use crate::array::{Array, DType, Tolerance, compare};
use crate::dim::{Shape, Type};
use crate::error::Result;
use crate::onnx::{GraphBuilder, Model, Name, NodeBuilder};
use crate::read::OnnxModule;
use crate::runtime::{Session, run_fallback, shapes};

/// An input: its dtype, its shape, and the values that its elements repeat.
type Given = (DType, &'static [usize], &'static [f64]);

/// A model of one node, or a few: for which row, its inputs, the types of its outputs, and the node.
struct Case {
    row: (&'static str, &'static str),
    given: &'static [Given],
    types: &'static [(DType, &'static [usize])],
    write: for<'a> fn(&'a mut GraphBuilder, &[Name]) -> NodeBuilder<'a>,
}

use DType::{Bool, F16, F32, F64, I32, I64};

/// Two columns of 2048 and 32 ones, which are too small for it one by one.
const LARGE_AND_ONES: [f64; 66] = {
    let mut values = [1.0; 66];
    values[0] = 2048.0;
    values[1] = 2048.0;
    values
};

const NAN: f64 = f64::NAN;
const EMPTY: &[Given] = &[(F32, &[2, 0], &[0.0])];
const EMPTY_REASON: &str = "divides by zero for empty inputs";
const STEPS: &[f64] = &[0.5, -1.0, 2.0, 0.25, -0.75];

fn reduced<'a>(builder: &'a mut GraphBuilder, op: &str, x: &[Name], axis: i64) -> NodeBuilder<'a> {
    let axes = builder.ints(&[axis]);
    builder.node(op, &[x[0].clone(), axes])
}

const MOD: &str = "swaps operands of two shapes, confuses cast integers with symbolic dimensions, panics on zero";
const CAST: &[Given] = &[(I32, &[4], &[-7.0, -3.0, 5.0, 8.0])];

/// Integers that tract takes for symbolic sizes.
fn cast(builder: &mut GraphBuilder, x: &[Name]) -> Name {
    builder.node("Cast", x).int("to", 7).write_one(Type::new(I64, [4].map(crate::Dim::Fixed).to_vec())).unwrap()
}

const CASES: &[Case] = &[
    Case {
        row: ("Selu", "rounds its constants to f32"),
        given: &[(F64, &[5], STEPS)],
        types: &[(F64, &[5])],
        write: |builder, x| builder.node("Selu", x),
    },
    Case {
        row: ("Sqrt", SQUARED_ROOT),
        given: &[(F32, &[5], STEPS)],
        types: &[(F32, &[5])],
        write: |builder, x| {
            let root = builder.node("Sqrt", x).write_one(Type::new(F32, [5].map(crate::Dim::Fixed).to_vec())).unwrap();
            builder.node("Mul", &[root.clone(), root])
        },
    },
    Case {
        row: ("Pow", SQUARED_ROOT),
        given: &[(F32, &[5], STEPS)],
        types: &[(F32, &[5])],
        write: |builder, x| {
            let half = builder.number(F32, 0.5);
            let root = builder.node("Pow", &[x[0].clone(), half]).write_one(Type::new(F32, [5].map(crate::Dim::Fixed).to_vec())).unwrap();
            builder.node("Mul", &[root.clone(), root])
        },
    },
    Case {
        row: ("Cast", "gives 0 for every negative float"),
        given: &[(F32, &[4], &[-1.0, -2.75, 3.5, 200.0])],
        types: &[(DType::U8, &[4])],
        write: |builder, x| builder.node("Cast", x).int("to", 2),
    },
    Case {
        row: ("Cast", "loses the upper bits of integers without a sign"),
        given: &[(DType::U64, &[3], &[1.0, 4_611_686_018_427_387_904.0, 9_223_372_036_854_775_808.0])],
        types: &[(I64, &[3])],
        write: |builder, x| builder.node("Cast", x).int("to", 7),
    },
    Case {
        row: ("Cast", "gives 2147483647 for every larger float"),
        given: &[(F32, &[2, 2], &[4e9, -1e12, 1.0, 2.5])],
        types: &[(I64, &[2, 2])],
        write: |builder, x| builder.node("Cast", x).int("to", 7),
    },
    Case {
        row: ("Cast", "gives the greatest integer for every larger float"),
        given: &[(F32, &[2, 2], &[4e9, -1e12, 1.0, 2.5])],
        types: &[(I32, &[2, 2])],
        write: |builder, x| builder.node("Cast", x).int("to", 6),
    },
    Case {
        row: ("ReduceSum", "leaves out the least integer"),
        given: &[(I64, &[3], &[-9_223_372_036_854_775_808.0, 1.0, 2.0])],
        types: &[(I64, &[1])],
        write: |builder, x| {
            let axes = builder.ints(&[0]);
            builder.node("ReduceSum", &[x[0].clone(), axes])
        },
    },
    Case {
        row: ("Resize", "takes the middle of an axis for its first element where one is left"),
        given: &[(F32, &[1, 1, 1, 4], &[1.0, 2.0, 4.0, 8.0])],
        types: &[(F32, &[1, 1, 1, 1])],
        write: |builder, x| {
            let sizes = builder.ints(&[1, 1, 1, 1]);
            let absent = Name::default();
            let node = builder.node("Resize", &[x[0].clone(), absent.clone(), absent, sizes]).string("mode", "cubic");
            node.string("coordinate_transformation_mode", "pytorch_half_pixel")
        },
    },
    Case {
        row: ("NonMaxSuppression", "takes all boxes where no number of them is given, or 0"),
        given: &[(F32, &[1, 2, 4], &[0.0, 0.0, 1.0, 1.0, 0.0, 2.0, 1.0, 3.0]), (F32, &[1, 1, 2], &[0.5, 0.25])],
        types: &[(I64, &[0, 3])],
        write: |builder, x| builder.node("NonMaxSuppression", x),
    },
    Case {
        row: ("MatMul", "refuses two vectors"),
        given: &[(F32, &[3], STEPS), (F32, &[3], STEPS)],
        types: &[(F32, &[])],
        write: |builder, x| builder.node("MatMul", x),
    },
    Case {
        row: ("Gemm", "multiplies integers by a float"),
        given: &[(I32, &[2, 3], &[1.0, 2.0, 3.0]), (I32, &[3, 2], &[4.0, 5.0])],
        types: &[(I32, &[2, 2])],
        write: |builder, x| builder.node("Gemm", x).float("alpha", 2.0),
    },
    Case {
        row: ("Mul", "squares floats only"),
        given: &[(I64, &[3], &[1.0, 2.0, 3.0])],
        types: &[(I64, &[3])],
        write: |builder, x| builder.node("Mul", &[x[0].clone(), x[0].clone()]),
    },
    Case {
        row: ("Pow", "overflows on integers"),
        given: &[(I64, &[2], &[7.0, -3.0]), (I64, &[2], &[30.0, 50.0])],
        types: &[(I64, &[2])],
        write: |builder, x| builder.node("Pow", x),
    },
    Case {
        row: ("ArgMax", "confuses cast integers with symbolic dimensions, loses NaN"),
        given: &[(F32, &[3], &[1.0, NAN, 2.0])],
        types: &[(I64, &[1])],
        write: |builder, x| builder.node("ArgMax", x).int("axis", 0),
    },
    Case {
        row: ("ArgMin", "confuses cast integers with symbolic dimensions, loses NaN"),
        given: &[(F32, &[3], &[1.0, NAN, 0.5])],
        types: &[(I64, &[1])],
        write: |builder, x| builder.node("ArgMin", x).int("axis", 0),
    },
    Case {
        row: ("ReduceMax", "loses NaN, rejects bools, accepts empty inputs"),
        given: &[(F32, &[3], &[NAN, 1.0, 2.0])],
        types: &[(F32, &[1])],
        write: |builder, x| reduced(builder, "ReduceMax", x, 0),
    },
    Case {
        row: ("ReduceMin", "loses NaN, rejects bools, accepts empty inputs"),
        given: &[(F32, &[3], &[NAN, 1.0, 2.0])],
        types: &[(F32, &[1])],
        write: |builder, x| reduced(builder, "ReduceMin", x, 0),
    },
    Case {
        row: ("ReduceLogSumExp", "overflows"),
        given: &[(F32, &[2], &[200.0, 201.0])],
        types: &[(F32, &[1])],
        write: |builder, x| reduced(builder, "ReduceLogSumExp", x, 0),
    },
    Case {
        row: ("ReduceSum", EMPTY_REASON),
        given: EMPTY,
        types: &[(F32, &[2, 1])],
        write: |builder, x| reduced(builder, "ReduceSum", x, 1),
    },
    Case {
        row: ("ReduceMean", EMPTY_REASON),
        given: EMPTY,
        types: &[(F32, &[2, 1])],
        write: |builder, x| reduced(builder, "ReduceMean", x, 1),
    },
    Case {
        row: ("ReduceL1", EMPTY_REASON),
        given: EMPTY,
        types: &[(F32, &[2, 1])],
        write: |builder, x| reduced(builder, "ReduceL1", x, 1),
    },
    Case {
        row: ("ReduceL2", EMPTY_REASON),
        given: EMPTY,
        types: &[(F32, &[2, 1])],
        write: |builder, x| reduced(builder, "ReduceL2", x, 1),
    },
    Case {
        row: ("ReduceSumSquare", EMPTY_REASON),
        given: EMPTY,
        types: &[(F32, &[2, 1])],
        write: |builder, x| reduced(builder, "ReduceSumSquare", x, 1),
    },
    Case {
        row: ("Pad", "does not pad bools"),
        given: &[(Bool, &[2], &[1.0, 0.0])],
        types: &[(Bool, &[4])],
        write: |builder, x| {
            let widths = builder.ints(&[1, 1]);
            builder.node("Pad", &[x[0].clone(), widths])
        },
    },
    Case {
        row: ("Pad", "overflows with negative pads"),
        given: &[(F32, &[1, 1, 5], STEPS)],
        types: &[(F32, &[1, 1, 6])],
        write: |builder, x| {
            let widths = builder.ints(&[0, 0, -1, 0, 0, 2]);
            builder.node("Pad", &[x[0].clone(), widths]).string("mode", "reflect")
        },
    },
    Case {
        row: ("Div", "multiplies by the reciprocal"),
        // In f32 41 times the reciprocal of 41 is less than 1.
        given: &[(F32, &[1], &[41.0])],
        types: &[(F32, &[1])],
        write: |builder, x| {
            let divisor = builder.constant(&Array::vector(vec![41f32]));
            let quotient = builder.node("Div", &[x[0].clone(), divisor]).write_one(Type::new(F32, Shape::fixed(&[1]))).unwrap();
            builder.node("Floor", &[quotient])
        },
    },
    Case {
        row: ("Expand", "leaves it out before a product, also of an axis that is summed"),
        given: &[(F32, &[1, 1], &[3.0]), (F32, &[1], &[1.0])],
        types: &[(F32, &[1, 1])],
        write: |builder, x| {
            let shape = builder.ints(&[1, 2]);
            let whole = builder.node("Expand", &[x[0].clone(), shape]).write_one(Type::new(F32, Shape::fixed(&[1, 2]))).unwrap();
            let weights = builder.constant(&Array::new(&[2, 1], vec![1f32, 2.0]).unwrap());
            builder.node("Gemm", &[whole, weights, x[1].clone()])
        },
    },
    Case {
        row: ("Tile", "leaves it out before a product, also of an axis that is summed"),
        given: &[(F32, &[1, 1], &[3.0]), (F32, &[1], &[1.0])],
        types: &[(F32, &[1, 1])],
        write: |builder, x| {
            let repeats = builder.ints(&[1, 2]);
            let whole = builder.node("Tile", &[x[0].clone(), repeats]).write_one(Type::new(F32, Shape::fixed(&[1, 2]))).unwrap();
            let weights = builder.constant(&Array::new(&[2, 1], vec![1f32, 2.0]).unwrap());
            builder.node("Gemm", &[whole, weights, x[1].clone()])
        },
    },
    Case {
        row: ("Mul", "gives 0 for NaN and infinity times 0"),
        given: &[(F32, &[3], &[f64::NAN, f64::INFINITY, 1.0])],
        types: &[(F32, &[3])],
        write: |builder, x| {
            let zero = builder.constant(&Array::vector(vec![0f32]));
            builder.node("Mul", &[x[0].clone(), zero])
        },
    },
    Case {
        row: ("Pad", "adds negative pads to those of a convolution after it"),
        given: &[(F32, &[1, 1, 4], STEPS), (F32, &[1, 1, 2], STEPS)],
        types: &[(F32, &[1, 1, 3])],
        write: |builder, x| {
            let widths = builder.ints(&[0, 0, -1, 0, 0, 0]);
            let cropped = builder.node("Pad", &[x[0].clone(), widths]).write_one(Type::new(F32, Shape::fixed(&[1, 1, 3]))).unwrap();
            builder.node("Conv", &[cropped, x[1].clone()]).ints("pads", &[1, 0])
        },
    },
    Case {
        row: ("GridSample", "moves the point and not its neighbours inside the boundary"),
        given: &[(F32, &[1, 1, 3, 4], STEPS), (F32, &[1, 1, 2, 2], &[1.3, -1.2, 0.9, 0.4])],
        types: &[(F32, &[1, 1, 1, 2])],
        write: |builder, x| builder.node("GridSample", x).string("mode", "bicubic").string("padding_mode", "border"),
    },
    Case {
        row: ("BatchNormalization", "needs constant statistics"),
        given: &[(F32, &[1, 2, 2], STEPS), (F32, &[2], &[1.0, 2.0]), (F32, &[2], &[0.5]), (F32, &[2], &[0.1]), (F32, &[2], &[1.5, 2.0])],
        types: &[(F32, &[1, 2, 2])],
        write: |builder, x| builder.node("BatchNormalization", x),
    },
    Case {
        row: ("RNN", "ignores directions, sequence lengths and clip, and panics without a state"),
        given: &[(F32, &[2, 1, 3], STEPS), (F32, &[1, 4, 3], STEPS), (F32, &[1, 4, 4], &[0.25, -0.5])],
        types: &[(F32, &[2, 1, 1, 4])],
        write: |builder, x| builder.node("RNN", x).int("hidden_size", 4).string("direction", "reverse"),
    },
    Case {
        row: ("Bernoulli", "does not implement it"),
        given: &[(F32, &[4], &[0.5])],
        types: &[(F32, &[4])],
        write: |builder, x| builder.node("Bernoulli", x).float("seed", 1.0),
    },
    Case {
        row: ("Multinomial", "uses a different random generator"),
        given: &[(F32, &[1, 3], &[0.0])],
        types: &[(I32, &[1, 16])],
        write: |builder, x| builder.node("Multinomial", x).int("sample_size", 16).float("seed", 1.0),
    },
    Case {
        row: ("ReduceProd", "multiplies f16 in f16, where a product is infinite before it meets a 0"),
        given: &[(F16, &[4], &[300.0, 300.0, -0.0, 2.0])],
        types: &[(F16, &[])],
        write: |builder, x| builder.node("ReduceProd", x).flag("keepdims", false),
    },
    Case {
        row: ("ReduceSum", "accumulates f16 in f16"),
        // In halves 2048 + 1 is 2048.
        given: &[(F16, &[33, 2], &LARGE_AND_ONES)],
        types: &[(F16, &[1, 2])],
        write: |builder, x| {
            let axes = builder.ints(&[0]);
            builder.node("ReduceSum", &[x[0].clone(), axes])
        },
    },
    Case {
        row: ("Mod", MOD),
        given: CAST,
        types: &[(I64, &[4])],
        write: |builder, x| {
            let (cast, four) = (cast(builder, x), builder.ints(&[4]));
            builder.node("Mod", &[cast, four])
        },
    },
    Case {
        row: ("Mod", MOD),
        given: &[(F32, &[3], STEPS), (F32, &[2, 3], &[0.75, 3.0, -2.0, 0.5, 1.5])],
        types: &[(F32, &[2, 3])],
        write: |builder, x| builder.node("Mod", x).int("fmod", 1),
    },
    Case {
        row: ("Mod", MOD),
        given: &[(I64, &[2], &[-1.0, 7.0]), (F32, &[5], STEPS)],
        types: &[(I64, &[2])],
        write: |builder, x| {
            let length = builder.node("Shape", &x[1..]).write_one(Type::new(I64, vec![crate::Dim::Fixed(1)])).unwrap();
            builder.node("Mod", &[x[0].clone(), length])
        },
    },
    Case {
        row: ("Div", "multiplies by the reciprocal"),
        // 127.5 is what -2.5 times the reciprocal rounds to.
        given: &[(F32, &[2], &[-2.5, 2.0]), (F32, &[1], &[5.0 / 255.0])],
        types: &[(F32, &[2])],
        write: |builder, x| {
            let quotient = builder.node("Div", x).write_one(Type::new(F32, Shape::fixed(&[2]))).unwrap();
            builder.node("Round", &[quotient])
        },
    },
    Case {
        row: ("Mish", "loses small values in f16"),
        // ln(1 + e⁻⁷·⁵) is 5.5e-4, and 1 + e⁻⁷·⁵ is 1 in halves.
        given: &[(F16, &[2], &[-7.5, -7.6])],
        types: &[(F16, &[2])],
        write: |builder, x| builder.node("Mish", x),
    },
    Case {
        row: ("Resize", "rounds more than once, which shows where the result is cut to integers"),
        // 15 + (237 − 15) / 6 is 52.
        given: &[(F32, &[1, 1, 1, 4], &[168.0, 15.0, 237.0, 72.0])],
        types: &[(DType::U8, &[1, 1, 1, 6])],
        write: |builder, x| {
            let sizes = builder.ints(&[1, 1, 1, 6]);
            let absent = Name::default();
            let wide = builder.node("Resize", &[x[0].clone(), absent.clone(), absent, sizes]).string("mode", "linear");
            let wide = wide.write_one(Type::new(F32, Shape::fixed(&[1, 1, 1, 6]))).unwrap();
            builder.node("Cast", &[wide]).dtype("to", DType::U8)
        },
    },
    Case {
        row: ("Celu", "is wrong in f16"),
        given: &[(F16, &[3], &[-1.0, 0.5, -3.0])],
        types: &[(F16, &[3])],
        write: |builder, x| {
            let ty = Type::new(F32, Shape::fixed(&[3]));
            let wide = builder.node("Cast", x).dtype("to", F32).write_one(ty.clone()).unwrap();
            let y = builder.node("Celu", &[wide]).float("alpha", 2.0).write_one(ty).unwrap();
            builder.node("Cast", &[y]).dtype("to", F16)
        },
    },
];

impl Case {
    fn model(&self) -> Result<Model> {
        let mut builder = GraphBuilder::new(19);
        let types = |list: &[(DType, &'static [usize])]| {
            list.iter().map(|(dtype, shape)| Type::new(*dtype, Shape::fixed(shape))).collect::<Vec<_>>()
        };
        let given: Vec<_> = self.given.iter().map(|given| (given.0, given.1)).collect();
        let inputs: Vec<Name> = types(&given).iter().map(|ty| builder.input("x", ty)).collect();
        let outputs = (self.write)(&mut builder, &inputs).write(&types(self.types));
        let named: Vec<(String, Name)> = outputs.into_iter().enumerate().map(|(i, name)| (format!("y{i}"), name)).collect();
        builder.finish("main", &inputs, &named)
    }

    fn arrays(&self) -> Vec<Array> {
        let array = |(dtype, shape, values): &Given| {
            let count = shape.iter().product();
            Array::new(shape, values.iter().copied().cycle().take(count).collect::<Vec<f64>>()).unwrap().cast(*dtype).unwrap()
        };
        self.given.iter().map(array).collect()
    }
}

impl Session {
    /// The rows that a model here needs: operator and reason.
    pub(crate) fn needed() -> impl Iterator<Item = (&'static str, &'static str)> {
        CASES.iter().map(|case| case.row)
    }

    /// What tract answers where our kernels run for all rows but this one.
    ///
    /// # Errors
    /// Where it fails.
    pub(crate) fn without(model: &Model, row: (&str, &str), inputs: &[Array]) -> Result<Vec<Array>> {
        let rows: Vec<FallbackRow> = FALLBACK_TABLE.iter().filter(|other| (other.0, other.2) != row).copied().collect();
        let session = Session::with_rows(model.clone(), &Session::builder(), &rows)?;
        let runnable = session.compile(&shapes(inputs))?;
        session.by_tract(&runnable, inputs)
    }
}

fn agree(got: &[Array], expected: &[Array]) -> bool {
    let same = |(got, expected): (&Array, &Array)| compare(got, expected, Tolerance::of(expected.dtype())).is_ok_and(|found| found.agrees);
    got.len() == expected.len() && got.iter().zip(expected).all(same)
}

#[test]
fn every_model_needs_its_row() {
    let mut idle = Vec::new();
    for case in CASES {
        let (model, inputs) = (case.model().unwrap(), case.arrays());
        let expected =
            run_fallback(&OnnxModule::new(model.clone()).unwrap(), &inputs).unwrap_or_else(|error| panic!("{:?}: {error}", case.row));
        let session = Session::new(&model).unwrap();
        assert!(
            session.fallbacks().iter().any(|row| (row.0.as_str(), row.1.as_str()) == case.row),
            "{:?} does not apply to its model",
            case.row
        );
        assert!(agree(&session.run(&inputs).unwrap(), &expected), "{:?} is wrong on its own model", case.row);
        if Session::without(&model, case.row, &inputs).is_ok_and(|got| agree(&got, &expected)) {
            idle.push(case.row);
        }
    }
    assert!(idle.is_empty(), "tract does by itself what these rows replace: {idle:?}");
}
