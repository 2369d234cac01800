//! What AdamW (Loshchilov and Hutter 2019) is on every device: its numbers, as PyTorch has them.

/// Shares of the first and the second moment that a step keeps.
pub(crate) const BETAS: [f32; 2] = [0.9, 0.999];

/// What is added to the root of the second moment.
pub(crate) const EPSILON: f32 = 1e-8;

/// What the moments are divided by after `steps` steps: they began at zero.
#[cfg(any(feature = "flex", all(feature = "wgpu", not(feature = "cuda"))))]
pub(crate) fn corrections(steps: usize) -> [f32; 2] {
    BETAS.map(|beta| 1.0 - beta.powi(steps as i32))
}
