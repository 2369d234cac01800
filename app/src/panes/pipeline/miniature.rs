//! What each stage holds now, small enough for a card.

use egui::{Align2, Color32, CornerRadius, FontId, Rect, Stroke, StrokeKind, TextureHandle, Ui, pos2, vec2};
use ferkd_method::calibration::{Softening, tempered};
use ferkd_method::label::SoftLabel;
use ferkd_method::mining::RegionKind;
use ferkd_report::number::{confidence, trimmed};

use super::contents::Contents;
use crate::explain::Stage;
use crate::panes::photo::texture;
use crate::state::State;
use crate::theme;

/// What a stage holds, in a few words.
pub(super) fn caption(state: &State, contents: &Contents, stage: Stage) -> String {
    let numbers = &contents.numbers;
    let unknown = || "not known yet".to_owned();
    match stage {
        Stage::Image => numbers.truth.clone().unwrap_or_else(|| "no class".into()),
        Stage::Regions => {
            match (numbers.region, state.teachers.probe.is_some() && state.hovered_region().is_none()) {
                (Some(_), true) => format!("your box, beside {}", numbers.regions),
                (Some((number, _)), false) => format!("{number} of {}", numbers.regions),
                (None, _) => "none".into(),
            }
        }
        Stage::Teacher if state.teachers.is_labelling() && contents.label.is_none() => "looking…".into(),
        Stage::Teacher => numbers.top.first().map_or_else(unknown, |(name, p)| format!("{name} {p:.2}")),
        Stage::Mining => {
            numbers.judged.map_or_else(unknown, |(c, kind)| format!("{}, c = {}", kind.name(), confidence(c)))
        }
        Stage::Calibration => match (numbers.judged, numbers.adaptation) {
            (Some((_, kind)), Some(adaptation)) if adaptation.removes(kind) => "left out".into(),
            (Some((_, kind)), Some(adaptation)) if adaptation.calibrates(kind) => {
                let Softening { epsilon, temperature, .. } = numbers.softening;
                let spread = epsilon.value().map(|e| tempered(e, temperature, numbers.classes));
                spread.map_or_else(unknown, |e| format!("{} on the class", trimmed(1.0 - f64::from(e), 3)))
            }
            (Some(_), _) => "the teacher's, untouched".into(),
            _ => unknown(),
        },
        Stage::Selfmix => match numbers.mix {
            Some((partner, l, _)) => format!("with {partner}, l = {l:.2}"),
            None if contents.label.is_some() && contents.adapted.is_none() => "left out: not mixed".into(),
            None => unknown(),
        },
        Stage::Student => match numbers.students.as_slice() {
            [] if state.training.is_opening => "drawing weights…".into(),
            [] => "nothing learned yet".into(),
            students => {
                let best = students.iter().min_by(|a, b| a.1.total_cmp(&b.1));
                best.map_or_else(unknown, |(who, loss)| format!("{} {loss:.3} nats", who.name()))
            }
        },
    }
}

/// Draws what a stage holds into `rect`.
pub(super) fn paint(state: &State, contents: &Contents, stage: Stage, rect: Rect, ui: &Ui) {
    match stage {
        Stage::Image => photo(state, rect, ui),
        Stage::Regions => boxes(state, contents, rect, ui),
        Stage::Teacher => bars(contents.label.as_ref(), contents, rect, theme::neutral(ui.visuals()), ui),
        Stage::Mining => kinds(contents, rect, ui),
        Stage::Calibration => match contents.numbers.judged {
            Some((_, kind)) if contents.adapted.is_none() => letter(kind, rect, true, ui),
            Some((_, kind)) => {
                bars(contents.adapted.as_ref(), contents, rect, theme::kind(kind, ui.visuals()), ui);
            }
            None => {}
        },
        Stage::Selfmix => mixed(state, contents, rect, ui),
        Stage::Student => losses(state, rect, ui),
    }
}

/// The largest rectangle of the picture's shape within `rect`.
fn fit(size: (u32, u32), rect: Rect) -> Rect {
    let size = vec2(size.0 as f32, size.1 as f32);
    let scale = (rect.width() / size.x).min(rect.height() / size.y);
    Rect::from_center_size(rect.center(), size * scale)
}

