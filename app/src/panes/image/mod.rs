//! The photo and its M regions: which kind each is, and a box of the reader's own that the teacher follows.

mod boxes;
mod class;
mod growth;
mod heat;
mod own_box;
mod switch;
#[cfg(test)]
mod tests;
mod view;

use egui::containers::menu::{MenuButton, MenuConfig};
use egui::{CornerRadius, Label, Pos2, Rect, RichText, Sense, Ui, pos2, vec2};
use ferkd_method::mining::KindCounts;

use self::boxes::{drawn_regions, nearest, paint_regions};
use self::own_box::handle_probe;
use self::view::View;
use super::context::PaneContext;
use super::kinds_bar::in_words;
use super::photo::texture;
use super::progress::missing;
use super::shared::{describe, keep_together};
use crate::command::Command;
use crate::dataset::{DataSet, Shown};
use crate::experiment::Data;
use crate::state::State;
use crate::state::action::Action;
use crate::state::filters::Boxes;
use crate::state::selection::Item;
use crate::{theme, touch};

/// The picture, its regions, and the hand on them.
pub fn ui(state: &State, cx: &mut PaneContext, ui: &mut Ui) {
    // Tools that are too wide for the pane take no room from the picture.
    let right = ui.max_rect().right();
    toolbar(state, cx, ui);
    if let Some(error) = state.shown_error() {
        missing(error, None, ui);
        return;
    }
    let Some(shown) = state.shown() else {
        ui.weak("Nothing to show yet");
        return;
    };
    let mut space = ui.available_rect_before_wrap();
    space.max.x = space.max.x.min(right);
    let has_strip = growth::SWITCH.is_on(ui);
    if has_strip {
        space.max.y -= growth::HEIGHT + ui.spacing().item_spacing.y;
    }
    let (width, height) = shown.size;
    let scale = (space.width() / width as f32).min(space.height() / height as f32).max(0.05);
    let size = vec2(width as f32, height as f32) * scale;
    let rect = Rect::from_min_size(space.min + vec2((space.width() - size.x) / 2.0, 0.0), size);
    // Where panes are scrolled by one finger, only two of them draw.
    let sense = if theme::one_finger_scrolls(ui.ctx()) { Sense::click() } else { Sense::click_and_drag() };
    let response = ui.allocate_rect(rect, sense);
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Image, true, &*shown.name));
    describe(&response, || said(state, shown));

    paint_picture(state, shown, rect, ui);
    let view = View { rect, scale };
    let has_heat = heat::SWITCH.is_on(ui);
    if has_heat {
        heat::paint(state, shown, &view, cx, ui);
    }
    let regions = drawn_regions(state, shown);
    let pointed = response.hover_pos().and_then(|at| nearest(&regions, &view, at));
    let pointed = pointed.map(|region| Item::Region { image: shown.image, region });
    if let Some(item) = pointed.clone().filter(|_| response.hovered()) {
        cx.push(Action::Hover(item));
    }
    paint_regions(state, &regions, &view, ui);
    if has_heat {
        heat::legend(&view, ui);
    }
    handle_probe(state, shown, &view, &response, cx, ui);
    if response.clicked() && !touch::were_two(ui.ctx()) {
        cx.push(Action::Choose(pointed.unwrap_or(Item::Image(shown.image))));
    }
    if has_strip {
        growth::ui(state, shown, cx, ui);
    }
}

/// The picture in words: its class, and its regions of each kind.
fn said(state: &State, shown: &Shown) -> String {
    let judged = |label: &Option<_>| state.judge(&state.experiment.settings, label.as_ref()?, shown.truth);
    let mut kinds = KindCounts::default();
    shown.labels.iter().filter_map(judged).for_each(|(_, kind)| kinds.0[kind as usize] += 1);
    let class = shown.truth.map_or_else(|| "no class".into(), |class| state.class_name(class));
    format!("{class}; {}", in_words(&kinds))
}

