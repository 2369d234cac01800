//! Two runs: their curves in one plot, and what their configurations differ in.

use egui::Ui;

use crate::panes::context::PaneContext;
use crate::panes::curves::{self, Quantity};
use crate::run::RunView;
use crate::state::State;
use crate::state::action::Action;
use crate::theme;

/// Draws them, once two were opened.
pub(super) fn ui(state: &State, cx: &mut PaneContext, ui: &mut Ui) {
    let (Some(run), Some(before)) = (&state.runs.current, &state.runs.before) else { return };
    egui::CollapsingHeader::new("Two runs").default_open(true).show(ui, |ui| {
        egui::Grid::new("two runs").num_columns(3).striped(true).spacing([12.0, 3.0]).show(ui, |ui| {
            ui.label("");
            ui.strong("Left");
            ui.strong("Right");
            ui.end_row();
            line("run", &run.name, &before.name, ui);
            for (what, of) in FIGURES {
                line(what, &of(run), &of(before), ui);
            }
            for (key, left, right) in differences(&run.config, &before.config) {
                line(&key, &left, &right, ui);
            }
        });
        if let (Some(left), Some(right)) = (run.settings, before.settings)
            && ui
                .button("Compare what they did with their labels")
                .on_hover_text("Their settings become the left and the right side")
                .clicked()
        {
            cx.push(Action::CompareRuns(left, right));
        }
        let [left, right] = [0, 1].map(|side| theme::parent(side, ui.visuals()));
        let curve = |quantity, points: [&[_]; 2], ui: &mut Ui| {
            let both = [("Left", left, points[0]), ("Right", right, points[1])];
            curves::of_runs(quantity, "two runs", 140.0, &both, ui);
        };
        let (run, before) = (&run.monitor, &before.monitor);
        curves::pair(
            ui,
            |ui| curve(Quantity::Loss, [&run.loss, &before.loss], ui),
            |ui| curve(Quantity::Top1, [&run.accuracy, &before.accuracy], ui),
        );
    });
}

/// What is said of a run: its name, and how it is found.
type Figure = (&'static str, fn(&RunView) -> String);

const FIGURES: [Figure; 3] = [
    ("best top-1", |run| {
        let best = run.monitor.accuracy.iter().map(|point| point.value).reduce(f64::max);
        best.map_or("none yet".into(), |top1| format!("{:.2} %", 100.0 * top1))
    }),
    ("last top-1", |run| {
        let last = run.monitor.accuracy.last();
        last.map_or("none yet".into(), |point| {
            format!("{:.2} % after {:.1} epochs", 100.0 * point.value, point.epoch)
        })
    }),
    ("last loss", |run| {
        run.monitor.loss.last().map_or("none yet".into(), |point| format!("{:.4} nats", point.value))
    }),
];

fn line(what: &str, left: &str, right: &str, ui: &mut Ui) {
    ui.label(what);
    for text in [left, right] {
        ui.add(egui::Label::new(text).truncate());
    }
    ui.end_row();
}

/// Keys whose values differ, with the value on either side; tables are gone into.
fn differences(left: &toml::Table, right: &toml::Table) -> Vec<(String, String, String)> {
    let mut keys: Vec<&String> = left.keys().chain(right.keys()).collect();
    keys.sort_unstable();
    keys.dedup();
    let mut found = Vec::new();
    for key in keys {
        match (left.get(key), right.get(key)) {
            (Some(toml::Value::Table(a)), Some(toml::Value::Table(b))) => {
                let within = differences(a, b).into_iter();
                found.extend(within.map(|(inner, a, b)| (format!("{key}.{inner}"), a, b)));
            }
            (a, b) if a != b => {
                let text = |value: Option<&toml::Value>| value.map_or("not set".into(), ToString::to_string);
                found.push((key.clone(), text(a), text(b)));
            }
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_differ_are_named_with_both_values() {
        let table = |text: &str| text.parse::<toml::Table>().unwrap();
        let left = table("a = 1\nb = 'x'\n[c]\nd = 1\ne = 2\n");
        let right = table("a = 1\nb = 'y'\nf = true\n[c]\nd = 1\ne = 3\n");
        let found = differences(&left, &right);
        let keys: Vec<&str> = found.iter().map(|(key, ..)| key.as_str()).collect();
        assert_eq!(keys, ["b", "c.e", "f"]);
        assert_eq!((found[1].1.as_str(), found[1].2.as_str()), ("2", "3"));
        assert_eq!(found[2].1, "not set");
    }
}
