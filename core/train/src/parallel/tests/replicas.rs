//! Several devices of one process.

use super::*;
use crate::config::OptimizerName;
use crate::replica::StepContext;
use crate::upload::DeviceBatch;

/// What weights of about 1 may differ by after some steps: rounding, and nothing else.
const TOLERANCE: f32 = 2e-6;

#[test]
fn replicas_take_the_steps_of_one_device() {
    // Ten images of two regions: steps of 8, 8 and 4 regions, which three replicas cannot share evenly.
    let config = transformer();
    let mut one = trainer(&config, 10, 1);
    let before = weights(&one);
    let losses = run(&mut one);
    assert!(distance(&before, &weights(&one)) > 0.01, "nothing was learned");
    for replicas in [2, 3] {
        let mut several = trainer(&config, 10, replicas);
        assert_eq!(several.replicas(), replicas);
        let theirs = run(&mut several);
        let apart = distance(&weights(&one), &weights(&several));
        assert!(apart < TOLERANCE, "{replicas}: {apart}");
        assert!(losses.iter().zip(&theirs).all(|(a, b)| (a - b).abs() < 1e-5), "{losses:?} {theirs:?}");
    }
}

#[test]
fn replicas_stay_the_same_and_so_do_runs() {
    let sgd = TrainConfig { accumulate: 2, ema: Some(0.9), clip_norm: Some(0.5), ..transformer() };
    let adamw = TrainConfig { optimizer: Some(OptimizerName::Adamw), lr: Some(1e-3), ..transformer() };
    for config in [sgd, adamw, resnet()] {
        let mut once = trainer(&config, 10, 3);
        run(&mut once);
        let states: Vec<_> = once
            .group
            .replicas()
            .map(|replica| {
                let mut student = StateDict::of(&replica.student).unwrap();
                student.tensors.retain(|name, _| !name.contains("running_"));
                (student, replica.optimizer.state().unwrap())
            })
            .collect();
        assert!(!states[0].1.tensors.is_empty());
        assert!(states.iter().all(|state| *state == states[0]), "{:?}: replicas differ", config.arch);
        let mut again = trainer(&config, 10, 3);
        run(&mut again);
        assert_eq!(once.state().unwrap(), again.state().unwrap());
    }
}

#[test]
fn replicas_with_batch_norms_are_the_parts_of_an_accumulated_batch() {
    let config = resnet();
    let mut apart = trainer(&config, 8, 2);
    let mut accumulated = trainer(&TrainConfig { accumulate: 2, ..config.clone() }, 8, 1);
    // One step by one device, on the first replica's rows alone: what its running statistics see.
    let alone = trainer(&config, 8, 1);
    let batch = DeviceBatch::from(alone.batcher().batch(0, &mut None).unwrap().unwrap());
    let context = StepContext { config: alone.config(), side: 16, temperature: 1.0, step: 0, features: None };
    alone.group.primary().learn(&context, &batch, 0..batch.len / 2).unwrap().unwrap();
    apart.advance(&batch).unwrap();
    let running = |dict: &StateDict| {
        let mut dict = dict.clone();
        dict.tensors.retain(|name, _| name.contains("running_"));
        dict
    };
    assert_eq!(running(&weights(&apart)), running(&weights(&alone)));

    let mut apart = trainer(&config, 8, 2);
    run(&mut apart);
    run(&mut accumulated);
    let (ours, theirs) = (weights(&apart), weights(&accumulated));
    let trained = |dict: &StateDict| {
        let mut dict = dict.clone();
        dict.tensors.retain(|name, _| !name.contains("running_"));
        dict
    };
    assert_eq!(trained(&ours), trained(&theirs), "the same sums in the same order");
    assert_ne!(running(&ours), running(&theirs), "those saw both parts, these the first");
}

#[test]
fn a_replica_without_rows_takes_part() {
    let config = TrainConfig { batch: 2, regions_per_step: 1, ..transformer() };
    // Two regions, then one, for four replicas.
    let (mut one, mut four) = (trainer(&config, 3, 1), trainer(&config, 3, 4));
    let losses = (run(&mut one), run(&mut four));
    assert!(losses.0.iter().zip(&losses.1).all(|(a, b)| (a - b).abs() < 1e-5), "{losses:?}");
    let apart = distance(&weights(&one), &weights(&four));
    assert!(apart < TOLERANCE, "{apart}");
}

#[test]
fn every_replica_asks_its_own_teacher() {
    let (teacher, mut images) =
        (ferkd_nn::classifier::Classifier::load("digits", &Device::flex()).unwrap(), pictures(6));
    for (i, (name, folder, _)) in images.iter_mut().enumerate() {
        *folder = teacher.classes.ids[i % 3].clone();
        *name = format!("{folder}/{i}.png");
    }
    let config =
        TrainConfig { supervision: Supervision::Kd, teacher: Some("digits".into()), ..transformer() };
    let begin = |replicas| {
        let teacher = ferkd_nn::classifier::Classifier::load("digits", &Device::flex()).unwrap();
        let images = ImageList::in_memory(images.clone()).unwrap();
        let inputs = Inputs { images, validation: None, store: None, teacher: Some(teacher) };
        Trainer::on_devices(config.clone(), inputs, vec![Device::flex(); replicas]).unwrap()
    };
    let (mut one, mut two) = (begin(1), begin(2));
    run(&mut one);
    run(&mut two);
    let apart = distance(&weights(&one), &weights(&two));
    assert!(apart < TOLERANCE, "{apart}");
}

#[test]
fn a_state_is_taken_up_by_every_replica() {
    let config = transformer();
    let mut whole = trainer(&config, 10, 2);
    run(&mut whole);
    let mut first = trainer(&config, 10, 2);
    let mut order = None;
    for step in 0..2 {
        let batch = first.batcher().batch(step, &mut order).unwrap().unwrap();
        first.advance(&batch.into()).unwrap();
    }
    let mut second = trainer(&config, 10, 2);
    second.restore(first.state().unwrap(), 2, "memory").unwrap();
    run(&mut second);
    assert_eq!(second.state().unwrap(), whole.state().unwrap());
}
