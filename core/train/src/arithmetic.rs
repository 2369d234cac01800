//! The numbers in which a step is computed.

use burn::tensor::{DType, FloatDType};
use ferkd_data::batches::pictures::PixelType;
use ferkd_method::error::{Error, Result};
use serde::{Deserialize, Serialize};

/// Numbers of convolutions, linear layers and attention's products. Weights, gradients, optimizer state, norms,
/// softmax, the last layer and the loss are in f32 with either.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
pub enum Arithmetic {
    /// 32 bits.
    F32,
    /// 16 bits with the exponent of f32: no loss scaling is needed.
    Bf16,
}

impl Arithmetic {
    /// The type of the images, which decides for the network.
    pub fn dtype(self) -> FloatDType {
        match self {
            Self::F32 => FloatDType::F32,
            Self::Bf16 => FloatDType::BF16,
        }
    }

    /// The type that pixels are handed over in.
    pub fn pixel_type(self) -> PixelType {
        match self {
            Self::F32 => PixelType::F32,
            Self::Bf16 => PixelType::Bf16,
        }
    }

    /// Bytes of a number.
    pub fn bytes(self) -> u64 {
        DType::from(self.dtype()).size() as u64
    }

    /// Refuses a device that does not compute in these numbers; `supports` is the device's own answer, and `name`
    /// what errors call it. To be asked first: a device that is given numbers it does not know need not fail.
    pub(crate) fn check(self, name: &str, supports: impl Fn(FloatDType) -> bool) -> Result<()> {
        if self == Self::F32 || supports(self.dtype()) {
            return Ok(());
        }
        Err(Error::usage("precision", format!("the device `{name}` does not compute in bf16"))
            .remedy("choose --precision f32, or a device that does: --device cuda or flex"))
    }
}
