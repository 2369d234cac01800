//! The histogram of confidences, cut into kinds by the three thresholds.

use super::axis::{Axis, Format, spread};
use super::chart::{Frame, Size, TEXT, caption, label_room, line, open_svg, svg_text};
use super::html::{Html, px, text_width};
use super::kind::{class, condition, meaning, write_badge};
use super::number::{confidences, count, percent};
use ferkd_method::mining::{Histogram, KindCounts, RegionKind, Thresholds};

/// Label of the vertical axis.
const REGIONS: &str = "regions";

/// How many regions the teacher is how sure of.
#[derive(Debug, Clone, PartialEq)]
pub struct ConfidenceHistogram {
    title: String,
    note: Option<String>,
    histogram: Histogram,
    thresholds: Thresholds,
    counts: KindCounts,
    overlays: Vec<(String, Histogram)>,
    separation: Option<Separation>,
}

/// How well the confidence tells two groups of regions apart.
#[derive(Debug, Clone, PartialEq)]
pub struct Separation {
    /// Area under the ROC curve, in 0..=1: how often a region of the first group has the higher confidence of a
    /// pair, where a tie counts half.
    pub auc: f64,
    /// The first group, as in "a region in which the object is visible".
    pub first: String,
    /// The second group, as in "a region in which it is not".
    pub second: String,
}

impl ConfidenceHistogram {
    /// A histogram, the thresholds that cut it, and how many regions are of each kind.
    pub fn new(
        title: impl Into<String>,
        histogram: Histogram,
        thresholds: Thresholds,
        counts: KindCounts,
    ) -> Self {
        let (title, overlays) = (title.into(), Vec::new());
        Self { title, note: None, histogram, thresholds, counts, overlays, separation: None }
    }

