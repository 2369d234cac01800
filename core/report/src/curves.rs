//! Curves: training loss, accuracy and the like over steps, epochs or time.

use super::axis::{Axis, Format, LIMIT, spread};
use super::chart::{Frame, Size, TEXT, caption, label_room, line, open_svg, standalone};
use super::html::{Html, elide, px, text_width};
use super::number::count;

/// One named curve.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    /// Name, at the curve's end.
    pub name: String,
    /// Points (x, y), in any order; those that are not finite are left out.
    pub points: Vec<(f64, f64)>,
    /// Intervals of y at some x: (x, low, high). Drawn as whiskers, each curve's a little beside the others'.
    pub intervals: Vec<(f64, f64, f64)>,
    /// Drawn thicker than the others.
    pub emphasis: bool,
}

/// Several curves in one chart.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Curves {
    title: String,
    note: Option<String>,
    x_label: String,
    y_label: String,
    format: Format,
    log_y: bool,
    curves: Vec<Curve>,
}

impl Curves {
    /// A chart without curves; the labels name the quantities and their units.
    pub fn new(title: impl Into<String>, x_label: impl Into<String>, y_label: impl Into<String>) -> Self {
        Self { title: title.into(), x_label: x_label.into(), y_label: y_label.into(), ..Self::default() }
    }

