//! Regions: as a grid by kind, and as boxes over their image.

use super::chart::caption;
use super::html::{Html, px};
use super::kind::{class, meaning, write_badge};
use super::number::{confidence, count, percent};
use super::picture::Picture;
use ferkd_method::mining::{KindCounts, RegionKind};
use ferkd_method::region::Region;

/// One region in a grid.
#[derive(Debug, Clone, PartialEq)]
pub struct RegionItem {
    /// The region's pixels, as the student sees them.
    pub picture: Picture,
    /// Its kind.
    pub kind: RegionKind,
    /// Its confidence.
    pub confidence: f32,
    /// The teacher's first class.
    pub teacher: String,
    /// The ground-truth class of its image.
    pub truth: String,
    /// Share of the object that is visible in it, in 0..=1, where it is known.
    pub visible: Option<f64>,
}

/// Regions in a grid, by kind.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RegionGrid {
    title: String,
    note: Option<String>,
    items: Vec<RegionItem>,
}

impl RegionGrid {
    /// A grid of regions; within a kind they keep their order.
    pub fn new(title: impl Into<String>, items: Vec<RegionItem>) -> Self {
        Self { title: title.into(), note: None, items }
    }

    /// A sentence beside the title.
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = Some(note.into());
        self
    }

    pub(super) fn write(&self, html: &mut Html) {
        html.open("figure", &[("class", &"regions")]);
        caption(html, "figcaption", &self.title, self.note.as_deref());
        if self.items.is_empty() {
            html.paragraph("empty", "There is no region to show.");
        }
        for kind in RegionKind::ALL {
            let items: Vec<&RegionItem> = self.items.iter().filter(|item| item.kind == kind).collect();
            if items.is_empty() {
                continue;
            }
            html.open("section", &[("class", &"by-kind"), ("aria-label", &kind.name())]);
            html.raw("<p class=\"kind-head\">");
            write_badge(html, kind);
            html.leaf("span", &[("class", &"quiet")], meaning(kind));
            html.raw("</p><ul class=\"cards\">");
            items.into_iter().for_each(|item| write_card(html, item));
            html.raw("</ul></section>");
            html.line();
        }
        html.close("figure");
    }
}

fn write_card(html: &mut Html, item: &RegionItem) {
    let right = item.teacher == item.truth;
    html.open("li", &[("class", &format!("card {}", class(item.kind)))]);
    html.raw("<div class=\"frame\">");
    let alt = format!("Region of an image of the class {}; the teacher says {}", item.truth, item.teacher);
    item.picture.write(html, &alt);
    html.leaf("b", &[("class", &"tag"), ("title", &item.kind.name())], item.kind.letter());
    html.raw("</div><dl><div><dt>confidence</dt>");
    html.leaf("dd", &[], confidence(item.confidence));
    html.raw("</div>");
    if let Some(visible) = item.visible {
        html.raw("<div><dt>visible</dt>");
        html.leaf("dd", &[], percent(visible));
        html.raw("</div>");
    }
    html.raw("<div><dt>teacher</dt>");
    html.open("dd", &[("title", &item.teacher)]);
    html.leaf("span", &[("class", &"quiet")], if right { "✓ " } else { "✗ " });
    html.text(&item.teacher);
    html.raw("</dd></div><div><dt>truth</dt>");
    html.leaf("dd", &[("title", &item.truth)], &item.truth);
    html.raw("</div></dl></li>");
    html.line();
}

/// A region on its image.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RegionBox {
    /// The box, in pixels of the image.
    pub region: Region,
    /// Its kind.
    pub kind: RegionKind,
    /// Its confidence.
    pub confidence: f32,
}

/// An image with boxes drawn over it, coloured and lettered by kind.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageRegions {
    title: String,
    note: Option<String>,
    picture: Picture,
    size: (u32, u32),
    boxes: Vec<RegionBox>,
}

/// Side of a box's letter and the width of the picture where it is narrowest, in pixels.
const TAG: f64 = 19.0;
const NARROWEST: f64 = 320.0;

impl ImageRegions {
    /// An image and its regions. `size` is the width and height of the image that the boxes are given in; the
    /// picture may be a smaller copy of it. Boxes that do not fit into it are left out.
    pub fn new(title: impl Into<String>, picture: Picture, size: (u32, u32), boxes: Vec<RegionBox>) -> Self {
        Self { title: title.into(), note: None, picture, size, boxes }
    }

    /// A sentence beside the title.
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = Some(note.into());
        self
    }

    pub(super) fn write(&self, html: &mut Html) {
        let (width, height) = self.size;
        let boxes: Vec<&RegionBox> = self.boxes.iter().filter(|b| b.region.fits(width, height)).collect();
        html.open("figure", &[("class", &"image-regions")]);
        caption(html, "figcaption", &self.title, self.note.as_deref());
        html.raw("<div class=\"overlay\">");
        self.picture.write(html, &self.title);
        html.open(
            "svg",
            &[
                ("viewBox", &format!("0 0 {} {}", width.max(1), height.max(1))),
                ("preserveAspectRatio", &"none"),
                ("role", &"img"),
                ("aria-label", &describe(&boxes)),
            ],
        );
        for RegionBox { region, kind, confidence: c } in &boxes {
            html.open("g", &[("class", &class(*kind))]);
            html.leaf("title", &[], format!("{}, c = {}", kind.name(), confidence(*c)));
            for layer in ["halo", "edge"] {
                html.void(
                    "rect",
                    &[
                        ("class", &layer),
                        ("x", &region.left),
                        ("y", &region.top),
                        ("width", &region.width),
                        ("height", &region.height),
                    ],
                );
            }
            html.close("g");
        }
        html.close("svg");
        for (b, (x, y)) in boxes.iter().zip(tag_places(&boxes, self.size)) {
            let style = format!("left:{}%;top:{}%", px(x * 100.0), px(y * 100.0));
            let attributes: [(_, &dyn std::fmt::Display); 3] =
                [("class", &format!("tag {}", class(b.kind))), ("style", &style), ("aria-hidden", &"true")];
            html.leaf("b", &attributes, b.kind.letter());
        }
        html.raw("</div>");
        write_counts(html, &boxes);
        html.close("figure");
        html.line();
    }
}

