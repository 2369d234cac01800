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

#[cfg(feature = "flex")]
impl Activation {
    /// The numbers that it lets through.
    pub(crate) fn bounds(self) -> ferkd_kernels::norm::Bounds {
        let (low, high) = match self {
            Self::None => (f32::NEG_INFINITY, f32::INFINITY),
            Self::Relu => (0.0, f32::INFINITY),
            Self::Relu6 => (0.0, 6.0),
        };
        ferkd_kernels::norm::Bounds { low, high }
    }
}
