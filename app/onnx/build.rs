//! Tells the linker what to keep of the module.

fn main() {
    // Names are stripped; what wasm-bindgen reads stays.
    if std::env::var("CARGO_CFG_TARGET_FAMILY").is_ok_and(|family| family == "wasm") {
        for section in ["target_features", "producers"] {
            println!("cargo::rustc-link-arg-bins=--keep-section={section}");
        }
    }
}
