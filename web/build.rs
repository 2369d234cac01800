//! Tells the page the size and checksum of each file that it fetches, and the linker what to keep.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Files that the page fetches: below the page, and in the repository's `assets`.
const ASSETS: [(&str, &str); 5] = [
    ("efficientnet-lite0/weights-f16.safetensors", "teachers/efficientnet-lite0/weights-f16.safetensors"),
    ("digits/weights-f16.safetensors", "teachers/digits/weights-f16.safetensors"),
    ("scenes-store.tar", "playground/scenes-store.tar"),
    ("photos-store.tar", "playground/photos-store.tar"),
    ("students.safetensors", "playground/students.safetensors"),
];

fn main() -> std::io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets");
    let mut files: Vec<(String, PathBuf)> =
        ASSETS.iter().map(|(to, from)| ((*to).to_owned(), root.join(from))).collect();
    files.extend(photos(&root.join("playground/photos"))?);
    let mut expected = String::from("const EXPECTED: &[(&str, u64, &str)] = &[\n");
    for (path, file) in files {
        let bytes = std::fs::read(&file)?;
        println!("cargo::rerun-if-changed={}", file.display());
        let (size, sum) = (bytes.len(), xxhash_rust::xxh3::xxh3_64(&bytes));
        // Writing into a text does not fail.
        let _ = writeln!(expected, "    (\"assets/{path}\", {size}, \"{sum:016x}\"),");
    }
    expected += "];\n";
    let out = std::env::var_os("OUT_DIR").ok_or_else(|| std::io::Error::other("cargo names no OUT_DIR"))?;
    std::fs::write(Path::new(&out).join("expected.rs"), expected)?;
    // Names are stripped, two megabytes of them over the wire; what wasm-bindgen reads stays.
    if std::env::var("CARGO_CFG_TARGET_FAMILY").is_ok_and(|family| family == "wasm") {
        for section in ["target_features", "producers"] {
            println!("cargo::rustc-link-arg-bins=--keep-section={section}");
        }
    }
    Ok(())
}

/// The photos: each in the folder of its class.
fn photos(folder: &Path) -> std::io::Result<Vec<(String, PathBuf)>> {
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut found = Vec::new();
    for class in std::fs::read_dir(folder)? {
        let class = class?;
        for photo in std::fs::read_dir(class.path())? {
            let photo = photo?;
            let (class, name) = (class.file_name(), photo.file_name());
            found.push((
                format!("photos/{}/{}", class.to_string_lossy(), name.to_string_lossy()),
                photo.path(),
            ));
        }
    }
    found.sort();
    Ok(found)
}