fn image(texture: &TextureHandle, rect: Rect, tint: Color32, ui: &Ui) {
    let whole = Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0));
    ui.painter().image(texture.id(), rect, whole, tint);
}

fn photo(state: &State, rect: Rect, ui: &Ui) {
    let Some(shown) = state.shown() else { return };
    let Some(picture) = &shown.picture else { return };
    let texture = texture(shown, picture, ui.ctx());
    image(&texture, fit(shown.size, rect), theme::TINT.0, ui);
}

/// All boxes on the dimmed picture; the region that is looked at stands out.
fn boxes(state: &State, contents: &Contents, rect: Rect, ui: &Ui) {
    let Some(shown) = state.shown() else { return };
    let frame = fit(shown.size, rect);
    if let Some(picture) = &shown.picture {
        let texture = texture(shown, picture, ui.ctx());
        image(&texture, frame, theme::TINT.1, ui);
    }
    let scale = frame.width() / shown.size.0.max(1) as f32;
    let place = |region: &ferkd_method::region::Region| {
        let min = frame.min + vec2(region.left as f32, region.top as f32) * scale;
        Rect::from_min_size(min, vec2(region.width as f32, region.height as f32) * scale)
    };
    let painter = ui.painter();
    let thin = Stroke::new(0.75, theme::FAINT_ON_PICTURE);
    for region in &shown.regions {
        painter.rect_stroke(place(region), CornerRadius::ZERO, thin, StrokeKind::Inside);
    }
    if let Some((_, region)) = &contents.numbers.region {
        let kind = contents.numbers.judged.map(|(_, kind)| kind);
        let color = kind.map_or(theme::ON_PICTURE, |kind| theme::kind(kind, ui.visuals()));
        let stroke = Stroke::new(2.0, color);
        painter.rect_stroke(place(region), CornerRadius::ZERO, stroke, StrokeKind::Inside);
    }
}

/// A label's most probable classes as bars, and what is left for all others.
fn bars(label: Option<&SoftLabel>, contents: &Contents, rect: Rect, color: Color32, ui: &Ui) {
    let Some(label) = label else { return };
    const ROWS: usize = 3;
    let listed: Vec<f32> = label.top().iter().take(ROWS).map(|&(_, p)| p).collect();
    let others = (1.0 - listed.iter().sum::<f32>()).max(0.0);
    let height = rect.height() / (ROWS + 1) as f32;
    let weak = theme::neutral(ui.visuals());
    let rows = listed.iter().map(|&p| (p, color)).chain([(others, weak.gamma_multiply(0.5))]);
    for (i, (p, color)) in rows.enumerate() {
        let top = rect.top() + i as f32 * height;
        let row = Rect::from_min_max(pos2(rect.left(), top + 1.0), pos2(rect.right(), top + height - 1.0));
        let filled = Rect::from_min_size(row.min, vec2((row.width() * p).max(1.0), row.height()));
        let ground = theme::neutral(ui.visuals()).gamma_multiply(0.15);
        ui.painter().rect_filled(row, CornerRadius::same(2), ground);
        ui.painter().rect_filled(filled, CornerRadius::same(2), color);
        let is_truth =
            i < ROWS && label.top().get(i).is_some_and(|&(class, _)| Some(class) == contents.truth);
        if is_truth {
            // The image's class is marked by a point at the end of its bar.
            let at = row.right_center() - vec2(6.0, 0.0);
            ui.painter().circle_filled(at, 2.5, theme::accent(ui.visuals()));
        }
    }
}

