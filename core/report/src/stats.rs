//! Small samples: means, spreads, and differences paired by seed with Student's t.
//!
//! Two arms with the same seed begin with the same weights and see the same images in the same order, so that
//! their difference varies less than either: it is tested by pairs.

use serde::Serialize;
use statrs::distribution::{ContinuousCDF, StudentsT};

/// Share of intervals that hold the truth.
const CONFIDENCE: f64 = 0.95;

/// The two-sided 95 % quantile of the normal distribution.
const NORMAL: f64 = 1.959_963_984_540_054;

/// Mean and spread of a sample.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Sample {
    /// Number of values.
    pub n: usize,
    /// Mean.
    pub mean: f64,
    /// Standard deviation, with n - 1; none for a single value.
    pub sd: Option<f64>,
    /// Half of the 95 % interval of the mean; none for a single value.
    pub half_width: Option<f64>,
}

impl Sample {
    /// The sample of some values; none of no value.
    pub fn of(values: &[f64]) -> Option<Self> {
        let n = values.len();
        if n == 0 {
            return None;
        }
        let mean = values.iter().sum::<f64>() / n as f64;
        let squares: f64 = values.iter().map(|v| (v - mean) * (v - mean)).sum();
        let sd = (n > 1).then(|| (squares / (n - 1) as f64).sqrt());
        let half_width = sd.and_then(|sd| Some(quantile(n - 1)? * sd / (n as f64).sqrt()));
        Some(Self { n, mean, sd, half_width })
    }

    /// The 95 % interval of the mean; none for a single value.
    pub fn interval(&self) -> Option<[f64; 2]> {
        self.half_width.map(|half| [self.mean - half, self.mean + half])
    }
}

/// What a sample of differences shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The interval lies above 0.
    Higher,
    /// The interval lies below 0.
    Lower,
    /// The interval holds 0, or there is none.
    NoDifferenceShown,
}

impl Verdict {
    fn of(sample: &Sample) -> Self {
        match sample.interval() {
            Some([low, _]) if low > 0.0 => Self::Higher,
            Some([_, high]) if high < 0.0 => Self::Lower,
            _ => Self::NoDifferenceShown,
        }
    }

    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Higher => "higher",
            Self::Lower => "lower",
            Self::NoDifferenceShown => "no difference shown",
        }
    }
}

/// The difference of two arms, pair by pair.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Difference {
    /// The differences.
    pub sample: Sample,
    /// Probability of a mean difference as far from 0 where there is none (two-sided t-test); none without a spread.
    pub p: Option<f64>,
    /// What it shows.
    pub verdict: Verdict,
}

impl Difference {
    /// `a - b` over pairs; none without a pair.
    ///
    /// Pairs that all differ by exactly the same have no interval: few accuracies on few images do so by
    /// chance, and a spread of 0 would make a certainty of it.
    pub fn paired(pairs: &[(f64, f64)]) -> Option<Self> {
        let differences: Vec<f64> = pairs.iter().map(|(a, b)| a - b).collect();
        let mut sample = Sample::of(&differences)?;
        let spread = sample.sd.filter(|&sd| sd > 0.0);
        if spread.is_none() {
            sample.half_width = None;
        }
        let verdict = Verdict::of(&sample);
        let p = spread.and_then(|sd| {
            let t = sample.mean.abs() / (sd / (sample.n as f64).sqrt());
            Some((2.0 * student(sample.n - 1)?.sf(t)).min(1.0))
        });
        Some(Self { sample, p, verdict })
    }

    /// `a - b` of two shares of `n` images each, with the interval over other images: as if each share had images of its
    /// own. For shares of the same images it is the wider one, for these go up and down together (ours).
    pub fn of_shares(a: f64, b: f64, n: u64) -> Self {
        let error = binomial_error(a, n).zip(binomial_error(b, n)).map(|(a, b)| a.hypot(b));
        let half_width = error.filter(|&error| error > 0.0).map(|error| NORMAL * error);
        let sample = Sample { n: 1, mean: a - b, sd: None, half_width };
        Self { sample, p: None, verdict: Verdict::of(&sample) }
    }
}

/// Half of the 95 % interval of a share of `n` images over other images; none of no image.
pub fn share_half_width(share: f64, n: u64) -> Option<f64> {
    binomial_error(share, n).map(|error| NORMAL * error)
}

/// Standard error of a share of `n` images, by the binomial distribution; none of no image.
pub fn binomial_error(share: f64, n: u64) -> Option<f64> {
    (n > 0).then(|| (share * (1.0 - share)).max(0.0).sqrt() / (n as f64).sqrt())
}

/// Holm's correction: p-values that hold for all of them together, in the order given.
pub fn holm(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&a, &b| p[a].total_cmp(&p[b]));
    let mut out = vec![0.0; p.len()];
    let mut least = 0.0f64;
    for (rank, &i) in order.iter().enumerate() {
        least = least.max(p[i] * (p.len() - rank) as f64).min(1.0);
        out[i] = least;
    }
    out
}

