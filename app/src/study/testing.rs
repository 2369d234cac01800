//! What tests of panes share: data sets that are at hand, and a pane alone in a window.

use egui_kittest::Harness;

use crate::State;
use crate::assets::Asset;
use crate::experiment::{Data, Experiment};
use crate::panes::PaneKind;
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

/// A pane alone, `width` points wide, after as many frames as it takes it to come to rest.
pub(crate) fn pane<'a>(kind: PaneKind, state: State, width: f32) -> Harness<'a, State> {
    let show = move |ui: &mut egui::Ui, state: &mut State| {
        state.refresh();
        egui::ScrollArea::vertical().auto_shrink(false).show(ui, |ui| kind.ui(state, ui));
    };
    let builder = Harness::builder().with_size([width, 1400.0]).with_max_steps(2000);
    let mut harness = builder.with_context_setup(theme::apply).build_ui_state(show, state);
    harness.run();
    harness
}
