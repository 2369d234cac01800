//! A tensor on the host: what weights files hold, with no tensor library behind it.

/// A tensor on the host.
#[derive(Debug, Clone, PartialEq)]
pub struct HostTensor {
    /// Its shape, in PyTorch's layout.
    pub shape: Vec<usize>,
    /// Its values, row by row.
    pub values: Vec<f32>,
}
