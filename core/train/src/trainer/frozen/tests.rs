//! Features that are kept change nothing but the time that a run takes.

#![allow(clippy::unwrap_used, reason = "a test may panic")]
use std::path::Path;

use super::*;
use crate::config::{Supervision, TrainConfig};
use crate::eval::EvalSet;
use crate::session::Session;
use crate::session_event::{Budget, SessionEvent};
use ferkd_method::selfmix::Mix;
use ferkd_nn::models::Arch;
use ferkd_nn::weights::{Precision, StateDict};

/// More steps than any of these runs takes.
const END: u64 = 1000;

/// A probe of a network of `arch` on 40 images, 10 steps an epoch; its weights are written to `folder`.
fn probe(folder: &Path, arch: Arch) -> TrainConfig {
    let transformer = arch.vit().is_some();
    let config = TrainConfig {
        images: "synthetic:40x4".into(),
        supervision: Supervision::Hard,
        arch,
        width: Some(if transformer { 16 } else { 4 }),
        depth: transformer.then_some(2),
        heads: transformer.then_some(2),
        patch: transformer.then_some(8),
        side: 16,
        epochs: 3,
        batch: 4,
        regions_per_step: 1,
        lr: Some(0.5),
        device: "flex".into(),
        ..TrainConfig::default()
    };
    let path = folder.join("weights.safetensors");
    Trainer::new(config.clone()).unwrap().weights().unwrap().write(&path, Precision::F32).unwrap();
    TrainConfig { weights: Some(path), freeze_backbone: true, reset_head: true, centre: true, ..config }
}

/// A session that is evaluated on the images that it is trained on.
fn session(config: &TrainConfig, checkpoint: Option<StateDict>) -> Session {
    let mut trainer = Trainer::new(config.clone()).unwrap();
    let batcher = trainer.batcher().clone();
    let set = EvalSet::new(batcher.student, batcher.images.clone(), batcher.folder_classes.clone());
    trainer.validate_on(Some(Arc::new(set)));
    match checkpoint {
        Some(checkpoint) => Session::resume(trainer, "run", checkpoint, "checkpoint").unwrap(),
        None => Session::new(trainer, "run"),
    }
}

/// What a session comes to: blocks of features, losses of its evaluations, and the state after `last` steps, or at the
/// end of the run.
fn drive(session: &mut Session, last: u64) -> (usize, Vec<f64>, StateDict) {
    let (mut blocks, mut losses) = (0, Vec::new());
    loop {
        match pollster::block_on(session.next(Budget::default())).unwrap() {
            SessionEvent::Features { .. } => blocks += 1,
            SessionEvent::Evaluation { found, .. } => losses.push(found.report.loss),
            SessionEvent::Step(taken) if taken.step + 1 == last => break,
            SessionEvent::Done { .. } => break,
            _ => {}
        }
    }
    (blocks, losses, pollster::block_on(session.checkpoint()).unwrap())
}

fn bytes(dict: &StateDict) -> Vec<u8> {
    dict.to_bytes(Precision::F32).unwrap()
}

#[test]
fn kept_features_give_the_bits_of_features_of_every_step() {
    let folder = tempfile::tempdir().unwrap();
    let kept = probe(folder.path(), Arch::Resnet8);
    let each = TrainConfig { features_mb: 0, ..kept.clone() };
    let mut sessions = [&kept, &each].map(|config| session(config, None));
    let [(blocks, losses, state), (none, others, other)] =
        sessions.each_mut().map(|session| drive(session, END));
    // The trainer had no validation images when it was made, and one block holds 40 images of one region.
    assert_eq!((blocks, none, losses.len()), (1, 0, 3));
    assert_eq!(losses, others);
    assert!(bytes(&state) == bytes(&other), "features that are kept trained another layer");
    let without = session(&kept, None);
    assert_ne!(without.trainer().weights().unwrap().tensors["fc.weight"], state.tensors["fc.weight"]);
    // Nothing is decoded for a step: its batch has labels alone.
    let trainer = sessions[0].trainer();
    let batch = trainer.batcher_without_pixels().unwrap().batch(7, &mut None).unwrap().unwrap();
    assert_eq!((batch.pixels.bytes(), batch.regions.len(), batch.targets.rest.len()), (0, 4, 4));
    let whole = trainer.batcher().batch(7, &mut None).unwrap().unwrap();
    assert_eq!((batch.regions, batch.targets), (whole.regions.clone(), whole.targets.clone()));
    assert_eq!(trainer.batcher().pictures(&whole.regions).unwrap(), whole.pixels);
}

/// Both ways of computing: an own one for convolutional networks, burn's for transformers, whose bits may depend on what
/// goes through them together.
#[test]
fn a_probe_that_goes_on_computes_the_same_features() {
    for arch in [Arch::Resnet8, Arch::VitTi16] {
        let folder = tempfile::tempdir().unwrap();
        let config = probe(folder.path(), arch);
        let (_, losses, whole) = drive(&mut session(&config, None), END);
        let (_, before, half) = drive(&mut session(&config, None), 13);
        let (blocks, after, end) = drive(&mut session(&config, Some(half)), END);
        assert_eq!((blocks, [before, after].concat()), (1, losses), "{arch}");
        assert!(bytes(&end) == bytes(&whole), "{arch}: a run that went on ended elsewhere");
    }
}

#[test]
fn features_that_are_not_kept_are_said_with_a_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let config = probe(folder.path(), Arch::Resnet8);
    let said = |change: TrainConfig| {
        let notices = Trainer::new(change).unwrap().notices();
        notices.into_iter().find(|notice| notice.contains("frozen network")).unwrap_or_default()
    };
    assert_eq!(said(config.clone()), "");
    assert!(said(TrainConfig { features_mb: 0, ..config.clone() }).contains("--features-mb 1"));
    assert!(said(TrainConfig { mix: Some(Mix::Cutmix), ..config.clone() }).contains("--mix none"));
    let drawn = TrainConfig { centre: false, regions: 4, ..config.clone() };
    assert!(said(drawn.clone()).contains("4 regions and is seen 3 times; --centre"));
    // As many regions as epochs: each is computed once.
    let (blocks, _, _) = drive(&mut session(&TrainConfig { regions: 3, ..drawn }, None), END);
    assert_eq!(blocks, 2);
    let refused = |config: TrainConfig| config.check().unwrap_err().to_string();
    assert!(
        refused(TrainConfig { centre: true, store: Some("s".into()), ..config.clone() }).contains("store")
    );
    assert!(refused(TrainConfig { regions_per_step: 2, ..config }).contains("--regions-per-step 1"));
}