fn toolbar(state: &State, cx: &mut PaneContext, ui: &mut Ui) {
    if !theme::is_one_column(ui.ctx()) {
        return tools(state, true, cx, ui);
    }
    // One row, and a menu for the rest.
    ui.horizontal(|ui| {
        steps(state, cx, ui);
        let config = MenuConfig::new().close_behavior(egui::PopupCloseBehavior::CloseOnClickOutside);
        MenuButton::new("Tools").config(config).ui(ui, |ui| tools(state, false, cx, ui));
        title(state, true, ui);
    });
}

/// To the image before, and to the next one.
fn steps(state: &State, cx: &mut PaneContext, ui: &mut Ui) {
    let count = state.set().map_or(0, DataSet::len);
    let image = state.experiment.image;
    if ui.add_enabled(image > 0, egui::Button::new("◀")).on_hover_text("Previous image").clicked() {
        cx.push(Command::PreviousImage);
    }
    if ui.add_enabled(image + 1 < count, egui::Button::new("▶")).on_hover_text("Next image").clicked() {
        cx.push(Command::NextImage);
    }
}

/// What is shown; in one row it is cut off where it is too long.
fn title(state: &State, in_one_row: bool, ui: &mut Ui) {
    if let (Some(shown), Some(set)) = (state.shown(), state.set()) {
        let class = shown.truth.map_or_else(|| "No class".into(), |class| set.class_name(class));
        let place = format!("{} · {} of {}", shown.name, shown.image + 1, set.len());
        for text in [RichText::new(class).strong(), RichText::new(place).weak()] {
            let label = Label::new(text);
            ui.add(if in_one_row { label.truncate() } else { label });
        }
    }
}

fn tools(state: &State, with_title: bool, cx: &mut PaneContext, ui: &mut Ui) {
    ui.horizontal_wrapped(|ui| {
        if with_title {
            steps(state, cx, ui);
            title(state, false, ui);
        }
        class::ui(state, cx, ui);
        if let Some(class) = state.filters.class {
            let name = state.class_name(class);
            let chip = egui::Button::new(format!("Only {name} ×")).selected(true);
            if ui.add(chip).on_hover_text("Show images of all classes again").clicked() {
                cx.push(Action::FilterClass(None));
            }
        }
        heat::SWITCH.button(ui);
        growth::SWITCH.button(ui);
        density(state, cx, ui);
        let has_box = state.teachers.probe.is_some();
        if has_box && ui.button("Remove my box").clicked() {
            cx.push(Action::Box(None));
        }
        if !has_box {
            keep_together(150.0, ui);
            ui.weak(if touch::has_screen(ui.ctx()) {
                "Two fingers draw a box"
            } else {
                "Drag a box of your own"
            });
        }
    });
}

/// How many boxes are drawn.
fn density(state: &State, cx: &mut PaneContext, ui: &mut Ui) {
    let regions = state.shown().map_or(0, |shown| shown.regions.len() as u32);
    if regions < 2 {
        return;
    }
    let before = state.filters.boxes.0.min(regions);
    let mut wanted = before;
    keep_together(200.0, ui);
    ui.spacing_mut().slider_width = 72.0;
    let slider = egui::Slider::new(&mut wanted, 1..=regions).text("boxes");
    let hint = "Boxes that are drawn: one of each kind first. All while the pointer is on the histogram";
    ui.add(slider).on_hover_text(hint);
    if wanted != before {
        cx.push(Action::Boxes(Boxes(wanted)));
    }
}

fn paint_picture(state: &State, shown: &Shown, rect: Rect, ui: &Ui) {
    let Some(picture) = &shown.picture else {
        ui.painter().rect_filled(rect, CornerRadius::ZERO, theme::card(ui.visuals()));
        let is_coming = state.experiment.data == Data::Photos && !state.loading.is_empty();
        let text = match is_coming {
            true => "The picture is on its way",
            false => "The picture is not here: boxes and labels alone",
        };
        let color = theme::weak(ui.visuals());
        ui.painter().text(rect.center(), egui::Align2::CENTER_CENTER, text, egui::FontId::default(), color);
        return;
    };
    let texture = texture(shown, picture, ui.ctx());
    let whole = Rect::from_min_max(Pos2::ZERO, pos2(1.0, 1.0));
    ui.painter().image(texture.id(), rect, whole, theme::TINT.0);
}
