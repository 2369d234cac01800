//! A sweep that is looked at: the accuracy of each arm, with the spread over its seeds.

use std::collections::BTreeMap;

use ferkd_method::{Error, Result};
use ferkd_report::stats::Sample;
use ferkd_train::folder_name::folder_name;

use crate::monitor::{Monitor, Status};

/// Name of a sweep's table, one row a run.
pub const RESULTS: &str = "results.csv";

/// Rows of a table that are read: more is a mistake.
const MOST: usize = 1_000_000;

/// A sweep: its arms, each with its budgets.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SweepView {
    /// What it is called.
    pub name: String,
    /// Its arms and budgets, in the order of its table.
    pub cells: Vec<SweepCell>,
    /// Runs whose folders are there and that are not done yet.
    pub unfinished: usize,
}

/// An arm of a sweep under one budget.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SweepCell {
    /// The arm's name.
    pub arm: String,
    /// Its budget, in epochs.
    pub epochs: u64,
    /// Accuracy at the end, by seed: the share of validation images whose top-1 prediction is right, in 0..=1.
    pub accuracies: BTreeMap<u64, f64>,
    /// The same on the way, by seed: epochs done, and accuracy.
    pub curves: BTreeMap<u64, Vec<(f64, f64)>>,
}

impl SweepCell {
    /// Mean and 95 % interval of the accuracy at the end.
    pub fn accuracy(&self) -> Option<Sample> {
        Sample::of(&self.accuracies.values().copied().collect::<Vec<_>>())
    }

    /// Mean and 95 % interval of the accuracy on the way, at the epochs that all its runs were evaluated at: over other
    /// seeds at every epoch, a mean would move with them.
    pub fn curve(&self) -> Vec<(f64, Sample)> {
        let mut by_epoch: BTreeMap<u64, Vec<f64>> = BTreeMap::new();
        for &(epoch, accuracy) in self.curves.values().flatten() {
            by_epoch.entry((epoch * 1e3).round() as u64).or_default().push(accuracy);
        }
        let of_all = by_epoch.into_iter().filter(|(_, values)| values.len() == self.curves.len());
        of_all.filter_map(|(epoch, values)| Some((epoch as f64 / 1e3, Sample::of(&values)?))).collect()
    }
}

impl SweepView {
    /// A sweep of which nothing has been read.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// Takes up the table of its finished runs: the text of `results.csv`, called `file` in messages.
    ///
    /// # Errors
    /// A text that is no such table; the line is named.
    pub fn take_results(&mut self, file: &str, text: &str) -> Result<()> {
        let bad = |line: usize, problem: String| {
            Error::damaged(file, format!("line {line}: {problem}"))
                .remedy("have `ferkd sweep` write it again")
        };
        let mut rows = rows(text).enumerate();
        let header = rows.next().map(|(_, row)| row).unwrap_or_default();
        let column = |name: &str| {
            header
                .iter()
                .position(|found| found == name)
                .ok_or_else(|| bad(1, format!("there is no column `{name}`")))
        };
        let columns = [column("arm")?, column("epochs")?, column("seed")?, column("accuracy")?];
        for (line, row) in rows.take(MOST) {
            let [arm, epochs, seed, accuracy] =
                columns.map(|column| row.get(column).map(String::as_str).unwrap_or_default());
            let whole = |what: &str, text: &str| {
                text.parse::<u64>()
                    .map_err(|_| bad(line + 1, format!("invalid {what} `{text}`, expected a whole number")))
            };
            let (epochs, seed) = (whole("epochs", epochs)?, whole("seed", seed)?);
            let cell = self.cell(arm, epochs);
            // A run without validation images has none.
            if !accuracy.is_empty() {
                let share = accuracy.parse::<f64>().ok().filter(|share| (0.0..=1.0).contains(share));
                let share = share.ok_or_else(|| {
                    bad(line + 1, format!("invalid accuracy `{accuracy}`, expected 0 to 1"))
                })?;
                cell.accuracies.insert(seed, share);
            }
        }
        Ok(())
    }

    /// Takes up what the log of one of its runs says: the run of `seed` in the folder `runs/ARM/EPOCHS-SEED`.
    pub fn take_run(&mut self, arm: &str, epochs: u64, seed: u64, run: &Monitor) {
        if run.status != Status::Done {
            self.unfinished += 1;
            return;
        }
        let cell = self.cell(arm, epochs);
        let curve: Vec<(f64, f64)> = run.accuracy.iter().map(|point| (point.epoch, point.value)).collect();
        if let Some(&(_, last)) = curve.last() {
            cell.accuracies.entry(seed).or_insert(last);
            cell.curves.insert(seed, curve);
        }
    }

    /// The cell of an arm, which may be named as its folder is.
    fn cell(&mut self, arm: &str, epochs: u64) -> &mut SweepCell {
        let is_it =
            |cell: &SweepCell| cell.epochs == epochs && (cell.arm == arm || folder_name(&cell.arm) == arm);
        let found = self.cells.iter().position(is_it);
        let at = found.unwrap_or(self.cells.len());
        if found.is_none() {
            self.cells.push(SweepCell { arm: arm.into(), epochs, ..SweepCell::default() });
        }
        &mut self.cells[at]
    }

