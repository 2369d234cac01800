//! Words: paragraphs, code, and settings with their values.

use super::chart::caption;
use super::html::Html;

/// Paragraphs and blocks of code, in order. Words between back-ticks are set as code.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Text {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq)]
enum Part {
    Paragraph(String),
    Code(String),
}

impl Text {
    /// No text yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a paragraph.
    pub fn paragraph(mut self, text: impl Into<String>) -> Self {
        self.parts.push(Part::Paragraph(text.into()));
        self
    }

    /// Adds a block of code, such as a command.
    pub fn code(mut self, code: impl Into<String>) -> Self {
        self.parts.push(Part::Code(code.into()));
        self
    }

    pub(super) fn write(&self, html: &mut Html) {
        for part in &self.parts {
            match part {
                Part::Paragraph(text) => html.paragraph("", text),
                Part::Code(code) => {
                    html.raw("<pre tabindex=\"0\"><code>");
                    html.text(code);
                    html.raw("</code></pre>");
                }
            }
            html.line();
        }
    }
}

/// Settings and provenance: names and values.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Definitions {
    title: String,
    items: Vec<(String, String)>,
}

impl Definitions {
    /// An empty list.
    pub fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), items: Vec::new() }
    }

    /// Adds a name and its value.
    pub fn item(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.items.push((name.into(), value.into()));
        self
    }

    pub(super) fn write(&self, html: &mut Html) {
        html.open("figure", &[("class", &"definitions")]);
        caption(html, "figcaption", &self.title, None);
        if self.items.is_empty() {
            html.paragraph("empty", "Nothing is set.");
        } else {
            html.open("dl", &[]);
            for (name, value) in &self.items {
                html.raw("<div>");
                html.leaf("dt", &[], name);
                html.leaf("dd", &[], value);
                html.raw("</div>");
            }
            html.close("dl");
        }
        html.close("figure");
        html.line();
    }
}
