//! What the hand moves: play, pace, and the settings that running students follow.

use egui::{Button, ComboBox, DragValue, Id, Response, RichText, Ui, UiBuilder};
use ferkd_method::selfmix::Mix;
use ferkd_train::config::Supervision;
use ferkd_train::demo::settings::SUPERVISIONS;

use crate::experiment::{FEWEST_EPOCHS, REGIONS_PER_STEP, Settings, TrainSettings, WARMUP_EPOCHS};
use crate::panes::context::PaneContext;
use crate::panes::shared::keep_together;
use crate::state::State;
use crate::state::action::Action;
use crate::theme;

/// Steps per second that are offered; 0 is without a limit.
const PACES: [u32; 6] = [1, 2, 5, 10, 30, 0];

/// Who learns, and whether.
pub(super) fn ui(state: &State, cx: &mut PaneContext, ui: &mut Ui) {
    let mut training = state.experiment.training.clone();
    play(state, &mut training.steps_per_s, cx, ui);
    students(&mut training.supervisions, ui);
    if training != state.experiment.training {
        cx.push(Action::Training(training));
    }
    if state.training_is_outdated() {
        ui.weak("Students, epochs, seed and mixing take effect with new students: press Train anew");
    }
    if !state.training.students.is_empty()
        && let Some(missing) = state.training_missing()
    {
        ui.colored_label(ui.visuals().warn_fg_color, missing);
    }
}

/// How they learn. Below the curves, which are looked at more often.
pub(super) fn settings(state: &State, cx: &mut PaneContext, ui: &mut Ui) {
    let (mut training, mut settings) = (state.experiment.training.clone(), state.experiment.settings);
    // What a change makes appear above must not make other fields of these: the hand holds one.
    let own = UiBuilder::new().scope_id(Id::unique("training settings"));
    ui.scope_builder(own, |ui| {
        live(state, &mut training.lr, &mut settings, ui);
        start(&mut training, ui);
    });
    if training != state.experiment.training {
        cx.push(Action::Training(training));
    }
    if settings != state.experiment.settings {
        cx.push(Action::Settings(settings));
    }
}

fn play(state: &State, steps_per_s: &mut u32, cx: &mut PaneContext, ui: &mut Ui) {
    ui.horizontal_wrapped(|ui| {
        let (is_playing, is_over) = (state.training.is_playing, state.training.is_over());
        let is_missing = state.training_missing().is_some();
        let can_go = !is_over && (state.training.has_begun || !is_missing);
        if is_playing {
            if primary(ui, true, "Pause")
                .on_hover_text("Stop once every student has taken this step")
                .clicked()
            {
                cx.push(Action::Pause);
            }
        } else if primary(ui, can_go, "Play").on_hover_text("Let all students learn").clicked() {
            cx.push(Action::Play);
        }
        let step = Button::new("Step");
        let can_step = can_go && !is_playing && !state.training.is_stepping;
        if ui.add_enabled(can_step, step).on_hover_text("One step of every student").clicked() {
            cx.push(Action::Step);
        }
        let anew = Button::new("Train anew");
        let hint = "New students from the start, under the settings at hand";
        if ui.add_enabled(state.training.has_begun && !is_missing, anew).on_hover_text(hint).clicked() {
            cx.push(Action::Reset);
        }
        if let Some(record) = &state.training.record {
            let trained = Button::new("Trained students");
            let hint = format!(
                "Go on from students that were trained before, after {} of {} steps. Takes {} epochs and seed {}",
                record.step, record.steps, record.epochs, record.seed
            );
            let can = state.training.has_begun && state.can_resume();
            if ui.add_enabled(can, trained).on_hover_text(hint).clicked() {
                cx.push(Action::Resume);
            }
        }
        pace(steps_per_s, ui);
        if state.training.has_begun {
            let training = &state.training;
            let epoch = training.epoch();
            let end = if is_over { ": the end of the run" } else { "" };
            let text = format!("Step {} of {}, epoch {epoch:.1}{end}", training.step(), training.steps);
            ui.add(egui::Label::new(RichText::new(text).weak()).extend());
        }
    });
}

fn primary(ui: &mut Ui, enabled: bool, text: &str) -> Response {
    let fill = ui.visuals().selection.bg_fill;
    let text = RichText::new(text).color(ui.visuals().selection.stroke.color).strong();
    ui.add_enabled(enabled, Button::new(text).fill(fill).min_size(egui::vec2(78.0, 0.0)))
}

fn pace(steps_per_s: &mut u32, ui: &mut Ui) {
    let name = |pace: u32| match pace {
        0 => "As fast as it can".to_owned(),
        1 => "1 step a second".into(),
        n => format!("{n} steps a second"),
    };
    keep_together(190.0, ui);
    let label = ui.label("Speed");
    let combo = ComboBox::from_id_salt("speed").selected_text(name(*steps_per_s)).show_ui(ui, |ui| {
        for pace in PACES {
            ui.selectable_value(steps_per_s, pace, name(pace));
        }
    });
    combo.response.labelled_by(label.id);
}