    /// Its budgets, in epochs, ascending.
    pub fn budgets(&self) -> Vec<u64> {
        let mut budgets: Vec<u64> = self.cells.iter().map(|cell| cell.epochs).collect();
        budgets.sort_unstable();
        budgets.dedup();
        budgets
    }
}

/// Rows of a CSV text, with quotes as RFC 4180 has them; empty lines are none.
fn rows(text: &str) -> impl Iterator<Item = Vec<String>> {
    let mut chars = text.chars().peekable();
    std::iter::from_fn(move || {
        let (mut row, mut field, mut is_quoted) = (Vec::new(), String::new(), false);
        chars.peek()?;
        while let Some(c) = chars.next() {
            match (c, is_quoted) {
                ('"', true) if chars.peek() == Some(&'"') => {
                    chars.next();
                    field.push('"');
                }
                ('"', _) => is_quoted = !is_quoted,
                (',', false) => row.push(std::mem::take(&mut field)),
                ('\r', false) => {}
                ('\n', false) => break,
                (c, _) => field.push(c),
            }
        }
        row.push(field);
        Some(row)
    })
    .filter(|row| row.len() > 1 || row.iter().any(|field| !field.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monitor::Point;

    const TABLE: &str = "arm,epochs,seed,accuracy,note\n\
        fkd,4,1,0.3,\n\
        fkd,4,2,0.5,\n\
        fkd,4,3,0.4,\n\
        \"ferkd, \"\"new\"\"\",4,1,0.62,\"two\nlines\"\n\
        \"ferkd, \"\"new\"\"\",8,1,,\n";

    fn sweep() -> SweepView {
        let mut sweep = SweepView::new("sweep");
        sweep.take_results("sweep/results.csv", TABLE).unwrap();
        sweep
    }

    fn run(accuracies: &[f64], status: Status) -> Monitor {
        let point = |(i, &value): (usize, &f64)| Point { epoch: 2.0 * (i + 1) as f64, value };
        Monitor { status, accuracy: accuracies.iter().enumerate().map(point).collect(), ..Monitor::default() }
    }

    #[test]
    fn a_table_becomes_arms_with_intervals() {
        let sweep = sweep();
        let cells: Vec<(&str, u64)> =
            sweep.cells.iter().map(|cell| (cell.arm.as_str(), cell.epochs)).collect();
        assert_eq!(cells, [("fkd", 4), ("ferkd, \"new\"", 4), ("ferkd, \"new\"", 8)]);
        assert_eq!(sweep.budgets(), [4, 8]);
        // Mean 0.4, standard deviation 0.1, t of two degrees of freedom 4.302653.
        let accuracy = sweep.cells[0].accuracy().unwrap();
        assert!((accuracy.mean - 0.4).abs() < 1e-12);
        assert!((accuracy.half_width.unwrap() - 4.302653 * 0.1 / 3f64.sqrt()).abs() < 1e-6);
        assert_eq!(sweep.cells[1].accuracy().unwrap().interval(), None);
        assert_eq!(sweep.cells[2].accuracy(), None);
    }

    #[test]
    fn runs_join_the_arm_of_their_folder_at_the_epochs_that_all_have() {
        let mut sweep = sweep();
        sweep.take_run("fkd", 4, 1, &run(&[0.2, 0.3], Status::Done));
        sweep.take_run("fkd", 4, 2, &run(&[0.4], Status::Done));
        sweep.take_run("fkd", 4, 3, &run(&[0.9], Status::Running));
        sweep.take_run("ferkd-new", 4, 1, &run(&[0.5, 0.62], Status::Done));
        assert_eq!((sweep.cells.len(), sweep.unfinished), (3, 1));
        let curve = sweep.cells[0].curve();
        let [(epoch, sample)] = curve[..] else { panic!("{curve:?}") };
        assert_eq!((epoch, sample.n), (2.0, 2));
        assert!((sample.mean - 0.3).abs() < 1e-12);
        // What the table says of the end stays.
        assert_eq!(sweep.cells[0].accuracies[&2], 0.5);
        assert_eq!(sweep.cells[1].curve().len(), 2);
    }

    #[test]
    fn a_table_that_is_none_is_named_with_its_line() {
        for (text, said) in [
            ("", "line 1: there is no column `arm`"),
            ("arm,epochs,seed,accuracy\nfkd,4,x,0.5\n", "line 2: invalid seed `x`, expected a whole number"),
            (
                "arm,epochs,seed,accuracy\nfkd,4,1,0.5\nfkd,4,1,7\n",
                "line 3: invalid accuracy `7`, expected 0 to 1",
            ),
        ] {
            let error = SweepView::new("s").take_results("s/results.csv", text).unwrap_err().to_string();
            assert!(error.contains(said) && error.contains("s/results.csv"), "{error}");
        }
    }

    #[test]
    fn the_tables_of_the_results_are_read() {
        let text = include_str!("../../docs/results/sweep-demo/results.csv");
        let mut sweep = SweepView::new("demo");
        sweep.take_results("results.csv", text).unwrap();
        assert_eq!(
            sweep.cells.iter().map(|cell| cell.accuracies.len()).sum::<usize>(),
            text.lines().count() - 1
        );
    }
}
