//! Pages that need a row of the table: without it tract fails or answers something else. One for each row that no example of the laws needs.

use super::{FALLBACK_TABLE, Row};
use crate::array::{Array, DType, Tolerance, compare};
use crate::dim::{Shape, Type};
use crate::error::Result;
use crate::onnx::{GraphBuilder, Model, Name, NodeBuilder};
use crate::read::OnnxModule;
use crate::runtime::{Session, run_fallback, shapes};

/// An input: its dtype, its shape, and the numbers that its elements are in turn.
type Given = (DType, &'static [usize], &'static [f64]);

/// A page of one node, or some: for which row, its inputs, the types of its outputs, and the node.
struct Page {
    row: (&'static str, &'static str),
    given: &'static [Given],
    types: &'static [(DType, &'static [usize])],
    write: for<'a> fn(&'a mut GraphBuilder, &[Name]) -> NodeBuilder<'a>,
}

use DType::{Bool, F16, F32, I32, I64};

/// Two columns of 2048 and 32 ones, which are too small for it one by one.
const LARGE_AND_ONES: [f64; 66] = {
    let mut numbers = [1.0; 66];
    numbers[0] = 2048.0;
    numbers[1] = 2048.0;
    numbers
};

const NAN: f64 = f64::NAN;
const EMPTY: &[Given] = &[(F32, &[2, 0], &[0.0])];
const EMPTY_REASON: &str = "divides by zero for empty inputs";
const STEPS: &[f64] = &[0.5, -1.0, 2.0, 0.25, -0.75];

fn reduced<'a>(pen: &'a mut GraphBuilder, op: &str, x: &[Name], axis: i64) -> NodeBuilder<'a> {
    let axes = pen.ints(&[axis]);
    pen.node(op, &[x[0].clone(), axes])
}

const MOD: &str = "swaps operands of two shapes, confuses cast integers with symbolic dimensions, panics on zero";
const CAST: &[Given] = &[(I32, &[4], &[-7.0, -3.0, 5.0, 8.0])];

/// Integers that tract takes for lengths.
fn cast(pen: &mut GraphBuilder, x: &[Name]) -> Name {
    pen.node("Cast", x).int("to", 7).write_one(Type::new(I64, [4].map(crate::Dim::Fixed).to_vec())).unwrap()
}

