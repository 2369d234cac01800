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

/// Rows and columns of a matrix in f32.
fn size(x: &FlexTensor) -> Option<[usize; 2]> {
    (x.dtype() == DType::F32 && x.shape().num_dims() == 2).then(|| x.shape().dims())
}

/// The convolution of `rows` with a matrix, if it is one that kernels of our own take.
fn ours(rows: Option<usize>, matrix: Option<[usize; 2]>) -> Option<ConvShape> {
    Some(pixels(rows?, matrix?)).filter(ConvShape::is_supported)
}

fn matrix(numbers: Vec<f32>, shape: [usize; 2]) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(numbers, shape))
}

impl ProductOps for Flex {
    fn product(a: FlexTensor, b: FlexTensor) -> FlexTensor {
        let Some(shape) = ours(size(&a).map(|[rows, _]| rows), size(&b)) else {
            return Self::float_matmul(a, b);
        };
        let (a, b) = (a.to_contiguous(), b.to_contiguous());
        let y = ferkd_kernels::data_gradient(&shape, elements(&a), elements(&b));
        matrix(y, [shape.input[1], shape.channels])
    }

    fn product_to_a(grad: FlexTensor, b: FlexTensor) -> FlexTensor {
        let Some(shape) = ours(size(&grad).map(|[rows, _]| rows), size(&b)) else {
            return Self::float_matmul(grad, transposed::<Self>(b));
        };
        let (grad, b) = (grad.to_contiguous(), b.to_contiguous());
        let to_a = ferkd_kernels::forward(&shape, elements(&grad), elements(&b));
        matrix(to_a, [shape.input[1], shape.outputs])
    }

    fn product_to_b(grad: FlexTensor, a: FlexTensor) -> FlexTensor {
        let (of_grad, of_a) = (size(&grad), size(&a));
        let matrix_of = of_a.zip(of_grad).map(|([_, inner], [_, columns])| [inner, columns]);
        let Some(shape) = ours(of_grad.map(|[rows, _]| rows), matrix_of) else {
            return Self::float_matmul(transposed::<Self>(a), grad);
        };
        let (grad, a) = (grad.to_contiguous(), a.to_contiguous());
        let to_b = ferkd_kernels::weight_gradient(&shape, elements(&a), elements(&grad));
        matrix(to_b, [shape.outputs, shape.channels])
    }
}
