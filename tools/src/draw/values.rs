//! What is known of the values of a model: their types, the distribution of the constants, the values of attributes.

use ontrace::onnx::proto::attribute_proto::AttributeType;
use ontrace::onnx::proto::{AttributeProto, GraphProto, TensorProto, ValueInfoProto};
use ontrace::onnx::{Model, tensor};
use ontrace::read::{LoadOptions, OnnxModule};
use ontrace::{Array, Example, Result, record};
use std::collections::HashMap;

/// Elements of a list that are shown.
const LISTED: usize = 16;

/// Elements of a constant that its distribution is computed from.
const SAMPLED: usize = 1 << 16;

/// Bars of a histogram.
const BARS: usize = 24;

/// The types of values by name.
#[derive(Default)]
pub struct Types(HashMap<String, String>);

impl Types {
    /// Those that a model declares.
    pub fn declared(model: &Model) -> Types {
        let mut types = Types::default();
        if let Some(graph) = &model.proto.graph {
            types.add(graph, 0);
        }
        types
    }

    fn add(&mut self, graph: &GraphProto, depth: usize) {
        let infos = graph.input.iter().chain(&graph.output).chain(&graph.value_info);
        for info in infos {
            if let Some(ty) = &info.r#type {
                // The names of inner graphs may be those of others: the outer ones come first.
                self.0.entry(info.name.clone()).or_insert_with(|| ty.to_string());
            }
        }
        let inner = graph
            .node
            .iter()
            .flat_map(|node| &node.attribute)
            .flat_map(|attribute| attribute.g.as_deref().into_iter().chain(&attribute.graphs));
        inner.filter(|_| depth < 16).for_each(|graph| self.add(graph, depth + 1));
    }

    /// The type of a value; empty where it is not known.
    pub fn of(&self, name: &str) -> String {
        self.0.get(name).cloned().unwrap_or_default()
    }

    /// Whether some result of a node has no declared type.
    pub fn are_incomplete(&self, model: &Model) -> bool {
        results(model).any(|name| !self.0.contains_key(name))
    }

    /// Adds the types that the shape rules infer from those of the inputs.
    ///
    /// # Errors
    /// Where the model cannot be traced.
    pub fn infer(&mut self, model: &Model, example: &Example) -> Result<()> {
        let missing: Vec<String> = results(model).filter(|name| !self.0.contains_key(*name)).map(str::to_string).collect();
        let mut probe = model.clone();
        if let Some(graph) = &mut probe.proto.graph {
            graph.output = missing.iter().map(|name| ValueInfoProto { name: name.clone(), ..Default::default() }).collect();
        }
        let module: OnnxModule = LoadOptions::new().onnx(probe)?;
        let traced = record(&module, example.clone().shapes_only())?;
        for (name, (_, ty)) in missing.into_iter().zip(traced.outputs()) {
            self.0.insert(name, format!("{}[{}]", ty.dtype, ty.shape.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")));
        }
        Ok(())
    }
}

/// The results of the nodes of a model, those of inner graphs left out.
fn results(model: &Model) -> impl Iterator<Item = &str> {
    let nodes = model.proto.graph.iter().flat_map(|graph| &graph.node);
    nodes.flat_map(|node| &node.output).filter(|name| !name.is_empty()).map(String::as_str)
}

/// A constant of a model.
pub struct Constant {
    /// Its name.
    pub name: String,
    /// Its type, `f32[64,3,7,7]`.
    pub ty: String,
    /// The bytes of its elements.
    pub bytes: u64,
    /// Its elements; `None` for types that there is no array for.
    pub array: Option<Array>,
}

/// The constants of a model by name.
#[derive(Default)]
pub struct Constants {
    all: Vec<Constant>,
    index: HashMap<String, usize>,
}

impl Constants {
    /// The initializers of a model.
    pub fn of(model: &Model) -> Constants {
        let mut constants = Constants::default();
        for (name, array) in &model.initializers {
            let ty = format!("{}{}", array.dtype(), sizes(array.shape()));
            constants.add(name, Constant { name: name.clone(), ty, bytes: array.byte_len() as u64, array: Some(array.clone()) });
        }
        constants
    }

    fn add(&mut self, key: &str, constant: Constant) {
        self.index.insert(key.to_string(), self.all.len());
        self.all.push(constant);
    }

    /// Adds the tensor of an inner graph or of a `Constant` node.
    pub fn add_tensor(&mut self, key: &str, proto: &TensorProto) {
        let array = tensor::array(proto).ok();
        let ty = format!("{}{}", tensor::type_name(proto.data_type), sizes(&proto.dims));
        let bytes = array.as_ref().map_or(proto.raw_data.len(), Array::byte_len) as u64;
        self.add(key, Constant { name: key.to_string(), ty, bytes, array });
    }

    /// The index of a constant.
    pub fn find(&self, key: &str) -> Option<usize> {
        self.index.get(key).copied()
    }

    /// The type of a constant.
    pub fn ty(&self, index: usize) -> String {
        self.all[index].ty.clone()
    }

    /// The bytes of a constant.
    pub fn bytes(&self, index: usize) -> u64 {
        self.all[index].bytes
    }

    /// All of them, by index.
    pub fn all(&self) -> &[Constant] {
        &self.all
    }
}

fn sizes<T: ToString>(sizes: &[T]) -> String {
    format!("[{}]", sizes.iter().map(T::to_string).collect::<Vec<_>>().join(","))
}

/// The distribution of the elements of a constant.
pub struct Distribution {
    /// The elements it was computed from: all, or every so many.
    pub sampled: usize,
    /// All elements.
    pub elements: usize,
    /// The smallest, the largest, the mean and the standard deviation of those that are finite.
    pub range: [f64; 4],
    /// How many are not finite.
    pub not_finite: usize,
    /// How many lie in each of the equal parts of the range.
    pub bars: Vec<usize>,
    /// The elements, where they are few.
    pub values: Option<String>,
}

impl Distribution {
    /// That of an array; `None` for types whose elements are no numbers.
    pub fn of(array: &Array) -> Option<Distribution> {
        let elements = array.len();
        let step = elements.div_ceil(SAMPLED).max(1);
        let sample = match step {
            1 => array.clone(),
            step => array.reshape(&[elements]).and_then(|flat| flat.slice(0, 0, elements.div_ceil(step), step as isize)).ok()?,
        };
        let sampled_values = sample.to_f64s().ok()?;
        let finite: Vec<f64> = sampled_values.iter().copied().filter(|x| x.is_finite()).collect();
        let (low, high) = finite.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &x| (low.min(x), high.max(x)));
        let mean = finite.iter().sum::<f64>() / finite.len() as f64;
        let deviation = (finite.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / finite.len() as f64).sqrt();
        let mut bars = vec![0; if low < high { BARS } else { 0 }];
        for x in finite.iter().filter(|_| low < high) {
            // The range may be larger than any float: halves of it are not.
            let share = (x / 2.0 - low / 2.0) / (high / 2.0 - low / 2.0);
            bars[((share * BARS as f64) as usize).min(BARS - 1)] += 1;
        }
        let values = (elements <= LISTED).then(|| array.to_string());
        let not_finite = sampled_values.len() - finite.len();
        Some(Distribution { sampled: sampled_values.len(), elements, range: [low, high, mean, deviation], not_finite, bars, values })
    }
}

