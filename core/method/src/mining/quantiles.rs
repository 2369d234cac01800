//! Exact order statistics of any number of confidences, in constant memory and two passes.

use crate::error::{Error, ErrorKind, Result};

/// What a pass over all confidences counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CountPass {
    /// The upper half of their bits.
    Upper,
    /// The lower half of their bits, within three buckets of the upper one.
    Lower([u32; 3]),
}

/// What a pass has counted. Whole numbers: the order of counting and of [merging](Self::merge) changes nothing.
pub struct Counts {
    pass: CountPass,
    /// By half of the bits: one row of [`HALF`] for the upper half, one of each bucket for the lower one.
    rows: Vec<u64>,
    /// A confidence that is none.
    non_finite: Option<f32>,
}

/// Values that 16 bits can take.
const HALF: usize = 1 << 16;

impl Counts {
    /// Nothing counted yet.
    pub fn new(pass: CountPass) -> Self {
        let rows = if pass == CountPass::Upper { 1 } else { 3 };
        Self { pass, rows: vec![0; rows * HALF], non_finite: None }
    }

    /// Counts one confidence.
    #[inline]
    pub fn add(&mut self, c: f32) {
        self.add_times(c, 1);
    }

    /// Counts one confidence that occurs `times` times.
    #[inline]
    pub fn add_times(&mut self, c: f32, times: u64) {
        // Adding 0 turns -0 into +0, whose bits sort below those of all positive numbers.
        let bits = (c + 0.0).to_bits();
        match self.pass {
            CountPass::Upper if c >= 0.0 => self.rows[(bits >> 16) as usize] += times,
            CountPass::Upper => self.non_finite = Some(c),
            CountPass::Lower(buckets) => {
                for (row, bucket) in buckets.into_iter().enumerate() {
                    if bits >> 16 == bucket {
                        self.rows[row * HALF + (bits & 0xFFFF) as usize] += times;
                    }
                }
            }
        }
    }

    /// Adds what another thread counted in the same pass.
    pub fn merge(mut self, other: Self) -> Self {
        self.rows.iter_mut().zip(other.rows).for_each(|(a, b)| *a += b);
        self.non_finite = self.non_finite.or(other.non_finite);
        self
    }
}

/// The number of the order statistic that is quantile `q` of `count` values: `ceil(q * count)`, at least 1.
pub fn quantile_rank(q: f32, count: u64) -> u64 {
    // q has about seven digits: 0.07f32 * 100 must be the 7th value, not the 8th.
    let exact = (f64::from(q) * 1e7).round() / 1e7 * count as f64;
    let rank = if (exact - exact.round()).abs() < 1e-6 { exact.round() } else { exact.ceil() };
    (rank as u64).clamp(1, count.max(1))
}

/// A confidence that is an order statistic.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct OrderStatistic {
    pub(super) value: f32,
    /// Confidences below it, and up to it.
    pub(super) below: u64,
    pub(super) up_to: u64,
}

/// The order statistics at three quantiles, and the number of all confidences: one pass counts the upper half of the
/// bits, a second the lower half within the three buckets that hold the answers.
pub(super) fn order_statistics(
    count: impl Fn(CountPass) -> Result<Counts>,
    quantiles: [f32; 3],
) -> Result<([OrderStatistic; 3], u64)> {
    let upper = count(CountPass::Upper)?;
    if let Some(c) = upper.non_finite {
        return Err(Error::new(ErrorKind::Numeric, "confidence", format!("{c} among the stored labels"))
            .remedy("run `ferkd verify` on the store"));
    }
    let total: u64 = upper.rows.iter().sum();
    if total == 0 {
        return Err(Error::mismatch("mining quantiles", "the store holds no region"));
    }
    let located = quantiles.map(|q| locate(&upper.rows, quantile_rank(q, total)));
    let lower = count(CountPass::Lower(located.map(|(bucket, _)| bucket)))?;
    let mut found = [OrderStatistic::default(); 3];
    for ((found, (bucket, rank)), row) in found.iter_mut().zip(located).zip(lower.rows.chunks(HALF)) {
        let low = locate(row, rank).0;
        let before: u64 = upper.rows[..bucket as usize].iter().sum();
        let below = before + row[..low as usize].iter().sum::<u64>();
        let value = f32::from_bits(bucket << 16 | low);
        *found = OrderStatistic { value, below, up_to: below + row[low as usize] };
    }
    Ok((found, total))
}

/// The place at which `rank` values have been counted, and how many of them it takes there.
fn locate(counts: &[u64], mut rank: u64) -> (u32, u64) {
    for (at, &count) in counts.iter().enumerate() {
        if rank <= count {
            return (at as u32, rank);
        }
        rank -= count;
    }
    (0, rank)
}
