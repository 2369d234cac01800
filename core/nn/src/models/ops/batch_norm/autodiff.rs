//! The gradient of a batch norm, from the sums that the backends make.
//!
//! Nothing is kept but the input, and the output where something was added to it: the layer behind keeps that anyway.
//! Under gradient checkpointing an output to which nothing was added is not kept but made again, in one pass.

use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::retro_forward::RetroForward;
use burn::backend::autodiff::checkpoint::state::BackwardStates;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, AutodiffBackend, Backend};

use super::{BatchNormOps, Rule, whole};
use crate::models::ops::activation::Activation;

/// What the forward pass leaves to the backward pass.
#[derive(Debug, Clone)]
struct State<B: Backend> {
    x: NodeId,
    norm: FloatTensor<B>,
    beta: FloatTensor<B>,
    rule: Rule,
}

impl<B: BatchNormOps> State<B> {
    /// Hands the gradient of the norm's output on to input, gamma and beta.
    fn backward(
        self,
        grad: FloatTensor<B>,
        [to_x, to_gamma, to_beta]: [Option<NodeId>; 3],
        grads: &mut Gradients,
        checkpointer: &mut Checkpointer,
    ) {
        let Self { x, norm, beta, rule } = self;
        let x = checkpointer.retrieve_node_output::<FloatTensor<B>>(x);
        let (gamma_grad, beta_grad, line) =
            B::gradient_statistics(grad.clone(), x.clone(), norm.clone(), beta.clone(), rule);
        // Even where no one asks for the gradient of `x`: other parts of the batch wait for this one.
        let line = whole::line::<B>(line, &x);
        if let Some(node) = to_x {
            let grad = B::normalise_backward(grad, x, norm, beta, line, rule.activation);
            grads.register::<B>(node, grad);
        }
        if let Some(node) = to_gamma {
            grads.register::<B>(node, gamma_grad);
        }
        if let Some(node) = to_beta {
            grads.register::<B>(node, beta_grad);
        }
    }
}

/// The backward pass of a norm and its activation.
#[derive(Debug)]
struct Plain;

impl<B: BatchNormOps> Backward<B, 3> for Plain {
    type State = State<B>;

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, checkpointer: &mut Checkpointer) {
        let grad = grads.consume::<B>(&ops.node);
        let parents = ops.parents.map(|parent| parent.map(|node| node.id));
        ops.state.backward(grad, parents, grads, checkpointer);
    }
}

/// The backward pass of a norm, a sum, and the activation.
#[derive(Debug)]
struct Sum;

impl<B: BatchNormOps> Backward<B, 4> for Sum {
    /// The norm's, the output where there is an activation, and which.
    type State = (State<B>, Option<FloatTensor<B>>, Activation);

    fn backward(self, ops: Ops<Self::State, 4>, grads: &mut Gradients, checkpointer: &mut Checkpointer) {
        let [x, gamma, beta, other] = ops.parents.map(|parent| parent.map(|node| node.id));
        let (state, y, activation) = ops.state;
        let grad = grads.consume::<B>(&ops.node);
        let grad = match y {
            Some(y) => B::activation_backward(grad, y, activation),
            None => grad,
        };
        if let Some(node) = other {
            grads.register::<B>(node, grad.clone());
        }
        state.backward(grad, [x, gamma, beta], grads, checkpointer);
    }
}

/// A norm's output made again.
#[derive(Debug)]
struct Recompute<B: Backend> {
    /// Input, gamma and beta.
    parents: [NodeId; 3],
    norm: FloatTensor<B>,
    activation: Activation,
}

impl<B: BatchNormOps> RetroForward for Recompute<B> {
    fn forward(&self, states: &mut BackwardStates, out_node: NodeId) {
        let [x, _, beta] = self.parents.map(|parent| states.get_state::<FloatTensor<B>>(&parent));
        states.save(out_node, B::normalise(x, self.norm.clone(), beta, self.activation));
    }
}

