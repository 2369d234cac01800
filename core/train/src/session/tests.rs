//! One session, however it is driven.

#![allow(clippy::unwrap_used, reason = "a test may panic")]
use std::sync::Arc;

use super::*;
use crate::config::{Supervision, TrainConfig};
use crate::eval::evaluate;
use crate::session_event::Checkpoint;
use ferkd_nn::models::Arch;
use ferkd_nn::weights::Precision;

/// Four steps an epoch, twelve in all.
fn config() -> TrainConfig {
    TrainConfig {
        images: "synthetic:64x4".into(),
        supervision: Supervision::Hard,
        arch: Arch::Resnet8,
        width: Some(4),
        side: 16,
        batch: 16,
        regions_per_step: 1,
        epochs: 3,
        lr: Some(0.05),
        eval_every: 2,
        keep_every: 1,
        log_every: 5,
        checkpoint_every: 3,
        ema: Some(0.9),
        device: "flex".into(),
        ..TrainConfig::default()
    }
}

/// A trainer that is evaluated on the images that it is trained on.
fn trainer(config: TrainConfig) -> Trainer {
    let mut trainer = Trainer::new(config).unwrap();
    let batcher = trainer.batcher().clone();
    let set = EvalSet::new(batcher.student, batcher.images.clone(), batcher.folder_classes.clone());
    trainer.validate_on(Some(Arc::new(set)));
    trainer
}

fn next(session: &mut Session, budget: Budget) -> SessionEvent {
    pollster::block_on(session.next(budget)).unwrap()
}

/// What is said up to the end, the slices of evaluations left out, and the state at the end.
fn drive(session: &mut Session, budget: Budget) -> (Vec<SessionEvent>, Vec<u8>) {
    let mut said = Vec::new();
    while !matches!(said.last(), Some(SessionEvent::Done { .. })) {
        let event = next(session, budget);
        if !matches!(event, SessionEvent::EvalSlice { .. }) {
            said.push(event);
        }
    }
    (said, bytes(session))
}

fn bytes(session: &mut Session) -> Vec<u8> {
    pollster::block_on(session.checkpoint()).unwrap().to_bytes(Precision::F32).unwrap()
}

/// One letter for each event.
fn letters(said: &[SessionEvent]) -> String {
    let letter = |event: &SessionEvent| match event {
        SessionEvent::Features { .. } => 'f',
        SessionEvent::Step(_) => '.',
        SessionEvent::Metrics(_) => 'm',
        SessionEvent::EvalSlice { .. } => 's',
        SessionEvent::Evaluation { .. } => 'e',
        SessionEvent::Checkpoint(Checkpoint::Best) => 'b',
        SessionEvent::Checkpoint(Checkpoint::Numbered(_)) => 'n',
        SessionEvent::Checkpoint(Checkpoint::Last) => 'l',
        SessionEvent::Stopped => '!',
        SessionEvent::Done { .. } => 'D',
    };
    said.iter().map(letter).collect()
}

#[test]
fn events_come_in_one_order_whatever_the_budget_and_whoever_makes_batches() {
    let usual = drive(&mut Session::new(trainer(config()), "run"), Budget::default());
    let (said, _) = &usual;
    // Whether an evaluation is the best is the student's affair.
    assert_eq!(letters(said).replace('b', ""), "...l.n.m.l..nle.l.m..mnlelD");
    let best = said.iter().filter(|e| matches!(e, SessionEvent::Evaluation { is_best: true, .. })).count();
    assert_eq!(letters(said).matches("eb").count(), best);
    assert!(best > 0);
    let little = Budget { eval_pictures: 7 };
    assert!(drive(&mut Session::new(trainer(config()), "run").without_prefetch(), little) == usual);
    // Nothing at all would never end.
    assert!(drive(&mut Session::new(trainer(config()), "run"), Budget { eval_pictures: 0 }) == usual);
}

