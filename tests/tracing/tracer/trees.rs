//! Tuples, lists, maps and options of tensors, in and out.

use super::harness::{check_module, check_sizes, check_trace, f32s, ramp};
use ontrace::trace::Diagnostic;
use ontrace::tree::DynTree;
use ontrace::{DType, DynModule, ErrorCode, Example, Result, Static, Tensor, Traced, Tree, module};
use std::collections::BTreeMap;
use std::marker::PhantomData;

type Map = BTreeMap<String, Tensor>;

fn map<K: Ord + Clone, T: Clone>(members: &[(K, T)]) -> BTreeMap<K, T> {
    members.iter().cloned().collect()
}

/// A map of two vectors of one number.
fn xy(x: f32, y: f32) -> Map {
    map(&[("x".to_string(), f32s(&[x])), ("y".to_string(), f32s(&[y]))])
}

#[test]
fn t004_a_tuple_of_lists_of_tensors_is_checked_like_any_input() -> Result<()> {
    let f = |(x, pair): (Tensor, Vec<Tensor>)| x.add(&pair[0])?.add(&pair[1]);
    let of = |n: f32| (f32s(&[n]), vec![f32s(&[n * 10.0]), f32s(&[n * 100.0])]);
    let traced = check_trace(f, &of(1.0), &[of(2.0)])?;
    assert_eq!(traced.call_tree::<_, Tensor>(&of(3.0))?.to_vec::<f32>()?, [333.0]);
    Ok(())
}

#[test]
fn t007_a_tuple_of_one_stays_a_tuple() -> Result<()> {
    let traced = check_trace(|x: Tensor| Ok((x.mul(2)?,)), &f32s(&[1.0]), &[f32s(&[2.0])])?;
    let (y,): (Tensor,) = traced.call_tree(&f32s(&[4.0]))?;
    assert_eq!(y.to_vec::<f32>()?, [8.0]);
    assert_eq!(traced.call_tree::<_, Tensor>(&f32s(&[4.0])).unwrap_err().code(), ErrorCode::Input);
    Ok(())
}

#[test]
fn t008_an_operation_of_two_results_gives_both() -> Result<()> {
    let f = |x: Tensor| x.max_along(1, false);
    let traced = check_trace(f, &ramp(&[2, 3]), &[ramp(&[2, 3]).neg()?])?;
    let (values, positions): (Tensor, Tensor) = traced.call_tree(&ramp(&[2, 3]).neg()?)?;
    assert_eq!((values.to_vec::<f32>()?, positions.to_vec::<i64>()?), (vec![0.0, -3.0], vec![0, 0]));
    Ok(())
}

#[test]
fn t034_nested_tuples_come_out_nested() -> Result<()> {
    let f = |x: Tensor| Ok((x.mul(2)?, (x.mul(3)?, x.mul(4)?)));
    let traced = check_trace(f, &f32s(&[1.0]), &[f32s(&[2.0])])?;
    assert_eq!(traced.signature().outputs().to_string(), "(Tensor, (Tensor, Tensor))");
    let (a, (b, c)): (Tensor, (Tensor, Tensor)) = traced.call_tree(&f32s(&[10.0]))?;
    assert_eq!([a, b, c].map(|y| y.to_vec::<f32>()).into_iter().collect::<Result<Vec<_>>>()?, [[20.0], [30.0], [40.0]]);
    Ok(())
}

#[test]
fn t038_three_levels_of_tuples_come_out_as_they_are() -> Result<()> {
    type Deep = (((Tensor, Tensor), Tensor), (Tensor, (Tensor,)));
    let f = |x: Tensor| Ok((((x.mul(2)?, x.mul(3)?), x.mul(4)?), (x.mul(5)?, (x.mul(6)?,))));
    let traced = check_trace(f, &f32s(&[1.0]), &[f32s(&[2.0])])?;
    let (((a, _), c), (_, (e,))): Deep = traced.call_tree(&f32s(&[10.0]))?;
    assert_eq!([a, c, e].map(|y| y.to_vec::<f32>()).into_iter().collect::<Result<Vec<_>>>()?, [[20.0], [40.0], [60.0]]);
    Ok(())
}

