//! The students: that they learn, that they are core's own, and that asking is exact.

mod engine_group;
mod onnx;
mod snapshot;

use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use ferkd_data::events::Event;
use ferkd_data::scenes::{Half, SceneMaker};
use ferkd_method::mining::{Confidence, KindCounts, RegionKind, Rule, Thresholds};
use ferkd_method::selfmix::Mix;
use ferkd_nn::classifier::Classifier;
use ferkd_train::config::{Supervision, TrainConfig};
use ferkd_train::demo::settings::{LR, SUPERVISIONS, TEACHER, student_config};
use ferkd_train::trainer::Tuning;

use super::core::Core;
use super::live::LiveSession;
use super::training_data::TrainingData;
use super::{LabelJob, Picture, Reply, Request, StudentStep, TrainRequest};
use crate::dataset::DataSet;

const LABELS: &[u8] = include_bytes!("../../../assets/playground/scenes-store.tar");
const WEIGHTS: &[u8] = include_bytes!("../../../assets/teachers/digits/weights-f16.safetensors");

fn data() -> &'static TrainingData {
    static DATA: OnceLock<TrainingData> = OnceLock::new();
    DATA.get_or_init(|| TrainingData::new(LABELS.to_vec()).unwrap())
}

/// The scenes' thresholds under the default quantiles.
fn thresholds() -> Thresholds {
    static FOUND: OnceLock<Thresholds> = OnceLock::new();
    *FOUND.get_or_init(|| {
        let census = DataSet::scenes(LABELS).unwrap().census(Confidence::Max).unwrap();
        census.thresholds(&Rule::default()).unwrap()
    })
}

fn request(supervisions: &[Supervision]) -> TrainRequest {
    TrainRequest {
        number: 0,
        supervisions: supervisions.to_vec(),
        epochs: 24,
        seed: 1,
        mix: Mix::Selfmix,
        tuning: Tuning { thresholds: thresholds(), confidence: Confidence::Max, epsilon: 0.1, lr: 4e-3 },
        samples: Vec::new(),
    }
}

fn open(request: &TrainRequest, device: &Device) -> LiveSession {
    let teacher = || Classifier::from_bytes(TEACHER, WEIGHTS, device);
    super::opening::open(request, data(), &teacher, device).unwrap()
}

/// Goes on until there is no work left; what was said meanwhile.
fn run(live: &mut LiveSession) -> Vec<Reply> {
    let mut said = Vec::new();
    while live.is_playing() {
        pollster::block_on(live.advance(&mut |reply| said.push(reply))).unwrap();
    }
    said
}

fn rounds(said: &[Reply]) -> Vec<&Vec<StudentStep>> {
    fn steps(reply: &Reply) -> Option<&Vec<StudentStep>> {
        if let Reply::Step(steps) = reply { Some(steps) } else { None }
    }
    said.iter().filter_map(steps).collect()
}

fn kinds(said: &[Reply]) -> KindCounts {
    let mut sum = KindCounts::default();
    rounds(said).into_iter().flatten().for_each(|step| sum.merge(&step.kinds));
    sum
}

#[test]
fn eighty_steps_lower_the_loss_of_every_supervision() {
    // The warm-up's last step among them: mixed labels say little before.
    let mut live = open(&request(&SUPERVISIONS), &Device::flex());
    live.play(Some(84));
    let said = run(&mut live);
    let rounds = rounds(&said);
    assert_eq!(rounds.len(), 84);
    for (i, supervision) in SUPERVISIONS.into_iter().enumerate() {
        let losses: Vec<f64> = rounds.iter().map(|round| round[i].loss).collect();
        assert!(rounds.iter().all(|round| round[i].supervision == supervision));
        let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
        let (first, last) = (mean(&losses[..10]), mean(&losses[74..]));
        assert!(last < first - 0.02, "{}: {first} before, {last} after", supervision.name());
    }
}

