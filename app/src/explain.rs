//! The stages of the pipeline from image to student, in words: what each does, its formula, and the formula with the
//! numbers at hand in it. The pipeline pane and the tour tell it alike.

use ferkd_method::calibration::{Adaptation, Softening, tempered};
use ferkd_method::mining::{Confidence, KindCounts, RegionKind, Thresholds};
use ferkd_method::region::Region;
use ferkd_report::number::{confidence, count, decimals, trimmed};
use ferkd_train::config::Supervision;

use crate::pane_kind::PaneKind;

/// A stage of the pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// A training image.
    Image,
    /// Its boxes.
    Regions,
    /// What the teacher says of a box.
    Teacher,
    /// What kind of region that makes it.
    Mining,
    /// The label that it is trained with.
    Calibration,
    /// Two regions of one image, mixed.
    Selfmix,
    /// Who learns from it.
    Student,
}

/// The numbers at hand, as far as they are known.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Numbers {
    /// Name of the image, width and height in pixels.
    pub image: Option<(String, u32, u32)>,
    /// Regions of the image (M).
    pub regions: usize,
    /// Number of the region that is looked at, and where it is.
    pub region: Option<(u32, Region)>,
    /// The teacher's most probable classes.
    pub top: Vec<(String, f32)>,
    /// Number of classes (C).
    pub classes: u32,
    /// Which number of a label is its confidence.
    pub which: Confidence,
    /// The region's confidence and kind.
    pub judged: Option<(f32, RegionKind)>,
    /// The thresholds, as confidences.
    pub thresholds: Option<Thresholds>,
    /// Regions of each kind in the data set.
    pub kinds: Option<KindCounts>,
    /// Name of the image's class.
    pub truth: Option<String>,
    /// What a calibrated label says.
    pub softening: Softening,
    /// Which of FerKD's two effects take place.
    pub adaptation: Option<Adaptation>,
    /// SelfMix: the partner's number, the first region's weight, and the total variation between both labels.
    pub mix: Option<(u32, f32, f64)>,
    /// Each student's last loss in nats, smoothed.
    pub students: Vec<(Supervision, f64)>,
    /// Steps that students have taken.
    pub step: u64,
}

impl Stage {
    /// All stages, in the order of the pipeline.
    pub const ALL: [Self; 7] = [
        Self::Image,
        Self::Regions,
        Self::Teacher,
        Self::Mining,
        Self::Calibration,
        Self::Selfmix,
        Self::Student,
    ];

