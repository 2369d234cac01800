//! Weights files: safetensors, ours and other people's, and what `torch.save` wrote.

use std::collections::BTreeSet;
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use super::state_dict::StateDict;
use crate::seal;
use ferkd_data::tensor::HostTensor;
use ferkd_data::{foreign, prefixes};
use ferkd_method::error::{Error, IoContext, Result};

/// How floats are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// 32 bits: exact.
    F32,
    /// 16 bits: half the size; for files that ship. A tensor with a number that 16 bits cannot hold stays in 32.
    F16,
}

/// The largest file that is read: no model here comes near it.
const MAX_FILE_BYTES: u64 = 16 << 30;

impl StateDict {
    /// Reads a safetensors or PyTorch file with floats of 64, 32 or 16 bits; the content decides, not the ending.
    ///
    /// Other tensors are left out and noted, since batch norms count their batches and some networks keep indices.
    /// In other people's files prefixes of wrappers are taken off, see [`prefixes`].
    ///
    /// # Errors
    /// A file that cannot be read, or is neither; what it is, where that is known.
    pub fn read(path: &Path) -> Result<Self> {
        let size = std::fs::metadata(path).at(path)?.len();
        if size > MAX_FILE_BYTES {
            return Err(
                Error::damaged(path, format!("{size} bytes are too many")).remedy("name a weights file")
            );
        }
        Self::from_bytes(&std::fs::read(path).at(path)?, &path.display().to_string())
    }

    /// Reads safetensors, or what `torch.save` wrote, from memory; `origin` is what errors call it.
    pub fn from_bytes(bytes: &[u8], origin: &str) -> Result<Self> {
        if ferkd_data::torch::is_torch(bytes) {
            let found = ferkd_data::torch::weights(bytes, origin)?;
            let notes = match &found.path[..] {
                "" => Vec::new(),
                path => vec![format!("weights are taken from `{path}` of {origin}")],
            };
            let (tensors, left_out) = (found.tensors, found.left_out);
            return Ok(Self { tensors, left_out, notes, ..Self::default() }.unwrapped(origin));
        }
        if let Some(foreign) = foreign::recognise(bytes) {
            return Err(Error::damaged(origin, foreign.problem()).remedy(foreign.remedy));
        }
        let damaged = |problem: String| {
            Error::damaged(origin, problem).remedy("name a safetensors or PyTorch file, or copy it again")
        };
        let (_, header) =
            SafeTensors::read_metadata(bytes).map_err(|e| damaged(format!("not safetensors: {e}")))?;
        let file = SafeTensors::deserialize(bytes).map_err(|e| damaged(format!("not safetensors: {e}")))?;
        let mut dict = Self::default();
        if let Some(metadata) = header.metadata() {
            dict.metadata.extend(metadata.iter().map(|(k, v)| (k.clone(), v.clone())));
        }
        // Other people's files carry none.
        let checksum = dict.metadata.remove(seal::KEY);
        if let Some(checksum) = &checksum
            && !seal::is_sound(bytes, checksum)
        {
            return Err(Error::damaged(origin, "it does not have the checksum that it carries")
                .remedy("copy it again, or go back to another checkpoint"));
        }
        for (name, view) in file.iter() {
            let data = view.data();
            let values: Vec<f32> = match view.dtype() {
                Dtype::F32 => data.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)).collect(),
                Dtype::F16 => {
                    data.as_chunks().0.iter().map(|&b| half::f16::from_le_bytes(b).to_f32()).collect()
                }
                Dtype::BF16 => {
                    data.as_chunks().0.iter().map(|&b| half::bf16::from_le_bytes(b).to_f32()).collect()
                }
                Dtype::F64 => data.as_chunks().0.iter().map(|&b| f64::from_le_bytes(b) as f32).collect(),
                other => {
                    dict.left_out.insert(name.to_owned(), format!("{other:?}"));
                    continue;
                }
            };
            dict.tensors.insert(name.to_owned(), HostTensor { shape: view.shape().to_vec(), values });
        }
        // What this program wrote has its names as they should be.
        Ok(if checksum.is_some() { dict } else { dict.unwrapped(origin) })
    }

    /// The same without the prefixes of wrappers.
    fn unwrapped(mut self, origin: &str) -> Self {
        let taken = prefixes::strip(&mut self.tensors);
        taken.iter().for_each(|prefix| prefixes::take(&mut self.left_out, prefix));
        if !taken.is_empty() {
            self.notes.push(format!("`{}` is taken off the names in {origin}", taken.concat()));
        }
        self
    }

    /// The bytes of a safetensors file, with a checksum of them in its metadata; the same state gives the same
    /// bytes.
    ///
    /// # Errors
    /// A tensor whose shape and length disagree.
    pub fn to_bytes(&self, precision: Precision) -> Result<Vec<u8>> {
        let narrow = match precision {
            Precision::F32 => None,
            Precision::F16 => Some(self.beyond_f16().collect::<BTreeSet<_>>()),
        };
        let mut encoded: Vec<(&str, &[usize], Dtype, Vec<u8>)> = Vec::with_capacity(self.tensors.len());
        for (name, t) in &self.tensors {
            let (dtype, bytes) = match &narrow {
                Some(wide) if !wide.contains(&name[..]) => {
                    let bytes = t.values.iter().flat_map(|&v| half::f16::from_f32(v).to_le_bytes());
                    (Dtype::F16, bytes.collect())
                }
                _ => (Dtype::F32, t.values.iter().flat_map(|v| v.to_le_bytes()).collect()),
            };
            encoded.push((name, &t.shape, dtype, bytes));
        }
        let fail = |e: safetensors::SafeTensorError| Error::mismatch("weights", e.to_string());
        let views = encoded
            .iter()
            .map(|(name, shape, dtype, bytes)| {
                Ok((*name, TensorView::new(*dtype, shape.to_vec(), bytes).map_err(fail)?))
            })
            .collect::<Result<Vec<_>>>()?;
        seal::seal(&safetensors::serialize(views, None).map_err(fail)?, &self.metadata)
    }

    /// The tensors with a number that is finite in 32 bits and infinite in 16: running variances, mostly.
    pub fn beyond_f16(&self) -> impl Iterator<Item = &str> {
        let overflows = |v: &f32| v.is_finite() && half::f16::from_f32(*v).is_infinite();
        self.tensors.iter().filter(move |(_, t)| t.values.iter().any(overflows)).map(|(name, _)| &name[..])
    }

    /// Writes a safetensors file, atomically.
    pub fn write(&self, path: &Path, precision: Precision) -> Result<()> {
        ferkd_data::atomic::write(path, &self.to_bytes(precision)?)
    }
}