#[test]
fn the_same_seed_gives_the_same_losses_however_it_is_stepped() {
    let request = request(&[Supervision::Ferkd, Supervision::FerkdSelfmix]);
    let mut at_once = open(&request, &Device::flex());
    at_once.play(Some(6));
    let at_once = run(&mut at_once);
    let mut stepped = open(&request, &Device::flex());
    let mut said = Vec::new();
    for steps in [1, 2, 3] {
        stepped.play(Some(steps));
        said.extend(run(&mut stepped));
    }
    assert_eq!(rounds(&said), rounds(&at_once));
    let other = TrainRequest { seed: 2, ..request };
    let mut live = open(&other, &Device::flex());
    live.play(Some(6));
    assert_ne!(rounds(&run(&mut live)), rounds(&at_once));
}

#[test]
fn losses_are_those_of_the_headless_trainer() {
    let folder = tempfile::tempdir().unwrap();
    let maker = SceneMaker::new(scene_seed()).unwrap();
    for (half, name) in [(Half::Train, "train"), (Half::HeldOut, "val")] {
        maker.write(half, 1, &folder.path().join("scenes").join(name)).unwrap();
    }
    unpack_tar(LABELS, &folder.path().join("store"));
    for supervision in [Supervision::Kd, Supervision::FerkdSelfmix] {
        // By quantiles, as the program does by default; the window sends what they come to.
        let weights =
            concat!(env!("CARGO_MANIFEST_DIR"), "/../assets/teachers/digits/weights-f16.safetensors");
        let teacher = Some(weights.into());
        let config = TrainConfig {
            supervision,
            teacher,
            log_every: 1,
            epochs: 24,
            lr: Some(4e-3),
            ..student_config(folder.path(), 1)
        };
        let stop = AtomicBool::new(false);
        let mut headless = Vec::new();
        let ended = ferkd_train::run::train(
            &config,
            &folder.path().join(supervision.name()),
            false,
            &stop,
            &mut |event| {
                if let Event::Metric { loss, lr, kinds, .. } = event {
                    headless.push((*loss, *lr, *kinds));
                    stop.store(headless.len() == 3, Ordering::Relaxed);
                }
            },
        );
        let ended = ended.unwrap_err();
        assert_eq!(ended.kind(), ferkd_method::ErrorKind::Interrupted, "{ended}");
        let mut live = open(&request(&[supervision]), &Device::flex());
        live.play(Some(3));
        let said = run(&mut live);
        let ours: Vec<_> =
            rounds(&said).iter().map(|round| (round[0].loss, round[0].lr, round[0].kinds)).collect();
        assert_eq!(ours, headless, "{}", supervision.name());
    }
}

fn scene_seed() -> u64 {
    match DataSet::scenes(LABELS).unwrap().store().unwrap().manifest().regions.boxes {
        ferkd_data::store::Boxes::Generated(sampler) => sampler.seed,
        ferkd_data::store::Boxes::Explicit => unreachable!("the scenes' boxes are drawn"),
    }
}

/// Writes the files of a plain tar archive into a folder.
fn unpack_tar(mut archive: &[u8], folder: &Path) {
    std::fs::create_dir_all(folder).unwrap();
    while archive.len() >= 1024 && archive[0] != 0 {
        let (header, rest) = archive.split_at(512);
        let text = |span: std::ops::Range<usize>| {
            String::from_utf8_lossy(&header[span]).trim_matches(['\0', ' ']).to_owned()
        };
        let size = usize::from_str_radix(&text(124..136), 8).unwrap();
        if header[156] == b'0' {
            let name = text(0..100);
            std::fs::write(folder.join(name.rsplit('/').next().unwrap()), &rest[..size]).unwrap();
        }
        archive = &rest[size.div_ceil(512) * 512..];
    }
}

#[test]
fn tuning_reaches_the_running_students() {
    let mut live = open(&request(&[Supervision::Fkd, Supervision::Ferkd]), &Device::flex());
    live.play(Some(3));
    let before = run(&mut live);
    assert!(kinds(&before).of(RegionKind::Important) > 0);
    assert!(rounds(&before).iter().all(|round| round[0].kinds.total() == 0), "fkd looks at no threshold");
    let calibrated = Thresholds { low: 0.0, mid: 0.9999, high: 0.99995 };
    let tuning = Tuning { thresholds: calibrated, lr: 1e-3, ..request(&[]).tuning };
    live.tune(&tuning);
    live.play(Some(3));
    let after = run(&mut live);
    let share = |said: &[Reply]| kinds(said).shares()[RegionKind::Context as usize];
    assert!(share(&after) > share(&before) + 0.3, "{:?} then {:?}", kinds(&before), kinds(&after));
    let lr = |said: &[Reply]| rounds(said).last().unwrap()[0].lr;
    assert!(lr(&after) < lr(&before));
}