    /// What it is called.
    pub fn title(self) -> &'static str {
        match self {
            Self::Image => "Image",
            Self::Regions => "Regions",
            Self::Teacher => "Teacher",
            Self::Mining => "Mining",
            Self::Calibration => "Calibration",
            Self::Selfmix => "SelfMix",
            Self::Student => "Student",
        }
    }

    /// The pane that shows it at length.
    pub fn pane(self) -> PaneKind {
        match self {
            Self::Image | Self::Regions => PaneKind::Image,
            Self::Teacher | Self::Calibration => PaneKind::Label,
            Self::Mining => PaneKind::Confidence,
            Self::Selfmix => PaneKind::Selfmix,
            Self::Student => PaneKind::Training,
        }
    }

    /// What it does, in a paragraph.
    pub fn text(self) -> &'static str {
        match self {
            Self::Image => {
                "A training image and its class: the ground truth. A student never sees the whole of it, only \
                 regions; and a class that is right for the image may be wrong for a region of it."
            }
            Self::Regions => {
                "M boxes and flips are drawn once for each image, as random resized crops are, from a seed: any \
                 box can be drawn again at any time. Many of them miss the object."
            }
            Self::Teacher => {
                "A large network looks at every region once and says how probable each class is. Its five most \
                 probable classes are kept; the rest of the probability is spread evenly over all others. From \
                 then on students learn without the teacher."
            }
            Self::Mining => {
                "How sure the teacher is says what a region is good for. Below low it shows nothing of the object; \
                 up to mid it shows surroundings; above high there is nothing left to learn. What lies between mid \
                 and high is what distillation feeds on."
            }
            Self::Calibration => {
                "Important regions keep the teacher's label. In context the teacher only guessed, so the label \
                 becomes the ground truth, softened by ε at the temperature T of the teacher's labels. Discarded and \
                 trivial regions are left out of training."
            }
            Self::Selfmix => {
                "Two regions of one image are blended, or a box of one is pasted onto the other, and their labels \
                 are mixed in the same proportion. Since both come from one image, the mixed label stays near its \
                 parents, far nearer than when images are mixed."
            }
            Self::Student => {
                "A small network learns from the adapted labels by one soft cross-entropy. Students under other \
                 supervisions learn beside it, from the same seed and the same images, so that nothing but the \
                 labels differs."
            }
        }
    }

    /// Its formula, as plain text.
    pub fn formula(self) -> &'static str {
        match self {
            Self::Image => "(x, y): W × H pixels and a class",
            Self::Regions => "area ∈ [0.08, 1] · W·H,  ln(w/h) ∈ [ln ¾, ln 4/3]",
            Self::Teacher => "p = softmax(z / T),  kept: the 5 largest, rest = (1 − Σ p) / (C − 5)",
            Self::Mining => "c < low ≤ c < mid ≤ c ≤ high < c:  D, C, I, T",
            Self::Calibration => "p = 1 − ε on the class, ε / (C − 1) on every other,  label ∝ p^(1/T)",
            Self::Selfmix => "x = l·a + (1 − l)·b,  y = l·y(a) + (1 − l)·y(b)",
            Self::Student => "loss = −(1/N) Σ Σ y(k) · log softmax(z / T)(k)",
        }
    }

    /// The formula with the numbers at hand in it; none where they are not known yet.
    pub fn with_numbers(self, numbers: &Numbers) -> Option<String> {
        match self {
            Self::Image => numbers.image.as_ref().map(|(name, width, height)| {
                let class = numbers.truth.as_deref().unwrap_or("no class");
                format!("{name}: {width} × {height} pixels, {class}")
            }),
            Self::Regions => {
                let (number, region) = numbers.region?;
                let (_, width, height) = numbers.image.as_ref()?;
                let share = f64::from(region.width) * f64::from(region.height)
                    / (f64::from(*width) * f64::from(*height));
                let flip = if region.flip { ", flipped" } else { "" };
                Some(format!(
                    "M = {}; region {number}: {} × {} pixels at ({}, {}), {} of the image{flip}",
                    numbers.regions,
                    region.width,
                    region.height,
                    region.left,
                    region.top,
                    ferkd_report::number::percent(share),
                ))
            }
            Self::Teacher => {
                let listed: Vec<String> =
                    numbers.top.iter().map(|(name, p)| format!("{name} {}", decimals((*p).into(), 3))).collect();
                (!listed.is_empty()).then(|| format!("C = {}; {}", numbers.classes, listed.join(", ")))
            }
            Self::Mining => {
                let (c, kind) = numbers.judged?;
                let t = numbers.thresholds?;
                let [c, low, mid, high] =
                    ferkd_report::number::confidences([c, t.low, t.mid, t.high]);
                let all = numbers.kinds.map_or_else(String::new, |kinds| {
                    let each = RegionKind::ALL.map(|kind| format!("{} {}", kind.letter(), count(kinds.of(kind))));
                    format!(". All regions: {}", each.join(", "))
                });
                Some(format!(
                    "c = {} = {c}; low {low}, mid {mid}, high {high}: {}, {}{all}",
                    which(numbers.which),
                    kind.name(),
                    ferkd_report::meaning(kind),
                ))
            }
            Self::Calibration => {
                let (c, kind) = numbers.judged?;
                let truth = numbers.truth.as_deref().unwrap_or("its class");
                let (thresholds, adaptation) = (numbers.thresholds?, numbers.adaptation?);
                let Softening { epsilon, temperature, .. } = numbers.softening;
                let epsilon = epsilon.value()?;
                let spread = tempered(epsilon, temperature, numbers.classes);
                let why = ferkd_report::why(c, &thresholds, kind, truth, spread, adaptation);
                let epsilon = trimmed(epsilon.into(), 3);
                let temperature = match temperature == 1.0 {
                    true => String::new(),
                    false => format!(", T = {}", trimmed(temperature.into(), 3)),
                };
                Some(format!("ε = {epsilon}{temperature}, C = {}: {why}", numbers.classes))
            }
            Self::Selfmix => numbers.mix.map(|(partner, l, apart)| {
                let region = numbers.region.map_or(0, |(number, _)| number);
                format!(
                    "l = {} of region {region}, {} of region {partner}; their labels lie {} apart (total variation)",
                    confidence(l),
                    confidence(1.0 - l),
                    decimals(apart, 3),
                )
            }),
            Self::Student => {
                let listed: Vec<String> = numbers
                    .students
                    .iter()
                    .map(|(supervision, loss)| format!("{} {}", supervision.name(), decimals(*loss, 3)))
                    .collect();
                (!listed.is_empty())
                    .then(|| format!("Step {}, loss in nats: {}", numbers.step, listed.join(", ")))
            }
        }
    }
}

