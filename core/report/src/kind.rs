//! How kinds look: a colour and a letter, everywhere the same; and in words, why a label is what it is.

use super::html::Html;
use super::number::{confidence, confidences, trimmed};
use ferkd_method::calibration::Adaptation;
use ferkd_method::mining::{RegionKind, Thresholds};

/// The colour of a kind, as sRGB, on a light or a dark ground: from the palette of Okabe and Ito, whose colours
/// stay apart for colour-blind readers. The kind's letter goes with it.
pub fn kind_color(kind: RegionKind, dark: bool) -> [u8; 3] {
    match (kind, dark) {
        (RegionKind::Discarded, _) => [0xD5, 0x5E, 0x00],
        (RegionKind::Context, _) => [0xE6, 0x9F, 0x00],
        (RegionKind::Important, false) => [0x00, 0x72, 0xB2],
        (RegionKind::Important, true) => [0x56, 0xB4, 0xE9],
        (RegionKind::Trivial, _) => [0x00, 0x9E, 0x73],
    }
}

/// The style sheet's class for a kind.
pub(super) fn class(kind: RegionKind) -> &'static str {
    match kind {
        RegionKind::Discarded => "k-d",
        RegionKind::Context => "k-c",
        RegionKind::Important => "k-i",
        RegionKind::Trivial => "k-t",
    }
}

/// What a region of this kind is, in a few words.
pub fn meaning(kind: RegionKind) -> &'static str {
    match kind {
        RegionKind::Discarded => "nothing of the object",
        RegionKind::Context => "background and surroundings",
        RegionKind::Important => "what distillation feeds on",
        RegionKind::Trivial => "nothing left to learn",
    }
}

/// The confidences of a kind, as a condition on c.
pub(super) fn condition(kind: RegionKind, thresholds: &Thresholds) -> String {
    let [low, mid, high] = confidences([thresholds.low, thresholds.mid, thresholds.high]);
    match kind {
        RegionKind::Discarded => format!("c < {low}"),
        RegionKind::Context => format!("{low} ≤ c < {mid}"),
        RegionKind::Important => format!("{mid} ≤ c ≤ {high}"),
        RegionKind::Trivial => format!("c > {high}"),
    }
}

/// The kind's letter on its colour, and its name.
pub(super) fn write_badge(html: &mut Html, kind: RegionKind) {
    html.open("span", &[("class", &format!("kind {}", class(kind)))]);
    html.leaf("b", &[], kind.letter());
    html.leaf("span", &[], kind.name());
    html.close("span");
}

/// One sentence on why a region with confidence `c` has its kind and what that does to its label, as plain text
/// (not HTML). `epsilon` is what a calibrated label spreads (`Softening::spread` of
/// `ferkd-method`), `truth_name` the ground-truth class of the region's image.
///
/// Confidences have three digits, and more where it takes them to tell `c` from a threshold.
pub fn why(
    c: f32,
    thresholds: &Thresholds,
    kind: RegionKind,
    truth_name: &str,
    epsilon: f32,
    adaptation: Adaptation,
) -> String {
    let Thresholds { low, mid, high } = *thresholds;
    let place = match thresholds.kind(c) {
        Err(_) => format!("c is not a number, yet the region counts as {}", kind.name()),
        Ok(found) if found != kind => {
            let c = confidence(c);
            format!("c = {c} makes the region {} here, but it was mined as {}", found.name(), kind.name())
        }
        Ok(_) => {
            let [c, low, mid, high] = confidences([c, low, mid, high]);
            let place = match kind {
                RegionKind::Discarded => format!("lies below low {low}"),
                RegionKind::Context => format!("lies between low {low} and mid {mid}"),
                RegionKind::Important => format!("lies between mid {mid} and high {high}"),
                RegionKind::Trivial => format!("lies above high {high}"),
            };
            format!("c = {c} {place}: {}", kind.name())
        }
    };
    format!("{place}, {}.", consequence(kind, truth_name, epsilon, adaptation))
}

