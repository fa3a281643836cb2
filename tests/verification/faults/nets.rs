//! Small networks of every family, each of which can have one fault planted in it.

use ontrace::array::Random;
use ontrace::ops::{Cell, Padding, Recurrent, RecurrentWeights, Reduction, Window, seeded};
use ontrace::tensor::location;
use ontrace::{Array, DType, Dim, DynModule, Example, Outputs, Result, Tensor, cond, while_loop};

/// A network, what it is called with, and the faults that can be planted in it: each is named after its scope.
pub struct Net {
    pub name: &'static str,
    pub example: fn() -> Result<Example>,
    run: fn(&[Tensor], &str) -> Result<Vec<Tensor>>,
    pub faults: &'static [&'static str],
}

/// A network with a fault; none where it is empty.
pub struct Faulty<'a>(pub &'a Net, pub &'a str);

impl DynModule for Faulty<'_> {
    fn forward(&self, inputs: &[Tensor]) -> Result<Outputs> {
        (self.0.run)(inputs, self.1).map(Outputs::from)
    }
}

/// Values that are the same every time.
fn noise(seed: u64, shape: &[usize]) -> Tensor {
    Random::new(seed).array(DType::F32, shape, Random::normal).unwrap().into()
}

fn positive(seed: u64, shape: &[usize]) -> Result<Tensor> {
    noise(seed, shape).abs()?.add(0.5)
}

fn within<T>(scope: &str, run: impl FnOnce() -> Result<T>) -> Result<T> {
    let _here = location::scope(scope);
    run()
}

fn symbolic(inputs: &[(&str, Tensor)], sizes: &[(&str, i64, &str)]) -> Result<Example> {
    let example = inputs.iter().fold(Example::new(), |example, (name, x)| example.input(name, x));
    sizes.iter().try_fold(example, |example, (input, axis, length)| example.symbolic(input, *axis, length))
}

