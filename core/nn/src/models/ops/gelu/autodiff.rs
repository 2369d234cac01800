//! The gradient of GELU, whose output is made again under gradient checkpointing.

use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::retro_forward::RetroForward;
use burn::backend::autodiff::checkpoint::state::BackwardStates;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, AutodiffBackend, Backend};

use super::GeluOps;

#[derive(Debug)]
struct Gelu;

impl<B: GeluOps> Backward<B, 1> for Gelu {
    /// What was activated.
    type State = NodeId;

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, checkpointer: &mut Checkpointer) {
        let [to_x] = ops.parents.map(|parent| parent.map(|node| node.id));
        let grad = grads.consume::<B>(&ops.node);
        if let Some(node) = to_x {
            let x = checkpointer.retrieve_node_output::<FloatTensor<B>>(ops.state);
            grads.register::<B>(node, B::gelu_to_x(grad, x));
        }
    }
}

/// The output made again, of what was activated.
#[derive(Debug)]
struct Recompute<B: Backend>(NodeId, std::marker::PhantomData<B>);

impl<B: GeluOps> RetroForward for Recompute<B> {
    fn forward(&self, states: &mut BackwardStates, out_node: NodeId) {
        let x = states.get_state::<FloatTensor<B>>(&self.0);
        states.save(out_node, B::gelu_of(x));
    }
}

/// Of both operations the activation alone has a gradient.
impl<B: GeluOps, C: CheckpointStrategy> GeluOps for Autodiff<B, C> {
    fn gelu_of(x: FloatTensor<Self>) -> FloatTensor<Self> {
        let node = Gelu
            .prepare::<C>([x.node()])
            .memory_bound()
            .retro_forward(Recompute::<B>(x.id(), Default::default()))
            .parents([&x])
            .stateful();
        match node {
            OpsKind::Tracked(mut node) => {
                let kept = node.checkpoint(&x);
                node.finish(kept, B::gelu_of(Self::inner(x)))
            }
            OpsKind::UnTracked(node) => node.finish(B::gelu_of(Self::inner(x))),
        }
    }

    fn gelu_to_x(grad: FloatTensor<Self>, x: FloatTensor<Self>) -> FloatTensor<Self> {
        let [grad, x] = [grad, x].map(Self::inner);
        Self::from_inner(B::gelu_to_x(grad, x))
    }
}
