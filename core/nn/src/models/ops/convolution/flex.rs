//! Convolutions on the CPU: by kernels of our own in f32, by burn's in any other type.

use burn::backend::flex::FlexTensor;
use burn::backend::ops::ModuleOps;
use burn::backend::{Flex, TensorMetadata};
use burn::tensor::ops::ConvOptions;
use burn::tensor::{DType, Shape, TensorData};
use ferkd_kernels::ConvShape;

use super::ConvolutionOps;
use crate::models::ops::channels_last::{channels_last, pictures};
use crate::models::ops::elements::elements;

/// What is convolved, where kernels of our own can.
fn shape(x: &Shape, weight: &Shape, dtype: DType, options: &ConvOptions<2>) -> Option<ConvShape> {
    let ([batch, channels, height, width], [outputs, _, down, across]) = (x.dims(), weight.dims());
    let shape = ConvShape {
        batch,
        input: [height, width],
        channels,
        outputs,
        kernel: [down, across],
        stride: options.stride,
        padding: options.padding,
        dilation: options.dilation,
        groups: options.groups,
    };
    (dtype == DType::F32 && shape.is_supported()).then_some(shape)
}

impl ConvolutionOps for Flex {
    fn convolve(x: FlexTensor, weight: FlexTensor, options: ConvOptions<2>) -> FlexTensor {
        let Some(shape) = shape(&x.shape(), &weight.shape(), x.dtype(), &options) else {
            return Self::conv2d(x, weight, None, options);
        };
        let (x, weight) = (channels_last(x), weight.to_contiguous());
        let y = ferkd_kernels::forward(&shape, elements(&x), elements(&weight));
        let [height, width] = shape.output();
        pictures(y, [shape.batch, shape.outputs, height, width])
    }

    fn convolve_to_x(
        grad: FlexTensor,
        x: FlexTensor,
        weight: FlexTensor,
        options: ConvOptions<2>,
    ) -> FlexTensor {
        let Some(shape) = shape(&x.shape(), &weight.shape(), grad.dtype(), &options) else {
            return Self::conv2d_x_backward(x, weight, grad, options);
        };
        let (grad, weight) = (channels_last(grad), weight.to_contiguous());
        let to_x = ferkd_kernels::data_gradient(&shape, elements(&grad), elements(&weight));
        pictures(to_x, x.shape().dims())
    }

    fn convolve_to_weight(
        grad: FlexTensor,
        x: FlexTensor,
        weight: FlexTensor,
        options: ConvOptions<2>,
    ) -> FlexTensor {
        let Some(shape) = shape(&x.shape(), &weight.shape(), grad.dtype(), &options) else {
            return Self::conv2d_weight_backward(x, weight, grad, options);
        };
        let (grad, x) = (channels_last(grad), channels_last(x));
        let to_weight = ferkd_kernels::weight_gradient(&shape, elements(&grad), elements(&x));
        FlexTensor::from_data(TensorData::new(to_weight, weight.shape()))
    }
}