    /// A sentence beside the title.
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = Some(note.into());
        self
    }

    /// Draws the outline of another histogram over this one, on the same scale; it has as many bins.
    pub fn overlay(mut self, name: impl Into<String>, histogram: Histogram) -> Self {
        self.overlays.push((name.into(), histogram));
        self
    }

    /// Says how well the confidence tells two groups of regions apart.
    pub fn separation(mut self, separation: Separation) -> Self {
        self.separation = Some(separation);
        self
    }

    pub(super) fn write(&self, html: &mut Html) {
        html.open("figure", &[("class", &"histogram")]);
        caption(html, "figcaption", &self.title, self.note.as_deref());
        if self.histogram.bins.iter().all(|&n| n == 0) {
            html.paragraph("empty", "There is nothing to draw: no region has been counted.");
        } else {
            Size::BOTH.into_iter().for_each(|size| self.draw(html, size));
            self.legend(html);
        }
        if let Some(separation) = &self.separation {
            write_separation(html, separation);
        }
        self.table(html);
        html.close("figure");
    }

    fn draw(&self, html: &mut Html, size: Size) {
        let most = if size == Size::Wide { 100 } else { 50 };
        let bars = merged(&self.histogram.bins, most);
        let overlays: Vec<Vec<u64>> = self.overlays.iter().map(|(_, h)| merged(&h.bins, most)).collect();
        let top = bars.iter().chain(overlays.iter().flatten()).copied().max().unwrap_or(1).max(1);
        let (height, x_ticks) = if size == Size::Wide { (340.0, 10) } else { (290.0, 5) };
        let y_axis = Axis::linear(0.0, top as f64, 4, Format::Plain, false);
        let x_axis = Axis::linear(0.0, 1.0, x_ticks, Format::Plain, true);
        let frame =
            Frame { left: label_room(&y_axis), right: size.width() - 12.0, top: 48.0, bottom: height - 66.0 };
        open_svg(html, size, height, &self.title, &self.describe());
        frame.draw_y(html, &y_axis, REGIONS);
        frame.draw_x(html, &x_axis, "confidence c", 20.0);
        let y = |n: f64| frame.y(y_axis.at(n));
        let gap = if (frame.right - frame.left) / bars.len() as f64 > 5.0 { 0.5 } else { 0.0 };
        for (i, &n) in bars.iter().enumerate().filter(|(_, n)| **n > 0) {
            let (from, to) = (i as f64 / bars.len() as f64, (i + 1) as f64 / bars.len() as f64);
            html.open("g", &[("class", &"bin")]);
            html.leaf("title", &[], format!("c from {from:.3} to {to:.3}: {} regions", count(n)));
            // A bin that a threshold cuts has the colours of both kinds.
            for (kind, start, end) in self.pieces(from, to) {
                let x0 = frame.x(start) + if start == from { gap } else { 0.0 };
                let x1 = frame.x(end) - if end == to { gap } else { 0.0 };
                // A bar too low to be seen would hide that there are regions at all.
                let height = (frame.bottom - y(n as f64)).max(1.0);
                rect(html, kind, (x0, frame.bottom - height), (x1 - x0, height));
            }
            html.close("g");
        }
        line(html, "base", (frame.left, frame.bottom), (frame.right, frame.bottom));
        for (i, bars) in overlays.iter().enumerate() {
            let d = outline(bars, &frame, &y);
            html.void("path", &[("class", &"halo"), ("d", &d)]);
            html.void("path", &[("class", &"outline"), ("d", &d), ("stroke-dasharray", &dash(i))]);
        }
        self.draw_kinds(html, &frame);
        self.draw_thresholds(html, &frame);
        html.close("svg");
        html.line();
    }

    /// The parts of `from..to` that belong to different kinds.
    fn pieces(&self, from: f64, to: f64) -> Vec<(RegionKind, f64, f64)> {
        let [low, mid, high] = self.cuts();
        let edges = [0.0, low, mid, high, 1.0];
        let piece = |(i, kind): (usize, RegionKind)| (kind, edges[i].max(from), edges[i + 1].min(to));
        RegionKind::ALL.into_iter().enumerate().map(piece).filter(|p| p.2 > p.1).collect()
    }

    fn cuts(&self) -> [f64; 3] {
        let Thresholds { low, mid, high } = self.thresholds;
        [low, mid, high].map(|t| if t.is_nan() { 0.0 } else { f64::from(t).clamp(0.0, 1.0) })
    }

    /// A strip under the axis with the kinds' letters.
    fn draw_kinds(&self, html: &mut Html, frame: &Frame) {
        let pieces = self.pieces(0.0, 1.0);
        let (y, height, letter) = (frame.bottom + 2.0, 16.0, 13.0);
        let wanted: Vec<f64> = pieces.iter().map(|p| frame.x((p.1 + p.2) / 2.0)).collect();
        for &(kind, from, to) in &pieces {
            rect(html, kind, (frame.x(from), y), (frame.x(to) - frame.x(from), height));
        }
        for (&(kind, from, to), x) in pieces.iter().zip(wanted) {
            // The table names every kind: a letter without room in its strip is left out.
            if frame.x(to) - frame.x(from) >= letter {
                svg_text(html, &format!("letter {}", class(kind)), (x, y + 12.5), &kind.letter().to_string());
            }
        }
    }

    fn draw_thresholds(&self, html: &mut Html, frame: &Frame) {
        let Thresholds { low, mid, high } = self.thresholds;
        let values = confidences([low, mid, high]);
        let labels: Vec<String> =
            ["low", "mid", "high"].iter().zip(&values).map(|(n, v)| format!("{n} {v}")).collect();
        let widths: Vec<f64> = labels.iter().map(|text| text_width(text, TEXT)).collect();
        let wanted: Vec<f64> = self.cuts().iter().map(|&t| frame.x(t)).collect();
        let centres = spread(&wanted, &widths, 10.0, text_width(REGIONS, TEXT) + 8.0, frame.right + 10.0);
        for ((label, &x), &centre) in labels.iter().zip(&wanted).zip(&centres) {
            line(html, "threshold", (x, frame.top - 8.0), (x, frame.bottom + 18.0));
            line(html, "threshold", (centre, frame.top - 20.0), (x, frame.top - 8.0));
            svg_text(html, "label middle", (centre, frame.top - 25.0), label);
        }
    }

    fn legend(&self, html: &mut Html) {
        if self.overlays.is_empty() {
            return;
        }
        html.open("ul", &[("class", &"legend")]);
        html.raw("<li><span class=\"sample kinds\" aria-hidden=\"true\"><i class=\"k-d\"></i><i class=\"k-c\"></i>");
        html.raw(
            "<i class=\"k-i\"></i><i class=\"k-t\"></i></span><span class=\"name\">all regions</span></li>",
        );
        for (i, (name, histogram)) in self.overlays.iter().enumerate() {
            html.open("li", &[]);
            html.open("svg", &[("class", &"sample"), ("viewBox", &"0 0 34 8"), ("aria-hidden", &"true")]);
            html.void("path", &[("class", &"outline"), ("d", &"M1 4H33"), ("stroke-dasharray", &dash(i))]);
            html.close("svg");
            html.leaf("span", &[("class", &"name")], name);
            html.leaf("span", &[("class", &"value")], count(histogram.bins.iter().sum()));
            html.close("li");
        }
        html.close("ul");
    }

    fn table(&self, html: &mut Html) {
        html.raw(
            "<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"Regions by kind\"><table>",
        );
        html.raw("<caption class=\"quiet\">Regions by kind</caption><thead><tr><th scope=\"col\">Kind</th>");
        html.raw(
            "<th scope=\"col\" class=\"number\">Regions</th><th scope=\"col\" class=\"number\">Share</th>",
        );
        html.raw("<th scope=\"col\">Confidence</th><th scope=\"col\">What it is</th></tr></thead><tbody>");
        for (kind, share) in RegionKind::ALL.into_iter().zip(self.counts.shares()) {
            html.raw("<tr><th scope=\"row\">");
            write_badge(html, kind);
            html.raw("</th>");
            html.leaf("td", &[("class", &"number")], count(self.counts.of(kind)));
            html.leaf("td", &[("class", &"number")], percent(share));
            html.leaf("td", &[("class", &"nowrap")], condition(kind, &self.thresholds));
            html.leaf("td", &[("class", &"quiet nowrap")], meaning(kind));
            html.raw("</tr>");
        }
        html.raw("</tbody><tfoot><tr><th scope=\"row\">all</th>");
        html.leaf("td", &[("class", &"number")], count(self.counts.total()));
        html.raw("<td></td><td></td><td></td></tr></tfoot></table></div>");
        html.line();
    }

    fn describe(&self) -> String {
        let shares = self.counts.shares();
        let parts: Vec<String> =
            RegionKind::ALL.iter().zip(shares).map(|(k, s)| format!("{} {}", percent(s), k.name())).collect();
        let Thresholds { low, mid, high } = self.thresholds;
        let [low, mid, high] = confidences([low, mid, high]);
        let parts = parts.join(", ");
        format!("Histogram of confidences with the thresholds low {low}, mid {mid}, high {high}: {parts}.")
    }
}

