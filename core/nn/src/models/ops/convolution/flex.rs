//! Convolutions on the CPU: burn's.

use burn::backend::Flex;
use burn::backend::flex::FlexTensor;
use burn::backend::ops::ModuleOps;
use burn::tensor::ops::ConvOptions;

use super::ConvolutionOps;

impl ConvolutionOps for Flex {
    fn convolve(x: FlexTensor, weight: FlexTensor, options: ConvOptions<2>) -> FlexTensor {
        Self::conv2d(x, weight, None, options)
    }

    fn convolve_to_x(
        grad: FlexTensor,
        x: FlexTensor,
        weight: FlexTensor,
        options: ConvOptions<2>,
    ) -> FlexTensor {
        Self::conv2d_x_backward(x, weight, grad, options)
    }

    fn convolve_to_weight(
        grad: FlexTensor,
        x: FlexTensor,
        weight: FlexTensor,
        options: ConvOptions<2>,
    ) -> FlexTensor {
        Self::conv2d_weight_backward(x, weight, grad, options)
    }
}
