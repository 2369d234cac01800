//! Downstream tasks: a trained network goes on to learn an image folder's own classes, through the same trainer.

use std::path::Path;

use crate::config::{OptimizerName, RecipeName, Supervision, TrainConfig};
use crate::pretrained::Pretrained;
use ferkd_method::error::{Error, Result};
use ferkd_nn::models::ModelSpec;

/// Where a transfer's settings begin: the network of `from`, a new last layer, ground truth, and a short schedule.
///
/// `probe` trains the last layer alone, on the centre of each image, whose features are computed once. The numbers are ours: small rates, so that what was learned is kept;
/// transformers with layer-wise decay and drop-path, as they are fine-tuned in the papers (BEiT, EVA).
///
/// # Errors
/// No such file, or weights not of a known network.
pub fn starting_point(from: &Path, probe: bool) -> Result<TrainConfig> {
    let source = Pretrained::read(from)?;
    let ModelSpec { arch, width, vit, .. } = source.spec;
    let config = TrainConfig {
        supervision: Supervision::Hard,
        weights: Some(from.to_owned()),
        reset_head: true,
        freeze_backbone: probe,
        arch,
        width: vit.map(|size| size.width).or(width),
        depth: vit.map(|size| size.depth),
        heads: vit.map(|size| size.heads),
        patch: vit.map(|size| size.patch),
        side: source.side,
        epochs: 30,
        batch: 64,
        regions_per_step: 1,
        centre: probe,
        ..TrainConfig::default()
    };
    Ok(match (probe, vit.is_some()) {
        (true, _) => TrainConfig {
            optimizer: Some(OptimizerName::Sgd),
            lr: Some(0.1),
            weight_decay: Some(0.0),
            ..config
        },
        (false, false) => TrainConfig { lr: Some(0.01), ..config },
        (false, true) => TrainConfig {
            recipe: RecipeName::Vit,
            lr: Some(2e-4),
            min_lr: Some(1e-6),
            warmup_epochs: Some(1),
            warmup_lr: Some(1e-6),
            layer_decay: Some(0.75),
            drop_path: 0.1,
            ..config
        },
    })
}

/// Checks that settings laid over a starting point still are a transfer.
///
/// # Errors
/// Another supervision, or other weights.
pub fn check(config: &TrainConfig, start: &TrainConfig) -> Result<()> {
    let same = |key: &str, same: bool, remedy: &str| {
        if same { Ok(()) } else { Err(Error::usage(key, "a transfer decides it").remedy(remedy)) }
    };
    same("supervision", config.supervision == Supervision::Hard, "use `ferkd train` for another one")?;
    same("images", config.images == start.images, "name them as IMAGES")?;
    same("weights", config.weights == start.weights, "name them with --from")?;
    same("freeze-backbone", config.freeze_backbone == start.freeze_backbone, "use --probe")
}