#[test]
fn an_evaluation_is_that_of_the_weights_to_use_and_says_how_far_it_is() {
    let mut session = Session::new(trainer(config()), "run");
    session.request_evaluation();
    session.request_evaluation();
    let mut slices = Vec::new();
    let found = loop {
        match next(&mut session, Budget { eval_pictures: 30 }) {
            SessionEvent::EvalSlice { done, total } => slices.push((done, total)),
            SessionEvent::Evaluation { found, .. } => break found,
            event => panic!("{event:?}"),
        }
    };
    assert_eq!(slices, [(30, 64), (60, 64)]);
    let average = session.trainer().weights().unwrap();
    let (card, device) = (session.trainer().card(), session.trainer().device().clone().inner());
    let model = average.load_into(card.spec.init(9, &device).unwrap(), "average").unwrap();
    let model = ferkd_nn::inference::Inference::of(model, &device).unwrap();
    let set = session.trainer().validation().unwrap();
    let again = evaluate(&(&model, &card.classes), set, &device, &mut |_| ()).unwrap();
    assert_eq!(*found, again);
    assert_eq!((again.predictions.len(), again.report.images), (64, 64));
    let right = again.predictions.iter().enumerate().filter(|(image, prediction)| {
        let folder = session.trainer().batcher().images.folder(*image).unwrap() as usize;
        prediction.unwrap().class == session.trainer().batcher().folder_classes[folder]
    });
    assert_eq!(right.count() as f64 / 64.0, again.report.top1);
    assert_eq!(next(&mut session, Budget::default()), SessionEvent::Checkpoint(Checkpoint::Best));
    session.request_evaluation();
    session.cancel_evaluation();
    assert!(matches!(next(&mut session, Budget::default()), SessionEvent::Step(_)));
}

#[test]
fn a_session_goes_on_from_its_checkpoint_to_the_same_bytes() {
    let (said, end) = drive(&mut Session::new(trainer(config()), "run"), Budget::default());
    for stopped_after in [1, 4, 7] {
        let mut session = Session::new(trainer(config()), "run");
        session.request_stop(false);
        let mut before = Vec::new();
        loop {
            session.request_stop(session.trainer().step() >= stopped_after);
            match next(&mut session, Budget::default()) {
                SessionEvent::Stopped => break,
                SessionEvent::EvalSlice { .. } => {}
                event => before.push(event),
            }
        }
        assert_eq!(session.trainer().step(), stopped_after);
        assert_eq!(before.last(), Some(&SessionEvent::Checkpoint(Checkpoint::Last)));
        let checkpoint = StateDict::from_bytes(&bytes(&mut session), "memory").unwrap();
        let mut resumed = Session::resume(trainer(config()), "run", checkpoint, "memory").unwrap();
        let (after, end_of_resumed) = drive(&mut resumed, Budget::default());
        assert!(end_of_resumed == end, "after {stopped_after}");
        // A checkpoint is due at the stop, besides those of the plan.
        let steps = |said: &[SessionEvent]| {
            let all = said.iter().filter(|e| !matches!(e, SessionEvent::Checkpoint(Checkpoint::Last)));
            all.cloned().collect::<Vec<_>>()
        };
        assert!(steps(&[before, after].concat()) == steps(&said), "after {stopped_after}");
        // The one that was stopped can also go on by itself.
        session.request_stop(false);
        assert!(drive(&mut session, Budget::default()).1 == end);
    }
}

/// A host that is killed in an evaluation, or that is told to stop, or meets an image that ends it, has a checkpoint
/// from which the evaluation is done and everything goes on to the same bytes.
#[test]
fn the_checkpoint_comes_before_the_evaluation_and_says_that_it_is_due() {
    let (said, end) = drive(&mut Session::new(trainer(config()), "run"), Budget::default());
    for at in [8, 12] {
        let mut session = Session::new(trainer(config()), "run");
        let mut before = Vec::new();
        let little = Budget { eval_pictures: 7 };
        let checkpoint = loop {
            match next(&mut session, little) {
                SessionEvent::Checkpoint(Checkpoint::Last) if session.trainer().step() == at => {
                    assert!(session.is_evaluating());
                    break StateDict::from_bytes(&bytes(&mut session), "memory").unwrap();
                }
                SessionEvent::EvalSlice { .. } => {}
                event => before.push(event),
            }
        };
        // In the middle of it: no one waits for its end.
        assert_eq!(next(&mut session, little), SessionEvent::EvalSlice { done: 7, total: 64 });
        session.request_stop(true);
        assert_eq!(next(&mut session, little), SessionEvent::Stopped);

        let resumed = || Session::resume(trainer(config()), "run", checkpoint.clone(), "memory").unwrap();
        let mut stopped = resumed();
        stopped.request_stop(true);
        assert_eq!(next(&mut stopped, little), SessionEvent::Stopped);
        let (after, end_of_resumed) = drive(&mut resumed(), Budget::default());
        assert!(matches!(after[0], SessionEvent::Evaluation { .. }), "{:?}", after[0]);
        assert!(end_of_resumed == end, "after {at}");
        let rest = |said: &[SessionEvent]| {
            let last = |e: &&SessionEvent| !matches!(e, SessionEvent::Checkpoint(Checkpoint::Last));
            said.iter().filter(last).cloned().collect::<Vec<_>>()
        };
        assert!(rest(&[before, after].concat()) == rest(&said), "after {at}");
        session.request_stop(false);
        assert!(drive(&mut session, Budget::default()).1 == end);
    }
}

