//! Tensors of burn-flex as numbers: f32 or bf16, computed with in f32.

use burn::backend::Flex;
use burn::backend::flex::FlexTensor;
use burn::tensor::{Element, FloatDType, Shape, TensorData};
use half::bf16;

use super::cast::cast;

/// Numbers that are added up side by side.
const LANES: usize = 16;

/// Numbers that are worth a thread.
pub(super) const WORTH: usize = 1 << 14;

/// A number of an activation.
pub(in crate::models) trait Number: Element + bytemuck::Pod + Send + Sync {
    fn wide(self) -> f32;
    fn narrow(wide: f32) -> Self;
}

impl Number for f32 {
    fn wide(self) -> f32 {
        self
    }

    fn narrow(wide: f32) -> Self {
        wide
    }
}

impl Number for bf16 {
    fn wide(self) -> f32 {
        self.to_f32()
    }

    fn narrow(wide: f32) -> Self {
        bf16::from_f32(wide)
    }
}

/// Sums of `u` and `u * v` over a row: side by side in f32, then in f64.
pub(super) fn row_sums<E: Number>(a: &[E], b: &[E], of: impl Fn(f32, f32) -> (f32, f32)) -> [f64; 2] {
    let mut sums = [[0.0f32; LANES]; 2];
    let mut add = |a: &[E], b: &[E]| {
        for (i, (a, b)) in a.iter().zip(b).enumerate() {
            let (u, v) = of(a.wide(), b.wide());
            sums[0][i] += u;
            sums[1][i] += u * v;
        }
    };
    let whole = a.len() / LANES * LANES;
    for (a, b) in a[..whole].chunks_exact(LANES).zip(b[..whole].chunks_exact(LANES)) {
        add(a, b);
    }
    add(&a[whole..], &b[whole..]);
    sums.map(|lanes| lanes.iter().map(|&sum| f64::from(sum)).sum())
}

/// Numbers that belong to channels or columns.
pub(super) fn by_channel(tensor: &FlexTensor) -> Vec<f32> {
    elements::<f32>(&tensor.to_contiguous()).to_vec()
}

/// Rows of one number a channel, or one of them.
pub(super) fn tensor(values: impl Iterator<Item = f64>, shape: impl Into<Shape>) -> FlexTensor {
    let values: Vec<f32> = values.map(|value| value as f32).collect();
    FlexTensor::from_data(TensorData::new(values, shape))
}

/// The numbers of a tensor without gaps.
pub(super) fn elements<E: Number>(tensor: &FlexTensor) -> &[E] {
    tensor.as_slice().unwrap_or_default()
}

/// Whether a tensor's memory is its own and holds nothing else.
pub(super) fn is_own(tensor: &FlexTensor) -> bool {
    let layout = tensor.layout();
    let whole = tensor.bytes().len() == layout.num_elements() * tensor.dtype().size();
    whole && layout.is_contiguous() && tensor.is_unique()
}

/// Calls `$body` with the type of the numbers; in f32, and back, where it is neither of the two that networks are in.
macro_rules! in_type {
    ($dtype:expr, |$number:ident| $body:expr, otherwise $wide:expr) => {
        match $dtype {
            burn::tensor::DType::F32 => {
                type $number = f32;
                $body
            }
            burn::tensor::DType::BF16 => {
                type $number = half::bf16;
                $body
            }
            _ => $wide,
        }
    };
}
pub(super) use in_type;

/// A tensor in f32.
pub(super) fn wide(x: FlexTensor) -> FlexTensor {
    cast::<Flex>(x, FloatDType::F32)
}
