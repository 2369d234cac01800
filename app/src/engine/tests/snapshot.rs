//! Students that were trained before: that going on from them is exact, that the file that ships says of them what they
//! are, and that a file that cannot be used is named.

use burn::tensor::Device;
use ferkd_method::selfmix::Mix;
use ferkd_nn::classifier::Classifier;
use ferkd_train::config::Supervision;
use ferkd_train::demo::settings::TEACHER;

use super::{LABELS, WEIGHTS, data, evaluated, open, request, rounds, run};
use crate::assets::Asset;
use crate::engine::core::Core;
use crate::engine::live::LiveSession;
use crate::engine::{JobId, Reply, Request, TrainRequest, opening};
use crate::experiment::Experiment;
use crate::scenes::held_out;
use crate::snapshot::{FILE, Record, Snapshot, TrainedStudent};
use crate::state::State;

const SHIPPED: &[u8] = include_bytes!("../../../../assets/playground/students.safetensors");

fn resume(request: &TrainRequest, snapshot: &Snapshot) -> ferkd_method::Result<LiveSession> {
    let device = Device::flex();
    let teacher = || Classifier::from_bytes(TEACHER, WEIGHTS, &device);
    opening::resume(request, snapshot.clone(), data(), &teacher, &device)
}

/// Students after three rounds, as the file of them.
fn snapshot(request: &TrainRequest) -> Snapshot {
    let mut live = open(request, &Device::flex());
    live.play(Some(3));
    run(&mut live);
    let student =
        |&supervision: &Supervision| TrainedStudent { supervision, right: 0, kinds: Default::default() };
    let record = Record {
        labels_sha256: data().labels_sha256().to_owned(),
        epochs: request.epochs,
        seed: request.seed,
        mix: request.mix,
        tuning: request.tuning,
        step: 3,
        steps: live.steps(),
        scenes: held_out().len() as u32,
        students: request.supervisions.iter().map(student).collect(),
        runs: Vec::new(),
    };
    Snapshot::new(record, pollster::block_on(live.checkpoints()).unwrap()).unwrap()
}

#[test]
fn going_on_from_a_file_gives_the_losses_of_a_session_that_never_stopped() {
    // With its own order, mixing and teacher each.
    let request = request(&[Supervision::Kd, Supervision::FerkdSelfmix]);
    let mut at_once = open(&request, &Device::flex());
    at_once.play(Some(5));
    let at_once = run(&mut at_once);
    let file = snapshot(&request).to_bytes().unwrap();
    let mut live = resume(&request, &Snapshot::read(&file).unwrap()).unwrap();
    assert_eq!(live.step(), 3);
    let begun = run(&mut live);
    assert_eq!(
        evaluated(&begun).iter().map(|at| at.0).collect::<Vec<_>>(),
        [3, 3],
        "as they are, before they go on"
    );
    live.play(Some(2));
    let said = run(&mut live);
    assert_eq!(rounds(&said), rounds(&at_once)[3..]);
    // A part of the students goes on as well.
    let one = TrainRequest { supervisions: vec![Supervision::FerkdSelfmix], ..request };
    let mut live = resume(&one, &Snapshot::read(&file).unwrap()).unwrap();
    live.play(Some(1));
    assert_eq!(rounds(&run(&mut live))[0][0], rounds(&at_once)[3][1]);
}

#[test]
fn students_of_other_settings_or_labels_are_refused_by_name() {
    let request = request(&[Supervision::Fkd]);
    let snapshot = snapshot(&request);
    let refused = |request: &TrainRequest, snapshot: &Snapshot| {
        let error = resume(request, snapshot).err().unwrap().to_string();
        assert!(error.starts_with(FILE) && error.contains("train anew"), "{error}");
        error
    };
    let other = |change: fn(&mut Record)| {
        let mut changed = snapshot.clone();
        change(&mut changed.record);
        changed
    };
    assert!(
        refused(&request, &other(|record| record.labels_sha256 = "0".repeat(64))).contains("other labels")
    );
    assert!(refused(&request, &other(|record| record.step = 4)).contains("stands at step 3"));
    assert!(refused(&request, &other(|record| record.steps += 1)).contains("stands at step 3 of"));
    for changed in [
        TrainRequest { seed: 9, ..request.clone() },
        TrainRequest { mix: Mix::Cutmix, ..request.clone() },
        TrainRequest { supervisions: vec![Supervision::Ferkd], ..request.clone() },
    ] {
        assert!(refused(&changed, &snapshot).contains("are of"));
    }
}

