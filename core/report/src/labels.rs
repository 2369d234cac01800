//! Labels before and after their adaptation.

use super::chart::caption;
use super::html::{Html, px};
use super::kind::write_badge;
use super::number::{count, decimals};
use super::picture::Picture;
use ferkd_method::label::SoftLabel;
use ferkd_method::mining::RegionKind;

/// A label as a short list of bars: its most probable classes, and what is left for all others.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelBars {
    entries: Vec<Entry>,
    others: f64,
    other_classes: u32,
    entropy: f64,
}

#[derive(Debug, Clone, PartialEq)]
struct Entry {
    name: String,
    probability: f64,
    truth: bool,
}

impl LabelBars {
    /// The `top` most probable classes of a label, and class `truth`, where it is known, if it is not among them.
    /// `name` says what a class is called.
    pub fn of(label: &SoftLabel, top: usize, truth: Option<u32>, name: impl Fn(u32) -> String) -> Self {
        let mut listed: Vec<(u32, f32)> = label.top().iter().copied().take(top.max(1)).collect();
        if let Some(truth) = truth
            && truth < label.classes()
            && !listed.iter().any(|&(class, _)| class == truth)
        {
            listed.push((truth, label.probability(truth)));
        }
        let sum: f64 = listed.iter().map(|&(_, p)| f64::from(p)).sum();
        let other_classes = label.classes().saturating_sub(listed.len() as u32);
        let entry = |(class, p): (u32, f32)| Entry {
            name: name(class),
            probability: f64::from(p),
            truth: Some(class) == truth,
        };
        let entries = listed.into_iter().map(entry).collect();
        // Rounding in f32 leaves remainders that belong to no class.
        let others = if other_classes == 0 || 1.0 - sum < 1e-6 { 0.0 } else { 1.0 - sum };
        Self { entries, others, other_classes, entropy: label.entropy() }
    }

    fn write(&self, html: &mut Html, heading: &str) {
        html.raw("<div class=\"label\"><h4>");
        html.text(heading);
        html.raw(" <span class=\"quiet\">entropy ");
        html.text(decimals(self.entropy, 2));
        html.raw(" nats</span></h4><ul class=\"bars\">");
        for entry in &self.entries {
            let class = if entry.truth { "truth" } else { "" };
            write_bar(html, class, &entry.name, entry.truth, entry.probability);
        }
        if self.other_classes > 0 {
            let name = match self.other_classes {
                1 => "1 other".into(),
                n => format!("{} others", count(u64::from(n))),
            };
            write_bar(html, "others", &name, false, self.others);
        }
        html.raw("</ul></div>");
    }
}

fn write_bar(html: &mut Html, class: &'static str, name: &str, truth: bool, probability: f64) {
    html.open("li", &[("class", &class)]);
    html.open("span", &[("class", &"name"), ("title", &name)]);
    html.text(name);
    html.close("span");
    if truth {
        html.raw("<span class=\"mark\">truth</span>");
    }
    let share = if probability.is_finite() { probability.clamp(0.0, 1.0) } else { 0.0 };
    let style = format!("width:{}%", px(share * 100.0));
    html.raw("<span class=\"track\" aria-hidden=\"true\">");
    html.leaf("i", &[("style", &style)], "");
    html.raw("</span>");
    html.leaf("span", &[("class", &"value")], decimals(probability, 3));
    html.close("li");
}

/// One region's label: the teacher's, and the one the student is trained with.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelPair {
    /// What the region is called, as in "chelsea.png, region 3".
    pub name: String,
    /// The region's pixels, where they are at hand.
    pub picture: Option<Picture>,
    /// Its kind.
    pub kind: RegionKind,
    /// The teacher's label.
    pub before: LabelBars,
    /// The adapted label.
    pub after: After,
    /// One sentence on why, as [`why`](super::why) writes it.
    pub why: String,
}

/// What a region is trained with.
#[derive(Debug, Clone, PartialEq)]
pub enum After {
    /// A label, and its total variation from the teacher's, in 0..=1.
    Label(LabelBars, f64),
    /// Nothing: the region is not trained on.
    Removed,
    /// The softened class of its image, which is not known.
    Unknown,
}

/// Labels before and after, region by region.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LabelPairs {
    title: String,
    note: Option<String>,
    pairs: Vec<LabelPair>,
}

