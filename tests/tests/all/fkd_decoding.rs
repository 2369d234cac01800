//! Decoding rules against what FKD's own decoder gives.
//!
//! The goldens are dense labels. Each holds its top K exactly, so encoding it and decoding again must give it
//! back, value by value.

use ferkd_method::label::{Codec, SoftLabel, TopK};
use ferkd_tests::repository;
use safetensors::SafeTensors;

const CLASSES: usize = 1000;

/// The dense labels of a codec for one photo: four rows of 1000.
fn golden(name: &str, photo: &str) -> Vec<Vec<f32>> {
    let bytes = std::fs::read(repository("tests/data/fkd/decoded.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let tensor = file.tensor(&format!("{name}/{photo}")).unwrap();
    assert_eq!(tensor.shape(), [4, CLASSES]);
    let values: Vec<f32> = bytemuck::pod_collect_to_vec(tensor.data());
    values.chunks(CLASSES).map(<[f32]>::to_vec).collect()
}

fn agrees(label: &SoftLabel, expected: &[f32], tolerance: f32) {
    let dense = label.dense();
    for (class, (a, b)) in dense.iter().zip(expected).enumerate() {
        assert!((a - b).abs() <= tolerance, "class {class}: {a}, not {b}");
    }
    let sum: f64 = dense.iter().map(|&p| f64::from(p)).sum();
    assert!((sum - 1.0).abs() < 1e-6, "it sums to {sum}");
}

fn round_trip(name: &str, codec: Codec, k: usize, tolerance: f32) {
    for photo in ["chelsea", "coffee"] {
        for row in golden(name, photo) {
            let label = TopK::of(&row, k).decode(codec, CLASSES).unwrap();
            agrees(&label, &row, tolerance);
        }
    }
}

#[test]
fn marginal_smoothing() {
    round_trip("marginal_smoothing_k5", Codec::MarginalSmoothing, 5, 1e-7);
    round_trip("marginal_smoothing_k10", Codec::MarginalSmoothing, 10, 1e-7);
}

/// In f16 a top-K sum is off by up to a thousandth; FKD leaves it there, we scale a sum above 1 to 1.
#[test]
fn marginal_smoothing_of_f16() {
    round_trip("marginal_smoothing_k5_fp16", Codec::MarginalSmoothing, 5, 1e-6);
    round_trip("marginal_smoothing_k10_fp16", Codec::MarginalSmoothing, 10, 1e-6);
}

/// The same bytes, decoded by the other rule.
#[test]
fn marginal_renorm() {
    for photo in ["chelsea", "coffee"] {
        let renormed = golden("marginal_smoothing_k5_as_renorm", photo);
        for (row, expected) in golden("marginal_smoothing_k5", photo).iter().zip(&renormed) {
            let label = TopK::of(row, 5).decode(Codec::MarginalRenorm, CLASSES).unwrap();
            agrees(&label, expected, 1e-7);
        }
    }
}

#[test]
fn smoothing() {
    round_trip("smoothing", Codec::Smoothing, 1, 1e-7);
}

#[test]
fn hard() {
    round_trip("hard", Codec::Hard, 1, 0.0);
}
