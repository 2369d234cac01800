//! What computes the logits of a network: burn, or ONNX Runtime.

#[cfg(feature = "onnx")]
use std::sync::Arc;

use burn::module::Module;
#[cfg(feature = "onnx")]
use burn::tensor::TensorData;
use burn::tensor::{Device, Tensor};

#[cfg(feature = "onnx")]
use crate::device::read::read;
use crate::inference::Inference;
use crate::models::{Model, ModelSpec};
#[cfg(feature = "onnx")]
use crate::onnx_model::OnnxModel;
use crate::weights::StateDict;
use ferkd_method::error::Result;

/// What computes logits.
#[derive(Debug)]
pub(super) enum Engine {
    /// A network of ours.
    Network(Box<Network>),
    /// ONNX Runtime, and the device that logits are put on. Copies share it.
    #[cfg(feature = "onnx")]
    Onnx(Arc<OnnxModel>, Device),
}

/// A network of ours, with its weights.
#[derive(Debug)]
pub(super) struct Network {
    pub(super) spec: ModelSpec,
    /// On a device without gradients.
    pub(super) model: Model,
    /// Once more, as its device computes it fastest.
    inference: Inference,
}

impl Engine {
    /// A network of ours; `model` is on `device`, without gradients.
    ///
    /// # Errors
    /// Weights that cannot be read.
    pub(super) fn network(spec: ModelSpec, model: Model, device: &Device) -> Result<Self> {
        let inference = Inference::of(model.clone(), device)?;
        Ok(Self::Network(Box::new(Network { spec, model, inference })))
    }

    /// The same on another device; `name` is what errors call it.
    ///
    /// # Errors
    /// Weights that are not finite.
    pub(super) fn on(&self, device: &Device, name: &str) -> Result<Self> {
        match self {
            Self::Network(network) => {
                let fresh = network.spec.init(0, device)?;
                let model = StateDict::of(&network.model)?.load_into(fresh, name)?.valid();
                Self::network(network.spec, model, device)
            }
            #[cfg(feature = "onnx")]
            Self::Onnx(model, _) => Ok(Self::Onnx(model.clone(), device.clone())),
        }
    }

    /// The network, where it is one of ours.
    pub(super) fn own(&self) -> Option<&Network> {
        match self {
            Self::Network(network) => Some(network),
            #[cfg(feature = "onnx")]
            Self::Onnx(..) => None,
        }
    }

    /// Logits of shape (N, C) for images of shape (N, 3, side, side).
    ///
    /// # Errors
    /// What ONNX Runtime could not compute.
    pub(super) fn forward(&self, images: Tensor<4>) -> Result<Tensor<2>> {
        match self {
            Self::Network(network) => Ok(network.inference.forward(images)),
            #[cfg(feature = "onnx")]
            Self::Onnx(model, _) => {
                let (device, [count, _, side, _]) = (images.device(), images.dims());
                let logits = model.logits(&read(images)?, side)?;
                Ok(Tensor::from_data(TensorData::new(logits, [count, model.outputs()]), &device))
            }
        }
    }

    /// Where its logits are.
    pub(super) fn device(&self) -> Device {
        match self {
            Self::Network(network) => network.model.devices().into_iter().next().unwrap_or_default(),
            #[cfg(feature = "onnx")]
            Self::Onnx(_, device) => device.clone(),
        }
    }
}