    /// A sentence beside the title.
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = Some(note.into());
        self
    }

    /// The values are shares in 0..=1, written as percentages.
    pub fn percent(mut self) -> Self {
        self.format = Format::Percent;
        self
    }

    /// A logarithmic y axis; values that are not above 0 are left out.
    pub fn log_y(mut self) -> Self {
        self.log_y = true;
        self
    }

    /// Adds a curve.
    pub fn curve(self, name: impl Into<String>, points: Vec<(f64, f64)>) -> Self {
        self.push(Curve { name: name.into(), points, intervals: Vec::new(), emphasis: false })
    }

    /// Adds the curve that the chart is about.
    pub fn emphasised(self, name: impl Into<String>, points: Vec<(f64, f64)>) -> Self {
        self.push(Curve { name: name.into(), points, intervals: Vec::new(), emphasis: true })
    }

    /// Adds a curve that is already put together.
    pub fn push(mut self, curve: Curve) -> Self {
        self.curves.push(curve);
        self
    }

    /// The chart as an SVG file of its own, names at the curves' ends; nothing where there is nothing to draw.
    pub fn svg(&self) -> Option<String> {
        let mut html = Html::default();
        let drawn = self.curves.iter().map(|c| Drawn::of(c, html.style_of(&c.name), self.log_y));
        let drawn: Vec<Drawn> = drawn.filter(|d| !d.points.is_empty()).collect();
        if drawn.is_empty() {
            return None;
        }
        self.draw(&mut html, Size::Wide, &drawn);
        Some(standalone(&html.finish()))
    }

    pub(super) fn write(&self, html: &mut Html) {
        html.open("figure", &[("class", &"curves")]);
        caption(html, "figcaption", &self.title, self.note.as_deref());
        let drawn: Vec<Drawn> = self
            .curves
            .iter()
            .map(|curve| Drawn::of(curve, html.style_of(&curve.name), self.log_y))
            .collect();
        let skipped: usize = drawn.iter().map(|d| d.skipped).sum();
        let drawn: Vec<Drawn> = drawn.into_iter().filter(|d| !d.points.is_empty()).collect();
        if drawn.is_empty() {
            html.paragraph("empty", "There is nothing to draw: no curve has a point with finite values.");
        } else {
            Size::BOTH.into_iter().for_each(|size| self.draw(html, size, &drawn));
            self.legend(html, &drawn);
            self.numbers(html, &drawn);
        }
        if skipped > 0 {
            let rule = if self.log_y { "are finite and above 0" } else { "are finite" };
            let points =
                if skipped == 1 { "1 point".into() } else { format!("{} points", count(skipped as u64)) };
            html.paragraph("fine", &format!("Left out: {points}; only values that {rule} are drawn."));
        }
        html.close("figure");
    }

    fn draw(&self, html: &mut Html, size: Size, drawn: &[Drawn]) {
        let range = |pick: fn(&(f64, f64)) -> f64| {
            let all = || drawn.iter().flat_map(|d| d.points.iter().map(pick));
            (all().fold(f64::INFINITY, f64::min), all().fold(f64::NEG_INFINITY, f64::max))
        };
        let ((x0, x1), (y0, y1)) = (range(|p| p.0), range(|p| p.1));
        let ends = || drawn.iter().flat_map(|d| d.whiskers.iter().flat_map(|w| [w.1, w.2]));
        let (y0, y1) = (ends().fold(y0, f64::min), ends().fold(y1, f64::max));
        // Steps and epochs count from 0, even where the first value comes a little later.
        let x0 = if x0 > 0.0 && x0 <= 0.15 * x1 { 0.0 } else { x0 };
        // Whiskers of many curves stand side by side, within the frame at both ends.
        let beside = if drawn.iter().any(|d| !d.whiskers.is_empty()) { 0.03 * (x1 - x0) } else { 0.0 };
        let (x0, x1) = (x0 - beside, x1 + beside);
        let (height, x_ticks) = if size == Size::Wide { (370.0, 8) } else { (280.0, 4) };
        let y_axis = match self.log_y {
            true => Axis::log(y0, y1, 5, self.format),
            false => Axis::linear(y0, y1, 5, self.format, false),
        };
        let x_axis = Axis::linear(x0, x1, x_ticks, Format::Plain, true);
        let names: Vec<String> = drawn.iter().map(|d| elide(d.name, TEXT, 150.0)).collect();
        let values: Vec<String> = drawn.iter().map(|d| self.format.value(d.last())).collect();
        let widths = names.iter().zip(&values).map(|(n, v)| text_width(n, TEXT * 1.06) + text_width(v, TEXT));
        let room = widths.fold(0.0, f64::max) + 26.0;
        let direct = size == Size::Wide && self.labels_fit(drawn);
        let frame = Frame {
            left: label_room(&y_axis),
            right: size.width() - if direct { room } else { 12.0 },
            top: 28.0,
            bottom: height - 46.0,
        };
        open_svg(html, size, height, &self.title, &self.describe(drawn));
        frame.draw_y(html, &y_axis, &self.y_label);
        frame.draw_x(html, &x_axis, &self.x_label, 0.0);
        line(html, "base", (frame.left, frame.bottom), (frame.right, frame.bottom));
        let at = |p: &(f64, f64)| (frame.x(x_axis.at(p.0)), frame.y(y_axis.at(p.1)));
        let ends: Vec<f64> = drawn.iter().map(|d| at(&d.end()).1).collect();
        let rows = spread(&ends, &vec![TEXT * 1.25; ends.len()], 1.0, frame.top - 8.0, frame.bottom + 6.0);
        html.open("g", &[("class", &"lines")]);
        for (i, curve) in drawn.iter().enumerate() {
            html.open("g", &[("class", &curve.class())]);
            html.leaf("title", &[], format!("{}: {} at the end", curve.name, values[i]));
            let pixels = thinned(curve.points.iter().map(at), (frame.right - frame.left) as usize);
            html.void("path", &[("d", &path(&pixels)), ("stroke-dasharray", &curve.dash())]);
            let aside = (24.0 / drawn.len() as f64).min(5.0) * (i as f64 - (drawn.len() - 1) as f64 / 2.0);
            for &(x, low, high) in &curve.whiskers {
                let (x, low) = at(&(x, low));
                line(html, "whisker", (x + aside, low), (x + aside, at(&(0.0, high)).1));
            }
            if curve.points.len() <= 24 {
                for (point, (x, y)) in curve.points.iter().zip(&pixels) {
                    let radius = if curve.emphasis { "3.2" } else { "2.4" };
                    html.open("circle", &[("cx", &px(*x)), ("cy", &px(*y)), ("r", &radius)]);
                    let (at, value) = (Format::Plain.value(point.0), self.format.value(point.1));
                    html.leaf("title", &[], format!("{}: {value} at {} {at}", curve.name, self.x_label));
                    html.close("circle");
                }
            }
            if direct {
                let end = at(&curve.end());
                let x = frame.right + 8.0;
                if (rows[i] - end.1).abs() > 3.0 || end.0 < frame.right - 1.0 {
                    line(html, "leader", (end.0 + 2.0, end.1), (x + 3.0, rows[i]));
                }
                html.open(
                    "text",
                    &[("class", &"label"), ("x", &px(x + 6.0)), ("y", &px(rows[i] + TEXT * 0.35))],
                );
                html.leaf("tspan", &[("class", &"name")], &names[i]);
                html.leaf("tspan", &[("class", &"value"), ("dx", &"6")], &values[i]);
                html.close("text");
            }
            html.close("g");
        }
        html.close("g");
        html.close("svg");
        html.line();
    }

    fn labels_fit(&self, drawn: &[Drawn]) -> bool {
        drawn.len() <= 16
    }

    /// The curves' names, where they do not stand at the ends of their lines.
    fn legend(&self, html: &mut Html, drawn: &[Drawn]) {
        let class = if self.labels_fit(drawn) { "legend narrow" } else { "legend" };
        html.open("ul", &[("class", &class)]);
        for curve in drawn {
            html.open("li", &[("class", &curve.class())]);
            html.open("svg", &[("class", &"sample"), ("viewBox", &"0 0 34 8"), ("aria-hidden", &"true")]);
            html.void("path", &[("d", &"M1 4H33"), ("stroke-dasharray", &curve.dash())]);
            html.close("svg");
            html.leaf("span", &[("class", &"name")], curve.name);
            html.leaf("span", &[("class", &"value")], self.format.value(curve.last()));
            html.close("li");
        }
        html.close("ul");
        html.line();
    }

    /// What the chart says, for those who cannot see it or want the digits.
    fn numbers(&self, html: &mut Html, drawn: &[Drawn]) {
        html.raw("<details><summary>Numbers</summary><div class=\"scroll\"><table>");
        html.raw("<thead><tr><th scope=\"col\">Curve</th>");
        for head in ["Points", "Last", "Lowest", "Highest"] {
            html.leaf("th", &[("scope", &"col"), ("class", &"number")], head);
        }
        html.raw("</tr></thead><tbody>");
        for curve in drawn {
            html.open("tr", &[]);
            html.leaf("th", &[("scope", &"row")], curve.name);
            let (low, high) = curve.range();
            let cells = [curve.last(), low, high].map(|v| self.format.value(v));
            for cell in std::iter::once(count(curve.points.len() as u64)).chain(cells) {
                html.leaf("td", &[("class", &"number")], cell);
            }
            html.close("tr");
        }
        html.raw("</tbody></table></div></details>");
        html.line();
    }

    fn describe(&self, drawn: &[Drawn]) -> String {
        let ends: Vec<String> =
            drawn.iter().map(|d| format!("{} ends at {}", d.name, self.format.value(d.last()))).collect();
        let scale = if self.log_y { ", logarithmic" } else { "" };
        format!("{}{scale}, over {}. {}.", self.y_label, self.x_label, ends.join("; "))
    }
}

