//! Networks: students and teachers, under the parameter names of torchvision, timm and EfficientNet-PyTorch.

mod drop_path;
mod efficientnet_lite;
#[cfg(feature = "flex")]
mod host;
mod init;
mod layers;
mod mixed;
mod ops;
mod parameters;
mod path;
mod positions;
mod resnet;
mod resnet_cifar;
mod vit;
mod vit_size;

use std::fmt;
use std::str::FromStr;

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

pub use drop_path::DropPath;
#[cfg(feature = "flex")]
pub(crate) use host::HostNet;
pub(crate) use init::replace;
pub use layers::Layers;
pub(crate) use path::PathStack;
pub use positions::resize_positions;
pub use vit_size::{VitSize, VitStyle};

use crate::config::nearest;
use crate::error::{Error, Result};
use crate::memory::{Tape, Value};
use efficientnet_lite::EfficientNetLite;
use resnet::{ResNet, Stem};
use resnet_cifar::ResNetCifar;
use vit::Vit;

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
    /// ResNet-18 for small pictures: the stem is a 3x3 convolution of stride 1, without pooling.
    #[serde(rename = "resnet18-cifar")]
    Resnet18Cifar,
    /// ResNet-34 with the same stem.
    #[serde(rename = "resnet34-cifar")]
    Resnet34Cifar,
    /// ResNet-50 with the same stem.
    #[serde(rename = "resnet50-cifar")]
    Resnet50Cifar,
    /// EfficientNet-Lite0.
    EfficientnetLite0,
    /// EfficientNet-Lite1: deeper by a tenth.
    EfficientnetLite1,
    /// EfficientNet-Lite2: wider by a tenth, deeper by a fifth.
    EfficientnetLite2,
    /// DeiT's ViT-Ti/16.
    VitTi16,
    /// DeiT's ViT-S/16.
    VitS16,
    /// DeiT's ViT-B/16.
    VitB16,
    /// ViT-L/16, built like DeiT's.
    VitL16,
    /// EVA's giant of 40 blocks and patches of 14 pixels.
    EvaG14,
}

