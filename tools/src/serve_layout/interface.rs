//! The inputs and outputs of an ONNX file as a server declares them.

use ontrace::onnx::Model;
use ontrace::onnx::proto::tensor_proto::DataType;
use ontrace::onnx::proto::tensor_shape_proto::dimension::Value;
use ontrace::onnx::proto::{ValueInfoProto, type_proto};
use ontrace::{Error, Result, Traced};
use std::collections::BTreeMap;
use std::path::Path;

/// The size of an axis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Size {
    /// The same at every call.
    Fixed(i64),
    /// A symbol, or an expression of symbols.
    Named(String),
    /// Any; nothing is known of it.
    Any,
}

/// An input or output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// Its name.
    pub name: String,
    /// The element type in Triton's spelling: `TYPE_FP32`.
    pub ty: &'static str,
    /// The sizes.
    pub sizes: Vec<Size>,
}

/// What a model takes and gives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interface {
    /// The inputs without a default.
    pub inputs: Vec<Port>,
    /// The outputs.
    pub outputs: Vec<Port>,
    /// The greatest size of each symbol, where there is one.
    pub limits: BTreeMap<String, u32>,
}

/// Triton's element types: <https://github.com/triton-inference-server/server/blob/main/docs/user_guide/model_configuration.md#datatypes>.
const TYPES: &[(DataType, &str)] = &[
    (DataType::Bool, "TYPE_BOOL"),
    (DataType::Uint8, "TYPE_UINT8"),
    (DataType::Uint16, "TYPE_UINT16"),
    (DataType::Uint32, "TYPE_UINT32"),
    (DataType::Uint64, "TYPE_UINT64"),
    (DataType::Int8, "TYPE_INT8"),
    (DataType::Int16, "TYPE_INT16"),
    (DataType::Int32, "TYPE_INT32"),
    (DataType::Int64, "TYPE_INT64"),
    (DataType::Float16, "TYPE_FP16"),
    (DataType::Float, "TYPE_FP32"),
    (DataType::Double, "TYPE_FP64"),
    (DataType::String, "TYPE_STRING"),
    (DataType::Bfloat16, "TYPE_BF16"),
];

impl Interface {
    /// The interface of a file.
    ///
    /// # Errors
    /// Where an input or output is no tensor, or has elements that the server has no type for.
    pub fn of(file: &Path) -> Result<Interface> {
        let model = Model::open(file)?;
        let graph = model.proto.graph.clone().unwrap_or_default();
        let has_default = |info: &&ValueInfoProto| {
            model.initializer(&info.name).is_some() || graph.initializer.iter().any(|initializer| initializer.name == info.name)
        };
        // What the file leaves open of its outputs, a trace may know.
        let is_open = graph.output.iter().any(|info| port(info).is_ok_and(|port| port.1));
        let traced = Traced::from_model(model.clone()).ok();
        let inferred: BTreeMap<String, Vec<Size>> = match &traced {
            Some(traced) if is_open => traced.outputs().into_iter().map(|(name, ty)| (name, ty.shape.iter().map(size).collect())).collect(),
            _ => BTreeMap::new(),
        };
        let output = |info: &ValueInfoProto| {
            let (port, is_open) = port(info)?;
            let sizes = inferred.get(&port.name).filter(|_| is_open).cloned();
            Ok(Port { sizes: sizes.unwrap_or_else(|| port.sizes.clone()), ..port })
        };
        let limits =
            traced.iter().flat_map(Traced::size_ranges).filter_map(|(symbol, range)| Some((symbol, u32::try_from(range.greatest?).ok()?)));
        Ok(Interface {
            inputs: graph
                .input
                .iter()
                .filter(|info| !has_default(info))
                .map(|info| port(info).map(|port| port.0))
                .collect::<Result<_>>()?,
            outputs: graph.output.iter().map(output).collect::<Result<_>>()?,
            limits: limits.collect(),
        })
    }

    /// The symbol that is the first size of every input and output, and no other size of any.
    pub fn batch_axis(&self) -> Option<String> {
        let ports = || self.inputs.iter().chain(&self.outputs);
        let Some(Size::Named(symbol)) = self.inputs.first()?.sizes.first() else { return None };
        let is_word = |text: &str| text.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == symbol);
        let depends = |size: &Size| matches!(size, Size::Named(text) if is_word(text));
        let is_first = |port: &Port| port.sizes.first() == Some(&Size::Named(symbol.clone())) && !port.sizes[1..].iter().any(depends);
        ports().all(is_first).then(|| symbol.clone())
    }

    /// This number of rows, or as many as the model takes.
    pub fn greatest(&self, symbol: &str, wanted: u32) -> u32 {
        self.limits.get(symbol).map_or(wanted, |&limit| wanted.min(limit))
    }
}

fn size(dim: &ontrace::Dim) -> Size {
    dim.fixed().map_or_else(|| Size::Named(dim.to_string()), Size::Fixed)
}

/// A declared input or output, and whether the file leaves its shape open.
fn port(info: &ValueInfoProto) -> Result<(Port, bool)> {
    let Some(type_proto::Value::TensorType(tensor)) = info.r#type.as_ref().and_then(|ty| ty.value.as_ref()) else {
        return Err(Error::unsupported(format!("`{}` is no tensor: Triton serves tensors only", info.name)));
    };
    let ty = TYPES.iter().find(|row| row.0 as i32 == tensor.elem_type).map(|row| row.1);
    let ty = ty.ok_or_else(|| Error::unsupported(format!("Triton has no type for the elements of `{}`", info.name)))?;
    let dims = tensor.shape.as_ref().map(|shape| shape.dim.as_slice()).unwrap_or_default();
    let sizes: Vec<Size> = dims
        .iter()
        .map(|dim| match &dim.value {
            Some(Value::DimValue(n)) if *n >= 0 => Size::Fixed(*n),
            Some(Value::DimParam(name)) if !name.is_empty() => Size::Named(name.clone()),
            _ => Size::Any,
        })
        .collect();
    let is_open = tensor.shape.is_none() || sizes.contains(&Size::Any);
    Ok((Port { name: info.name.clone(), ty, sizes }, is_open))
}