/// A curve's points that can be drawn, by ascending x.
struct Drawn<'a> {
    name: &'a str,
    points: Vec<(f64, f64)>,
    whiskers: Vec<(f64, f64, f64)>,
    skipped: usize,
    style: usize,
    emphasis: bool,
}

/// Curves differ in their dashes too; eight colours and five patterns make forty looks.
const DASHES: [&str; 5] = ["none", "7 4", "2 3.5", "11 4 2 4", "4.5 2.5"];
const COLOURS: [&str; 8] = ["s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7"];

impl<'a> Drawn<'a> {
    fn of(curve: &'a Curve, style: usize, log_y: bool) -> Self {
        let shown =
            |&(x, y): &(f64, f64)| x.abs() <= LIMIT && y.abs() <= LIMIT && (!log_y || y >= 1.0 / LIMIT);
        let mut points: Vec<(f64, f64)> = curve.points.iter().copied().filter(shown).collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        let skipped = curve.points.len() - points.len();
        let whole = |&&(x, low, high): &&(f64, f64, f64)| shown(&(x, low)) && shown(&(x, high));
        let whiskers = curve.intervals.iter().filter(whole).copied().collect();
        Self { name: &curve.name, points, whiskers, skipped, style, emphasis: curve.emphasis }
    }

    fn end(&self) -> (f64, f64) {
        self.points.last().copied().unwrap_or_default()
    }

    fn last(&self) -> f64 {
        self.end().1
    }

    fn range(&self) -> (f64, f64) {
        let fold = |from, f: fn(f64, f64) -> f64| self.points.iter().map(|p| p.1).fold(from, f);
        (fold(f64::INFINITY, f64::min), fold(f64::NEG_INFINITY, f64::max))
    }

