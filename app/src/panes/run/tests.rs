use std::path::PathBuf;

use egui::accesskit::Role;
use egui_kittest::kittest::{NodeT, Queryable};
use ferkd_method::label::TopK;
use ferkd_method::mining::KindCounts;

use crate::engine::{JobId, Reply, Request};
use crate::monitor::{Monitor, Point, Status};
use crate::pane_kind::PaneKind;
use crate::panes::testing::{pane, photos};
use crate::run::RunView;
use crate::state::action::Action;
use crate::sweep::SweepView;

fn run() -> RunView {
    let mut run = RunView::new("runs/first");
    let point = |epoch, value| Point { epoch, value };
    run.monitor = Monitor {
        status: Status::Done,
        loss: vec![point(1.0, 2.0), point(2.0, 1.5)],
        accuracy: vec![point(1.0, 0.5), point(2.0, 0.4)],
        kinds: KindCounts([0, 4, 60, 0]),
        kinds_by_epoch: vec![KindCounts([0, 1, 31, 0]), KindCounts([0, 3, 29, 0])],
        ..Monitor::default()
    };
    run.checkpoints = ["best", "last"].map(|name| PathBuf::from(format!("{name}.safetensors"))).to_vec();
    run
}

#[test]
fn curves_say_what_they_show() {
    let mut state = photos();
    state.runs.take(run());
    let harness = pane(PaneKind::Run, state, 420.0);
    let said = |name: &str| {
        let node = harness.get_by_role_and_label(Role::Figure, name);
        node.accesskit_node().description().unwrap_or_default()
    };
    assert_eq!(said("Training loss"), "runs/first: 1.500 nats at epoch 2.0, best 1.500 nats");
    assert_eq!(said("Accuracy"), "runs/first: 40.0 % at epoch 2.0, best 50.0 %");
    let kinds = said("Regions by kind and epoch");
    assert!(kinds.contains("epoch 1: 0 discarded") && kinds.contains("epoch 2:"), "{kinds}");
}

#[test]
fn a_sweep_shows_arms_with_their_intervals() {
    let mut state = photos();
    let mut sweep = SweepView::new("sweeps/first");
    let table = "arm,epochs,seed,accuracy\nfkd,4,1,0.3\nfkd,4,2,0.5\nfkd,4,3,0.4\nferkd,4,1,0.62\n";
    sweep.take_results("results.csv", table).unwrap();
    state.take_sweep(sweep);
    let harness = pane(PaneKind::Run, state, 420.0);
    // The font has no narrow space; a number stays with its unit.
    harness.get_by_role_and_label(Role::Figure, "fkd: 40.0\u{A0}% [15.2\u{A0}%, 64.8\u{A0}%], 3 seeds");
    harness.get_by_role_and_label(Role::Figure, "ferkd: 62.0\u{A0}%, 1 seed: no interval");
}

#[test]
fn a_checkpoint_is_asked_about_the_shown_image_a_few_regions_at_a_time() {
    let mut state = photos();
    state.runs.take(run());
    let mut harness = pane(PaneKind::Run, state, 420.0);
    harness.get_by_label("best").click();
    harness.run();
    let file = harness.state_mut().runs.wanted_checkpoint.take().unwrap();
    assert_eq!(file, PathBuf::from("best.safetensors"));
    let state = harness.state_mut();
    state.outbox.clear();
    state.take_checkpoint(&file, vec![7]);
    let asked = std::mem::take(&mut state.outbox);
    assert!(
        matches!(&asked[..], [Request::Teacher { name, weights }] if name == "best.safetensors" && *weights == [7]),
        "{asked:?}"
    );
    state.hear(Reply::Teacher { name: "best.safetensors".into(), ids: Vec::new(), names: Vec::new() });
    assert!(state.teachers.ready.is_empty(), "it labels no data set");
    state.refresh();
    let asked = std::mem::take(&mut state.outbox);
    let [Request::Label(job)] = &asked[..] else { panic!("{asked:?}") };
    assert_eq!((job.teacher.as_str(), job.regions.len()), ("best.safetensors", 8));
    let truth = state.shown().unwrap().truth.unwrap();
    let top = |class| TopK { classes: vec![class], probabilities: vec![0.75] };
    let mut labels = vec![top(truth); 7];
    labels.push(top(truth + 1));
    state.hear(Reply::Labels { id: job.id, labels, time_s: 0.1 });
    harness.run();
    let regions = harness.state().shown().unwrap().regions.len();
    let said = format!("8 of {regions} regions of n02124075/chelsea.jpg: right on 7, ");
    assert!(harness.query_by_label_contains(&said).is_some(), "{said}");
    // The next ones are asked for meanwhile; a failure is said, and nothing is asked again.
    let asked = std::mem::take(&mut harness.state_mut().outbox);
    let Some(Request::Label(next)) = asked.last() else { panic!("{asked:?}") };
    let job = Some(JobId::Label(next.id));
    let why = "its classes are others".to_owned();
    harness.state_mut().hear(Reply::Failed { job, what: "labelling".into(), error: why.clone() });
    harness.run();
    harness.get_by_label(&why);
    assert!(harness.state().outbox.is_empty(), "{:?}", harness.state().outbox);
    harness.state_mut().apply([Action::CloseCheckpoint]);
    assert_eq!(harness.state().outbox, [Request::Forget("best.safetensors".into())]);
    assert!(harness.state().runs.checkpoint.is_none());
}
