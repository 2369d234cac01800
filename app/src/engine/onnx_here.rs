//! Networks in ONNX files, computed by this very program: a window's engine has a thread of its own.

use ferkd_method::{Error, Result};
use ferkd_onnx::{Network, Problem};

use super::OnnxBytes;
use super::onnx::{Later, OnnxNetwork, OnnxRuntime};

/// Opens ONNX files by rten.
#[derive(Debug, Clone, Copy, Default)]
pub struct OnnxHere;

impl OnnxRuntime for OnnxHere {
    fn open(&mut self, bytes: OnnxBytes, side: u32) -> Later<'_, Box<dyn OnnxNetwork>> {
        Box::pin(async move {
            let OnnxBytes { name, file, beside } = bytes;
            let opened = Network::load(file, beside)
                .and_then(|network| Ok((network.classes(side as usize)?, network)));
            let (classes, network) = opened.map_err(|problem| error(&name, problem))?;
            Ok(Box::new(Open { name, network, classes }) as Box<dyn OnnxNetwork>)
        })
    }
}

struct Open {
    name: String,
    network: Network,
    classes: usize,
}

impl OnnxNetwork for Open {
    fn classes(&self) -> usize {
        self.classes
    }

    fn logits(&mut self, images: Vec<f32>, side: u32) -> Later<'_, Vec<f32>> {
        Box::pin(async move { self.compute(&images, side) })
    }
}

impl Open {
    fn compute(&self, images: &[f32], side: u32) -> Result<Vec<f32>> {
        self.network.logits(images, side as usize).map_err(|problem| error(&self.name, problem))
    }
}

fn error(name: &str, Problem { problem, remedy }: Problem) -> Error {
    Error::damaged(name, problem).remedy(remedy)
}
