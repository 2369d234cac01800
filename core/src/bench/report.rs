//! What a bench says: figures with their unit and spread, for people and as one JSON object.

use std::fmt::Write;

use serde_json::{Map, Value};

use super::machine::Machine;
use super::timing::Timing;

/// A measured figure.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// Its key in the JSON object, with the unit.
    pub key: &'static str,
    /// The median of the turns.
    pub median: f64,
    /// The lowest of the turns.
    pub low: f64,
    /// The highest of the turns.
    pub high: f64,
}

impl Figure {
    /// The figure of a number of turns; none without a turn.
    pub fn of(key: &'static str, turns: &[f64]) -> Option<Self> {
        let mut sorted = turns.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (low, high) = (*sorted.first()?, *sorted.last()?);
        let half = sorted.len() / 2;
        let median =
            if sorted.len() % 2 == 1 { sorted[half] } else { (sorted[half - 1] + sorted[half]) / 2.0 };
        Some(Self { key, median, low, high })
    }
}

/// What a bench measured.
#[derive(Debug, Clone)]
pub struct Report {
    /// Name of the bench.
    pub bench: &'static str,
    /// The figures; the first is what the bench is about.
    pub figures: Vec<Figure>,
    /// What was worked on, by key.
    pub facts: Vec<(&'static str, Value)>,
    /// Name of the yardstick.
    pub yardstick: Option<String>,
    /// How long was measured.
    pub timing: Timing,
    /// Threads that worked.
    pub threads: usize,
    /// Where.
    pub machine: Machine,
}

impl Report {
    /// A report on this machine, without figures yet.
    pub(super) fn new(bench: &'static str, timing: Timing) -> Self {
        Self {
            bench,
            figures: Vec::new(),
            facts: Vec::new(),
            yardstick: None,
            timing,
            threads: rayon::current_num_threads(),
            machine: Machine::here(),
        }
    }

    /// Adds a figure, if there was a turn.
    pub(super) fn figure(&mut self, key: &'static str, turns: &[f64]) {
        self.figures.extend(Figure::of(key, turns));
    }

    /// Adds what was worked on.
    pub(super) fn fact(&mut self, key: &'static str, value: impl Into<Value>) {
        self.facts.push((key, value.into()));
    }

    /// Adds the yardstick, and how many times its rate ours is, turn by turn.
    pub(super) fn yardstick(&mut self, name: &str, key: &'static str, ours: &[f64], others: &[f64]) {
        self.yardstick = Some(name.to_owned());
        self.figure(key, others);
        let ratios: Vec<f64> = ours.iter().zip(others).map(|(a, b)| a / b).collect();
        self.figure("ratio", &ratios);
    }

    /// One flat JSON object: each figure's median under its key, its lowest and highest under `<key>_spread`.
    pub fn json(&self) -> Value {
        let mut object = Map::new();
        object.insert("bench".into(), self.bench.into());
        for Figure { key, median, low, high } in &self.figures {
            object.insert((*key).into(), (*median).into());
            object.insert(format!("{key}_spread"), vec![*low, *high].into());
        }
        for (key, value) in &self.facts {
            object.insert((*key).into(), value.clone());
        }
        if let Some(name) = &self.yardstick {
            object.insert("yardstick".into(), name.as_str().into());
        }
        object.insert("repetitions".into(), self.timing.repetitions.into());
        object.insert("turn_s".into(), self.timing.seconds.into());
        object.insert("threads".into(), self.threads.into());
        // Plain text and numbers: this cannot fail.
        object.insert("machine".into(), serde_json::to_value(&self.machine).unwrap_or_default());
        object.into()
    }

    /// The same as a table.
    pub fn table(&self) -> String {
        let Machine { cpu, cores, system, commit, optimised } = &self.machine;
        let Timing { repetitions, seconds } = self.timing;
        let mut text = format!("{:<34} {:>14} {:>14} {:>14}\n", self.bench, "median", "lowest", "highest");
        // Writing to a string cannot fail.
        for Figure { key, median, low, high } in &self.figures {
            let _ =
                writeln!(text, "{key:<34} {:>14} {:>14} {:>14}", short(*median), short(*low), short(*high));
        }
        let _ = writeln!(text);
        for (key, value) in &self.facts {
            let _ = writeln!(text, "{key:<34} {value}");
        }
        if let Some(name) = &self.yardstick {
            let _ = writeln!(text, "{:<34} {name}", "yardstick");
        }
        let _ = writeln!(
            text,
            "\n{repetitions} turns of {seconds} s, {} threads; {cpu}, {cores} cores, {system}",
            self.threads
        );
        let _ = writeln!(text, "commit {commit}");
        if !optimised {
            text += "this program was built without optimisation: build it with --release before you believe a figure\n";
        }
        text
    }
}

/// A number with four digits or more, without a tail of digits that mean nothing.
fn short(value: f64) -> String {
    match value.abs() {
        a if a >= 1000.0 => format!("{value:.0}"),
        a if a >= 10.0 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_stands_between_lowest_and_highest() {
        let figure = Figure::of("a_per_s", &[3.0, 1.0, 2.0]).unwrap();
        assert_eq!((figure.low, figure.median, figure.high), (1.0, 2.0, 3.0));
        assert_eq!(Figure::of("a_per_s", &[4.0, 1.0, 2.0, 3.0]).unwrap().median, 2.5);
        assert!(Figure::of("a_per_s", &[]).is_none());
    }

    #[test]
    fn the_ratio_is_taken_turn_by_turn() {
        let mut report = Report::new("x", Timing { repetitions: 3, seconds: 1.0 });
        report.figure("images_per_s", &[2.0, 9.0, 4.0]);
        report.yardstick("other", "yardstick_images_per_s", &[2.0, 9.0, 4.0], &[1.0, 3.0, 4.0]);
        assert_eq!(report.json()["ratio"], 2.0);
        let json = report.json();
        assert_eq!(json["images_per_s_spread"], serde_json::json!([2.0, 9.0]));
        assert_eq!(json["yardstick"], "other");
        assert!(report.table().contains("yardstick_images_per_s"));
    }
}
