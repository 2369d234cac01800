//! Out again: the thresholds as TOML, and the command line that does the same.

use ferkd::mining::{Rule, Thresholds};

use crate::state::State;

/// The thresholds as TOML that `ferkd train --config` reads.
pub fn toml(state: &State) -> String {
    let settings = state.experiment.settings;
    let confidence = settings.confidence.name();
    let rule = match settings.rule() {
        Rule::Absolute(Thresholds { low, mid, high }) => {
            format!("low = {low:?}\nmid = {mid:?}\nhigh = {high:?}\n")
        }
        Rule::Quantiles(Thresholds { low, mid, high }) => {
            format!("quantiles = [{low:?}, {mid:?}, {high:?}]\n")
        }
    };
    let found = match state.thresholds(&settings) {
        Ok(Thresholds { low, mid, high }) => {
            format!("# On these labels: low {low}, mid {mid}, high {high}.\n")
        }
        Err(_) => String::new(),
    };
    format!("{found}confidence = \"{confidence}\"\n{rule}epsilon = {:?}\n", settings.epsilon)
}

/// The command line that counts the same regions: `ferkd mine` on the store.
pub fn command_line(state: &State) -> String {
    let settings = state.experiment.settings;
    let store = state.set().map_or("STORE".to_owned(), |set| set.name.to_lowercase());
    let rule = match settings.rule() {
        Rule::Absolute(Thresholds { low, mid, high }) => format!("--low {low} --mid {mid} --high {high}"),
        Rule::Quantiles(Thresholds { low, mid, high }) => format!("--quantiles {low},{mid},{high}"),
    };
    format!("ferkd mine {store} --confidence {} {rule}", settings.confidence.name())
}
