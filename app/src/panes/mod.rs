//! The panes, one file or folder each. A pane reads the [`State`] and asks for changes by
//! [`Action`](crate::state::action::Action)s; it changes nothing that others read, and knows no other pane.

mod classes;
mod compare;
mod confidence;
pub mod context;
mod curves;
mod gallery;
mod image;
mod kinds_bar;
mod label;
mod label_bars;
pub(crate) mod letter;
mod numbers;
pub(crate) mod photo;
mod pipeline;
mod progress;
mod regions;
mod review;
mod run;
mod selfmix;
pub(crate) mod shared;
#[cfg(test)]
pub(crate) mod testing;
mod training;

use self::context::PaneContext;
use crate::pane_kind::PaneKind;
use crate::state::State;

/// Draws a pane.
pub fn ui(kind: PaneKind, state: &State, cx: &mut PaneContext, ui: &mut egui::Ui) {
    match kind {
        PaneKind::Image => image::ui(state, cx, ui),
        PaneKind::Confidence => confidence::ui(state, cx, ui),
        PaneKind::Label => label::ui(state, cx, ui),
        PaneKind::Pipeline => pipeline::ui(state, cx, ui),
        PaneKind::Selfmix => selfmix::ui(state, cx, ui),
        PaneKind::Training => training::ui(state, cx, ui),
        PaneKind::Classes => classes::ui(state, cx, ui),
        PaneKind::Compare => compare::ui(state, cx, ui),
        PaneKind::Review => review::ui(state, cx, ui),
        PaneKind::Gallery => gallery::ui(state, cx, ui),
        PaneKind::Regions => regions::ui(state, cx, ui),
        PaneKind::Run => run::ui(state, cx, ui),
    }
}
