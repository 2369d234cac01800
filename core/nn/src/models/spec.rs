//! Which network, and how large.

use burn::tensor::Device;
use serde::{Deserialize, Serialize};

use crate::models::efficientnet_lite::EfficientNetLite;
use crate::models::init::draw_weights;
use crate::models::network::Shapes;
use crate::models::registry::{Arch, Model};
use crate::models::vit::Vit;
use crate::models::vit_size::{VitSize, VitStyle};
use ferkd_method::error::{Error, Result};

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
        let model = self.build(device)?;
        let transformer = model.droppable().is_some();
        Ok(draw_weights(model, seed, transformer))
    }

    /// A network whose weights are made when they are first asked for: what counts layers needs none.
    ///
    /// # Errors
    /// As [`init`](Self::init).
    pub fn build(&self, device: &Device) -> Result<Model> {
        if !(1..=65_536).contains(&self.classes) {
            return Err(Error::usage(
                "classes",
                format!("invalid number of classes {}: expected 1 to 65536", self.classes),
            ));
        }
        if self.width.is_some() && !self.arch.has_width() {
            return Err(
                Error::usage("width", format!("{} has a fixed width", self.arch)).remedy("leave `width` out")
            );
        }
        if let Some(width) = self.width
            && !(1..=1024).contains(&width)
        {
            return Err(Error::usage("width", format!("invalid value {width}: expected 1 to 1024 channels")));
        }
        if let Some(size) = self.vit {
            if self.arch.vit().is_none() {
                return Err(Error::usage("vit", format!("{} is not a vision transformer", self.arch))
                    .remedy("leave `vit` out"));
            }
            size.check()?;
        }
        Ok(self.arch.build(self.classes, self.width, self.vit, device))
    }

    /// Recognises a network by its tensors' names and shapes; a vision transformer at any input side.
    ///
    /// Heads leave no trace in the shapes: a transformer of a size that is no architecture's is recognised where `asked`
    /// names an architecture whose heads are as wide.
    ///
    /// # Errors
    /// Tensors not of a known network, or not of the one that is asked for; `contents` is how the error lists them,
    /// `origin` what it calls their file.
    pub(crate) fn recognise(
        asked: Option<Arch>,
        shape: Shapes,
        contents: &str,
        origin: &str,
    ) -> Result<Self> {
        let Some(arch) = asked else { return Self::found(shape, contents, origin) };
        if let Some((style, size)) = arch.vit()
            && let Some(vit) = Vit::size_of(style, &size, shape)
            && let Some(classes) = shape("head.weight").and_then(|head| head.first().copied())
        {
            return Ok(Self { vit: Some(vit), ..Self::new(arch, classes) });
        }
        match Self::found(shape, contents, origin)? {
            found if found.arch == arch => Ok(found),
            found => {
                let problem = format!("its tensors are those of {}, and --arch says {arch}", found.arch);
                Err(Error::mismatch(origin, problem).remedy("leave --arch out"))
            }
        }
    }

    fn found(shape: Shapes, contents: &str, origin: &str) -> Result<Self> {
        let outputs = |layer: &str| shape(&format!("{layer}weight"))?.first().copied();
        if let Some(arch) = Arch::recognise(shape)
            && let Some(classes) = outputs(arch.head())
        {
            let own = Self::new(arch, classes);
            let vit = own.vit.map(|size| VitSize { side: Vit::side(&size, shape), ..size });
            let width = outputs("conv1.").filter(|_| arch.has_width());
            return Ok(Self { width, vit, ..own });
        }
        if let Some((blocks, channels)) = EfficientNetLite::found(shape) {
            let problem =
                format!("an EfficientNet of {blocks} blocks and {channels} channels before its head");
            return Err(Error::mismatch(origin, problem).remedy("known are EfficientNet-Lite0, 1 and 2"));
        }
        let (style, size) = (VitStyle::Deit, VitSize { side: 224, patch: 16, width: 64, depth: 1, heads: 1 });
        if let Some(VitSize { width, depth, patch, .. }) = Vit::size_of(style, &size, shape) {
            let problem = format!(
                "a transformer of width {width}, depth {depth} and patches of {patch}, which heads it has is not said"
            );
            return Err(Error::mismatch(origin, problem)
                .remedy("give --arch vit-ti16 if a head has 64 numbers, as DeiT's and timm's have"));
        }
        let problem = format!("its tensors are not of a known network ({contents})");
        Err(Error::mismatch(origin, problem).remedy(
            "known are torchvision's ResNets, CIFAR ResNets, EfficientNet-Lite, and timm's DeiT and EVA giant",
        ))
    }
}
