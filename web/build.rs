//! Tells the page the size and checksum of each file that it fetches, and the linker what to keep.

use std::path::Path;

const ASSETS: [(&str, &str); 4] = [
    ("LITE0", "teachers/efficientnet-lite0/weights-f16.safetensors"),
    ("DIGITS", "teachers/digits/weights-f16.safetensors"),
    ("SCENES", "playground/scenes-store.tar"),
    ("STUDENTS", "playground/students.safetensors"),
];

fn main() -> std::io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets");
    for (name, path) in ASSETS {
        let path = root.join(path);
        let bytes = std::fs::read(&path)?;
        println!("cargo::rerun-if-changed={}", path.display());
        println!("cargo::rustc-env=FERKD_{name}_SIZE={}", bytes.len());
        println!("cargo::rustc-env=FERKD_{name}_SUM={:016x}", xxhash_rust::xxh3::xxh3_64(&bytes));
    }
    // Names are stripped, two megabytes of them over the wire; what wasm-bindgen reads stays.
    if std::env::var("CARGO_CFG_TARGET_FAMILY").is_ok_and(|family| family == "wasm") {
        for section in ["target_features", "producers"] {
            println!("cargo::rustc-link-arg-bins=--keep-section={section}");
        }
    }
    Ok(())
}
