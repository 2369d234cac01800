//! Networks: students and teachers, under the parameter names of torchvision and of EfficientNet-PyTorch.

mod efficientnet_lite;
#[cfg(feature = "flex")]
mod host;
mod init;
mod path;
mod resnet;
mod resnet_cifar;

use std::fmt;
use std::str::FromStr;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

#[cfg(feature = "flex")]
pub(crate) use host::HostNet;
pub(crate) use init::replace;
pub(crate) use path::PathStack;

use crate::config::nearest;
use crate::error::{Error, Result};
use efficientnet_lite::EfficientNetLite;
use resnet::ResNet;
use resnet_cifar::ResNetCifar;

/// The architectures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Arch {
    /// He et al.'s CIFAR network of 8 layers.
    Resnet8,
    /// He et al.'s CIFAR network of 14 layers.
    Resnet14,
    /// He et al.'s CIFAR network of 20 layers.
    Resnet20,
    /// torchvision's ResNet-18.
    Resnet18,
    /// torchvision's ResNet-34.
    Resnet34,
    /// torchvision's ResNet-50 (stride in the 3x3 convolution).
    Resnet50,
    /// torchvision's ResNet-101.
    Resnet101,
    /// EfficientNet-Lite0.
    EfficientnetLite0,
    /// EfficientNet-Lite1: deeper by a tenth.
    EfficientnetLite1,
    /// EfficientNet-Lite2: wider by a tenth, deeper by a fifth.
    EfficientnetLite2,
}

impl Arch {
    /// All architectures.
    pub const ALL: [Self; 10] = [
        Self::Resnet8,
        Self::Resnet14,
        Self::Resnet20,
        Self::Resnet18,
        Self::Resnet34,
        Self::Resnet50,
        Self::Resnet101,
        Self::EfficientnetLite0,
        Self::EfficientnetLite1,
        Self::EfficientnetLite2,
    ];

    /// Name in files and flags.
    pub fn name(self) -> &'static str {
        match self {
            Self::Resnet8 => "resnet8",
            Self::Resnet14 => "resnet14",
            Self::Resnet20 => "resnet20",
            Self::Resnet18 => "resnet18",
            Self::Resnet34 => "resnet34",
            Self::Resnet50 => "resnet50",
            Self::Resnet101 => "resnet101",
            Self::EfficientnetLite0 => "efficientnet-lite0",
            Self::EfficientnetLite1 => "efficientnet-lite1",
            Self::EfficientnetLite2 => "efficientnet-lite2",
        }
    }

    /// Side in pixels of the pictures that its published ImageNet weights were trained on.
    pub fn imagenet_side(self) -> u32 {
        match self {
            Self::EfficientnetLite1 => 240,
            Self::EfficientnetLite2 => 260,
            _ => 224,
        }
    }

    /// Whether it is an EfficientNet-Lite.
    pub fn is_lite(self) -> bool {
        matches!(self, Self::EfficientnetLite0 | Self::EfficientnetLite1 | Self::EfficientnetLite2)
    }

    /// Whether the width of the first stage can be chosen.
    pub fn has_width(self) -> bool {
        matches!(self, Self::Resnet8 | Self::Resnet14 | Self::Resnet20)
    }
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Arch {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|a| a.name() == text).ok_or_else(|| {
            let names = Self::ALL.map(Self::name);
            let remedy = match nearest(text, names.into_iter()) {
                Some(name) => format!("did you mean `{name}`?"),
                None => format!("known: {}", names.join(", ")),
            };
            Error::usage("arch", format!("`{text}` is no known network")).remedy(remedy)
        })
    }
}

/// What it takes to build a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelSpec {
    /// The architecture.
    pub arch: Arch,
    /// Number of outputs C.
    pub classes: usize,
    /// Channels of the first stage, for CIFAR networks only (16 by default).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub width: Option<usize>,
}

/// A network: images of shape (N, 3, side, side) to logits of shape (N, C).
///
/// `clone` shares the running statistics of batch norms, as burn's modules do; a copy that is to go its own
/// way is made through a [`StateDict`](crate::weights::StateDict).
#[derive(Module, Debug)]
#[expect(clippy::large_enum_variant, reason = "one model lives in a program, not thousands")]
pub enum Model {
    /// ResNet-18 to 101.
    ResNet(ResNet),
    /// ResNet-8 to 20 for small pictures.
    ResNetCifar(ResNetCifar),
    /// EfficientNet-Lite.
    EfficientNetLite(EfficientNetLite),
}

