//! A trained network goes on to other classes: fine-tuned whole, its last layer alone, or at another side; and a
//! transformer's fine-tuning is the same bytes every time.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use ferkd_data::events::Event;
use ferkd_nn::models::Arch;
use ferkd_nn::weights::{HostTensor, StateDict};
use ferkd_tests::{ferkd, few_scenes};
use ferkd_train::{Supervision, TrainConfig, train};

/// A network of ten classes, and images of two others.
fn trained() -> tempfile::TempDir {
    let at = tempfile::tempdir().unwrap();
    few_scenes(at.path());
    ferkd(
        at.path(),
        "train --images scenes --supervision hard --arch resnet8 --width 4 --side 16 --epochs 2 --batch 20 \
         --regions-per-step 1 --regions 4 --device flex --run first",
    )
    .ok();
    for (class, name) in [("0", "round"), ("1", "long")] {
        for half in ["train", "val"] {
            let to = at.path().join("shapes").join(half).join(name);
            std::fs::create_dir_all(&to).unwrap();
            for entry in std::fs::read_dir(at.path().join("scenes").join(half).join(class)).unwrap() {
                let path = entry.unwrap().path();
                std::fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
            }
        }
    }
    at
}

/// The tensors of a run's last checkpoint, or of its best, which others begin with.
fn tensors(at: &Path, run: &str, which: &str) -> BTreeMap<String, HostTensor> {
    let path = at.join(run).join(format!("checkpoints/{which}.safetensors"));
    StateDict::read(&path).unwrap().trained().tensors
}

const TRANSFER: &str =
    "transfer --from first shapes --epochs 3 --batch 4 --regions 4 --device flex --json --run";

#[test]
fn a_transfer_learns_the_folders_own_classes() {
    let at = trained();
    let done = ferkd(at.path(), &format!("{TRANSFER} whole")).ok().json();
    assert!(done["accuracy"].as_f64().is_some() && done["steps"] == 6, "{done}");
    let (before, after) = (tensors(at.path(), "first", "best"), tensors(at.path(), "whole", "last"));
    assert_eq!(after["fc.weight"].shape, [2, 16]);
    assert_ne!(after["conv1.weight"], before["conv1.weight"]);
    assert_ne!(after["bn1.running_mean"], before["bn1.running_mean"]);
    let evaluated = ferkd(at.path(), "eval whole shapes --json").ok().json();
    assert_eq!(evaluated["top1"], done["accuracy"]);
    let settings = std::fs::read_to_string(at.path().join("whole/config.toml")).unwrap();
    assert!(settings.contains("arch = \"resnet8\"") && settings.contains("side = 16"), "{settings}");
}

/// A probe moves nothing but the last layer: not a weight, and no running statistic either.
#[test]
fn a_probe_leaves_the_backbone_as_it_was() {
    let at = trained();
    ferkd(at.path(), &format!("{TRANSFER} probe --probe")).ok();
    let (before, mut after) = (tensors(at.path(), "first", "best"), tensors(at.path(), "probe", "last"));
    let drawn = after.remove("fc.weight").unwrap();
    assert!(after.remove("fc.bias").is_some());
    let moved: Vec<&String> = after.keys().filter(|name| before[*name] != after[*name]).collect();
    assert!(moved.is_empty(), "the backbone moved: {moved:?}");
    let resumed = ferkd(at.path(), &format!("{TRANSFER} probe --probe --resume")).ok().json();
    assert_eq!(resumed["steps"], 6);
    ferkd(at.path(), &format!("{TRANSFER} longer --probe --lr 1.0")).ok();
    assert_ne!(tensors(at.path(), "longer", "last")["fc.weight"], drawn, "the last layer did not learn");
}

/// Its features are computed before the first step, and again when it goes on; neither changes a bit.
#[test]
fn a_probe_is_the_same_bytes_stopped_or_not() {
    let at = trained();
    let mut config = ferkd_train::transfer::starting_point(&at.path().join("first"), true).unwrap();
    config = TrainConfig {
        images: at.path().join("shapes"),
        epochs: 4,
        batch: 4,
        device: "flex".into(),
        log_every: 1,
        ..config
    };
    let (stop, mut features) = (AtomicBool::new(false), 0);
    let folder = at.path().join("whole");
    train(&config, &folder, false, &stop, &mut |event| {
        features += u32::from(matches!(event, Event::Progress { .. }));
    })
    .unwrap();
    assert_eq!(features, 1, "one block of features holds all of the few images");
    let whole = std::fs::read(folder.join("checkpoints/last.safetensors")).unwrap();
    // Stopped while features are computed, then after a step, then not.
    let part = at.path().join("part");
    let error = train(&config, &part, false, &stop, &mut |event| {
        stop.fetch_or(matches!(event, Event::Started { unit, .. } if unit == "regions"), Ordering::Relaxed);
    });
    let error = error.unwrap_err().to_string();
    assert!(error.contains("before the first step") && error.contains("--resume"), "{error}");
    run(&config, &part, true, Some(3));
    assert!(run(&config, &part, true, None) == whole, "a resumed probe ended elsewhere");
}

