//! Structs as arguments and results: their fields are the names in the traced graph.

use super::harness::{check_module, check_sizes, check_trace, f32s, ramp};
use ontrace::{DynModule, ErrorCode, Example, Outputs, Result, Tensor, module, trace};

struct Point {
    x: Tensor,
    y: Tensor,
}
ontrace::tree!(Point { x, y });

fn point(x: f32, y: f32) -> Point {
    Point { x: f32s(&[x]), y: f32s(&[y]) }
}

#[test]
fn t009_a_struct_arrives_with_its_fields() -> Result<()> {
    let f = |p: Point| p.x.square()?.add(p.y.square()?)?.sqrt();
    let traced = check_trace(f, &point(3.0, 4.0), &[point(5.0, 12.0)])?;
    assert_eq!(traced.input_names(), ["x", "y"]);
    assert_eq!(traced.call_tree::<_, Tensor>(&point(8.0, 15.0))?.to_vec::<f32>()?, [17.0]);
    Ok(())
}

struct Arguments {
    first_arg: Tensor,
    second_arg: Point,
}
ontrace::tree!(Arguments { first_arg, second_arg });

#[test]
fn t126_the_names_of_the_arguments_are_those_of_the_file() -> Result<()> {
    let f = |it: Arguments| it.first_arg.add(it.second_arg.x.mul(it.second_arg.y)?);
    let of = |n: f32| Arguments { first_arg: f32s(&[n]), second_arg: point(n + 1.0, n + 2.0) };
    let traced = check_trace(f, &of(1.0), &[of(5.0)])?;
    let names: Vec<String> = traced.to_model()?.proto.graph.unwrap_or_default().input.into_iter().map(|input| input.name).collect();
    assert_eq!(names, ["first_arg", "second_arg.x", "second_arg.y"]);
    let given = [("second_arg.y", &f32s(&[3.0])), ("first_arg", &f32s(&[1.0])), ("second_arg.x", &f32s(&[2.0]))];
    assert_eq!(traced.call_named(&given)?["y"].to_vec::<f32>()?, [7.0]);
    Ok(())
}

/// A module that names its arguments itself.
struct Scaled;

impl DynModule for Scaled {
    fn forward(&self, inputs: &[Tensor]) -> Result<Outputs> {
        Ok(vec![inputs[0].mul(&inputs[1])?].into())
    }

    fn input_names(&self) -> Vec<String> {
        vec!["signal".to_string(), "gain".to_string()]
    }
}

#[test]
fn t128_a_module_names_its_arguments_called_itself_or_through_a_closure() -> Result<()> {
    let (signal, gain) = (ramp(&[3]), f32s(&[2.0]));
    let by_name = Example::new().input("gain", &gain).input("signal", &signal);
    let traced = check_module(&Scaled, by_name, &[(ramp(&[3]), f32s(&[5.0]))])?;
    assert_eq!(traced.declaration().to_string(), "main(signal: f32[3], gain: f32[1]) -> (y: f32[3])");
    let unknown = trace(&Scaled, Example::new().input("volume", &gain).input("signal", &signal)).unwrap_err();
    assert_eq!((unknown.code(), unknown.help_line()), (ErrorCode::Input, Some("the inputs are: signal, gain")));
    let forward = module::from_fn(|(x, k): (Tensor, Tensor)| Scaled.forward(&[x, k])?.into_single());
    let bound =
        check_module(&module::named(forward, &["signal", "gain"], &[]), Example::of(&(signal.clone(), gain)), &[(signal, f32s(&[7.0]))])?;
    assert_eq!(bound.input_names(), ["signal", "gain"]);
    Ok(())
}

#[test]
fn t133_a_function_inside_returns_a_struct_by_whose_fields_it_goes_on() -> Result<()> {
    let halves = |x: &Tensor| -> Result<Point> {
        let half = x.dim(0)? / 2;
        Ok(Point { x: x.slice(0, ..half.clone())?, y: x.slice(0, half..)? })
    };
    let f = |x: Tensor| {
        let halves = halves(&x)?;
        Ok(Point { x: halves.y.sum(.., false)?, y: halves.x.sum(.., false)? })
    };
    let traced = check_sizes(f, &ramp(&[6]), &[ramp(&[4]), ramp(&[7])])?;
    assert_eq!(traced.signature().output_names(), ["x_out", "y"]);
    let Point { x, y } = traced.call_tree(&ramp(&[5]))?;
    assert_eq!((x.to_vec::<f32>()?, y.to_vec::<f32>()?), (vec![9.0], vec![1.0]));
    Ok(())
}
