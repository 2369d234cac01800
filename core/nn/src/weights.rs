//! Weights on the host, under PyTorch's names; read from safetensors and PyTorch files, written as safetensors.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Tensor, TensorData};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use crate::models::{Model, ModelSpec, PathStack, replace};
use crate::seal;
pub use ferkd_data::tensor::HostTensor;
use ferkd_method::error::{Error, ErrorKind, IoContext, Result};

/// All parameters and running statistics of a model, under PyTorch's names, and what else a file says.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct StateDict {
    /// Tensors by name, such as `layer1.0.bn1.weight`.
    pub tensors: BTreeMap<String, HostTensor>,
    /// What the file says of itself.
    pub metadata: BTreeMap<String, String>,
}

/// How floats are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// 32 bits: exact.
    F32,
    /// 16 bits: half the size; for files that ship.
    F16,
}

/// The largest file that is read: no model here comes near it.
const MAX_FILE_BYTES: u64 = 16 << 30;

impl StateDict {
    /// The state of a model.
    ///
    /// # Errors
    /// A device that cannot be read from, or a tensor that is not f32; the tensor is named.
    pub fn of(model: &Model) -> Result<Self> {
        let mut collector = Collector::default();
        // Running statistics of the last step are only taken over when they are asked for.
        model.valid().visit(&mut collector);
        match collector.problem {
            Some(problem) => Err(Error::new(ErrorKind::Io, "device", problem)),
            None => Ok(Self { tensors: collector.tensors, metadata: BTreeMap::new() }),
        }
    }

    /// Puts the tensors into a model of the same shape; `origin` is what errors call the source.
    ///
    /// Parameters keep their identity and go on being trained where they were.
    ///
    /// # Errors
    /// A tensor that is missing, left over, of another shape, or holds a number that is not finite.
    pub fn load_into(&self, model: Model, origin: &str) -> Result<Model> {
        let mut loader = Loader {
            dict: self,
            path: PathStack::default(),
            used: 0,
            known: BTreeSet::new(),
            problems: Vec::new(),
        };
        let loaded = model.map(&mut loader);
        let Loader { used, known, mut problems, .. } = loader;
        let left_over =
            self.tensors.keys().filter(|k| !known.contains(*k) && !k.ends_with("num_batches_tracked"));
        problems.extend(left_over.map(|k| format!("`{k}` has no place in this model")));
        if problems.is_empty() {
            return Ok(loaded);
        }
        let more =
            if problems.len() > 3 { format!(" and {} more", problems.len() - 3) } else { String::new() };
        problems.truncate(3);
        let problem = format!("{used} tensors fit, but {}{more}", problems.join("; "));
        Err(Error::mismatch(origin, problem)
            .remedy("check that arch, width and classes are those of the file"))
    }

