//! Operators on tensors from ONNX's domain for classical machine learning, as compositions.

use super::Reader;

pub(super) const READS: &[(&str, Reader)] = &[
    // https://onnx.ai/onnx/operators/onnx_aionnxml_Binarizer.html
    ("Binarizer", |node, inputs| {
        let x = inputs.at(0)?;
        Ok(vec![x.gt(f64::from(node.float("threshold", 0.0)?))?.cast(x.dtype())?])
    }),
    // https://onnx.ai/onnx/operators/onnx_aionnxml_ArrayFeatureExtractor.html
    ("ArrayFeatureExtractor", |_, inputs| {
        let (x, index) = (inputs.at(0)?, inputs.at(1)?);
        let x = if x.rank() == 1 { x.unsqueeze(0)? } else { x.clone() };
        Ok(vec![x.index_select(-1, &index.reshape([-1])?)?])
    }),
];
