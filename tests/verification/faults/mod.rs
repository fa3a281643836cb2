//! How many faults the default check catches, and how often it names the faulty node: planted in the traced graph, in the ONNX model, in the
//! lowering, in the runtime and in its answers.

mod models;
mod nets;

use nets::{Faulty, NETS, Net};
use ontrace::check::Checker;
use ontrace::{DynModule, Outputs, Result, Tensor, Traced, record};

/// What came of one fault.
struct Row {
    fault: String,
    planted: &'static str,
    caught: bool,
    named: bool,
    said: String,
}

impl Row {
    fn new(fault: String, planted: &'static str, location: &str, result: Result<ontrace::check::Report>) -> Row {
        let error = match result {
            Err(error) => error,
            Ok(report) => return Row { fault, planted, caught: false, named: false, said: report.to_string().replace('\n', " | ") },
        };
        let help = error.help_line().unwrap_or_default();
        // The node that is named first, or what the module has instead.
        let named = [format!("({location})"), format!("({location} at")].iter().any(|text| help.contains(text.as_str()));
        Row { fault, planted, caught: true, named, said: format!("{error} · {help}") }
    }
}

/// Whether a fault shows: for some call the two answer differently.
fn is_real(net: &Net, wrong: &dyn DynModule) -> bool {
    let right = Faulty(net, "");
    let example = (net.example)().unwrap();
    let answers = |module: &dyn DynModule, inputs: &[Tensor]| -> Result<Vec<Vec<u8>>> {
        let outputs = ontrace::ops::seeded(0, || module.forward(inputs))?;
        outputs.iter().map(|output| Ok([format!("{}", output.ty()).as_bytes(), &output.to_array()?.to_bytes().unwrap()].concat())).collect()
    };
    let differs = |inputs: Vec<Tensor>| answers(&right, &inputs).is_ok_and(|right| answers(wrong, &inputs).ok() != Some(right));
    let resized = |n: usize| {
        let tensors = example.tensors().into_iter().map(|tensor| {
            let shape: Vec<usize> =
                tensor.shape().iter().enumerate().map(|(axis, dim)| dim.fixed().map_or(n + axis, |fixed| fixed as usize)).collect();
            let array = tensor.to_array().unwrap();
            let last = array.to_f64s().unwrap().last().copied().unwrap_or_default();
            ontrace::Array::full(tensor.dtype(), &shape, last.into()).into()
        });
        tensors.collect::<Vec<Tensor>>()
    };
    let special = |x: f64| {
        let tensors = example.tensors().into_iter().map(|tensor| {
            let shape: Vec<usize> = tensor.shape().example().unwrap();
            ontrace::Array::full(tensor.dtype(), &shape, x.into()).into()
        });
        tensors.collect::<Vec<Tensor>>()
    };
    let plain = example.tensors().iter().map(|tensor| Tensor::from(tensor.to_array().unwrap())).collect();
    differs(plain) || differs(resized(3)) || differs(resized(6)) || [0.0, -4.0, 2.0, f64::NAN].into_iter().any(|x| differs(special(x)))
}

/// A traced graph that says what a faulty network does is compared with the network.
fn in_the_traced_graph(net: &Net, fault: &str) -> Row {
    let (right, wrong) = (Faulty(net, ""), Faulty(net, fault));
    let example = (net.example)().unwrap();
    let traced = record(&wrong, example.clone()).unwrap_or_else(|error| panic!("{} {fault}: {error:?}", net.name));
    assert!(is_real(net, &wrong), "{} {fault} changes no answer", net.name);
    let result = Checker::new(&right, &traced, &example).run();
    Row::new(format!("{} {fault}", net.name), "trace", fault.split('.').next().unwrap(), result)
}

/// A network that is traced wrong each time, though it runs right: the second trace has the fault too.
struct Mistraced<'a>(&'a Net, &'a str);

impl DynModule for Mistraced<'_> {
    fn forward(&self, inputs: &[Tensor]) -> Result<Outputs> {
        Faulty(self.0, if ontrace::tensor::is_tracing() { self.1 } else { "" }).forward(inputs)
    }
}

/// The traced graph of a tracer that makes the same mistake every time.
fn in_the_tracer(net: &Net, fault: &str) -> Row {
    let module = Mistraced(net, fault);
    let example = (net.example)().unwrap();
    let traced = record(&module, example.clone()).unwrap();
    let result = Checker::new(&module, &traced, &example).run();
    Row::new(format!("{} {fault}", net.name), "tracer", fault.split('.').next().unwrap(), result)
}

fn net(name: &str) -> &'static Net {
    NETS.iter().find(|net| net.name == name).unwrap_or_else(|| panic!("no net {name}"))
}

fn traced(net: &Net) -> (Traced, ontrace::Example) {
    let example = (net.example)().unwrap();
    (record(&Faulty(net, ""), example.clone()).unwrap(), example)
}

#[test]
fn no_network_without_a_fault_is_accused() {
    for net in NETS {
        let (traced, example) = traced(net);
        let right = Faulty(net, "");
        let own = Checker::new(&right, &traced, &example).run().unwrap_or_else(|e| panic!("{}: {e:?}", net.name));
        assert!(own.notes.is_empty(), "{}: {:?}", net.name, own.notes);
        let session = traced.session().unwrap();
        Checker::new(&right, &traced, &example).candidate(&session).run().unwrap_or_else(|e| panic!("{} by tract: {e:?}", net.name));
        println!("{} {own}", net.name);
    }
}

#[test]
fn the_default_check_catches_planted_faults_and_names_the_node() {
    let mut rows: Vec<Row> = NETS.iter().flat_map(|net| net.faults.iter().map(move |fault| in_the_traced_graph(net, fault))).collect();
    rows.extend(NETS.iter().flat_map(|net| net.faults.iter().map(move |fault| in_the_tracer(net, fault))));
    rows.extend(models::rows());
    let (count, caught) = (rows.len(), rows.iter().filter(|row| row.caught).count());
    let named = rows.iter().filter(|row| row.named).count();
    for row in &rows {
        let verdict = match (row.caught, row.named) {
            (false, _) => "SURVIVES",
            (true, false) => "unnamed",
            (true, true) => "named",
        };
        println!("{verdict:9} {:9} {:34} {}", row.planted, row.fault, row.said.chars().take(230).collect::<String>());
    }
    println!("{caught} of {count} caught, {named} of these named");
    assert!(count >= 60, "{count} faults");
    assert!(caught * 100 >= count * 95, "{caught} of {count} caught");
    assert!(named * 100 >= caught * 90, "{named} of {caught} named");
}