#[test]
fn t039_tuples_that_come_in_are_inputs_named_by_their_path() -> Result<()> {
    let f = |(t, (u, v)): (Tensor, (Tensor, Tensor))| t.mul(u)?.mul(v);
    let of = |n: f32| (f32s(&[n]), (f32s(&[n + 1.0]), f32s(&[n + 2.0])));
    let traced = check_trace(f, &of(1.0), &[of(5.0)])?;
    assert_eq!(traced.input_names(), ["x_0", "x_1.0", "x_1.1"]);
    assert_eq!(traced.call_tree::<_, Tensor>(&of(2.0))?.to_vec::<f32>()?, [24.0]);
    Ok(())
}

#[test]
fn t040_an_empty_map_is_no_input() -> Result<()> {
    let traced = check_trace(|_: Map| Ok(f32s(&[1.0])), &Map::new(), &[Map::new()])?;
    assert_eq!((traced.inputs().len(), traced.signature().inputs().to_string()), (0, "{}".to_string()));
    assert_eq!(traced.call_tree::<_, Tensor>(&xy(1.0, 2.0)).unwrap_err().code(), ErrorCode::Input);
    Ok(())
}

#[test]
fn t041_a_map_remembers_its_keys() -> Result<()> {
    let traced = check_trace(|it: Map| Ok(it["x"].clone()), &xy(1.0, 2.0), &[xy(3.0, 4.0)])?;
    assert_eq!(traced.call_tree::<_, Tensor>(&xy(7.0, 0.0))?.to_vec::<f32>()?, [7.0]);
    let mut less = xy(1.0, 2.0);
    less.remove("x");
    let error = traced.call_tree::<_, Tensor>(&less).unwrap_err();
    assert!(error.code() == ErrorCode::Input && error.message().contains("`x` is missing"), "{error}");
    let mut more = xy(1.0, 2.0);
    more.insert("z".to_string(), f32s(&[0.0]));
    let error = traced.call_tree::<_, Tensor>(&more).unwrap_err();
    assert!(error.code() == ErrorCode::Input && error.message().contains("there is no `z`; the names are: x, y"), "{error}");
    Ok(())
}

#[test]
fn t042_the_order_in_which_a_map_was_filled_does_not_matter() -> Result<()> {
    let f = |it: Map| it["x"].sub(&it["y"]);
    let traced = check_trace(f, &xy(5.0, 1.0), &[xy(1.0, 5.0)])?;
    let transposed: Map = [("y".to_string(), f32s(&[2.0])), ("x".to_string(), f32s(&[9.0]))].into_iter().collect();
    assert_eq!(traced.call_tree::<_, Tensor>(&transposed)?.to_vec::<f32>()?, [7.0]);
    // A tree that is known at run time only may have its own order.
    let nest = DynTree::Map(vec![("x".to_string(), DynTree::Tensor(f32s(&[9.0]))), ("y".to_string(), DynTree::Tensor(f32s(&[2.0])))]);
    assert_eq!(traced.call_tree::<_, Tensor>(&nest)?.to_vec::<f32>()?, [7.0]);
    Ok(())
}

#[test]
fn t043_a_map_of_maps_with_values_for_keys() -> Result<()> {
    type Deep = BTreeMap<String, BTreeMap<i64, Tensor>>;
    let of = |n: f32| -> Deep { map(&[("x".to_string(), map(&[(10, f32s(&[n])), (9, f32s(&[n * 10.0]))]))]) };
    let traced = check_trace(|it: Deep| it["x"][&10].add(&it["x"][&9]), &of(1.0), &[of(2.0)])?;
    assert_eq!(traced.input_names(), ["x.9", "x.10"]);
    assert_eq!(traced.call_tree::<_, Tensor>(&of(3.0))?.to_vec::<f32>()?, [33.0]);
    Ok(())
}

#[test]
fn t044_what_the_program_replaces_in_a_map_stays_as_it_is_with_the_caller() -> Result<()> {
    let f = |mut it: Map| {
        let new = it["x"].tanh()?;
        it.insert("x".to_string(), new);
        Ok((it["x"].add(&it["y"])?, it))
    };
    let given = xy(0.5, 1.0);
    let traced = check_trace(f, &given, &[xy(-0.5, 2.0)])?;
    let (sum, after): (Tensor, Map) = traced.call_tree(&given)?;
    assert_eq!(given["x"].to_vec::<f32>()?, [0.5]);
    assert!((after["x"].to_vec::<f32>()?[0] - 0.5f32.tanh()).abs() < 1e-6);
    assert!((sum.to_vec::<f32>()?[0] - (0.5f32.tanh() + 1.0)).abs() < 1e-6);
    Ok(())
}

