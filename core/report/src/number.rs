//! Numbers as a reader wants them: few digits, the same ones everywhere, a dash for what is not a number.

/// What stands for a value that is missing or not finite.
pub const NOTHING: &str = "–";

/// Narrow no-break space: between a number and its unit, and between groups of digits.
pub(super) const THIN: char = '\u{202F}';

/// A share as a percentage with one decimal: 0.713 is "71.3 %".
pub fn percent(share: f64) -> String {
    if share.is_finite() { format!("{}{THIN}%", decimals(share * 100.0, 1)) } else { NOTHING.into() }
}

/// A number with exactly `places` decimals, digits in groups of three, and a minus sign instead of a hyphen.
pub fn decimals(value: f64, places: usize) -> String {
    if !value.is_finite() {
        return NOTHING.into();
    }
    if value.abs() >= 1e15 {
        return format!("{value:.2e}");
    }
    let text = format!("{:.places$}", value.abs());
    let (whole, fraction) = text.split_once('.').map_or((text.as_str(), None), |(w, f)| (w, Some(f)));
    // A negative number that rounds to 0 has no sign.
    let minus = value < 0.0 && text.bytes().any(|b| (b'1'..=b'9').contains(&b));
    let mut out = String::from(if minus { "−" } else { "" });
    out.push_str(&group(whole));
    if let Some(fraction) = fraction {
        out.push('.');
        out.push_str(fraction);
    }
    out
}

/// A number with at most `places` decimals and no zeros at their end: 0.90 is "0.9".
pub fn trimmed(value: f64, places: usize) -> String {
    let text = decimals(value, places);
    match text.contains('.') && !text.contains('e') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

/// A count, its digits in groups of three from five digits on.
pub fn count(n: u64) -> String {
    group(&n.to_string())
}

/// A confidence or a probability with three digits.
pub fn confidence(c: f32) -> String {
    if c.is_finite() { format!("{c:.3}") } else { NOTHING.into() }
}

/// Confidences with three digits, or with as many (up to eight) as it takes to tell different ones apart and
/// to tell them from 0 and 1.
pub fn confidences<const N: usize>(values: [f32; N]) -> [String; N] {
    let format =
        |places: usize| values.map(|c| if c.is_finite() { format!("{c:.places$}") } else { NOTHING.into() });
    let told_apart = |texts: &[String; N]| {
        let marks = values.iter().copied().chain([0.0, 1.0]);
        let shown = texts.iter().cloned().chain(["0".into(), "1".into()]);
        let all: Vec<(f32, f32)> =
            marks.zip(shown).map(|(v, text)| (v, text.parse().unwrap_or(f32::NAN))).collect();
        all.iter().all(|a| all.iter().all(|b| a.0 == b.0 || a.1 != b.1))
    };
    (3..=8).map(format).find(told_apart).unwrap_or_else(|| format(8))
}

/// A duration in the unit that suits it: "0.8 s", "12.4 s", "3 min 07 s", "2 h 05 min".
pub fn duration(seconds: f64) -> String {
    if !seconds.is_finite() || seconds < 0.0 {
        return NOTHING.into();
    }
    if seconds < 59.95 {
        return format!("{seconds:.1}{THIN}s");
    }
    let whole = seconds.round() as u64;
    if whole < 3600 {
        return format!("{}{THIN}min {:02}{THIN}s", whole / 60, whole % 60);
    }
    let minutes = (whole + 30) / 60;
    format!("{}{THIN}h {:02}{THIN}min", count(minutes / 60), minutes % 60)
}

fn group(digits: &str) -> String {
    if digits.len() < 5 {
        return digits.to_owned();
    }
    let mut out = String::with_capacity(digits.len() * 2);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(THIN);
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_rounded_as_people_do() {
        assert_eq!(percent(0.7126), "71.3\u{202F}%");
        assert_eq!(percent(f64::NAN), "–");
        assert_eq!(decimals(0.1 + 0.2, 2), "0.30");
        assert_eq!(decimals(-0.001, 2), "0.00");
        assert_eq!(decimals(-1.5, 1), "−1.5");
        assert_eq!(decimals(12800.0, 0), "12\u{202F}800");
        assert_eq!(decimals(1234.5, 1), "1234.5");
        assert_eq!(trimmed(1.0 - f64::from(0.1f32), 3), "0.9");
        assert_eq!(trimmed(100.0, 3), "100");
        assert_eq!(count(4_652_008), "4\u{202F}652\u{202F}008");
        assert_eq!(confidence(0.9996), "1.000");
    }

    #[test]
    fn close_confidences_get_more_digits() {
        assert_eq!(confidences([0.08, 0.3, 0.98]), ["0.080", "0.300", "0.980"]);
        assert_eq!(confidences([0.08, 0.3, 0.9997]), ["0.0800", "0.3000", "0.9997"]);
        assert_eq!(confidences([0.5, 0.50002]), ["0.50000", "0.50002"]);
        assert_eq!(confidences([0.0, 1.0]), ["0.000", "1.000"]);
        assert_eq!(confidences([1.0 - f32::EPSILON / 2.0, 1.0 - f32::EPSILON]), ["0.99999994", "0.99999988"]);
        assert_eq!(confidences([f32::NAN, 0.5]), ["–", "0.500"]);
    }

    #[test]
    fn durations_have_a_fitting_unit() {
        let given = [0.84, 59.97, 187.0, 7530.0, f64::NAN].map(duration);
        let plain = given.map(|text| text.replace(THIN, " "));
        assert_eq!(plain, ["0.8 s", "1 min 00 s", "3 min 07 s", "2 h 06 min", "–"]);
    }
}
