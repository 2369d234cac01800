//! The tables as Markdown, to be pasted into documents.

use crate::sweep::analysis::{Analysis, Cell};
use ferkd_report::number::decimals;
use ferkd_report::stats::{Sample, binomial_error};

/// Most arms whose epochs to reach each other are shown as a square.
const SQUARE: usize = 10;

fn points(share: f64) -> String {
    decimals(100.0 * share, 1)
}

/// A mean and its standard deviation, in percent.
fn mean_sd(sample: &Sample) -> String {
    match sample.sd {
        Some(sd) => format!("{} ± {}", points(sample.mean), points(sd)),
        None => points(sample.mean),
    }
}

/// A difference in percentage points with its 95 % interval.
pub fn with_interval(sample: &Sample) -> String {
    let sign = if sample.mean > 0.0 { "+" } else { "" };
    match sample.interval() {
        Some([low, high]) => format!("{sign}{} [{}, {}]", points(sample.mean), points(low), points(high)),
        None => format!("{sign}{} (no interval)", points(sample.mean)),
    }
}

/// All tables.
pub fn markdown(analysis: &Analysis) -> String {
    let mut budgets: Vec<usize> = analysis.cells.iter().map(|cell| cell.epochs).collect();
    budgets.sort_unstable();
    budgets.dedup();
    let mut out = String::new();
    for &epochs in &budgets {
        out += &accuracy(analysis, epochs);
    }
    out += &caveats(analysis);
    out += &kinds(analysis, &budgets);
    for &epochs in &budgets {
        out += &reach(analysis, epochs);
        out += &reach_by_seed(analysis, epochs);
    }
    if budgets.len() > 1 {
        out += &across(analysis, &budgets);
    }
    out
}

fn of(analysis: &Analysis, epochs: usize) -> Vec<(usize, &Cell)> {
    analysis.cells.iter().enumerate().filter(|(_, cell)| cell.epochs == epochs).collect()
}

fn accuracy(analysis: &Analysis, epochs: usize) -> String {
    let mut out = format!(
        "### {epochs} epochs\n\n| arm | seeds | accuracy, % | against | difference, points [95 % interval] | p (Holm) | verdict |\n|---|---:|---:|---|---:|---:|---|\n"
    );
    for (_, cell) in of(analysis, epochs) {
        let n = cell.accuracy.map_or(0, |a| a.n);
        let accuracy = cell.accuracy.map_or("–".into(), |a| mean_sd(&a));
        out += &match &cell.against {
            Some(against) => {
                let p = match against.p_holm {
                    Some(p) if p < 0.001 => "< 0.001".into(),
                    Some(p) => decimals(p, 3),
                    None => "–".into(),
                };
                format!(
                    "| {} | {n} | {accuracy} | {} | {} | {p} | {} |\n",
                    cell.name,
                    against.baseline,
                    with_interval(&against.difference.sample),
                    against.difference.verdict.words()
                )
            }
            None => format!("| {} | {n} | {accuracy} | – | – | – | – |\n", cell.name),
        };
    }
    out.push('\n');
    out
}

/// What a reader must know to believe the numbers.
pub(super) fn caveats(analysis: &Analysis) -> String {
    let mut out = String::from(
        "± is the standard deviation over seeds. Differences are paired by seed; intervals are Student's t.",
    );
    let n = analysis.validation_images;
    let typical = analysis.cells.iter().find_map(|cell| Some(cell.accuracy?.mean));
    if let Some(error) = typical.and_then(|mean| binomial_error(mean, n)) {
        out += &format!(
            " Accuracy is measured on {n} held-out images, the same for all runs: the binomial standard error of one \
             run's accuracy is {} points, so that another set of as many images could shift all arms together by twice that. \
             Intervals are about other seeds on these images, not about other images.",
            points(error)
        );
    }
    let count = analysis.comparisons();
    if count > 1 {
        out += &format!(
            " Of {count} comparisons, about {} would show a difference by chance where there is none; p (Holm) is \
             corrected for that.",
            decimals(0.05 * count as f64, 1)
        );
    }
    out + "\n\n"
}

/// Shares of the kinds and how often an image had no survivor.
fn kinds(analysis: &Analysis, budgets: &[usize]) -> String {
    let Some(&epochs) = budgets.last() else { return String::new() };
    let rows: Vec<String> = of(analysis, epochs)
        .into_iter()
        .filter_map(|(_, cell)| {
            let shares = cell.shares?.map(points);
            let loss = cell.train_loss.map_or("–".into(), |s| decimals(s.mean, 3));
            Some(format!(
                "| {} | {} | {} | {loss} |\n",
                cell.name,
                shares.join(" | "),
                decimals(cell.fallbacks, 0)
            ))
        })
        .collect();
    if rows.is_empty() {
        return String::new();
    }
    format!(
        "### What mined arms were trained on ({epochs} epochs)\n\n| arm | discarded, % | context, % | important, % | trivial, % | images without survivors, times | training loss, nats |\n|---|---:|---:|---:|---:|---:|---:|\n{}\n",
        rows.concat()
    )
}