const PAGES: &[Page] = &[
    Page {
        row: ("MatMul", "refuses two vectors"),
        given: &[(F32, &[3], STEPS), (F32, &[3], STEPS)],
        types: &[(F32, &[])],
        write: |pen, x| pen.node("MatMul", x),
    },
    Page {
        row: ("Gemm", "multiplies integers by a float"),
        given: &[(I32, &[2, 3], &[1.0, 2.0, 3.0]), (I32, &[3, 2], &[4.0, 5.0])],
        types: &[(I32, &[2, 2])],
        write: |pen, x| pen.node("Gemm", x).float("alpha", 2.0),
    },
    Page {
        row: ("Mul", "squares floats only"),
        given: &[(I64, &[3], &[1.0, 2.0, 3.0])],
        types: &[(I64, &[3])],
        write: |pen, x| pen.node("Mul", &[x[0].clone(), x[0].clone()]),
    },
    Page {
        row: ("Pow", "overflows on integers"),
        given: &[(I64, &[2], &[7.0, -3.0]), (I64, &[2], &[30.0, 50.0])],
        types: &[(I64, &[2])],
        write: |pen, x| pen.node("Pow", x),
    },
    Page {
        row: ("ArgMax", "confuses cast integers with symbolic dimensions, loses NaN"),
        given: &[(F32, &[3], &[1.0, NAN, 2.0])],
        types: &[(I64, &[1])],
        write: |pen, x| pen.node("ArgMax", x).int("axis", 0),
    },
    Page {
        row: ("ArgMin", "confuses cast integers with symbolic dimensions, loses NaN"),
        given: &[(F32, &[3], &[1.0, NAN, 0.5])],
        types: &[(I64, &[1])],
        write: |pen, x| pen.node("ArgMin", x).int("axis", 0),
    },
    Page {
        row: ("ReduceMax", "loses NaN, rejects bools, accepts empty inputs"),
        given: &[(F32, &[3], &[NAN, 1.0, 2.0])],
        types: &[(F32, &[1])],
        write: |pen, x| reduced(pen, "ReduceMax", x, 0),
    },
    Page {
        row: ("ReduceMin", "loses NaN, rejects bools, accepts empty inputs"),
        given: &[(F32, &[3], &[NAN, 1.0, 2.0])],
        types: &[(F32, &[1])],
        write: |pen, x| reduced(pen, "ReduceMin", x, 0),
    },
    Page {
        row: ("ReduceLogSumExp", "overflows"),
        given: &[(F32, &[2], &[200.0, 201.0])],
        types: &[(F32, &[1])],
        write: |pen, x| reduced(pen, "ReduceLogSumExp", x, 0),
    },
    Page { row: ("ReduceSum", EMPTY_REASON), given: EMPTY, types: &[(F32, &[2, 1])], write: |pen, x| reduced(pen, "ReduceSum", x, 1) },
    Page { row: ("ReduceMean", EMPTY_REASON), given: EMPTY, types: &[(F32, &[2, 1])], write: |pen, x| reduced(pen, "ReduceMean", x, 1) },
    Page { row: ("ReduceL1", EMPTY_REASON), given: EMPTY, types: &[(F32, &[2, 1])], write: |pen, x| reduced(pen, "ReduceL1", x, 1) },
    Page { row: ("ReduceL2", EMPTY_REASON), given: EMPTY, types: &[(F32, &[2, 1])], write: |pen, x| reduced(pen, "ReduceL2", x, 1) },
    Page {
        row: ("ReduceSumSquare", EMPTY_REASON),
        given: EMPTY,
        types: &[(F32, &[2, 1])],
        write: |pen, x| reduced(pen, "ReduceSumSquare", x, 1),
    },
    Page {
        row: ("Pad", "does not pad bools"),
        given: &[(Bool, &[2], &[1.0, 0.0])],
        types: &[(Bool, &[4])],
        write: |pen, x| {
            let widths = pen.ints(&[1, 1]);
            pen.node("Pad", &[x[0].clone(), widths])
        },
    },
    Page {
        row: ("Pad", "overflows with negative pads"),
        given: &[(F32, &[1, 1, 5], STEPS)],
        types: &[(F32, &[1, 1, 6])],
        write: |pen, x| {
            let widths = pen.ints(&[0, 0, -1, 0, 0, 2]);
            pen.node("Pad", &[x[0].clone(), widths]).string("mode", "reflect")
        },
    },
    Page {
        row: ("BatchNormalization", "needs constant statistics"),
        given: &[(F32, &[1, 2, 2], STEPS), (F32, &[2], &[1.0, 2.0]), (F32, &[2], &[0.5]), (F32, &[2], &[0.1]), (F32, &[2], &[1.5, 2.0])],
        types: &[(F32, &[1, 2, 2])],
        write: |pen, x| pen.node("BatchNormalization", x),
    },
    Page {
        row: ("RNN", "ignores directions, lengths and clip, and panics without a state"),
        given: &[(F32, &[2, 1, 3], STEPS), (F32, &[1, 4, 3], STEPS), (F32, &[1, 4, 4], &[0.25, -0.5])],
        types: &[(F32, &[2, 1, 1, 4])],
        write: |pen, x| pen.node("RNN", x).int("hidden_size", 4).string("direction", "reverse"),
    },
    Page {
        row: ("Bernoulli", "does not implement it"),
        given: &[(F32, &[4], &[0.5])],
        types: &[(F32, &[4])],
        write: |pen, x| pen.node("Bernoulli", x).float("seed", 1.0),
    },
    Page {
        row: ("Multinomial", "uses a different random generator"),
        given: &[(F32, &[1, 3], &[0.0])],
        types: &[(I32, &[1, 16])],
        write: |pen, x| pen.node("Multinomial", x).int("sample_size", 16).float("seed", 1.0),
    },
    Page {
        row: ("ReduceSum", "accumulates f16 in f16"),
        // In halves 2048 + 1 is 2048.
        given: &[(F16, &[33, 2], &LARGE_AND_ONES)],
        types: &[(F16, &[1, 2])],
        write: |pen, x| {
            let axes = pen.ints(&[0]);
            pen.node("ReduceSum", &[x[0].clone(), axes])
        },
    },
    Page {
        row: ("Mod", MOD),
        given: CAST,
        types: &[(I64, &[4])],
        write: |pen, x| {
            let (cast, four) = (cast(pen, x), pen.ints(&[4]));
            pen.node("Mod", &[cast, four])
        },
    },
    Page {
        row: ("Mod", MOD),
        given: &[(F32, &[3], STEPS), (F32, &[2, 3], &[0.75, 3.0, -2.0, 0.5, 1.5])],
        types: &[(F32, &[2, 3])],
        write: |pen, x| pen.node("Mod", x).int("fmod", 1),
    },
    Page {
        row: ("Mod", MOD),
        given: &[(I64, &[2], &[-1.0, 7.0]), (F32, &[5], STEPS)],
        types: &[(I64, &[2])],
        write: |pen, x| {
            let length = pen.node("Shape", &x[1..]).write_one(Type::new(I64, vec![crate::Dim::Fixed(1)])).unwrap();
            pen.node("Mod", &[x[0].clone(), length])
        },
    },
    Page {
        row: ("Mish", "loses small values in f16"),
        // ln(1 + e⁻⁷·⁵) is 5.5e-4, and 1 + e⁻⁷·⁵ is 1 in halves.
        given: &[(F16, &[2], &[-7.5, -7.6])],
        types: &[(F16, &[2])],
        write: |pen, x| pen.node("Mish", x),
    },
    Page {
        row: ("Celu", "is wrong in f16"),
        given: &[(F16, &[3], &[-1.0, 0.5, -3.0])],
        types: &[(F16, &[3])],
        write: |pen, x| pen.node("Celu", x).float("alpha", 2.0),
    },
];

