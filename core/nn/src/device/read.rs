//! Reading tensors back from a device.

use burn::tensor::Tensor;

use ferkd_method::error::{Error, ErrorKind, Result};

fn failed(problem: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Io, "device", format!("reading back: {problem}"))
}

/// Reads a float tensor back to the host, row by row.
///
/// # Errors
/// A device that cannot be read from.
pub fn read<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>> {
    tensor.try_into_vec_as::<f32>().map_err(failed)
}

/// Reads a float tensor back to the host without blocking, as a browser must.
///
/// # Errors
/// A device that cannot be read from.
pub async fn read_async<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>> {
    let data = tensor.into_data_async().await.map_err(|e| failed(format!("{e:?}")))?;
    data.convert::<f32>().try_into_vec::<f32>().map_err(|e| failed(format!("{e:?}")))
}
