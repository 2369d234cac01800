//! Counts and shares as core writes them, in characters that the interface's font has.

/// A count.
pub(crate) fn count(n: u64) -> String {
    in_font(ferkd_report::number::count(n))
}

/// A share of 0..=1, in percent.
pub(crate) fn percent(share: f64) -> String {
    in_font(ferkd_report::number::percent(share))
}

/// The font lacks core's narrow space.
fn in_font(text: String) -> String {
    text.replace('\u{202F}', "\u{A0}")
}