fn when(epoch: Option<f64>) -> String {
    epoch.map_or("–".into(), |epoch| decimals(epoch, 0))
}

/// Epochs after which each arm's mean curve is at another arm's final accuracy, with the same budget.
fn reach(analysis: &Analysis, epochs: usize) -> String {
    let cells = of(analysis, epochs);
    if cells.iter().all(|(_, cell)| cell.curve.is_empty()) {
        return String::new();
    }
    // Many arms make no readable square: each is then held against its baseline alone.
    let goals: Vec<usize> = if cells.len() <= SQUARE {
        cells.iter().map(|&(i, _)| i).collect()
    } else {
        let is_baseline = |name: &str| {
            analysis.cells.iter().any(|c| c.against.as_ref().is_some_and(|a| a.baseline == name))
        };
        cells.iter().filter(|(_, cell)| is_baseline(&cell.name)).map(|&(i, _)| i).collect()
    };
    let names: Vec<&str> = goals.iter().map(|&g| analysis.cells[g].name.as_str()).collect();
    let mut out = format!(
        "### Epochs to reach another arm's final accuracy ({epochs} epochs)\n\nRow: whose curve (mean of seeds). Column: whose accuracy at the end. –: not reached.\n\n| | {} |\n|---|{}\n",
        names.join(" | "),
        "---:|".repeat(names.len())
    );
    for &(i, cell) in &cells {
        let fields: Vec<String> = goals.iter().map(|&g| analysis.reach(i, g)).map(when).collect();
        out += &format!("| {} | {} |\n", cell.name, fields.join(" | "));
    }
    out.push('\n');
    out
}

/// Epochs after which each seed's curve of an arm is at the same seed's final accuracy of its baseline, and the other
/// way round, with the same budget.
fn reach_by_seed(analysis: &Analysis, epochs: usize) -> String {
    let mut rows = String::new();
    for (arm, cell) in of(analysis, epochs) {
        let Some(against) = &cell.against else { continue };
        let Some(baseline) = analysis.position(&against.baseline, epochs) else { continue };
        let [there, back] =
            [(arm, baseline), (baseline, arm)].map(|(of, goal)| match analysis.pair(of, goal) {
                Some(reach) => match reach.by_seed {
                    Some(sample) => epochs_with_interval(&sample),
                    None => format!("{} of {} seeds reach it", reach.reached, reach.seeds),
                },
                None => "–".into(),
            });
        rows += &format!("| {} | {} | {there} | {back} |\n", cell.name, against.baseline);
    }
    if rows.is_empty() {
        return rows;
    }
    format!(
        "### Epochs to the same seed's final accuracy ({epochs} epochs)\n\nMean over the seeds [95 % interval], where all of them reach it.\n\n| arm | baseline | the arm's curve to the baseline's accuracy | the baseline's curve to the arm's |\n|---|---|---:|---:|\n{rows}\n"
    )
}

fn epochs_with_interval(sample: &Sample) -> String {
    let epochs = |value: f64| decimals(value, 0);
    match sample.interval() {
        Some([low, high]) => format!("{} [{}, {}]", epochs(sample.mean), epochs(low), epochs(high)),
        None => epochs(sample.mean),
    }
}

/// With which of its budgets, and when, an arm reaches its baseline's accuracy with every budget.
fn across(analysis: &Analysis, budgets: &[usize]) -> String {
    let heads: Vec<String> = budgets.iter().map(|b| format!("after {b}")).collect();
    let mut out = format!(
        "### Epochs to reach the baseline's final accuracy, across budgets\n\n| arm | budget | baseline | {} |\n|---|---:|---|{}\n",
        heads.join(" | "),
        "---:|".repeat(budgets.len())
    );
    for (i, cell) in analysis.cells.iter().enumerate() {
        let Some(against) = &cell.against else { continue };
        let goal = |epochs: usize| analysis.position(&against.baseline, epochs);
        let fields: Vec<String> =
            budgets.iter().map(|&b| when(goal(b).and_then(|g| analysis.reach(i, g)))).collect();
        out +=
            &format!("| {} | {} | {} | {} |\n", cell.name, cell.epochs, against.baseline, fields.join(" | "));
    }
    out.push('\n');
    out
}
