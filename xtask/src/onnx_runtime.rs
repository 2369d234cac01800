//! ONNX Runtime as Python's package brings it.

/// A Python program that prints the path of the library.
pub const FIND: &str = "import onnxruntime, pathlib
folder = pathlib.Path(onnxruntime.__file__).parent / 'capi'
print(next(p for p in sorted(folder.iterdir()) if p.name.startswith('libonnxruntime.') or p.name == 'onnxruntime.dll'))";
