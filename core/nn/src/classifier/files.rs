//! What a teacher's files are: weights in a folder, classes beside them, an ONNX file.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::labels_file::classes_beside;
use ferkd_data::classes::ClassSpace;
use ferkd_method::error::{Error, IoContext, Result};

/// The weights in a folder: a run's best checkpoint, else its last, else a model's as the Hugging Face hub has it.
pub(super) fn weights_in(folder: &Path) -> Result<PathBuf> {
    let names = [
        "checkpoints/best.safetensors",
        "checkpoints/last.safetensors",
        "model.safetensors",
        "model.safetensors.index.json",
        "pytorch_model.bin",
        "pytorch_model.bin.index.json",
    ];
    names.iter().map(|name| folder.join(name)).find(|file| file.exists()).ok_or_else(|| {
        Error::damaged(folder, "it holds no checkpoint")
            .remedy("name a run folder of `ferkd train`, a folder with model.safetensors, or a weights file")
    })
}

/// The classes that a file beside the weights `file` names, of a network of `outputs` outputs; `notes` says so.
pub(super) fn named_beside(
    file: &Path,
    outputs: usize,
    notes: &mut Vec<String>,
) -> Result<Option<ClassSpace>> {
    let Some((classes, path)) = classes_beside(file)? else { return Ok(None) };
    if classes.len() != outputs {
        let problem =
            format!("it names {} classes, and {} has {outputs} outputs", classes.len(), file.display());
        return Err(Error::mismatch(path, problem)
            .remedy("is it of these weights? take it away, or name the classes by --classes-file"));
    }
    notes.push(format!("classes are named by {path}"));
    Ok(Some(classes))
}

/// Whether a file is an ONNX file, by its name or what it begins with.
pub(super) fn is_onnx(file: &Path) -> Result<bool> {
    if file.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("onnx")) {
        return Ok(true);
    }
    let mut head = Vec::new();
    File::open(file).and_then(|file| file.take(4096).read_to_end(&mut head)).at(file)?;
    Ok(ferkd_data::foreign::is_onnx(&head))
}
