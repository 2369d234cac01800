//! What the tests of our operations have in common.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test may panic, and says what it skips")]

use burn::tensor::{Device, TensorData};

use ferkd_method::rng::{Purpose, Stream};

/// The devices that are there, by name.
pub(super) fn devices() -> impl Iterator<Item = (&'static str, Device)> {
    ["flex", "wgpu", "cuda"].into_iter().filter_map(|name| match crate::device::open(name) {
        Ok(device) => Some((name, device)),
        Err(error) => {
            eprintln!("skipped: no {name} device: {error}");
            None
        }
    })
}

/// Numbers of mean 0 and variance 1: the same for a seed, whatever other tests do.
pub(super) fn random<const D: usize>(shape: [usize; D], seed: u64) -> TensorData {
    let mut stream = Stream::new(seed, Purpose::Weights, 0, 0);
    let values: Vec<f32> = (0..shape.iter().product()).map(|_| stream.normal() as f32).collect();
    TensorData::new(values, shape)
}

/// Asserts that numbers are the same within a share of the largest among them.
pub(super) fn same(what: &str, found: &TensorData, expected: &TensorData, tolerance: f32) {
    assert_eq!(found.shape(), expected.shape(), "{what}");
    let elements = |data: &TensorData| data.clone().convert::<f32>().try_to_vec::<f32>().unwrap();
    let (found, expected) = (elements(found), elements(expected));
    let largest = expected.iter().fold(1e-3f32, |most, x| most.max(x.abs()));
    let off = found.iter().zip(&expected).fold(0.0f32, |most, (a, b)| most.max((a - b).abs()));
    assert!(off <= tolerance * largest, "{what} is off by {off} where the largest is {largest}");
    assert!(found.iter().all(|x| x.is_finite()), "{what}");
}
