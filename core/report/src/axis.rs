//! Axes of charts: ranges, ticks, and labels that keep out of each other's way.

use super::number::{decimals, percent, trimmed};

/// How the values of an axis or a column are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// As they are, with as many digits as they need.
    #[default]
    Plain,
    /// Shares in 0..=1, as percentages.
    Percent,
}

impl Format {
    /// One value, not on an axis.
    pub(super) fn value(self, v: f64) -> String {
        match self {
            Self::Percent => percent(v),
            Self::Plain if v != 0.0 && (v.abs() < 1e-3 || v.abs() >= 1e9) => scientific(v, 2),
            Self::Plain if v.fract() == 0.0 => decimals(v, 0),
            Self::Plain => decimals(v, if v.abs() < 10.0 { 3 } else { 1 }),
        }
    }
}

/// Values further out are treated like those that are not finite: no chart can show them.
pub(super) const LIMIT: f64 = 1e100;

/// One axis: its range and its ticks.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Axis {
    low: f64,
    high: f64,
    log: bool,
    /// Where the ticks are, and what they say.
    pub ticks: Vec<(f64, String)>,
}

impl Axis {
    /// A linear axis over `low..=high` with about `target` ticks; a `snug` one ends at the values, another at
    /// the ticks around them.
    pub fn linear(low: f64, high: f64, target: usize, format: Format, snug: bool) -> Self {
        let (low, high) = widened(low, high);
        let step = nice_step((high - low) / target.max(1) as f64);
        let slack = 1e-6;
        let (first, last) = if snug {
            ((low / step - slack).ceil(), (high / step + slack).floor())
        } else {
            ((low / step + slack).floor(), (high / step - slack).ceil())
        };
        let ticks = (0..=(last - first) as usize)
            .map(|i| (first + i as f64) * step)
            .map(|v| (v, tick_label(v, step, low.abs().max(high.abs()), format)))
            .collect();
        let (low, high) = if snug { (low, high) } else { (first * step, last * step) };
        Self { low, high, log: false, ticks }
    }

    /// A logarithmic axis over `low..=high`, both above 0, with about `target` ticks.
    pub fn log(low: f64, high: f64, target: usize, format: Format) -> Self {
        let (low, high) = if high / low < 1.0 + 1e-9 { (low / 2.0, high * 2.0) } else { (low, high) };
        let decades = high.log10() - low.log10();
        if decades < 0.4 {
            // Too narrow for powers of ten: the ticks of a linear axis, at their logarithmic places.
            let Self { ticks, .. } = Self::linear(low, high, target, format, true);
            return Self { low, high, log: true, ticks };
        }
        let mantissas: &[f64] = match decades {
            d if d < 2.2 => &[1.0, 2.0, 5.0],
            d if d < 4.0 => &[1.0, 3.0],
            _ => &[1.0],
        };
        let every = ((decades / target.max(1) as f64).ceil() as i32).max(1);
        let (first, last) = (low.log10().floor() as i32 - 1, high.log10().ceil() as i32 + 1);
        let all: Vec<f64> = (first..=last)
            .filter(|e| decades < 4.0 || e.rem_euclid(every) == 0)
            .flat_map(|e| mantissas.iter().map(move |m| m * 10f64.powi(e)))
            .collect();
        // The range ends at the ticks around the values, where that does not cost much of the picture.
        let below = all.iter().copied().filter(|&v| v <= low * (1.0 + 1e-9)).fold(low, |_, v| v);
        let above = all.iter().copied().find(|&v| v >= high * (1.0 - 1e-9)).unwrap_or(high);
        let room = 10f64.powf((decades * 0.12).min(0.35) + 0.02);
        let low = if low / below < room { below } else { low };
        let high = if above / high < room { above } else { high };
        let label = |v: f64| match format {
            Format::Percent => format!("{}\u{202F}%", log_label(v * 100.0)),
            Format::Plain => log_label(v),
        };
        let inside = |v: &f64| (low * (1.0 - 1e-9)..=high * (1.0 + 1e-9)).contains(v);
        let ticks = all.into_iter().filter(inside).map(|v| (v, label(v))).collect();
        Self { low, high, log: true, ticks }
    }

    /// Where a value lies on the axis: 0 at its beginning, 1 at its end.
    pub fn at(&self, value: f64) -> f64 {
        if self.log {
            (value.ln() - self.low.ln()) / (self.high.ln() - self.low.ln())
        } else {
            (value - self.low) / (self.high - self.low)
        }
    }
}

