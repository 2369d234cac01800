//! What charts share: the two sizes each is drawn in, the frame, and its axes.

use super::axis::Axis;
use super::html::{Html, px, text_width};

/// Size of the text in charts, in pixels; the style sheet has the same.
pub(super) const TEXT: f64 = 12.5;

/// A chart is drawn once for wide pages and once for narrow ones, so that its text stays readable in both; the
/// style sheet shows one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Size {
    Wide,
    Narrow,
}

impl Size {
    pub const BOTH: [Self; 2] = [Self::Wide, Self::Narrow];

    pub fn class(self) -> &'static str {
        match self {
            Self::Wide => "chart wide",
            Self::Narrow => "chart narrow",
        }
    }

    pub fn width(self) -> f64 {
        match self {
            Self::Wide => 860.0,
            Self::Narrow => 380.0,
        }
    }
}

/// The rectangle that the data is drawn in, in pixels of the SVG.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame {
    pub left: f64,
    pub right: f64,
    pub top: f64,
    pub bottom: f64,
}

impl Frame {
    pub fn x(&self, share: f64) -> f64 {
        self.left + share * (self.right - self.left)
    }

    pub fn y(&self, share: f64) -> f64 {
        self.bottom - share * (self.bottom - self.top)
    }

    /// Ticks, grid lines and label of the vertical axis; the label stands above it, level.
    pub fn draw_y(&self, html: &mut Html, axis: &Axis, label: &str) {
        for (value, text) in &axis.ticks {
            let y = self.y(axis.at(*value));
            line(html, "grid", (self.left, y), (self.right, y));
            svg_text(html, "tick end", (self.left - 8.0, y + TEXT * 0.35), text);
        }
        svg_text(html, "axis", (0.0, self.top - 15.0), label);
    }

    /// Ticks and label of the horizontal axis, `below` pixels under the frame.
    pub fn draw_x(&self, html: &mut Html, axis: &Axis, label: &str, below: f64) {
        let y = self.bottom + below;
        for (value, text) in &axis.ticks {
            let x = self.x(axis.at(*value));
            line(html, "mark", (x, y), (x, y + 4.0));
            svg_text(html, "tick middle", (x, y + 18.0), text);
        }
        svg_text(html, "axis end", (self.right, y + 37.0), label);
    }
}

/// Room that the tick labels of a vertical axis need, in pixels.
pub(super) fn label_room(axis: &Axis) -> f64 {
    axis.ticks.iter().map(|(_, text)| text_width(text, TEXT)).fold(0.0, f64::max) + 10.0
}

/// Opens an SVG that screen readers announce by `title` and `description`.
pub(super) fn open_svg(html: &mut Html, size: Size, height: f64, title: &str, description: &str) {
    let (name, about) = (html.id(), html.id());
    let view = format!("0 0 {} {}", px(size.width()), px(height));
    let ids = format!("{name} {about}");
    html.open(
        "svg",
        &[("class", &size.class()), ("viewBox", &view), ("role", &"img"), ("aria-labelledby", &ids)],
    );
    html.leaf("title", &[("id", &name)], title);
    html.leaf("desc", &[("id", &about)], description);
}

/// A chart as a file of its own: with its name space, and the rules of the style sheet that are about charts.
pub(super) fn standalone(svg: &str) -> String {
    let sheet = include_str!("style.css");
    // Colours come first, for light and dark; the page's own rules begin behind them.
    let colours = sheet.split("* { box-sizing").next().unwrap_or_default();
    let ours = [".chart ", ".series", ".s1 ", ".s5 ", ".interval"];
    let rules = sheet.lines().filter(|l| ours.iter().any(|start| l.starts_with(start)));
    let mut out = String::from("<svg xmlns=\"http://www.w3.org/2000/svg\"");
    let (head, body) = svg.trim_end().split_once('>').unwrap_or((svg, ""));
    out += head.trim_start_matches("<svg");
    out += ">\n<style>\n";
    out += colours;
    out += "svg { background: var(--ground); font: 12.5px system-ui, sans-serif; }\n";
    rules.for_each(|rule| {
        out += rule;
        out.push('\n');
    });
    out += "</style>\n";
    out + body + "\n"
}

pub(super) fn line(html: &mut Html, class: &'static str, from: (f64, f64), to: (f64, f64)) {
    html.void(
        "line",
        &[("class", &class), ("x1", &px(from.0)), ("y1", &px(from.1)), ("x2", &px(to.0)), ("y2", &px(to.1))],
    );
}

pub(super) fn svg_text(html: &mut Html, class: &str, at: (f64, f64), text: &str) {
    html.leaf("text", &[("class", &class), ("x", &px(at.0)), ("y", &px(at.1))], text);
}

/// A heading above a figure, in the figure's own caption.
pub(super) fn caption(html: &mut Html, tag: &'static str, title: &str, note: Option<&str>) {
    if title.is_empty() && note.is_none() {
        return;
    }
    html.open(tag, &[]);
    if !title.is_empty() {
        html.open("strong", &[]);
        html.prose(title);
        html.close("strong");
    }
    if let Some(note) = note {
        html.text(" ");
        html.prose(note);
    }
    html.close(tag);
}
