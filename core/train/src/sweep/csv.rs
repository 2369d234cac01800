//! `summary.csv`, `pairs.csv` and `reach.csv`: what the runs show, for other programs.

use crate::sweep::analysis::{Analysis, Cell};
use ferkd_report::stats::{Difference, Sample, binomial_error};

/// A text as a field of a CSV file.
pub(super) fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

/// A number, or an empty field.
fn field(value: Option<f64>) -> String {
    value.map_or(String::new(), |v| v.to_string())
}

fn line(out: &mut String, fields: &[String]) {
    *out += &fields.join(",");
    out.push('\n');
}

fn mean(sample: Option<Sample>) -> String {
    field(sample.map(|s| s.mean))
}

/// The ends of a 95 % interval.
fn ends(sample: Option<Sample>) -> [String; 2] {
    let interval = sample.and_then(|s| s.interval());
    [field(interval.map(|i| i[0])), field(interval.map(|i| i[1]))]
}

/// One row per arm and budget.
pub fn summary(analysis: &Analysis) -> String {
    let mut out = String::from(
        "arm,epochs,n,accuracy_mean,accuracy_sd,accuracy_low,accuracy_high,binomial_error,best_accuracy_mean,\
         train_loss_mean,share_discarded,share_context,share_important,share_trivial,fallbacks_mean,\
         baseline,pairs,difference,difference_sd,difference_low,difference_high,p,p_holm,verdict,time_s_mean\n",
    );
    for cell in &analysis.cells {
        let accuracy = cell.accuracy;
        let error = accuracy.and_then(|a| binomial_error(a.mean, analysis.validation_images));
        let [low, high] = ends(accuracy);
        let share = |i: usize| field(cell.shares.map(|shares| shares[i]));
        let against = cell.against.as_ref();
        let difference = against.map(|a| a.difference.sample);
        let [difference_low, difference_high] = ends(difference);
        line(
            &mut out,
            &[
                quoted(&cell.name),
                cell.epochs.to_string(),
                accuracy.map_or(0, |a| a.n).to_string(),
                mean(accuracy),
                field(accuracy.and_then(|a| a.sd)),
                low,
                high,
                field(error),
                mean(cell.best),
                mean(cell.train_loss),
                share(0),
                share(1),
                share(2),
                share(3),
                cell.fallbacks.to_string(),
                against.map_or(String::new(), |a| quoted(&a.baseline)),
                difference.map_or(0, |d| d.n).to_string(),
                mean(difference),
                field(difference.and_then(|d| d.sd)),
                difference_low,
                difference_high,
                field(against.and_then(|a| a.difference.p)),
                field(against.and_then(|a| a.p_holm)),
                against.map_or("", |a| a.difference.verdict.words()).into(),
                mean(cell.time_s),
            ],
        );
    }
    out
}

/// The difference of two cells over the seeds that both have.
pub fn difference(a: &Cell, b: &Cell) -> Option<Difference> {
    let pair = |(seed, &x): (&u64, &f64)| b.accuracies.get(seed).map(|&y| (x, y));
    Difference::paired(&a.accuracies.iter().filter_map(pair).collect::<Vec<_>>())
}

/// One row per pair of arms with the same budget; p-values are not corrected.
pub fn pairs(analysis: &Analysis) -> String {
    let mut out = String::from(
        "arm,other,epochs,pairs,difference,difference_sd,difference_low,difference_high,p,verdict\n",
    );
    for (i, a) in analysis.cells.iter().enumerate() {
        for b in analysis.cells[i + 1..].iter().filter(|b| b.epochs == a.epochs) {
            let Some(found) = difference(a, b) else { continue };
            let [low, high] = ends(Some(found.sample));
            line(
                &mut out,
                &[
                    quoted(&a.name),
                    quoted(&b.name),
                    a.epochs.to_string(),
                    found.sample.n.to_string(),
                    found.sample.mean.to_string(),
                    field(found.sample.sd),
                    low,
                    high,
                    field(found.p),
                    found.verdict.words().into(),
                ],
            );
        }
    }
    out
}

