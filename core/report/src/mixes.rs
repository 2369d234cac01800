//! SelfMix: two regions of one image, and what becomes of them.

use super::chart::caption;
use super::html::{Html, px};
use super::number::{confidence, decimals};
use super::picture::Picture;
use ferkd_method::selfmix::{Mixing, Operator};

/// Two regions and their mixture.
#[derive(Debug, Clone, PartialEq)]
pub struct MixedPair {
    /// What the pair is called, as in "chelsea.png, regions 3 and 7".
    pub name: String,
    /// The first parent.
    pub a: Picture,
    /// The second parent.
    pub b: Picture,
    /// The mixture.
    pub mixed: Picture,
    /// Operator and weight of the first parent.
    pub mixing: Mixing,
    /// Total variation of the mixed label from the labels of a and of b, in 0..=1.
    pub total_variation: [f64; 2],
}

/// Pairs of regions and their mixtures.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SelfmixPairs {
    title: String,
    note: Option<String>,
    pairs: Vec<MixedPair>,
    across: Option<f64>,
}

impl SelfmixPairs {
    /// The pairs, in the order in which they are shown.
    pub fn new(title: impl Into<String>, pairs: Vec<MixedPair>) -> Self {
        Self { title: title.into(), pairs, ..Self::default() }
    }

    /// A sentence beside the title.
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = Some(note.into());
        self
    }

    /// The mean total variation where regions are mixed across images instead, to compare with.
    pub fn across_images(mut self, mean_total_variation: f64) -> Self {
        self.across = Some(mean_total_variation);
        self
    }

    pub(super) fn write(&self, html: &mut Html) {
        html.open("figure", &[("class", &"mixes")]);
        caption(html, "figcaption", &self.title, self.note.as_deref());
        if self.pairs.is_empty() {
            html.paragraph("empty", "There is no pair to show.");
        } else if let Some(across) = self.across.filter(|v| v.is_finite()) {
            let here: Vec<f64> =
                self.pairs.iter().flat_map(|p| p.total_variation).filter(|v| v.is_finite()).collect();
            let mean = here.iter().sum::<f64>() / here.len() as f64;
            html.paragraph(
                "figure-number",
                &format!(
                    "A mixed label lies {} from its parents on average; mixed across images it would be {} \
                     (total variation, 0 to 1).",
                    decimals(mean, 3),
                    decimals(across, 3)
                ),
            );
        }
        self.pairs.iter().for_each(|pair| write_pair(html, pair, self.across));
        html.close("figure");
    }
}

fn write_pair(html: &mut Html, pair: &MixedPair, across: Option<f64>) {
    let l = pair.mixing.l;
    let how = match pair.mixing.operator {
        Operator::Pixels => "pixels mixed",
        Operator::Paste { .. } => "box of b pasted",
    };
    html.open("article", &[("class", &"mix")]);
    html.raw("<header><h3>");
    html.text(&pair.name);
    html.raw("</h3>");
    html.leaf("span", &[("class", &"quiet")], format!("{how}, l = {}", confidence(l)));
    html.raw("</header><div class=\"mixture\"><div class=\"equation\">");
    write_part(html, &pair.a, "a", &format!("weight {}", confidence(l)), "+");
    write_part(html, &pair.b, "b", &format!("weight {}", confidence(1.0 - l)), "=");
    write_part(html, &pair.mixed, "mixed", "", "");
    html.raw("</div><div class=\"distances\"><h4>The mixed label's distance</h4><dl>");
    let [a, b] = pair.total_variation;
    write_distance(html, "", "from a", a);
    write_distance(html, "", "from b", b);
    if let Some(across) = across.filter(|v| v.is_finite()) {
        write_distance(html, "across", "across images", across);
    }
    html.raw("</dl></div></div></article>");
    html.line();
}

fn write_distance(html: &mut Html, class: &'static str, name: &'static str, distance: f64) {
    let share = if distance.is_finite() { distance.clamp(0.0, 1.0) } else { 0.0 };
    html.open("div", &[("class", &class)]);
    html.leaf("dt", &[], name);
    html.raw("<dd><span class=\"track\" aria-hidden=\"true\">");
    html.leaf("i", &[("style", &format!("width:{}%", px(share * 100.0)))], "");
    html.raw("</span>");
    html.leaf("span", &[("class", &"value")], decimals(distance, 3));
    html.raw("</dd></div>");
}

fn write_part(html: &mut Html, picture: &Picture, name: &str, weight: &str, sign: &str) {
    html.raw("<div class=\"part\"><div class=\"frame\">");
    picture.write(html, name);
    html.raw("</div><p>");
    html.leaf("strong", &[], name);
    html.text(" ");
    html.leaf("span", &[("class", &"quiet")], weight);
    html.raw("</p></div>");
    if !sign.is_empty() {
        html.leaf("span", &[("class", &"sign"), ("aria-hidden", &"true")], sign);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_compared_with_mixing_across_images() {
        let picture = Picture::png(&[9; 12], 2, 2).unwrap();
        let pair = MixedPair {
            name: "<b>".into(),
            a: picture.clone(),
            b: picture.clone(),
            mixed: picture,
            mixing: Mixing { operator: Operator::Pixels, l: 0.7 },
            total_variation: [0.1, 0.3],
        };
        let rendered = |pairs: Vec<MixedPair>, across| {
            let mut html = Html::default();
            SelfmixPairs::new("", pairs).across_images(across).write(&mut html);
            html.finish()
        };
        let page = rendered(vec![pair.clone()], 0.6);
        assert!(page.contains("lies 0.200 from") && page.contains("would be 0.600") && !page.contains("<b>"));
        assert!(page.contains("weight 0.300"));
        assert!(rendered(vec![], 0.6).contains("no pair"));
        let non_finite = MixedPair { total_variation: [f64::NAN; 2], ..pair };
        assert!(!rendered(vec![non_finite], f64::NAN).contains("NaN"));
    }
}
