//! The gradient of attention.

use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, AutodiffBackend};

use super::AttentionOps;

#[derive(Debug)]
struct Attention;

impl<B: AttentionOps> Backward<B, 1> for Attention {
    /// Queries, keys and values, and the softmax.
    type State = (NodeId, FloatTensor<B>);

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, checkpointer: &mut Checkpointer) {
        let ([node], (qkv, attn_weights)) = (ops.parents, ops.state);
        let grad = grads.consume::<B>(&ops.node);
        let qkv = checkpointer.retrieve_node_output::<FloatTensor<B>>(qkv);
        if let Some(node) = node {
            grads.register::<B>(node.id, B::attend_backward(grad, qkv, attn_weights));
        }
    }
}

/// Of all operations the attention as a whole has a gradient.
impl<B: AttentionOps, C: CheckpointStrategy> AttentionOps for Autodiff<B, C> {
    fn split_heads(
        qkv: FloatTensor<Self>,
        heads: usize,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        let (q, k, v) = B::split_heads(Self::inner(qkv), heads);
        (Self::from_inner(q), Self::from_inner(k), Self::from_inner(v))
    }

    fn merge_heads(q: FloatTensor<Self>, k: FloatTensor<Self>, v: FloatTensor<Self>) -> FloatTensor<Self> {
        Self::from_inner(B::merge_heads(Self::inner(q), Self::inner(k), Self::inner(v)))
    }

    fn attend(qkv: FloatTensor<Self>, heads: usize) -> FloatTensor<Self> {
        match Attention.prepare::<C>([qkv.node()]).compute_bound().stateful() {
            OpsKind::Tracked(mut node) => {
                let kept = node.checkpoint(&qkv);
                let (seen, attn_weights) = B::attention_with_weights(Self::inner(qkv), heads);
                node.finish((kept, attn_weights), seen)
            }
            OpsKind::UnTracked(node) => node.finish(B::attend(Self::inner(qkv), heads)),
        }
    }
}
