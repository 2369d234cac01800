//! Tensors of a state dictionary: views into storages, of any strides.

use std::collections::BTreeMap;

use super::file::{TorchFile, damaged};
use super::find;
use super::globals::ALLOWED;
use crate::pickle::numpy::{shown, strided};
use crate::pickle::{Id, Node, Pickle};
use crate::tensor::HostTensor;
use ferkd_method::error::Result;

/// A convolution over volumes has five; more would only cost time.
const MAX_AXES: usize = 8;

/// What the numbers of a storage are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NumberKind {
    F64,
    F32,
    F16,
    Bf16,
    /// Integers of so many bytes.
    Int(usize),
    /// Complex or quantised numbers, of so many bytes, which are not read.
    Other(usize),
}

impl NumberKind {
    fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "torch DoubleStorage" => Self::F64,
            "torch FloatStorage" => Self::F32,
            "torch HalfStorage" => Self::F16,
            "torch BFloat16Storage" => Self::Bf16,
            "torch LongStorage" => Self::Int(8),
            "torch IntStorage" => Self::Int(4),
            "torch ShortStorage" => Self::Int(2),
            "torch CharStorage" | "torch ByteStorage" | "torch BoolStorage" => Self::Int(1),
            "torch ComplexDoubleStorage" => Self::Other(16),
            "torch ComplexFloatStorage" => Self::Other(8),
            "torch QInt32Storage" => Self::Other(4),
            "torch QInt8Storage"
            | "torch QUInt8Storage"
            | "torch QUInt4x2Storage"
            | "torch QUInt2x4Storage"
            | "torch.storage UntypedStorage" => Self::Other(1),
            _ => return None,
        })
    }

    pub(super) fn size(self) -> usize {
        match self {
            Self::F64 => 8,
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
            Self::Int(size) | Self::Other(size) => size,
        }
    }
}

/// Where a tensor's numbers lie.
#[derive(Debug, Clone, Copy)]
pub(super) struct StorageRef<'a> {
    pub(super) key: &'a str,
    pub(super) kind: NumberKind,
    count: usize,
}

impl<'a> StorageRef<'a> {
    /// Reads the name of a storage: ("storage", type, key, device, count), and in old files a view of it.
    pub(super) fn of(pickle: &'a Pickle, id: Id) -> Result<Self, String> {
        let bad = || "a reference to numbers that makes no sense".to_owned();
        let fields = pickle.sequence(id).ok_or_else(bad)?;
        let &[tag, class, key, _device, count, ref view @ ..] = fields else { return Err(bad()) };
        if view.iter().any(|&view| *pickle.node(view) != Node::None) {
            return Err("a view of numbers, as only PyTorch before 0.4 wrote them".into());
        }
        let Node::Global(class) = *pickle.node(class) else { return Err(bad()) };
        match (pickle.str(tag), NumberKind::parse(class), pickle.str(key), pickle.count(count)) {
            (Some("storage"), Some(kind), Some(key), Some(count)) => Ok(Self { key, kind, count }),
            _ => Err(bad()),
        }
    }
}

/// What a weights file of PyTorch holds.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TorchWeights {
    /// The float tensors by name, as f32.
    pub tensors: BTreeMap<String, HostTensor>,
    /// The other tensors by name, and what they are: integers, such as the batches that a norm has seen.
    pub left_out: BTreeMap<String, String>,
    /// Where the weights were found: keys with dots between them, such as `state_dict`; empty at the top.
    pub path: String,
}

/// The tensors of a weights file, under the names that stand in it.
///
/// Weights are found at the top, under the keys that training programs use, or in the only dictionary with tensors.
///
/// # Errors
/// No file of `torch.save`, a damaged one, one that asks for foreign names, or one without tensors.
pub fn weights(bytes: &[u8], origin: &str) -> Result<TorchWeights> {
    let file = TorchFile::read(bytes, origin, ALLOWED)?;
    let bad = |problem: String| damaged(origin, ALLOWED, problem);
    let pickle = &file.pickle;
    let found = find::weights(pickle).map_err(bad)?;
    // Tensors may share numbers, but not so many times that a small file fills the memory.
    let mut left = bytes.len();
    let mut weights = TorchWeights { path: found.path, ..TorchWeights::default() };
    for &(key, value) in pickle.items(found.dictionary).unwrap_or_default() {
        let Some(name) = pickle.str(key) else { continue };
        let read = file.tensor(value, &mut left).map_err(|problem| {
            let name: String = name.chars().take(100).flat_map(char::escape_debug).collect();
            bad(format!("`{name}`: {problem}"))
        })?;
        // Of a key that was set twice, the last value counts, as in Python.
        match read {
            Read::Floats(tensor) => drop(weights.tensors.insert(name.to_owned(), tensor)),
            Read::Other(what) => drop(weights.left_out.insert(name.to_owned(), what.to_owned())),
            Read::NoTensor => {}
        }
    }
    if weights.tensors.is_empty() {
        return Err(bad("it holds no float tensor".into()));
    }
    Ok(weights)
}

