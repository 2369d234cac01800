//! What kinds of regions a run was trained on, epoch by epoch.

use egui::Ui;
use egui_plot::{Line, PlotPoints};
use ferkd_method::mining::{KindCounts, RegionKind};

use crate::panes::curves::{self, named};
use crate::panes::kinds_bar::in_words;
use crate::panes::shared::describe;
use crate::theme;

/// Height of the plot, in points.
const HEIGHT: f32 = 120.0;

/// The share of each kind as a curve; nothing before there are two epochs.
pub(super) fn by_epoch(epochs: &[KindCounts], ui: &mut Ui) {
    let [first, .., last] = epochs else { return };
    ui.horizontal_wrapped(|ui| {
        ui.strong("Regions by kind");
        ui.weak("share of what was trained on, by epoch");
    });
    let visuals = ui.visuals().clone();
    let plot = curves::plot("kinds by epoch", HEIGHT, ui).label_formatter(curves::hover(curves::percent));
    let shown = curves::in_percent(plot).include_y(0.0).show(ui, |plot| {
        for kind in RegionKind::ALL {
            let point = |(epoch, kinds): (usize, &KindCounts)| {
                (kinds.total() > 0).then(|| [(epoch + 1) as f64, kinds.shares()[kind as usize]])
            };
            let points: PlotPoints<'_> = epochs.iter().enumerate().filter_map(point).collect();
            let color = theme::kind(kind, &visuals);
            plot.line(Line::new(kind.name(), points).color(color).width(2.0));
        }
    });
    named(&shown.response, "Regions by kind and epoch");
    describe(&shown.response, || {
        format!("epoch 1: {}; epoch {}: {}", in_words(first), epochs.len(), in_words(last))
    });
}