pub const NETS: &[Net] = &[
    Net {
        name: "mlp",
        example: || symbolic(&[("x", noise(1, &[3, 5]))], &[("x", 0, "batch")]),
        run: mlp,
        faults: &["up.dropped_bias", "act.another", "mix.transposed_weights", "mix.wrong_constant", "out.wrong_axis", "out.lost"],
    },
    Net {
        name: "convnet",
        example: || symbolic(&[("x", noise(2, &[2, 4, 9, 8]))], &[("x", 0, "batch")]),
        run: convnet,
        faults: &[
            "conv.off_by_one_pad",
            "conv.swapped_strides",
            "conv.wrong_dilation",
            "conv.wrong_group",
            "conv.dropped_bias",
            "norm.wrong_epsilon",
            "norm.swapped_statistics",
            "pool.mean_for_max",
            "pool.ceil",
            "mean.counts_padding",
            "flat.transposed",
            "flat.baked_batch",
        ],
    },
    Net {
        name: "attention",
        example: || symbolic(&[("x", noise(3, &[2, 5, 8]))], &[("x", 0, "n"), ("x", 1, "t")]),
        run: attention,
        faults: &[
            "scores.swapped_operands",
            "scores.wrong_scale",
            "scores.scale_inverted",
            "mask.inverted",
            "mask.lost",
            "mask.off_by_one",
            "probs.wrong_axis",
            "heads.missing_transpose",
            "merge.missing_transpose",
        ],
    },
    Net {
        name: "block",
        example: || symbolic(&[("x", noise(4, &[2, 3, 8]))], &[("x", 1, "t")]),
        run: block,
        faults: &[
            "norm.wrong_epsilon",
            "norm.no_scale",
            "act.approximate",
            "residual.swapped",
            "residual.stale",
            "rms.wrong_epsilon",
            "groups.wrong",
        ],
    },
    Net {
        name: "recurrent",
        example: || symbolic(&[("x", noise(5, &[4, 2, 3]))], &[("x", 1, "n")]),
        run: recurrent,
        faults: &["lstm.reversed", "lstm.transposed_state", "lstm.swapped_biases", "last.wrong_step", "cell.swapped_gates"],
    },
    Net {
        name: "words",
        example: || {
            let ids = Tensor::from(Array::new(&[2, 5], vec![1i64, 4, 0, 9, 2, 7, 0, 3, 3, 8])?);
            symbolic(&[("ids", ids)], &[("ids", 0, "n"), ("ids", 1, "t")])
        },
        run: words,
        faults: &["look.off_by_one", "mask.wrong_comparison", "pool.sum_for_mean", "pool.max", "count.baked_length"],
    },
    Net {
        name: "index",
        example: || symbolic(&[("x", noise(6, &[4, 6]))], &[("x", 0, "n")]),
        run: index,
        faults: &[
            "cut.off_by_one_end",
            "cut.off_by_one_start",
            "cut.wrong_step",
            "flip.wrong_axis",
            "last.negative_index",
            "join.swapped",
            "take.wrong_index",
            "pad.wrong_side",
            "pad.wrong_number",
            "write.added",
            "write.stale_view",
        ],
    },
    Net {
        name: "reduce",
        example: || symbolic(&[("x", noise(7, &[4, 4]))], &[]),
        run: reduce,
        faults: &[
            "mean.missing_keepdims",
            "mean.wrong_axis",
            "most.min_for_max",
            "most.mean_for_max",
            "spread.wrong_correction",
            "length.wrong_power",
            "best.argmin",
            "top.smallest",
            "top.one_more",
            "order.descending",
            "run.wrong_axis",
            "soft.wrong_axis",
            "spread.reordered_outputs",
            "most.duplicated_output",
        ],
    },
    Net {
        name: "types",
        example: || {
            let x = Tensor::from(&[7i32, 2, 5, 1, 8, 3]);
            symbolic(&[("x", x), ("y", noise(8, &[6])), ("m", Tensor::from(&[true, false, true, true, false, true]))], &[])
        },
        run: types,
        faults: &[
            "divide.truncated",
            "rest.sign_of_dividend",
            "cast.rounded",
            "promote.widened",
            "choose.swapped",
            "compare.ties",
            "logic.or",
            "clamp.wrong_bound",
            "zero.sign",
            "larger.loses_nan",
            "bits.wrong",
        ],
    },
    Net {
        name: "image",
        example: || symbolic(&[("x", noise(9, &[1, 2, 4, 5]))], &[("x", 0, "n")]),
        run: image,
        faults: &["up.corners", "up.nearest", "deconv.wrong_pad", "deconv.dropped_bias", "sum.wrong_equation", "fill.reflect"],
    },
    Net {
        name: "sizes",
        example: || symbolic(&[("x", noise(10, &[4, 4]))], &[("x", 0, "n"), ("x", 1, "m")]),
        run: sizes,
        faults: &["scale.folded", "scale.another_length", "flat.missing_transpose", "steps.folded", "spread.another_length"],
    },
    Net {
        name: "flow",
        example: || symbolic(&[("x", noise(11, &[3]))], &[("x", 0, "n")]),
        run: flow,
        faults: &["branch.swapped", "branch.wrong_constant", "loop.wrong_step", "branch.wrong_condition"],
    },
    Net {
        name: "special",
        example: || symbolic(&[("x", noise(12, &[8])), ("y", noise(13, &[8]))], &[("x", 0, "n"), ("y", 0, "n")]),
        run: special,
        faults: &["power.swapped", "root.no_epsilon", "log.base", "soft.threshold", "hard.smooth", "angle.swapped", "noise.wrong_seed"],
    },
];

