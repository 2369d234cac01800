//! What several subjects have to do with each other, without a window.

use ferkd_method::label::TopK;
use ferkd_method::mining::RegionKind;
use ferkd_method::region::Region;

use super::State;
use super::action::Action;
use super::selection::{Item, Selection};
use crate::command::Command;
use crate::engine::{JobId, Reply, Request};
use crate::experiment::{Data, Experiment};
use crate::export::jsonl;
use crate::panes::testing::scenes;
use crate::verdict::{Decision, Verdict};

#[test]
fn a_filter_leaves_the_images_of_one_class() {
    let mut state = scenes();
    let of_class = |state: &State, class| -> Vec<u64> {
        let set = state.set().unwrap();
        (0..set.len()).filter(|&image| set.class_of(image).unwrap() == Some(class)).collect()
    };
    let expected = of_class(&state, 7);
    state.filter_class(Some(7));
    let mut seen = Vec::new();
    // One more step than there are images: the last one stays.
    for _ in 0..=expected.len() {
        while state.is_waiting() {
            state.refresh();
        }
        seen.push(state.experiment.image);
        state.step_image(true);
    }
    assert_eq!(seen.pop(), expected.last().copied());
    assert_eq!(seen, expected);
    state.step_image(false);
    while state.is_waiting() {
        state.refresh();
    }
    assert_eq!(state.experiment.image, expected[expected.len() - 2]);
    state.filter_class(None);
    state.step_image(false);
    assert_eq!(state.experiment.image, expected[expected.len() - 2] - 1);
}

#[test]
fn decisions_stay_with_their_data_set() {
    let mut state = scenes();
    state.decide(7, 2, Verdict::Ambiguous);
    state.look_at(Data::Photos);
    state.refresh();
    assert!(state.decisions().is_empty());
    state.decide(1, 3, Verdict::ClassWrong);
    assert_eq!(state.decisions().len(), 1);
    state.look_at(Data::Scenes);
    state.refresh();
    assert_eq!(state.verdict(7, 2), Some(Verdict::Ambiguous));
    assert_eq!(state.verdict(1, 3), None);
    // They outlive the window.
    let kept = state.decided.to_text();
    let mut later = scenes();
    later.restore_decisions(&kept);
    assert_eq!(later.decisions(), state.decisions());
    later.restore_decisions("[[");
    assert!(later.notices.last().unwrap().is_error && later.decisions() == state.decisions());
    // The same again takes it back; another one replaces it.
    state.decide(7, 2, Verdict::TeacherWrong);
    assert_eq!(state.decisions().len(), 1);
    state.decide(7, 2, Verdict::TeacherWrong);
    assert!(state.decisions().is_empty());
    state.decide(1_000_000, 0, Verdict::ClassWrong);
    assert!(state.decisions().is_empty() && state.notices.last().unwrap().is_error);
}

#[test]
fn a_decision_says_what_the_store_holds_whether_its_image_is_shown_or_not() {
    let mut state = scenes();
    state.look_at_image(12);
    state.refresh();
    for image in [12, 40] {
        state.decide(image, 5, Verdict::TeacherWrong);
        let store = state.set().unwrap().store().unwrap();
        let label = store.label(image, 5).unwrap();
        let decision = &state.decisions()[&(image, 5)];
        assert_eq!(decision.image, store.image(image).unwrap().name);
        assert_eq!(decision.teacher, label.prediction().map(|class| class.to_string()));
        assert_eq!(decision.confidence, Some(label.top()[0].1));
        let thresholds = state.thresholds(&state.experiment.settings).unwrap();
        assert_eq!(decision.kind, Some(thresholds.kind(label.top()[0].1).unwrap()));
    }
    let text = jsonl(&state);
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    for key in ["image", "region", "class", "teacher", "probability", "verdict", "kind", "confidence"] {
        assert!(lines.iter().all(|line| !line[key].is_null()), "{key}: {text}");
    }
    assert!(RegionKind::ALL.iter().any(|kind| lines[0]["kind"] == kind.name()));
    // Lines of before had neither kind nor confidence.
    let old =
        r#"{"image":"a","region":1,"class":null,"teacher":"b","probability":0.5,"verdict":"class-wrong"}"#;
    let decision: Decision = serde_json::from_str(old).unwrap();
    assert_eq!((decision.kind, decision.confidence), (None, None));
}

/// A state whose teacher is ready, with a region chosen and a box drawn; the numbers of the jobs that ask about
/// the box and about the region.
fn asked() -> (State, u64, u64) {
    let mut state = State::new(Experiment { region: Some(3), ..Experiment::default() });
    state.refresh();
    let (teacher, classes) =
        (state.set().unwrap().teacher().to_owned(), state.set().unwrap().classes.clone());
    state.hear(Reply::Teacher { name: teacher, ids: classes.ids, names: classes.names });
    state.apply([Action::AskAgain]);
    let region = Region { top: 10, left: 20, height: 100, width: 120, flip: false };
    state.apply([Action::Box(Some(region))]);
    state.refresh();
    let jobs: Vec<u64> = std::mem::take(&mut state.outbox)
        .into_iter()
        .filter_map(|request| if let Request::Label(job) = request { Some(job.id) } else { None })
        .collect();
    let [again, probe] = jobs[..] else { panic!("{jobs:?}") };
    (state, probe, again)
}