/// What a value of a dictionary is.
enum Read {
    Floats(HostTensor),
    /// A tensor that is not read, and what it is.
    Other(&'static str),
    NoTensor,
}

impl TorchFile<'_> {
    /// The tensor that a call makes, out of its wrappers: constructor and arguments.
    fn unwrapped(&self, id: Id) -> Result<Option<(&'static str, &[Id])>, String> {
        let pickle = &self.pickle;
        let Some((mut constructor, mut arguments, _)) = pickle.call(id) else { return Ok(None) };
        // A parameter is a tensor in a wrapper; a tensor with attributes is the call of another function.
        for _ in 0..2 {
            (constructor, arguments) = match (constructor, arguments) {
                (
                    "torch._utils _rebuild_parameter" | "torch._utils _rebuild_parameter_with_state",
                    [inner, ..],
                ) => match pickle.call(*inner) {
                    Some((constructor, arguments, _)) => (constructor, arguments),
                    None => return Err("a parameter without a tensor".into()),
                },
                ("torch._tensor _rebuild_from_type_v2", [function, _, inner, ..]) => {
                    match (pickle.node(*function), pickle.sequence(*inner)) {
                        (&Node::Global(constructor), Some(arguments)) => (constructor, arguments),
                        _ => return Err("a tensor with attributes, but without a tensor".into()),
                    }
                }
                other => other,
            };
        }
        Ok(Some((constructor, arguments)))
    }

    /// The tensor that a value is. `left` is how many numbers may be read.
    fn tensor(&self, id: Id, left: &mut usize) -> Result<Read, String> {
        let pickle = &self.pickle;
        let Some((constructor, arguments)) = self.unwrapped(id)? else { return Ok(Read::NoTensor) };
        match constructor {
            "torch._utils _rebuild_tensor_v2" | "torch._utils _rebuild_tensor" => {}
            "torch._utils _rebuild_qtensor" => return Ok(Read::Other("quantised")),
            "torch._utils _rebuild_sparse_tensor" => return Ok(Read::Other("sparse")),
            "torch._utils _rebuild_nested_tensor" => return Ok(Read::Other("nested")),
            "torch._utils _rebuild_meta_tensor_no_storage" => return Ok(Read::Other("without numbers")),
            "torch._utils _rebuild_tensor_v3" => {
                return Ok(Read::Other("of a type without a storage of its own"));
            }
            _ => return Ok(Read::NoTensor),
        }
        let &[storage, offset, shape, strides, ..] = arguments else {
            return Err("a tensor without shape and strides".into());
        };
        let Node::Persistent(storage) = *pickle.node(storage) else {
            return Err("a tensor without numbers".into());
        };
        let storage = StorageRef::of(pickle, storage)?;
        match storage.kind {
            NumberKind::Int(_) => return Ok(Read::Other("integers")),
            NumberKind::Other(_) => return Ok(Read::Other("complex or quantised")),
            NumberKind::F64 | NumberKind::F32 | NumberKind::F16 | NumberKind::Bf16 => {}
        }
        let offset = pickle.count(offset).ok_or("invalid offset: expected a count")?;
        let (Some(shape), Some(strides)) = (self.lengths(shape), self.lengths(strides)) else {
            return Err("invalid shape or strides: expected counts".into());
        };
        let numbers = self.storages.get(storage.key).ok_or("its numbers are missing")?;
        let size = storage.kind.size();
        if storage.count.checked_mul(size).is_none_or(|len| len > numbers.len()) {
            return Err(format!("{} bytes where {} numbers are announced", numbers.len(), storage.count));
        }
        let count = count(&shape, &strides, offset, storage.count).ok_or_else(|| {
            let (shape, strides) = (shown(&shape), shown(&strides));
            format!(
                "shape {shape}, strides {strides}, offset {offset} do not fit into {} numbers",
                storage.count
            )
        })?;
        *left = left.checked_sub(count).ok_or("its tensors share their numbers too many times")?;
        let number = |at: usize| read(&numbers[at * size..(at + 1) * size], storage.kind);
        let values = strided(&shape, &strides, offset).map(number).collect();
        Ok(Read::Floats(HostTensor { shape, values }))
    }

    /// A shape or strides: a tuple, or one in a `torch.Size`.
    fn lengths(&self, id: Id) -> Option<Vec<usize>> {
        match self.pickle.call(id) {
            Some(("torch Size", [inner], _)) => self.pickle.counts(*inner),
            _ => self.pickle.counts(id),
        }
    }
}

/// Number of elements of a view, where all of them lie within `storage` numbers and are no more than these.
fn count(shape: &[usize], strides: &[usize], offset: usize, storage: usize) -> Option<usize> {
    if shape.len() != strides.len() || shape.len() > MAX_AXES {
        return None;
    }
    if shape.contains(&0) {
        return Some(0);
    }
    let mut last = offset;
    for (length, stride) in shape.iter().zip(strides) {
        last = last.checked_add((length - 1).checked_mul(*stride)?)?;
    }
    let count = shape.iter().try_fold(1usize, |count, &length| count.checked_mul(length))?;
    (last < storage && count <= storage).then_some(count)
}

fn read(bytes: &[u8], kind: NumberKind) -> f32 {
    match (kind, bytes) {
        (NumberKind::F64, &[a, b, c, d, e, f, g, h]) => f64::from_le_bytes([a, b, c, d, e, f, g, h]) as f32,
        (NumberKind::F32, &[a, b, c, d]) => f32::from_le_bytes([a, b, c, d]),
        (NumberKind::F16, &[a, b]) => half::f16::from_le_bytes([a, b]).to_f32(),
        (NumberKind::Bf16, &[a, b]) => half::bf16::from_le_bytes([a, b]).to_f32(),
        // Integers are left out before, and every slice has its kind's size; NaN would be refused on loading.
        _ => f32::NAN,
    }
}
