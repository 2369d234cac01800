//! Batch normalisation (Ioffe and Szegedy 2015) together with the sum and the activation behind it, in as few passes
//! over an activation as it takes.
//!
//! burn's own layer lays an activation out again for every sum over a channel, and keeps it in f32; the ReLU behind it
//! keeps another copy. Here a layer is three operations of our own on each backend: both sums in one pass, then one
//! pass that writes what the next layer reads. Nothing is laid out again, widened or kept but input and output. Forward
//! an activation is read twice and written once; backward, input and gradient are read twice and the gradient is
//! written once.

mod autodiff;
#[cfg(any(feature = "wgpu", feature = "cuda"))]
mod cube;
#[cfg(feature = "flex")]
mod flex;
#[cfg(feature = "flex")]
mod flex_f32;
#[cfg(any(feature = "wgpu", feature = "cuda"))]
mod kernels;
#[cfg(feature = "flex")]
mod statistics;
#[cfg(all(test, feature = "flex"))]
mod tests;
mod whole;

pub use whole::{BatchParts, with_batch_parts};

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, TensorMetadata, backend_extension};
use burn::nn::BatchNorm;
use burn::tensor::{FloatDType, Slice, Tensor};

use crate::models::ops::activation::Activation;
use crate::models::ops::cast::cast;

/// A layer's settings.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rule {
    /// What is added to a variance.
    epsilon: f64,
    /// The share of the batch in the running statistics.
    momentum: f64,
    /// What follows.
    activation: Activation,
}

/// What each backend computes a batch norm with.
///
/// `x`, what is added to it, gradients and what is made of them have shape (N, C, H, W), the type of the activations and
/// the layout of `x`. Everything else is in f32, as are the sums: `norm`, shape (3, C), holds mean, biased variance and
/// the factor `gamma / sqrt(variance + epsilon)` of each channel, the rest has shape (C). `n` is N H W.
#[backend_extension(
    Autodiff,
    Cube: cfg(any(feature = "wgpu", feature = "cuda")),
    Flex: cfg(feature = "flex"),
    Fusion: cfg(feature = "cuda")
)]
pub(crate) trait BatchNormOps: Backend {
    /// The norm by the statistics of the batch, and both running statistics moved by `momentum` towards its mean and
    /// its unbiased variance.
    #[fusion(meta = specs::batch_statistics)]
    fn batch_statistics(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        running_mean: FloatTensor<Self>,
        running_variance: FloatTensor<Self>,
        rule: Rule,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);

    /// `activation((x - mean) * factor + beta)`.
    #[fusion(dtype = x, shape = x)]
    fn normalise(
        x: FloatTensor<Self>,
        norm: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        activation: Activation,
    ) -> FloatTensor<Self> {
        let dtype = x.dtype();
        let y = scaled::<Self>(x, norm, beta);
        cast::<Self>(activated::<Self>(y, activation), dtype.into())
    }

    /// `activation((x - mean) * factor + beta + other)`.
    #[fusion(dtype = x, shape = x)]
    fn normalise_add(
        x: FloatTensor<Self>,
        norm: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        other: FloatTensor<Self>,
        activation: Activation,
    ) -> FloatTensor<Self> {
        let dtype = x.dtype();
        let y = scaled::<Self>(x, norm, beta);
        let y = Self::float_add(y, cast::<Self>(other, FloatDType::F32));
        cast::<Self>(activated::<Self>(y, activation), dtype.into())
    }

    /// The gradient where the activation let through what came: `y` is what it made of it.
    #[fusion(dtype = y, shape = y)]
    fn activation_backward(
        grad: FloatTensor<Self>,
        y: FloatTensor<Self>,
        activation: Activation,
    ) -> FloatTensor<Self>;

    /// Gradients of gamma and beta, and the line, shape (2, C), that the gradient of `x` is made with: slope and offset,
    /// `-factor / (variance + epsilon) * sum(grad * (x - mean)) / n` and `-factor * sum(grad) / n`. `grad` counts as far
    /// as the activation lets it through.
    #[fusion(meta = specs::gradient_statistics)]
    fn gradient_statistics(
        grad: FloatTensor<Self>,
        x: FloatTensor<Self>,
        norm: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        rule: Rule,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);

    /// The gradient of `x`: `grad * factor + (x - mean) * slope + offset`, where `grad` counts as far as the activation
    /// lets it through.
    #[fusion(dtype = x, shape = x)]
    fn normalise_backward(
        grad: FloatTensor<Self>,
        x: FloatTensor<Self>,
        norm: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        line: FloatTensor<Self>,
        activation: Activation,
    ) -> FloatTensor<Self>;

    /// A batch norm by the statistics of the batch: its output, and both running statistics.
    #[fusion(default)]
    fn normalise_batch(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        running_mean: FloatTensor<Self>,
        running_variance: FloatTensor<Self>,
        rule: Rule,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        let (norm, mean, variance) =
            Self::batch_statistics(x.clone(), gamma, running_mean, running_variance, rule);
        (Self::normalise(x, norm, beta, rule.activation), mean, variance)
    }

