//! What a network does: it computes, and it is counted.

use burn::tensor::Tensor;

use crate::models::drop_path::DropPath;
use crate::models::forward::Forward;
#[cfg(feature = "flex")]
use crate::models::host::{Builder, HostNet};
use crate::models::macs::macs;
use crate::models::mixed;
use crate::models::network::Network;
use crate::models::registry::Model;

impl Model {
    /// Logits of shape (N, C) for images of shape (N, 3, side, side).
    ///
    /// A vision transformer takes images of the one side that its positions are for.
    pub fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        self.classify(self.features(images, None))
    }

    /// What the last linear layer sees: shape (N, features), in f32. `drop` leaves out branches of a vision
    /// transformer.
    ///
    /// Convolutions, linear layers and products are computed in the type that the images have, f32 or bf16; norms,
    /// softmax and a transformer's tokens in f32. Weights are in f32 either way, and so are their gradients.
    pub fn features(&self, images: Tensor<4>, drop: Option<&DropPath>) -> Tensor<2> {
        self.apply(&mut Forward::of(&images, drop), images)
    }

    /// The last linear layer: features of shape (N, features) to logits of shape (N, C).
    pub fn classify(&self, features: Tensor<2>) -> Tensor<2> {
        mixed::linear(self.head(), features)
    }

    /// Numbers that the last linear layer sees of an image.
    pub fn feature_size(&self) -> usize {
        self.head().weight.shape().dims::<2>()[0]
    }

    /// The same network for inference on the CPU, with its present weights; none for transformers, which compute on burn.
    #[cfg(feature = "flex")]
    pub(crate) fn host(&self) -> ferkd_method::Result<Option<HostNet>> {
        Builder::build(self)
    }

    /// Blocks that drop-path works on; none for networks that it does not know.
    pub fn droppable(&self) -> Option<usize> {
        Network::droppable(self)
    }

    /// Multiply-adds of convolutions, linear layers and both products of attentions, for one image of
    /// `side` x `side` pixels; norms, activations, softmax and pooling are not counted.
    pub fn macs(&self, side: usize) -> u64 {
        macs(self, side)
    }
}
