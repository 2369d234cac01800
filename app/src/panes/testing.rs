//! What tests of panes share: data sets that are at hand, and a pane alone in a window.

use egui_kittest::Harness;
use ferkd_method::mining::Confidence;

use super::context::PaneContext;
use crate::assets::Asset;
use crate::experiment::{Data, Experiment, Settings};
use crate::pane_kind::PaneKind;
use crate::run::RunView;
use crate::state::State;
use crate::theme;

/// A state that looks at the photos.
pub(crate) fn photos() -> State {
    let mut state = State::new(Experiment::default());
    state.refresh();
    state
}

/// A state that looks at the scenes.
pub(crate) fn scenes() -> State {
    let mut state = State::new(Experiment::default());
    state.load(Asset::Scenes, include_bytes!("../../../assets/playground/scenes-store.tar"));
    state.look_at(Data::Scenes);
    state.refresh();
    state
}

/// One frame of a pane: the state is brought up to date, the pane is drawn, and what it asked for is done.
pub(crate) fn frame(kind: PaneKind, state: &mut State, cx: &mut PaneContext, ui: &mut egui::Ui) {
    state.refresh();
    super::ui(kind, state, cx, ui);
    if state.apply(cx.take()) {
        ui.ctx().request_repaint();
    }
}

/// A pane alone, `width` points wide, after as many frames as it takes it to come to rest.
pub(crate) fn pane<'a>(kind: PaneKind, state: State, width: f32) -> Harness<'a, State> {
    let mut cx = PaneContext::default();
    let show = move |ui: &mut egui::Ui, state: &mut State| {
        egui::ScrollArea::vertical().auto_shrink(false).show(ui, |ui| frame(kind, state, &mut cx, ui));
    };
    let builder = Harness::builder().with_size([width, 1400.0]).with_max_steps(2000);
    let mut harness = builder.with_context_setup(theme::apply).build_ui_state(show, state);
    harness.run();
    harness
}

#[test]
fn no_pane_is_wider_than_its_place() {
    // What shows tables in a frame of their own is as wide as its place by itself.
    for kind in PaneKind::ALL.into_iter().filter(|kind| *kind != PaneKind::Regions) {
        // The first: a phone's screen without the margins.
        for width in [344.0, 360.0, 480.0, 600.0, 660.0, 760.0, 900.0] {
            let mut state = scenes();
            state.experiment.other = Some(Settings { confidence: Confidence::Target, ..Settings::default() });
            state.filter_class(Some(7));
            state.runs.take(RunView::new("a/rather/long/path/of/a/run/that/was/opened"));
            let mut cx = PaneContext::default();
            let show = move |ui: &mut egui::Ui, (state, right): &mut (State, f32)| {
                egui::ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
                    frame(kind, state, &mut cx, ui);
                    *right = ui.min_rect().right();
                });
            };
            let builder = Harness::builder().with_size([width, 900.0]).with_max_steps(2000);
            let mut harness = builder.with_context_setup(theme::apply).build_ui_state(show, (state, 0.0));
            harness.run();
            let right = harness.state().1;
            assert!(right <= width, "{} at {width}: {right}", kind.title());
        }
    }
}