fn write_separation(html: &mut Html, Separation { auc, first, second }: &Separation) {
    if !auc.is_finite() {
        return html.paragraph("empty", "No AUC: one of the two groups has no region.");
    }
    let meaning = format!(
        "Of {first} and {second}, the first has the higher confidence in {} of all pairs; 50\u{202F}% would be chance.",
        percent(*auc)
    );
    html.raw("<p class=\"figure-number\"><strong>AUC ");
    html.text(format!("{auc:.3}"));
    html.raw("</strong> <span>");
    html.prose(&meaning);
    html.raw("</span></p>");
}

fn rect(html: &mut Html, kind: RegionKind, (x, y): (f64, f64), (width, height): (f64, f64)) {
    let size = (px(width.max(0.0)), px(height.max(0.0)));
    html.void(
        "rect",
        &[("class", &class(kind)), ("x", &px(x)), ("y", &px(y)), ("width", &size.0), ("height", &size.1)],
    );
}

/// The upper edge of the bars, down to the base only where bins are empty.
fn outline(bars: &[u64], frame: &Frame, y: &dyn Fn(f64) -> f64) -> String {
    let edge = |i: usize| px(frame.x(i as f64 / bars.len() as f64));
    let full = |i: usize| bars.get(i).is_some_and(|&n| n > 0);
    let mut d = String::new();
    for (i, &n) in bars.iter().enumerate().filter(|(_, n)| **n > 0) {
        if i == 0 || !full(i - 1) {
            d.push_str(&format!("M{} {}", edge(i), px(frame.bottom)));
        }
        d.push_str(&format!("V{}H{}", px(y(n as f64)), edge(i + 1)));
        if !full(i + 1) {
            d.push_str(&format!("V{}", px(frame.bottom)));
        }
    }
    d
}