#[test]
fn a_transfer_says_what_it_decides() {
    let at = trained();
    ferkd(at.path(), &format!("{TRANSFER} x --supervision fkd --store s")).fails(2, &["supervision"]);
    ferkd(at.path(), &format!("{TRANSFER} y --weights other")).fails(2, &["weights", "--from"]);
    ferkd(at.path(), &TRANSFER.replace("--from first", "--from nowhere").replace("--run", "--run z"))
        .fails(1, &["nowhere"]);
    // Training from weights of other classes is refused, unless a new last layer is asked for.
    let line = "train --images shapes --supervision hard --arch resnet8 --width 4 --side 16 --epochs 1 --batch 4 \
                --regions-per-step 1 --regions 4 --device flex --weights first --run t";
    ferkd(at.path(), line).fails(1, &["10 classes", "reset-head"]);
    ferkd(at.path(), &format!("{line} --reset-head")).ok();
}

/// A transformer of few numbers on few scenes.
fn transformer(at: &Path) -> TrainConfig {
    TrainConfig {
        images: at.join("scenes"),
        supervision: Supervision::Hard,
        arch: Arch::VitTi16,
        width: Some(16),
        depth: Some(3),
        heads: Some(2),
        patch: Some(8),
        side: 16,
        epochs: 4,
        batch: 20,
        regions_per_step: 1,
        regions: 4,
        recipe: ferkd_train::config::RecipeName::Vit,
        warmup_epochs: Some(1),
        drop_path: 0.5,
        layer_decay: Some(0.75),
        device: "flex".into(),
        ..TrainConfig::default()
    }
}

fn run(config: &TrainConfig, folder: &Path, resume: bool, stop_at: Option<u64>) -> Vec<u8> {
    let stop = AtomicBool::new(false);
    let config = TrainConfig { log_every: 1, ..config.clone() };
    let ended = train(&config, folder, resume, &stop, &mut |event| {
        if let Event::Metric { step, .. } = event {
            stop.store(stop_at == Some(*step), Ordering::Relaxed);
        }
    });
    assert_eq!(ended.is_err(), stop_at.is_some(), "{ended:?}");
    std::fs::read(folder.join("checkpoints/last.safetensors")).unwrap()
}

#[test]
fn a_transformers_run_is_the_same_bytes_stopped_or_not() {
    let at = tempfile::tempdir().unwrap();
    few_scenes(at.path());
    let config = transformer(at.path());
    let whole = run(&config, &at.path().join("whole"), false, None);
    let part = at.path().join("part");
    run(&config, &part, false, Some(3));
    assert!(run(&config, &part, true, None) == whole, "a resumed run ended elsewhere");
    for other in [
        TrainConfig { drop_path: 0.0, ..config.clone() },
        TrainConfig { layer_decay: None, ..config.clone() },
    ] {
        let folder = at.path().join("other");
        assert!(run(&other, &folder, false, None) != whole, "the setting changes nothing");
        std::fs::remove_dir_all(folder).unwrap();
    }
}

/// At another side the positions are resized, and the run goes on from there.
#[test]
fn a_transformer_is_fine_tuned_at_another_side() {
    let at = trained();
    run(&transformer(at.path()), &at.path().join("vit"), false, None);
    let line = "transfer --from vit shapes --run large --side 32 --epochs 1 --batch 4 --regions 4 --warmup-epochs 0 \
                --device flex --json";
    ferkd(at.path(), line).ok();
    let (before, after) = (tensors(at.path(), "vit", "best"), tensors(at.path(), "large", "last"));
    assert_eq!(
        (&before["pos_embed"].shape[..], &after["pos_embed"].shape[..]),
        (&[1, 5, 16][..], &[1, 17, 16][..])
    );
    let dry = format!("{} --dry-run", line.replace("--run large", "--run another"));
    let shown = ferkd(at.path(), &dry).ok().json();
    assert!(shown["macs_per_image"].as_u64() > Some(0) && shown["config"]["layer-decay"] == 0.75, "{shown}");
}
