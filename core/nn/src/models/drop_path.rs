//! Drop-path (stochastic depth; Huang et al. 2016): a picture leaves out a branch of a block, at random.

use burn::tensor::{Device, Tensor, TensorData};

use ferkd_method::rng::{Purpose, Stream};

/// What is left out in one step. A pure function of (seed, step, block, half, row): a resumed run leaves out the
/// same, and so does one that computes its batch in other parts.
#[derive(Debug, Clone)]
pub struct DropPath {
    /// Probability at the last block; it grows linearly from 0 at the first, as in timm.
    pub rate: f64,
    /// Seed of the run.
    pub seed: u64,
    /// Number of the step.
    pub step: u64,
    /// Rows of the whole batch that are computed now.
    pub rows: std::ops::Range<usize>,
    /// Blocks of the network.
    pub depth: usize,
}

impl DropPath {
    /// Probability that a picture leaves a branch of block `block` out.
    fn rate_of(&self, block: usize) -> f64 {
        self.rate * block as f64 / (self.depth.max(2) - 1) as f64
    }

    /// The factor of each row: 0 where the branch is left out, else 1 over the share that stays.
    fn factors(&self, block: usize, half: usize) -> Vec<f32> {
        let rate = self.rate_of(block);
        let mut draw = Stream::new(self.seed, Purpose::DropPath, self.step, (2 * block + half) as u32);
        let all = (0..self.rows.end).map(|_| if draw.unit() < rate { 0.0 } else { 1.0 / (1.0 - rate) });
        all.skip(self.rows.start).map(|f| f as f32).collect()
    }

    /// A branch's output of shape (rows, tokens, width), scaled row by row; `half` is 0 for attention, 1 for the
    /// linear layers.
    pub(super) fn apply(&self, branch: Tensor<3>, block: usize, half: usize) -> Tensor<3> {
        if self.rate_of(block) == 0.0 {
            return branch;
        }
        let device: Device = branch.device();
        let factors = TensorData::new(self.factors(block, half), [self.rows.len(), 1, 1]);
        branch * Tensor::<3>::from_data(factors, &device)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drop(rows: std::ops::Range<usize>) -> DropPath {
        DropPath { rate: 0.5, seed: 3, step: 7, rows, depth: 5 }
    }

    #[test]
    fn the_rate_grows_to_the_last_block_and_the_mean_stays() {
        assert_eq!([0, 2, 4].map(|b| drop(0..1).rate_of(b)), [0.0, 0.25, 0.5]);
        let factors = drop(0..4000).factors(4, 0);
        assert!(factors.iter().all(|&f| f == 0.0 || f == 2.0));
        let mean = factors.iter().sum::<f32>() / 4000.0;
        assert!((mean - 1.0).abs() < 0.06, "{mean}");
    }

    #[test]
    fn parts_of_a_batch_leave_out_what_the_whole_does() {
        let whole = drop(0..64).factors(3, 1);
        assert_eq!(whole[40..], drop(40..64).factors(3, 1));
        assert_ne!(whole, drop(0..64).factors(3, 0));
        assert_ne!(whole, DropPath { step: 8, ..drop(0..64) }.factors(3, 1));
    }
}
