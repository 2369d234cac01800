//! Self-attention (Vaswani et al. 2017) from queries, keys and values that lie side by side, as one operation.
//!
//! It keeps what it is given and the shares of every token in every other; queries, keys and values are cut out again in
//! the backward pass, and their gradients are written side by side at once.

mod autodiff;
#[cfg(any(feature = "wgpu", feature = "cuda"))]
mod cube;
#[cfg(feature = "flex")]
mod flex;
#[cfg(any(feature = "wgpu", feature = "cuda"))]
mod kernels;
#[cfg(all(test, feature = "flex"))]
mod tests;

use burn::backend::tensor::FloatTensor;
use burn::backend::{Dispatch, TensorMetadata, backend_extension};
use burn::tensor::{Shape, Tensor};

use super::product::ProductOps;
use super::rows::RowOps;

/// What each backend computes attention with.
///
/// `qkv` has shape (N, tokens, 3 width): queries, keys and values of all heads. A head's share of each has `width /
/// heads` numbers; queries, keys and values of all heads have shape (N, heads, tokens, width / heads).
#[backend_extension(
    Autodiff,
    Cube: cfg(any(feature = "wgpu", feature = "cuda")),
    Flex: cfg(feature = "flex"),
    Fusion: cfg(feature = "cuda")
)]
pub(crate) trait AttentionOps: RowOps + ProductOps {
    /// Queries, keys and values, cut out.
    #[fusion(meta = specs::split_heads)]
    fn split_heads(
        qkv: FloatTensor<Self>,
        heads: usize,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);

    /// Queries, keys and values, put side by side again.
    #[fusion(meta = specs::merge_heads)]
    fn merge_heads(q: FloatTensor<Self>, k: FloatTensor<Self>, v: FloatTensor<Self>) -> FloatTensor<Self>;

    /// `softmax(q k^T / sqrt(width / heads)) v`, shape (N, tokens, width), and the softmax, shape (N, heads, tokens,
    /// tokens). Products are in the type of `qkv`, the softmax in f32.
    #[fusion(default)]
    fn attention_with_weights(
        qkv: FloatTensor<Self>,
        heads: usize,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let [n, tokens, three] = qkv.shape().dims();
        let scale = scale(three / 3 / heads);
        let (q, k, v) = Self::split_heads(qkv, heads);
        let scores = Self::product(q, Self::float_swap_dims(k, 2, 3));
        let attn_weights = Self::softmax_rows(scores, scale);
        let seen = Self::float_swap_dims(Self::product(attn_weights.clone(), v), 1, 2);
        (Self::float_reshape(seen, Shape::new([n, tokens, three / 3])), attn_weights)
    }

    /// The gradient of `qkv`, from that of what was seen.
    #[fusion(default)]
    fn attend_backward(
        grad: FloatTensor<Self>,
        qkv: FloatTensor<Self>,
        attn_weights: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let [n, heads, tokens, _] = attn_weights.shape().dims();
        let head = qkv.shape()[2] / 3 / heads;
        let (q, k, v) = Self::split_heads(qkv, heads);
        let grad = Self::float_reshape(grad, Shape::new([n, tokens, heads, head]));
        let grad = Self::float_swap_dims(grad, 1, 2);
        let to_v = Self::product(Self::float_swap_dims(attn_weights.clone(), 2, 3), grad.clone());
        let to_attn_weights = Self::product(grad, Self::float_swap_dims(v, 2, 3));
        let to_scores = Self::softmax_rows_backward(to_attn_weights, attn_weights, scale(head));
        let to_q = Self::product(to_scores.clone(), k);
        let to_k = Self::product(Self::float_swap_dims(to_scores, 2, 3), q);
        Self::merge_heads(to_q, to_k, to_v)
    }

    /// Attention.
    #[fusion(default)]
    fn attend(qkv: FloatTensor<Self>, heads: usize) -> FloatTensor<Self> {
        Self::attention_with_weights(qkv, heads).0
    }
}

/// What scores are multiplied by.
fn scale(head: usize) -> f64 {
    1.0 / (head as f64).sqrt()
}

/// What comes out, before it is computed.
#[cfg(feature = "cuda")]
mod specs {
    use burn::backend::fusion::custom::TensorSpec;
    use burn::tensor::Shape;

    pub(super) fn split_heads(qkv: &TensorSpec, heads: &usize) -> (TensorSpec, TensorSpec, TensorSpec) {
        let [n, tokens, three] = qkv.shape.dims();
        let one = TensorSpec::new(Shape::new([n, *heads, tokens, three / 3 / heads]), qkv.dtype);
        (one.clone(), one.clone(), one)
    }

    pub(super) fn merge_heads(q: &TensorSpec, _: &TensorSpec, _: &TensorSpec) -> TensorSpec {
        let [n, heads, tokens, head] = q.shape.dims();
        TensorSpec::new(Shape::new([n, tokens, 3 * heads * head]), q.dtype)
    }
}

/// Self-attention of `heads` heads from queries, keys and values side by side: (N, tokens, 3 width) to (N, tokens,
/// width), in the type of what goes in but for the softmax, which is in f32.
pub(crate) fn attend(qkv: Tensor<3>, heads: usize) -> Tensor<3> {
    Tensor::from_dispatch(Dispatch::attend(qkv.into_dispatch(), heads))
}
