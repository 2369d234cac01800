//! The gradient of a max pool.

use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, AutodiffBackend};
use ferkd_kernels::PoolShape;

use super::MaxPoolOps;

#[derive(Debug)]
struct MaxPool;

impl<B: MaxPoolOps> Backward<B, 1> for MaxPool {
    /// Pictures.
    type State = (NodeId, PoolShape);

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, checkpointer: &mut Checkpointer) {
        let [to_x] = ops.parents.map(|parent| parent.map(|node| node.id));
        let (x, shape) = ops.state;
        let grad = grads.consume::<B>(&ops.node);
        if let Some(node) = to_x {
            let x = checkpointer.retrieve_node_output::<FloatTensor<B>>(x);
            grads.register::<B>(node, B::max_pool_to_x(grad, x, shape));
        }
    }
}

/// Of both operations the pool alone has a gradient.
impl<B: MaxPoolOps, C: CheckpointStrategy> MaxPoolOps for Autodiff<B, C> {
    fn max_pool(x: FloatTensor<Self>, shape: PoolShape) -> FloatTensor<Self> {
        match MaxPool.prepare::<C>([x.node()]).compute_bound().stateful() {
            OpsKind::Tracked(mut node) => {
                let kept = (node.checkpoint(&x), shape);
                node.finish(kept, B::max_pool(Self::inner(x), shape))
            }
            OpsKind::UnTracked(node) => node.finish(B::max_pool(Self::inner(x), shape)),
        }
    }

    fn max_pool_to_x(grad: FloatTensor<Self>, x: FloatTensor<Self>, shape: PoolShape) -> FloatTensor<Self> {
        let [grad, x] = [grad, x].map(Self::inner);
        Self::from_inner(B::max_pool_to_x(grad, x, shape))
    }
}
