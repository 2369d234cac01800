//! NumPy arrays in a pickle.
//!
//! NumPy writes an array as a call of `_reconstruct`, followed by its state: version, shape, dtype, order, bytes.
//! Under protocol 2, which PyTorch uses, the bytes are text that `_codecs.encode` would turn into Latin-1.

use std::borrow::Cow;

use super::values::{Id, Node, Pickle};

/// The names that arrays need; [`Allowed::globals`](super::Allowed::globals) takes them.
pub const GLOBALS: &[&str] = &[
    "numpy.core.multiarray _reconstruct",
    "numpy._core.multiarray _reconstruct",
    "numpy ndarray",
    "numpy dtype",
    "_codecs encode",
];

/// Type of an array's elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ElementKind {
    /// One byte, 0 or 1.
    Bool,
    /// Signed integers of so many bytes.
    Int(usize),
    /// Unsigned integers of so many bytes.
    Unsigned(usize),
    /// IEEE floats of so many bytes: 2, 4 or 8.
    Float(usize),
}

impl ElementKind {
    fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "b1" | "?" => Self::Bool,
            "i1" => Self::Int(1),
            "i2" => Self::Int(2),
            "i4" => Self::Int(4),
            "i8" => Self::Int(8),
            "u1" => Self::Unsigned(1),
            "u2" => Self::Unsigned(2),
            "u4" => Self::Unsigned(4),
            "f2" => Self::Float(2),
            "f4" => Self::Float(4),
            "f8" => Self::Float(8),
            _ => return None,
        })
    }

    fn size(self) -> usize {
        match self {
            Self::Bool => 1,
            Self::Int(size) | Self::Unsigned(size) | Self::Float(size) => size,
        }
    }
}

/// An array.
#[derive(Debug, Clone, PartialEq)]
pub struct Array<'a> {
    /// Its shape.
    pub shape: Vec<usize>,
    /// What its elements are.
    pub kind: ElementKind,
    /// Whether the first index runs fastest.
    fortran: bool,
    bytes: Cow<'a, [u8]>,
}

/// Reads the array that value `id` is; the error is what is wrong with it.
pub fn array<'a>(pickle: &'a Pickle, id: Id) -> Result<Array<'a>, String> {
    let state = match pickle.call(id) {
        Some((constructor, [class, ..], Some(state)))
            if constructor.ends_with(" _reconstruct")
                && *pickle.node(*class) == Node::Global("numpy ndarray") =>
        {
            pickle.sequence(state)
        }
        _ => return Err("invalid object: expected a NumPy array".into()),
    };
    let Some(&[_, shape, dtype, fortran, bytes]) = state else {
        return Err("an array whose state is not five values".into());
    };
    let shape = pickle.counts(shape).ok_or("invalid shape of an array: expected a tuple of counts")?;
    let kind = dtype_of(pickle, dtype)?;
    let fortran = *pickle.node(fortran) == Node::Bool(true);
    let bytes = bytes_of(pickle, bytes)?;
    let expected = shape.iter().try_fold(kind.size(), |size, &length| size.checked_mul(length));
    if expected != Some(bytes.len()) {
        return Err(format!("an array of shape {} with {} bytes", shown(&shape), bytes.len()));
    }
    Ok(Array { shape, kind, fortran, bytes })
}

fn dtype_of(pickle: &Pickle, id: Id) -> Result<ElementKind, String> {
    let Some(("numpy dtype", [name, ..], state)) = pickle.call(id) else {
        return Err("an array without a dtype".into());
    };
    let name = pickle.str(*name).unwrap_or("?");
    let kind = ElementKind::parse(name.trim_start_matches(['<', '|', '=']));
    let kind = kind.ok_or_else(|| {
        let name: String = name.chars().take(20).flat_map(char::escape_debug).collect();
        format!("an array of dtype `{name}`, which is not read")
    })?;
    // State: version, byte order, subarray, names, fields, size, alignment, flags.
    let order = state.and_then(|state| pickle.sequence(state)).and_then(|state| state.get(1));
    match order.map(|&order| pickle.str(order)) {
        None | Some(Some("<" | "|" | "=")) => Ok(kind),
        _ => Err("an array whose numbers have their highest byte first".into()),
    }
}

