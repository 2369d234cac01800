//! A network with its present weights, as a device computes it fastest where nothing is learned.

#[cfg(feature = "flex")]
use burn::tensor::{DType, TensorData};
use burn::tensor::{Device, Tensor};

#[cfg(feature = "flex")]
use crate::device::read::read;
#[cfg(feature = "flex")]
use crate::models::HostNet;
use crate::models::Model;
use ferkd_method::error::Result;

/// A network for inference: on the CPU convolutional networks take the path of teachers, batch norms folded into
/// convolutions; everything else is burn's.
#[derive(Debug)]
pub struct Inference {
    model: Model,
    #[cfg(feature = "flex")]
    host: Option<HostNet>,
}

impl Inference {
    /// Takes a network up with its present weights, which it keeps; `model` is on `device`, without gradients.
    ///
    /// # Errors
    /// Weights that cannot be read.
    pub fn of(model: Model, device: &Device) -> Result<Self> {
        #[cfg(not(feature = "flex"))]
        let _ = device;
        Ok(Self {
            #[cfg(feature = "flex")]
            host: if crate::device::is_flex(device) { model.host()? } else { None },
            model,
        })
    }

    /// What the last layer sees, shape (N, features), of images of shape (N, 3, side, side).
    pub fn features(&self, images: Tensor<4>) -> Tensor<2> {
        #[cfg(feature = "flex")]
        if let Some(features) = self.on_host(&images, HostNet::features) {
            return features;
        }
        self.model.features(images, None)
    }

    /// Logits of shape (N, C) for [features](Self::features): the same bits as [`forward`](Self::forward)'s, for the same
    /// images in the same order.
    pub fn classify(&self, features: Tensor<2>) -> Tensor<2> {
        #[cfg(feature = "flex")]
        if let Some(net) = &self.host
            && let Ok(values) = read(features.clone())
        {
            let logits = net.classify(&values);
            let [count, _] = features.dims();
            let shape = [count, logits.len() / count.max(1)];
            return Tensor::from_data(TensorData::new(logits, shape), &features.device());
        }
        self.model.classify(features)
    }

    /// Logits of shape (N, C) for images of shape (N, 3, side, side).
    pub fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        #[cfg(feature = "flex")]
        if let Some(logits) = self.on_host(&images, HostNet::logits) {
            return logits;
        }
        self.model.forward(images)
    }

    /// Numbers for each image by the path that only the CPU has; `None` where it is not the device.
    #[cfg(feature = "flex")]
    fn on_host(
        &self,
        images: &Tensor<4>,
        compute: impl Fn(&HostNet, &[f32], usize) -> Vec<f32>,
    ) -> Option<Tensor<2>> {
        let net = self.host.as_ref()?;
        let [count, channels, side, width] = images.dims();
        if channels != 3 || side != width || images.dtype() != DType::F32 {
            return None;
        }
        let values = compute(net, &read(images.clone()).ok()?, side);
        let shape = [count, values.len() / count.max(1)];
        Some(Tensor::from_data(TensorData::new(values, shape), &images.device()))
    }
}
