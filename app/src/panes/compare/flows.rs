//! Which kinds the regions go to: a table of four by four, whose cells list their regions.

use egui::{Button, RichText, Ui};
use ferkd_method::mining::{RegionKind, Transitions};

use crate::panes::context::PaneContext;
use crate::panes::label_bars::badge;
use crate::panes::letter::letter;
use crate::panes::numbers::count;
use crate::state::action::Action;
use crate::theme;

/// Draws the table; `only` is the cell whose regions are listed.
pub(super) fn ui(
    transitions: &Transitions,
    only: Option<(RegionKind, RegionKind)>,
    cx: &mut PaneContext,
    ui: &mut Ui,
) {
    let (before, after) = (transitions.before(), transitions.after());
    ui.add_space(2.0);
    ui.strong(format!(
        "{} of {} regions change their kind",
        count(transitions.changed()),
        count(before.total())
    ));
    egui::Grid::new("transitions").num_columns(6).spacing([6.0, 4.0]).show(ui, |ui| {
        ui.weak("left \\ right");
        for kind in RegionKind::ALL {
            ui.vertical_centered(|ui| letter(kind, ui));
        }
        ui.strong("all");
        ui.end_row();
        for from in RegionKind::ALL {
            badge(from, ui);
            for to in RegionKind::ALL {
                let at = (from, to);
                if cell(transitions.of(from, to), at, only == Some(at), ui) {
                    cx.push(Action::ListChange((only != Some(at)).then_some(at)));
                }
            }
            ui.weak(count(before.of(from)));
            ui.end_row();
        }
        ui.strong("all");
        for kind in RegionKind::ALL {
            ui.vertical_centered(|ui| ui.weak(count(after.of(kind))));
        }
        ui.weak(count(before.total()));
        ui.end_row();
    });
}

/// How many regions go from one kind to another one; whether they were clicked.
fn cell(regions: u64, (from, to): (RegionKind, RegionKind), is_chosen: bool, ui: &mut Ui) -> bool {
    let stays = from == to;
    let said = match stays {
        true => format!("{} regions stay {}", count(regions), from.name()),
        false => format!("{} regions go from {} to {}", count(regions), from.name(), to.name()),
    };
    let text = RichText::new(count(regions));
    let text = if stays || regions == 0 { text.color(theme::weak(ui.visuals())) } else { text.strong() };
    let size = egui::vec2(44.0, 20.0);
    if stays || (regions == 0 && !is_chosen) {
        let button = Button::new(text).frame(false).min_size(size).sense(egui::Sense::hover());
        ui.add(button).accessible_name(said.clone()).on_hover_text(said);
        return false;
    }
    let fill = theme::kind(to, ui.visuals()).gamma_multiply(if is_chosen { 0.6 } else { 0.25 });
    let button = Button::new(text).fill(fill).selected(is_chosen).min_size(size);
    ui.add(button).accessible_name(said.clone()).on_hover_text(format!("{said}: list them")).clicked()
}