#[test]
fn t045_a_map_holds_tensors_of_several_dtypes() -> Result<()> {
    let of = |x: f32, y: i32| -> Map { map(&[("x".to_string(), f32s(&[x])), ("y".to_string(), Tensor::from(&[y]))]) };
    let traced = check_trace(|it: Map| it["x"].add(&it["y"]), &of(1.5, 2), &[of(0.5, 7)])?;
    let dtypes: Vec<DType> = traced.inputs().into_iter().map(|input| input.1.dtype).collect();
    assert_eq!(dtypes, [DType::F32, DType::I32]);
    assert_eq!(traced.call_tree::<_, Tensor>(&of(0.25, 3))?.to_vec::<f32>()?, [3.25]);
    Ok(())
}

#[test]
fn t046_what_is_not_used_of_a_tuple_of_maps_is_said_and_stays() -> Result<()> {
    type Deep = (BTreeMap<String, Map>,);
    let of = |n: f32| -> Deep { (map(&[("a".to_string(), xy(n, n + 1.0)), ("b".to_string(), xy(n + 2.0, n + 3.0))]),) };
    let traced = check_trace(|(it,): Deep| it["a"]["x"].add(&it["b"]["y"]), &of(0.0), &[of(10.0)])?;
    let unused = |name: &str| Diagnostic::UnusedInput(name.to_string());
    assert_eq!(traced.notes(), [unused("x_0.a.y"), unused("x_0.b.x")]);
    assert_eq!((traced.inputs().len(), traced.call_tree::<_, Tensor>(&of(1.0))?.to_vec::<f32>()?), (4, vec![5.0]));
    Ok(())
}

#[test]
fn t047_members_of_maps_of_maps_have_sizes_in_common() -> Result<()> {
    type Deep = BTreeMap<String, Map>;
    let of = |n: usize| -> Deep {
        let pair = |scale: f32| map(&[("x".to_string(), ramp(&[n]).mul(scale).unwrap()), ("y".to_string(), ramp(&[n]))]);
        map(&[("nested_dict".to_string(), pair(2.0)), ("other".to_string(), pair(3.0))])
    };
    let f = |it: Deep| it["nested_dict"]["x"].add(&it["nested_dict"]["y"])?.add(&it["other"]["x"]);
    let traced = check_sizes(f, &of(3), &[of(5)])?;
    assert_eq!(traced.call_tree::<_, Tensor>(&of(2))?.to_vec::<f32>()?, [0.0, 6.0]);
    Ok(())
}

#[test]
fn t048_a_map_of_lists() -> Result<()> {
    type Deep = BTreeMap<String, Vec<Tensor>>;
    let of = |n: f32| -> Deep { map(&[("x".to_string(), vec![f32s(&[n]), f32s(&[n + 1.0])])]) };
    let traced = check_trace(|it: Deep| it["x"][0].mul(&it["x"][1]), &of(1.0), &[of(2.0)])?;
    assert_eq!(traced.call_tree::<_, Tensor>(&of(6.0))?.to_vec::<f32>()?, [42.0]);
    Ok(())
}

#[test]
fn t051_a_list_of_tuples_is_one_argument() -> Result<()> {
    type Pairs = Vec<(Tensor, Tensor)>;
    let of = |n: f32| -> Pairs { vec![(f32s(&[n]), f32s(&[n])), (f32s(&[n + 1.0]), f32s(&[n + 1.0]))] };
    let traced = check_trace(|it: Pairs| it[0].0.mul(&it[1].1), &of(1.0), &[of(2.0)])?;
    assert_eq!(traced.call_tree::<_, Tensor>(&of(4.0))?.to_vec::<f32>()?, [20.0]);
    let mut three = of(4.0);
    three.push((f32s(&[0.0]), f32s(&[0.0])));
    assert!(traced.call_tree::<_, Tensor>(&three).unwrap_err().message().contains("expected 2 members, got 3"));
    Ok(())
}

