//! The method's options, as the program takes them: found thresholds, what a calibrated label says, how often and with
//! whom regions are mixed.

use std::fs;
use std::path::Path;

use ferkd_data::batches::batch::Batch;
use ferkd_method::selfmix::{Mix, MixDraws, MixPartners};
use ferkd_tests::{ferkd, few_scenes, smallest_run};
use ferkd_train::{Supervision, TrainConfig, Trainer};

/// A folder with a few scenes and their store.
fn labelled() -> tempfile::TempDir {
    let at = tempfile::tempdir().unwrap();
    few_scenes(at.path());
    ferkd(at.path(), "label scenes --teacher digits --regions 8 --temperature 2 --device flex --out store")
        .ok();
    at
}

fn config(at: &Path) -> TrainConfig {
    TrainConfig {
        supervision: Supervision::FerkdSelfmix,
        store: Some(at.join("store")),
        regions_per_step: 4,
        batch: 16,
        epochs: 8,
        ..smallest_run(&at.join("scenes"))
    }
}

/// All batches of a run.
fn batches(config: TrainConfig) -> Vec<Batch> {
    let trainer = Trainer::new(config).unwrap();
    let batcher = trainer.batcher();
    (0..batcher.plan.steps()).map(|step| batcher.batch(step, &mut None).unwrap().unwrap()).collect()
}

#[test]
fn mid_auto_is_where_mining_prints_it() {
    let at = labelled();
    let mined = ferkd(at.path(), "mine store --mid auto --json").ok().json();
    let mid = mined["thresholds"]["mid"].as_f64().unwrap();
    let steps = mined["fit"]["steps"].as_array().unwrap();
    let crossing = steps.iter().find(|step| step[1].as_f64().unwrap() >= 0.5).unwrap();
    let low = mined["thresholds"]["low"].as_f64().unwrap();
    assert_eq!(mid, crossing[0].as_f64().unwrap().max(low));
    let printed = ferkd(at.path(), "mine store --mid auto --write found.toml").ok();
    assert!(printed.stdout.contains("top-1 prediction right (monotone fit)"), "{}", printed.stdout);
    let run = "train --images scenes --supervision ferkd --arch resnet8 --width 4 --side 16 --epochs 2 --batch 16 \
               --regions-per-step 2 --store store --device flex";
    ferkd(at.path(), &format!("{run} --mid auto --run a")).ok();
    ferkd(at.path(), &format!("{run} --config found.toml --run b")).ok();
    for name in ["a", "b"] {
        let summary = fs::read(at.path().join(name).join("summary.json")).unwrap();
        let summary: serde_json::Value = serde_json::from_slice(&summary).unwrap();
        assert_eq!(summary["thresholds"]["mid"].as_f64().unwrap() as f32, mid as f32, "{name}");
        let written = fs::read_to_string(at.path().join(name).join("config.toml")).unwrap();
        assert!(written.contains("mid = \"auto\""), "{written}");
    }
    // All three numbers, none, or an "auto".
    ferkd(at.path(), &format!("{run} --mid 0.3 --run c")).fails(2, &["only some of them are given"]);
    for found in ["--low auto", "--high auto", "--low auto --mid auto"] {
        ferkd(at.path(), &format!("{run} {found} --run c")).fails(2, &["low, high", "finds `mid` alone"]);
    }
    ferkd(at.path(), &format!("{run} --mid automatic --run c")).fails(2, &["a number or \"auto\""]);
}

#[test]
fn steps_are_mixed_as_often_as_asked() {
    let at = labelled();
    let plain = batches(TrainConfig { mix: Some(Mix::None), ..config(at.path()) });
    let mixed_at = |mix_probability| -> Vec<bool> {
        let mixed = batches(TrainConfig { mix_probability, epochs: 8, ..config(at.path()) });
        mixed.iter().zip(&plain).map(|(a, b)| a.pixels != b.pixels).collect()
    };
    assert!(mixed_at(1.0).into_iter().all(|is_mixed| is_mixed));
    assert!(!mixed_at(0.0).into_iter().any(|is_mixed| is_mixed));
    let half = mixed_at(0.5);
    assert!(half.contains(&true) && half.contains(&false), "{half:?}");
    // A step that is not mixed has the labels of one that never was.
    let batches = batches(TrainConfig { mix_probability: 0.5, ..config(at.path()) });
    for ((batch, plain), is_mixed) in batches.iter().zip(&plain).zip(half) {
        assert_eq!(batch.targets != plain.targets, is_mixed);
    }
}

#[test]
fn similar_partners_and_draws_per_image_mix_otherwise() {
    let at = labelled();
    let usual = batches(config(at.path()));
    let others = [
        TrainConfig { mix_partners: MixPartners::Overlap, ..config(at.path()) },
        TrainConfig { mix_partners: MixPartners::Label, ..config(at.path()) },
        TrainConfig { mix_draws: MixDraws::Image, ..config(at.path()) },
    ];
    let others = others.map(batches);
    for (i, other) in others.iter().enumerate() {
        assert_ne!(usual[0].pixels, other[0].pixels, "{i}");
        // Labels of a region and its partner still add up to one.
        for batch in other {
            for row in 0..batch.len {
                let span = row * batch.targets.slots..(row + 1) * batch.targets.slots;
                let sum: f32 =
                    batch.targets.weights[span].iter().sum::<f32>() + 10.0 * batch.targets.rest[row];
                assert!((sum - 1.0).abs() < 1e-5, "{sum}");
            }
        }
    }
    assert_ne!(others[0][0].pixels, others[1][0].pixels);
}

#[test]
fn what_a_calibrated_label_says_can_be_chosen() {
    let at = labelled();
    // Everything below the highest confidence is context.
    let run = "train --images scenes --supervision ferkd --arch resnet8 --width 4 --side 16 --epochs 2 --batch 16 \
               --regions-per-step 2 --store store --device flex --quantiles 0,1,1";
    let loss = |options: &str, name: &str| {
        ferkd(at.path(), &format!("{run} {options} --run {name}")).ok();
        let summary = fs::read(at.path().join(name).join("summary.json")).unwrap();
        serde_json::from_slice::<serde_json::Value>(&summary).unwrap()["train_loss"].as_f64().unwrap()
    };
    let all = [
        loss("", "a"),
        loss("--epsilon confidence", "b"),
        loss("--calibrated wrong", "c"),
        loss("--truth-weight 0.5", "d"),
    ];
    for (i, a) in all.iter().enumerate() {
        assert!(all[..i].iter().all(|b| a != b), "{all:?}");
    }
    ferkd(at.path(), &format!("{run} --truth-weight 1.5 --run e")).fails(2, &["truth-weight"]);
}
