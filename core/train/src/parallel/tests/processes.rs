//! Several processes: threads here, whose sums are made in the order of their ranks. `tests/tests/all/parallel.rs` has
//! the same over MPI.

use crate::upload::DeviceBatch;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::run::{TrainSummary, train_together};
use ferkd_data::events::Event;
use ferkd_method::error::{ErrorKind, Result};

#[test]
fn processes_take_the_steps_of_one_device() {
    let config = transformer();
    let mut one = trainer(&config, 10, 1);
    let losses = run(&mut one);
    for (of, replicas) in [(2, 1), (3, 1), (2, 2), (5, 1)] {
        let ended = together(&config, 10, of, replicas, |trainer| {
            (run(trainer), trainer.state().unwrap(), weights(trainer))
        });
        for (theirs, state, weights_of) in &ended {
            let apart = distance(&weights(&one), weights_of);
            assert!(apart < 2e-6, "{of} processes of {replicas}: {apart}");
            assert_eq!(*theirs, ended[0].0);
            assert_eq!(*state, ended[0].1, "{of} processes of {replicas} differ");
        }
        let close = losses.iter().zip(&ended[0].0).all(|(a, b)| (a - b).abs() < 1e-5);
        assert!(close, "{losses:?} {:?}", ended[0].0);
        let again = together(&config, 10, of, replicas, |trainer| (run(trainer), trainer.state().unwrap()));
        assert_eq!((&again[0].0, &again[0].1), (&ended[0].0, &ended[0].1), "not the same twice");
    }
}

#[test]
fn a_process_without_rows_takes_part() {
    let config = TrainConfig { batch: 2, regions_per_step: 1, ..transformer() };
    let mut one = trainer(&config, 3, 1);
    run(&mut one);
    for weights_of in together(&config, 3, 3, 2, |trainer| {
        run(trainer);
        weights(trainer)
    }) {
        let apart = distance(&weights(&one), &weights_of);
        assert!(apart < 2e-6, "{apart}");
    }
}

#[test]
fn who_wants_to_stop_stops_all_after_the_same_step() {
    let stops = together(&transformer(), 10, 3, 1, |trainer| {
        let (batcher, share) = (trainer.batcher().clone(), trainer.share());
        (0..3)
            .map(|step| {
                let batch = DeviceBatch::from(batcher.share(step, &mut None, share).unwrap().unwrap());
                let asks = share.number == 2 && step == 1;
                trainer.advance_with(&batch, asks).unwrap().stops
            })
            .collect::<Vec<bool>>()
    });
    assert_eq!(stops, vec![vec![false, true, false]; 3]);
}

#[test]
fn processes_of_one_device_are_the_devices_of_one_process() {
    // Shares that fall in the same places, and one order of adding.
    let config = transformer();
    let mut one = trainer(&config, 12, 2);
    let losses = run(&mut one);
    for (theirs, weights_of) in together(&config, 12, 2, 1, |trainer| (run(trainer), weights(trainer))) {
        assert_eq!((theirs, weights_of), (losses.clone(), weights(&one)), "not the same bits");
    }
}

#[test]
fn synchronised_batch_norms_are_those_of_the_whole_batch() {
    let config = TrainConfig { lr: Some(0.05), ..resnet() };
    let mut one = trainer(&config, 10, 1);
    let losses = run(&mut one);
    let synced = TrainConfig { sync_batch_norm: true, ..config.clone() };
    for (of, replicas) in [(2, 1), (1, 2), (2, 2)] {
        for (theirs, weights_of) in
            together(&synced, 10, of, replicas, |trainer| (run(trainer), weights(trainer)))
        {
            let apart = distance(&weights(&one), &weights_of);
            assert!(apart < 1e-4, "{of} processes of {replicas}: {apart}");
            assert!(losses.iter().zip(&theirs).all(|(a, b)| (a - b).abs() < 1e-4), "{losses:?} {theirs:?}");
        }
    }
    // Without it they are not.
    let whole = weights(&one);
    let apart = together(&config, 10, 2, 1, |trainer| {
        run(trainer);
        distance(&whole, &weights(trainer))
    });
    assert!(apart[0] > 1e-2, "{apart:?}");
    // A last step of four regions of two images, and three processes.
    for error in together(&synced, 10, 3, 1, |trainer| trainer.check_parts().unwrap_err().to_string()) {
        assert!(error.contains("sync-batch-norm") && error.contains("4 regions of 2 images"), "{error}");
    }
}

