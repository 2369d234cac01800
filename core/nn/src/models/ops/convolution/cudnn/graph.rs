//! A convolution, as cuDNN's graph API is told of it.

use cudarc::cudnn::sys;
use cudarc::cudnn::sys::cudnnBackendAttributeName_t as Name;
use cudarc::cudnn::sys::cudnnBackendDescriptorType_t as DescriptorKind;

use super::descriptor::Descriptor;
use super::problem::{ConvPass, Problem};

/// What a plan is made for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Target<'a> {
    /// The device of a handle.
    Handle(sys::cudnnHandle_t),
    /// A device that cuDNN's own description tells of; it need not be there.
    #[cfg_attr(not(test), expect(dead_code, reason = "tests plan for devices that are not there"))]
    Described(&'a Descriptor),
}

/// Bytes that the buffers' addresses are multiples of: CubeCL's are multiples of more.
const ALIGNMENT: i64 = 16;

/// How cuDNN is told which tensor is which.
pub(super) const X: i64 = 1;
pub(super) const WEIGHT: i64 = 2;
pub(super) const Y: i64 = 3;

/// The convolution, as cuDNN is told of it.
#[derive(Debug)]
pub(super) struct Graph {
    whole: Descriptor,
    /// Its tensors, the convolution and the operation.
    _parts: [Descriptor; 5],
}

impl Graph {
    /// The graph of a problem.
    ///
    /// # Errors
    /// cuDNN's words where it refuses a part of it.
    pub fn new(problem: &Problem, target: Target<'_>) -> Result<Self, String> {
        let dtype = match problem.half {
            true => sys::cudnnDataType_t::CUDNN_DATA_BFLOAT16,
            false => sys::cudnnDataType_t::CUDNN_DATA_FLOAT,
        };
        let x = tensor(X, problem.x, dtype)?;
        let weight = tensor(WEIGHT, problem.weight, dtype)?;
        let y = tensor(Y, problem.y, dtype)?;
        let options = &problem.options;
        let both = |of: &dyn Fn(usize) -> usize| [of(0) as i64, of(1) as i64];
        let convolution = Descriptor::new(DescriptorKind::CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR)?
            .with(Name::CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, &[2i64])?
            .with(Name::CUDNN_ATTR_CONVOLUTION_COMP_TYPE, &[sys::cudnnDataType_t::CUDNN_DATA_FLOAT])?
            .with(
                Name::CUDNN_ATTR_CONVOLUTION_CONV_MODE,
                &[sys::cudnnConvolutionMode_t::CUDNN_CROSS_CORRELATION],
            )?
            .with(Name::CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, &both(&|i| options.stride[i]))?
            .with(Name::CUDNN_ATTR_CONVOLUTION_DILATIONS, &both(&|i| options.dilation[i]))?
            .with(Name::CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, &both(&|i| options.padding[i].0))?
            .with(Name::CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, &both(&|i| options.padding[i].1))?
            .finished()?;
        let Names { kind, convolution: of, x: of_x, weight: of_weight, y: of_y, scale, add } =
            names(problem.pass);
        let operation = Descriptor::new(kind)?
            .with_all(of, &[&convolution])?
            .with_all(of_x, &[&x])?
            .with_all(of_weight, &[&weight])?
            .with_all(of_y, &[&y])?
            .with(scale, &[1f32])?
            .with(add, &[0f32])?
            .finished()?;
        let graph = Descriptor::new(DescriptorKind::CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR)?
            .with_all(Name::CUDNN_ATTR_OPERATIONGRAPH_OPS, &[&operation])?;
        let graph = match target {
            Target::Handle(handle) => graph.with(Name::CUDNN_ATTR_OPERATIONGRAPH_HANDLE, &[handle])?,
            Target::Described(_) => graph,
        }
        .finished()?;
        Ok(Self { whole: graph, _parts: [x, weight, y, convolution, operation] })
    }

    /// What heuristics are asked about.
    pub fn whole(&self) -> &Descriptor {
        &self.whole
    }
}

/// A tensor of shape (N, channels, height, width) that lies with channels last.
fn tensor(uid: i64, shape: [usize; 4], dtype: sys::cudnnDataType_t) -> Result<Descriptor, String> {
    let [n, channels, height, width] = shape.map(|side| side as i64);
    let steps = [height * width * channels, 1, width * channels, channels];
    Descriptor::new(DescriptorKind::CUDNN_BACKEND_TENSOR_DESCRIPTOR)?
        .with(Name::CUDNN_ATTR_TENSOR_UNIQUE_ID, &[uid])?
        .with(Name::CUDNN_ATTR_TENSOR_DATA_TYPE, &[dtype])?
        .with(Name::CUDNN_ATTR_TENSOR_DIMENSIONS, &[n, channels, height, width])?
        .with(Name::CUDNN_ATTR_TENSOR_STRIDES, &steps)?
        .with(Name::CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, &[ALIGNMENT])?
        .finished()
}

/// What cuDNN calls a pass and its parts.
struct Names {
    kind: DescriptorKind,
    convolution: Name,
    x: Name,
    weight: Name,
    y: Name,
    scale: Name,
    add: Name,
}

fn names(pass: ConvPass) -> Names {
    match pass {
        ConvPass::Forward => Names {
            kind: DescriptorKind::CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR,
            convolution: Name::CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
            x: Name::CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X,
            weight: Name::CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,
            y: Name::CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y,
            scale: Name::CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
            add: Name::CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA,
        },
        ConvPass::ToX => Names {
            kind: DescriptorKind::CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR,
            convolution: Name::CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC,
            x: Name::CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX,
            weight: Name::CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,
            y: Name::CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY,
            scale: Name::CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,
            add: Name::CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA,
        },
        ConvPass::ToWeight => Names {
            kind: DescriptorKind::CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR,
            convolution: Name::CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC,
            x: Name::CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X,
            weight: Name::CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,
            y: Name::CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY,
            scale: Name::CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,
            add: Name::CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA,
        },
    }
}
