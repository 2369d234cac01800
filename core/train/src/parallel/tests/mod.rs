//! Replicas and processes against one device.

mod processes;
mod replicas;
mod shares;
mod threads;

use std::io::Cursor;

use burn::tensor::Device;
use image::{ImageFormat, Rgb, RgbImage};

use super::processes::Processes;
use crate::config::{Supervision, TrainConfig};
use crate::{Inputs, Trainer};
use ferkd_data::images::ImageList;
use ferkd_method::rng::{Purpose, Stream};
use ferkd_nn::models::Arch;
use ferkd_nn::weights::StateDict;

/// A small picture of noise.
fn picture(number: u32) -> Vec<u8> {
    let mut draw = Stream::new(7, Purpose::Scene, u64::from(number), 0);
    let picture = RgbImage::from_fn(24, 20, |_, _| Rgb(std::array::from_fn(|_| draw.below(256) as u8)));
    let mut bytes = Vec::new();
    picture.write_to(&mut Cursor::new(&mut bytes), ImageFormat::Png).unwrap();
    bytes
}

/// Names, class folders and files of `count` pictures of three classes.
fn pictures(count: u32) -> Vec<(String, String, Vec<u8>)> {
    let one = |i: u32| (format!("c{}/{i:03}.png", i % 3), format!("c{}", i % 3), picture(i));
    (0..count).map(one).collect()
}

/// A small vision transformer, which has no batch norm, on the ground truth.
fn transformer() -> TrainConfig {
    TrainConfig {
        images: "in memory".into(),
        supervision: Supervision::Hard,
        label_smoothing: 0.1,
        arch: Arch::VitTi16,
        side: 16,
        patch: Some(8),
        width: Some(16),
        depth: Some(2),
        heads: Some(2),
        epochs: 4,
        batch: 8,
        regions_per_step: 2,
        regions: 6,
        lr: Some(0.2),
        drop_path: 0.2,
        device: "flex".into(),
        ..TrainConfig::default()
    }
}

/// A small network with batch norms.
fn resnet() -> TrainConfig {
    TrainConfig {
        arch: Arch::Resnet8,
        patch: None,
        depth: None,
        heads: None,
        width: Some(4),
        drop_path: 0.0,
        ..transformer()
    }
}

/// A trainer on `count` pictures, by so many replicas.
fn trainer(config: &TrainConfig, count: u32, replicas: usize) -> Trainer {
    let images = ImageList::in_memory(pictures(count)).unwrap();
    let inputs = Inputs { images, validation: None, store: None, teacher: None };
    Trainer::on_devices(config.clone(), inputs, vec![Device::flex(); replicas]).unwrap()
}

/// All steps of a run; the losses.
fn run(trainer: &mut Trainer) -> Vec<f32> {
    let (batcher, share, mut order) = (trainer.batcher().clone(), trainer.share(), None);
    let mut losses = Vec::new();
    while let Some(batch) = batcher.share(trainer.step(), &mut order, share).unwrap() {
        losses.push(trainer.advance(&batch.into()).unwrap().loss.into_scalar::<f32>());
    }
    assert_eq!(trainer.step(), trainer.steps());
    losses
}

/// So many processes of so many replicas each, which train together and share a state.
fn together<T: Send>(
    config: &TrainConfig,
    count: u32,
    of: usize,
    replicas: usize,
    work: impl Fn(&mut Trainer) -> T + Sync,
) -> Vec<T> {
    threads::each(of, |processes| {
        let mut trainer = trainer(config, count, replicas);
        trainer.join(processes).unwrap();
        trainer.share_state().unwrap();
        work(&mut trainer)
    })
}

/// The largest difference of any weight.
fn distance(a: &StateDict, b: &StateDict) -> f32 {
    assert!(a.tensors.keys().eq(b.tensors.keys()));
    let pairs = a.tensors.values().zip(b.tensors.values());
    let differences = pairs.flat_map(|(a, b)| a.values.iter().zip(&b.values).map(|(a, b)| (a - b).abs()));
    differences.fold(0.0, f32::max)
}

fn weights(trainer: &Trainer) -> StateDict {
    StateDict::of(trainer.student()).unwrap()
}