    /// The same with something added before the activation.
    #[fusion(default)]
    fn normalise_batch_add(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        other: FloatTensor<Self>,
        running_mean: FloatTensor<Self>,
        running_variance: FloatTensor<Self>,
        rule: Rule,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        let (norm, mean, variance) =
            Self::batch_statistics(x.clone(), gamma, running_mean, running_variance, rule);
        (Self::normalise_add(x, norm, beta, other, rule.activation), mean, variance)
    }
}

/// `(x - mean) * factor + beta` in f32.
fn scaled<B: Backend>(x: FloatTensor<B>, norm: FloatTensor<B>, beta: FloatTensor<B>) -> FloatTensor<B> {
    let channels = x.shape()[1];
    let row = |i: usize| B::float_slice(norm.clone(), &[Slice::from(i..i + 1), Slice::from(0..channels)]);
    let [mean, factor, beta] =
        [row(0), row(2), beta].map(|t| B::float_reshape(t, [1, channels, 1, 1].into()));
    let centred = B::float_sub(cast::<B>(x, FloatDType::F32), mean);
    B::float_add(B::float_mul(centred, factor), beta)
}

fn activated<B: Backend>(y: FloatTensor<B>, activation: Activation) -> FloatTensor<B> {
    match activation {
        Activation::None => y,
        Activation::Relu => B::relu(y),
        Activation::Relu6 => B::float_clamp(y, 0.0.into(), 6.0.into()),
    }
}

/// What comes out, before it is computed.
#[cfg(feature = "cuda")]
mod specs {
    use burn::backend::fusion::custom::TensorSpec;
    use burn::tensor::Shape;

    use super::Rule;

    fn rows(count: usize, channels: &TensorSpec) -> TensorSpec {
        TensorSpec::new(Shape::new([count, channels.shape[channels.shape.num_dims() - 1]]), channels.dtype)
    }

    pub(super) fn batch_statistics(
        _: &TensorSpec,
        gamma: &TensorSpec,
        _: &TensorSpec,
        _: &TensorSpec,
        _: &Rule,
    ) -> (TensorSpec, TensorSpec, TensorSpec) {
        (rows(3, gamma), gamma.clone(), gamma.clone())
    }

    pub(super) fn gradient_statistics(
        _: &TensorSpec,
        _: &TensorSpec,
        _: &TensorSpec,
        beta: &TensorSpec,
        _: &Rule,
    ) -> (TensorSpec, TensorSpec, TensorSpec) {
        (beta.clone(), beta.clone(), rows(2, beta))
    }
}

/// A batch norm of `x`, shape (N, C, H, W), of any type, and the activation behind it; what comes out has the type of
/// what went in.
///
/// A network that is trained goes by the statistics of the batch and moves the running ones by them, as PyTorch does
/// it (the running variance is the unbiased estimate); any other goes by the running ones.
pub(crate) fn batch_norm(layer: &BatchNorm, x: Tensor<4>, activation: Activation) -> Tensor<4> {
    forward(layer, x, None, activation)
}

/// The same, with something of the shape of `x` added before the activation.
pub(crate) fn batch_norm_add(
    layer: &BatchNorm,
    x: Tensor<4>,
    other: Tensor<4>,
    activation: Activation,
) -> Tensor<4> {
    forward(layer, x, Some(other), activation)
}

fn forward(layer: &BatchNorm, x: Tensor<4>, other: Option<Tensor<4>>, activation: Activation) -> Tensor<4> {
    let device = x.device();
    let learns = device.is_autodiff() && layer.training.is_enabled();
    let (x, other) = (x.into_dispatch(), other.map(Tensor::into_dispatch));
    let beta = layer.beta.val().into_dispatch();
    if !learns {
        let mean = layer.running_mean.value().to_device(&device);
        let variance = layer.running_var.value().to_device(&device);
        let factor = layer.gamma.val() / (variance.clone() + layer.epsilon).sqrt();
        let norm = Tensor::stack::<2>(vec![mean, variance, factor], 0).into_dispatch();
        return Tensor::from_dispatch(match other {
            None => Dispatch::normalise(x, norm, beta, activation),
            Some(other) => Dispatch::normalise_add(x, norm, beta, other, activation),
        });
    }
    let gamma = layer.gamma.val().into_dispatch();
    let mean = layer.running_mean.value_sync().to_device(&device).into_dispatch();
    let variance = layer.running_var.value_sync().to_device(&device).into_dispatch();
    let rule = Rule { epsilon: layer.epsilon, momentum: layer.momentum, activation };
    let (y, mean, variance) = match other {
        None => Dispatch::normalise_batch(x, gamma, beta, mean, variance, rule),
        Some(other) => Dispatch::normalise_batch_add(x, gamma, beta, other, mean, variance, rule),
    };
    layer.running_mean.update(Tensor::from_dispatch(mean).detach());
    layer.running_var.update(Tensor::from_dispatch(variance).detach());
    Tensor::from_dispatch(y)
}