    /// Reads a safetensors or PyTorch file with F32, F16 or BF16 tensors; the content decides, not the ending.
    ///
    /// # Errors
    /// A file that cannot be read, or is neither.
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
            let tensors = ferkd_data::torch::state_dict(bytes, origin)?;
            return Ok(Self { tensors, metadata: BTreeMap::new() });
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
        if let Some(checksum) = dict.metadata.remove(seal::KEY)
            && !seal::is_sound(bytes, &checksum)
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
                // PyTorch's batch norms count their batches; nothing depends on it.
                _ if name.ends_with("num_batches_tracked") => continue,
                other => {
                    return Err(damaged(format!("`{name}` is {other:?}; F32, F16 and BF16 can be read")));
                }
            };
            dict.tensors.insert(name.to_owned(), HostTensor { shape: view.shape().to_vec(), values });
        }
        Ok(dict)
    }

    /// The bytes of a safetensors file, with a checksum of them in its metadata; the same state gives the same
    /// bytes.
    ///
    /// # Errors
    /// A tensor whose shape and length disagree.
    pub fn to_bytes(&self, precision: Precision) -> Result<Vec<u8>> {
        let encoded: Vec<(&String, &[usize], Vec<u8>)> = self
            .tensors
            .iter()
            .map(|(name, t)| {
                let bytes = match precision {
                    Precision::F32 => t.values.iter().flat_map(|v| v.to_le_bytes()).collect(),
                    Precision::F16 => {
                        t.values.iter().flat_map(|&v| half::f16::from_f32(v).to_le_bytes()).collect()
                    }
                };
                (name, &t.shape[..], bytes)
            })
            .collect();
        let dtype = if precision == Precision::F32 { Dtype::F32 } else { Dtype::F16 };
        let fail = |e: safetensors::SafeTensorError| Error::mismatch("weights", e.to_string());
        let views = encoded
            .iter()
            .map(|(name, shape, bytes)| {
                Ok((name.as_str(), TensorView::new(dtype, shape.to_vec(), bytes).map_err(fail)?))
            })
            .collect::<Result<Vec<_>>>()?;
        seal::seal(&safetensors::serialize(views, None).map_err(fail)?, &self.metadata)
    }

    /// Writes a safetensors file, atomically.
    pub fn write(&self, path: &Path, precision: Precision) -> Result<()> {
        ferkd_data::atomic::write(path, &self.to_bytes(precision)?)
    }

    /// Takes the tensors whose names start with `prefix` out, without the prefix.
    pub fn split_off(&mut self, prefix: &str) -> Self {
        let names: Vec<String> = self.tensors.keys().filter(|k| k.starts_with(prefix)).cloned().collect();
        let mut taken = Self::default();
        for name in names {
            if let Some(tensor) = self.tensors.remove(&name) {
                taken.tensors.insert(name[prefix.len()..].to_owned(), tensor);
            }
        }
        taken
    }

    /// The weights to use of a checkpoint, which holds more: the average where one was kept, else the student's.
    pub fn trained(mut self) -> Self {
        self.split_off("optimizer.");
        let averaged = self.split_off("ema.");
        if !averaged.tensors.is_empty() {
            self.tensors = averaged.tensors;
        }
        self
    }

    /// Adds the tensors of `other` under `prefix`.
    pub fn absorb(&mut self, prefix: &str, other: Self) {
        self.tensors.extend(other.tensors.into_iter().map(|(name, t)| (format!("{prefix}{name}"), t)));
    }

    /// Recognises the model by its names and shapes.
    ///
    /// # Errors
    /// Names that belong to no known network.
    pub fn infer_spec(&self, origin: &str) -> Result<ModelSpec> {
        ModelSpec::recognise(&|name| self.tensors.get(name).map(|tensor| tensor.shape.clone()), origin)
    }
}

#[derive(Default)]
struct Collector {
    path: PathStack,
    tensors: BTreeMap<String, HostTensor>,
    /// Why the first tensor that could not be read was not.
    problem: Option<String>,
}

impl ModuleVisitor for Collector {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let tensor = param.val();
        // burn keeps linear weights as (inputs, outputs), PyTorch the other way round.
        let tensor = if D == 2 { tensor.swap_dims(0, 1) } else { tensor };
        let shape = tensor.dims().to_vec();
        let (name, dtype) = (self.path.torch(), tensor.dtype());
        // As what it is: what is rounded here would go unnoticed.
        let data = tensor.try_into_data().map_err(|e| format!("{e:?}"));
        let values = data.and_then(|data| {
            data.try_into_vec::<f32>().map_err(|e| format!("it is {dtype:?}, not F32: {e:?}"))
        });
        match values {
            Ok(values) => {
                self.tensors.insert(name, HostTensor { shape, values });
            }
            Err(problem) => {
                self.problem.get_or_insert_with(|| format!("reading `{name}` back: {problem}"));
            }
        }
    }
}

struct Loader<'a> {
    dict: &'a StateDict,
    path: PathStack,
    used: usize,
    /// The model's own names: reading the model back for them would block, which a browser must not.
    known: BTreeSet<String>,
    problems: Vec<String>,
}

