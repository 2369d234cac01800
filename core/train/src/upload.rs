//! A batch's pixels on the devices that work on them.

use std::ops::{Deref, Range};

use burn::tensor::{Device, Tensor, TensorData};
use ferkd_data::batches::batch::Batch;
use ferkd_data::batches::pictures::Pictures;
use ferkd_data::batches::share::Share;

/// A batch, the student's pixels of which may be on their devices already.
#[derive(Debug, Clone)]
pub struct DeviceBatch {
    batch: Batch,
    /// The rows that a device works on, and their pixels there.
    sent: Vec<(Range<usize>, Tensor<4>)>,
}

impl From<Batch> for DeviceBatch {
    fn from(batch: Batch) -> Self {
        Self { batch, sent: Vec::new() }
    }
}

impl Deref for DeviceBatch {
    type Target = Batch;

    fn deref(&self) -> &Batch {
        &self.batch
    }
}

impl DeviceBatch {
    /// With the student's pixels on the devices that share its rows in their order, instead of on the host.
    #[must_use]
    pub fn sent_to(mut self, devices: &[Device], side: u32) -> Self {
        let of = devices.len();
        let rows = |number: usize| Share { number, of }.range(self.batch.len);
        let send = |(number, device)| (rows(number), sent(&self.batch.pixels, device, side, rows(number)));
        self.sent = devices.iter().enumerate().map(send).collect();
        self.batch.pixels = Pictures::F32(Vec::new());
        self
    }

    /// Number of devices that hold its pixels already.
    pub fn devices(&self) -> usize {
        self.sent.len()
    }

    /// The student's pixels of some rows on a device: shape (rows, 3, side, side). Rows that were sent are on the device
    /// that they were sent to.
    pub fn pixels_on(&self, device: &Device, side: u32, rows: Range<usize>) -> Tensor<4> {
        let within = |(of, _): &&(Range<usize>, Tensor<4>)| of.start <= rows.start && rows.end <= of.end;
        let Some((of, pixels)) = self.sent.iter().find(within) else {
            return on(&self.batch.pixels, device, side, rows);
        };
        let pixels = pixels.clone();
        // Sent to where gradients are kept.
        let pixels = if device.is_autodiff() { pixels } else { pixels.inner() };
        if *of == rows { pixels } else { pixels.slice_dim(0, rows.start - of.start..rows.end - of.start) }
    }
}

/// Pictures `rows` on a device: shape (rows, 3, side, side), in the type that they have.
pub fn on(pictures: &Pictures, device: &Device, side: u32, rows: Range<usize>) -> Tensor<4> {
    tensor(data(pictures, side, rows), device)
}

/// The same, by memory that the device reads from while it computes, where it has such.
fn sent(pictures: &Pictures, device: &Device, side: u32, rows: Range<usize>) -> Tensor<4> {
    let mut data = data(pictures, side, rows);
    device.staging(std::iter::once(&mut data));
    tensor(data, device)
}

fn data(pictures: &Pictures, side: u32, rows: Range<usize>) -> TensorData {
    let side = side as usize;
    let shape = [rows.len(), 3, side, side];
    let size = 3 * side * side;
    let span = rows.start * size..rows.end * size;
    match pictures {
        Pictures::F32(values) => TensorData::new(values[span].to_vec(), shape),
        Pictures::Bf16(values) => TensorData::new(values[span].to_vec(), shape),
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
    use burn::tensor::DType;
    use ferkd_data::batches::pictures::PixelType;
    use half::bf16;

    #[test]
    fn rounding_here_is_rounding_on_the_device() {
        // Halves between two neighbours, both ways to the even one, and numbers of every size.
        let mut values =
            vec![1.0 + 1.0 / 256.0, 1.0 + 3.0 / 256.0, -2.640_1, 2.248_9, 1e-39, 0.0, 3.0e38, 0.1];
        values.extend((0..16).map(|i| (i as f32 - 7.3) * 0.317));
        let device = Device::flex();
        let here = on(&Pictures::of(values.clone(), PixelType::Bf16), &device, 2, 1..2);
        assert_eq!((here.dtype(), here.dims()), (DType::BF16, [1, 3, 2, 2]));
        let there = on(&Pictures::of(values, PixelType::F32), &device, 2, 1..2).cast(DType::BF16);
        let read = |tensor: Tensor<4>| tensor.into_data().try_into_vec::<bf16>().unwrap();
        assert_eq!(read(here), read(there));
    }
}
