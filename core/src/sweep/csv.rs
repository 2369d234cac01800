//! `summary.csv`, `pairs.csv` and `reach.csv`: what the runs show, for other programs.

use crate::stats::{Difference, Sample, binomial_error};
use crate::sweep::analysis::{Analysis, Cell};
use crate::sweep::table::quoted;

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

/// One row per curve and accuracy to be reached; an empty epoch where it is never reached.
pub fn reach(analysis: &Analysis) -> String {
    let mut out = String::from("arm,epochs,goal,goal_epochs,goal_accuracy,reached_at_epoch\n");
    for reach in &analysis.reaches {
        let (cell, goal) = (&analysis.cells[reach.cell], &analysis.cells[reach.goal]);
        line(
            &mut out,
            &[
                quoted(&cell.name),
                cell.epochs.to_string(),
                quoted(&goal.name),
                goal.epochs.to_string(),
                reach.accuracy.to_string(),
                field(reach.epoch),
            ],
        );
    }
    out
}
