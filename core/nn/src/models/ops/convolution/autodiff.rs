//! The gradient of a convolution.

use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, AutodiffBackend};
use burn::tensor::ops::ConvOptions;

use super::ConvolutionOps;

#[derive(Debug)]
struct Convolution;

impl<B: ConvolutionOps> Backward<B, 2> for Convolution {
    /// Pictures and weight.
    type State = (NodeId, NodeId, ConvOptions<2>);

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, checkpointer: &mut Checkpointer) {
        let [to_x, to_weight] = ops.parents.map(|parent| parent.map(|node| node.id));
        let (x, weight, options) = ops.state;
        let grad = grads.consume::<B>(&ops.node);
        let [x, weight] = [x, weight].map(|node| checkpointer.retrieve_node_output::<FloatTensor<B>>(node));
        if let Some(node) = to_x {
            let grad = B::convolve_to_x(grad.clone(), x.clone(), weight.clone(), options.clone());
            grads.register::<B>(node, grad);
        }
        if let Some(node) = to_weight {
            grads.register::<B>(node, B::convolve_to_weight(grad, x, weight, options));
        }
    }
}

/// Of all operations the convolution alone has a gradient.
impl<B: ConvolutionOps, C: CheckpointStrategy> ConvolutionOps for Autodiff<B, C> {
    fn convolve(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        options: ConvOptions<2>,
    ) -> FloatTensor<Self> {
        match Convolution.prepare::<C>([x.node(), weight.node()]).compute_bound().stateful() {
            OpsKind::Tracked(mut node) => {
                let kept = (node.checkpoint(&x), node.checkpoint(&weight), options.clone());
                let y = B::convolve(Self::inner(x), Self::inner(weight), options);
                node.finish(kept, y)
            }
            OpsKind::UnTracked(node) => {
                node.finish(B::convolve(Self::inner(x), Self::inner(weight), options))
            }
        }
    }

    fn convolve_to_x(
        grad: FloatTensor<Self>,
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        options: ConvOptions<2>,
    ) -> FloatTensor<Self> {
        let [grad, x, weight] = [grad, x, weight].map(Self::inner);
        Self::from_inner(B::convolve_to_x(grad, x, weight, options))
    }

    fn convolve_to_weight(
        grad: FloatTensor<Self>,
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        options: ConvOptions<2>,
    ) -> FloatTensor<Self> {
        let [grad, x, weight] = [grad, x, weight].map(Self::inner);
        Self::from_inner(B::convolve_to_weight(grad, x, weight, options))
    }
}
