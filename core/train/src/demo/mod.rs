//! The demo: the whole method on data that ship with the program.

#[cfg(not(target_family = "wasm"))]
mod page;
#[cfg(not(target_family = "wasm"))]
pub mod run;
pub mod settings;
#[cfg(not(target_family = "wasm"))]
mod truth;
