//! What is convolved, as far as a choice of kernels goes.

use burn::backend::TensorMetadata;
use burn::tensor::DType;
use burn::tensor::ops::ConvOptions;
use burn_cubecl::tensor::CubeTensor;

use super::super::output;

/// Which of a convolution's three tensors is computed from the other two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in super::super) enum ConvPass {
    /// The output, from pictures and weight.
    Forward,
    /// The gradient of the pictures, from that of the output and the weight.
    ToX,
    /// The gradient of the weight, from that of the output and the pictures.
    ToWeight,
}

/// Everything that the choice of a kernel depends on but the device.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Problem {
    pub(super) pass: ConvPass,
    /// (N, channels, height, width), (outputs, channels / groups, height, width), (N, outputs, height, width).
    pub(super) x: [usize; 4],
    pub(super) weight: [usize; 4],
    pub(super) y: [usize; 4],
    pub(super) options: ConvOptions<2>,
    /// Numbers in bf16; else in f32.
    pub(super) half: bool,
}

impl Problem {
    /// Nothing where there is nothing to compute, or in a type that nothing is trained in.
    pub(super) fn new(
        pass: ConvPass,
        [x, weight]: [&CubeTensor; 2],
        options: &ConvOptions<2>,
    ) -> Option<Self> {
        let half = match x.dtype {
            DType::F32 => false,
            DType::BF16 => true,
            _ => return None,
        };
        let (x, weight) = (x.shape().dims(), weight.shape().dims());
        let y = output(x, weight, options);
        let some = [x, weight, y].iter().flatten().all(|&side| side > 0);
        some.then(|| Self { pass, x, weight, y, options: options.clone(), half })
    }

    /// The shape of what is computed.
    pub(super) fn computed(&self) -> [usize; 4] {
        match self.pass {
            ConvPass::Forward => self.y,
            ConvPass::ToX => self.x,
            ConvPass::ToWeight => self.weight,
        }
    }
}
