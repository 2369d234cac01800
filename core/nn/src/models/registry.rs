//! The networks that there are. A new one is a file of its own and, here, a name, a row, and what builds it.

use std::fmt;
use std::str::FromStr;

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::Device;
use serde::{Deserialize, Serialize};

use crate::models::efficientnet_lite::EfficientNetLite;
use crate::models::network::{Network, Ops, Shapes};
use crate::models::resnet::{ResNet, Stem};
use crate::models::resnet_cifar::ResNetCifar;
use crate::models::vit::Vit;
use crate::models::vit_size::{VitSize, VitStyle};
use ferkd_data::config::nearest;
use ferkd_data::pixels::Normalisation;
use ferkd_method::error::{Error, Result};

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

/// What is known of an architecture.
struct Architecture {
    arch: Arch,
    /// Name in files and flags.
    name: &'static str,
    /// Side in pixels of the pictures that its published ImageNet weights were trained on.
    side: u32,
    /// How these pictures' bytes became numbers.
    normalisation: Normalisation,
    design: Design,
}

/// A family of networks, and which of it.
#[derive(Debug, Clone, Copy)]
enum Design {
    /// torchvision's, of so many blocks a stage.
    ResNet { blocks: [usize; 4], bottleneck: bool, stem: Stem },
    /// For small pictures, of so many blocks a stage; its width can be chosen.
    ResNetCifar { blocks: usize },
    /// Multipliers of width and depth.
    EfficientNetLite { width: f64, depth: f64 },
    /// The size may be another one.
    Vit { style: VitStyle, size: VitSize },
}

/// All architectures, in the order of [`Arch`].
static ARCHITECTURES: [Architecture; 18] = [
    small(Arch::Resnet8, "resnet8", 1),
    small(Arch::Resnet14, "resnet14", 2),
    small(Arch::Resnet20, "resnet20", 3),
    resnet(Arch::Resnet18, "resnet18", [2, 2, 2, 2], false, Stem::Imagenet),
    resnet(Arch::Resnet34, "resnet34", [3, 4, 6, 3], false, Stem::Imagenet),
    resnet(Arch::Resnet50, "resnet50", [3, 4, 6, 3], true, Stem::Imagenet),
    resnet(Arch::Resnet101, "resnet101", [3, 4, 23, 3], true, Stem::Imagenet),
    resnet(Arch::Resnet18Cifar, "resnet18-cifar", [2, 2, 2, 2], false, Stem::Cifar),
    resnet(Arch::Resnet34Cifar, "resnet34-cifar", [3, 4, 6, 3], false, Stem::Cifar),
    resnet(Arch::Resnet50Cifar, "resnet50-cifar", [3, 4, 6, 3], true, Stem::Cifar),
    lite(Arch::EfficientnetLite0, "efficientnet-lite0", 224, 1.0, 1.0),
    lite(Arch::EfficientnetLite1, "efficientnet-lite1", 240, 1.0, 1.1),
    lite(Arch::EfficientnetLite2, "efficientnet-lite2", 260, 1.1, 1.2),
    deit(Arch::VitTi16, "vit-ti16", 192, 12, 3),
    deit(Arch::VitS16, "vit-s16", 384, 12, 6),
    deit(Arch::VitB16, "vit-b16", 768, 12, 12),
    deit(Arch::VitL16, "vit-l16", 1024, 24, 16),
    Architecture {
        arch: Arch::EvaG14,
        name: "eva-g14",
        side: 224,
        normalisation: Normalisation::CLIP,
        design: Design::Vit {
            style: VitStyle::Eva,
            size: VitSize { side: 224, patch: 14, width: 1408, depth: 40, heads: 16 },
        },
    },
];

const fn imagenet(arch: Arch, name: &'static str, design: Design) -> Architecture {
    Architecture { arch, name, side: 224, normalisation: Normalisation::IMAGENET, design }
}

const fn small(arch: Arch, name: &'static str, blocks: usize) -> Architecture {
    imagenet(arch, name, Design::ResNetCifar { blocks })
}

const fn resnet(
    arch: Arch,
    name: &'static str,
    blocks: [usize; 4],
    bottleneck: bool,
    stem: Stem,
) -> Architecture {
    imagenet(arch, name, Design::ResNet { blocks, bottleneck, stem })
}

const fn lite(arch: Arch, name: &'static str, side: u32, width: f64, depth: f64) -> Architecture {
    let design = Design::EfficientNetLite { width, depth };
    Architecture { arch, name, side, normalisation: Normalisation::LITE, design }
}

const fn deit(arch: Arch, name: &'static str, width: usize, depth: usize, heads: usize) -> Architecture {
    let size = VitSize { side: 224, patch: 16, width, depth, heads };
    imagenet(arch, name, Design::Vit { style: VitStyle::Deit, size })
}

