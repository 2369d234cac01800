//! Labels as arrays.

use ferkd_data::batches::targets::Targets;
use ferkd_method::label::SoftLabel;
use numpy::IntoPyArray;
use pyo3::prelude::*;

use crate::convert::{instance, table};

/// Labels of one store as `Labels`: listed classes int32 (n, K), their probabilities float32 (n, K), and the
/// probability float32 (n) of each other class.
///
/// # Errors
/// None: a store's labels list equally many classes.
pub fn sparse<'py>(py: Python<'py>, labels: &[SoftLabel]) -> PyResult<Bound<'py, PyAny>> {
    let width = labels.iter().map(|label| label.top().len()).max().unwrap_or(0);
    let (mut classes, mut probabilities) = (Vec::new(), Vec::new());
    for (class, p) in labels.iter().flat_map(|label| label.top()) {
        classes.push(*class as i32);
        probabilities.push(*p);
    }
    let rest: Vec<f32> = labels.iter().map(SoftLabel::rest).collect();
    let fields = (table(py, classes, width)?, table(py, probabilities, width)?, rest.into_pyarray(py));
    instance(py, "Labels", fields)
}

/// Labels as float32 (n, C).
///
/// # Errors
/// None: all have C classes.
pub fn dense<'py>(py: Python<'py>, labels: &[SoftLabel], classes: u32) -> PyResult<Bound<'py, PyAny>> {
    table(py, labels.iter().flat_map(SoftLabel::dense).collect(), classes as usize)
}

/// Labels as a loss takes them, as `Targets`: classes int32 (N, slots), weights float32 (N, slots), rest float32 (N).
///
/// # Errors
/// None: all rows are equally wide.
pub fn targets<'py>(py: Python<'py>, targets: Targets) -> PyResult<Bound<'py, PyAny>> {
    let Targets { classes, weights, rest, slots } = targets;
    let rows = rest.len();
    let shaped = |empty: bool| if empty { 0 } else { slots };
    let slots = shaped(rows == 0);
    instance(py, "Targets", (table(py, classes, slots)?, table(py, weights, slots)?, rest.into_pyarray(py)))
}
