//! What the runs of a sweep show: means and intervals, differences paired by seed, epochs to reach.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::run_report::{accuracy_curve, loss_curve};
use crate::sweep::config::SweepPlan;
use crate::sweep::finished::Finished;
use ferkd_report::stats::{Difference, Sample, holm};

/// One arm with one budget.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Cell {
    /// Index of the arm.
    pub arm: usize,
    /// Its name.
    pub name: String,
    /// Budget in epochs.
    pub epochs: usize,
    /// Accuracy at the end by seed, in 0..=1.
    pub accuracies: BTreeMap<u64, f64>,
    /// Accuracy at the end; none where nothing was evaluated.
    pub accuracy: Option<Sample>,
    /// Best accuracy of a run.
    pub best: Option<Sample>,
    /// Training loss at the end, in nats.
    pub train_loss: Option<Sample>,
    /// Mean share of each kind among the regions trained on; none where regions are not mined.
    pub shares: Option<[f64; 4]>,
    /// Mean number of images without survivors per run.
    pub fallbacks: f64,
    /// Seconds of a run.
    pub time_s: Option<Sample>,
    /// Accuracy by epoch, averaged over the seeds.
    #[serde(skip)]
    pub curve: Vec<(f64, f64)>,
    /// Accuracy by epoch of each seed.
    #[serde(skip)]
    pub curves: BTreeMap<u64, Vec<(f64, f64)>>,
    /// Training loss by epoch, averaged over the seeds.
    #[serde(skip)]
    pub loss: Vec<(f64, f64)>,
    /// The arm that it is held against; none for a baseline itself.
    pub against: Option<Against>,
}

/// A difference to a baseline arm with the same budget.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Against {
    /// Name of the baseline.
    pub baseline: String,
    /// Accuracy less the baseline's, over the seeds that both have.
    pub difference: Difference,
    /// The difference's p-value, corrected for all comparisons of the sweep (Holm).
    pub p_holm: Option<f64>,
}

/// When one arm's curve reaches another's accuracy at its end.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Reach {
    /// Index of the cell whose curve it is.
    pub cell: usize,
    /// Index of the cell whose final accuracy is to be reached.
    pub goal: usize,
    /// That accuracy, averaged over seeds.
    pub accuracy: f64,
    /// The mean curve's first evaluation at or above it, in epochs; none where it never reaches it.
    pub epoch: Option<f64>,
    /// Seeds that both have: each one's curve against the same seed's accuracy.
    pub seeds: usize,
    /// How many of these reach it.
    pub reached: usize,
    /// Their epochs; none where not every seed reaches it, since those that do say nothing of the others.
    pub by_seed: Option<Sample>,
}

/// All that a sweep's tables say.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Analysis {
    /// Arms and budgets, in the order of the file.
    pub cells: Vec<Cell>,
    /// For each pair of different cells.
    #[serde(skip)]
    pub reaches: Vec<Reach>,
    /// Held-out images.
    pub validation_images: u64,
}

impl Analysis {
    /// Looks at all finished runs.
    pub fn of(plan: &SweepPlan, finished: &[Finished], validation_images: u64) -> Self {
        let mut cells: Vec<Cell> = Vec::with_capacity(plan.arms.len() * plan.epochs.len());
        for (a, arm) in plan.arms.iter().enumerate() {
            for (e, &epochs) in plan.epochs.iter().enumerate() {
                let index = a * plan.epochs.len() + e;
                let runs: Vec<&Finished> = finished.iter().filter(|run| run.cell == index).collect();
                cells.push(cell(a, &arm.name, epochs, &runs));
            }
        }
        compare(plan, &mut cells);
        let reaches = reaches(&cells);
        Self { cells, reaches, validation_images }
    }

    /// Number of comparisons with a baseline.
    pub fn comparisons(&self) -> usize {
        self.cells.iter().filter(|cell| cell.against.is_some()).count()
    }

    /// When the curve of cell `cell` is at the final accuracy of cell `goal`; a cell reaches its own at its end.
    pub fn reach(&self, cell: usize, goal: usize) -> Option<f64> {
        if cell == goal {
            let own = &self.cells[cell];
            let accuracy = own.accuracy?.mean;
            return first_at(&own.curve, accuracy);
        }
        self.pair(cell, goal)?.epoch
    }