impl Design {
    /// Name of the last linear layer in PyTorch's names, with the dot after it.
    fn head(&self) -> &'static str {
        match self {
            Self::ResNet { .. } | Self::ResNetCifar { .. } => "fc.",
            Self::EfficientNetLite { .. } => "_fc.",
            Self::Vit { .. } => "head.",
        }
    }

    /// Whether tensors of these names and shapes are a network of this design.
    fn fits(&self, shape: Shapes) -> bool {
        match *self {
            Self::ResNet { blocks, bottleneck, stem } => ResNet::fits(blocks, bottleneck, stem, shape),
            Self::ResNetCifar { blocks } => ResNetCifar::fits(blocks, shape),
            Self::EfficientNetLite { width, depth } => EfficientNetLite::fits(width, depth, shape),
            Self::Vit { style, size } => Vit::fits(style, &size, shape),
        }
    }

    /// The network, in another width or size than its own where one is given.
    fn build(
        &self,
        classes: usize,
        width: Option<usize>,
        other_size: Option<VitSize>,
        device: &Device,
    ) -> Model {
        match *self {
            Self::ResNet { blocks, bottleneck, stem } => {
                Model::ResNet(ResNet::new(blocks, bottleneck, stem, classes, device))
            }
            Self::ResNetCifar { blocks } => {
                let width = width.unwrap_or(ResNetCifar::WIDTH);
                Model::ResNetCifar(ResNetCifar::new(blocks, width, classes, device))
            }
            Self::EfficientNetLite { width, depth } => {
                Model::EfficientNetLite(EfficientNetLite::new(width, depth, classes, device))
            }
            Self::Vit { style, size } => {
                Model::Vit(Vit::new(style, &other_size.unwrap_or(size), classes, device))
            }
        }
    }
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

/// Does the same with a model's network, whichever it is.
macro_rules! with {
    ($model:expr, $network:ident => $what:expr) => {
        match $model {
            Model::ResNet($network) => $what,
            Model::ResNetCifar($network) => $what,
            Model::EfficientNetLite($network) => $what,
            Model::Vit($network) => $what,
        }
    };
}

impl Network for Model {
    fn apply<O: Ops>(&self, ops: &mut O, images: O::Map) -> O::Features {
        with!(self, network => network.apply(ops, images))
    }

    fn head(&self) -> &Linear {
        with!(self, network => network.head())
    }

    fn droppable(&self) -> Option<usize> {
        with!(self, network => network.droppable())
    }
}

impl Arch {
    /// All architectures.
    pub const ALL: [Self; ARCHITECTURES.len()] = {
        let mut all = [Self::Resnet8; ARCHITECTURES.len()];
        let mut i = 0;
        while i < all.len() {
            all[i] = ARCHITECTURES[i].arch;
            i += 1;
        }
        all
    };

    fn row(self) -> &'static Architecture {
        &ARCHITECTURES[self as usize]
    }

    /// The network, in another width or size than its own where one is given and it has one.
    pub(super) fn build(
        self,
        classes: usize,
        width: Option<usize>,
        size: Option<VitSize>,
        device: &Device,
    ) -> Model {
        self.row().design.build(classes, width, size, device)
    }

    /// Recognises an architecture by its tensors' names and shapes; a vision transformer at any input side.
    pub(super) fn recognise(shape: Shapes) -> Option<Self> {
        ARCHITECTURES.iter().find(|row| row.design.fits(shape)).map(|row| row.arch)
    }

    /// Name in files and flags.
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// Style and size of a vision transformer, at an input of 224 pixels; none for other networks.
    pub fn vit(self) -> Option<(VitStyle, VitSize)> {
        match self.row().design {
            Design::Vit { style, size } => Some((style, size)),
            _ => None,
        }
    }

    /// Name of the last linear layer in PyTorch's names, with the dot after it.
    pub fn head(self) -> &'static str {
        self.row().design.head()
    }

    /// Side in pixels of the pictures that its published ImageNet weights were trained on.
    pub fn imagenet_side(self) -> u32 {
        self.row().side
    }

    /// How bytes become numbers for its published ImageNet weights.
    pub fn imagenet_normalisation(self) -> Normalisation {
        self.row().normalisation
    }

    /// Whether it is a torchvision ResNet with the stem for small pictures.
    pub fn has_small_stem(self) -> bool {
        matches!(self.row().design, Design::ResNet { stem: Stem::Cifar, .. })
    }

    /// Whether the width of the first stage can be chosen.
    pub fn has_width(self) -> bool {
        matches!(self.row().design, Design::ResNetCifar { .. })
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
            Error::usage("arch", format!("invalid network `{text}`: expected a known one")).remedy(remedy)
        })
    }
}
