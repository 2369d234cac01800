//! The gradient of a product of matrices.

use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, AutodiffBackend};

use super::ProductOps;

#[derive(Debug)]
struct Product;

impl<B: ProductOps> Backward<B, 2> for Product {
    /// Both matrices.
    type State = (NodeId, NodeId);

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, checkpointer: &mut Checkpointer) {
        let [to_a, to_b] = ops.parents.map(|parent| parent.map(|node| node.id));
        let grad = grads.consume::<B>(&ops.node);
        if let Some(node) = to_a {
            let b = checkpointer.retrieve_node_output::<FloatTensor<B>>(ops.state.1);
            grads.register::<B>(node, B::product_to_a(grad.clone(), b));
        }
        if let Some(node) = to_b {
            let a = checkpointer.retrieve_node_output::<FloatTensor<B>>(ops.state.0);
            grads.register::<B>(node, B::product_to_b(grad, a));
        }
    }
}

impl<B: ProductOps, C: CheckpointStrategy> ProductOps for Autodiff<B, C> {
    fn product(a: FloatTensor<Self>, b: FloatTensor<Self>) -> FloatTensor<Self> {
        match Product.prepare::<C>([a.node(), b.node()]).compute_bound().stateful() {
            OpsKind::Tracked(mut node) => {
                let kept = (node.checkpoint(&a), node.checkpoint(&b));
                node.finish(kept, B::product(Self::inner(a), Self::inner(b)))
            }
            OpsKind::UnTracked(node) => node.finish(B::product(Self::inner(a), Self::inner(b))),
        }
    }
}