#[test]
fn what_trains_something_else_is_refused_by_all() {
    let errors = threads::each(3, |processes| {
        let seed = if processes.rank() == 1 { 5 } else { 0 };
        let mut trainer = trainer(&TrainConfig { seed, ..transformer() }, 10, 1);
        trainer.join(processes).unwrap_err().to_string()
    });
    for error in &errors {
        assert!(
            error.starts_with("rank 1 of 3 on here: ") && error.contains("seed: 5 there, 0 now"),
            "{error}"
        );
    }
    let errors = threads::each(2, |processes| {
        let mut trainer = trainer(&transformer(), 10 - processes.rank() as u32, 1);
        trainer.join(processes).unwrap_err().to_string()
    });
    assert!(
        errors[0].contains("images (their number") && errors[0].contains("the same settings"),
        "{errors:?}"
    );
}

/// Trains by two processes from folders; what each ended with. Rank `stopping` is asked to stop when it hears of step 3.
fn two(at: &Path, run: &str, resume: bool, stopping: Option<usize>) -> Vec<Result<TrainSummary>> {
    let config = TrainConfig {
        images: at.join("train"),
        val: Some(at.join("train")),
        log_every: 1,
        eval_every: 2,
        epochs: 8,
        ema: Some(0.9),
        optimizer: Some(crate::config::OptimizerName::Adamw),
        lr: Some(1e-3),
        ..transformer()
    };
    threads::each(2, |processes| {
        let rank = processes.rank();
        let config = TrainConfig { prefetch: rank + 1, ..config.clone() };
        let stop = AtomicBool::new(false);
        // The second has no run folder, and needs none.
        let folder = at.join(if rank == 0 { run } else { "nowhere" });
        train_together(&config, &folder, resume, processes, &stop, &mut |event| {
            if let (Event::Metric { step: 3, .. }, true) = (event, stopping == Some(rank)) {
                stop.store(true, Ordering::Relaxed);
            }
        })
    })
}

#[test]
fn a_resumed_run_ends_in_the_bytes_of_one_that_was_not_stopped() {
    let at = tempfile::tempdir().unwrap();
    for (name, _, bytes) in pictures(10) {
        let path = at.path().join("train").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    let whole = two(at.path(), "whole", false, None);
    let losses: Vec<f64> = whole.iter().map(|ended| ended.as_ref().unwrap().train_loss).collect();
    assert_eq!(losses[0], losses[1]);
    let steps = whole[0].as_ref().unwrap().steps;
    for (run, stopping) in [("by-the-first", 0), ("by-the-second", 1)] {
        for ended in two(at.path(), run, false, Some(stopping)) {
            let error = ended.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Interrupted, "{error}");
            // Heard of the third step after it, asked to stop with the fourth.
            assert!(error.to_string().contains(&format!("after step 4 of {steps}")), "{error}");
        }
        for ended in two(at.path(), run, true, None) {
            assert_eq!(ended.unwrap().steps, steps);
        }
        for file in ["checkpoints/last.safetensors", "checkpoints/best.safetensors"] {
            let read = |run: &str| std::fs::read(at.path().join(run).join(file)).unwrap();
            assert!(read("whole") == read(run), "{run}: {file} differs");
        }
    }
    assert!(!at.path().join("nowhere").exists());
}
