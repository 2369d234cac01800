//! Pictures of burn-flex whose channels lie last: what the kernels on the CPU read and write.

use burn::backend::TensorMetadata;
use burn::backend::flex::FlexTensor;
use burn::tensor::TensorData;

/// Pictures, shape (N, channels, height, width), as (N, height, width, channels) without gaps; laid out again where they
/// lie otherwise. In f32.
pub(super) fn channels_last(x: FlexTensor) -> FlexTensor {
    let [n, channels, height, width] = x.shape().dims();
    let last = x.permute(&[0, 2, 3, 1]);
    if last.is_contiguous() {
        return last;
    }
    let values = match x.as_slice::<f32>() {
        Some(x) => ferkd_kernels::channels_last(x, channels, height * width),
        None => return last.to_contiguous(),
    };
    FlexTensor::from_data(TensorData::new(values, [n, height, width, channels]))
}

/// Pictures of shape (N, channels, height, width) from numbers with channels last.
pub(super) fn pictures(values: Vec<f32>, [n, channels, height, width]: [usize; 4]) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, [n, height, width, channels])).permute(&[0, 3, 1, 2])
}
