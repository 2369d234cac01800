//! What the demo's students share: the program's and the playground's.

use std::path::Path;

use crate::config::{OptimizerName, Supervision, TrainConfig};
#[cfg(not(target_family = "wasm"))]
use crate::sweep::{SweepConfig, SweepPlan};
#[cfg(not(target_family = "wasm"))]
use ferkd_method::error::Result;
use ferkd_method::mining::RegionKind;
use ferkd_nn::models::Arch;

/// The teacher: a small network that `ferkd train` taught on scenes of the training digits.
pub const TEACHER: &str = "digits";

/// Scenes that each held-out digit is placed in: the standard error of an accuracy is then below a point.
pub const HELD_OUT_COPIES: u32 = 4;

/// Share of the digit's ink from which on a region counts as showing it.
pub const VISIBLE: f64 = 0.5;

/// Whether mining is mistaken about a region: the digit is hidden in one that counts as showing the object, or seen
/// in one that does not. `share` is the share of the digit's ink that lies in the region, in 0..=1.
pub fn is_mistake(kind: RegionKind, share: f64) -> bool {
    (share >= VISIBLE) != matches!(kind, RegionKind::Important | RegionKind::Trivial)
}

/// The supervisions that the demo compares.
pub const SUPERVISIONS: [Supervision; 5] =
    [Supervision::Hard, Supervision::Kd, Supervision::Fkd, Supervision::Ferkd, Supervision::FerkdSelfmix];

/// The supervision that the others are held against.
pub const BASELINE: &str = "fkd";

/// How long the demo trains, and how often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Seed of scenes and regions, and the first one of weights and order.
    pub seed: u64,
    /// Seeds of weights and order: `seed`, `seed + 1` and so on.
    pub seeds: u64,
    /// Epochs of each student.
    pub epochs: usize,
}

/// The students, as a sweep: every supervision with every seed.
///
/// # Errors
/// No seed.
#[cfg(not(target_family = "wasm"))]
pub fn students(out: &Path, budget: Budget) -> Result<SweepPlan> {
    let Budget { seed, seeds, epochs } = budget;
    let shared = student_config(out, seed);
    let mut train = ferkd_data::config::table(&shared)?;
    // What each run has of its own.
    for key in ["epochs", "seed", "supervision", "images"] {
        train.remove(key);
    }
    let arm = |supervision: &Supervision| {
        let name = || toml::Value::from(supervision.name());
        toml::Table::from_iter([("name".to_owned(), name()), ("supervision".to_owned(), name())])
    };
    let config = SweepConfig {
        teacher: TEACHER.into(),
        epochs: vec![epochs],
        seeds: (seed..seed.saturating_add(seeds)).collect(),
        baseline: Some(BASELINE.into()),
        train,
        arm: SUPERVISIONS.iter().map(arm).collect(),
        ..SweepConfig::default()
    };
    config.plan(Some(shared.images))
}

/// Regions of an image (M): of the store, and drawn for students without labels.
pub const REGIONS: u32 = 16;

/// Epochs of a student.
pub const EPOCHS: usize = 48;

/// Epochs in which the learning rate rises.
pub const WARMUP_EPOCHS: usize = 4;

/// Highest learning rate of the students.
pub const LR: f64 = 3.2e-2;

/// The settings that all students share: those that `configs/sweep-scenes-regime.toml` chose, for no arm in particular.
pub fn student_config(out: &Path, seed: u64) -> TrainConfig {
    TrainConfig {
        images: out.join("scenes"),
        store: Some(out.join("store")),
        teacher: Some(TEACHER.into()),
        arch: Arch::Resnet8,
        width: Some(8),
        side: 16,
        epochs: EPOCHS,
        batch: 64,
        regions_per_step: 2,
        regions: REGIONS,
        optimizer: Some(OptimizerName::Adamw),
        lr: Some(LR),
        warmup_epochs: Some(WARMUP_EPOCHS),
        weight_decay: Some(0.05),
        eval_every: 4,
        log_every: 40,
        seed,
        device: "flex".into(),
        ..TrainConfig::default()
    }
}
