//! The activations that follow a norm or a sum.

/// What follows a convolution, a norm or a sum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Activation {
    /// Nothing.
    None,
    /// Nothing below 0.
    Relu,
    /// Nothing below 0 and nothing above 6.
    Relu6,
}
