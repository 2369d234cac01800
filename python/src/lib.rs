//! The native part of the Python package `ferkd`: `ferkd-method` and `ferkd-data` for PyTorch, and nothing of their
//! work done again.
//!
//! `python/ferkd/_native.pyi` has the signatures, docstrings have the shapes. Whatever takes long is done without the
//! interpreter's lock, on this process's own threads ([`pool`]).

mod batches;
mod convert;
mod errors;
mod labels;
mod mixing;
mod pool;
mod store;
mod writer;

use pyo3::prelude::*;

/// Sets the number of threads that this process cuts images and reads labels with: 0 for as many as there are cores, or
/// as RAYON_NUM_THREADS says.
#[pyfunction]
fn set_threads(threads: usize) {
    pool::set_threads(threads);
}

#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_class::<store::PyStore>()?;
    module.add_class::<batches::PyBatches>()?;
    module.add_class::<writer::PyStoreWriter>()?;
    module.add_function(wrap_pyfunction!(mixing::draw_mixing, module)?)?;
    module.add_function(wrap_pyfunction!(set_threads, module)?)
}
