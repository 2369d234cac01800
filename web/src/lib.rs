//! The inspector in a browser, and only what a browser can do; everything else is `ferkd-app`'s.
//!
//! - `start`: opens WebGPU, or the page's way without it, and puts the inspector into the canvas.
//! - `page`: the inspector with what surrounds it here: link, files, what is kept between visits.
//! - `local`: the engine between two frames of the page; `worker`: the engine in a Web Worker.
//! - `onnx`: ONNX files in a worker of their own.
//! - `files`, `drops`: what the reader picks or drops; `sources`: what of it is read by slices.
//! - `fetch`: photos, weights and labels from beside the page, kept by the browser's cache.
//! - `mirror`: what the canvas shows, for screen readers.
//! - `probe`: `window.ferkd`, for tests and scripts.
#![warn(missing_docs)]

pub use ferkd_app as app;

#[cfg(target_family = "wasm")]
mod browser;
#[cfg(target_family = "wasm")]
mod drops;
#[cfg(target_family = "wasm")]
mod fetch;
#[cfg(target_family = "wasm")]
mod files;
#[cfg(target_family = "wasm")]
mod inbox;
#[cfg(target_family = "wasm")]
mod link;
#[cfg(target_family = "wasm")]
mod local;
#[cfg(target_family = "wasm")]
mod mirror;
#[cfg(target_family = "wasm")]
mod onnx;
#[cfg(target_family = "wasm")]
mod page;
#[cfg(target_family = "wasm")]
mod probe;
#[cfg(target_family = "wasm")]
mod sources;
#[cfg(target_family = "wasm")]
mod start;
#[cfg(target_family = "wasm")]
mod storage;
#[cfg(target_family = "wasm")]
mod worker;

#[cfg(target_family = "wasm")]
unsafe extern "C" {
    /// Calls what registers itself with `inventory` (the kernels' compiler does); the linker writes it.
    fn __wasm_call_ctors();
}

/// Starts the page; in a Web Worker, the engine.
#[cfg(target_family = "wasm")]
pub fn run() {
    // Where no code calls it, the linker takes the program for one that is called once, and begins every function that
    // JavaScript calls with it: all registrations again for every handle that WebGPU gives.
    // SAFETY: the first thing that the program does, and the only call.
    unsafe { __wasm_call_ctors() };
    ferkd_kernels::use_wasm_vectors();
    if web_sys::window().is_some() {
        wasm_bindgen_futures::spawn_local(start::page());
    } else {
        worker::serve();
    }
}

/// Says where this program runs.
#[cfg(not(target_family = "wasm"))]
pub fn run() {
    println!("This is the page's program: `cargo xtask web` builds the page, `cargo xtask serve` serves it.");
}
