//! Values with their intervals, one under the other: arms of a sweep, or their differences to a baseline.

use super::axis::{Axis, Format};
use super::chart::{Frame, Size, TEXT, caption, line, open_svg, standalone, svg_text};
use super::html::{Html, elide, px, text_width};
use super::number::{NOTHING, THIN, decimals};

/// One value with its interval.
#[derive(Debug, Clone, PartialEq)]
pub struct Interval {
    /// Name of the row.
    pub name: String,
    /// The value; a row without one stays empty.
    pub value: f64,
    /// Its interval, where there is one.
    pub range: Option<[f64; 2]>,
}

/// Values with their intervals in one chart. All are shares, written in percent.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Intervals {
    title: String,
    note: Option<String>,
    label: String,
    against_zero: bool,
    rows: Vec<Interval>,
}

/// Height of a row, in pixels.
const ROW: f64 = 23.0;

impl Intervals {
    /// A chart without rows; the label names the quantity.
    pub fn new(title: impl Into<String>, label: impl Into<String>) -> Self {
        Self { title: title.into(), label: label.into(), ..Self::default() }
    }

    /// A sentence beside the title.
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = Some(note.into());
        self
    }

    /// The values are differences: 0 is marked, and rows whose interval holds it are hollow.
    pub fn against_zero(mut self) -> Self {
        self.against_zero = true;
        self
    }

    /// Adds a row.
    pub fn row(mut self, name: impl Into<String>, value: f64, range: Option<[f64; 2]>) -> Self {
        let finite = |r: &[f64; 2]| r.iter().all(|v| v.is_finite());
        self.rows.push(Interval { name: name.into(), value, range: range.filter(finite) });
        self
    }

    /// The chart as an SVG file of its own; nothing where there is nothing to draw.
    pub fn svg(&self) -> Option<String> {
        if !self.drawable() {
            return None;
        }
        let mut html = Html::default();
        self.draw(&mut html, Size::Wide);
        Some(standalone(&html.finish()))
    }

    pub(super) fn write(&self, html: &mut Html) {
        html.open("figure", &[("class", &"intervals")]);
        caption(html, "figcaption", &self.title, self.note.as_deref());
        if self.drawable() {
            Size::BOTH.into_iter().for_each(|size| self.draw(html, size));
            self.numbers(html);
        } else {
            html.paragraph("empty", "There is nothing to draw: no row has a finite value.");
        }
        html.close("figure");
    }

    fn drawable(&self) -> bool {
        self.rows.iter().any(|row| row.value.is_finite())
    }

    fn draw(&self, html: &mut Html, size: Size) {
        let ends = self.rows.iter().flat_map(|row| row.range.into_iter().flatten().chain([row.value]));
        let ends: Vec<f64> = ends.chain(self.against_zero.then_some(0.0)).filter(|v| v.is_finite()).collect();
        let low = ends.iter().copied().fold(f64::INFINITY, f64::min);
        let high = ends.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let (ticks, most) = if size == Size::Wide { (7, 260.0) } else { (3, 130.0) };
        let axis = Axis::linear(low, high, ticks, Format::Percent, false);
        let names: Vec<String> = self.rows.iter().map(|row| elide(&row.name, TEXT, most)).collect();
        let values: Vec<String> = self.rows.iter().map(|row| self.words(row)).collect();
        let widest = |texts: &[String]| texts.iter().map(|t| text_width(t, TEXT)).fold(0.0, f64::max);
        let right = if size == Size::Wide { widest(&values) + 22.0 } else { 12.0 };
        let bottom = 8.0 + ROW * self.rows.len() as f64;
        let frame = Frame { left: widest(&names) + 18.0, right: size.width() - right, top: 8.0, bottom };
        open_svg(html, size, bottom + 44.0, &self.title, &self.describe());
        for (value, _) in &axis.ticks {
            let x = frame.x(axis.at(*value));
            line(html, "grid", (x, frame.top), (x, bottom));
        }
        if self.against_zero {
            let x = frame.x(axis.at(0.0));
            line(html, "threshold", (x, frame.top), (x, bottom));
        }
        frame.draw_x(html, &axis, &self.label, 0.0);
        for (i, row) in self.rows.iter().enumerate() {
            let y = frame.top + ROW * (i as f64 + 0.5);
            svg_text(html, "label end", (frame.left - 12.0, y + TEXT * 0.35), &names[i]);
            if !row.value.is_finite() {
                continue;
            }
            html.open("g", &[("class", &self.class(row))]);
            html.leaf("title", &[], format!("{}: {}", row.name, values[i]));
            if let Some([a, b]) = row.range {
                let (a, b) = (frame.x(axis.at(a)), frame.x(axis.at(b)));
                line(html, "range", (a, y), (b, y));
                [a, b].into_iter().for_each(|x| line(html, "range", (x, y - 4.0), (x, y + 4.0)));
            }
            let x = px(frame.x(axis.at(row.value)));
            html.void("circle", &[("cx", &x), ("cy", &px(y)), ("r", &"4.2")]);
            html.close("g");
            if size == Size::Wide {
                svg_text(html, "tick", (frame.right + 12.0, y + TEXT * 0.35), &values[i]);
            }
        }
        html.close("svg");
        html.line();
    }

    /// How a row looks: by the side of 0 that its whole interval lies on.
    fn class(&self, row: &Interval) -> &'static str {
        match row.range {
            _ if !self.against_zero => "interval",
            Some([low, _]) if low > 0.0 => "interval above",
            Some([_, high]) if high < 0.0 => "interval below",
            _ => "interval open",
        }
    }

    fn words(&self, row: &Interval) -> String {
        if !row.value.is_finite() {
            return NOTHING.into();
        }
        let sign = if self.against_zero && row.value > 0.0 { "+" } else { "" };
        let value = format!("{sign}{}", decimals(100.0 * row.value, 1));
        match row.range {
            Some([low, high]) => {
                format!("{value} ({} to {})", decimals(100.0 * low, 1), decimals(100.0 * high, 1))
            }
            None => format!("{value}{THIN}%"),
        }
    }

    fn numbers(&self, html: &mut Html) {
        html.raw("<details><summary>Numbers</summary><div class=\"scroll\"><table><tbody>");
        for row in &self.rows {
            html.open("tr", &[]);
            html.leaf("th", &[("scope", &"row")], &row.name);
            html.leaf("td", &[("class", &"number")], self.words(row));
            html.close("tr");
        }
        html.raw("</tbody></table></div></details>");
        html.line();
    }

    fn describe(&self) -> String {
        let rows: Vec<String> =
            self.rows.iter().map(|row| format!("{} {}", row.name, self.words(row))).collect();
        format!("{}, in percent: {}.", self.label, rows.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart() -> Intervals {
        Intervals::new("Differences", "points")
            .against_zero()
            .row("up", 0.02, Some([0.01, 0.03]))
            .row("down", -0.02, Some([-0.03, -0.01]))
            .row("unclear <b>", 0.01, Some([-0.01, 0.03]))
            .row("one run", 0.01, None)
            .row("missing", f64::NAN, None)
    }

    #[test]
    fn rows_look_as_their_interval_lies() {
        let svg = chart().svg().unwrap();
        for (class, count) in [("interval above", 1), ("interval below", 1), ("interval open", 2)] {
            assert_eq!(svg.matches(&format!("class=\"{class}\"")).count(), count, "{class}");
        }
        assert!(!svg.contains("NaN") && !svg.contains("<b>"));
    }

    #[test]
    fn the_file_stands_alone() {
        let svg = chart().svg().unwrap();
        assert!(svg.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\""), "{svg}");
        assert!(svg.contains(".interval") && svg.contains("--important"));
        assert!(!svg.contains("display: none"));
        assert_eq!(Intervals::new("", "").row("a", f64::NAN, None).svg(), None);
    }
}