fn mlp(x: &[Tensor], fault: &str) -> Result<Vec<Tensor>> {
    let (bias, square) = (noise(21, &[6]), noise(22, &[6, 6]));
    let h = within("up", || x[0].linear(&noise(20, &[6, 5]), (fault != "up.dropped_bias").then_some(&bias)))?;
    let h = within("act", || if fault == "act.another" { h.leaky_relu(0.01) } else { h.relu() })?;
    let h = within("mix", || {
        let square = if fault == "mix.transposed_weights" { square.transpose(0, 1)? } else { square };
        let bias = if fault == "mix.wrong_constant" { bias.add(Tensor::from(&[0f32, 0.0, 0.0, 1e-4, 0.0, 0.0]))? } else { bias };
        h.linear(&square, Some(&bias))
    })?;
    let h = within("out", || match fault {
        "out.wrong_axis" => h.softmax(0),
        "out.lost" => Ok(h.clone()),
        _ => h.softmax(-1),
    })?;
    Ok(vec![within("twice", || h.mul(2.0))?])
}

fn window(strides: [usize; 2], dilations: [usize; 2], begin: [usize; 2], end: [usize; 2]) -> Window {
    Window { strides: strides.into(), dilations: dilations.into(), pads_begin: begin.into(), pads_end: end.into() }
}

fn convnet(x: &[Tensor], fault: &str) -> Result<Vec<Tensor>> {
    let (bias, mean, var) = (noise(31, &[6]), positive(32, &[6])?, positive(33, &[6])?);
    let h = within("conv", || {
        let window = match fault {
            "conv.off_by_one_pad" => window([1, 2], [1, 1], [0, 0], [2, 2]),
            "conv.swapped_strides" => window([2, 1], [1, 1], [1, 1], [1, 1]),
            "conv.wrong_dilation" => window([1, 2], [2, 2], [2, 2], [2, 2]),
            _ => window([1, 2], [1, 1], [1, 1], [1, 1]),
        };
        let bias = (fault != "conv.dropped_bias").then_some(&bias);
        match fault {
            "conv.wrong_group" => x[0].conv(&noise(30, &[6, 4, 3, 3]), bias, window, 1),
            _ => x[0].conv(&noise(30, &[6, 2, 3, 3]), bias, window, 2),
        }
    })?;
    let h = within("norm", || {
        let (mean, var) = if fault == "norm.swapped_statistics" { (&var, &mean) } else { (&mean, &var) };
        h.batch_norm(Some(&bias), Some(&bias), mean, var, if fault == "norm.wrong_epsilon" { 1e-4 } else { 1e-5 })
    })?;
    let side = within("mean", || {
        h.average_pool(&[3, 3], window([2, 2], [1, 1], [1, 1], [1, 1]), false, fault == "mean.counts_padding")?.mean([2, 3], false)
    })?;
    let h = within("pool", || {
        let window = window([2, 2], [1, 1], [0, 0], [0, 0]);
        match fault {
            "pool.mean_for_max" => h.average_pool(&[2, 2], window, false, true),
            "pool.ceil" => h.max_pool(&[2, 2], window, true),
            _ => h.max_pool(&[2, 2], window, false),
        }
    })?;
    let h = within("shrink", || h.adaptive_average_pool([2, 2]))?;
    let h = within("flat", || match fault {
        "flat.transposed" => h.transpose(2, 3)?.reshape(&[x[0].dim(0)?, 24.into()]),
        "flat.baked_batch" => h.reshape(&[x[0].dim(0)?, 24.into()])?.narrow(0, 0, 2),
        _ => h.reshape(&[x[0].dim(0)?, 24.into()]),
    })?;
    Ok(vec![within("head", || h.linear(&noise(34, &[3, 24]), None))?, side])
}