/// Of all operations the batch norms as a whole and the two that go by a given norm have gradients.
impl<B: BatchNormOps, C: CheckpointStrategy> BatchNormOps for Autodiff<B, C> {
    fn batch_statistics(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        running_mean: FloatTensor<Self>,
        running_variance: FloatTensor<Self>,
        rule: Rule,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        let [x, gamma, mean, variance] = [x, gamma, running_mean, running_variance].map(Self::inner);
        let (norm, mean, variance) = B::batch_statistics(x, gamma, mean, variance, rule);
        (Self::from_inner(norm), Self::from_inner(mean), Self::from_inner(variance))
    }

    fn activation_backward(
        grad: FloatTensor<Self>,
        y: FloatTensor<Self>,
        activation: Activation,
    ) -> FloatTensor<Self> {
        Self::from_inner(B::activation_backward(Self::inner(grad), Self::inner(y), activation))
    }

    fn gradient_statistics(
        grad: FloatTensor<Self>,
        x: FloatTensor<Self>,
        norm: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        rule: Rule,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        let [grad, x, norm, beta] = [grad, x, norm, beta].map(Self::inner);
        let (gamma, beta, line) = B::gradient_statistics(grad, x, norm, beta, rule);
        (Self::from_inner(gamma), Self::from_inner(beta), Self::from_inner(line))
    }

    fn normalise_backward(
        grad: FloatTensor<Self>,
        x: FloatTensor<Self>,
        norm: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        line: FloatTensor<Self>,
        activation: Activation,
    ) -> FloatTensor<Self> {
        let [grad, x, norm, beta, line] = [grad, x, norm, beta, line].map(Self::inner);
        Self::from_inner(B::normalise_backward(grad, x, norm, beta, line, activation))
    }

    fn normalise_batch(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        running_mean: FloatTensor<Self>,
        running_variance: FloatTensor<Self>,
        rule: Rule,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        let [mean, variance] = [running_mean, running_variance].map(Self::inner);
        let [values, gammas, betas] = [&x, &gamma, &beta].map(|t| t.primitive().clone());
        let (norm, mean, variance) =
            whole::batch_statistics::<B>(values.clone(), gammas, mean, variance, rule);
        let y = B::normalise(values, norm.clone(), betas.clone(), rule.activation);
        let parents = [x.id(), gamma.id(), beta.id()];
        let node = Plain
            .prepare::<C>([x.node(), gamma.node(), beta.node()])
            .memory_bound()
            .retro_forward(Recompute::<B> { parents, norm: norm.clone(), activation: rule.activation })
            .parents([&x, &gamma, &beta])
            .stateful();
        let y = match node {
            OpsKind::Tracked(mut node) => {
                let x = node.checkpoint(&x);
                node.finish(State { x, norm, beta: betas, rule }, y)
            }
            OpsKind::UnTracked(node) => node.finish(y),
        };
        (y, Self::from_inner(mean), Self::from_inner(variance))
    }

    fn normalise_batch_add(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        other: FloatTensor<Self>,
        running_mean: FloatTensor<Self>,
        running_variance: FloatTensor<Self>,
        rule: Rule,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        let node =
            Sum.prepare::<C>([x.node(), gamma.node(), beta.node(), other.node()]).compute_bound().stateful();
        let values = x.primitive().clone();
        let [gamma, beta, other] = [gamma, beta, other].map(Self::inner);
        let [mean, variance] = [running_mean, running_variance].map(Self::inner);
        let (norm, mean, variance) =
            whole::batch_statistics::<B>(values.clone(), gamma, mean, variance, rule);
        let y = B::normalise_add(values, norm.clone(), beta.clone(), other, rule.activation);
        let y = match node {
            OpsKind::Tracked(mut node) => {
                let kept = (rule.activation != Activation::None).then(|| y.clone());
                // The activation is taken back before the norm is.
                let plain = Rule { activation: Activation::None, ..rule };
                let x = node.checkpoint(&x);
                node.finish((State { x, norm, beta, rule: plain }, kept, rule.activation), y)
            }
            OpsKind::UnTracked(node) => node.finish(y),
        };
        (y, Self::from_inner(mean), Self::from_inner(variance))
    }
}