    fn class(&self) -> String {
        let emphasis = if self.emphasis { " emphasis" } else { "" };
        format!("series {}{emphasis}", COLOURS[self.style % COLOURS.len()])
    }

    fn dash(&self) -> &'static str {
        if self.emphasis { DASHES[0] } else { DASHES[self.style % DASHES.len()] }
    }
}

/// At most four points for each column of pixels: the first, the lowest, the highest and the last of those
/// that fall into it, so that a long curve looks the same and stays small.
fn thinned(pixels: impl Iterator<Item = (f64, f64)>, columns: usize) -> Vec<(f64, f64)> {
    let pixels: Vec<(f64, f64)> = pixels.collect();
    if pixels.len() <= columns {
        return pixels;
    }
    let mut kept = Vec::with_capacity(columns * 4);
    for column in pixels.chunk_by(|a, b| a.0.floor() == b.0.floor()) {
        let by = |a: &&(f64, f64), b: &&(f64, f64)| a.1.total_cmp(&b.1);
        let extremes = [column.first(), column.iter().min_by(by), column.iter().max_by(by), column.last()];
        kept.extend(extremes.into_iter().flatten().copied());
    }
    kept.dedup();
    kept
}

fn path(pixels: &[(f64, f64)]) -> String {
    let tenth = |v: f64| px((v * 10.0).round() / 10.0);
    let mut d = String::with_capacity(pixels.len() * 12);
    for (i, (x, y)) in pixels.iter().enumerate() {
        d.push(if i == 0 { 'M' } else { 'L' });
        d.push_str(&tenth(*x));
        d.push(' ');
        d.push_str(&tenth(*y));
    }
    d
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rendered(curves: &Curves) -> String {
        let mut html = Html::default();
        curves.write(&mut html);
        html.finish()
    }

    fn chart() -> Curves {
        Curves::new("Loss", "step", "loss, nats")
    }

    proptest! {
        #[test]
        fn any_numbers_are_drawn_or_left_out(points: Vec<(f64, f64)>, log: bool) {
            let chart = if log { chart().log_y() } else { chart() };
            let page = rendered(&chart.curve("a", points));
            prop_assert!(!page.contains("NaN") && !page.contains("inf"), "{page}");
        }
    }

    #[test]
    fn nothing_to_draw_is_said() {
        for chart in [chart(), chart().curve("a", vec![]), chart().curve("a", vec![(0.0, f64::NAN)])] {
            let page = rendered(&chart);
            assert!(page.contains("nothing to draw") && !page.contains("<svg"), "{page}");
        }
        assert!(rendered(&chart().log_y().curve("a", vec![(0.0, -1.0)])).contains("above 0"));
    }

    #[test]
    fn intervals_are_whiskers_and_widen_the_axis() {
        let curve = |intervals| Curve {
            name: "a".into(),
            points: vec![(1.0, 0.5), (2.0, 0.6)],
            intervals,
            emphasis: false,
        };
        let page = rendered(&chart().push(curve(vec![(1.0, -3.0, 9.0), (2.0, f64::NAN, 1.0)])));
        // One for each of the two sizes; the one without a number is left out.
        assert_eq!(page.matches("class=\"whisker\"").count(), 2);
        assert!(page.contains(">10<") && !page.contains("NaN"), "{page}");
        assert!(!rendered(&chart().push(curve(vec![]))).contains("whisker"));
    }

    #[test]
    fn points_without_a_value_are_counted() {
        let page = rendered(&chart().curve("a", vec![(0.0, 1.0), (1.0, f64::NAN), (2.0, 3.0)]));
        assert!(page.contains("Left out: 1 point;"));
    }

    #[test]
    fn curves_differ_in_more_than_colour() {
        let page = rendered(&chart().curve("a", vec![(0.0, 1.0)]).curve("b", vec![(0.0, 2.0)]));
        assert!(page.contains("stroke-dasharray=\"none\"") && page.contains("stroke-dasharray=\"7 4\""));
    }

    #[test]
    fn a_long_curve_keeps_its_extremes() {
        let mut pixels: Vec<(f64, f64)> = (0..100_000).map(|i| (f64::from(i) / 200.0, 5.0)).collect();
        pixels[54_321].1 = 99.0;
        let kept = thinned(pixels.into_iter(), 500);
        assert!(kept.len() <= 2000 && kept.iter().any(|p| p.1 == 99.0));
    }
}