/// One row per curve and accuracy to be reached; an empty epoch where it is never reached. Then the same of each seed's
/// curve against that seed's accuracy: how many seeds there are and reach it, and, where all do, their mean and its 95 %
/// interval.
pub fn reach(analysis: &Analysis) -> String {
    let mut out = String::from(
        "arm,epochs,goal,goal_epochs,goal_accuracy,reached_at_epoch,seeds,seeds_reached,mean_epoch,low,high\n",
    );
    for reach in &analysis.reaches {
        let (cell, goal) = (&analysis.cells[reach.cell], &analysis.cells[reach.goal]);
        let [low, high] = ends(reach.by_seed);
        line(
            &mut out,
            &[
                quoted(&cell.name),
                cell.epochs.to_string(),
                quoted(&goal.name),
                goal.epochs.to_string(),
                reach.accuracy.to_string(),
                field(reach.epoch),
                reach.seeds.to_string(),
                reach.reached.to_string(),
                field(reach.by_seed.map(|sample| sample.mean)),
                low,
                high,
            ],
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::TrainSummary;
    use crate::sweep::config::{SweepConfig, SweepPlan};
    use crate::sweep::finished::Finished;
    use crate::sweep::markdown::markdown;
    use crate::sweep::table::results;
    use ferkd_data::events::Event;
    use ferkd_method::mining::KindCounts;

    const FILE: &str = r#"
        epochs = [4]
        seeds = [3, 1, 2]
        baseline = "fkd"
        train = { images = "x", regions = 8, batch = 16 }
        [[arm]]
        name = "fkd"
        supervision = "fkd"
        [[arm]]
        name = 'ferkd, "new"'
        supervision = "ferkd"
    "#;

    fn plan() -> SweepPlan {
        SweepConfig::from_layers(&[("test".into(), FILE.parse().unwrap())]).unwrap().plan(None).unwrap()
    }

    fn run(plan: &SweepPlan, arm: usize, seed: u64, accuracy: f64) -> Finished {
        let config = plan.arms[arm].run(4, seed).resolved();
        let evaluation =
            |epoch, top1| Event::Evaluation { step: 0, epoch, top1, top5: 1.0, loss: 1.0, best: true };
        let summary = TrainSummary {
            supervision: config.supervision,
            steps: 8,
            epochs: 4.0,
            train_loss: 1.5,
            accuracy: Some(accuracy),
            top5: Some(1.0),
            best_accuracy: Some(accuracy),
            thresholds: None,
            kinds: KindCounts::default(),
            fallbacks: 0,
            warnings: Vec::new(),
            skipped_images: 0,
            skipped_val_images: 0,
            parameters: 10,
            time_s: 2.0,
        };
        let events = vec![evaluation(2.0, accuracy / 2.0), evaluation(4.0, accuracy)];
        Finished { cell: arm, arm, config, summary, events }
    }

    /// Two arms on three seeds, in whatever order they ended.
    fn analysis(plan: &SweepPlan) -> (Vec<Finished>, Analysis) {
        let accuracies = [[0.3, 0.5, 0.4], [0.62, 0.8, 0.72]];
        let mut runs = Vec::new();
        for seed in [2, 3, 1] {
            for (arm, row) in accuracies.iter().enumerate().rev() {
                runs.push(run(plan, arm, seed, row[seed as usize - 1]));
            }
        }
        let analysis = Analysis::of(plan, &runs, 100);
        (runs, analysis)
    }

    fn columns(line: &str) -> usize {
        line.split('"').step_by(2).map(|part| part.matches(',').count()).sum::<usize>() + 1
    }

    #[test]
    fn every_row_has_every_column_and_names_are_quoted() {
        let plan = plan();
        let (runs, analysis) = analysis(&plan);
        for (text, rows) in [
            (results(&plan, &runs, 100), 6),
            (summary(&analysis), 2),
            (pairs(&analysis), 1),
            (reach(&analysis), 2),
        ] {
            let lines: Vec<&str> = text.lines().collect();
            assert_eq!(lines.len(), rows + 1, "{text}");
            assert!(lines.iter().all(|line| columns(line) == columns(lines[0])), "{text}");
            assert!(text.contains("\"ferkd, \"\"new\"\"\"") && !text.contains("NaN"), "{text}");
        }
    }

    #[test]
    fn rows_stand_in_the_order_of_arms_and_seeds() {
        let plan = plan();
        let (runs, _) = analysis(&plan);
        let text = results(&plan, &runs, 100);
        let starts: Vec<String> = text.lines().skip(1).map(|line| line.chars().take(7).collect()).collect();
        assert_eq!(starts[..3], ["fkd,4,1", "fkd,4,2", "fkd,4,3"]);
        assert!(text.lines().nth(1).unwrap().contains(",0.3,0.3,1,100,1.5,"), "{text}");
    }

    #[test]
    fn the_summary_is_what_one_computes_by_hand() {
        let (_, analysis) = analysis(&plan());
        let [fkd, ferkd] = &analysis.cells[..] else { panic!() };
        assert!((fkd.accuracy.unwrap().mean - 0.4).abs() < 1e-12);
        assert!((fkd.accuracy.unwrap().sd.unwrap() - 0.1).abs() < 1e-12);
        assert_eq!(fkd.against, None);
        // Differences 0.32, 0.30, 0.32: sd 0.011547, t of two degrees of freedom 4.302653.
        let found = ferkd.against.as_ref().unwrap();
        assert!((found.difference.sample.mean - 0.94 / 3.0).abs() < 1e-12);
        let half = 4.302653 * 0.011547005 / 3f64.sqrt();
        assert!((found.difference.sample.half_width.unwrap() - half).abs() < 1e-6);
        assert_eq!(found.difference.verdict.words(), "higher");
        // One comparison needs no correction.
        assert_eq!(found.p_holm, found.difference.p);
        // At epoch 2 ferkd's mean is 0.357, below fkd's 0.4; at epoch 4 above.
        assert_eq!((analysis.reach(1, 0), analysis.reach(0, 1)), (Some(4.0), None));
        assert!(markdown(&analysis).contains("+31.3 [28.5, 34.2]"), "{}", markdown(&analysis));
    }
}
