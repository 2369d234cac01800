//! All markup is written through here: what comes from outside is escaped, only literals pass as they are.

use std::fmt::{self, Display, Write};

/// An attribute: a literal name, and any value, which is escaped; one without a value is left out.
type Attribute<'a> = (&'static str, &'a dyn Display);

/// HTML (and the SVG in it) under construction.
#[derive(Default)]
pub(super) struct Html {
    out: String,
    ids: u32,
    names: Vec<String>,
}

impl Html {
    /// Markup that stands in the source; nothing that was read from anywhere can come this way.
    pub fn raw(&mut self, markup: &'static str) {
        self.out.push_str(markup);
    }

    pub fn open(&mut self, tag: &'static str, attributes: &[Attribute]) {
        self.start(tag, attributes);
        self.out.push('>');
    }

    pub fn close(&mut self, tag: &'static str) {
        self.out.push_str("</");
        self.out.push_str(tag);
        self.out.push('>');
    }

    /// An element that holds text only.
    pub fn leaf(&mut self, tag: &'static str, attributes: &[Attribute], text: impl Display) {
        self.open(tag, attributes);
        self.text(text);
        self.close(tag);
    }

    /// An element without content: an image, or a shape of an SVG.
    pub fn void(&mut self, tag: &'static str, attributes: &[Attribute]) {
        self.start(tag, attributes);
        self.out.push_str("/>");
    }

    pub fn text(&mut self, text: impl Display) {
        let _ = write!(Escaped(&mut self.out), "{text}");
    }

    /// Text in which what stands between back-ticks is code.
    pub fn prose(&mut self, text: &str) {
        let parts: Vec<&str> = text.split('`').collect();
        if parts.len().is_multiple_of(2) {
            return self.text(text);
        }
        for (i, part) in parts.into_iter().enumerate() {
            match i % 2 {
                0 => self.text(part),
                _ => self.leaf("code", &[], part),
            }
        }
    }

    /// A paragraph of [`prose`](Self::prose).
    pub fn paragraph(&mut self, class: &'static str, text: &str) {
        self.open("p", &[("class", &class)]);
        self.prose(text);
        self.close("p");
    }

    /// An id that no other element of this page has.
    pub fn id(&mut self) -> String {
        self.ids += 1;
        format!("e{}", self.ids)
    }

    /// A number for a curve's name, the same in all charts of the page.
    pub fn style_of(&mut self, name: &str) -> usize {
        self.names.iter().position(|known| known == name).unwrap_or_else(|| {
            self.names.push(name.to_owned());
            self.names.len() - 1
        })
    }

    pub fn line(&mut self) {
        self.out.push('\n');
    }

    pub fn finish(self) -> String {
        self.out
    }

    fn start(&mut self, tag: &'static str, attributes: &[Attribute]) {
        self.out.push('<');
        self.out.push_str(tag);
        for (name, value) in attributes {
            let before = self.out.len();
            let _ = write!(self.out, " {name}=\"");
            let empty = self.out.len();
            let _ = write!(Escaped(&mut self.out), "{value}");
            if self.out.len() == empty && *name != "alt" {
                self.out.truncate(before);
            } else {
                self.out.push('"');
            }
        }
    }
}

/// Escapes for text and quoted attributes alike.
struct Escaped<'a>(&'a mut String);

impl Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            match c {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                '\n' | '\t' => self.0.push(c),
                // Control characters are no HTML, and direction overrides would turn the text around them.
                _ if c.is_control() || is_override(c) => self.0.push('\u{FFFD}'),
                _ => self.0.push(c),
            }
        }
        Ok(())
    }
}

fn is_override(c: char) -> bool {
    matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// A coordinate or a length with at most two decimals; 0 for what is not a number.
pub(super) fn px(value: f64) -> String {
    if !value.is_finite() {
        return "0".into();
    }
    let text = format!("{value:.2}");
    match text.trim_end_matches('0').trim_end_matches('.') {
        "-0" => "0".into(),
        short => short.into(),
    }
}

/// Width of a text in the page's sans-serif font of `size` pixels: an estimate on the wide side.
pub(super) fn text_width(text: &str, size: f64) -> f64 {
    let em = |c: char| match c {
        'i' | 'j' | 'l' | 'I' | '.' | ',' | ':' | ';' | '\'' | '|' | '\u{202F}' => 0.34,
        'm' | 'w' | 'M' | 'W' | '%' => 0.98,
        _ if c.is_uppercase() => 0.72,
        _ if c as u32 >= 0x2E80 => 1.05,
        _ => 0.63,
    };
    text.chars().map(em).sum::<f64>() * size
}

/// The text, or its beginning and an ellipsis where it is wider than `width` pixels.
pub(super) fn elide(text: &str, size: f64, width: f64) -> String {
    if text_width(text, size) <= width {
        return text.to_owned();
    }
    let mut short = String::new();
    for c in text.chars() {
        short.push(c);
        if text_width(&short, size) + size > width {
            short.pop();
            break;
        }
    }
    short.truncate(short.trim_end().len());
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_text_opens_a_tag_or_leaves_an_attribute(text: String) {
            let mut html = Html::default();
            html.leaf("p", &[("title", &text)], &text);
            html.prose(&text);
            let out = html.finish();
            let code = out.matches("<code>").count();
            prop_assert_eq!(out.matches('<').count(), 2 + 2 * code);
            prop_assert_eq!(out.matches('"').count(), if text.is_empty() { 0 } else { 2 });
            prop_assert!(!out.contains('\0'));
        }

        #[test]
        fn a_shortened_text_is_no_wider_than_asked(text: String, width in 20.0f64..300.0) {
            let short = elide(&text, 12.0, width);
            prop_assert!(text_width(&short, 12.0) <= width.max(12.0), "{}", short);
        }
    }

    #[test]
    fn hostile_characters_are_defused() {
        let mut html = Html::default();
        html.text("<b>&\"'\u{202E}\0");
        assert_eq!(html.finish(), "&lt;b&gt;&amp;&quot;&#39;\u{FFFD}\u{FFFD}");
    }

    #[test]
    fn back_ticks_are_code_where_they_pair() {
        let prose = |text: &str| {
            let mut html = Html::default();
            html.prose(text);
            html.finish()
        };
        assert_eq!(prose("a `b` c"), "a <code>b</code> c");
        assert_eq!(prose("a `b c"), "a `b c");
    }

    #[test]
    fn coordinates_are_short() {
        let given = [0.1 + 0.2, -0.001, 12.0, f64::NAN, 1234.567];
        assert_eq!(given.map(px), ["0.3", "0", "12", "0", "1234.57"]);
    }
}