#[test]
fn pausing_leaves_all_students_at_the_same_step_and_tries_them() {
    let mut live =
        open(&request(&[Supervision::Hard, Supervision::Fkd, Supervision::Ferkd]), &Device::flex());
    let begun = run(&mut live);
    let evaluated: Vec<u64> = evaluated(&begun).iter().map(|evaluated| evaluated.0).collect();
    assert_eq!(evaluated, [0, 0, 0], "curves begin before the first step");
    live.play(None);
    let mut said = Vec::new();
    // One student has taken its first step when the pause comes.
    pollster::block_on(live.advance(&mut |reply| said.push(reply))).unwrap();
    assert!(said.is_empty());
    live.pause(&mut |reply| said.push(reply));
    said.extend(run(&mut live));
    assert_eq!(rounds(&said).len(), 1);
    assert!(live.trainers().all(|trainer| trainer.step() == 1));
    assert!(matches!(said[1], Reply::Paused));
    assert_eq!(self::evaluated(&said).len(), 3);
    assert!(!live.is_playing());
}

#[test]
fn a_trial_says_what_the_student_takes_the_sample_regions_for() {
    let samples = vec![(3, 1), (700, 15), (1347, 0)];
    let request = TrainRequest { samples: samples.clone(), ..request(&[Supervision::Ferkd]) };
    let mut live = open(&request, &Device::flex());
    live.play(Some(2));
    let said = run(&mut live);
    let last = said.iter().rev().find_map(|reply| match reply {
        Reply::Evaluated { samples, .. } => Some(samples.clone()),
        _ => None,
    });
    let trainer = live.trainers().next().unwrap();
    let view = trainer.batcher().student;
    let scenes = DataSet::scenes(LABELS).unwrap();
    for (&(image, region), (prediction, p)) in samples.iter().zip(last.unwrap()) {
        let shown = scenes.show(image).unwrap();
        let mut pixels = vec![0.0; view.size()];
        view.cut(&shown.picture.unwrap(), &shown.regions[region as usize], &mut pixels).unwrap();
        let side = view.side as usize;
        let data = TensorData::new(pixels, [1, 3, side, side]);
        let input = Tensor::<4>::from_data(data, &trainer.device().clone().inner());
        let logits: Vec<f32> = trainer.student().valid().forward(input).into_data().try_to_vec().unwrap();
        let probabilities = ferkd_method::label::softmax(&logits, 1.0).unwrap();
        let best = (0..10).max_by(|&a, &b| probabilities[a].total_cmp(&probabilities[b])).unwrap();
        assert_eq!(prediction as usize, best);
        assert!((p - probabilities[best]).abs() < 1e-5, "{p} {}", probabilities[best]);
    }
}

/// Step and accuracy of every evaluation.
fn evaluated(said: &[Reply]) -> Vec<(u64, f64)> {
    let truths = crate::scenes::held_out();
    let of = |reply: &Reply| match reply {
        Reply::Evaluated { step, predictions, confidences, .. } => {
            assert_eq!((predictions.len(), confidences.len()), (truths.len(), truths.len()));
            let right = predictions
                .iter()
                .zip(truths)
                .filter(|(prediction, scene)| **prediction == scene.class)
                .count();
            Some((*step, right as f64 / truths.len() as f64))
        }
        _ => None,
    };
    said.iter().filter_map(of).collect()
}

#[test]
fn a_run_ends_and_does_not_go_on_past_its_end() {
    let usual = request(&[Supervision::Ferkd]);
    let short = TrainRequest { epochs: 8, tuning: Tuning { lr: LR, ..usual.tuning }, ..usual };
    let mut live = open(&short, &Device::flex());
    live.play(None);
    let said = run(&mut live);
    assert_eq!(rounds(&said).len() as u64, live.steps());
    assert_eq!(said.iter().filter(|reply| matches!(reply, Reply::Paused)).count(), 1);
    let accuracies = evaluated(&said);
    // At the start, after every epoch, and at the end.
    assert!(accuracies.len() >= 5, "{accuracies:?}");
    assert_eq!(accuracies.last().unwrap().0, live.steps());
    // So few epochs end where they may.
    let best = accuracies[1..].iter().map(|(_, accuracy)| *accuracy).fold(0.0, f64::max);
    assert!(best > accuracies[0].1 + 0.05, "{accuracies:?}");
    live.play(Some(5));
    let more = run(&mut live);
    assert_eq!(more, [Reply::Paused]);
}

