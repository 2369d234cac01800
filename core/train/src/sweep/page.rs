//! `report.html` of a sweep, and its charts as files of their own.

use crate::sweep::analysis::{Analysis, Cell};
use crate::sweep::config::SweepPlan;
use crate::sweep::markdown::{caveats, with_interval};
use ferkd_method::error::{Error, Result};
use ferkd_report::stats::Sample;
use ferkd_report::{Cell as Field, Curve, Curves, Definitions, Intervals, Report, Section, Table, Text};

/// Most curves in one chart.
const CURVES: usize = 9;

/// The page.
///
/// # Errors
/// Settings that TOML cannot hold.
pub fn page(plan: &SweepPlan, analysis: &Analysis) -> Result<String> {
    let tables = tables(plan)?;
    let mut report = Report::new("Sweep")
        .subtitle(format!(
            "{} arms, budgets of {} epochs, {} seeds; {} held-out images",
            plan.arms.len(),
            plan.epochs.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
            plan.seeds.len(),
            analysis.validation_images
        ))
        .lead(caveats(analysis).trim());
    for &epochs in &plan.epochs {
        let mut section = Section::new(format!("After {epochs} epochs")).with(table(analysis, epochs));
        section = section.with(accuracies(analysis, epochs));
        if of(analysis, epochs).any(|cell| cell.against.is_some()) {
            section = section.with(differences(analysis, epochs));
        }
        report = report.section(section);
    }
    if let Some(chart) = budgets(plan, analysis) {
        report = report.section(Section::new("Accuracy by budget").with(chart));
    }
    if let Some(&epochs) = plan.epochs.last() {
        report = report.section(courses(plan, analysis, epochs));
    }
    let settings = Section::new("Settings").with(shared(plan, &tables)).with(own(plan, &tables));
    Ok(report.section(settings).render())
}

/// The chart to show elsewhere: each arm's difference to its baseline, with the largest budget.
pub fn differences_svg(plan: &SweepPlan, analysis: &Analysis) -> Option<String> {
    differences(analysis, *plan.epochs.last()?).svg()
}

/// The chart to show elsewhere: accuracy by budget where there are several, else the accuracies.
pub fn accuracy_svg(plan: &SweepPlan, analysis: &Analysis) -> Option<String> {
    match budgets(plan, analysis) {
        Some(chart) => chart.svg(),
        None => accuracies(analysis, *plan.epochs.last()?).svg(),
    }
}

fn of(analysis: &Analysis, epochs: usize) -> impl Iterator<Item = &Cell> {
    analysis.cells.iter().filter(move |cell| cell.epochs == epochs)
}

fn table(analysis: &Analysis, epochs: usize) -> Table {
    let mut table = Table::new(
        "Accuracy at the end",
        ["arm", "seeds", "accuracy", "against", "difference, points", "verdict", "time of a run"],
    )
    .note("plus-minus is the standard deviation over seeds; in brackets stand 95 % intervals");
    for cell in of(analysis, epochs) {
        let accuracy = match cell.accuracy {
            Some(sample) => {
                let field = Field::percent(sample.mean);
                sample.sd.map_or(field.clone(), |sd| field.plus_minus(sd))
            }
            None => Field::text("–"),
        };
        let [against, difference, verdict] = match &cell.against {
            Some(a) => {
                [a.baseline.clone(), with_interval(&a.difference.sample), a.difference.verdict.words().into()]
            }
            None => ["–".into(), "–".into(), "–".into()],
        };
        table = table.row([
            Field::text(cell.name.clone()),
            Field::number(cell.accuracy.map_or(0.0, |a| a.n as f64), 0),
            accuracy,
            Field::text(against),
            Field::text(difference),
            Field::text(verdict),
            cell.time_s.map_or(Field::text("–"), |time| Field::seconds(time.mean)),
        ]);
    }
    table
}

fn accuracies(analysis: &Analysis, epochs: usize) -> Intervals {
    let chart = Intervals::new("Accuracy", format!("accuracy after {epochs} epochs"))
        .note("means over seeds with 95 % intervals");
    of(analysis, epochs).fold(chart, |chart, cell| {
        let mean = cell.accuracy.map_or(f64::NAN, |a| a.mean);
        chart.row(cell.name.clone(), mean, cell.accuracy.and_then(|a| a.interval()))
    })
}

fn differences(analysis: &Analysis, epochs: usize) -> Intervals {
    let label = format!("difference in accuracy after {epochs} epochs, points");
    let chart = Intervals::new("Differences, paired by seed", label)
        .note("95 % intervals; hollow where the interval holds 0: no difference is shown")
        .against_zero();
    of(analysis, epochs).fold(chart, |chart, cell| match &cell.against {
        Some(against) => {
            let sample = against.difference.sample;
            let name = format!("{} − {}", cell.name, against.baseline);
            chart.row(name, sample.mean, sample.interval())
        }
        None => chart,
    })
}

