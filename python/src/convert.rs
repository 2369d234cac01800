//! Python's values as the core's, and the other way round.

use std::path::PathBuf;

use ferkd_method::error::{Error, Result};
use numpy::{IntoPyArray, PyArrayMethods};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple};
use serde::de::DeserializeOwned;

use crate::errors::raised;

/// A value that has a name in files and flags, such as a codec, by that name.
///
/// # Errors
/// Another name; the known ones are listed.
pub fn named<T: DeserializeOwned>(field: &str, name: &str) -> PyResult<T> {
    from_value(field, name.into())
}

/// A number, or a value that has a name.
///
/// # Errors
/// Neither; the known names are listed.
pub fn number_or_named<T: DeserializeOwned>(field: &str, value: &Bound<'_, PyAny>) -> PyResult<T> {
    match value.extract::<String>() {
        Ok(name) => named(field, &name),
        Err(_) => from_value(field, value.extract::<f64>()?.into()),
    }
}

fn from_value<T: DeserializeOwned>(field: &str, value: serde_json::Value) -> PyResult<T> {
    serde_json::from_value(value).map_err(|problem| raised(Error::usage(field, problem.to_string())))
}

/// A place in a list that counts from 0.
///
/// # Errors
/// A negative number.
pub fn place<T: TryFrom<i64>>(field: &str, number: i64) -> Result<T> {
    T::try_from(number).map_err(|_| {
        Error::usage(field, format!("{number} is out of range"))
            .remedy("count from 0: negative places are not understood")
    })
}

/// Which regions of an image: all of its `count`, one, or some in any order.
///
/// # Errors
/// A region that the image does not have.
pub fn regions(which: Option<&Bound<'_, PyAny>>, count: u32) -> PyResult<Vec<u32>> {
    let Some(which) = which.filter(|which| !which.is_none()) else { return Ok((0..count).collect()) };
    let one = |number: i64| -> PyResult<u32> {
        let region: u32 = place("which", number).map_err(raised)?;
        if region < count {
            return Ok(region);
        }
        let error = Error::usage("which", format!("region {region}; the store has {count} of each image"));
        Err(raised(error.remedy(format!("take 0 to {}", count - 1))))
    };
    let mask = || {
        let error = Error::usage("which", "invalid regions: expected their numbers, not a mask of booleans");
        raised(error.remedy("numpy.flatnonzero(mask) gives the numbers"))
    };
    // Of numpy, and of PyTorch, whose booleans would count as 0 and 1.
    let is_mask = |value: &Bound<'_, PyAny>| -> PyResult<bool> {
        let kind = value.getattr_opt("dtype")?.map(|dtype| dtype.to_string());
        Ok(value.is_instance_of::<PyBool>() || kind.is_some_and(|kind| kind.contains("bool")))
    };
    if is_mask(which)? {
        return Err(mask());
    }
    if let Ok(number) = which.extract::<i64>() {
        return Ok(vec![one(number)?]);
    }
    let region = |number: PyResult<Bound<'_, PyAny>>| {
        let number = number?;
        if is_mask(&number)? { Err(mask()) } else { one(number.extract()?) }
    };
    which.try_iter()?.map(region).collect()
}

/// Keyword arguments as a layer of settings: `regions_per_step=4` is `regions-per-step = 4`; `None` is left out.
///
/// # Errors
/// A value that no setting has.
pub fn settings(given: Option<&Bound<'_, PyDict>>) -> PyResult<toml::Table> {
    let mut table = toml::Table::new();
    for (key, value) in given.into_iter().flat_map(|given| given.iter()) {
        if !value.is_none() {
            table.insert(key.extract::<String>()?.replace('_', "-"), setting(&value)?);
        }
    }
    Ok(table)
}

fn setting(value: &Bound<'_, PyAny>) -> PyResult<toml::Value> {
    if value.is_instance_of::<PyBool>() {
        return Ok(value.extract::<bool>()?.into());
    }
    if value.is_instance_of::<PyString>() {
        return Ok(value.extract::<String>()?.into());
    }
    if value.is_instance_of::<PyFloat>() {
        return Ok(value.extract::<f64>()?.into());
    }
    if value.is_instance_of::<PyInt>() || value.hasattr("__index__")? {
        return Ok(value.extract::<i64>()?.into());
    }
    if value.is_instance_of::<PyList>() || value.is_instance_of::<PyTuple>() {
        return value.try_iter()?.map(|one| setting(&one?)).collect::<PyResult<Vec<_>>>().map(Into::into);
    }
    if let Ok(path) = value.extract::<PathBuf>() {
        return Ok(path.to_string_lossy().into_owned().into());
    }
    // numpy's numbers.
    value.extract::<f64>().map(Into::into).map_err(|_| {
        PyTypeError::new_err(format!("{value}: expected a number, a text, a path, or a list of them"))
    })
}

/// Numbers as an array of shape (rows, columns), without a copy.
///
/// # Errors
/// None: the numbers fill the shape.
pub fn table<T: numpy::Element>(
    py: Python<'_>,
    values: Vec<T>,
    columns: usize,
) -> PyResult<Bound<'_, PyAny>> {
    let rows = values.len().checked_div(columns).unwrap_or(0);
    Ok(values.into_pyarray(py).reshape([rows, columns])?.into_any())
}

/// An instance of a class of `ferkd._types`.
///
/// # Errors
/// None that the class does not raise.
pub fn instance<'py>(
    py: Python<'py>,
    class: &str,
    fields: impl pyo3::call::PyCallArgs<'py>,
) -> PyResult<Bound<'py, PyAny>> {
    py.import("ferkd._types")?.getattr(class)?.call1(fields)
}
