//! GELU of burn-flex's tensors.

use burn::backend::flex::FlexTensor;
use burn::backend::{Flex, TensorMetadata};
use burn::tensor::TensorData;

use super::GeluOps;
use crate::models::ops::elements::elements;

impl GeluOps for Flex {
    fn gelu_of(x: FlexTensor) -> FlexTensor {
        let shape = x.shape();
        FlexTensor::from_data(TensorData::new(ferkd_kernels::gelu(elements(&x.to_contiguous())), shape))
    }

    fn gelu_to_x(grad: FlexTensor, x: FlexTensor) -> FlexTensor {
        let shape = x.shape();
        let (grad, x) = (grad.to_contiguous(), x.to_contiguous());
        let to_x = ferkd_kernels::gelu_gradient(elements(&x), elements(&grad));
        FlexTensor::from_data(TensorData::new(to_x, shape))
    }
}