/// The value of an attribute as text; long lists are shortened.
pub fn attribute_value(attribute: &AttributeProto) -> String {
    if !attribute.ref_attr_name.is_empty() {
        return format!("that of the call, `{}`", attribute.ref_attr_name);
    }
    let elements = |proto: &TensorProto| match tensor::array(proto) {
        Ok(array) if array.len() <= LISTED => array.to_string(),
        _ => format!("{}{}", tensor::type_name(proto.data_type), sizes(&proto.dims)),
    };
    let string = |bytes: &[u8]| match std::str::from_utf8(bytes) {
        Ok(text) => format!("\"{text}\""),
        Err(_) => format!("{} bytes", bytes.len()),
    };
    match attribute.r#type() {
        AttributeType::Float => attribute.f.to_string(),
        AttributeType::Int => attribute.i.to_string(),
        AttributeType::String => string(&attribute.s),
        AttributeType::Floats => list(&attribute.floats, f32::to_string),
        AttributeType::Ints => list(&attribute.ints, i64::to_string),
        AttributeType::Strings => list(&attribute.strings, |s| string(s)),
        AttributeType::Tensor => attribute.t.as_deref().map_or_else(|| "?".to_string(), elements),
        AttributeType::Tensors => list(&attribute.tensors, elements),
        AttributeType::TypeProto => attribute.tp.as_deref().map_or_else(|| "?".to_string(), ToString::to_string),
        AttributeType::TypeProtos => list(&attribute.type_protos, ToString::to_string),
        AttributeType::SparseTensor | AttributeType::SparseTensors => "sparse".to_string(),
        AttributeType::Graph | AttributeType::Graphs => "a graph".to_string(),
        AttributeType::Undefined => "?".to_string(),
    }
}

fn list<T>(items: &[T], show: impl Fn(&T) -> String) -> String {
    let shown: Vec<String> = items.iter().take(LISTED).map(show).collect();
    let rest = if items.len() > LISTED { format!(", … {} in all", items.len()) } else { String::new() };
    format!("[{}{rest}]", shown.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_distribution_counts_every_element_once() {
        let array = Array::vector(vec![0.0f32, 1.0, 1.0, 2.0, f32::NAN]);
        let distribution = Distribution::of(&array).unwrap();
        assert_eq!((distribution.range, distribution.not_finite), ([0.0, 2.0, 1.0, 0.5f64.sqrt()], 1));
        assert_eq!((distribution.bars.iter().sum::<usize>(), distribution.bars[12], distribution.elements), (4, 2, 5));
    }

    #[test]
    fn the_distribution_of_many_elements_is_that_of_a_sample() {
        let distribution = Distribution::of(&Array::vector((0..200_000).map(|i| i as f32).collect())).unwrap();
        assert_eq!((distribution.elements, distribution.sampled, distribution.range[0]), (200_000, 50_000, 0.0));
        let whole = Distribution::of(&Array::vector(vec![f32::MIN, f32::MAX])).unwrap();
        assert_eq!(whole.bars.iter().sum::<usize>(), 2);
    }
}
