//! Gradients of layer norm and softmax.
//!
//! Under gradient checkpointing a layer norm's output is not kept but made again.

use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::retro_forward::RetroForward;
use burn::backend::autodiff::checkpoint::state::BackwardStates;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, AutodiffBackend, Backend};
use burn::tensor::FloatDType;

use super::RowOps;

#[derive(Debug)]
struct LayerNorm;

impl<B: RowOps> Backward<B, 3> for LayerNorm {
    /// The input, the statistics of its rows, and gamma.
    type State = (NodeId, FloatTensor<B>, FloatTensor<B>);

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, checkpointer: &mut Checkpointer) {
        let (x, statistics, gamma) = ops.state;
        let grad = grads.consume::<B>(&ops.node);
        let x = checkpointer.retrieve_node_output::<FloatTensor<B>>(x);
        let (x_grad, gamma_grad, beta_grad) = B::layer_norm_rows_backward(grad, x, statistics, gamma);
        let parents = ops.parents.into_iter().zip([x_grad, gamma_grad, beta_grad]);
        for (node, grad) in parents.filter_map(|(node, grad)| Some((node?, grad))) {
            grads.register::<B>(node.id, grad);
        }
    }
}

#[derive(Debug)]
struct Softmax;

impl<B: RowOps> Backward<B, 1> for Softmax {
    /// What it made, and the scale.
    type State = (FloatTensor<B>, f64);

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let ([node], (y, scale)) = (ops.parents, ops.state);
        let grad = grads.consume::<B>(&ops.node);
        if let Some(node) = node {
            grads.register::<B>(node.id, B::softmax_rows_backward(grad, y, scale));
        }
    }
}

/// A layer norm's output made again.
#[derive(Debug)]
struct Recompute {
    /// Input, gamma and beta.
    parents: [NodeId; 3],
    epsilon: f64,
    dtype: FloatDType,
}

/// [`Recompute`] on a backend.
#[derive(Debug)]
struct RecomputeOn<B: Backend>(Recompute, std::marker::PhantomData<B>);

impl<B: RowOps> RetroForward for RecomputeOn<B> {
    fn forward(&self, states: &mut BackwardStates, out_node: NodeId) {
        let Recompute { parents, epsilon, dtype } = &self.0;
        let [x, gamma, beta] = parents.map(|parent| states.get_state::<FloatTensor<B>>(&parent));
        states.save(out_node, B::normalise_rows(x, gamma, beta, *epsilon, *dtype));
    }
}

/// Of all operations the layer norm as a whole and the softmax have gradients.
impl<B: RowOps, C: CheckpointStrategy> RowOps for Autodiff<B, C> {
    fn layer_norm_rows(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f64,
        dtype: FloatDType,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let [x, gamma, beta] = [x, gamma, beta].map(Self::inner);
        let (y, statistics) = B::layer_norm_rows(x, gamma, beta, epsilon, dtype);
        (Self::from_inner(y), Self::from_inner(statistics))
    }

    fn layer_norm_rows_backward(
        grad: FloatTensor<Self>,
        x: FloatTensor<Self>,
        statistics: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        let [grad, x, statistics, gamma] = [grad, x, statistics, gamma].map(Self::inner);
        let (x, gamma, beta) = B::layer_norm_rows_backward(grad, x, statistics, gamma);
        (Self::from_inner(x), Self::from_inner(gamma), Self::from_inner(beta))
    }

    fn softmax_rows(x: FloatTensor<Self>, scale: f64) -> FloatTensor<Self> {
        let node = Softmax.prepare::<C>([x.node()]).compute_bound().stateful();
        let y = B::softmax_rows(Self::inner(x), scale);
        match node {
            OpsKind::Tracked(node) => node.finish((y.clone(), scale), y),
            OpsKind::UnTracked(node) => node.finish(y),
        }
    }

    fn softmax_rows_backward(grad: FloatTensor<Self>, y: FloatTensor<Self>, scale: f64) -> FloatTensor<Self> {
        Self::from_inner(B::softmax_rows_backward(Self::inner(grad), Self::inner(y), scale))
    }

    fn normalise_rows(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f64,
        dtype: FloatDType,
    ) -> FloatTensor<Self> {
        let parents = [x.id(), gamma.id(), beta.id()];
        let node = LayerNorm
            .prepare::<C>([x.node(), gamma.node(), beta.node()])
            .memory_bound()
            .retro_forward(RecomputeOn::<B>(Recompute { parents, epsilon, dtype }, Default::default()))
            .parents([&x, &gamma, &beta])
            .stateful();
        let gammas = gamma.primitive().clone();
        match node {
            OpsKind::Tracked(mut node) => {
                let kept = node.checkpoint(&x);
                let (y, statistics) =
                    B::layer_norm_rows(Self::inner(x), gammas.clone(), Self::inner(beta), epsilon, dtype);
                node.finish((kept, statistics, gammas), y)
            }
            OpsKind::UnTracked(node) => {
                node.finish(B::normalise_rows(Self::inner(x), gammas, Self::inner(beta), epsilon, dtype))
            }
        }
    }
}