/// What running students follow.
fn live(state: &State, lr: &mut f64, settings: &mut Settings, ui: &mut Ui) {
    ui.horizontal_wrapped(|ui| {
        let speed = (*lr * 0.02).max(1e-6);
        let drag = DragValue::new(lr).speed(speed).range(1e-5..=1.0).max_decimals(6);
        named(
            ui,
            "Learning rate",
            &format!("Its peak: it rises for {WARMUP_EPOCHS} epochs, then falls to 0 along a cosine"),
            drag,
        );
        let drag = DragValue::new(&mut settings.epsilon).speed(0.005).range(0.0..=0.9).max_decimals(3);
        named(ui, "Epsilon", "Probability that a calibrated label spreads over the other classes", drag);
        let what = if settings.by_quantile { "as a quantile" } else { "as a confidence" };
        let numbers = settings.numbers_mut();
        for (name, value, hint) in [
            ("Low", &mut numbers.low, "Below it regions are discarded"),
            (
                "Mid",
                &mut numbers.mid,
                "Below it, from low on, regions are context: their label is calibrated",
            ),
            ("High", &mut numbers.high, "Above it regions are trivial"),
        ] {
            let drag = DragValue::new(value).speed(0.002).range(0.0..=1.0).max_decimals(4);
            named(ui, name, &format!("{hint} ({what})"), drag);
        }
        if let (true, Ok(tuning)) = (settings.by_quantile, state.tuning()) {
            let t = tuning.thresholds;
            let text = format!("= {:.3}, {:.3}, {:.3} on the scenes", t.low, t.mid, t.high);
            ui.add(egui::Label::new(RichText::new(text).weak()).extend());
        }
    });
}

fn named(ui: &mut Ui, name: &str, hint: &str, drag: DragValue<'_>) {
    keep_together(74.0 + 7.0 * name.chars().count() as f32, ui);
    let label = ui.label(name).on_hover_text(hint);
    ui.add(drag).labelled_by(label.id).on_hover_text(hint);
}

/// Who learns.
fn students(chosen: &mut Vec<Supervision>, ui: &mut Ui) {
    ui.horizontal_wrapped(|ui| {
        ui.label("Students");
        for supervision in SUPERVISIONS {
            let is_on = chosen.contains(&supervision);
            let text = RichText::new(supervision.name());
            let text = if is_on { text.strong() } else { text.weak() };
            let button = Button::new(text).selected(is_on).frame_when_inactive(true);
            let color = theme::student(supervision, ui.visuals()).gamma_multiply(0.4);
            let button = if is_on { button.fill(color) } else { button };
            let response = ui.add(button);
            let name = format!("Student {}", supervision.name());
            response.widget_info(|| egui::WidgetInfo::selected(egui::Role::Button, true, is_on, &name));
            if response.on_hover_text(learns_from(supervision)).clicked() {
                chosen.retain(|&other| other != supervision);
                if !is_on {
                    chosen.push(supervision);
                }
                chosen.sort_by_key(|&s| SUPERVISIONS.iter().position(|&other| other == s));
            }
        }
    });
}

/// What a student learns from, in a sentence.
pub(super) fn learns_from(supervision: Supervision) -> &'static str {
    match supervision {
        Supervision::Hard => "The ground truth of every region, whatever it shows",
        Supervision::Kd => "The ground truth, and the teacher that looks at every region at every step",
        Supervision::Funmatch => "The teacher alone, at every step",
        Supervision::Fkd => "The teacher's stored labels, untouched",
        Supervision::Ferkd => "Stored labels, mined and calibrated",
        Supervision::FerkdSelfmix => "Stored labels, mined and calibrated, with regions of one image mixed",
        Supervision::FerkdDrop => "Stored labels; uninformative regions are left out, none is calibrated",
        Supervision::FerkdCalibrate => "Stored labels; context is calibrated, no region is left out",
    }
}

/// What takes effect with new students.
fn start(training: &mut TrainSettings, ui: &mut Ui) {
    ui.horizontal_wrapped(|ui| {
        let mut passes = training.epochs / REGIONS_PER_STEP;
        let drag = DragValue::new(&mut passes)
            .speed(0.05)
            .range(FEWEST_EPOCHS / REGIONS_PER_STEP..=500)
            .custom_formatter(|passes, _| format!("{}", passes as usize * REGIONS_PER_STEP))
            .custom_parser(|text| {
                text.trim().parse().ok().map(|n: f64| (n / REGIONS_PER_STEP as f64).round())
            });
        let hint =
            format!("{REGIONS_PER_STEP} epochs are one pass over the scenes, with as many regions of each");
        named(ui, "Epochs", &hint, drag);
        training.epochs = passes * REGIONS_PER_STEP;
        let drag = DragValue::new(&mut training.seed).speed(0.05);
        named(ui, "Seed", "Of weights, order and mixing: the same for all students", drag);
        keep_together(240.0, ui);
        let label = ui.label("Mixing").on_hover_text("How ferkd+selfmix mixes regions");
        let name = |mix: Mix| match mix {
            Mix::None => "none",
            Mix::Selfmix => "SelfMix: within an image",
            Mix::Mixup => "Mixup: across images",
            Mix::Cutmix => "CutMix: across images",
        };
        let combo = ComboBox::from_id_salt("mixing").selected_text(name(training.mix)).show_ui(ui, |ui| {
            for mix in [Mix::Selfmix, Mix::Mixup, Mix::Cutmix, Mix::None] {
                ui.selectable_value(&mut training.mix, mix, name(mix));
            }
        });
        combo.response.labelled_by(label.id);
    });
}
