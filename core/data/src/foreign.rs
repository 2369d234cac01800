//! Files that are not what was asked for, by their first bytes: what they are, and what to do.

/// A file of another kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Foreign {
    /// What it is, with its article.
    pub what: &'static str,
    /// What a user can do.
    pub remedy: &'static str,
}

const EXPORT: &str =
    "save the network's weights with PyTorch, by torch.save(model.state_dict(), FILE), or as safetensors";
const ONNX: &str = "an ONNX file";
const UNPACK: &str = "unpack it and name the file in it";
const DOWNLOAD: &str = "download the file itself: its page has another link, or needs a login";

/// What files begin with.
const STARTS: &[(&[u8], Foreign)] = &[
    (
        b"version https://git-lfs.github.com/spec/",
        Foreign {
            what: "a Git LFS pointer, which stands for the file",
            remedy: "fetch the file itself, by `git lfs pull` in its repository",
        },
    ),
    (b"\x89HDF\r\n\x1a\n", Foreign { what: "an HDF5 file, such as Keras writes", remedy: EXPORT }),
    (b"\x93NUMPY", Foreign { what: "a NumPy array (npy)", remedy: EXPORT }),
    (b"GGUF", Foreign { what: "a GGUF file", remedy: EXPORT }),
    (b"\x1f\x8b", Foreign { what: "compressed by gzip", remedy: UNPACK }),
    (b"\x28\xb5\x2f\xfd", Foreign { what: "compressed by zstd", remedy: UNPACK }),
    (b"BZh", Foreign { what: "compressed by bzip2", remedy: UNPACK }),
    (b"\xfd7zXZ\0", Foreign { what: "compressed by xz", remedy: UNPACK }),
    (b"7z\xbc\xaf\x27\x1c", Foreign { what: "a 7z archive", remedy: UNPACK }),
    (b"Rar!\x1a\x07", Foreign { what: "a RAR archive", remedy: UNPACK }),
    (b"%PDF-", Foreign { what: "a PDF document", remedy: DOWNLOAD }),
];

impl Foreign {
    /// The problem, for an error's text.
    pub fn problem(&self) -> String {
        format!("it is {}", self.what)
    }
}

/// Recognises what is often found where weights, labels or images should be; `None` for whatever else it is.
pub fn recognise(bytes: &[u8]) -> Option<Foreign> {
    if bytes.is_empty() {
        return Some(Foreign { what: "empty", remedy: "copy or download the file again" });
    }
    // Safetensors begin with a length, whose bytes can be anyone's, and a brace.
    if bytes.get(5..9) == Some(b"\0\0\0{") {
        return None;
    }
    if let Some((_, foreign)) = STARTS.iter().find(|(start, _)| bytes.starts_with(start)) {
        return Some(*foreign);
    }
    if bytes.get(4..8) == Some(b"TFL3") {
        return Some(Foreign { what: "a TensorFlow Lite file", remedy: EXPORT });
    }
    if bytes.get(257..262) == Some(b"ustar") {
        return Some(Foreign { what: "a tar archive", remedy: UNPACK });
    }
    text(bytes).or_else(|| protobuf(bytes))
}

/// Whether bytes begin like an ONNX file.
pub fn is_onnx(head: &[u8]) -> bool {
    recognise(head).is_some_and(|foreign| foreign.what == ONNX)
}

/// Pages and lists, which are text.
fn text(bytes: &[u8]) -> Option<Foreign> {
    let head = &bytes[..bytes.len().min(4096)];
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
    let begins = |start: &[u8]| head.get(..start.len()).is_some_and(|s| s.eq_ignore_ascii_case(start));
    if begins(b"<!doctype html") || begins(b"<html") || begins(b"<head") {
        return Some(Foreign { what: "an HTML page", remedy: DOWNLOAD });
    }
    if begins(b"<?xml") {
        return Some(Foreign { what: "an XML document, such as a server's error", remedy: DOWNLOAD });
    }
    // An object of JSON. Safetensors have a length before their brace, and are no text.
    if begins(b"{") && head.iter().all(|&b| b >= b' ' || b.is_ascii_whitespace()) {
        let index = head.windows(12).any(|window| window == b"\"weight_map\"");
        return Some(match index {
            true => Foreign {
                what: "an index of weights in several files",
                remedy: "give it a name that ends in .index.json again, beside the files that it names",
            },
            false => Foreign { what: "a JSON file", remedy: "name a weights file" },
        });
    }
    None
}

/// ONNX and TensorFlow, whose files are Protocol Buffers: fields in order, without a magic number.
fn protobuf(bytes: &[u8]) -> Option<Foreign> {
    let head = &bytes[..bytes.len().min(4096)];
    let has = |word: &[u8]| head.windows(word.len()).any(|window| window == word);
    match head {
        // ONNX: the version of its representation, then the name of its producer, its graph or its opsets.
        [0x08, 1..=30, 0x12 | 0x3a | 0x42, ..] if !has(b"saved_model") && !has(b"serve") => {
            Some(Foreign { what: ONNX, remedy: EXPORT })
        }
        // TensorFlow: a saved model's version and its first graph, or a graph's first node.
        [0x08, 0x01, 0x12, ..] => Some(Foreign { what: "a TensorFlow saved model", remedy: EXPORT }),
        [0x0a, _, 0x0a, ..] | [0x0a, _, _, 0x0a, ..] if has(b"Placeholder") || has(b"Const") => {
            Some(Foreign { what: "a TensorFlow graph", remedy: EXPORT })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_another_kind_are_recognised() {
        for (bytes, says) in [
            (&b""[..], "empty"),
            (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n", "Git LFS"),
            (b"\n  <!DOCTYPE HTML><html>", "HTML"),
            (b"<html lang=en>", "HTML"),
            (b"<?xml version=\"1.0\"?><Error>", "XML"),
            (b"{\"metadata\": {}, \"weight_map\": {}}", "index of weights"),
            (b"{\"a\": 1}", "JSON"),
            (b"\x89HDF\r\n\x1a\n\0", "HDF5"),
            (b"\x08\x08\x12\x07pytorch\x1a\x052.5.1:\x10", "ONNX"),
            (b"\x08\x01\x12\x40\x0a\x05serve", "TensorFlow saved model"),
            (b"\x0a\x20\x0a\x05input\x12\x0bPlaceholder", "TensorFlow graph"),
            (b"\x1c\0\0\0TFL3", "TensorFlow Lite"),
            (b"\x93NUMPY\x01\0", "NumPy"),
            (b"\x1f\x8b\x08\0", "gzip"),
        ] {
            let found = recognise(bytes).unwrap_or_else(|| panic!("{says} is not recognised"));
            assert!(found.problem().contains(says), "{says}: {found:?}");
            assert!(!found.remedy.is_empty());
        }
    }

    #[test]
    fn weights_and_images_are_not_foreign() {
        for bytes in [
            &b"\x20\0\0\0\0\0\0\0{\"a\":{}}"[..],
            b"{\0\0\0\0\0\0\0{\"a\":{}}",
            b"\x1f\x8b\0\0\0\0\0\0{\"a\":{}}",
            b"\x08\x08\x12\0\0\0\0\0{\"a\":{}}",
            b"PK\x03\x04",
            b"\x80\x02\x8a\x0a",
            b"\xff\xd8\xff\xe0",
            b"\x89PNG\r\n\x1a\n",
        ] {
            assert_eq!(recognise(bytes), None, "{}", bytes.escape_ascii());
        }
    }
}
