//! Trains the students that ship with the playground:
//! `cargo run --release -p ferkd-app --example train_snapshot -- assets/playground/students.safetensors`.
//!
//! These are the sessions that the playground itself would train under its usual settings, from the first step to the
//! last one, with three seeds. Of the first seed every student is kept as it is after two thirds of its run, with its
//! optimizer, so that going on from there is exact; of all seeds accuracy and loss are kept. It takes a few minutes on
//! two cores; on the same kind of processor the file comes out the same to the last bit.

use std::path::PathBuf;
use std::time::Instant;

use burn::tensor::Device;
use ferkd_app::State;
use ferkd_app::assets::Asset;
use ferkd_app::dataset::DataSet;
use ferkd_app::engine::live::LiveSession;
use ferkd_app::engine::training_data::TrainingData;
use ferkd_app::engine::{Reply, TrainRequest, opening};
use ferkd_app::experiment::Experiment;
use ferkd_app::scenes::held_out;
use ferkd_app::snapshot::{Record, RunPoint, Snapshot, TrainedRun, TrainedStudent};
use ferkd_method::Result;
use ferkd_method::mining::KindCounts;
use ferkd_nn::classifier::Classifier;
use ferkd_nn::weights::StateDict;
use ferkd_train::config::Supervision;
use ferkd_train::demo::settings::TEACHER;

/// Seeds that every student is trained with, from that of the usual settings on.
const SEEDS: u64 = 3;

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let file = std::env::args().nth(1).map(PathBuf::from);
    let file = file.ok_or("expected the file to write: assets/playground/students.safetensors")?;
    let embedded =
        |asset: Asset| asset.embedded().ok_or("the example is built without the feature `desktop`");
    let (labels, weights) = (embedded(Asset::Scenes)?, embedded(Asset::Digits)?);
    let usual = usual_request(labels)?;
    let data = TrainingData::new(labels.to_vec())?;
    let begun = Instant::now();
    let sessions: Vec<Result<Trained>> = std::thread::scope(|scope| {
        let seeds = usual.seed..usual.seed.saturating_add(SEEDS);
        let train = |seed| {
            let (usual, data) = (&usual, &data);
            scope.spawn(move || train(&TrainRequest { seed, ..usual.clone() }, data, weights))
        };
        let threads: Vec<_> = seeds.map(train).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    });
    let mut sessions = sessions.into_iter().collect::<Result<Vec<_>>>()?.into_iter();
    let Trained { step, steps, students, checkpoints, mut runs } =
        sessions.next().ok_or("no seed was trained")?;
    runs.extend(sessions.flat_map(|session| session.runs));
    let record = Record {
        labels_sha256: data.labels_sha256().to_owned(),
        epochs: usual.epochs,
        seed: usual.seed,
        mix: usual.mix,
        tuning: usual.tuning,
        step,
        steps,
        scenes: held_out().len() as u32,
        students,
        runs,
    };
    let bytes = Snapshot::new(record, checkpoints)?.to_bytes()?;
    ferkd_data::atomic::write(&file, &bytes)?;
    println!("{}: {} bytes, {:.0} s", file.display(), bytes.len(), begun.elapsed().as_secs_f64());
    Ok(())
}

/// What the playground asks for when its reader has changed nothing.
fn usual_request(labels: &[u8]) -> Result<TrainRequest> {
    // The state would only say that labels are still on their way.
    DataSet::scenes(labels)?;
    let mut state = State::new(Experiment::default());
    state.load(Asset::Scenes, labels);
    // Confidences are counted a slice a frame.
    loop {
        state.refresh();
        match state.training_wanted() {
            Err(error) if error.is_pending() => {}
            found => return found,
        }
    }
}

/// The students of one seed.
struct Trained {
    step: u64,
    steps: u64,
    students: Vec<TrainedStudent>,
    checkpoints: Vec<StateDict>,
    runs: Vec<TrainedRun>,
}

/// What is gathered of one student.
struct Log {
    run: TrainedRun,
    /// Losses since the last evaluation: their sum in nats, and their number.
    losses: (f64, u32),
    kinds: KindCounts,
}

fn train(request: &TrainRequest, data: &TrainingData, weights: &[u8]) -> Result<Trained> {
    let device = Device::flex();
    let teacher = || Classifier::from_bytes(TEACHER, weights, &device);
    let mut live = opening::open(request, data, &teacher, &device)?;
    let log = |&supervision: &Supervision| Log {
        run: TrainedRun { supervision, seed: request.seed, points: Vec::new() },
        losses: (0.0, 0),
        kinds: KindCounts::default(),
    };
    let mut logs: Vec<Log> = request.supervisions.iter().map(log).collect();
    let steps = live.steps();
    // Late enough to tell students apart, early enough to change them; after an evaluation.
    let kept = request.epochs as u64 * 2 / 3 * live.evaluate_every();
    live.play(Some(kept));
    run(&mut live, &mut logs)?;
    let students = logs.iter().map(|log| TrainedStudent {
        supervision: log.run.supervision,
        right: log.run.points.last().map_or(0, |point| point.right),
        kinds: log.kinds,
    });
    let (students, checkpoints) = (students.collect(), pollster::block_on(live.checkpoints())?);
    live.play(None);
    run(&mut live, &mut logs)?;
    Ok(Trained {
        step: kept,
        steps,
        students,
        checkpoints,
        runs: logs.into_iter().map(|log| log.run).collect(),
    })
}

/// Goes on until there is no work left.
fn run(live: &mut LiveSession, logs: &mut [Log]) -> Result<()> {
    while live.is_playing() {
        pollster::block_on(live.advance(&mut |reply| hear(reply, logs)))?;
    }
    Ok(())
}

fn hear(reply: Reply, logs: &mut [Log]) {
    match reply {
        Reply::Step(taken) => {
            for (log, step) in logs.iter_mut().zip(taken) {
                log.losses = (log.losses.0 + step.loss, log.losses.1 + 1);
                log.kinds.merge(&step.kinds);
            }
        }
        Reply::Evaluated { supervision, step, predictions, .. } => {
            let Some(log) = logs.iter_mut().find(|log| log.run.supervision == supervision) else { return };
            let is_right = |(scene, taken): &(&ferkd_app::scenes::HeldOutScene, &u32)| scene.class == **taken;
            let right = held_out().iter().zip(&predictions).filter(is_right).count() as u32;
            let (sum, count) = std::mem::take(&mut log.losses);
            let loss = (count > 0).then(|| sum / f64::from(count));
            log.run.points.push(RunPoint { step, right, loss });
            let share = 100.0 * f64::from(right) / predictions.len().max(1) as f64;
            println!("seed {} {} step {step}: {share:.1} %", log.run.seed, supervision.name());
        }
        _ => {}
    }
}