/// A range wide enough to be divided.
fn widened(low: f64, high: f64) -> (f64, f64) {
    let size = low.abs().max(high.abs());
    match high - low > (size * 1e-9).max(1.0 / LIMIT) {
        true => (low, high),
        false if size < 1.0 / LIMIT => (0.0, 1.0),
        false => (low - size * 0.1, high + size * 0.1),
    }
}

/// The smallest of 1, 2, 5 times a power of ten that is at least `raw`.
fn nice_step(raw: f64) -> f64 {
    let power = 10f64.powi(raw.log10().floor() as i32);
    let mantissa = [1.0, 2.0, 5.0].into_iter().find(|m| m * power >= raw * (1.0 - 1e-9)).unwrap_or(10.0);
    mantissa * power
}

fn tick_label(v: f64, step: f64, largest: f64, format: Format) -> String {
    let scale = if format == Format::Percent { 100.0 } else { 1.0 };
    let (v, step, largest) = (v * scale, step * scale, largest * scale);
    let text = if v == 0.0 || v.abs() < step / 2.0 {
        "0".into()
    } else if step < 1e-4 || largest >= 1e7 {
        scientific(v, (v.abs() / step).log10().ceil().clamp(0.0, 6.0) as usize)
    } else {
        decimals(v, (-(step.log10() + 1e-9).floor()).max(0.0) as usize)
    };
    if format == Format::Percent { format!("{text}\u{202F}%") } else { text }
}

fn log_label(v: f64) -> String {
    if (0.9e-3..1e6).contains(&v) { trimmed(v, 6) } else { scientific(v, 1) }
}

