//! The file: what it gives back, and what it refuses.

use ferkd_method::mining::{Confidence, KindCounts, Thresholds};
use ferkd_method::selfmix::Mix;
use ferkd_nn::weights::{HostTensor, Precision, StateDict};
use ferkd_train::config::Supervision;
use ferkd_train::trainer::Tuning;

use super::{FILE, Record, RunPoint, Snapshot, TrainedRun, TrainedStudent};

fn run(seed: u64, rights: [u32; 3]) -> TrainedRun {
    let point = |(i, right): (usize, u32)| RunPoint {
        step: 10 * i as u64,
        right,
        loss: (i > 0).then_some(2.0 / (i + 1) as f64),
    };
    let points = rights.into_iter().enumerate().map(point).collect();
    TrainedRun { supervision: Supervision::Ferkd, seed, points }
}

/// Trained students of 4 epochs and seed 0: `ferkd` alone, after 10 of 20 steps, and three seeds of it.
pub(crate) fn snapshot() -> Snapshot {
    let student =
        TrainedStudent { supervision: Supervision::Ferkd, right: 50, kinds: KindCounts([0, 1, 3, 0]) };
    let thresholds = Thresholds { low: 0.1, mid: 0.3, high: 0.9 };
    let record = Record {
        labels_sha256: "00".repeat(32),
        epochs: 4,
        seed: 0,
        mix: Mix::Selfmix,
        tuning: Tuning { thresholds, confidence: Confidence::Max, epsilon: 0.1, lr: 3.2e-2 },
        step: 10,
        steps: 20,
        scenes: 100,
        students: vec![student],
        runs: vec![run(0, [10, 50, 70]), run(1, [12, 44, 73]), run(2, [8, 56, 70])],
    };
    let mut checkpoint = StateDict::default();
    checkpoint.tensors.insert("fc.bias".into(), HostTensor { shape: vec![2], values: vec![0.1, -1e-30] });
    checkpoint.metadata.insert("ferkd.progress".into(), "{\"step\":10}".into());
    Snapshot::new(record, vec![checkpoint]).unwrap()
}

#[test]
fn a_file_gives_back_what_was_written_and_a_damaged_one_is_named() {
    let snapshot = snapshot();
    let bytes = snapshot.to_bytes().unwrap();
    assert_eq!(Snapshot::read(&bytes).unwrap(), snapshot);
    assert_eq!(snapshot.checkpoint(Supervision::Ferkd).unwrap(), snapshot.checkpoints[0]);
    assert!(snapshot.checkpoint(Supervision::Kd).is_err());
    let mut flipped = bytes.clone();
    *flipped.last_mut().unwrap() ^= 1;
    let no_students = StateDict::default().to_bytes(Precision::F32).unwrap();
    for bytes in [&[][..], b"no safetensors at all", &bytes[..bytes.len() - 4], &flipped, &no_students] {
        let error = Snapshot::read(bytes).unwrap_err().to_string();
        assert!(error.starts_with(FILE), "{error}");
    }
}

#[test]
fn a_record_whose_numbers_cannot_be_is_refused() {
    let refused = |change: fn(&mut Record)| {
        let mut broken = snapshot();
        change(&mut broken.record);
        // As someone else's program may have written it.
        Snapshot::read(&broken.to_bytes().unwrap()).unwrap_err().to_string()
    };
    assert!(refused(|record| record.step = 21).contains("beyond the run's"));
    assert!(refused(|record| record.scenes = 0).contains("no scenes"));
    assert!(refused(|record| record.runs[1].points.swap(0, 1)).contains("do not ascend"));
    assert!(refused(|record| record.runs[1].points[2].right = 101).contains("more scenes"));
    let lacking = refused(|record| {
        record.students.push(TrainedStudent { supervision: Supervision::Kd, ..record.students[0] });
    });
    assert!(lacking.contains("no weights of kd"), "{lacking}");
}

#[test]
fn the_spread_is_the_lowest_the_mean_and_the_highest_of_the_seeds() {
    let record = snapshot().record;
    let spread = record.spread(Supervision::Ferkd);
    assert_eq!(spread.iter().map(|at| at.step).collect::<Vec<_>>(), [0, 10, 20]);
    assert_eq!((spread[1].low, spread[1].high), (0.44, 0.56));
    assert!((spread[1].mean - 0.5).abs() < 1e-12 && (spread[2].mean - 0.71).abs() < 1e-12);
    assert_eq!((record.seeds(Supervision::Ferkd), record.seeds(Supervision::Hard)), (3, 0));
    assert!(record.spread(Supervision::Hard).is_empty());
    let before: Vec<u64> = record.before(Supervision::Ferkd).map(|point| point.step).collect();
    assert_eq!((before, record.epoch(10)), (vec![0, 10], 2.0));
    // A step that one seed lacks has no spread.
    let mut uneven = record;
    uneven.runs[2].points.remove(1);
    assert_eq!(uneven.spread(Supervision::Ferkd).len(), 2);
}

#[test]
fn students_go_on_under_the_same_settings_alone() {
    let record = snapshot().record;
    let of = [Supervision::Ferkd];
    assert!(record.fits(&of, 4, 0, Mix::Selfmix) && record.fits(&[], 4, 0, Mix::Selfmix));
    assert!(!record.fits(&of, 4, 1, Mix::Selfmix) && !record.fits(&of, 6, 0, Mix::Selfmix));
    assert!(!record.fits(&of, 4, 0, Mix::Mixup) && !record.fits(&[Supervision::Kd], 4, 0, Mix::Selfmix));
}
