//! Networks: students and teachers, under the parameter names of torchvision, timm and EfficientNet-PyTorch.
//!
//! From the bottom: operations of our own (`ops`), what a network is made of (`network`), the networks, each in a
//! file of its own, and the `registry` of those that there are.

pub(crate) mod blank;
mod drop_path;
mod efficientnet_lite;
mod forward;
#[cfg(feature = "flex")]
mod host;
mod init;
mod layers;
mod macs;
mod mixed;
mod model;
pub(crate) mod network;
mod onnx;
pub(crate) mod ops;
mod padding;
mod parameters;
mod path;
mod positions;
mod registry;
mod resnet;
mod resnet_cifar;
mod spec;
#[cfg(test)]
mod tests;
mod vit;
mod vit_size;

pub use drop_path::DropPath;
#[cfg(feature = "flex")]
pub(crate) use host::HostNet;
pub(crate) use init::replace;
pub use layers::Layers;
#[cfg(all(feature = "wgpu", not(feature = "cuda")))]
pub use ops::{AdamWStep, adamw_step};
pub use ops::{BatchParts, with_batch_parts};
pub use path::PathStack;
pub use positions::resize_positions;
pub use registry::{Arch, Model};
pub use spec::ModelSpec;
pub use vit_size::{VitSize, VitStyle};
