//! Inference on the CPU: a network as a list of layers over channels-last pictures, batch norms folded into the
//! convolutions. A transformer's tokens are a picture one pixel high, its linear layers convolutions of one pixel.
//!
//! `flex` computes layer by layer over a whole batch, each channel a plane of its own. Here a thread takes one
//! picture through all layers, so that what a layer writes is still in its cache when the next one reads it; a
//! pixel's channels lie side by side, so that a 1x1 convolution is one matrix product and a depthwise one works on
//! whole vectors even where a plane is 7 x 7. Where a layer's weights outnumber its pixels, a few pictures go through it
//! side by side, for no cache holds all weights. Only teachers and evaluation come here; students train on burn.

mod build;
mod conv;
mod kernels;
mod map;
mod net;
#[cfg(test)]
mod tests;
mod tokens;

pub(super) use build::Builder;
pub(crate) use net::HostNet;
