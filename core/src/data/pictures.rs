//! Normalised pixels on their way from the loader to a device, in the type that the network computes with.

use std::ops::Range;

use burn::tensor::{DType, Device, Tensor, TensorData};
use half::bf16;
use rayon::prelude::*;

/// Pixels of some pictures: shape (N, 3, side, side).
#[derive(Debug, Clone, PartialEq)]
pub enum Pictures {
    /// In f32.
    F32(Vec<f32>),
    /// In bf16: half the bytes that wait in memory and go to the device.
    Bf16(Vec<bf16>),
}

impl Pictures {
    /// Takes pixels up in the type `dtype`. bf16 is rounded to the nearest, as devices do: rounding here or there makes
    /// no difference. Any other type is f32.
    pub fn of(values: Vec<f32>, dtype: DType) -> Self {
        match dtype {
            DType::BF16 => Self::Bf16(values.par_iter().map(|&value| bf16::from_f32(value)).collect()),
            _ => Self::F32(values),
        }
    }

    /// Bytes that they take.
    pub fn bytes(&self) -> usize {
        match self {
            Self::F32(values) => size_of_val(&values[..]),
            Self::Bf16(values) => size_of_val(&values[..]),
        }
    }

    /// Pictures `rows` on a device: shape (rows, 3, side, side).
    pub fn on(&self, device: &Device, side: u32, rows: Range<usize>) -> Tensor<4> {
        tensor(self.data(side, rows), device)
    }

    /// The same, by memory that the device reads from while it computes, where it has such.
    pub fn sent(&self, device: &Device, side: u32, rows: Range<usize>) -> Tensor<4> {
        let mut data = self.data(side, rows);
        device.staging(std::iter::once(&mut data));
        tensor(data, device)
    }

    fn data(&self, side: u32, rows: Range<usize>) -> TensorData {
        let side = side as usize;
        let shape = [rows.len(), 3, side, side];
        let size = 3 * side * side;
        let span = rows.start * size..rows.end * size;
        match self {
            Self::F32(values) => TensorData::new(values[span].to_vec(), shape),
            Self::Bf16(values) => TensorData::new(values[span].to_vec(), shape),
        }
    }
}

/// In the type that the numbers have.
fn tensor(data: TensorData, device: &Device) -> Tensor<4> {
    let dtype = data.dtype();
    Tensor::from_data(data, (device, dtype))
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;

    #[test]
    fn rounding_here_is_rounding_on_the_device() {
        // Halves between two neighbours, both ways to the even one, and numbers of every size.
        let mut values =
            vec![1.0 + 1.0 / 256.0, 1.0 + 3.0 / 256.0, -2.640_1, 2.248_9, 1e-39, 0.0, 3.0e38, 0.1];
        values.extend((0..16).map(|i| (i as f32 - 7.3) * 0.317));
        let device = Device::flex();
        let here = Pictures::of(values.clone(), DType::BF16).on(&device, 2, 1..2);
        assert_eq!((here.dtype(), here.dims()), (DType::BF16, [1, 3, 2, 2]));
        let there = Pictures::of(values, DType::F32).on(&device, 2, 1..2).cast(DType::BF16);
        let read = |tensor: Tensor<4>| tensor.into_data().try_into_vec::<bf16>().unwrap();
        assert_eq!(read(here), read(there));
    }
}
