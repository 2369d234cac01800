//! A file of the reader's from the sheet that asks about it to the labels that it gives, and back.

use std::sync::Arc;

use ferkd_data::pixels::Normalisation;
use ferkd_method::label::TopK;
use ferkd_nn::preprocessing::InputOverrides;

use super::*;
use crate::command::Command;
use crate::engine::{JobId, LabelJob, Reply};
use crate::experiment::Experiment;
use crate::onnx_form::testing::file;
use crate::state::action::Action;

fn named(name: &str, text: &str) -> (String, Arc<[u8]>) {
    (name.into(), Arc::from(text.as_bytes()))
}

/// A state with the photos, and an ONNX file of two classes that waits.
fn asked(names: &str) -> State {
    let mut state = State::new(Experiment::default());
    state.refresh();
    let toml = "side = 96\nmean = [0.5, 0.5, 0.5]\nstd = [0.5, 0.5, 0.5]\n";
    state.take_files(vec![
        ("nets/own.onnx".into(), file(0, 2)),
        named("nets/own.toml", toml),
        named("nets/classes.txt", names),
    ]);
    assert!(state.notices.is_empty(), "{:?}", state.notices);
    state
}

fn jobs(state: &mut State) -> Vec<LabelJob> {
    let requests = std::mem::take(&mut state.outbox).into_iter();
    requests.filter_map(|request| if let Request::Label(job) = request { Some(job) } else { None }).collect()
}

fn ready(state: &mut State) {
    let names = vec!["dog".to_owned(), "Egyptian Mau".to_owned()];
    state.hear(Reply::Teacher { name: "own.onnx".into(), ids: names.clone(), names });
    state.refresh();
}

#[test]
fn photos_are_labelled_by_the_readers_network_and_get_their_own_labels_back() {
    let mut state = asked("dog\nEgyptian Mau\n");
    let stored = state.shown().unwrap().clone();
    state.apply([Action::UseOnnx]);
    let asked = std::mem::take(&mut state.outbox);
    let [Request::Onnx(opened)] = &asked[..] else { panic!("{} requests", asked.len()) };
    assert_eq!((opened.side, opened.normalisation.std, opened.gives_probabilities), (96, [0.5; 3], true));
    assert_eq!(opened.classes.as_ref().unwrap().ids, ["dog", "Egyptian Mau"]);
    assert!(state.own.is_opening() && state.own.form.is_none());
    assert_eq!(state.shown().unwrap().labels, stored.labels, "nothing is another one yet");
    ready(&mut state);
    let shown = state.shown().unwrap();
    assert_eq!((&shown.regions, shown.truth), (&stored.regions, Some(1)));
    assert_eq!(state.teacher().map(|(name, _)| name), Some("own.onnx"));
    // How fast it is, one region tells; then as many as it labels in half a second.
    for expected in [1, 4] {
        let asked = jobs(&mut state);
        let [job] = &asked[..] else { panic!("{asked:?}") };
        assert_eq!((job.teacher.as_str(), job.regions.len()), ("own.onnx", expected));
        let label = TopK { classes: vec![1, 0], probabilities: vec![0.75, 0.25] };
        let labels = vec![label; job.regions.len()];
        state.hear(Reply::Labels { id: job.id, labels, time_s: 0.125 * expected as f64 });
        state.refresh();
    }
    let labels = &state.shown().unwrap().labels;
    assert_eq!(labels.iter().flatten().count(), 5);
    assert_eq!(labels[4].as_ref().unwrap().top(), [(1, 0.75), (0, 0.25)]);
    let census = state.census(&state.experiment.settings).unwrap().as_ref().unwrap();
    assert_eq!(census.regions(), 5);
    assert!(state.can(Command::ShippedTeacher));
    state.apply([Command::ShippedTeacher.into()]);
    state.refresh();
    assert_eq!(state.shown().unwrap().labels, stored.labels);
    assert!(state.outbox.contains(&Request::Forget("own.onnx".into())) && state.own.name().is_none());
    assert!(!state.can(Command::ShippedTeacher));
}

#[test]
fn what_the_file_does_not_say_is_asked_and_what_is_wrong_is_said() {
    let mut state = State::new(Experiment::default());
    state.take_files(vec![("own.onnx".into(), file(0, 2))]);
    let seen = |state: &State| state.own.form.as_ref().unwrap().preprocessing.input();
    assert_eq!((seen(&state).side, seen(&state).normalisation), (224, Normalisation::IMAGENET));
    let side = |side| Action::OnnxInput(InputOverrides { side: Some(side), ..InputOverrides::default() });
    state.apply([side(96)]);
    assert_eq!(seen(&state).side, 96);
    state.apply([side(2)]);
    assert!(seen(&state).side == 96 && state.own.problem.is_some());
    // Names that come later are the file's; too many of them keep it from being used.
    state.take_files(vec![named("three.json", r#"["a", "b", "c"]"#)]);
    let problem = state.own.form.as_ref().unwrap().problem().unwrap();
    assert!(problem.contains("3 classes") && problem.contains("2 outputs"), "{problem}");
    state.apply([Action::UseOnnx]);
    assert!(state.own.form.is_some() && state.outbox.is_empty());
    state.take_files(vec![named("two.txt", "a\nb\n")]);
    assert_eq!(state.own.form.as_ref().unwrap().problem(), None);
    state.apply([Action::CloseOnnx]);
    assert!(state.own.form.is_none() && state.notices.is_empty(), "{:?}", state.notices);
    // A side of its own is not asked about.
    state.take_files(vec![("own.onnx".into(), file(64, 2)), named("own.toml", "side = 96\n")]);
    state.apply([side(128)]);
    assert_eq!(seen(&state).side, 64);
    for text in ["no model", ""] {
        state.take_files(vec![named("bad.onnx", text)]);
        let notice = &state.notices.last().unwrap().text;
        assert!(notice.contains("bad.onnx") && notice.contains("not an ONNX file"), "{notice}");
    }
}

#[test]
fn a_file_that_cannot_be_opened_leaves_everything_as_it_was() {
    let mut state = asked("a\nb\n");
    let stored = state.shown().unwrap().labels.clone();
    state.apply([Action::UseOnnx]);
    let failed = JobId::Teacher("own.onnx".into());
    state.hear(Reply::Failed { what: failed.to_string(), job: Some(failed), error: "it cannot".into() });
    state.refresh();
    assert!(!state.own.is_opening() && state.own.name().is_none());
    assert_eq!(state.shown().unwrap().labels, stored);
    // A reply that comes after it was given up changes nothing; the same file may be opened again meanwhile.
    state.take_files(vec![("own.onnx".into(), file(0, 2))]);
    state.apply([Action::UseOnnx, Command::ShippedTeacher.into()]);
    assert!(matches!(&state.outbox[1..], [Request::Onnx(_), Request::Forget(_)]), "{}", state.outbox.len());
    state.take_files(vec![("own.onnx".into(), file(0, 2))]);
    state.apply([Action::UseOnnx]);
    ready(&mut state);
    assert!(state.own.is_opening() && state.teachers.ready.is_empty());
    assert_eq!(state.shown().unwrap().labels, stored);
    ready(&mut state);
    assert!(!state.own.is_opening() && state.own.name() == Some("own.onnx"));
    assert!(state.shown().unwrap().labels.iter().all(Option::is_none));
}
