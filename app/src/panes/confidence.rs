//! The histogram of the teacher's confidence, with three thresholds that the hand drags.

mod right;
mod thresholds;

use egui::{Align2, Color32, CornerRadius, FontId, Pos2, Rect, Sense, Stroke, Ui, pos2, vec2};
use ferkd_method::mining::{Confidence, KindCounts, RegionKind, Thresholds};
use ferkd_train::demo::settings::is_mistake;

use self::right::{auto_button, paint_fit};
use self::thresholds::{drag, fields};
use super::context::PaneContext;
use super::kinds_bar::in_words;
use super::letter::paint_letter;
use super::progress::{missing, progress};
use super::shared::describe;
use crate::state::State;
use crate::state::action::Action;
use crate::state::selection::Item;
use crate::study::Watched;
use crate::theme;

/// Bars of the histogram.
const BINS: usize = 50;

/// How far from a threshold the pointer still takes it, in points.
const GRIP: f32 = 8.0;

/// Histogram, thresholds, counts.
pub fn ui(state: &State, cx: &mut PaneContext, ui: &mut Ui) {
    cx.push(Action::Watch(Watched::Right));
    options(state, cx, ui);
    let settings = state.experiment.settings;
    let thresholds = match state.thresholds(&settings) {
        Ok(thresholds) => Some(thresholds),
        Err(error) => {
            missing(&error, state.counting(&settings), ui);
            None
        }
    };
    counts(state, thresholds, cx, ui);
    let height = (ui.available_height() - 58.0).clamp(90.0, 260.0);
    histogram(state, thresholds, height, cx, ui);
    fields(state, thresholds, cx, ui);
    visible_shares(state, cx, ui);
}

fn options(state: &State, cx: &mut PaneContext, ui: &mut Ui) {
    ui.horizontal_wrapped(|ui| {
        let before = state.experiment.settings;
        let mut settings = before;
        ui.selectable_value(&mut settings.confidence, Confidence::Max, "max")
            .on_hover_text("Confidence is the teacher's highest probability");
        ui.selectable_value(&mut settings.confidence, Confidence::Target, "target")
            .on_hover_text("Confidence is the teacher's probability of the image's class");
        ui.separator();
        ui.selectable_value(&mut settings.by_quantile, false, "Absolute")
            .on_hover_text("Thresholds are confidences");
        ui.selectable_value(&mut settings.by_quantile, true, "Quantiles")
            .on_hover_text("Thresholds are shares of all regions: independent of how sharp a teacher is");
        if before.by_quantile
            && !settings.by_quantile
            && let Ok(found) = state.thresholds(&before)
        {
            // What was looked at stays: the thresholds that the quantiles came to.
            settings.thresholds = found;
        }
        if settings != before {
            cx.push(Action::Settings(settings));
        }
        auto_button(state, cx, ui);
        ui.separator();
        let mut is_kept = state.filters.frozen.is_some();
        if ui
            .toggle_value(&mut is_kept, "Keep set")
            .on_hover_text("Keep the shown regions, by the kinds of now, while thresholds move")
            .changed()
        {
            cx.push(Action::KeepSet(is_kept));
        }
        if state.filters.leaves_out_regions() && ui.button("Clear filter").clicked() {
            cx.push(Action::ClearFilters);
        }
    });
}

/// A card for each kind: letter, share, count.
fn counts(state: &State, thresholds: Option<Thresholds>, cx: &mut PaneContext, ui: &mut Ui) {
    let counts = state.kinds(&state.experiment.settings).unwrap_or(KindCounts([0; 4]));
    let shares = counts.shares();
    ui.columns(4, |columns| {
        for (kind, ui) in RegionKind::ALL.into_iter().zip(columns) {
            let is_chosen = state.filters.kind == Some(kind);
            let share = format!("{:.1} %", 100.0 * shares[kind as usize]);
            if kind_card(kind, &share, counts.of(kind), is_chosen, ui).clicked() {
                cx.push(Action::FilterKind((!is_chosen).then_some(kind)));
            }
        }
    });
    if let Some(thresholds) = thresholds {
        for warning in state.experiment.settings.rule().warnings(&thresholds, &counts) {
            ui.label(egui::RichText::new(warning).color(ui.visuals().warn_fg_color));
        }
    }
}