fn attention(x: &[Tensor], fault: &str) -> Result<Vec<Tensor>> {
    let (n, t) = (x[0].dim(0)?, x[0].dim(1)?);
    let heads = |seed: u64, wrong: bool| {
        let h = x[0].linear(&noise(seed, &[8, 8]), None)?;
        match wrong {
            true => h.reshape(&[n.clone(), 2.into(), t.clone(), 4.into()]),
            false => h.reshape(&[n.clone(), t.clone(), 2.into(), 4.into()])?.permute(&[0, 2, 1, 3]),
        }
    };
    let q = within("query", || heads(40, false))?;
    let k = within("key", || heads(41, false))?;
    let v = within("heads", || heads(42, fault == "heads.missing_transpose"))?;
    let scores = within("scores", || {
        let (q, k) = if fault == "scores.swapped_operands" { (&k, &q) } else { (&q, &k) };
        let scores = q.matmul(&k.transpose(2, 3)?)?;
        match fault {
            "scores.wrong_scale" => scores.div(8f64.sqrt()),
            "scores.scale_inverted" => scores.mul(2.0),
            _ => scores.div(2.0),
        }
    })?;
    let scores = within("mask", || {
        let steps = Tensor::arange(0i64, &t, 1i64, DType::I64)?;
        let (row, column) = (steps.unsqueeze(1)?, steps.unsqueeze(0)?);
        let mask = match fault {
            "mask.inverted" => row.gt(&column)?,
            "mask.off_by_one" => row.add(1i64)?.lt(&column)?,
            _ => row.lt(&column)?,
        };
        if fault == "mask.lost" { Ok(scores.clone()) } else { scores.masked_fill(&mask, -1e9) }
    })?;
    let probs = within("probs", || scores.softmax(if fault == "probs.wrong_axis" { -2 } else { -1 }))?;
    let h = within("mix", || probs.matmul(&v))?;
    let h = within("merge", || {
        let h = if fault == "merge.missing_transpose" { h } else { h.permute(&[0, 2, 1, 3])? };
        h.reshape(&[n.clone(), t.clone(), 8.into()])
    })?;
    Ok(vec![within("out", || h.linear(&noise(43, &[8, 8]), None))?])
}

fn block(x: &[Tensor], fault: &str) -> Result<Vec<Tensor>> {
    let (scale, bias) = (positive(50, &[8])?, noise(51, &[8]));
    let h = within("norm", || {
        let epsilon = if fault == "norm.wrong_epsilon" { 1e-6 } else { 1e-5 };
        x[0].layer_norm(&[8.into()], (fault != "norm.no_scale").then_some(&scale), Some(&bias), epsilon)
    })?;
    let h = within("up", || h.linear(&noise(52, &[8, 8]), None))?;
    let h = within("act", || h.gelu(fault == "act.approximate"))?;
    let h = within("residual", || match fault {
        "residual.swapped" => h.sub(&x[0]),
        "residual.stale" => x[0].sub(&x[0]),
        _ => x[0].sub(&h),
    })?;
    let h = within("rms", || h.rms_norm(Some(&scale), if fault == "rms.wrong_epsilon" { 1e-5 } else { 1e-6 }))?;
    let h = within("transpose", || h.transpose(1, 2))?;
    Ok(vec![within("groups", || h.group_norm(if fault == "groups.wrong" { 2 } else { 4 }, None, None, 1e-5))?])
}

fn recurrent(x: &[Tensor], fault: &str) -> Result<Vec<Tensor>> {
    let (state, biases) = (noise(61, &[16, 4]), (noise(62, &[16]), noise(63, &[16])));
    let h = within("lstm", || {
        let state = if fault == "lstm.transposed_state" { state.reshape([4, 4, 4])?.transpose(1, 2)?.reshape([16, 4])? } else { state };
        let biases = if fault == "lstm.swapped_biases" { (biases.0.flip(&[0])?, biases.1) } else { biases };
        let weights = [RecurrentWeights { input: noise(60, &[16, 3]), state, biases: Some(biases) }];
        let op = Recurrent::new(Cell::Lstm { coupled: false }, vec![fault == "lstm.reversed"])?;
        Ok(x[0].recurrent(op, &weights, None, &[])?.swap_remove(0))
    })?;
    let last = within("last", || h.select(0, if fault == "last.wrong_step" { 2 } else { 3 }))?;
    let y = within("cell", || {
        let gates = last.linear(&noise(64, &[8, 4]), None)?;
        let (a, b) = (gates.narrow(-1, 0, 4)?, gates.narrow(-1, 4, 4)?);
        if fault == "cell.swapped_gates" { b.sigmoid()?.mul(a.tanh()?) } else { a.sigmoid()?.mul(b.tanh()?) }
    })?;
    Ok(vec![y])
}

