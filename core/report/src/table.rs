//! Tables: the supervisions beside each other, or anything else in rows.

use super::chart::caption;
use super::html::{Html, px};
use super::number::{NOTHING, THIN, decimals};

/// One cell.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// Words.
    Text(String),
    /// A number with its digits, unit and bar.
    Number(Number),
}

/// A number in a table.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Number {
    value: f64,
    /// What is shown is the value times this.
    scale: f64,
    places: usize,
    unit: String,
    spread: Option<f64>,
    bar: Option<f64>,
    shown: Option<String>,
}

impl Cell {
    /// Words.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// A number with `places` decimals.
    pub fn number(value: f64, places: usize) -> Self {
        Self::Number(Number { value, scale: 1.0, places: places.min(9), ..Number::default() })
    }

    /// A share in 0..=1, shown as a percentage with one decimal and a bar.
    pub fn percent(share: f64) -> Self {
        let bar = Some(share);
        Self::Number(Number {
            value: share,
            scale: 100.0,
            places: 1,
            unit: "%".into(),
            bar,
            ..Number::default()
        })
    }

    /// A number of seconds, shown in the unit that suits it.
    pub fn seconds(seconds: f64) -> Self {
        let shown = Some(super::number::duration(seconds));
        Self::Number(Number { value: seconds, scale: 1.0, shown, ..Number::default() })
    }

    /// The unit behind the number.
    pub fn unit(self, unit: impl Into<String>) -> Self {
        self.map(|number| number.unit = unit.into())
    }

    /// The spread over repetitions (a standard deviation), in the value's own unit.
    pub fn plus_minus(self, spread: f64) -> Self {
        self.map(|number| number.spread = Some(spread))
    }

    /// A bar under the number, filled to `share` in 0..=1.
    pub fn bar(self, share: f64) -> Self {
        self.map(|number| number.bar = Some(share))
    }

    /// No bar.
    pub fn plain(self) -> Self {
        self.map(|number| number.bar = None)
    }

    fn map(mut self, change: impl FnOnce(&mut Number)) -> Self {
        if let Self::Number(number) = &mut self {
            change(number);
        }
        self
    }

    fn value(&self) -> Option<f64> {
        match self {
            Self::Number(number) if number.value.is_finite() => Some(number.value),
            _ => None,
        }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::text(text)
    }
}

/// Which value of a column is the best one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Best {
    /// The highest, as for accuracies.
    Highest,
    /// The lowest, as for losses.
    Lowest,
}

/// A table: headers, and rows of cells. The first cell of a row names it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Table {
    caption: String,
    note: Option<String>,
    headers: Vec<String>,
    rows: Vec<Vec<Cell>>,
    best: Option<(usize, Best)>,
}

impl Table {
    /// An empty table with its columns' headers.
    pub fn new<H: Into<String>>(caption: impl Into<String>, headers: impl IntoIterator<Item = H>) -> Self {
        let headers = headers.into_iter().map(Into::into).collect();
        Self { caption: caption.into(), headers, ..Self::default() }
    }

    /// A sentence beside the caption.
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = Some(note.into());
        self
    }

    /// Adds a row; missing cells stay empty, surplus ones are left out.
    pub fn row(mut self, cells: impl IntoIterator<Item = Cell>) -> Self {
        self.rows.push(cells.into_iter().collect());
        self
    }

    /// Marks the best row, in words too: the one with the best finite number in column `column`, counted from
    /// 0. Equal rows are all marked.
    pub fn mark_best(mut self, column: usize, best: Best) -> Self {
        self.best = Some((column, best));
        self
    }

    fn best_value(&self) -> Option<f64> {
        let (column, best) = self.best?;
        let values = self.rows.iter().filter_map(|row| row.get(column)?.value());
        match best {
            Best::Highest => values.max_by(f64::total_cmp),
            Best::Lowest => values.min_by(f64::total_cmp),
        }
    }

    pub(super) fn write(&self, html: &mut Html) {
        html.open(
            "div",
            &[("class", &"scroll"), ("role", &"region"), ("tabindex", &"0"), ("aria-label", &self.caption)],
        );
        html.open("table", &[]);
        caption(html, "caption", &self.caption, self.note.as_deref());
        html.raw("<thead><tr>");
        for (column, header) in self.headers.iter().enumerate() {
            let class = if self.is_number(column) { "number" } else { "" };
            html.leaf("th", &[("scope", &"col"), ("class", &class)], header);
        }
        html.raw("</tr></thead><tbody>");
        let best = self.best_value();
        for row in &self.rows {
            let value = self.best.and_then(|(column, _)| row.get(column)?.value());
            self.write_row(html, row, best.is_some() && value == best);
        }
        if self.rows.is_empty() {
            html.open("tr", &[]);
            html.leaf("td", &[("class", &"empty"), ("colspan", &self.headers.len().max(1))], "No rows.");
            html.close("tr");
        }
        html.raw("</tbody></table></div>");
        html.line();
    }

    fn write_row(&self, html: &mut Html, row: &[Cell], best: bool) {
        html.open("tr", &[("class", &if best { "best" } else { "" })]);
        for column in 0..self.headers.len() {
            let class = match (self.is_number(column), best && self.best.is_some_and(|b| b.0 == column)) {
                (true, true) => "number winner",
                (true, false) => "number",
                (false, _) => "",
            };
            let (tag, scope) = if column == 0 { ("th", "row") } else { ("td", "") };
            html.open(tag, &[("scope", &scope), ("class", &class)]);
            match row.get(column) {
                Some(Cell::Text(text)) => html.prose(text),
                Some(Cell::Number(number)) => write_number(html, number),
                None => {}
            }
            if column == 0 && best {
                html.raw(" <span class=\"pill\">best</span>");
            }
            html.close(tag);
        }
        html.close("tr");
    }

    fn is_number(&self, column: usize) -> bool {
        self.rows.iter().any(|row| matches!(row.get(column), Some(Cell::Number(_))))
    }
}