impl Arch {
    /// All architectures.
    pub const ALL: [Self; 18] = [
        Self::Resnet8,
        Self::Resnet14,
        Self::Resnet20,
        Self::Resnet18,
        Self::Resnet34,
        Self::Resnet50,
        Self::Resnet101,
        Self::Resnet18Cifar,
        Self::Resnet34Cifar,
        Self::Resnet50Cifar,
        Self::EfficientnetLite0,
        Self::EfficientnetLite1,
        Self::EfficientnetLite2,
        Self::VitTi16,
        Self::VitS16,
        Self::VitB16,
        Self::VitL16,
        Self::EvaG14,
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
            Self::Resnet18Cifar => "resnet18-cifar",
            Self::Resnet34Cifar => "resnet34-cifar",
            Self::Resnet50Cifar => "resnet50-cifar",
            Self::EfficientnetLite0 => "efficientnet-lite0",
            Self::EfficientnetLite1 => "efficientnet-lite1",
            Self::EfficientnetLite2 => "efficientnet-lite2",
            Self::VitTi16 => "vit-ti16",
            Self::VitS16 => "vit-s16",
            Self::VitB16 => "vit-b16",
            Self::VitL16 => "vit-l16",
            Self::EvaG14 => "eva-g14",
        }
    }

    /// Style and size of a vision transformer, at an input of 224 pixels; none for other networks.
    pub fn vit(self) -> Option<(VitStyle, VitSize)> {
        let deit = |width, depth, heads| {
            Some((VitStyle::Deit, VitSize { side: 224, patch: 16, width, depth, heads }))
        };
        match self {
            Self::VitTi16 => deit(192, 12, 3),
            Self::VitS16 => deit(384, 12, 6),
            Self::VitB16 => deit(768, 12, 12),
            Self::VitL16 => deit(1024, 24, 16),
            Self::EvaG14 => {
                Some((VitStyle::Eva, VitSize { side: 224, patch: 14, width: 1408, depth: 40, heads: 16 }))
            }
            _ => None,
        }
    }

    /// Name of the last linear layer in PyTorch's names, with the dot after it.
    pub fn head(self) -> &'static str {
        match self {
            Self::Resnet8 | Self::Resnet14 | Self::Resnet20 => "fc.",
            Self::Resnet18 | Self::Resnet34 | Self::Resnet50 | Self::Resnet101 => "fc.",
            Self::Resnet18Cifar | Self::Resnet34Cifar | Self::Resnet50Cifar => "fc.",
            Self::EfficientnetLite0 | Self::EfficientnetLite1 | Self::EfficientnetLite2 => "_fc.",
            Self::VitTi16 | Self::VitS16 | Self::VitB16 | Self::VitL16 | Self::EvaG14 => "head.",
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

    /// Whether it is a torchvision ResNet with the stem for small pictures.
    pub fn has_small_stem(self) -> bool {
        matches!(self, Self::Resnet18Cifar | Self::Resnet34Cifar | Self::Resnet50Cifar)
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
    /// Size of a vision transformer; the architecture's own at 224 pixels if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vit: Option<VitSize>,
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
    /// DeiT's and EVA's vision transformers.
    Vit(Vit),
}

impl ModelSpec {
    /// The architecture in its own size, with `classes` outputs.
    pub fn new(arch: Arch, classes: usize) -> Self {
        Self { arch, classes, width: None, vit: arch.vit().map(|(_, size)| size) }
    }

    /// A network with weights drawn from `seed`, the same on every device.
    ///
    /// # Errors
    /// No class, a width for a network that has none, or a width out of range.
    pub fn init(&self, seed: u64, device: &Device) -> Result<Model> {
        Ok(init::draw_weights(self.build(device)?, seed))
    }

    /// A network whose weights are made when they are first asked for: what counts layers needs none.
    ///
    /// # Errors
    /// As [`init`](Self::init).
    pub fn build(&self, device: &Device) -> Result<Model> {
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
        if self.vit.is_some() && self.arch.vit().is_none() {
            return Err(Error::usage("vit", format!("{} is no vision transformer", self.arch))
                .remedy("leave `vit` out"));
        }
        let vit = |style| {
            let own = self.arch.vit().map(|(_, size)| size);
            let size = self.vit.or(own).ok_or_else(|| Error::usage("vit", "it has no size"))?;
            size.check()?;
            Ok::<_, Error>(Model::Vit(Vit::new(style, &size, self.classes, device)))
        };
        let cifar = |blocks| Model::ResNetCifar(ResNetCifar::new(blocks, width, self.classes, device));
        let basic = |blocks, stem| Model::ResNet(ResNet::basic(blocks, stem, self.classes, device));
        let bottleneck = |blocks, stem| Model::ResNet(ResNet::bottleneck(blocks, stem, self.classes, device));
        let lite =
            |width, depth| Model::EfficientNetLite(EfficientNetLite::new(width, depth, self.classes, device));
        Ok(match self.arch {
            Arch::Resnet8 => cifar(1),
            Arch::Resnet14 => cifar(2),
            Arch::Resnet20 => cifar(3),
            Arch::Resnet18 => basic([2, 2, 2, 2], Stem::Imagenet),
            Arch::Resnet34 => basic([3, 4, 6, 3], Stem::Imagenet),
            Arch::Resnet50 => bottleneck([3, 4, 6, 3], Stem::Imagenet),
            Arch::Resnet101 => bottleneck([3, 4, 23, 3], Stem::Imagenet),
            Arch::Resnet18Cifar => basic([2, 2, 2, 2], Stem::Cifar),
            Arch::Resnet34Cifar => basic([3, 4, 6, 3], Stem::Cifar),
            Arch::Resnet50Cifar => bottleneck([3, 4, 6, 3], Stem::Cifar),
            Arch::EfficientnetLite0 => lite(1.0, 1.0),
            Arch::EfficientnetLite1 => lite(1.0, 1.1),
            Arch::EfficientnetLite2 => lite(1.1, 1.2),
            Arch::VitTi16 | Arch::VitS16 | Arch::VitB16 | Arch::VitL16 => vit(VitStyle::Deit)?,
            Arch::EvaG14 => vit(VitStyle::Eva)?,
        })
    }
}

impl Model {
    /// Logits of shape (N, C) for images of shape (N, 3, side, side).
    ///
    /// A vision transformer takes images of the one side that its positions are for.
    pub fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        self.classify(self.features(images, None))
    }

    /// What the last linear layer sees: shape (N, features), in f32. `drop` leaves out branches of a vision
    /// transformer.
    ///
    /// Convolutions, linear layers and products are computed in the type that the images have, f32 or bf16; norms,
    /// softmax and a transformer's tokens in f32. Weights are in f32 either way, and so are their gradients.
    pub fn features(&self, images: Tensor<4>, drop: Option<&DropPath>) -> Tensor<2> {
        match self {
            Self::ResNet(m) => m.features(images),
            Self::ResNetCifar(m) => m.features(images),
            Self::EfficientNetLite(m) => m.features(images),
            Self::Vit(m) => m.features(images, drop),
        }
    }

    /// The same network for inference on the CPU, with its present weights; none for transformers, which compute on burn.
    #[cfg(feature = "flex")]
    pub(crate) fn host(&self) -> Result<Option<HostNet>> {
        match self {
            Self::ResNet(m) => m.host().map(Some),
            Self::ResNetCifar(m) => m.host().map(Some),
            Self::EfficientNetLite(m) => m.host().map(Some),
            Self::Vit(_) => Ok(None),
        }
    }

    /// The last linear layer: features of shape (N, features) to logits of shape (N, C).
    pub fn classify(&self, features: Tensor<2>) -> Tensor<2> {
        self.head().forward(features)
    }

    fn head(&self) -> &Linear {
        match self {
            Self::ResNet(m) => m.head(),
            Self::ResNetCifar(m) => m.head(),
            Self::EfficientNetLite(m) => m.head(),
            Self::Vit(m) => m.head(),
        }
    }

    /// Blocks that drop-path works on; none for networks that it does not know.
    pub fn droppable(&self) -> Option<usize> {
        match self {
            Self::Vit(m) => Some(m.depth()),
            _ => None,
        }
    }

    /// Multiply-adds of convolutions, linear layers and both products of attentions, for one image of
    /// `side` x `side` pixels; norms, activations, softmax and pooling are not counted.
    pub fn macs(&self, side: usize) -> u64 {
        match self {
            Self::ResNet(m) => m.macs(side),
            Self::ResNetCifar(m) => m.macs(side),
            Self::EfficientNetLite(m) => m.macs(side),
            Self::Vit(m) => m.macs(),
        }
    }

    /// [`features`](Self::features) and [`classify`](Self::classify), for the memory that they take of images of
    /// `side` x `side` pixels; `frozen` layers before the last only compute, and `drops` says whether drop-path is on.
    pub(crate) fn trace(
        &self,
        tape: &mut Tape,
        images: Value,
        side: usize,
        frozen: bool,
        drops: bool,
    ) -> Value {
        let tracks = tape.track(!frozen);
        let features = match self {
            Self::ResNet(m) => m.trace(tape, images, side),
            Self::ResNetCifar(m) => m.trace(tape, images, side),
            Self::EfficientNetLite(m) => m.trace(tape, images, side),
            Self::Vit(m) => m.trace(tape, images, drops),
        };
        tape.track(tracks);
        tape.linear(self.head(), features)
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
            let model = ModelSpec::new(arch, 1000).build(&device).unwrap();
            assert_eq!(model.parameters(), parameters, "{arch}");
            let macs = model.macs(224) as f64 / 1e9;
            assert!((macs - gmacs).abs() < 0.01 * gmacs, "{arch}: {macs} G");
        }
    }

    #[test]
    fn every_network_maps_images_to_logits() {
        let device = Device::flex();
        for arch in [Arch::Resnet8, Arch::Resnet18, Arch::EfficientnetLite0] {
            let model = ModelSpec::new(arch, 7).init(1, &device).unwrap();
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
            let spec = ModelSpec { width: Some(4), ..ModelSpec::new(Arch::Resnet8, 3) };
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