fn failed(job: JobId) -> Reply {
    Reply::Failed { what: job.to_string(), job: Some(job), error: "it cannot".into() }
}

#[test]
fn a_failure_ends_what_belongs_to_its_job_alone() {
    let (mut state, probe, again) = asked();
    let is_pending = |state: &State| state.teachers.probe.as_ref().unwrap().is_pending;
    for job in [JobId::Training, JobId::Scenes, JobId::Teacher("other".into()), JobId::Label(99)] {
        state.hear(failed(job));
        assert!(is_pending(&state) && state.teachers.asked_again.is_some() && state.teachers.is_labelling());
    }
    assert_eq!(state.notices.len(), 4, "each is said all the same");
    state.hear(failed(JobId::Label(again)));
    assert!(is_pending(&state) && state.teachers.asked_again.is_none());
    state.hear(failed(JobId::Label(probe)));
    assert!(!is_pending(&state) && !state.teachers.is_labelling());
    // The teacher is not asked the same again, frame after frame; another box is another question.
    state.refresh();
    assert!(state.outbox.is_empty(), "{:?}", state.outbox);
    let other = Region { top: 0, left: 0, height: 50, width: 50, flip: false };
    state.apply([Action::Box(Some(other))]);
    state.refresh();
    assert!(
        matches!(&state.outbox[..], [Request::Label(job)] if job.regions == [other] && job.picture.is_some())
    );
}

#[test]
fn a_failure_of_training_ends_training_and_a_failure_of_labelling_does_not() {
    let (mut state, probe, _) = asked();
    state.hear(Reply::Playing(None));
    state.hear(failed(JobId::Label(probe)));
    assert!(state.training.is_playing);
    state.hear(failed(JobId::Training));
    assert!(!state.training.is_playing);
}

#[test]
fn an_answer_belongs_to_the_data_set_that_was_asked_about() {
    let (mut state, _, again) = asked();
    let stored = state.shown().unwrap().labels[3].clone().unwrap();
    let (classes, probabilities) = stored.top().iter().copied().unzip();
    state.load(crate::assets::Asset::Scenes, include_bytes!("../../../assets/playground/scenes-store.tar"));
    state.apply([Action::LookAt(Data::Scenes)]);
    state.refresh();
    // The scenes have ten classes, the photos a thousand.
    state.hear(Reply::Labels { id: again, labels: vec![TopK { classes, probabilities }], time_s: 0.5 });
    let said = state.teachers.asked_again.as_ref().unwrap().label.as_ref().unwrap();
    assert_eq!(said.classes(), stored.classes());
    assert!(state.notices.is_empty(), "{:?}", state.notices);
}

#[test]
fn what_the_pointer_is_on_holds_for_a_frame_and_what_is_chosen_stays() {
    let mut state = State::new(Experiment::default());
    state.refresh();
    let (bar, region) = (Item::Bar(0.25..=0.5), Item::Region { image: 0, region: 7 });
    assert!(state.apply([Action::Hover(bar.clone()), Action::Hover(region.clone())]));
    let both = Selection { image: Some(0), region: Some(7), bar: Some(0.25..=0.5) };
    assert_eq!(state.hovered, both);
    assert!(!state.apply([Action::Hover(region.clone()), Action::Hover(bar.clone())]), "it is the same");
    state.apply([Action::Choose(bar.clone()), Action::Choose(region)]);
    assert_eq!((state.hovered.clone(), state.chosen()), (Selection::default(), both));
    // Once more lets a bar go; the image alone has no region.
    state.apply([Action::Choose(bar), Action::Choose(Item::Image(0))]);
    assert_eq!(state.chosen(), Selection { image: Some(0), ..Selection::default() });
}

#[test]
fn commands_of_the_window_wait_for_it_and_the_rest_is_done_at_once() {
    let mut state = State::new(Experiment::default());
    state.refresh();
    state.history.settle(&state.experiment);
    state.apply([Command::NextImage.into(), Command::CopyLink.into()]);
    assert_eq!((state.experiment.image, &state.asked[..]), (1, &[Command::CopyLink][..]));
    state.history.settle(&state.experiment);
    state.apply([Command::Undo.into()]);
    assert_eq!(state.experiment.image, 0);
    state.apply([Command::Redo.into()]);
    assert_eq!(state.experiment.image, 1);
}

#[test]
fn sides_of_a_comparison_change_places() {
    let mut state = State::new(Experiment::default());
    let left = state.experiment.settings;
    let right = crate::experiment::Settings { epsilon: 0.3, ..left };
    state.apply([Action::Compare(Some(right)), Action::SwapSides]);
    assert_eq!((state.experiment.settings, state.experiment.other), (right, Some(left)));
    state.apply([Action::CompareRuns(left, right)]);
    assert!(state.labels.with_before && state.experiment.other == Some(right));
}