impl ModuleMapper for Loader<'_> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.exit();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let name = self.path.torch();
        self.known.insert(name.clone());
        let mut shape = param.lazy_shape().to_vec();
        if D == 2 {
            shape.reverse();
        }
        let Some(tensor) = self.dict.tensors.get(&name) else {
            self.problems.push(format!("`{name}` is missing"));
            return param;
        };
        if tensor.shape != shape || tensor.values.len() != shape.iter().product::<usize>() {
            self.problems.push(format!("`{name}` is {:?} where {shape:?} is needed", tensor.shape));
            return param;
        }
        if let Some(bad) = tensor.values.iter().find(|v| !v.is_finite()) {
            self.problems.push(format!("`{name}` holds {bad}"));
            return param;
        }
        self.used += 1;
        let values = match shape[..] {
            [outputs, inputs] if D == 2 => {
                (0..inputs * outputs).map(|i| tensor.values[i % outputs * inputs + i / outputs]).collect()
            }
            _ => tensor.values.clone(),
        };
        if D == 2 {
            shape.reverse();
        }
        replace(param, TensorData::new(values, shape))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::Arch;
    use burn::tensor::Device;

    fn model(seed: u64, classes: usize) -> Model {
        let spec = ModelSpec { width: Some(4), ..ModelSpec::new(Arch::Resnet8, classes) };
        spec.init(seed, &Device::flex()).unwrap()
    }

    #[test]
    fn a_round_trip_is_exact() {
        let dict = StateDict::of(&model(1, 3)).unwrap();
        let bytes = dict.to_bytes(Precision::F32).unwrap();
        let read = StateDict::from_bytes(&bytes, "memory").unwrap();
        assert_eq!(read, dict);
        assert_eq!(StateDict::of(&read.load_into(model(2, 3), "memory").unwrap()).unwrap(), dict);
        assert_eq!(
            read.infer_spec("memory").unwrap(),
            ModelSpec { width: Some(4), ..ModelSpec::new(Arch::Resnet8, 3) }
        );
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let mut dict = StateDict::of(&model(1, 3)).unwrap();
        let error = dict.load_into(model(1, 4), "a.safetensors").unwrap_err().to_string();
        assert!(
            error.contains("a.safetensors") && error.contains("fc.weight") && error.contains("[3, 16]"),
            "{error}"
        );
        dict.tensors.remove("bn1.bias");
        dict.tensors.insert("stray".into(), HostTensor { shape: vec![1], values: vec![0.0] });
        let error = dict.load_into(model(1, 3), "a").unwrap_err().to_string();
        assert!(error.contains("bn1.bias") && error.contains("stray"), "{error}");
    }

    #[test]
    fn nan_weights_are_refused() {
        let mut dict = StateDict::of(&model(1, 3)).unwrap();
        dict.tensors.get_mut("fc.bias").unwrap().values[0] = f32::NAN;
        assert!(dict.load_into(model(1, 3), "a").unwrap_err().to_string().contains("NaN"));
    }

    #[test]
    fn damaged_files_are_errors() {
        let bytes = StateDict::of(&model(1, 3)).unwrap().to_bytes(Precision::F16).unwrap();
        for end in (0..bytes.len()).step_by(97) {
            assert!(StateDict::from_bytes(&bytes[..end], "a").is_err());
        }
        assert!(StateDict::from_bytes(&[0xFF; 64], "a").is_err());
    }

    #[test]
    fn a_flipped_bit_anywhere_is_found() {
        let mut dict = StateDict::of(&model(1, 3)).unwrap();
        dict.metadata.insert("ferkd".into(), "{\"xxh3\":\"no checksum\"}".into());
        let whole = dict.to_bytes(Precision::F32).unwrap();
        assert_eq!(StateDict::from_bytes(&whole, "a").unwrap(), dict);
        for at in (0..whole.len()).step_by(61).chain(0..200) {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << (at % 8);
            match StateDict::from_bytes(&bytes, "a") {
                // Without the key's own name the checksum is another entry, and everything else is as it was.
                Ok(read) => assert_eq!((read.tensors, at < 200), (dict.tensors.clone(), true)),
                Err(error) => assert!(error.to_string().starts_with("a: "), "{error}"),
            }
        }
    }
}