/// Mean accuracy at the end by budget, a curve for each arm.
fn budgets(plan: &SweepPlan, analysis: &Analysis) -> Option<Curves> {
    if plan.epochs.len() < 2 {
        return None;
    }
    let chart = Curves::new("Accuracy at the end", "budget in epochs", "held-out accuracy, mean over seeds")
        .note("whiskers are 95 % intervals over seeds")
        .percent();
    Some(plan.arms.iter().enumerate().fold(chart, |chart, (a, arm)| {
        let cells = analysis.cells.iter().filter(|cell| cell.arm == a);
        let samples: Vec<(f64, Sample)> =
            cells.filter_map(|cell| Some((cell.epochs as f64, cell.accuracy?))).collect();
        let interval = |&(x, sample): &(f64, Sample)| sample.interval().map(|[low, high]| (x, low, high));
        chart.push(Curve {
            name: arm.name.clone(),
            points: samples.iter().map(|&(x, sample)| (x, sample.mean)).collect(),
            intervals: samples.iter().filter_map(interval).collect(),
            emphasis: false,
        })
    }))
}

/// How the arms come to their accuracies, few in a chart, each chart with its baseline.
fn courses(plan: &SweepPlan, analysis: &Analysis, epochs: usize) -> Section {
    let mut section = Section::new("During training")
        .note("Means over seeds. Losses of different supervisions cannot be compared: their labels differ.");
    let mut baselines: Vec<usize> = plan.arms.iter().map(|arm| arm.baseline).collect();
    baselines.sort_unstable();
    baselines.dedup();
    for baseline in baselines {
        let group: Vec<usize> = (0..plan.arms.len())
            .filter(|&arm| plan.arms[arm].baseline == baseline && arm != baseline)
            .collect();
        for part in group.chunks(CURVES) {
            let name = &plan.arms[baseline].name;
            let title = format!("Accuracy, {name} and those held against it");
            let mut accuracy = Curves::new(title, "epoch", "of the held-out images").percent();
            let mut loss = Curves::new("Training loss", "epoch", "nats");
            for &arm in std::iter::once(&baseline).chain(part) {
                let Some(cell) = analysis.cell(arm, epochs) else { continue };
                accuracy = match arm == baseline {
                    true => accuracy.emphasised(cell.name.clone(), cell.curve.clone()),
                    false => accuracy.curve(cell.name.clone(), cell.curve.clone()),
                };
                loss = loss.curve(cell.name.clone(), cell.loss.clone());
            }
            section = section.with(accuracy).with(loss);
        }
    }
    section
}

/// Settings that all arms have in common.
fn shared(plan: &SweepPlan, tables: &[toml::Table]) -> Definitions {
    let list = Definitions::new("All arms").item("teacher", plan.teacher.clone());
    let list = list.item("regions labelled of each image", plan.label.regions.to_string());
    let list = list.item("teacher's temperature", plan.label.temperature.to_string());
    let Some(first) = tables.first() else { return list };
    first
        .iter()
        .filter(|(key, value)| tables.iter().all(|t| t.get(*key) == Some(value)))
        .fold(list, |list, (key, value)| list.item(key.clone(), plain(value)))
}

/// Settings in which arms differ.
fn own(plan: &SweepPlan, tables: &[toml::Table]) -> Text {
    let Some(first) = tables.first() else { return Text::new() };
    let mut keys: Vec<&String> = tables.iter().flat_map(|table| table.keys()).collect();
    keys.sort_unstable();
    keys.dedup();
    keys.retain(|key| tables.iter().any(|table| table.get(*key) != first.get(*key)));
    let mut lines = String::new();
    for (arm, table) in plan.arms.iter().zip(tables) {
        let fields: Vec<String> =
            keys.iter().filter_map(|key| Some(format!("{key} = {}", plain(table.get(*key)?)))).collect();
        lines += &format!("{}: {}\n", arm.name, fields.join(", "));
    }
    Text::new().code(lines)
}

/// The settings of each arm, but for what is a run's own.
fn tables(plan: &SweepPlan) -> Result<Vec<toml::Table>> {
    // Epochs and seed are a run's own.
    let table = |arm: &crate::sweep::arms::Arm| {
        let table = toml::Table::try_from(arm.config.resolved());
        let mut table = table.map_err(|e| Error::usage(format!("arm `{}`", arm.name), e.to_string()))?;
        table.remove("epochs");
        table.remove("seed");
        Ok(table)
    };
    plan.arms.iter().map(table).collect()
}

fn plain(value: &toml::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
