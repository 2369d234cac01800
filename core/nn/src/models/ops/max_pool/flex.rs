//! Max pools of burn-flex's tensors.

use burn::backend::flex::FlexTensor;
use burn::backend::{Flex, TensorMetadata};
use ferkd_kernels::PoolShape;

use super::MaxPoolOps;
use crate::models::ops::channels_last::{channels_last, pictures};
use crate::models::ops::elements::elements;

impl MaxPoolOps for Flex {
    fn max_pool(x: FlexTensor, shape: PoolShape) -> FlexTensor {
        let y = ferkd_kernels::max_pool(&shape, elements(&channels_last(x)));
        let [height, width] = shape.output();
        pictures(y, [shape.batch, shape.channels, height, width])
    }

    fn max_pool_to_x(grad: FlexTensor, x: FlexTensor, shape: PoolShape) -> FlexTensor {
        let size = x.shape().dims();
        let (grad, x) = (channels_last(grad), channels_last(x));
        pictures(ferkd_kernels::max_pool_gradient(&shape, elements(&x), elements(&grad)), size)
    }
}
