//! Settings that are worth being held against those at hand.

use egui::Ui;
use ferkd_method::calibration::Adaptation;
use ferkd_method::mining::{Confidence, Thresholds};

use crate::experiment::Settings;
use crate::panes::context::PaneContext;
use crate::state::State;
use crate::state::action::Action;

/// Something to compare with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Preset {
    Same,
    Defaults,
    Fkd,
    DropOnly,
    CalibrateOnly,
    Tighter,
    Looser,
    OtherConfidence,
}

impl Preset {
    const ALL: [Self; 8] = [
        Self::Same,
        Self::Defaults,
        Self::Fkd,
        Self::DropOnly,
        Self::CalibrateOnly,
        Self::Tighter,
        Self::Looser,
        Self::OtherConfidence,
    ];

    fn title(self) -> &'static str {
        match self {
            Self::Same => "The same settings",
            Self::Defaults => "Defaults",
            Self::Fkd => "FKD, nothing adapted",
            Self::DropOnly => "Drop only",
            Self::CalibrateOnly => "Calibrate only",
            Self::Tighter => "Tighter thresholds",
            Self::Looser => "Looser thresholds",
            Self::OtherConfidence => "Max against target",
        }
    }

    fn meaning(self) -> &'static str {
        match self {
            Self::Same => "A copy of the left side, to be changed",
            Self::Defaults => "What the program does when it is told nothing",
            Self::Fkd => "Every region keeps the teacher's label",
            Self::DropOnly => "Uninformative regions are removed, nothing is calibrated",
            Self::CalibrateOnly => "Context is calibrated, nothing is removed",
            Self::Tighter => "Fewer important regions: all three thresholds move inwards",
            Self::Looser => "More important regions: all three thresholds move outwards",
            Self::OtherConfidence => "The other confidence: highest probability or that of the image's class",
        }
    }

    fn of(self, left: Settings) -> Settings {
        let adapted = |adaptation| Settings { adaptation, ..left };
        match self {
            Self::Same => left,
            Self::Defaults => Settings::default(),
            Self::Fkd => adapted(Adaptation::None),
            Self::DropOnly => adapted(Adaptation::DropOnly),
            Self::CalibrateOnly => adapted(Adaptation::CalibrateOnly),
            Self::Tighter => moved(left, 1.0),
            Self::Looser => moved(left, -0.5),
            Self::OtherConfidence => {
                let confidence = match left.confidence {
                    Confidence::Max => Confidence::Target,
                    Confidence::Target => Confidence::Max,
                };
                Settings { confidence, ..left }
            }
        }
    }
}

/// The same settings with all three thresholds moved: by their own distance from the ends of the scale, times
/// `by`, and never past each other.
fn moved(mut settings: Settings, by: f32) -> Settings {
    let numbers = settings.numbers_mut();
    let Thresholds { low, mid, high } = *numbers;
    let middle = (mid + high) / 2.0;
    let up = |value: f32| (value + by * value).min(middle - (middle - value) * 0.25);
    *numbers = Thresholds {
        low: up(low),
        mid: up(mid),
        high: (high - by * (1.0 - high)).max((high + middle) / 2.0),
    };
    settings
}

/// The presets as buttons.
pub(super) fn ui(state: &State, cx: &mut PaneContext, ui: &mut Ui) {
    ui.horizontal_wrapped(|ui| list(state, cx, ui));
}

/// The presets one after the other; whether one was chosen.
pub(super) fn list(state: &State, cx: &mut PaneContext, ui: &mut Ui) -> bool {
    let mut is_chosen = false;
    for preset in Preset::ALL {
        if ui.button(preset.title()).on_hover_text(preset.meaning()).clicked() {
            cx.push(Action::Compare(Some(preset.of(state.experiment.settings))));
            is_chosen = true;
        }
    }
    is_chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_has_thresholds_that_ascend() {
        let absolute = Settings { by_quantile: false, ..Settings::default() };
        let close = Thresholds { low: 0.45, mid: 0.5, high: 0.55 };
        for left in [Settings::default(), absolute, Settings { thresholds: close, ..absolute }] {
            for preset in Preset::ALL {
                let other = preset.of(left);
                let numbers = other.numbers().checked().unwrap();
                assert!(numbers.low >= 0.0 && numbers.high <= 1.0, "{preset:?}: {numbers:?}");
                if matches!(preset, Preset::Tighter | Preset::Looser) {
                    let inwards = numbers.mid > left.numbers().mid;
                    assert_eq!(inwards, preset == Preset::Tighter, "{preset:?}: {numbers:?}");
                    assert_eq!(numbers.high < left.numbers().high, preset == Preset::Tighter);
                }
            }
        }
    }
}
