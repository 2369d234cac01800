//! Reports: one self-contained page of HTML with tables, charts and pictures.
//!
//! A [`Report`] is sections in order, a [`Section`] is blocks in order; `render` gives the page. It loads
//! nothing from anywhere, runs no script, reads well in light and dark, on a phone and on paper, and says in
//! words what its charts show. The same input gives the same bytes. Layout and wording are ours.
//!
//! ```
//! # mod ferkd {
//! #     pub use ferkd_report as report;
//! # }
//! use ferkd::report::{Cell, Report, Section, Table};
//!
//! let table = Table::new("Top-1 accuracy", ["student", "accuracy"])
//!     .row([Cell::text("FKD"), Cell::percent(0.575)])
//!     .row([Cell::text("FerKD"), Cell::percent(0.546)]);
//! let page = Report::new("Two students").section(Section::new("Results").with(table)).render();
//! assert!(page.starts_with("<!doctype html>") && page.contains("FerKD"));
//! ```
#![warn(missing_docs, clippy::print_stdout, clippy::print_stderr)]

mod axis;
mod chart;
mod curves;
mod histogram;
mod html;
mod intervals;
mod kind;
mod labels;
mod mixes;
pub mod number;
mod picture;
mod regions;
pub mod stats;
mod table;
mod text;

pub use axis::Format;
pub use curves::{Curve, Curves};
pub use histogram::{ConfidenceHistogram, Separation};
pub use intervals::{Interval, Intervals};
pub use kind::{kind_color, meaning, why};
pub use labels::{After, LabelBars, LabelPair, LabelPairs};
pub use mixes::{MixedPair, SelfmixPairs};
pub use picture::Picture;
pub use regions::{ImageRegions, RegionBox, RegionGrid, RegionItem};
pub use table::{Best, Cell, Number, Table};
pub use text::{Definitions, Text};

use html::Html;

/// A page under construction.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Report {
    title: String,
    subtitle: String,
    lead: Vec<String>,
    sections: Vec<Section>,
    footer: String,
}

impl Report {
    /// An empty page.
    pub fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), ..Self::default() }
    }

    /// The line under the title.
    pub fn subtitle(mut self, subtitle: impl Into<String>) -> Self {
        self.subtitle = subtitle.into();
        self
    }

    /// Adds a paragraph before the first section.
    pub fn lead(mut self, paragraph: impl Into<String>) -> Self {
        self.lead.push(paragraph.into());
        self
    }

    /// Adds a section.
    pub fn section(mut self, section: Section) -> Self {
        self.sections.push(section);
        self
    }

    /// The line at the end of the page.
    pub fn footer(mut self, footer: impl Into<String>) -> Self {
        self.footer = footer.into();
        self
    }

    /// The page.
    pub fn render(&self) -> String {
        let mut html = Html::default();
        html.raw("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">");
        html.raw("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">");
        html.raw("<meta name=\"color-scheme\" content=\"light dark\">");
        // Nothing from elsewhere and no script, even if someone edits the file.
        html.raw(
            "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; ",
        );
        html.raw("style-src 'unsafe-inline'\"><link rel=\"icon\" href=\"data:,\">");
        html.open(
            "meta",
            &[("name", &"generator"), ("content", &concat!("ferkd ", env!("CARGO_PKG_VERSION")))],
        );
        html.leaf("title", &[], &self.title);
        html.raw("\n<style>\n");
        html.raw(include_str!("style.css"));
        html.raw("</style></head>\n<body><main><header class=\"page\">");
        html.leaf("h1", &[], &self.title);
        if !self.subtitle.is_empty() {
            html.paragraph("subtitle", &self.subtitle);
        }
        self.lead.iter().for_each(|text| html.paragraph("lead", text));
        self.contents(&mut html);
        html.raw("</header>\n");
        for (i, section) in self.sections.iter().enumerate() {
            section.write(&mut html, i + 1);
        }
        if !self.footer.is_empty() {
            html.raw("<footer>");
            html.prose(&self.footer);
            html.raw("</footer>");
        }
        html.raw("</main></body></html>\n");
        html.finish()
    }

    fn contents(&self, html: &mut Html) {
        if self.sections.len() < 3 {
            return;
        }
        html.raw("<nav aria-label=\"Contents\"><ol>");
        for (i, section) in self.sections.iter().enumerate() {
            html.raw("<li>");
            html.leaf("a", &[("href", &format!("#s{}", i + 1))], &section.title);
            html.raw("</li>");
        }
        html.raw("</ol></nav>");
    }
}

/// A part of the page under a heading.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Section {
    title: String,
    notes: Vec<String>,
    blocks: Vec<Block>,
}

impl Section {
    /// An empty section.
    pub fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), ..Self::default() }
    }

    /// Adds a paragraph under the heading.
    pub fn note(mut self, paragraph: impl Into<String>) -> Self {
        self.notes.push(paragraph.into());
        self
    }

    /// Adds a table, a chart, pictures or text.
    pub fn with(mut self, block: impl Into<Block>) -> Self {
        self.blocks.push(block.into());
        self
    }

    fn write(&self, html: &mut Html, number: usize) {
        let id = format!("s{number}");
        let heading = format!("{id}h");
        html.open("section", &[("class", &"part"), ("id", &id), ("aria-labelledby", &heading)]);
        html.leaf("h2", &[("id", &heading)], &self.title);
        self.notes.iter().for_each(|text| html.paragraph("", text));
        self.blocks.iter().for_each(|block| block.write(html));
        html.close("section");
        html.line();
    }
}

macro_rules! blocks {
    ($($name:ident,)*) => {
        /// What a section is made of; each has a `From`, so that [`Section::with`] takes them as they are.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Block {
            $(#[doc = concat!("See [`", stringify!($name), "`](struct@", stringify!($name), ").")] $name($name),)*
        }

        impl Block {
            fn write(&self, html: &mut Html) {
                match self {
                    $(Self::$name(block) => block.write(html),)*
                }
            }
        }

        $(impl From<$name> for Block {
            fn from(block: $name) -> Self {
                Self::$name(block)
            }
        })*
    };
}

blocks! {
    Text,
    Table,
    Definitions,
    Curves,
    Intervals,
    ConfidenceHistogram,
    RegionGrid,
    ImageRegions,
    LabelPairs,
    SelfmixPairs,
}

#[cfg(test)]
mod tests;