#[test]
fn what_is_asked_for_while_a_session_opens_waits_for_it() {
    let (mut core, mut said) = (Core::new(Device::flex()), Vec::new());
    for asked in [
        Request::Scenes(LABELS.to_vec()),
        Request::Learn(request(&[Supervision::Hard, Supervision::Fkd])),
        Request::Play(Some(1)),
    ] {
        pollster::block_on(core.answer(asked, &mut |reply| said.push(reply)));
    }
    assert!(said.is_empty() && core.is_playing());
    // Scenes are drawn some at a time, students come one by one.
    let mut pieces = 0;
    while said.is_empty() {
        pollster::block_on(core.advance(&mut |reply| said.push(reply)));
        pieces += 1;
    }
    assert!(pieces > 100, "{pieces}");
    while core.is_playing() {
        pollster::block_on(core.advance(&mut |reply| said.push(reply)));
    }
    assert!(
        matches!(said[..2], [Reply::TrainingOpened { step: 0, .. }, Reply::Playing(Some(1))]),
        "{said:?}"
    );
    assert_eq!((rounds(&said).len(), rounds(&said)[0].len()), (1, 2));
}

#[test]
fn a_file_that_cannot_be_used_is_named_and_students_begin_from_the_start() {
    let mut damaged = SHIPPED.to_vec();
    *damaged.last_mut().unwrap() ^= 1;
    for file in [Some(damaged), Some(LABELS.to_vec()), None] {
        let (mut core, mut said) = (Core::new(Device::flex()), Vec::new());
        let requests = [
            Some(Request::Scenes(LABELS.to_vec())),
            file.map(Request::Snapshot),
            Some(Request::Resume(request(&[Supervision::Hard]))),
        ];
        for request in requests.into_iter().flatten() {
            pollster::block_on(core.answer(request, &mut |reply| said.push(reply)));
        }
        while !said.iter().any(|reply| matches!(reply, Reply::TrainingOpened { .. })) {
            pollster::block_on(core.advance(&mut |reply| said.push(reply)));
        }
        let [Reply::Failed { job: Some(JobId::Snapshot), error, .. }, Reply::TrainingOpened { step: 0, .. }] =
            &said[..]
        else {
            panic!("{said:?}")
        };
        assert!(error.starts_with(FILE), "{error}");
    }
}

/// What the playground asks for when its reader has changed nothing.
fn usual() -> TrainRequest {
    let mut state = State::new(Experiment::default());
    state.load(Asset::Scenes, LABELS);
    while state.tuning().is_err_and(|error| error.is_pending()) {
        state.refresh();
    }
    state.training_wanted().unwrap()
}

#[test]
fn the_students_that_ship_are_of_the_usual_settings_and_as_good_as_their_record_says() {
    let snapshot = Snapshot::read(SHIPPED).unwrap();
    let (record, usual) = (&snapshot.record, usual());
    assert_eq!((record.tuning, record.epochs, record.mix), (usual.tuning, usual.epochs, usual.mix));
    let mut live = resume(&usual, &snapshot).unwrap();
    let said = run(&mut live);
    let found = evaluated(&said);
    assert_eq!((found.len(), record.students.len()), (usual.supervisions.len(), usual.supervisions.len()));
    for (student, (step, share)) in record.students.iter().zip(found) {
        assert_eq!(step, record.step);
        // Another processor may round otherwise: one scene, at most, is taken for something else.
        let off = (share - record.accuracy(student.right)).abs();
        assert!(off <= record.accuracy(1) + 1e-9, "{}: {share}, {student:?}", student.supervision.name());
        let last = record.before(student.supervision).last().unwrap();
        assert_eq!((last.step, last.right), (record.step, student.right), "its run says the same");
    }
}

#[test]
fn three_seeds_of_every_student_ran_to_the_end_and_passed_sixty_percent() {
    let record = Record::read(SHIPPED).unwrap();
    for student in &record.students {
        let name = student.supervision.name();
        assert_eq!(record.seeds(student.supervision), 3, "{name}");
        let spread = record.spread(student.supervision);
        assert_eq!((spread[0].step, spread.last().unwrap().step), (0, record.steps), "{name}");
        assert!(spread[0].high < 0.25 && spread.last().unwrap().low > 0.6, "{name}: {spread:?}");
    }
}