/// Letter, share and count of a kind; a click shows its regions only.
fn kind_card(kind: RegionKind, share: &str, count: u64, is_chosen: bool, ui: &mut Ui) -> egui::Response {
    let color = theme::kind(kind, ui.visuals());
    let stroke = if is_chosen { Stroke::new(2.0, color) } else { Stroke::new(2.0, Color32::TRANSPARENT) };
    let frame = egui::Frame::new()
        .fill(theme::card(ui.visuals()))
        .stroke(stroke)
        .inner_margin(6)
        .corner_radius(theme::RADIUS);
    let inside = frame.show(ui, |ui| {
        // The card takes the click, not the text on it.
        ui.style_mut().interaction.selectable_labels = false;
        ui.set_width(ui.available_width());
        ui.horizontal(|ui| {
            // Four cards stand side by side on the narrowest of screens.
            ui.spacing_mut().item_spacing.x = theme::SPACE[0];
            let (rect, _) = ui.allocate_exact_size(vec2(16.0, 16.0), Sense::hover());
            ui.painter().rect_filled(rect, CornerRadius::same(3), color);
            paint_letter(kind, rect.center(), 12.0, ui.painter(), ui.visuals());
            ui.label(egui::RichText::new(share).strong());
        });
        let text = egui::RichText::new(format!("{count} {}", kind.name())).small();
        ui.add(egui::Label::new(text).truncate());
    });
    let card = inside.response.interact(Sense::click());
    let name = format!("Show only {}", kind.name());
    card.widget_info(|| egui::WidgetInfo::selected(egui::Role::Button, true, is_chosen, &name));
    card.on_hover_text(format!("{}. Click to show these regions only", ferkd_report::meaning(kind)))
}

fn histogram(state: &State, thresholds: Option<Thresholds>, height: f32, cx: &mut PaneContext, ui: &mut Ui) {
    let settings = state.experiment.settings;
    let Some(Ok(census)) = state.census(&settings) else {
        match state.counting(&settings) {
            // Where thresholds wait for it, it is said above.
            Some(walk) if thresholds.is_some() => progress(walk, "Counting", ui),
            _ => {
                ui.weak("No labels yet");
            }
        }
        return;
    };
    let bins = census.histogram(BINS).bins;
    // A finger that begins on a bar scrolls: only thresholds are dragged.
    let (all, response) = ui.allocate_exact_size(vec2(ui.available_width(), height), Sense::click());
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Figure, true, "Histogram of confidence"));
    describe(&response, || said(state, thresholds));
    let rect = Rect::from_min_max(all.min + vec2(4.0, 16.0), all.max - vec2(4.0, 18.0));
    let visuals = ui.visuals().clone();
    let painter = ui.painter();
    let peak = bins.iter().copied().max().unwrap_or(1).max(1) as f32;
    let x = |c: f32| rect.left() + c * rect.width();
    let kind_at = |c: f32| thresholds.and_then(|t| t.kind(c).ok());
    for (i, &count) in bins.iter().enumerate() {
        let (low, high) = (i as f32 / BINS as f32, (i + 1) as f32 / BINS as f32);
        let color =
            kind_at((low + high) / 2.0).map_or(theme::neutral(&visuals), |k| theme::kind(k, &visuals));
        // Square roots: a bar of one region must be seen beside one of thousands.
        let share = (count as f32 / peak).sqrt();
        let outside = state.filters.bar.as_ref().is_some_and(|f| *f.end() <= low || *f.start() >= high);
        let top = rect.bottom() - share * rect.height();
        let bar = Rect::from_min_max(pos2(x(low) + 0.5, top), pos2(x(high) - 0.5, rect.bottom()));
        painter.rect_filled(bar, CornerRadius::ZERO, color.gamma_multiply(if outside { 0.25 } else { 0.9 }));
    }
    painter.hline(rect.x_range(), rect.bottom(), theme::line(&visuals));
    paint_fit(state, rect, painter, &visuals);
    for tick in [0.0, 0.25, 0.5, 0.75, 1.0] {
        let at = pos2(x(tick), rect.bottom() + 2.0);
        let anchor = match tick {
            0.0 => Align2::LEFT_TOP,
            1.0 => Align2::RIGHT_TOP,
            _ => Align2::CENTER_TOP,
        };
        painter.text(at, anchor, format!("{tick}"), FontId::proportional(theme::AXIS), theme::weak(&visuals));
    }
    if let Some(c) = hovered_confidence(state) {
        let at = pos2(x(c), rect.bottom());
        let mark = vec![at + vec2(-5.0, 8.0), at, at + vec2(5.0, 8.0)];
        painter.add(egui::Shape::convex_polygon(mark, theme::accent(&visuals), Stroke::NONE));
    }
    let Some(thresholds) = thresholds else { return };
    let grip = theme::grip(GRIP, ui.ctx());
    let handles =
        [(thresholds.low, "low"), (thresholds.mid, "mid"), (thresholds.high, "high")].map(|(c, name)| {
            let at = x(c.clamp(0.0, 1.0));
            let handle = Rect::from_x_y_ranges(at - grip..=at + grip, all.y_range());
            let handle = ui.interact(handle, response.id.with(name), Sense::click_and_drag());
            painter.vline(at, all.top() + 14.0..=rect.bottom(), Stroke::new(2.0, theme::accent(&visuals)));
            let anchor = if at > rect.right() - 20.0 { Align2::RIGHT_TOP } else { Align2::CENTER_TOP };
            let font = FontId::proportional(theme::CAPTION);
            painter.text(pos2(at, all.top()), anchor, name, font, theme::accent(&visuals));
            handle
        });
    let to_c = |at: Pos2| ((at.x - rect.left()) / rect.width()).clamp(0.0, 1.0);
    if let Some(settings) = drag(state, &thresholds, &handles, to_c, ui) {
        cx.push(Action::Settings(settings));
    }
    // Beside a threshold is a bar too.
    let [low, mid, high] = handles;
    let response = response | low | mid | high;
    let bar = |at: Pos2| {
        let bin = (to_c(at) * BINS as f32).floor().min(BINS as f32 - 1.0);
        bin / BINS as f32..=(bin + 1.0) / BINS as f32
    };
    if let Some(at) = response.hover_pos().filter(|_| !response.dragged()) {
        cx.push(Action::Hover(Item::Bar(bar(at))));
    }
    if response.clicked()
        && let Some(at) = response.interact_pointer_pos()
    {
        cx.push(Action::Choose(Item::Bar(bar(at))));
    }
}

