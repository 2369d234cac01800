//! A tensor in another type.

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, TensorMetadata};
use burn::tensor::FloatDType;

/// A tensor in another type, or as it is.
pub(super) fn cast<B: Backend>(x: FloatTensor<B>, dtype: FloatDType) -> FloatTensor<B> {
    if x.dtype() == dtype.into() { x } else { B::float_cast(x, dtype) }
}
