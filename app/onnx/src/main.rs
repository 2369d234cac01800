//! The module that a page loads in a worker when the reader opens an ONNX file.

#[cfg(target_family = "wasm")]
mod wasm;

#[cfg(target_family = "wasm")]
fn main() {
    wasm::start();
}

#[cfg(not(target_family = "wasm"))]
fn main() {
    println!("This is a module of the page: `cargo xtask web` builds it.");
}
