//! What was saved is what was traced, to the bit.

use super::harness::{check_module, f32s, normal, ramp};
use ontrace::nn::{Activation, Linear, Sequential, Weights};
use ontrace::{DType, DynModule, Example, Result, Tensor, Traced, record, trace, trace_fn};

fn network() -> Result<Sequential> {
    let weights = Weights::seeded(7);
    Ok(Sequential::new().push(Linear::new(&weights.at(0), 16, 32)?).push(Activation::Tanh).push(Linear::new(&weights.at(2), 32, 8)?))
}

#[test]
fn t070_the_order_of_floating_point_operations_survives_the_file() -> Result<()> {
    // ((a + b) + c) + d of values for which every other order gives another sum.
    let f = |(a, b, c, d): (Tensor, Tensor, Tensor, Tensor)| a.add(b)?.add(c)?.add(d);
    let values = [1e8f32, 1.0, -1e8, 0.25].map(|n| f32s(&[n]));
    let [a, b, c, d] = values.clone();
    let traced = trace_fn(f, &(a, b, c, d))?;
    let loaded = Traced::from_model(ontrace::onnx::Model::load(traced.to_bytes()?.into(), None)?)?;
    assert_eq!(loaded.forward(&values)?[0].to_vec::<f32>()?, [0.25]);
    let x = normal(1, &[64, 16]);
    let network = record(&network()?, &x)?;
    let loaded = Traced::from_model(network.to_model()?)?;
    let bits = |y: Tensor| -> Result<Vec<u32>> { Ok(y.to_vec::<f32>()?.into_iter().map(f32::to_bits).collect()) };
    assert_eq!(bits(loaded.call(&x)?)?, bits(network.call(&x)?)?);
    Ok(())
}

#[test]
fn t088_a_traced_graph_is_saved_loaded_and_called() -> Result<()> {
    let network = network()?;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("network.onnx");
    let example = Example::of(&normal(1, &[2, 16])).symbolic("x", 0, "batch")?;
    let traced = trace(&network, example.clone())?.with_extra("author", "nobody")?;
    traced.save(&path)?;
    let loaded = Traced::load(&path)?;
    assert_eq!((loaded.extra(), loaded.verdict()), (traced.extra(), traced.verdict()));
    assert_eq!(loaded.parameters().iter().map(|it| it.0).collect::<Vec<_>>(), ["0.weight", "0.bias", "2.weight", "2.bias"]);
    check_module(&loaded, example, &[normal(2, &[5, 16])])?;
    Ok(())
}

#[test]
fn t090_a_loaded_traced_graph_is_copied_saved_and_loaded_again() -> Result<()> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (first, second) = (folder.path().join("first.onnx"), folder.path().join("second.onnx"));
    trace(&network()?, &normal(1, &[2, 16]))?.save(&first)?;
    let loaded = Traced::load(&first)?;
    let copy = loaded.clone();
    drop(loaded);
    copy.save(&second)?;
    let again = Traced::load(&second)?;
    let x = ramp(&[2, 16]).cast(DType::F32)?.div(32)?;
    assert_eq!(again.call(&x)?.to_vec::<f32>()?, copy.call(&x)?.to_vec::<f32>()?);
    assert_eq!(copy.to_model()?.graph_hash(), again.to_model()?.graph_hash());
    Ok(())
}