impl Page {
    fn model(&self) -> Result<Model> {
        let mut pen = GraphBuilder::new(19);
        let types = |list: &[(DType, &'static [usize])]| {
            list.iter().map(|(dtype, shape)| Type::new(*dtype, Shape::fixed(shape))).collect::<Vec<_>>()
        };
        let given: Vec<_> = self.given.iter().map(|given| (given.0, given.1)).collect();
        let inputs: Vec<Name> = types(&given).iter().map(|ty| pen.input("x", ty)).collect();
        let outputs = (self.write)(&mut pen, &inputs).write(&types(self.types));
        let named: Vec<(String, Name)> = outputs.into_iter().enumerate().map(|(i, name)| (format!("y{i}"), name)).collect();
        pen.finish("main", &inputs, &named)
    }

    fn arrays(&self) -> Vec<Array> {
        let array = |(dtype, shape, numbers): &Given| {
            let count = shape.iter().product();
            Array::new(shape, numbers.iter().copied().cycle().take(count).collect::<Vec<f64>>()).unwrap().cast(*dtype)
        };
        self.given.iter().map(array).collect()
    }
}

impl Session {
    /// The rows that a page needs: operator and reason.
    pub(crate) fn needed() -> impl Iterator<Item = (&'static str, &'static str)> {
        PAGES.iter().map(|page| page.row)
    }

    /// What tract answers where our kernels run for all rows but this one.
    ///
    /// # Errors
    /// Where it fails.
    pub(crate) fn without(model: &Model, row: (&str, &str), inputs: &[Array]) -> Result<Vec<Array>> {
        let rows: Vec<Row> = FALLBACK_TABLE.iter().filter(|other| (other.0, other.2) != row).copied().collect();
        let session = Session::with_rows(model, &Session::builder(), &rows)?;
        let runnable = session.compile(&shapes(inputs))?;
        session.by_tract(&runnable, inputs)
    }
}

fn agree(got: &[Array], expected: &[Array]) -> bool {
    let same =
        |(got, expected): (&Array, &Array)| compare(got, expected, Tolerance::of(expected.dtype())).is_some_and(|found| found.agrees);
    got.len() == expected.len() && got.iter().zip(expected).all(same)
}

#[test]
fn every_page_needs_its_row() {
    let mut idle = Vec::new();
    for page in PAGES {
        let (model, inputs) = (page.model().unwrap(), page.arrays());
        let expected =
            run_fallback(&OnnxModule::new(model.clone()).unwrap(), &inputs).unwrap_or_else(|error| panic!("{:?}: {error}", page.row));
        let session = Session::new(&model).unwrap();
        assert!(
            session.fallbacks().iter().any(|row| (row.0.as_str(), row.1.as_str()) == page.row),
            "{:?} does not apply to its page",
            page.row
        );
        assert!(agree(&session.run(&inputs).unwrap(), &expected), "{:?} is wrong on its own page", page.row);
        if Session::without(&model, page.row, &inputs).is_ok_and(|got| agree(&got, &expected)) {
            idle.push(page.row);
        }
    }
    assert!(idle.is_empty(), "tract does by itself what these rows replace: {idle:?}");
}