/// The histogram in words: where the thresholds are, and what lies between them.
fn said(state: &State, thresholds: Option<Thresholds>) -> String {
    let kinds =
        state.kinds(&state.experiment.settings).map_or("not counted yet".into(), |kinds| in_words(&kinds));
    let at = thresholds.map(|Thresholds { low, mid, high }| {
        format!("; thresholds low {low:.3}, mid {mid:.3}, high {high:.3}")
    });
    let right =
        state.study.right.auto.map(|mid| format!("; the teacher is right in one half from {mid:.3} on"));
    [Some(kinds), at, right].into_iter().flatten().collect()
}

/// Confidence of the region that the pointer is on, or that is chosen.
fn hovered_confidence(state: &State) -> Option<f32> {
    let number = state.region_in_sight()?;
    let shown = state.shown()?;
    let label = shown.labels.get(number as usize)?.as_ref()?;
    state.judge(&state.experiment.settings, label, shown.truth).map(|(c, _)| c)
}

/// On the scenes the truth is known: how much of the digit each kind's regions show.
fn visible_shares(state: &State, cx: &mut PaneContext, ui: &mut Ui) {
    let Some(shown) = state.shown() else { return };
    let Some(visible) = &shown.visible else { return };
    let settings = state.experiment.settings;
    let judged: Vec<Option<(f32, RegionKind)>> =
        shown.labels.iter().map(|label| state.judge(&settings, label.as_ref()?, shown.truth)).collect();
    ui.horizontal_wrapped(|ui| {
        ui.weak("Visible share of the digit:");
        for (number, (share, judged)) in visible.iter().zip(&judged).enumerate() {
            let Some((c, kind)) = judged else { continue };
            let mistake = is_mistake(*kind, *share);
            let text =
                egui::RichText::new(format!("{} {:.0}%", kind.letter(), 100.0 * share)).color(if mistake {
                    theme::on_kind(*kind, ui.visuals())
                } else {
                    theme::kind(*kind, ui.visuals())
                });
            let fill = if mistake { theme::kind(*kind, ui.visuals()) } else { Color32::TRANSPARENT };
            let button = egui::Button::new(text).small().fill(fill);
            let hint = format!(
                "Region {number}: c = {c:.3}, {:.0} % of the digit's ink{}",
                100.0 * share,
                if mistake { ". Mining is wrong here" } else { "" }
            );
            if ui.add(button).on_hover_text(hint).clicked() {
                cx.push(Action::ChooseRegion(number as u32));
            }
        }
    });
}