#[test]
fn t052_a_map_with_an_empty_list_has_no_tensors() -> Result<()> {
    type Deep = BTreeMap<String, Vec<Tensor>>;
    let empty = || -> Deep { map(&[("x".to_string(), vec![])]) };
    let traced = check_trace(|it: Deep| Ok(f32s(&[it["x"].len() as f32])), &empty(), &[empty()])?;
    assert_eq!(traced.signature().inputs().to_string(), "{x: []}");
    Ok(())
}

#[test]
fn t080_a_map_that_is_returned_names_the_outputs() -> Result<()> {
    let f = |x: Tensor| Ok(map(&[("sum".to_string(), x.add(1)?), ("double".to_string(), x.mul(2)?)]));
    let traced = check_trace(f, &f32s(&[1.0]), &[f32s(&[2.0])])?;
    assert_eq!(traced.signature().output_names(), ["double", "sum"]);
    let out: Map = traced.call_tree(&f32s(&[5.0]))?;
    assert_eq!((out["sum"].to_vec::<f32>()?, out["double"].to_vec::<f32>()?), (vec![6.0], vec![10.0]));
    Ok(())
}

#[test]
fn t081_a_list_of_tensors_is_returned() -> Result<()> {
    let f = |x: Tensor| Ok(vec![x.add(1)?, x.add(2)?]);
    let traced = check_trace(f, &f32s(&[1.0]), &[f32s(&[2.0])])?;
    let out: Vec<Tensor> = traced.call_tree(&f32s(&[5.0]))?;
    assert_eq!(out.iter().map(Tensor::to_vec::<f32>).collect::<Result<Vec<_>>>()?, [[6.0], [7.0]]);
    Ok(())
}

/// Whether a type is a [`Tree`], asked where it need not be one.
struct Probe<T>(PhantomData<T>);

impl<T: Tree> Probe<T> {
    const IS_TREE: bool = true;
}

trait NoTree {
    const IS_TREE: bool = false;
}

impl<T> NoTree for Probe<T> {}

#[test]
fn t082_a_list_of_values_is_no_output_but_one_of_static_values_is() -> Result<()> {
    const { assert!(!Probe::<Vec<i64>>::IS_TREE && Probe::<Vec<Static<i64>>>::IS_TREE) };
    let f = |x: Tensor| Ok((x.add(1)?, vec![Static(1i64), Static(5)]));
    let traced = check_trace(f, &f32s(&[1.0]), &[])?;
    let (_, fixed): (Tensor, Vec<Static<i64>>) = traced.call_tree(&f32s(&[1.0]))?;
    assert_eq!((fixed, traced.outputs().len()), (vec![Static(1), Static(5)], 1));
    Ok(())
}

#[test]
fn t083_a_list_of_lists_is_returned() -> Result<()> {
    let f = |x: Tensor| Ok(vec![vec![x.add(1)?], vec![x.add(2)?, x.add(3)?]]);
    let traced = check_trace(f, &f32s(&[1.0]), &[f32s(&[2.0])])?;
    let out: Vec<Vec<Tensor>> = traced.call_tree(&f32s(&[5.0]))?;
    assert_eq!((out[0].len(), out[1].len(), out[1][1].to_vec::<f32>()?), (1, 2, vec![8.0]));
    Ok(())
}

#[test]
fn t096_an_argument_that_may_be_absent() -> Result<()> {
    let f = |(x, bias): (Tensor, Option<Tensor>)| bias.map_or(Ok(x.clone()), |bias| x.add(bias));
    let without = check_trace(f, &(f32s(&[1.0]), None), &[(f32s(&[2.0]), None)])?;
    let with = check_trace(f, &(f32s(&[1.0]), Some(f32s(&[10.0]))), &[(f32s(&[2.0]), Some(f32s(&[20.0])))])?;
    assert_eq!((without.inputs().len(), with.inputs().len()), (1, 2));
    assert_eq!(with.call_tree::<_, Tensor>(&(f32s(&[3.0]), Some(f32s(&[4.0]))))?.to_vec::<f32>()?, [7.0]);
    assert_eq!(with.call_tree::<_, Tensor>(&(f32s(&[3.0]), None::<Tensor>)).unwrap_err().code(), ErrorCode::Input);
    Ok(())
}

