//! Writes what `torch.save(model.state_dict(), FILE)` would: a ZIP container with one pickle, and a file for the numbers
//! of each tensor.
//!
//! The pickle is an `OrderedDict` whose values are calls of `torch._utils._rebuild_tensor_v2`, which
//! `torch.load(FILE, weights_only=True)` allows. Source: `torch/serialization.py`, `caffe2/serialize/inline_container.cc`.

use ferkd_method::error::{Error, Result};

/// A tensor to write.
#[derive(Debug, Clone, Copy)]
pub struct StoredTensor<'a> {
    /// Its name in the state dictionary.
    pub name: &'a str,
    /// Its shape.
    pub shape: &'a [usize],
    /// Whether its numbers have 16 bits; 32 otherwise.
    pub half: bool,
    /// Its numbers, row by row, the lowest byte of each first.
    pub bytes: &'a [u8],
}

/// Folder within the container; PyTorch takes the name of the file, and reads any.
const FOLDER: &str = "state_dict";

/// Where PyTorch lets numbers begin: at multiples of so many bytes.
const ALIGNMENT: usize = 64;

/// The bytes of a file with these tensors, in their order; the same tensors give the same bytes.
///
/// # Errors
/// A shape that is not that of the bytes; more than 65,000 tensors, or 4 GiB.
pub fn state_dict(tensors: &[StoredTensor]) -> Result<Vec<u8>> {
    for tensor in tensors {
        let size = if tensor.half { 2 } else { 4 };
        let count = tensor.shape.iter().try_fold(size, |count: usize, &n| count.checked_mul(n));
        if count != Some(tensor.bytes.len()) {
            let problem = format!("shape {:?} and {} bytes disagree", tensor.shape, tensor.bytes.len());
            return Err(Error::mismatch(tensor.name, problem));
        }
    }
    let total = tensors.iter().map(|tensor| tensor.bytes.len()).sum::<usize>();
    if tensors.len() > 65_000 || total > (u32::MAX - (1 << 26)) as usize {
        let problem = format!("{} tensors of {total} bytes are too many for a PyTorch file", tensors.len());
        return Err(Error::mismatch("state dictionary", problem)
            .remedy("write safetensors, which may be larger than 4 GiB"));
    }
    let mut archive = Archive::default();
    archive.add("data.pkl", &pickle(tensors));
    archive.add("byteorder", b"little");
    for (key, tensor) in tensors.iter().enumerate() {
        archive.add(&format!("data/{key}"), tensor.bytes);
    }
    archive.add("version", b"3\n");
    Ok(archive.finish())
}

/// The dictionary, in pickle's protocol 2.
fn pickle(tensors: &[StoredTensor]) -> Vec<u8> {
    let mut pickle = Pickle(b"\x80\x02".to_vec());
    pickle.empty_ordered_dict();
    pickle.0.push(b'(');
    for (key, tensor) in tensors.iter().enumerate() {
        let count = tensor.shape.iter().product();
        pickle.text(tensor.name);
        pickle.global("torch._utils", "_rebuild_tensor_v2");
        pickle.tuple(|arguments| {
            // The numbers: what, of which type, under which key, for which device, how many.
            arguments.tuple(|id| {
                id.text("storage");
                id.global("torch", if tensor.half { "HalfStorage" } else { "FloatStorage" });
                id.text(&key.to_string());
                id.text("cpu");
                id.int(count);
            });
            arguments.0.push(b'Q');
            arguments.int(0);
            arguments.tuple(|shape| tensor.shape.iter().for_each(|&n| shape.int(n)));
            arguments.tuple(|strides| {
                for axis in 0..tensor.shape.len() {
                    strides.int(tensor.shape[axis + 1..].iter().product());
                }
            });
            // No gradient, no hooks.
            arguments.0.push(0x89);
            arguments.empty_ordered_dict();
        });
        pickle.0.push(b'R');
    }
    pickle.0.extend(b"u.");
    pickle.0
}

/// A program for pickle's stack machine.
struct Pickle(Vec<u8>);

impl Pickle {
    fn global(&mut self, module: &str, name: &str) {
        self.0.extend(format!("c{module}\n{name}\n").as_bytes());
    }

    fn empty_ordered_dict(&mut self) {
        self.global("collections", "OrderedDict");
        self.0.extend(b")R");
    }

    fn text(&mut self, text: &str) {
        self.0.push(b'X');
        self.0.extend((text.len() as u32).to_le_bytes());
        self.0.extend(text.as_bytes());
    }