fn write_number(html: &mut Html, number: &Number) {
    if !number.value.is_finite() {
        html.leaf("span", &[("class", &"nothing"), ("title", &"no value")], NOTHING);
        return;
    }
    let show = |v: f64| decimals(v * number.scale, number.places);
    html.open("span", &[("class", &"value")]);
    html.text(number.shown.clone().unwrap_or_else(|| show(number.value)));
    if let Some(spread) = number.spread.filter(|s| s.is_finite()) {
        html.leaf("span", &[("class", &"spread")], format!("{THIN}±{THIN}{}", show(spread.abs())));
    }
    if !number.unit.is_empty() {
        html.leaf("span", &[("class", &"unit")], format!("{THIN}{}", number.unit));
    }
    html.close("span");
    if let Some(bar) = number.bar.filter(|b| b.is_finite()) {
        let style = format!("width:{}%", px(bar.clamp(0.0, 1.0) * 100.0));
        html.open("span", &[("class", &"bar"), ("aria-hidden", &"true")]);
        html.leaf("i", &[("style", &style)], "");
        html.close("span");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(table: &Table) -> String {
        let mut html = Html::default();
        table.write(&mut html);
        html.finish()
    }

    fn table(values: &[f64]) -> Table {
        let start = Table::new("Accuracy", ["supervision", "accuracy"]);
        values.iter().fold(start, |table, &v| table.row(["x".into(), Cell::percent(v)]))
    }

    #[test]
    fn the_best_row_is_marked_in_words() {
        let marks = |values: &[f64], best| {
            let page = rendered(&table(values).mark_best(1, best));
            page.split("<tr").skip(2).map(|row| row.contains(">best<")).collect::<Vec<_>>()
        };
        assert_eq!(marks(&[0.5, 0.7, f64::NAN], Best::Highest), [false, true, false]);
        assert_eq!(marks(&[0.5, 0.7, f64::NAN], Best::Lowest), [true, false, false]);
        assert_eq!(marks(&[0.7, 0.7], Best::Highest), [true, true]);
        assert_eq!(marks(&[f64::NAN], Best::Highest), [false]);
    }

    #[test]
    fn numbers_are_short_and_missing_ones_a_dash() {
        let page = rendered(&table(&[0.1 + 0.2, f64::INFINITY]));
        assert!(page.contains("30.0<") && page.contains("width:30%") && page.contains("–"), "{page}");
        assert!(!page.contains("inf"));
    }

    #[test]
    fn rows_that_do_not_fit_and_no_rows_are_fine() {
        let table = Table::new("t", ["a", "b"]);
        let ragged = table.clone().row([]).row(["1".into(), "2".into(), "surplus".into()]);
        assert!(!rendered(&ragged).contains("surplus"));
        assert!(rendered(&table.mark_best(9, Best::Lowest)).contains("No rows."));
    }

    #[test]
    fn names_are_escaped() {
        let page = rendered(&Table::new("<i>", ["<b>"]).row(["<script>".into()]));
        assert!(!page.contains("<script>") && !page.contains("<b>") && !page.contains("<i>"));
    }
}