impl ModelSpec {
    /// A network with weights drawn from `seed`, the same on every device.
    ///
    /// # Errors
    /// No class, a width for a network that has none, or a width out of range.
    pub fn init(&self, seed: u64, device: &Device) -> Result<Model> {
        if !(1..=65_536).contains(&self.classes) {
            return Err(Error::usage(
                "classes",
                format!("{} classes; 1 to 65536 are possible", self.classes),
            ));
        }
        if self.width.is_some() && !self.arch.has_width() {
            return Err(
                Error::usage("width", format!("{} has a fixed width", self.arch)).remedy("leave `width` out")
            );
        }
        let width = self.width.unwrap_or(16);
        if !(1..=1024).contains(&width) {
            return Err(Error::usage("width", format!("{width} channels; 1 to 1024 are possible")));
        }
        let cifar = |blocks| Model::ResNetCifar(ResNetCifar::new(blocks, width, self.classes, device));
        let lite =
            |width, depth| Model::EfficientNetLite(EfficientNetLite::new(width, depth, self.classes, device));
        let model = match self.arch {
            Arch::Resnet8 => cifar(1),
            Arch::Resnet14 => cifar(2),
            Arch::Resnet20 => cifar(3),
            Arch::Resnet18 => Model::ResNet(ResNet::basic([2, 2, 2, 2], self.classes, device)),
            Arch::Resnet34 => Model::ResNet(ResNet::basic([3, 4, 6, 3], self.classes, device)),
            Arch::Resnet50 => Model::ResNet(ResNet::bottleneck([3, 4, 6, 3], self.classes, device)),
            Arch::Resnet101 => Model::ResNet(ResNet::bottleneck([3, 4, 23, 3], self.classes, device)),
            Arch::EfficientnetLite0 => lite(1.0, 1.0),
            Arch::EfficientnetLite1 => lite(1.0, 1.1),
            Arch::EfficientnetLite2 => lite(1.1, 1.2),
        };
        Ok(init::draw_weights(model, seed))
    }
}

impl Model {
    /// Logits of shape (N, C) for images of shape (N, 3, side, side).
    pub fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        match self {
            Self::ResNet(m) => m.forward(images),
            Self::ResNetCifar(m) => m.forward(images),
            Self::EfficientNetLite(m) => m.forward(images),
        }
    }

    /// The same network for inference on the CPU, with its present weights.
    #[cfg(feature = "flex")]
    pub(crate) fn host(&self) -> Result<HostNet> {
        match self {
            Self::ResNet(m) => m.host(),
            Self::ResNetCifar(m) => m.host(),
            Self::EfficientNetLite(m) => m.host(),
        }
    }

    /// Multiply-adds of convolutions and linear layers for one image of `side` x `side` pixels.
    pub fn macs(&self, side: usize) -> u64 {
        match self {
            Self::ResNet(m) => m.macs(side),
            Self::ResNetCifar(m) => m.macs(side),
            Self::EfficientNetLite(m) => m.macs(side),
        }
    }
}

/// Multiply-adds of a convolution on a picture of side `side`, and the side of what comes out.
///
/// Holds for odd kernels padded by half their size, and for TensorFlow's SAME padding.
fn conv_macs(conv: &burn::nn::conv::Conv2d, side: usize) -> (u64, usize) {
    let out = side.div_ceil(conv.stride[0]);
    let weights: usize = conv.weight.lazy_shape().dims::<4>().iter().product();
    ((weights * out * out) as u64, out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::TensorData;

    #[test]
    fn sizes_are_the_published_ones() {
        let device = Device::flex();
        let expected = [
            (Arch::Resnet18, 11_689_512, 1.814),
            (Arch::Resnet34, 21_797_672, 3.664),
            (Arch::Resnet50, 25_557_032, 4.089),
            (Arch::EfficientnetLite0, 4_652_008, 0.385),
            (Arch::EfficientnetLite1, 5_416_680, 0.5025),
            (Arch::EfficientnetLite2, 6_092_072, 0.5765),
        ];
        for (arch, parameters, gmacs) in expected {
            let model = ModelSpec { arch, classes: 1000, width: None }.init(0, &device).unwrap();
            let buffers: usize = crate::weights::StateDict::of(&model)
                .tensors
                .iter()
                .filter(|(name, _)| name.contains("running_"))
                .map(|(_, t)| t.values.len())
                .sum();
            assert_eq!(model.num_params() - buffers, parameters, "{arch}");
            let macs = model.macs(224) as f64 / 1e9;
            assert!((macs - gmacs).abs() < 0.01 * gmacs, "{arch}: {macs} G");
        }
    }

    #[test]
    fn every_network_maps_images_to_logits() {
        let device = Device::flex();
        for arch in [Arch::Resnet8, Arch::Resnet18, Arch::EfficientnetLite0] {
            let model = ModelSpec { arch, classes: 7, width: None }.init(1, &device).unwrap();
            let images = Tensor::<4>::from_data(
                TensorData::new(vec![0.5f32; 2 * 3 * 33 * 33], [2, 3, 33, 33]),
                &device,
            );
            assert_eq!(model.forward(images).dims(), [2, 7], "{arch}");
        }
    }

    #[test]
    fn the_seed_decides_the_weights() {
        let device = Device::flex();
        let draw = |seed| {
            let spec = ModelSpec { arch: Arch::Resnet8, classes: 3, width: Some(4) };
            crate::weights::StateDict::of(&spec.init(seed, &device).unwrap())
        };
        assert_eq!(draw(5), draw(5));
        assert_ne!(draw(5), draw(6));
    }

    #[test]
    fn an_unknown_name_gets_the_nearest() {
        let error = "resnet-50".parse::<Arch>().unwrap_err().to_string();
        assert!(error.contains("resnet50"), "{error}");
    }
}