    fn int(&mut self, value: usize) {
        match i32::try_from(value) {
            Ok(small) => {
                self.0.push(b'J');
                self.0.extend(small.to_le_bytes());
            }
            // Nine bytes, so that the highest bit is no sign.
            Err(_) => {
                self.0.extend([0x8a, 9]);
                self.0.extend((value as u64).to_le_bytes());
                self.0.push(0);
            }
        }
    }

    fn tuple(&mut self, content: impl FnOnce(&mut Self)) {
        self.0.push(b'(');
        content(self);
        self.0.push(b't');
    }
}

/// A ZIP file whose entries are stored as they are.
#[derive(Default)]
struct Archive {
    bytes: Vec<u8>,
    directory: Vec<u8>,
    entries: u16,
}

impl Archive {
    fn add(&mut self, name: &str, content: &[u8]) {
        let name = format!("{FOLDER}/{name}");
        let offset = self.bytes.len();
        let mut sum = flate2::Crc::new();
        sum.update(content);
        // Version 2.0 is needed; no flags, stored, 1 January 1980.
        let mut common = Vec::new();
        for number in [20u16, 0, 0, 0, 0x21] {
            common.extend(number.to_le_bytes());
        }
        for number in [sum.sum(), content.len() as u32, content.len() as u32] {
            common.extend(number.to_le_bytes());
        }
        common.extend((name.len() as u16).to_le_bytes());
        // An extra field `FB`, as PyTorch calls it, moves the content to where it may begin.
        let begin = offset + 4 + common.len() + 2 + name.len() + 4;
        let padding = begin.next_multiple_of(ALIGNMENT) - begin;
        self.bytes.extend(b"PK\x03\x04");
        self.bytes.extend(&common);
        self.bytes.extend((padding as u16 + 4).to_le_bytes());
        self.bytes.extend(name.as_bytes());
        self.bytes.extend(b"FB");
        self.bytes.extend((padding as u16).to_le_bytes());
        self.bytes.resize(self.bytes.len() + padding, b'Z');
        self.bytes.extend(content);
        self.directory.extend(b"PK\x01\x02\x14\0");
        self.directory.extend(common);
        // No extra field, no comment, the first disk, no attributes.
        self.directory.extend([0; 12]);
        self.directory.extend((offset as u32).to_le_bytes());
        self.directory.extend(name.as_bytes());
        self.entries += 1;
    }

    fn finish(mut self) -> Vec<u8> {
        let start = self.bytes.len() as u32;
        self.bytes.append(&mut self.directory);
        let size = self.bytes.len() as u32 - start;
        self.bytes.extend(b"PK\x05\x06\0\0\0\0");
        for _ in 0..2 {
            self.bytes.extend(self.entries.to_le_bytes());
        }
        self.bytes.extend(size.to_le_bytes());
        self.bytes.extend(start.to_le_bytes());
        self.bytes.extend([0; 2]);
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;
    use crate::torch::{is_torch, weights};

    #[test]
    fn what_is_written_is_read_again() {
        let numbers: Vec<u8> = (0..6).flat_map(|i| (i as f32 - 2.5).to_le_bytes()).collect();
        let halves = [0x3c00u16, 0xc000].map(u16::to_le_bytes).concat();
        let tensors = [
            StoredTensor { name: "fc.weight", shape: &[2, 3], half: false, bytes: &numbers },
            StoredTensor { name: "fc.bias", shape: &[2], half: true, bytes: &halves },
            StoredTensor { name: "größe", shape: &[], half: false, bytes: &numbers[..4] },
        ];
        let bytes = state_dict(&tensors).unwrap();
        assert!(is_torch(&bytes));
        assert_eq!(bytes, state_dict(&tensors).unwrap());
        let read = weights(&bytes, "w.pth").unwrap();
        assert_eq!(read.path, "");
        let weight = &read.tensors["fc.weight"];
        assert_eq!(
            (&weight.shape[..], &weight.values[..]),
            (&[2, 3][..], &[-2.5, -1.5, -0.5, 0.5, 1.5, 2.5][..])
        );
        assert_eq!(read.tensors["fc.bias"].values, [1.0, -2.0]);
        assert_eq!((read.tensors["größe"].shape.len(), read.tensors["größe"].values[0]), (0, -2.5));
        // Numbers begin where PyTorch maps them from.
        let at = bytes.windows(numbers.len()).position(|window| window == numbers).unwrap();
        assert_eq!(at % ALIGNMENT, 0);
    }

    #[test]
    fn a_shape_of_another_size_is_refused() {
        let tensor = StoredTensor { name: "a.weight", shape: &[3], half: false, bytes: &[0; 8] };
        let error = state_dict(&[tensor]).unwrap_err().to_string();
        assert!(error.contains("a.weight") && error.contains("disagree"), "{error}");
    }
}