/// The error of a batch that cannot be made comes after a checkpoint of all that was done before.
#[test]
fn a_batch_that_cannot_be_made_costs_no_step() {
    let images = |broken: bool| {
        let image = |i: usize| {
            let mut png = std::io::Cursor::new(Vec::new());
            image::RgbImage::new(20, 20).write_to(&mut png, image::ImageFormat::Png).unwrap();
            let class = ["a", "b"][i % 2].to_owned();
            let bytes = if broken && i == 9 { b"text".to_vec() } else { png.into_inner() };
            (format!("{class}/{i:02}"), class, bytes)
        };
        ferkd_data::images::ImageList::in_memory((0..32).map(image).collect()).unwrap()
    };
    let config = TrainConfig { images: "memory".into(), ema: None, checkpoint_every: 0, ..config() };
    let trainer = |broken: bool| {
        let inputs = crate::Inputs { images: images(broken), validation: None, store: None, teacher: None };
        let device = ferkd_nn::device::open("flex").unwrap();
        Trainer::with_inputs(config.clone(), inputs, device).unwrap()
    };
    let mut whole = Session::new(trainer(false), "run");
    let end = drive(&mut whole, Budget::default()).1;
    for ahead in [true, false] {
        let mut session = Session::new(trainer(true), "run");
        if !ahead {
            session = session.without_prefetch();
        }
        let (mut steps, mut saved) = (0, None);
        let error = loop {
            match pollster::block_on(session.next(Budget::default())) {
                Ok(SessionEvent::Step(_)) => steps += 1,
                Ok(SessionEvent::Checkpoint(Checkpoint::Last)) => saved = Some(bytes(&mut session)),
                Ok(SessionEvent::Done { .. }) => panic!("no batch held the broken image"),
                Ok(_) => {}
                Err(error) => break error.to_string(),
            }
        };
        assert!(error.contains("b/09"), "{error}");
        assert_eq!(session.trainer().step(), steps);
        let Some(saved) = saved else {
            assert_eq!(steps, 0, "steps were lost");
            continue;
        };
        let checkpoint = StateDict::from_bytes(&saved, "memory").unwrap();
        let mut resumed = Session::resume(trainer(false), "run", checkpoint, "memory").unwrap();
        assert_eq!(resumed.trainer().step(), steps);
        assert!(drive(&mut resumed, Budget::default()).1 == end);
    }
}

#[test]
fn a_host_may_read_losses_itself() {
    let mut own = Session::new(trainer(config()), "run");
    let metrics = |session: &mut Session| loop {
        if let SessionEvent::Metrics(metrics) = next(session, Budget::default()) {
            return metrics;
        }
    };
    let expected = metrics(&mut own);
    let mut session = Session::new(trainer(config()), "run");
    for _ in 0..2 {
        while !matches!(next(&mut session, Budget::default()), SessionEvent::Step(_)) {}
    }
    let losses = pollster::block_on(read_async(session.unread().unwrap())).unwrap();
    assert_eq!(losses.len(), 2);
    assert!(session.note_losses(&losses[..1]).unwrap_err().to_string().contains("2 losses are unread"));
    session.note_losses(&losses).unwrap();
    assert!(session.unread().is_none());
    assert_eq!(metrics(&mut session), expected);
}

#[test]
fn tuning_counts_from_the_next_step_though_batches_were_made_ahead() {
    let mut session = Session::new(trainer(config()), "run");
    assert!(matches!(next(&mut session, Budget::default()), SessionEvent::Step(_)));
    let tuning = Tuning {
        thresholds: ferkd_method::mining::Thresholds { low: 0.1, mid: 0.2, high: 0.9 },
        confidence: ferkd_method::mining::Confidence::Max,
        epsilon: 0.1,
        lr: 0.5,
    };
    session.retune(&tuning);
    let SessionEvent::Step(taken) = next(&mut session, Budget::default()) else { panic!("no step") };
    assert_eq!((taken.step, taken.lr), (1, session.trainer().rate(1)));
    assert!(taken.lr > 0.4, "{}", taken.lr);
}