#[test]
fn t097_nested_lists_inside_leave_no_trace() -> Result<()> {
    let rows = |x: &Tensor| -> Result<Vec<Vec<Tensor>>> { Ok(vec![vec![x.add(1)?], vec![x.mul(2)?, x.clone()]]) };
    let f = |x: Tensor| {
        let rows = rows(&x)?;
        rows[0][0].add(&rows[1][0])?.add(&rows[1][1])
    };
    let traced = check_trace(f, &f32s(&[1.0]), &[f32s(&[2.0])])?;
    assert_eq!((traced.graph().nodes().len(), traced.call(&f32s(&[3.0]))?.to_vec::<f32>()?), (4, vec![13.0]));
    Ok(())
}

#[test]
fn t123_a_number_is_no_input_but_a_static_one_is_part_of_the_signature() -> Result<()> {
    const { assert!(!Probe::<i64>::IS_TREE && !Probe::<(Tensor, i64)>::IS_TREE && Probe::<(Tensor, Static<i64>)>::IS_TREE) };
    let f = |(x, n): (Tensor, Static<i64>)| x.mul(*n);
    let traced = check_trace(f, &(f32s(&[2.0]), Static(3)), &[(f32s(&[5.0]), Static(3))])?;
    assert_eq!((traced.inputs().len(), traced.signature().inputs().to_string()), (1, "(Tensor, Static(3))".to_string()));
    let error = traced.call_tree::<_, Tensor>(&(f32s(&[2.0]), Static(4))).unwrap_err();
    assert!(error.message().contains("traced with the value 3, got 4"), "{error}");
    Ok(())
}

#[test]
fn t147_a_map_of_lists_is_built_anew_and_walked() -> Result<()> {
    type Deep = BTreeMap<String, Vec<Tensor>>;
    let total = |it: &Deep| it.values().flatten().try_fold(f32s(&[0.0]), |sum, x| sum.add(x));
    let f = |it: Deep| total(&it.into_iter().map(|(key, list)| (key + "_new", list.into_iter().rev().collect())).collect());
    let of = |n: f32| -> Deep { map(&[("a".to_string(), vec![f32s(&[n]), f32s(&[2.0 * n])]), ("b".to_string(), vec![f32s(&[3.0 * n])])]) };
    let traced = check_trace(f, &of(1.0), &[of(2.0)])?;
    assert_eq!(traced.call_tree::<_, Tensor>(&of(10.0))?.to_vec::<f32>()?, [60.0]);
    Ok(())
}

#[test]
fn t149_a_map_of_tuples_is_returned_with_values_as_static_values() -> Result<()> {
    type Out = BTreeMap<String, (Tensor, Static<i64>)>;
    let f = |x: Tensor| -> Result<Out> { Ok(map(&[("a".to_string(), (x.add(1)?, Static(7))), ("b".to_string(), (x.mul(2)?, Static(8)))])) };
    let traced = check_trace(f, &f32s(&[1.0]), &[f32s(&[2.0])])?;
    let out: Out = traced.call_tree(&f32s(&[5.0]))?;
    assert_eq!((out["b"].0.to_vec::<f32>()?, out["b"].1), (vec![10.0], Static(8)));
    Ok(())
}

#[test]
fn t130_a_tuple_among_named_inputs_is_called_by_name() -> Result<()> {
    let f = |(x, (a, b)): (Tensor, (Tensor, Tensor))| x.add(a.mul(b)?);
    let of = |n: f32| (f32s(&[n]), (f32s(&[n * 2.0]), f32s(&[n * 3.0])));
    let named = module::named(module::from_fn(f), &["x", "pair.0", "pair.1"], &["sum"]);
    let traced: Traced = check_module(&named, Example::of(&of(1.0)), &[of(2.0)])?;
    let given = [("pair.1", &f32s(&[3.0])), ("x", &f32s(&[1.0])), ("pair.0", &f32s(&[2.0]))];
    assert_eq!(traced.call_named(&given)?["sum"].to_vec::<f32>()?, [7.0]);
    let error = traced.call_named(&given[..2]).unwrap_err();
    assert_eq!((error.code(), error.message()), (ErrorCode::Input, "the input `pair.0` is missing"));
    Ok(())
}
