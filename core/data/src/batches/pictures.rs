//! Normalised pixels on their way from the loader to a device, in the type that the network computes with.

use half::bf16;
use rayon::prelude::*;

/// The type of a network's pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PixelType {
    /// 32 bits.
    F32,
    /// The upper 16 bits of an f32, rounded.
    Bf16,
}

/// Pixels of some pictures: shape (N, 3, side, side).
#[derive(Debug, Clone, PartialEq)]
pub enum Pictures {
    /// In f32.
    F32(Vec<f32>),
    /// In bf16: half the bytes that wait in memory and go to the device.
    Bf16(Vec<bf16>),
}

impl Pictures {
    /// Takes pixels up in a type. bf16 is rounded to the nearest, as devices do: rounding here or there makes no
    /// difference.
    pub fn of(values: Vec<f32>, pixel_type: PixelType) -> Self {
        match pixel_type {
            PixelType::F32 => Self::F32(values),
            PixelType::Bf16 => Self::Bf16(values.par_iter().map(|&value| bf16::from_f32(value)).collect()),
        }
    }

    /// Bytes that they take.
    pub fn bytes(&self) -> usize {
        match self {
            Self::F32(values) => size_of_val(&values[..]),
            Self::Bf16(values) => size_of_val(&values[..]),
        }
    }
}
