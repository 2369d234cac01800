//! Weights files: safetensors, ours and other people's, and what `torch.save` wrote.

use std::collections::BTreeSet;
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use super::state_dict::StateDict;
use super::{shards, transformers};
use crate::seal;
use ferkd_data::digest::{sha256, sha256_of_files};
use ferkd_data::tensor::HostTensor;
use ferkd_data::torch::{StoredTensor, state_dict};
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

/// A tensor as it stands in a file.
struct Encoded<'a> {
    name: &'a str,
    shape: &'a [usize],
    /// Whether its numbers have 16 bits; 32 otherwise.
    half: bool,
    bytes: Vec<u8>,
}

/// The largest file that is read: no model here comes near it.
const MAX_FILE_BYTES: u64 = 16 << 30;

/// Checks that a file can be weights.
fn check_size(path: &Path) -> Result<()> {
    match std::fs::metadata(path).at(path)?.len() {
        0..=MAX_FILE_BYTES => Ok(()),
        size => Err(Error::damaged(path, format!("{size} bytes are too many")).remedy("name a weights file")),
    }
}

impl StateDict {
    /// Reads a safetensors or PyTorch file with floats of 64, 32 or 16 bits; the content decides, not the ending.
    ///
    /// Other tensors are left out and noted, since batch norms count their batches and some networks keep indices.
    /// In other people's files prefixes of wrappers are taken off, see [`prefixes`].
    ///
    /// # Errors
    /// A file that cannot be read, or is neither; what it is, where that is known.
    pub fn read(path: &Path) -> Result<Self> {
        Ok(Self::read_hashed(path)?.0)
    }

    /// The same with the SHA-256 of the file. An index (`model.safetensors.index.json`) stands for the files that it
    /// names, in the order of their names.
    ///
    /// # Errors
    /// Those of [`read`](Self::read); an index that names what is not there.
    pub fn read_hashed(path: &Path) -> Result<(Self, String)> {
        let origin = path.display().to_string();
        if !shards::is_index(path) {
            check_size(path)?;
            let bytes = std::fs::read(path).at(path)?;
            return Ok((Self::from_bytes(&bytes, &origin)?, sha256(&bytes)));
        }
        let (files, names) = shards::shards(path)?;
        let mut dict = Self::default();
        for file in &files {
            check_size(file)?;
            let part = Self::raw(&std::fs::read(file).at(file)?, &file.display().to_string())?.0;
            dict.tensors.extend(part.tensors);
            dict.left_out.extend(part.left_out);
        }
        let missing =
            |name: &&String| !dict.tensors.contains_key(*name) && !dict.left_out.contains_key(*name);
        if let Some(name) = names.iter().find(missing) {
            let problem = format!("it names `{name}`, which is in none of its {} files", files.len());
            return Err(Error::damaged(path, problem).remedy("copy the folder again"));
        }
        Ok((dict.unwrapped(&origin), sha256_of_files(files.iter().map(|file| &**file))?))
    }

    /// Reads safetensors, or what `torch.save` wrote, from memory; `origin` is what errors call it.
    pub fn from_bytes(bytes: &[u8], origin: &str) -> Result<Self> {
        let (dict, is_ours) = Self::raw(bytes, origin)?;
        // What this program wrote has its names as they should be.
        Ok(if is_ours { dict } else { dict.unwrapped(origin) })
    }

    /// The same with the names as they stand there, and whether this program wrote it.
    fn raw(bytes: &[u8], origin: &str) -> Result<(Self, bool)> {
        if ferkd_data::torch::is_torch(bytes) {
            let found = ferkd_data::torch::weights(bytes, origin)?;
            let notes = match &found.path[..] {
                "" => Vec::new(),
                path => vec![format!("weights are taken from `{path}` of {origin}")],
            };
            let (tensors, left_out) = (found.tensors, found.left_out);
            return Ok((Self { tensors, left_out, notes, ..Self::default() }, false));
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
        Ok((dict, checksum.is_some()))
    }

    /// The same without the prefixes of wrappers, under timm's and torchvision's names.
    fn unwrapped(mut self, origin: &str) -> Self {
        let taken = prefixes::strip(&mut self.tensors);
        taken.iter().for_each(|prefix| prefixes::take(&mut self.left_out, prefix));
        if !taken.is_empty() {
            self.notes.push(format!("`{}` is taken off the names in {origin}", taken.concat()));
        }
        if let Some(network) = transformers::rename(&mut self.tensors) {
            self.notes.push(format!("{origin} has transformers' names of a {network}"));
        }
        self
    }

    /// The bytes of a safetensors file, with a checksum of them in its metadata; the same state gives the same
    /// bytes.
    ///
    /// # Errors
    /// A tensor whose shape and length disagree.
    pub fn to_bytes(&self, precision: Precision) -> Result<Vec<u8>> {
        let encoded = self.encoded(precision);
        let fail = |e: safetensors::SafeTensorError| Error::mismatch("weights", e.to_string());
        let views = encoded
            .iter()
            .map(|Encoded { name, shape, half, bytes }| {
                let dtype = if *half { Dtype::F16 } else { Dtype::F32 };
                Ok((*name, TensorView::new(dtype, shape.to_vec(), bytes).map_err(fail)?))
            })
            .collect::<Result<Vec<_>>>()?;
        seal::seal(&safetensors::serialize(views, None).map_err(fail)?, &self.metadata)
    }

    /// The bytes of a file that `torch.load(FILE, weights_only=True)` reads as a state dictionary; it has no room for
    /// what else is known of the network.
    ///
    /// # Errors
    /// A tensor whose shape and length disagree; 4 GiB.
    pub fn to_torch(&self, precision: Precision) -> Result<Vec<u8>> {
        let encoded = self.encoded(precision);
        let stored: Vec<StoredTensor> = encoded
            .iter()
            .map(|t| StoredTensor { name: t.name, shape: t.shape, half: t.half, bytes: &t.bytes })
            .collect();
        state_dict(&stored)
    }

    /// The numbers of each tensor as bytes.
    fn encoded<'a>(&'a self, precision: Precision) -> Vec<Encoded<'a>> {
        let wide: BTreeSet<&str> = match precision {
            Precision::F32 => BTreeSet::new(),
            Precision::F16 => self.beyond_f16().collect(),
        };
        let encode = |(name, t): (&'a String, &'a HostTensor)| {
            let half = precision == Precision::F16 && !wide.contains(&name[..]);
            let bytes = match half {
                true => t.values.iter().flat_map(|&v| half::f16::from_f32(v).to_le_bytes()).collect(),
                false => t.values.iter().flat_map(|v| v.to_le_bytes()).collect(),
            };
            Encoded { name, shape: &t.shape, half, bytes }
        };
        self.tensors.iter().map(encode).collect()
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