fn counts(boxes: &[&RegionBox]) -> KindCounts {
    let mut counts = KindCounts::default();
    boxes.iter().for_each(|b| counts.add(b.kind));
    counts
}

fn describe(boxes: &[&RegionBox]) -> String {
    let counts = counts(boxes);
    let parts = RegionKind::ALL.map(|kind| format!("{} {}", count(counts.of(kind)), kind.name()));
    format!("{} regions: {}", count(counts.total()), parts.join(", "))
}

fn write_counts(html: &mut Html, boxes: &[&RegionBox]) {
    let counts = counts(boxes);
    html.raw("<ul class=\"legend\">");
    for kind in RegionKind::ALL {
        html.raw("<li>");
        write_badge(html, kind);
        html.leaf("span", &[("class", &"value")], count(counts.of(kind)));
        html.raw("</li>");
    }
    html.raw("</ul>");
}

/// Upper left corners of the boxes' letters, as shares of width and height: in a corner or along an edge of its
/// own box, where no other letter lies.
fn tag_places(boxes: &[&RegionBox], (width, height): (u32, u32)) -> Vec<(f64, f64)> {
    let (w, h) = (f64::from(width.max(1)), f64::from(height.max(1)));
    let (tag_w, tag_h) = (TAG / NARROWEST, TAG / NARROWEST * w / h);
    let mut placed: Vec<(f64, f64)> = Vec::with_capacity(boxes.len());
    for b in boxes {
        let at = b.region.to_fractions(width, height);
        let clamp = |(x, y): (f64, f64)| (x.min(1.0 - tag_w).max(0.0), y.min(1.0 - tag_h).max(0.0));
        let (right, bottom) = (at.left + at.width - tag_w, at.top + at.height - tag_h);
        let along = |i: usize| at.left + (right - at.left).max(0.0) * i as f64 / 8.0;
        let top = (0..=8).map(|i| (along(i), at.top));
        let below = (0..=8).map(|i| (along(i), bottom));
        let free =
            |p: &(f64, f64)| placed.iter().all(|q| (p.0 - q.0).abs() >= tag_w || (p.1 - q.1).abs() >= tag_h);
        let place = top.chain(below).map(clamp).find(free).unwrap_or(clamp((at.left, at.top)));
        placed.push(place);
    }
    placed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region_box(left: u32, top: u32, side: u32) -> RegionBox {
        let region = Region { top, left, height: side, width: side, flip: false };
        RegionBox { region, kind: RegionKind::Context, confidence: 0.2 }
    }

    fn picture() -> Picture {
        Picture::png(&[7; 12], 2, 2).unwrap()
    }

    #[test]
    fn letters_of_boxes_at_one_place_do_not_cover_each_other() {
        let boxes: Vec<RegionBox> = (0..6).map(|i| region_box(10, 10, 300 + i)).collect();
        let places = tag_places(&boxes.iter().collect::<Vec<_>>(), (400, 400));
        for (i, a) in places.iter().enumerate() {
            assert!((0.0..1.0).contains(&a.0) && (0.0..1.0).contains(&a.1));
            let tag = TAG / NARROWEST;
            assert!(places[..i].iter().all(|b| (a.0 - b.0).abs() >= tag || (a.1 - b.1).abs() >= tag));
        }
    }

    #[test]
    fn boxes_outside_of_the_image_are_left_out() {
        let boxes = vec![region_box(0, 0, 10), region_box(5, 5, u32::MAX), region_box(0, 0, 0)];
        let mut html = Html::default();
        ImageRegions::new("", picture(), (10, 10), boxes).write(&mut html);
        assert_eq!(html.finish().matches("class=\"edge\"").count(), 1);
        let mut html = Html::default();
        ImageRegions::new("", picture(), (0, 0), vec![region_box(0, 0, 1)]).write(&mut html);
        assert!(!html.finish().contains("NaN"));
    }

    #[test]
    fn the_grid_escapes_names_and_says_when_it_is_empty() {
        let name = "\"><script>alert(1)</script>";
        let item = RegionItem {
            picture: picture(),
            kind: RegionKind::Trivial,
            confidence: f32::NAN,
            teacher: name.into(),
            truth: name.into(),
            visible: Some(f64::NAN),
        };
        let mut html = Html::default();
        RegionGrid::new(name, vec![item]).write(&mut html);
        let page = html.finish();
        assert!(!page.contains("<script") && page.contains("&lt;script&gt;") && !page.contains("NaN"));
        let mut html = Html::default();
        RegionGrid::new("", vec![]).write(&mut html);
        assert!(html.finish().contains("no region to show"));
    }
}