fn words(x: &[Tensor], fault: &str) -> Result<Vec<Tensor>> {
    let h = within("look", || {
        let ids = if fault == "look.off_by_one" { x[0].add(1i64)?.minimum(9i64)? } else { x[0].clone() };
        noise(70, &[10, 4]).embedding(&ids)
    })?;
    let mask = within("mask", || if fault == "mask.wrong_comparison" { x[0].ge(0i64) } else { x[0].gt(0i64) })?;
    let mask = within("mask", || mask.cast(DType::F32)?.unsqueeze(-1))?;
    let h = within("hide", || h.mul(&mask))?;
    let h = within("pool", || match fault {
        "pool.sum_for_mean" => h.sum(1, false),
        "pool.max" => h.amax(1, false),
        _ => h.mean(1, false),
    })?;
    let t = x[0].dim(1)?;
    let h = within("count", || h.mul(&if fault == "count.baked_length" { Dim::from(5) } else { t }))?;
    Ok(vec![h])
}

fn index(x: &[Tensor], fault: &str) -> Result<Vec<Tensor>> {
    let x = &x[0];
    let cut = within("cut", || match fault {
        "cut.off_by_one_end" => x.slice_step(1, 1..5, 2),
        "cut.off_by_one_start" => x.slice_step(1, 0..6, 2),
        "cut.wrong_step" => x.slice(1, 1..4),
        _ => x.slice_step(1, 1..6, 2),
    })?;
    let flipped = within("flip", || cut.flip(&[if fault == "flip.wrong_axis" { 0 } else { 1 }]))?;
    let last = within("last", || x.select(0, if fault == "last.negative_index" { 0 } else { -1 }))?;
    let joined = within("join", || if fault == "join.swapped" { Tensor::cat(&[&flipped, x], 1) } else { Tensor::cat(&[x, &flipped], 1) })?;
    let indices = Tensor::from(&[2i64, 6, if fault == "take.wrong_index" { 0 } else { 7 }]);
    let taken = within("take", || joined.index_select(1, &indices))?;
    let padded = within("pad", || match fault {
        "pad.wrong_side" => taken.pad([0, 1], Padding::Constant(1.0.into())),
        "pad.wrong_number" => taken.pad([1, 0], Padding::Constant(0.0.into())),
        _ => taken.pad([1, 0], Padding::Constant(1.0.into())),
    })?;
    let written = within("write", || {
        let rows = Tensor::full([padded.dim(0)?, 1.into()], 1, DType::I64)?;
        let reduction = if fault == "write.added" { Reduction::Add } else { Reduction::Replace };
        padded.scatter(1, &rows, 7.0, reduction)
    })?;
    let seen = if fault == "write.stale_view" { &padded } else { &written };
    Ok(vec![within("read", || seen.add(1.0))?, last])
}