impl LabelPairs {
    /// The pairs, in the order in which they are shown.
    pub fn new(title: impl Into<String>, pairs: Vec<LabelPair>) -> Self {
        Self { title: title.into(), note: None, pairs }
    }

    /// A sentence beside the title.
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = Some(note.into());
        self
    }

    pub(super) fn write(&self, html: &mut Html) {
        html.open("figure", &[("class", &"label-pairs")]);
        caption(html, "figcaption", &self.title, self.note.as_deref());
        if self.pairs.is_empty() {
            html.paragraph("empty", "There is no label to show.");
        }
        self.pairs.iter().for_each(|pair| write_pair(html, pair));
        html.close("figure");
    }
}

fn write_pair(html: &mut Html, pair: &LabelPair) {
    html.open("article", &[("class", &if pair.picture.is_some() { "pair" } else { "pair bare" })]);
    if let Some(picture) = &pair.picture {
        html.raw("<div class=\"frame\">");
        picture.write(html, &pair.name);
        html.raw("</div>");
    }
    html.raw("<header><h3>");
    html.text(&pair.name);
    html.raw("</h3>");
    write_badge(html, pair.kind);
    html.raw("</header>");
    html.paragraph("why", &pair.why);
    html.raw("<div class=\"labels\">");
    pair.before.write(html, "Teacher");
    match &pair.after {
        After::Label(after, _) => {
            let same = *after == pair.before;
            after.write(html, if same { "Student, unchanged" } else { "Student" });
        }
        After::Removed => {
            html.raw("<div class=\"label\"><h4>Student</h4><p class=\"empty\">Not trained on.</p></div>");
        }
        After::Unknown => html.raw(
            "<div class=\"label\"><h4>Student</h4><p class=\"empty\">Unknown, as the image's class is.</p></div>",
        ),
    }
    html.raw("</div>");
    if let After::Label(_, total_variation) = pair.after {
        let distance = decimals(total_variation, 3);
        html.paragraph("fine", &format!("Total variation between both: {distance}"));
    }
    html.close("article");
    html.line();
}

#[cfg(test)]
mod tests {
    use super::*;
    use ferkd_method::label::{Codec, TopK};

    fn name(class: u32) -> String {
        format!("<{class}>")
    }

    fn teacher() -> SoftLabel {
        let top = TopK { classes: vec![3, 1, 4], probabilities: vec![0.5, 0.2, 0.1] };
        top.decode(Codec::MarginalSmoothing, 10).unwrap()
    }

    #[test]
    fn the_bars_of_a_label_sum_to_one() {
        for truth in [3, 7] {
            let bars = LabelBars::of(&teacher(), 2, Some(truth), name);
            let sum: f64 = bars.entries.iter().map(|e| e.probability).sum::<f64>() + bars.others;
            assert!((sum - 1.0).abs() < 1e-6);
            assert_eq!(bars.entries.iter().filter(|e| e.truth).count(), 1);
            assert_eq!(bars.entries.len() as u32 + bars.other_classes, 10);
        }
        assert_eq!(LabelBars::of(&SoftLabel::one_hot(0, 1), 5, Some(0), name).others, 0.0);
    }

    #[test]
    fn a_removed_region_has_no_second_label() {
        let before = LabelBars::of(&teacher(), 5, Some(7), name);
        let pair = LabelPair {
            name: "<img>".into(),
            picture: None,
            kind: RegionKind::Trivial,
            after: After::Removed,
            before: before.clone(),
            why: "<u>".into(),
        };
        let rendered = |pairs: Vec<LabelPair>| {
            let mut html = Html::default();
            LabelPairs::new("", pairs).write(&mut html);
            html.finish()
        };
        let page = rendered(vec![pair.clone()]);
        assert!(page.contains("Not trained on") && !page.contains("Total variation"));
        assert!(!page.contains("<3>") && !page.contains("<u>") && !page.contains("<img>"));
        let page = rendered(vec![LabelPair { after: After::Label(before, 0.0), ..pair.clone() }]);
        assert!(page.contains("unchanged") && page.contains("0.000"));
        let page = rendered(vec![LabelPair { after: After::Unknown, ..pair }]);
        assert!(
            page.contains("Unknown") && !page.contains("Not trained on") && !page.contains("Total variation")
        );
        let bars = LabelBars::of(&teacher(), 2, None, name);
        assert!(bars.entries.len() == 2 && bars.entries.iter().all(|entry| !entry.truth));
        assert!(rendered(vec![]).contains("no label"));
    }
}