fn consequence(kind: RegionKind, truth_name: &str, epsilon: f32, adaptation: Adaptation) -> String {
    if adaptation.removes(kind) {
        return "so the region is left out of training".into();
    }
    if adaptation.calibrates(kind) {
        let (truth, others) = (trimmed(1.0 - f64::from(epsilon), 3), trimmed(f64::from(epsilon), 3));
        return match epsilon > 0.0 {
            true => {
                format!("so the label becomes {truth} on {truth_name} and {others} over all other classes")
            }
            false => format!("so the label becomes {truth} on {truth_name}"),
        };
    }
    let reason = match (kind, adaptation) {
        (RegionKind::Important, _) => return "so the teacher's label stays as it is".into(),
        (_, Adaptation::DropOnly) => "nothing is calibrated",
        (_, Adaptation::CalibrateOnly) => "nothing is removed",
        (_, Adaptation::None | Adaptation::Full) => "nothing is adapted",
    };
    format!("but {reason} here: the teacher's label stays as it is")
}

#[cfg(test)]
mod tests {
    use super::*;

    const THRESHOLDS: Thresholds = Thresholds { low: 0.08, mid: 0.3, high: 0.98 };
    const ARMS: [Adaptation; 4] =
        [Adaptation::None, Adaptation::Full, Adaptation::DropOnly, Adaptation::CalibrateOnly];

    fn sentence(c: f32, adaptation: Adaptation) -> String {
        why(c, &THRESHOLDS, THRESHOLDS.kind(c).unwrap(), "cat", 0.1, adaptation)
    }

    #[test]
    fn every_kind_has_its_sentence() {
        let full = [0.041, 0.21, 0.64, 0.995].map(|c| sentence(c, Adaptation::Full));
        assert_eq!(
            full,
            [
                "c = 0.041 lies below low 0.080: discarded, so the region is left out of training.",
                "c = 0.210 lies between low 0.080 and mid 0.300: context, so the label becomes 0.9 on cat and \
                 0.1 over all other classes.",
                "c = 0.640 lies between mid 0.300 and high 0.980: important, so the teacher's label stays as it \
                 is.",
                "c = 0.995 lies above high 0.980: trivial, so the region is left out of training.",
            ]
        );
    }

    #[test]
    fn the_sentence_agrees_with_the_method_in_every_arm() {
        for arm in ARMS {
            for c in [0.041, 0.21, 0.64, 0.995] {
                let (kind, text) = (THRESHOLDS.kind(c).unwrap(), sentence(c, arm));
                assert_eq!(text.contains("left out"), arm.removes(kind), "{text}");
                let calibrated = arm.calibrates(kind) && !arm.removes(kind);
                assert_eq!(text.contains("becomes 0.9 on cat"), calibrated, "{text}");
                assert_eq!(text.contains("stays"), !arm.removes(kind) && !calibrated, "{text}");
            }
        }
    }

    #[test]
    fn digits_suffice_to_see_the_difference() {
        let thresholds = Thresholds { high: 0.9996, ..THRESHOLDS };
        let text = why(0.9998, &thresholds, RegionKind::Trivial, "cat", 0.1, Adaptation::Full);
        assert!(text.starts_with("c = 0.9998 lies above high 0.9996"), "{text}");
    }

    #[test]
    fn no_input_is_too_strange_for_a_sentence() {
        for c in [f32::NAN, f32::INFINITY, -1.0] {
            for kind in RegionKind::ALL {
                let text = why(c, &THRESHOLDS, kind, "", f32::NAN, Adaptation::Full);
                assert!(text.ends_with('.') && !text.contains("NaN"), "{text}");
            }
        }
        assert!(sentence(0.2, Adaptation::Full).contains("0.1 over"));
        let none = why(0.2, &THRESHOLDS, RegionKind::Context, "cat", 0.0, Adaptation::Full);
        assert!(none.ends_with("becomes 1 on cat."), "{none}");
    }

    #[test]
    fn the_style_sheet_has_the_same_colours() {
        let style = include_str!("style.css").to_lowercase();
        for kind in RegionKind::ALL {
            for dark in [false, true] {
                let [r, g, b] = kind_color(kind, dark);
                let token = format!("--{}: #{r:02x}{g:02x}{b:02x};", kind.name());
                assert!(style.contains(&token), "{token}");
            }
        }
    }
}