fn reduce(x: &[Tensor], fault: &str) -> Result<Vec<Tensor>> {
    let x = &x[0];
    let centred = within("mean", || match fault {
        "mean.missing_keepdims" => x.sub(x.mean(1, false)?),
        "mean.wrong_axis" => x.sub(x.mean(0, true)?),
        _ => x.sub(x.mean(1, true)?),
    })?;
    let most = within("most", || match fault {
        "most.min_for_max" => x.amin(1, false),
        "most.mean_for_max" => x.mean(1, false),
        _ => x.amax(1, false),
    })?;
    let spread = within("spread", || x.var(1, if fault == "spread.wrong_correction" { 0.0 } else { 1.0 }, false))?;
    let length = within("length", || x.norm(if fault == "length.wrong_power" { 1.0 } else { 2.0 }, 0, false))?;
    let best = within("best", || if fault == "best.argmin" { x.argmin(Some(1), false) } else { x.argmax(Some(1), false) })?;
    let top = within("top", || Ok(x.topk(if fault == "top.one_more" { 3 } else { 2 }, 1, fault != "top.smallest")?.1))?;
    let order = within("order", || Ok(x.sort(0, fault == "order.descending")?.0))?;
    let run = within("run", || x.cumsum(if fault == "run.wrong_axis" { 0 } else { 1 }))?;
    let soft = within("soft", || x.logsumexp(if fault == "soft.wrong_axis" { 0 } else { 1 }, false))?;
    let (spread, length) = if fault == "spread.reordered_outputs" { (length, spread) } else { (spread, length) };
    let most = if fault == "most.duplicated_output" { soft.clone() } else { most };
    Ok(vec![centred, most, spread, length, best, top, order, run, soft])
}

fn types(x: &[Tensor], fault: &str) -> Result<Vec<Tensor>> {
    let (x, y, m) = (&x[0], &x[1], &x[2]);
    let divided = within("divide", || if fault == "divide.truncated" { x.trunc_divide(3i64) } else { x.floor_divide(3i64) })?;
    let rest = within("rest", || if fault == "rest.sign_of_dividend" { x.fmod(3i64) } else { x.remainder(3i64) })?;
    let whole = within("cast", || {
        let y = y.clamp(Some((-100.0).into()), Some(100.0.into()))?;
        if fault == "cast.rounded" { y.round()?.cast(DType::I32) } else { y.cast(DType::I32) }
    })?;
    let sum = within("promote", || if fault == "promote.widened" { x.cast(DType::F64)?.add(y) } else { x.add(y) })?;
    let chosen = within("choose", || if fault == "choose.swapped" { m.where_(&sum, y) } else { m.where_(y, &sum) })?;
    let below = within("compare", || if fault == "compare.ties" { x.le(3i64) } else { x.lt(3i64) })?;
    let both = within("logic", || if fault == "logic.or" { below.logical_or(m) } else { below.logical_and(m) })?;
    let held = within("clamp", || y.clamp(Some((-1.0).into()), Some(if fault == "clamp.wrong_bound" { 1.5 } else { 1.0 }.into())))?;
    let negated = within("zero", || if fault == "zero.sign" { Tensor::weak(0.0).sub(&held) } else { held.neg() })?;
    let larger =
        within("larger", || if fault == "larger.loses_nan" { y.gt(0.25)?.where_(y, &Tensor::from(&[0.25f32])) } else { y.maximum(0.25) })?;
    let bits = within("bits", || if fault == "bits.wrong" { x.bitwise_or(6i64) } else { x.bitwise_and(6i64) })?;
    Ok(vec![divided, rest, whole, chosen, both, negated, larger, bits])
}

fn image(x: &[Tensor], fault: &str) -> Result<Vec<Tensor>> {
    let up = within("up", || {
        let mode = if fault == "up.nearest" { "nearest" } else { "linear" };
        x[0].upsample(&[7.into(), 9.into()], mode, fault == "up.corners", &[None, None])
    })?;
    let bias = noise(81, &[3]);
    let wide = within("deconv", || {
        let window =
            if fault == "deconv.wrong_pad" { window([2, 2], [1, 1], [0, 0], [2, 2]) } else { window([2, 2], [1, 1], [1, 1], [1, 1]) };
        x[0].conv_transpose(&noise(80, &[2, 3, 3, 3]), (fault != "deconv.dropped_bias").then_some(&bias), window, 1, &[0, 0])
    })?;
    let square = noise(82, &[7, 7]);
    let mixed = within("sum", || {
        let equation = if fault == "sum.wrong_equation" { "nchw,kh->nckw" } else { "nchw,hk->nckw" };
        Tensor::einsum(equation, &[&wide, &square])
    })?;
    let filled = within("fill", || x[0].pad([1, 1], if fault == "fill.reflect" { Padding::Reflect } else { Padding::Edge }))?;
    Ok(vec![up, mixed, filled])
}