fn dash(i: usize) -> &'static str {
    ["none", "4 3", "1.5 2.5", "9 3 2 3"][i % 4]
}

/// The bins, put together in equal groups where there are more than `most`.
fn merged(bins: &[u64], most: usize) -> Vec<u64> {
    let group =
        (1..=bins.len()).find(|g| bins.len().is_multiple_of(*g) && bins.len() / g <= most).unwrap_or(1);
    // A prime number of bins has no groups that leave a picture.
    let group = if bins.len() / group < 10 { 1 } else { group };
    bins.chunks(group).map(|bins| bins.iter().fold(0, |sum: u64, &n| sum.saturating_add(n))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn histogram() -> Histogram {
        let mut histogram = Histogram::new(20);
        (0..1000).for_each(|i| histogram.add(i as f32 / 1000.0));
        histogram
    }

    fn rendered(thresholds: Thresholds, histogram: Histogram) -> String {
        let mut html = Html::default();
        ConfidenceHistogram::new("Confidence", histogram, thresholds, KindCounts([1, 2, 3, 4]))
            .write(&mut html);
        html.finish()
    }

    fn label_spans(page: &str, size: &str) -> Vec<(f64, f64)> {
        let svg = page.split("<svg").find(|svg| svg.contains(size)).unwrap();
        svg.split("<text class=\"label middle\" x=\"")
            .skip(1)
            .map(|text| {
                let x: f64 = text.split('"').next().unwrap().parse().unwrap();
                let label = text.split(['>', '<']).nth(1).unwrap();
                let half = text_width(label, TEXT) / 2.0;
                (x - half, x + half)
            })
            .collect()
    }

    #[test]
    fn threshold_labels_never_overlap_and_stay_on_the_page() {
        for (low, mid, high) in
            [(0.1, 0.101, 0.102), (0.0, 0.5, 1.0), (0.997, 0.998, 0.9991), (0.02, 0.03, 0.99)]
        {
            let page = rendered(Thresholds { low, mid, high }, histogram());
            for (size, width) in [("chart wide", 860.0), ("chart narrow", 380.0)] {
                let spans = label_spans(&page, size);
                assert_eq!(spans.len(), 3);
                assert!(spans.windows(2).all(|s| s[0].1 <= s[1].0), "{spans:?}");
                assert!(spans[0].0 >= 0.0 && spans[2].1 <= width, "{spans:?}");
            }
        }
    }

    #[test]
    fn bins_are_cut_where_the_thresholds_are() {
        let thresholds = Thresholds { low: 0.125, mid: 0.51, high: 0.75 };
        let chart = ConfidenceHistogram::new("", histogram(), thresholds, KindCounts::default());
        let pieces = chart.pieces(0.1, 0.15);
        assert_eq!(pieces, [(RegionKind::Discarded, 0.1, 0.125), (RegionKind::Context, 0.125, 0.15)]);
        assert_eq!(chart.pieces(0.2, 0.3), [(RegionKind::Context, 0.2, 0.3)]);
        // Two of the twenty bins are cut; the strip below has four parts; there are two sizes of the chart.
        assert_eq!(rendered(thresholds, histogram()).matches("<rect").count(), 2 * (20 + 2 + 4));
    }

    #[test]
    fn empty_and_strange_input_is_fine() {
        let good = Thresholds { low: 0.1, mid: 0.2, high: 0.3 };
        assert!(rendered(good, Histogram::new(10)).contains("nothing to draw"));
        assert!(rendered(good, Histogram { bins: vec![] }).contains("nothing to draw"));
        let non_finite = Thresholds { low: f32::NAN, mid: -5.0, high: f32::INFINITY };
        assert!(!rendered(non_finite, histogram()).contains("NaN"));
        assert!(!rendered(good, Histogram { bins: vec![u64::MAX; 3] }).contains("NaN"));
    }

    #[test]
    fn many_bins_become_fewer_and_lose_no_region() {
        let bins: Vec<u64> = (0..1000).collect();
        let merged = merged(&bins, 100);
        assert_eq!((merged.len(), merged.iter().sum()), (100, bins.iter().sum::<u64>()));
        assert_eq!(super::merged(&[1; 101], 100).len(), 101);
    }
}
