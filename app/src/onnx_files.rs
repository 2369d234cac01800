//! What lies beside an ONNX file in its folder, where there are folders: its weights, and what says something of it.

use std::path::Path;
use std::sync::Arc;

use ferkd_method::Result;
use ferkd_method::error::IoContext;
use ferkd_nn::onnx_file::OnnxFile;

use crate::onnx_form::says_nothing;

/// Files by name, as they are handed over where there are no folders.
type Files = Vec<(String, Arc<[u8]>)>;

/// Longest file that says something of a network, in bytes: 22,000 names of classes take two megabytes.
const LONGEST: u64 = 16 << 20;

/// An ONNX file with those of its weights, and with `config.json`, `preprocessor_config.json` and a file of its name that
/// ends in `.toml` where they say something of it.
///
/// # Errors
/// A file that cannot be read or is no ONNX file, weights that are not there.
pub fn with_beside(path: &Path) -> Result<Files> {
    let read = |path: &Path| -> Result<(String, Arc<[u8]>)> {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok((name, std::fs::read(path).at(path)?.into()))
    };
    let mut files =
        OnnxFile::read(path)?.files()?.iter().map(|path| read(path)).collect::<Result<Files>>()?;
    let names = ["config.json", "preprocessor_config.json"].map(|name| path.with_file_name(name));
    for beside in names.into_iter().chain([path.with_extension("toml")]) {
        if std::fs::metadata(&beside).is_ok_and(|found| found.is_file() && found.len() <= LONGEST) {
            let (name, bytes) = read(&beside)?;
            if !says_nothing(&name, &bytes) {
                files.push((name, bytes));
            }
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx_form::testing::file;

    #[test]
    fn what_says_something_comes_along_and_another_programs_configuration_does_not() {
        let at = tempfile::tempdir().unwrap();
        let put = |name: &str, bytes: &[u8]| std::fs::write(at.path().join(name), bytes).unwrap();
        put("own.onnx", &file(0, 2));
        put("own.toml", b"side = 96\n");
        put("config.json", br#"{"model_type": "other"}"#);
        put("preprocessor_config.json", br#"{"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}"#);
        put("photo.jpg", b"");
        let found = with_beside(&at.path().join("own.onnx")).unwrap();
        let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["own.onnx", "preprocessor_config.json", "own.toml"]);
        // What is damaged is not passed over: whoever takes it says so.
        put("config.json", b"{");
        assert_eq!(with_beside(&at.path().join("own.onnx")).unwrap().len(), 4);
        put("own.onnx", b"no model");
        assert!(with_beside(&at.path().join("own.onnx")).is_err());
    }
}