    /// How the curve of cell `cell` reaches the final accuracy of another cell, `goal`.
    pub fn pair(&self, cell: usize, goal: usize) -> Option<&Reach> {
        self.reaches.iter().find(|r| r.cell == cell && r.goal == goal)
    }

    /// Index of the cell of an arm, by its name, and a budget.
    pub fn position(&self, name: &str, epochs: usize) -> Option<usize> {
        self.cells.iter().position(|cell| cell.name == name && cell.epochs == epochs)
    }

    /// The cell of an arm and a budget.
    pub fn cell(&self, arm: usize, epochs: usize) -> Option<&Cell> {
        self.cells.iter().find(|cell| cell.arm == arm && cell.epochs == epochs)
    }
}

fn cell(arm: usize, name: &str, epochs: usize, runs: &[&Finished]) -> Cell {
    // Sums are taken in the order of seeds, whatever order the runs ended in.
    let mut runs: Vec<&Finished> = runs.to_vec();
    runs.sort_by_key(|run| run.config.seed);
    let some = |pick: &dyn Fn(&Finished) -> Option<f64>| {
        Sample::of(&runs.iter().filter_map(|run| pick(run)).collect::<Vec<f64>>())
    };
    let mined = runs.iter().any(|run| run.summary.thresholds.is_some());
    let n = runs.len().max(1) as f64;
    let curves: BTreeMap<u64, _> =
        runs.iter().map(|run| (run.config.seed, accuracy_curve(&run.events))).collect();
    let share = |kind: usize| runs.iter().map(|run| run.summary.kinds.shares()[kind]).sum::<f64>() / n;
    Cell {
        arm,
        name: name.to_owned(),
        epochs,
        accuracies: runs.iter().filter_map(|r| Some((r.config.seed, r.summary.accuracy?))).collect(),
        accuracy: some(&|run| run.summary.accuracy),
        best: some(&|run| run.summary.best_accuracy),
        train_loss: some(&|run| Some(run.summary.train_loss)),
        shares: mined.then(|| [share(0), share(1), share(2), share(3)]),
        fallbacks: runs.iter().map(|run| run.summary.fallbacks as f64).sum::<f64>() / n,
        time_s: some(&|run| Some(run.summary.time_s)),
        curve: mean_curve(curves.values().cloned()),
        curves,
        loss: mean_curve(runs.iter().map(|run| loss_curve(&run.events))),
        against: None,
    }
}

/// The mean of curves that were taken at the same points; points that some lack are left out.
fn mean_curve(curves: impl Iterator<Item = Vec<(f64, f64)>>) -> Vec<(f64, f64)> {
    let mut sums: Vec<(f64, f64, usize)> = Vec::new();
    let mut count = 0;
    for curve in curves {
        count += 1;
        for (i, (x, y)) in curve.into_iter().enumerate() {
            match sums.get_mut(i) {
                Some(sum) => *sum = (x, sum.1 + y, sum.2 + 1),
                None => sums.push((x, y, 1)),
            }
        }
    }
    sums.into_iter().filter(|sum| sum.2 == count).map(|(x, sum, n)| (x, sum / n as f64)).collect()
}

/// Holds each arm against its baseline with the same budget, by pairs of the same seed.
fn compare(plan: &SweepPlan, cells: &mut [Cell]) {
    let budgets = plan.epochs.len();
    for i in 0..cells.len() {
        let (arm, e) = (cells[i].arm, i % budgets);
        let baseline = plan.arms[arm].baseline;
        if baseline == arm {
            continue;
        }
        let other = &cells[baseline * budgets + e];
        let pairs: Vec<(f64, f64)> = cells[i]
            .accuracies
            .iter()
            .filter_map(|(seed, &a)| other.accuracies.get(seed).map(|&b| (a, b)))
            .collect();
        let name = other.name.clone();
        cells[i].against =
            Difference::paired(&pairs).map(|difference| Against { baseline: name, difference, p_holm: None });
    }
    let p: Vec<(usize, f64)> =
        (0..cells.len()).filter_map(|i| Some((i, cells[i].against.as_ref()?.difference.p?))).collect();
    let corrected = holm(&p.iter().map(|&(_, p)| p).collect::<Vec<_>>());
    for ((i, _), value) in p.into_iter().zip(corrected) {
        if let Some(against) = &mut cells[i].against {
            against.p_holm = Some(value);
        }
    }
}