/// Bytes, or the call that would make them of text.
fn bytes_of<'a>(pickle: &'a Pickle, id: Id) -> Result<Cow<'a, [u8]>, String> {
    if let Node::Bytes(bytes) = pickle.node(id) {
        return Ok(Cow::Borrowed(bytes));
    }
    let text = match pickle.call(id) {
        Some(("_codecs encode", [text, encoding], None)) if pickle.str(*encoding) == Some("latin1") => {
            pickle.str(*text)
        }
        _ => None,
    };
    let text = text.ok_or("invalid content of an array: expected bytes")?;
    let bytes: Option<Vec<u8>> = text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect();
    bytes.map(Cow::Owned).ok_or_else(|| "an array whose content is not Latin-1".into())
}

/// A shape for a message; a hostile one can be long.
pub(crate) fn shown(shape: &[usize]) -> String {
    let more = if shape.len() > 8 { ", ..." } else { "" };
    let shape: Vec<String> = shape.iter().take(8).map(usize::to_string).collect();
    format!("({}{more})", shape.join(", "))
}

impl Array<'_> {
    /// The elements as floats, the last index running fastest; `None` where they are not floats.
    pub fn floats(&self) -> Option<Vec<f32>> {
        let floats: Vec<f32> = match self.kind {
            ElementKind::Float(2) => {
                self.bytes.as_chunks().0.iter().map(|&b| half::f16::from_le_bytes(b).to_f32()).collect()
            }
            ElementKind::Float(4) => {
                self.bytes.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)).collect()
            }
            ElementKind::Float(8) => {
                self.bytes.as_chunks().0.iter().map(|&b| f64::from_le_bytes(b) as f32).collect()
            }
            _ => return None,
        };
        Some(self.in_c_order(floats))
    }

    /// The elements as integers, the last index running fastest; `None` where they are floats.
    pub fn integers(&self) -> Option<Vec<i64>> {
        let size = self.kind.size();
        let signed = match self.kind {
            ElementKind::Float(_) => return None,
            ElementKind::Int(_) => true,
            ElementKind::Bool | ElementKind::Unsigned(_) => false,
        };
        let integer = |bytes: &[u8]| {
            let negative = signed && bytes.last().is_some_and(|&high| high & 0x80 != 0);
            let mut whole = [if negative { 0xFF } else { 0 }; 8];
            whole[..size].copy_from_slice(bytes);
            i64::from_le_bytes(whole)
        };
        Some(self.in_c_order(self.bytes.chunks_exact(size).map(integer).collect()))
    }

    fn in_c_order<T: Copy>(&self, values: Vec<T>) -> Vec<T> {
        if !self.fortran || self.shape.len() < 2 {
            return values;
        }
        let mut strides = vec![1; self.shape.len()];
        for axis in 1..self.shape.len() {
            strides[axis] = strides[axis - 1] * self.shape[axis - 1];
        }
        strided(&self.shape, &strides, 0).map(|at| values[at]).collect()
    }
}

/// Where the elements of a strided array lie, the last index running fastest. The product of `shape` and every
/// place must have been found to fit.
pub(crate) fn strided<'a>(
    shape: &'a [usize],
    strides: &'a [usize],
    offset: usize,
) -> impl Iterator<Item = usize> + 'a {
    // An empty array may have other lengths whose product is beyond all bounds.
    let count = if shape.contains(&0) { 0 } else { shape.iter().product::<usize>() };
    let mut index = vec![0; shape.len()];
    let mut at = offset;
    (0..count).map(move |_| {
        let here = at;
        for axis in (0..shape.len()).rev() {
            index[axis] += 1;
            at += strides[axis];
            if index[axis] < shape[axis] {
                break;
            }
            at -= strides[axis] * shape[axis];
            index[axis] = 0;
        }
        here
    })
}