/// The two-sided 95 % quantile of Student's t; none without a degree of freedom.
fn quantile(freedom: usize) -> Option<f64> {
    Some(student(freedom)?.inverse_cdf(0.5 + CONFIDENCE / 2.0))
}

fn student(freedom: usize) -> Option<StudentsT> {
    StudentsT::new(0.0, 1.0, freedom as f64).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quantile_is_that_of_printed_tables() {
        let table = [(1, 12.706), (2, 4.303), (3, 3.182), (5, 2.571), (9, 2.262), (19, 2.093), (99, 1.984)];
        for (freedom, expected) in table {
            let found = quantile(freedom).unwrap();
            assert!((found - expected).abs() < 6e-4, "{freedom}: {found}");
        }
        assert_eq!(quantile(0), None);
    }

    #[test]
    fn a_sample_has_the_mean_and_spread_of_the_textbook() {
        // Variance 32 / 7.
        let sample = Sample::of(&[2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]).unwrap();
        assert_eq!((sample.n, sample.mean), (8, 5.0));
        assert!((sample.sd.unwrap() - (32.0f64 / 7.0).sqrt()).abs() < 1e-12);
        // 2.3646 x 2.13809 / sqrt 8.
        assert!((sample.half_width.unwrap() - 1.78748).abs() < 1e-4, "{sample:?}");
    }

    #[test]
    fn one_value_has_no_interval_and_shows_nothing() {
        let one = Difference::paired(&[(0.9, 0.1)]).unwrap();
        assert_eq!((one.sample.sd, one.sample.half_width, one.p), (None, None, None));
        assert_eq!((one.sample.mean, one.verdict), (0.8, Verdict::NoDifferenceShown));
        assert_eq!(Sample::of(&[]), None);
        assert_eq!(Difference::paired(&[]), None);
    }

    #[test]
    fn pairs_show_what_means_would_hide() {
        // The seeds differ by much more than the arms.
        let pairs = [(0.31, 0.30), (0.51, 0.50), (0.712, 0.70), (0.909, 0.90)];
        let found = Difference::paired(&pairs).unwrap();
        assert_eq!(found.verdict, Verdict::Higher);
        // Differences 0.01, 0.01, 0.012, 0.009: mean 0.01025, sd 0.001258306.
        let t = found.sample.mean / (found.sample.sd.unwrap() / 2.0);
        assert!((t - 16.29175).abs() < 1e-3, "{t}");
        assert!(found.p.unwrap() < 0.001);
        let swapped: Vec<(f64, f64)> = pairs.iter().map(|&(a, b)| (b, a)).collect();
        assert_eq!(Difference::paired(&swapped).unwrap().verdict, Verdict::Lower);
        let unclear = Difference::paired(&[(0.4, 0.3), (0.3, 0.4), (0.5, 0.45)]).unwrap();
        assert_eq!(unclear.verdict, Verdict::NoDifferenceShown);
    }

    #[test]
    fn pairs_that_differ_by_the_same_show_nothing() {
        for pairs in [[(0.5, 0.5), (0.25, 0.25)], [(0.75, 0.5), (0.5, 0.25)]] {
            let found = Difference::paired(&pairs).unwrap();
            assert_eq!((found.sample.sd, found.sample.half_width, found.p), (Some(0.0), None, None));
            assert_eq!(found.verdict, Verdict::NoDifferenceShown);
        }
    }

    #[test]
    fn the_binomial_error_is_known() {
        assert!((binomial_error(0.5, 100).unwrap() - 0.05).abs() < 1e-12);
        assert_eq!(binomial_error(1.0, 10), Some(0.0));
        assert_eq!(binomial_error(0.5, 0), None);
    }

    /// 0.5 and 0.6 of 100 images: standard errors 0.05 and 0.049, together 0.07.
    #[test]
    fn shares_of_images_have_intervals_over_images() {
        assert!((share_half_width(0.5, 100).unwrap() - 0.098).abs() < 1e-4);
        let few = Difference::of_shares(0.6, 0.5, 100);
        assert!((few.sample.half_width.unwrap() - 0.13718).abs() < 1e-4, "{few:?}");
        assert_eq!((few.verdict, few.p), (Verdict::NoDifferenceShown, None));
        assert_eq!(Difference::of_shares(0.6, 0.5, 1000).verdict, Verdict::Higher);
        assert_eq!(Difference::of_shares(0.5, 0.6, 1000).verdict, Verdict::Lower);
        // Certainty of a few images is no certainty.
        assert_eq!(Difference::of_shares(1.0, 0.0, 3).verdict, Verdict::NoDifferenceShown);
    }

    #[test]
    fn holm_multiplies_step_by_step() {
        // 4 x 0.005, 3 x 0.01, 2 x 0.03, and 1 x 0.04 raised to what stands before it.
        let found = holm(&[0.01, 0.04, 0.03, 0.005]);
        for (found, expected) in found.iter().zip([0.03, 0.06, 0.06, 0.02]) {
            assert!((found - expected).abs() < 1e-12, "{found}");
        }
    }
}