/// The region's letter, and how many regions there are of each kind.
fn kinds(contents: &Contents, rect: Rect, ui: &Ui) {
    let (upper, lower) = rect.split_top_bottom_at_fraction(0.62);
    if let Some((_, kind)) = contents.numbers.judged {
        letter(kind, upper, false, ui);
    }
    let Some(kinds) = contents.numbers.kinds else { return };
    let bar = Rect::from_min_max(pos2(rect.left(), lower.top() + 3.0), rect.max);
    let mut left = bar.left();
    for (kind, share) in RegionKind::ALL.into_iter().zip(kinds.shares()) {
        let right = left + share as f32 * bar.width();
        let part = Rect::from_min_max(pos2(left, bar.top()), pos2(right, bar.bottom()));
        ui.painter().rect_filled(part, CornerRadius::ZERO, theme::kind(kind, ui.visuals()));
        if part.width() > 10.0 {
            let (font, color) = (FontId::proportional(theme::TINY), theme::on_kind(kind, ui.visuals()));
            ui.painter().text(part.center(), Align2::CENTER_CENTER, kind.letter(), font, color);
        }
        left = right;
    }
}

/// A kind's letter on its colour; struck through where the region is left out.
fn letter(kind: RegionKind, rect: Rect, is_out: bool, ui: &Ui) {
    let side = rect.height().min(30.0);
    let badge = Rect::from_center_size(rect.center(), egui::Vec2::splat(side));
    let color = theme::kind(kind, ui.visuals()).gamma_multiply(if is_out { 0.45 } else { 1.0 });
    let painter = ui.painter();
    painter.rect_filled(badge, CornerRadius::same(5), color);
    let font = FontId::proportional(side * 0.62);
    painter.text(
        badge.center(),
        Align2::CENTER_CENTER,
        kind.letter(),
        font,
        theme::on_kind(kind, ui.visuals()),
    );
    if is_out {
        let stroke = Stroke::new(2.0, theme::accent(ui.visuals()));
        painter.line_segment(
            [badge.left_bottom() + vec2(-5.0, 5.0), badge.right_top() + vec2(5.0, -5.0)],
            stroke,
        );
    }
}

/// The mixed picture; drawn again only when what is mixed changes.
fn mixed(state: &State, contents: &Contents, rect: Rect, ui: &Ui) {
    let (Some(shown), Some(mixing)) = (state.shown(), contents.mixing) else { return };
    let Some(picture) = &shown.picture else { return };
    let key = format!("{:?} {} {mixing:?}", std::sync::Arc::as_ptr(picture), shown.image);
    let id = egui::Id::unique("mixed regions");
    let kept: Option<(String, TextureHandle)> = ui.data(|data| data.get_temp(id));
    let texture = match kept.filter(|(of, _)| *of == key) {
        Some((_, texture)) => texture,
        None => {
            let Some(pixels) = contents.mixed_picture(picture) else { return };
            let texture = ui.ctx().load_texture("mixed regions", pixels, egui::TextureOptions::LINEAR);
            ui.data_mut(|data| data.insert_temp(id, (key, texture.clone())));
            texture
        }
    };
    let side = rect.height().min(rect.width());
    image(&texture, Rect::from_center_size(rect.center(), egui::Vec2::splat(side)), theme::TINT.0, ui);
}

/// Every student's smoothed loss.
fn losses(state: &State, rect: Rect, ui: &Ui) {
    let training = &state.training;
    let all = || training.students.iter().flat_map(|student| &student.smooth_loss);
    let (mut low, mut high, mut end) = (f64::INFINITY, f64::NEG_INFINITY, 0.0_f64);
    for &[epoch, loss] in all() {
        (low, high, end) = (low.min(loss), high.max(loss), end.max(epoch));
    }
    ui.painter().hline(rect.x_range(), rect.bottom(), theme::line(ui.visuals()));
    if end <= 0.0 {
        return;
    }
    let span = (high - low).max(1e-3);
    for student in &training.students {
        let every = student.smooth_loss.len().div_ceil(64).max(1);
        let point = |&[epoch, loss]: &[f64; 2]| {
            let x = rect.left() + (epoch / end) as f32 * rect.width();
            pos2(x, rect.bottom() - 1.0 - ((loss - low) / span) as f32 * (rect.height() - 2.0))
        };
        let line: Vec<egui::Pos2> = student.smooth_loss.iter().step_by(every).map(point).collect();
        let color = theme::student(student.supervision, ui.visuals());
        if let [only] = line[..] {
            ui.painter().circle_filled(only, 2.5, color);
        }
        ui.painter().add(egui::Shape::line(line, Stroke::new(1.5, color)));
    }
}
