//! Tensors of a state dictionary: views into storages, of any strides.

use std::collections::BTreeMap;

use super::{TorchFile, damaged};
use crate::pickle::numpy::{shown, strided};
use crate::pickle::{Allowed, Id, Node, Pickle};
use crate::tensor::HostTensor;
use ferkd_method::error::Result;

/// The names that weights and what trainers keep beside them ask for. Nothing of them is ever called.
const ALLOWED: Allowed = Allowed {
    globals: &[
        "collections OrderedDict",
        "torch._utils _rebuild_tensor_v2",
        "torch._utils _rebuild_tensor",
        "torch._utils _rebuild_parameter",
        "torch Size",
        "torch DoubleStorage",
        "torch FloatStorage",
        "torch HalfStorage",
        "torch BFloat16Storage",
        "torch LongStorage",
        "torch IntStorage",
        "torch ShortStorage",
        "torch CharStorage",
        "torch ByteStorage",
        "torch BoolStorage",
        "numpy.core.multiarray scalar",
        "numpy._core.multiarray scalar",
        "numpy dtype",
        "_codecs encode",
        "argparse Namespace",
    ],
    remedy: "save the weights alone, by torch.save(model.state_dict(), FILE), or as safetensors",
};

/// Keys under which training programs keep the weights.
const NESTED: [&str; 3] = ["state_dict", "model_state_dict", "model"];

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
            _ => return None,
        })
    }

    pub(super) fn size(self) -> usize {
        match self {
            Self::F64 => 8,
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
            Self::Int(size) => size,
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

/// The float tensors of a weights file, by name, as f32. Integer tensors, such as the batches that a norm has
/// seen, are left out; weights are found under `state_dict` or `model` too, and `module.` is taken off.
///
/// # Errors
/// No file of `torch.save`, a damaged one, one that asks for foreign names, or one without tensors.
pub fn state_dict(bytes: &[u8], origin: &str) -> Result<BTreeMap<String, HostTensor>> {
    let file = TorchFile::read(bytes, origin, ALLOWED)?;
    let bad = |problem: String| damaged(origin, ALLOWED, problem);
    let pickle = &file.pickle;
    let mut weights = pickle.root();
    // Bounded: a dictionary can hold itself.
    for _ in 0..NESTED.len() {
        let inner = NESTED.iter().find_map(|key| pickle.get(weights, key));
        match inner.filter(|&inner| pickle.items(inner).is_some()) {
            Some(inner) => weights = inner,
            None => break,
        }
    }
    let items = pickle.items(weights).ok_or_else(|| bad("it holds no dictionary of weights".into()))?;
    // Tensors may share numbers, but not so many times that a small file fills the memory.
    let mut left = bytes.len();
    let mut tensors = BTreeMap::new();
    for &(key, value) in items {
        let Some(name) = pickle.str(key) else { continue };
        let read = file.tensor(value, &mut left).map_err(|problem| {
            let name: String = name.chars().take(100).flat_map(char::escape_debug).collect();
            bad(format!("`{name}`: {problem}"))
        })?;
        let Some(tensor) = read else { continue };
        let name = name.strip_prefix("module.").unwrap_or(name);
        if tensors.insert(name.to_owned(), tensor).is_some() {
            return Err(bad(format!("two tensors called `{name}`")));
        }
    }
    if tensors.is_empty() {
        return Err(bad("it holds no float tensor".into()));
    }
    Ok(tensors)
}

impl TorchFile<'_> {
    /// The float tensor that a value is; `None` for whatever else it is. `left` is how many numbers may be read.
    fn tensor(&self, id: Id, left: &mut usize) -> Result<Option<HostTensor>, String> {
        let pickle = &self.pickle;
        let (constructor, arguments) = match pickle.call(id) {
            // A parameter is a tensor in a wrapper.
            Some(("torch._utils _rebuild_parameter", [inner, ..], _)) => match pickle.call(*inner) {
                Some((constructor, arguments, _)) => (constructor, arguments),
                None => return Err("a parameter without a tensor".into()),
            },
            Some((constructor, arguments, _)) => (constructor, arguments),
            None => return Ok(None),
        };
        if !matches!(constructor, "torch._utils _rebuild_tensor_v2" | "torch._utils _rebuild_tensor") {
            return Ok(None);
        }
        let &[storage, offset, shape, strides, ..] = arguments else {
            return Err("a tensor without shape and strides".into());
        };
        let Node::Persistent(storage) = *pickle.node(storage) else {
            return Err("a tensor without numbers".into());
        };
        let storage = StorageRef::of(pickle, storage)?;
        if matches!(storage.kind, NumberKind::Int(_)) {
            return Ok(None);
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
        Ok(Some(HostTensor { shape, values }))
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
