//! Networks as ONNX files, which ONNX Runtime, TensorRT and OpenVINO load: opset 17, weights in 32 bits, batch norms as
//! in inference.

mod build;
mod graph;

use std::collections::BTreeMap;

use crate::models::network::Network;
use crate::models::registry::Model;
use build::Builder;
use ferkd_method::error::{Error, Result};
use graph::{Axis, Port};

/// A message of Protocol Buffers is smaller than this.
const MAX_BYTES: u64 = 2 << 30;

impl Model {
    /// The bytes of an ONNX file: `images`, shape (batch, 3, side, side), to `logits`, shape (batch, classes), of any
    /// batch size. Constants have PyTorch's names; linear weights are (inputs, outputs).
    ///
    /// # Errors
    /// Weights that cannot be read, or of 2 GiB, which the format cannot hold in one file.
    pub fn to_onnx(
        &self,
        side: usize,
        classes: usize,
        metadata: &BTreeMap<String, String>,
    ) -> Result<Vec<u8>> {
        let mut builder = Builder::of(self);
        let features = self.apply(&mut builder, "images".to_owned());
        builder.head(self.head(), &features, "logits");
        let graph = builder.finish()?;
        // Nodes take some hundred kilobytes.
        if graph.bytes() + (16 << 20) > MAX_BYTES {
            let problem = format!("weights of {} bytes, and an ONNX file ends at 2 GiB", graph.bytes());
            return Err(
                Error::mismatch("network", problem).remedy("export it as safetensors or with --torch")
            );
        }
        let batch = || Axis::Any("batch");
        let images = [batch(), Axis::Fixed(3), Axis::Fixed(side), Axis::Fixed(side)];
        let logits = [batch(), Axis::Fixed(classes)];
        let input = Port { name: "images", shape: &images };
        Ok(graph.finish(&input, &Port { name: "logits", shape: &logits }, metadata))
    }
}