/// Every curve against every other cell's accuracy at its end.
fn reaches(cells: &[Cell]) -> Vec<Reach> {
    let mut found = Vec::new();
    for (i, cell) in cells.iter().enumerate() {
        for (g, goal) in cells.iter().enumerate() {
            let Some(accuracy) = goal.accuracy.map(|sample| sample.mean) else { continue };
            if i == g || cell.curve.is_empty() {
                continue;
            }
            let of_seeds: Vec<Option<f64>> = cell
                .curves
                .iter()
                .filter_map(|(seed, curve)| Some(first_at(curve, *goal.accuracies.get(seed)?)))
                .collect();
            let reached: Vec<f64> = of_seeds.iter().flatten().copied().collect();
            found.push(Reach {
                cell: i,
                goal: g,
                accuracy,
                epoch: first_at(&cell.curve, accuracy),
                seeds: of_seeds.len(),
                reached: reached.len(),
                by_seed: Sample::of(&reached).filter(|_| reached.len() == of_seeds.len()),
            });
        }
    }
    found
}

/// Where a curve is first at or above an accuracy.
fn first_at(curve: &[(f64, f64)], accuracy: f64) -> Option<f64> {
    // Means of the same runs, summed in another order, may differ in the last bit.
    curve.iter().find(|&&(_, y)| y >= accuracy - 1e-12).map(|&(x, _)| x)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell_of(arm: usize, curve: &[(f64, f64)]) -> Cell {
        let runs: [&Finished; 0] = [];
        let last = curve.last().map(|p| p.1).unwrap();
        Cell {
            curve: curve.to_vec(),
            accuracy: Sample::of(&[last]),
            ..cell(arm, &format!("arm {arm}"), 4, &runs)
        }
    }

    #[test]
    fn the_first_evaluation_at_the_goal_counts() {
        let slow = cell_of(0, &[(1.0, 0.2), (2.0, 0.4), (4.0, 0.6)]);
        let fast = cell_of(1, &[(1.0, 0.3), (2.0, 0.6), (4.0, 0.8)]);
        let found = reaches(&[slow, fast]);
        let epoch = |cell, goal| found.iter().find(|r| r.cell == cell && r.goal == goal).unwrap().epoch;
        assert_eq!(epoch(1, 0), Some(2.0));
        assert_eq!(epoch(0, 1), None);
    }

    #[test]
    fn each_seed_is_held_against_its_own() {
        let cell = |arm, runs: [&[(f64, f64)]; 2]| {
            let curves: BTreeMap<u64, Vec<(f64, f64)>> = (0..).zip(runs.map(<[_]>::to_vec)).collect();
            let last = |curve: &Vec<(f64, f64)>| curve.last().unwrap().1;
            let accuracies = curves.iter().map(|(seed, curve)| (*seed, last(curve))).collect();
            Cell { curves, accuracies, ..cell_of(arm, runs[0]) }
        };
        let slow = cell(0, [&[(2.0, 0.2), (4.0, 0.5)], &[(2.0, 0.3), (4.0, 0.7)]]);
        let fast = cell(1, [&[(2.0, 0.6), (4.0, 0.8)], &[(2.0, 0.6), (4.0, 0.9)]]);
        let found = reaches(&[slow, fast]);
        let of = |cell, goal| found.iter().find(|r| r.cell == cell && r.goal == goal).unwrap();
        let both = of(1, 0);
        assert_eq!((both.seeds, both.reached, both.by_seed.unwrap().mean), (2, 2, 3.0));
        assert_eq!((of(0, 1).reached, of(0, 1).by_seed), (0, None));
    }

    #[test]
    fn a_mean_curve_leaves_points_out_that_a_run_lacks() {
        let curves = [vec![(1.0, 0.2), (2.0, 0.4)], vec![(1.0, 0.4)]];
        let mean = mean_curve(curves.into_iter());
        assert_eq!(mean.len(), 1);
        assert!((mean[0].1 - 0.3).abs() < 1e-12);
    }
}