#[test]
fn a_loss_that_is_no_number_stops_the_lesson_and_says_what_to_do() {
    let mut core = Core::new(Device::flex());
    let mut said = Vec::new();
    let mut ask = |core: &mut Core, request| {
        pollster::block_on(core.answer(request, &mut |reply| said.push(reply)));
        while core.is_playing() {
            pollster::block_on(core.advance(&mut |reply| said.push(reply)));
        }
        std::mem::take(&mut said)
    };
    let failed = |said: Vec<Reply>| match said.into_iter().find(|r| matches!(r, Reply::Failed { .. })) {
        Some(Reply::Failed { error, .. }) => error,
        _ => panic!("nothing failed"),
    };
    let wild = |lr| {
        let request = request(&[Supervision::Fkd, Supervision::Ferkd]);
        TrainRequest { tuning: Tuning { lr, ..request.tuning }, ..request }
    };
    assert!(failed(ask(&mut core, Request::Learn(wild(1.0)))).contains("not here yet"));
    assert!(failed(ask(&mut core, Request::Play(None))).contains("no training"));
    ask(&mut core, Request::Scenes(LABELS.to_vec()));
    let kd = request(&[Supervision::Kd]);
    assert!(failed(ask(&mut core, Request::Learn(kd))).contains("leave out kd"));
    ask(&mut core, Request::Learn(wild(1e30)));
    let error = failed(ask(&mut core, Request::Play(None)));
    assert!(error.contains("train anew"), "{error}");
    assert!(!core.is_playing());
}

#[test]
fn a_teacher_that_is_let_go_is_asked_nothing_more() {
    let mut core = Core::new(Device::flex());
    let mut said = Vec::new();
    let job = LabelJob {
        id: 1,
        teacher: "best".into(),
        key: 1,
        picture: Some(Picture { width: 8, height: 8, rgb: vec![0; 3 * 8 * 8] }),
        regions: Vec::new(),
        classes: Vec::new(),
        temperature: 1.0,
        k: 1,
    };
    let teacher = Request::Teacher { name: "best".into(), weights: WEIGHTS.to_vec() };
    for request in [teacher, Request::Forget("best".into()), Request::Label(job)] {
        pollster::block_on(core.answer(request, &mut |reply| said.push(reply)));
    }
    let [Reply::Teacher { name, .. }, Reply::Failed { error, .. }] = &said[..] else { panic!("{said:?}") };
    assert!(name == "best" && error.contains("not loaded"), "{name}: {error}");
}

#[test]
fn three_steps_on_wgpu_are_those_on_flex() {
    // Tuning kernels on a software adapter takes minutes.
    // SAFETY: no other test of this program reads or writes this variable, and burn reads it later.
    unsafe { std::env::set_var("CUBECL_AUTOTUNE_LEVEL", "0") };
    let device = match ferkd_nn::device::open("wgpu") {
        Ok(device) => device,
        Err(error) => {
            return ferkd_skip::not_installed(format_args!("there is no wgpu adapter: {error}"));
        }
    };
    let request = request(&[Supervision::FerkdSelfmix]);
    let losses = |device: &Device| {
        let mut live = open(&request, device);
        live.skip_evaluation();
        live.play(Some(3));
        rounds(&run(&mut live)).iter().map(|round| round[0].loss).collect::<Vec<f64>>()
    };
    let (flex, wgpu) = (losses(&Device::flex()), losses(&device));
    assert_eq!((flex.len(), wgpu.len()), (3, 3));
    for (flex, wgpu) in flex.iter().zip(&wgpu) {
        assert!((flex - wgpu).abs() < 1e-3, "flex {flex}, wgpu {wgpu}");
    }
}
