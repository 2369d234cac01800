//! Products of two matrices on the CPU: in f32 by the kernels that convolve, for a product is a convolution of pixels; by
//! burn's in any other type, and of several matrices at once.

use burn::backend::flex::FlexTensor;
use burn::backend::ops::FloatTensorOps;
use burn::backend::{Flex, TensorMetadata};
use burn::tensor::{DType, TensorData};
use ferkd_kernels::ConvShape;

use super::{ProductOps, transposed};
use crate::models::ops::elements::elements;

/// The convolution of `rows` pixels whose data gradient is their product with a matrix of shape (inner, columns): its
/// weight is that matrix as it lies.
fn pixels(rows: usize, [inner, columns]: [usize; 2]) -> ConvShape {
    ConvShape {
        batch: 1,
        input: [1, rows],
        channels: columns,
        outputs: inner,
        kernel: [1, 1],
        stride: [1, 1],
        padding: [(0, 0); 2],
        dilation: [1, 1],
        groups: 1,
    }
}

/// Whether these are two matrices of f32.
fn are_ours(a: &FlexTensor, b: &FlexTensor) -> bool {
    let is_ours = |x: &FlexTensor| x.dtype() == DType::F32 && x.shape().num_dims() == 2;
    is_ours(a) && is_ours(b)
}

fn matrix(numbers: Vec<f32>, shape: [usize; 2]) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(numbers, shape))
}

impl ProductOps for Flex {
    fn product(a: FlexTensor, b: FlexTensor) -> FlexTensor {
        if !are_ours(&a, &b) {
            return Self::float_matmul(a, b);
        }
        let ([rows, _], [inner, columns]) = (a.shape().dims(), b.shape().dims());
        let (a, b) = (a.to_contiguous(), b.to_contiguous());
        let y = ferkd_kernels::data_gradient(&pixels(rows, [inner, columns]), elements(&a), elements(&b));
        matrix(y, [rows, columns])
    }

    fn product_to_a(grad: FlexTensor, b: FlexTensor) -> FlexTensor {
        if !are_ours(&grad, &b) {
            return Self::float_matmul(grad, transposed::<Self>(b));
        }
        let ([rows, _], [inner, columns]) = (grad.shape().dims(), b.shape().dims());
        let (grad, b) = (grad.to_contiguous(), b.to_contiguous());
        let to_a = ferkd_kernels::forward(&pixels(rows, [inner, columns]), elements(&grad), elements(&b));
        matrix(to_a, [rows, inner])
    }

    fn product_to_b(grad: FlexTensor, a: FlexTensor) -> FlexTensor {
        if !are_ours(&grad, &a) {
            return Self::float_matmul(transposed::<Self>(a), grad);
        }
        let ([rows, columns], [_, inner]) = (grad.shape().dims(), a.shape().dims());
        let (grad, a) = (grad.to_contiguous(), a.to_contiguous());
        let shape = pixels(rows, [inner, columns]);
        let to_b = ferkd_kernels::weight_gradient(&shape, elements(&a), elements(&grad));
        matrix(to_b, [inner, columns])
    }
}