/// What becomes of a region of a kind under FerKD, in words.
pub fn fate(kind: RegionKind) -> &'static str {
    match kind {
        RegionKind::Discarded => "discarded: nothing of the object, left out",
        RegionKind::Context => "background: label becomes the class, softened",
        RegionKind::Important => "important: the teacher's label stays",
        RegionKind::Trivial => "trivial: nothing left to learn, left out",
    }
}

/// What a confidence is, in a few letters.
fn which(which: Confidence) -> &'static str {
    match which {
        Confidence::Max => "max p",
        Confidence::Target => "p of the class",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_in_the_formula() {
        let thresholds = Thresholds { low: 0.08, mid: 0.3, high: 0.98 };
        let numbers = Numbers {
            image: Some(("cat.jpg".into(), 200, 100)),
            regions: 48,
            region: Some((3, Region { top: 5, left: 10, height: 50, width: 100, flip: true })),
            top: vec![("Egyptian cat".into(), 0.21)],
            classes: 1000,
            judged: Some((0.21, RegionKind::Context)),
            thresholds: Some(thresholds),
            truth: Some("Egyptian cat".into()),
            softening: Softening::new(0.1, 1.0),
            adaptation: Some(Adaptation::Full),
            mix: Some((4, 0.25, 0.5)),
            students: vec![(Supervision::Ferkd, 1.5)],
            step: 7,
            ..Numbers::default()
        };
        let said = |stage: Stage| stage.with_numbers(&numbers).unwrap();
        assert!(said(Stage::Regions).contains("100 × 50 pixels at (10, 5)"), "{}", said(Stage::Regions));
        assert!(said(Stage::Regions).contains("25"), "a quarter of the image: {}", said(Stage::Regions));
        assert!(said(Stage::Teacher).contains("Egyptian cat 0.210"));
        assert!(said(Stage::Mining).contains("c = max p = 0.21"), "{}", said(Stage::Mining));
        assert!(said(Stage::Calibration).contains("0.9 on Egyptian cat"), "{}", said(Stage::Calibration));
        // A label that means 0.9 at temperature 1 gives half to the class at temperature 2.
        let tempered = Numbers { classes: 10, softening: Softening::new(0.1, 2.0), ..numbers.clone() };
        let text = Stage::Calibration.with_numbers(&tempered).unwrap();
        assert!(text.contains("T = 2, C = 10") && text.contains("0.5 on Egyptian cat"), "{text}");
        assert!(said(Stage::Selfmix).contains("0.250 of region 3"), "{}", said(Stage::Selfmix));
        assert!(said(Stage::Student).contains("ferkd 1.500"));
    }

    #[test]
    fn what_is_not_known_is_not_said() {
        let nothing = Numbers::default();
        assert!(Stage::ALL.into_iter().all(|stage| stage.with_numbers(&nothing).is_none()));
        assert!(Stage::ALL.into_iter().all(|stage| stage.text().ends_with('.')));
    }
}
