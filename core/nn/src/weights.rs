//! Weights on the host, under PyTorch's names; read from safetensors and PyTorch files, written as safetensors.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Tensor, TensorData};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use crate::models::{Model, ModelSpec, PathStack, replace};
use crate::seal;
pub use ferkd_data::tensor::HostTensor;
use ferkd_data::{foreign, prefixes};
use ferkd_method::error::{Error, ErrorKind, IoContext, Result};

/// All parameters and running statistics of a model, under PyTorch's names, and what else a file says.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct StateDict {
    /// Tensors by name, such as `layer1.0.bn1.weight`.
    pub tensors: BTreeMap<String, HostTensor>,
    /// What the file says of itself.
    pub metadata: BTreeMap<String, String>,
    /// Tensors of the file that are not floats, and what they are: counters, indices, quantised weights.
    pub left_out: BTreeMap<String, String>,
    /// How the tensors were found in a file of other people's: sentences for a person.
    pub notes: Vec<String>,
}

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
            None => Ok(Self { tensors: collector.tensors, ..Self::default() }),
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
        let shape = |name: &str| self.tensors.get(name).map(|tensor| tensor.shape.clone());
        ModelSpec::recognise(&shape, &self.contents(), origin)
    }

    /// What it holds, for an error: the number of tensors and three of their names.
    fn contents(&self) -> String {
        let mut text = match self.tensors.len() {
            0 => "no float tensor".to_owned(),
            count => {
                let names = self.tensors.keys().take(3).map(|name| {
                    format!("`{}`", name.chars().take(100).flat_map(char::escape_debug).collect::<String>())
                });
                let more = if count > 3 { ", ..." } else { "" };
                format!("{count} tensors: {}{more}", names.collect::<Vec<_>>().join(", "))
            }
        };
        if let Some((name, what)) = self.left_out.first_key_value() {
            let name: String = name.chars().take(100).flat_map(char::escape_debug).collect();
            text += &format!("; and {} that are not floats: `{name}` is {what}", self.left_out.len());
        }
        text
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
            self.problems.push(match self.dict.left_out.get(&name) {
                Some(what) => format!("`{name}` is {what}, where floats are needed"),
                None => format!("`{name}` is missing"),
            });
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
    fn a_number_beyond_16_bits_keeps_its_tensor_in_32() {
        let mut dict = StateDict::of(&model(1, 3)).unwrap();
        dict.tensors.get_mut("bn1.running_var").unwrap().values[1] = 1e6;
        assert_eq!(dict.beyond_f16().collect::<Vec<_>>(), ["bn1.running_var"]);
        let bytes = dict.to_bytes(Precision::F16).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        for (name, view) in file.iter() {
            let expected = if name == "bn1.running_var" { Dtype::F32 } else { Dtype::F16 };
            assert_eq!(view.dtype(), expected, "{name}");
        }
        let read = StateDict::from_bytes(&bytes, "a").unwrap();
        assert_eq!(read.tensors["bn1.running_var"], dict.tensors["bn1.running_var"]);
        assert!(read.load_into(model(2, 3), "a").is_ok());
        // The largest number of 16 bits, and what rounds to it, still go into them.
        dict.tensors.get_mut("bn1.running_var").unwrap().values[1] = 65519.0;
        assert_eq!(dict.beyond_f16().count(), 0);
    }

    /// A safetensors file of others: no checksum, no card.
    fn foreign(tensors: &[(&str, Dtype, Vec<usize>, Vec<u8>)]) -> Vec<u8> {
        let views = tensors.iter().map(|(name, dtype, shape, bytes)| {
            (*name, TensorView::new(*dtype, shape.clone(), bytes).unwrap())
        });
        safetensors::serialize(views, None).unwrap()
    }

    #[test]
    fn prefixes_are_taken_off_other_peoples_files_alone() {
        let dict = StateDict::of(&model(1, 3)).unwrap();
        for prefix in ["module.", "model.", "_orig_mod.", "encoder.", "module.backbone."] {
            let mut wrapped = StateDict::default();
            wrapped.absorb(prefix, dict.clone());
            let tensors: Vec<_> = wrapped
                .tensors
                .iter()
                .map(|(name, t)| {
                    let bytes = t.values.iter().flat_map(|v| v.to_le_bytes()).collect();
                    (&name[..], Dtype::F32, t.shape.clone(), bytes)
                })
                .collect();
            let read = StateDict::from_bytes(&foreign(&tensors), "w").unwrap();
            assert_eq!(read.tensors, dict.tensors, "{prefix}");
            assert!(read.notes[0].contains(prefix), "{:?}", read.notes);
            // A file of this program is what it says.
            let own = StateDict::from_bytes(&wrapped.to_bytes(Precision::F32).unwrap(), "w").unwrap();
            assert_eq!(own.tensors, wrapped.tensors);
        }
    }

    #[test]
    fn doubles_are_converted_and_integers_are_named_where_floats_are_needed() {
        let double = 0.5f64.to_le_bytes().to_vec();
        let file = foreign(&[
            ("bn1.num_batches_tracked", Dtype::I64, vec![], vec![0; 8]),
            ("conv1.weight", Dtype::I8, vec![1], vec![1]),
            ("fc.bias", Dtype::F64, vec![1], double),
            ("index", Dtype::BOOL, vec![1], vec![1]),
        ]);
        let dict = StateDict::from_bytes(&file, "w").unwrap();
        assert_eq!(dict.tensors["fc.bias"].values, [0.5]);
        assert_eq!((dict.tensors.len(), dict.left_out.len()), (1, 3));
        let error = dict.load_into(model(1, 1), "w").unwrap_err().to_string();
        assert!(error.contains("`conv1.weight` is I8, where floats are needed"), "{error}");
    }

    #[test]
    fn an_unknown_network_is_refused_with_three_of_its_names() {
        let tensors = ["a.w", "b.w", "c.w", "d.w"].map(|name| (name, Dtype::F32, vec![1], vec![0; 4]));
        let dict = StateDict::from_bytes(&foreign(&tensors), "w.safetensors").unwrap();
        let error = dict.infer_spec("w.safetensors").unwrap_err().to_string();
        assert!(error.contains("4 tensors: `a.w`, `b.w`, `c.w`, ..."), "{error}");
    }

    #[test]
    fn files_of_another_kind_are_named() {
        for (bytes, says) in [
            (&b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 2\n"[..], "git lfs pull"),
            (b"\x08\x08\x12\x07pytorch", "ONNX"),
            (b"<!DOCTYPE html><html></html>", "HTML"),
            (b"\x89HDF\r\n\x1a\n\0\0", "HDF5"),
            (b"", "empty"),
            (b"{\"weight_map\": {}}", "several"),
        ] {
            let error = StateDict::from_bytes(bytes, "w.bin").unwrap_err().to_string();
            assert!(error.starts_with("w.bin: it is ") && error.contains(says), "{error}");
        }
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