/// A number as "5e-5", with at most `places` decimals.
fn scientific(v: f64, places: usize) -> String {
    let text = format!("{v:.places$e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let mantissa =
        if mantissa.contains('.') { mantissa.trim_end_matches('0').trim_end_matches('.') } else { mantissa };
    format!("{mantissa}e{exponent}").replace('-', "−")
}

/// Centres for labels of the given `sizes` that overlap nowhere, in the order of the `wanted` centres and as
/// near to them as possible (least squares), inside of `low..=high` where all of them fit.
pub(super) fn spread(wanted: &[f64], sizes: &[f64], gap: f64, low: f64, high: f64) -> Vec<f64> {
    let mut order: Vec<usize> = (0..wanted.len().min(sizes.len())).collect();
    order.sort_by(|&a, &b| wanted[a].total_cmp(&wanted[b]));
    // With the distances that must be kept subtracted, all that is asked for is that centres do not descend.
    let mut offsets = Vec::with_capacity(order.len());
    for (i, &item) in order.iter().enumerate() {
        let step = |before: usize| (sizes[before] + sizes[item]) / 2.0 + gap;
        offsets.push(if i == 0 { 0.0 } else { offsets[i - 1] + step(order[i - 1]) });
    }
    let mut blocks: Vec<(f64, usize)> = Vec::new();
    for (&item, offset) in order.iter().zip(&offsets) {
        let mut block = (wanted[item] - offset, 1);
        while let Some(&(mean, n)) = blocks.last()
            && mean >= block.0
        {
            blocks.pop();
            block = ((mean * n as f64 + block.0 * block.1 as f64) / (n + block.1) as f64, n + block.1);
        }
        blocks.push(block);
    }
    let (Some(&first), Some(&last), Some(&end)) = (order.first(), order.last(), offsets.last()) else {
        return Vec::new();
    };
    let least = low + sizes[first] / 2.0;
    let most = (high - sizes[last] / 2.0 - end).max(least);
    let placed = blocks.iter().flat_map(|&(mean, n)| std::iter::repeat_n(mean, n));
    let mut centres = vec![0.0; order.len()];
    for ((&item, offset), mean) in order.iter().zip(&offsets).zip(placed) {
        centres[item] = mean.max(least).min(most) + offset;
    }
    centres
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn labels(axis: &Axis) -> Vec<String> {
        axis.ticks.iter().map(|(_, label)| label.replace('\u{202F}', " ")).collect()
    }

    proptest! {
        #[test]
        fn ticks_ascend_are_few_and_lie_on_the_axis(a in -1e9f64..1e9, b in -12i32..12, snug: bool) {
            for high in [a + 10f64.powi(b), a] {
                let axis = Axis::linear(a, high, 5, Format::Plain, snug);
                prop_assert!((1..=9).contains(&axis.ticks.len()), "{:?}", axis);
                prop_assert!(axis.ticks.windows(2).all(|t| t[0].0 < t[1].0));
                prop_assert!(axis.ticks.iter().all(|t| (-1e-6..=1.0 + 1e-6).contains(&axis.at(t.0))), "{:?}", axis);
                prop_assert!(axis.at(a) >= -1e-6 && axis.at(high) <= 1.0 + 1e-6);
            }
        }

        #[test]
        fn logarithmic_ticks_too(a in -99.0f64..90.0, decades in 0.0f64..9.0) {
            let (low, high) = (10f64.powf(a), 10f64.powf(a + decades));
            let axis = Axis::log(low, high, 5, Format::Plain);
            prop_assert!((1..=12).contains(&axis.ticks.len()), "{:?}", axis);
            prop_assert!(axis.at(low) >= -1e-6 && axis.at(high) <= 1.0 + 1e-6);
            prop_assert!(axis.ticks.iter().all(|t| (-1e-6..=1.0 + 1e-6).contains(&axis.at(t.0))));
        }

        #[test]
        fn labels_never_overlap(wanted in proptest::collection::vec(0.0f64..100.0, 0..9), size in 1.0f64..11.0) {
            let sizes: Vec<f64> = (0..wanted.len()).map(|i| size + i as f64 % 2.0).collect();
            let centres = spread(&wanted, &sizes, 0.5, 0.0, 100.0);
            let mut order: Vec<usize> = (0..wanted.len()).collect();
            order.sort_by(|&a, &b| centres[a].total_cmp(&centres[b]));
            for pair in order.windows(2) {
                let free = centres[pair[1]] - centres[pair[0]] - (sizes[pair[0]] + sizes[pair[1]]) / 2.0;
                prop_assert!(free >= 0.5 - 1e-9, "{:?}", centres);
                prop_assert!(wanted[pair[0]] <= wanted[pair[1]]);
            }
            for (&centre, size) in centres.iter().zip(&sizes) {
                prop_assert!(centre - size / 2.0 >= -1e-9);
            }
            if sizes.iter().sum::<f64>() + 0.5 * sizes.len() as f64 <= 100.0 {
                prop_assert!(centres.iter().zip(&sizes).all(|(c, s)| c + s / 2.0 <= 100.0 + 1e-9));
            }
        }
    }

    #[test]
    fn labels_with_room_stay_where_they_are() {
        assert_eq!(spread(&[50.0, 10.0], &[8.0, 8.0], 1.0, 0.0, 100.0), [50.0, 10.0]);
        assert_eq!(spread(&[50.0, 50.0], &[8.0, 8.0], 2.0, 0.0, 100.0), [45.0, 55.0]);
    }

    #[test]
    fn ticks_are_the_ones_a_person_would_choose() {
        let linear = |low, high, format| labels(&Axis::linear(low, high, 5, format, false));
        assert_eq!(linear(0.0, 300.0, Format::Plain), ["0", "100", "200", "300"]);
        assert_eq!(linear(0.43, 0.718, Format::Percent), ["40 %", "50 %", "60 %", "70 %", "80 %"]);
        assert_eq!(linear(0.7, 0.712, Format::Percent)[..2], ["70.0 %", "70.5 %"]);
        assert_eq!(linear(-0.3, 0.31, Format::Plain), ["−0.4", "−0.2", "0", "0.2", "0.4"]);
        assert_eq!(linear(0.0, 3e-5, Format::Plain)[..2], ["0", "1e−5"]);
        assert_eq!(linear(0.0, 50_000.0, Format::Plain)[1], "10 000");
        let log = |low, high| labels(&Axis::log(low, high, 5, Format::Plain));
        assert_eq!(log(0.02, 4.1), ["0.03", "0.1", "0.3", "1", "3"]);
        assert_eq!(log(1e-9, 10.0), ["1e−8", "1e−6", "1e−4", "0.01", "1"]);
    }

    #[test]
    fn one_value_still_makes_an_axis() {
        for v in [0.0, 5.0, -1e-12, 1e99] {
            let axis = Axis::linear(v, v, 5, Format::Plain, false);
            assert!(axis.at(v).is_finite() && !axis.ticks.is_empty(), "{axis:?}");
        }
        assert!(Axis::log(3.0, 3.0, 5, Format::Plain).at(3.0).is_finite());
    }
}