fn sizes(x: &[Tensor], fault: &str) -> Result<Vec<Tensor>> {
    let (n, m) = (x[0].dim(0)?, x[0].dim(1)?);
    let scaled = within("scale", || match fault {
        "scale.folded" => x[0].mul(4i64),
        "scale.another_length" => x[0].mul(&m),
        _ => x[0].mul(&n),
    })?;
    let flat = within("flat", || {
        let x = if fault == "flat.missing_transpose" { scaled } else { scaled.transpose(0, 1)? };
        x.reshape([-1])
    })?;
    let steps = within("steps", || {
        let end = if fault == "steps.folded" { Dim::from(4) } else { n.clone() };
        Tensor::arange(0i64, &end, 1i64, DType::F32)?.sum(.., false)
    })?;
    let spread = within("spread", || {
        let rows = if fault == "spread.another_length" { &m } else { &n };
        steps.reshape([1, 1])?.expand(&[rows.clone(), 2.into()])
    })?;
    Ok(vec![flat, spread])
}

fn flow(x: &[Tensor], fault: &str) -> Result<Vec<Tensor>> {
    let x = &x[0];
    let step = if fault == "loop.wrong_step" { 3.0 } else { 2.0 };
    let negated = within("loop", || {
        let below = |x: &Tensor| x.abs()?.amax(.., false)?.lt(50.0);
        while_loop(&below(x)?, vec![x.clone()], |state| {
            // It ends for any number.
            let next = state[0].abs()?.mul(step)?.add(1.0)?;
            Ok((below(&next)?, vec![next]))
        })
    })?;
    let chosen = within("branch", || {
        let sum = x.sum(.., false)?;
        let condition = if fault == "branch.wrong_condition" { sum.lt(0.0)? } else { sum.gt(0.0)? };
        let constant = if fault == "branch.wrong_constant" { 1.5 } else { 1.0 };
        match fault {
            "branch.swapped" => cond(&condition, || Ok(vec![x.sub(1.0)?]), || Ok(vec![x.add(1.0)?])),
            _ => cond(&condition, || Ok(vec![x.add(constant)?]), || Ok(vec![x.sub(1.0)?])),
        }
    })?;
    Ok(vec![negated[0].clone(), chosen[0].clone()])
}

fn special(x: &[Tensor], fault: &str) -> Result<Vec<Tensor>> {
    let (x, y) = (&x[0], &x[1]);
    let power = within("power", || if fault == "power.swapped" { Tensor::weak(2.0).pow(x) } else { x.pow(2.0) })?;
    let root = within("root", || power.add(if fault == "root.no_epsilon" { 0.0 } else { 1e-7 })?.sqrt())?;
    let log = within("log", || {
        let log = y.abs()?.add(1.0)?.log()?;
        if fault == "log.base" { log.div(2f64.ln()) } else { log.div(10f64.ln()) }
    })?;
    let soft = within("soft", || x.softplus(1.0, if fault == "soft.threshold" { 0.5 } else { 20.0 }))?;
    let hard = within("hard", || if fault == "hard.smooth" { x.sigmoid() } else { x.hard_sigmoid() })?;
    let angle = within("angle", || if fault == "angle.swapped" { y.atan2(x) } else { x.atan2(y) })?;
    let sample = || Tensor::rand([x.dim(0)?], DType::F32);
    let noise = within("noise", || if fault == "noise.wrong_seed" { seeded(7, sample) } else { sample() })?;
    Ok(vec![root, log, soft, hard, angle, within("noise", || noise.add(x))?])
}
